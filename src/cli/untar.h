/* SPDX-License-Identifier: MIT */
/* untar.h - an archive from the daemon unpacked into a directory of the user's. */
#pragma once

#include "base/tar.h"

typedef struct {
	const char *dir; /* exists */
	const char *from,
		*to;     /* names that begin with from begin with to instead; NULL: as they are */
	gboolean owners; /* keep the archive's owners; else the files are the user's */
} Untar;

/* Nothing is written outside of dir, whatever the archive says: no link is followed. A directory is
 * not replaced by something else nor the other way round. */
gboolean untar(const Untar *u, TarReader *r, GError **error);

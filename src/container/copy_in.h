/* SPDX-License-Identifier: MIT */
/* copy_in.h - an archive unpacked into a live tree that its inhabitants may change meanwhile. */
#pragma once

#include "store/store.h"

/* Below dir, an absolute path that is resolved with root as "/", like every name of the archive is.
 * strict: see container_path_extract. */
gboolean copy_in(
	int root, const char *dir, StoreRead read, void *arg, gboolean strict, GError **error);

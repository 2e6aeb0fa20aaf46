/* SPDX-License-Identifier: MIT */
/* log_source.h - the files of one log: PATH, PATH.1, PATH.2 ..., old ones perhaps as PATH.N.gz. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
	int fd;
	gboolean packed; /* fd is of a compressed file */
	dev_t dev;
	ino_t ino; /* of the file as it was written, also when it is compressed now */
	off_t pos; /* the next line starts here */
	gboolean begun;
} LogSource;

/* All files, oldest first: GArray of LogSource with a clear function. */
GArray *log_sources_open(const char *path);
/* PATH alone. */
gboolean log_source_open(const char *path, LogSource *ret);
/* Makes fd readable as it was written: one that is packed becomes a temporary file (in PATH's
 * directory, without a name). FALSE: it cannot be read; fd is -1 then. */
gboolean log_source_unpack(LogSource *s, const char *path);

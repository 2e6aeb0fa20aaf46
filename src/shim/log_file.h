/* SPDX-License-Identifier: MIT */
/* log_file.h - a log's files: path, path.1, path.2 ... (youngest first), the old ones perhaps as
 * path.N.gz. */
#pragma once

#include "shim/protocol.h"

typedef struct {
	char *path;
	int fd;
	int64_t size, max_size, max_files; /* max_size -1: never rotated */
	gboolean compress;
	gboolean held_back; /* takes nothing for now */
	guint64 lost;       /* messages that could not be written, since it was last asked */
	int compressor;     /* pidfd of the process that compresses path.1, or -1 */
} LogFile;

gboolean log_file_open(LogFile *f, const ShimLog *config, GError **error);
/* path.1 is the youngest of the old ones; with one file only, it begins anew. */
void log_file_rotate(LogFile *f);
/* write(2) of all of it, as far as it goes: bytes written. Does not change size. */
size_t log_file_write(LogFile *f, const char *data, size_t n);
guint64 log_file_take_lost(LogFile *f);
void log_file_close(LogFile *f);

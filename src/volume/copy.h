/* SPDX-License-Identifier: MIT */
/* copy.h - a directory tree copied by descriptors. */
#pragma once

#include <glib.h>

/* Copies what is in directory `from` into the directory `to`, and from's own owner, mode, times and
 * extended attributes onto it. Symbolic links are copied, never followed; hard links within the
 * tree stay such. Both are O_RDONLY descriptors and stay the caller's. */
gboolean copy_tree(int from, int to, GError **error);

/* 1: the directory has no entries, 0: it has, -1 with errno. */
int copy_is_empty(int fd);

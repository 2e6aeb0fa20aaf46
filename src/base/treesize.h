/* SPDX-License-Identifier: MIT */
/* treesize.h - what a directory takes. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct {
	int64_t bytes; /* lengths of the regular files: what Docker calls a size */
	int64_t disk;  /* as du counts: blocks, also of directories and of the top itself */
} DhTreeSize;

/* Adds up a file or a directory and all below it, each inode once, never across mounts or through
 * links. What cannot be read or goes meanwhile is left out. seen: inodes with several names that
 * were counted already; may be NULL when nothing else is counted. */
void dh_tree_size(int dirfd, const char *path, GHashTable *seen, DhTreeSize *sum);

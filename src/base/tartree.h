/* SPDX-License-Identifier: MIT */
/*
 * tartree.h - a tree of files written as tar, descriptor-relative.
 *
 * Nothing is opened but directories and regular files, by their own name below a descriptor: links
 * are never followed, devices and fifos never opened, whatever changes meanwhile. A file that
 * shrinks while it is read is filled up with zeros. Sockets are left out.
 */
#pragma once

#include "base/tar.h"

#include <sys/stat.h>

enum { TAR_TREE_MAX_DEPTH = 1000 };

typedef struct {
	/* 0 or -1 with errno */
	int (*write)(void *arg, const void *buf, size_t n);
	void *arg;
	gboolean xattrs;    /* user.* as well as file capabilities */
	gboolean real_only; /* what the kernel makes up (/proc, /sys, a /dev of its own) is not
			     * entered
			     */
	/* Owners as the archive is to have them; NULL: as they are. */
	void (*owner)(const void *arg, int64_t *uid, int64_t *gid);
	const void *owner_arg;
	int64_t bytes; /* payload written so far */
	/* inside */
	GHashTable *links; /* "dev:ino" -> name it has in the archive */
	GByteArray *head;
	char *buf;
} TarTree;

void tar_tree_init(TarTree *t, int (*write)(void *, const void *, size_t), void *arg);
void tar_tree_clear(TarTree *t);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TarTree, tar_tree_clear)

/* The entry parent/name ("" or ".": parent itself), called `as` in the archive. What is gone is
 * left out; *ret_dir (may be NULL): it is a directory. */
gboolean tar_tree_entry(TarTree *t, int parent, const char *name, const char *as, gboolean *ret_dir,
	GError **error);
/* The same with all below it; as NULL or "": only what is below it, by its own names. */
gboolean tar_tree_all(TarTree *t, int parent, const char *name, const char *as, GError **error);
/* An empty file (whiteouts of image layers). */
gboolean tar_tree_empty(TarTree *t, const char *as, GError **error);
gboolean tar_tree_end(TarTree *t, GError **error);

/* Names in a directory without "." and "..", sorted; strv, or NULL with errno. dir is any
 * descriptor of it. */
char **tar_tree_names(int dir);

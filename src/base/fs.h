/* SPDX-License-Identifier: MIT */
/*
 * fs.h - files and directories, descriptor first.
 *
 * Paths that a container or an archive may have a hand in are only ever touched with
 * dh_open_in_root() (openat2(2), RESOLVE_IN_ROOT, Linux 5.6) or *at calls on descriptors made by
 * it.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* openat2 below root as if root were "/": neither "..", absolute names nor symlinks lead out of it.
 * Magic links are refused. flags get O_CLOEXEC. Descriptor, or -1 with errno. */
int dh_open_in_root(int root, const char *path, int flags, mode_t mode);

/* The same; any symlink on the way is ELOOP. */
int dh_open_plain_in_root(int root, const char *path, int flags);

/* What both do without openat2 (inroot.c). */
int dh_walk_in_root(int root, const char *path, int flags, mode_t mode, gboolean no_links);

/* mkdir -p below root with the same containment; returns an O_PATH|O_DIRECTORY descriptor of the
 * last component, or -1 with errno. */
int dh_mkdir_in_root(int root, const char *path, mode_t mode);

/* mkdir -p of a host path (ours, trusted). */
gboolean dh_mkdir_p(const char *path, mode_t mode, GError **error);

/* Whole file, at most max bytes, NUL-terminated; caller frees. ENOENT is DH_ERROR_NOT_FOUND. */
char *dh_read_file(int dirfd, const char *path, size_t max, size_t *ret_len, GError **error);

/* Replaces a file in one rename. No fsync: the caller decides what must survive a power cut. */
gboolean dh_write_file_atomic(
	int dirfd, const char *path, const void *buf, size_t n, mode_t mode, GError **error);

/* write(2) of a short string into an existing kernel file (sysfs, procfs, cgroupfs). 0 or -1/errno.
 */
int dh_write_kernel_file(int dirfd, const char *path, const char *text);

/* rm -rf below dirfd; never follows symlinks, never crosses into another mount; a missing path is
 * success. Continues past failures and reports the first. */
gboolean dh_remove_tree(int dirfd, const char *path, GError **error);

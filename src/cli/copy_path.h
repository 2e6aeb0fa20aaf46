/* SPDX-License-Identifier: MIT */
/*
 * copy_path.h - the rules of docker cp, which are those of cp -a: what a slash or "/." at the end
 * of a path means, and under which name a source appears at its destination.
 */
#pragma once

#include <glib.h>

/* One side of a copy. */
typedef struct {
	char *path;
	gboolean exists, is_dir;
	char *rebase; /* the name it is to have instead of its own, or NULL */
} CopyInfo;
void copy_info_clear(CopyInfo *i);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CopyInfo, copy_info_clear)

/* "x/", "x/.", "." */
gboolean copy_asserts_dir(const char *path);
/* Cleaned, but a "." at the end stays the last part. Both new strings; dir ends in "/" or is "". */
void copy_split(const char *path, char **ret_dir, char **ret_base);
/* Absolute and clean, what stood at the end kept. New string. */
char *copy_absolute(const char *path);
/* The last part of a path: "a" of "b/a/", "/" of "/", "." of "a/.". New string. */
char *copy_base(const char *path);
/* path turned out to be resolved: info gets that, with path's ending, and the name to rebase to. */
void copy_rebase(CopyInfo *info, const char *path, const char *resolved);

/* Where an archive of src must be unpacked so that it becomes dst, and how its names begin
 * (*ret_from) and must begin instead (*ret_to; NULL: as they are). New strings. */
gboolean copy_prepare(const CopyInfo *src, const CopyInfo *dst, char **ret_dir, char **ret_from,
	char **ret_to, GError **error);

/* The user's own files. */
gboolean copy_local_source(const char *path, gboolean follow, CopyInfo *ret, GError **error);
gboolean copy_local_destination(const char *path, CopyInfo *ret, GError **error);

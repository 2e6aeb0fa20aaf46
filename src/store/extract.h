/* SPDX-License-Identifier: MIT */
/*
 * extract.h - puts the entries of a layer's tar into a directory and nowhere else.
 *
 * Theory of operation
 *
 * A name is first cleaned as text: "", "." and ".." are resolved, a leading "/" means the layer's
 * root, and a name that climbs above it is refused. The parent directory is opened relative to the
 * layer's root; the entry itself is then made with *at calls on that descriptor, never following a
 * link in the last place. An existing entry of the same name is removed first (a directory stays
 * one).
 *
 * A parent that goes through a symbolic link of the same layer ("lib -> usr/lib", then "lib/x") is
 * resolved as the container would see it, with the layer as root (RESOLVE_IN_ROOT): what docker's
 * extraction in a chroot does. Links can thus be swapped at will and lead nowhere outside.
 *
 * Whiteouts become overlayfs's own: ".wh.x" a character device 0/0 named x, ".wh..wh..opq" the
 * xattr trusted.overlay.opaque. In the lowest layer they hide nothing and are left out.
 */
#pragma once

#include "store/recipe.h"

#include <sys/stat.h>
#include <time.h>

#define EXTRACT_MAX_DEPTH 256         /* components of a path */
#define EXTRACT_MAX_XATTRS 1024       /* of an entry */
#define EXTRACT_MAX_XATTR 65536       /* bytes: the kernel's own limit */
#define EXTRACT_MAX_MEMORY 0x10000000 /* bytes of names remembered for the end */

typedef struct Extract Extract;

/* What an entry says of itself. */
typedef struct {
	uid_t uid;
	gid_t gid;
	mode_t mode; /* 07777 */
	struct timespec mtime;
	struct archive_entry *entry; /* for its xattrs */
} ExtractMeta;

/* root: descriptor of the empty diff directory; both stay the caller's. */
Extract *extract_new(int root, gboolean lowest, RecipeWriter *recipe);
void extract_free(Extract *x);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Extract, extract_free)

/* Cleans a name; "" is the layer's root. NULL with error. Caller frees. */
char *extract_clean_path(const char *name, GError **error);

/* Paths are clean and not "" (except for directories). */
gboolean extract_directory(Extract *x, const char *path, const ExtractMeta *m, GError **error);
gboolean extract_symlink(
	Extract *x, const char *path, const char *target, const ExtractMeta *m, GError **error);
gboolean extract_hardlink(
	Extract *x, const char *path, const char *target, const ExtractMeta *m, GError **error);
/* A device or fifo (type: S_IFCHR, S_IFBLK, S_IFIFO; S_IFSOCK is left out). */
gboolean extract_special(
	Extract *x, const char *path, mode_t type, dev_t dev, const ExtractMeta *m, GError **error);
/* An entry that is not made, but remembered in case of hard links to it. */
gboolean extract_skip(Extract *x, const char *path, GError **error);
/* base: the last component of path, which starts with ".wh." */
gboolean extract_whiteout(Extract *x, const char *path, const char *base, GError **error);

/* A new regular file: descriptor for writing, and where it really lies (caller frees). stored: its
 * payload will be left out of the recipe. Close with extract_file_done. */
int extract_file(Extract *x, const char *path, gboolean stored, char **ret_real, GError **error);
gboolean extract_file_done(
	Extract *x, int fd, const char *path, const ExtractMeta *m, int64_t size, GError **error);

/* Sets the directories' times. */
gboolean extract_finish(Extract *x, GError **error);

/* Bytes in regular files and in targets of symlinks: docker's measure of a layer. */
int64_t extract_size(const Extract *x);

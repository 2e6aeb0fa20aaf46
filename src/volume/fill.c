/* SPDX-License-Identifier: MIT */
/*
 * fill.c - theory of operation: a new volume gets what the image has at its place. While it is
 * nobody else's, the copy is made beside it (<name>/.fill) and takes the place of the empty _data
 * in one rename, so that a crash leaves either all of it or nothing. A volume that another
 * container holds may be mounted there already; then the files are copied into it one by one.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/treesize.h"
#include "volume/copy.h"
#include "volume/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

static gboolean fill_beside(int dir, int from, GError **error)
{
	if (!dh_remove_tree(dir, ".fill", error))
		return FALSE;
	if (mkdirat(dir, ".fill", 0700) < 0)
		return dh_error_errno(error, errno, "mkdir .fill");
	dh_autofd int to = openat(dir, ".fill", DIR_FLAGS | O_NOFOLLOW);
	gboolean ok =
		to >= 0 ? copy_tree(from, to, error) : dh_error_errno(error, errno, "open .fill");
	if (ok && renameat(dir, ".fill", dir, "_data") < 0)
		ok = dh_error_errno(error, errno, "rename to _data");
	if (!ok)
		(void)dh_remove_tree(dir, ".fill", NULL);
	return ok;
}

/* The directory at path below root; -1 and no error: there is none. */
static int open_source(int root, const char *path, GError **error)
{
	int from = dh_open_in_root(root, path, DIR_FLAGS, 0);
	if (from >= 0 || errno == ENOENT)
		return from;
	if (errno == ENOTDIR)
		dh_error(error, DH_ERROR_INVALID,
			"cannot mount volume over existing file, file exists %s", path);
	else
		dh_error_errno(error, errno, "open %s", path);
	return -1;
}

static gboolean fill_locked(Volumes *vs, Volume *v, int root, const char *path, GError **error)
{
	g_autoptr(GError) failed = NULL;
	dh_autofd int from = open_source(root, path, &failed);
	if (failed) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	g_auto(VolumeMount) m = {0};
	if (from < 0)
		return TRUE;
	if (!volume_mount(v, &m, error))
		return FALSE;
	/* A file system of its own is mounted by the container only. */
	if (strcmp(m.type, "bind") != 0)
		return TRUE;
	dh_autofd int to = open(m.source, DIR_FLAGS);
	if (to < 0)
		return dh_error_errno(error, errno, "open %s", m.source);
	if (copy_is_empty(to) != 1)
		return TRUE;
	dh_autofd int dir = open(v->dir, DIR_FLAGS);
	if (dir < 0)
		return dh_error_errno(error, errno, "open %s", v->dir);
	g_auto(GStrv) holders = volumes_holders(vs, v);
	gboolean ours = !v->options && g_strv_length(holders) <= 1;
	return ours ? fill_beside(dir, from, error) : copy_tree(from, to, error);
}

gboolean volume_fill(Volumes *vs, Volume *v, int root, const char *path, GError **error)
{
	/* Whoever takes the volume up waits here until it has its contents. */
	g_mutex_lock(&v->fill);
	gboolean ok = root < 0 || fill_locked(vs, v, root, path, error);
	g_mutex_unlock(&v->fill);
	if (!ok)
		g_prefix_error(error, "failed to populate volume %s: ", v->name);
	return ok;
}

/* ---- size ---- */

int64_t volume_size(const Volume *v)
{
	DhTreeSize size = {0};
	dh_tree_size(AT_FDCWD, v->mountpoint, NULL, &size);
	return size.bytes;
}

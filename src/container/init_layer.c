/* SPDX-License-Identifier: MIT */
/*
 * init_layer.c - what Docker keeps in an "init layer" between the image and the container: the
 * empty file that says "this is a container", and a plain directory or file wherever an image has
 * something else (a symlink, mostly) at a place that every container mounts on. Here these lie in
 * the container's own layer; changes.c knows them, so that neither `diff` nor `commit` shows them.
 */
#include "container/internal.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What the image shows at dir/name (dir NULL: the root), by the rules of an overlay: the topmost
 * layer that has it decides. FALSE: nothing. */
static gboolean image_entry(
	const GArray *layers, const char *dir, const char *name, struct stat *st)
{
	for (guint i = 0; i < layers->len; i++) {
		int layer = g_array_index(layers, int, i);
		dh_autofd int sub = -1;
		if (dir) {
			struct stat d;
			if (fstatat(layer, dir, &d, AT_SYMLINK_NOFOLLOW) < 0)
				continue;
			if (!S_ISDIR(d.st_mode))
				return FALSE;
			sub = openat(layer, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (sub < 0)
				return FALSE;
		}
		if (fstatat(dir ? sub : layer, name, st, AT_SYMLINK_NOFOLLOW) == 0)
			return !(S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0));
		char opaque;
		if (dir && fgetxattr(sub, "trusted.overlay.opaque", &opaque, 1) == 1 &&
			opaque == 'y')
			return FALSE;
	}
	return FALSE;
}

static gboolean make_file(int dir, const char *name, GError **error)
{
	dh_autofd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0755);
	return fd >= 0 || dh_error_errno(error, errno, "create %s", name);
}

static gboolean hide_directory(int upper, const GArray *layers, const char *name, GError **error)
{
	struct stat st;
	if (!image_entry(layers, NULL, name, &st) || S_ISDIR(st.st_mode))
		return TRUE;
	return mkdirat(upper, name, 0755) == 0 || dh_error_errno(error, errno, "mkdir %s", name);
}

/* An empty file over /etc/name, in a copy of the image's /etc. */
static gboolean hide_file(int upper, const GArray *layers, const char *name, GError **error)
{
	struct stat st, etc;
	if (!image_entry(layers, "etc", name, &st) || !S_ISLNK(st.st_mode) ||
		!image_entry(layers, NULL, "etc", &etc))
		return TRUE;
	if (mkdirat(upper, "etc", 0755) < 0 && errno != EEXIST)
		return dh_error_errno(error, errno, "mkdir etc");
	dh_autofd int dir = openat(upper, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fchown(dir, etc.st_uid, etc.st_gid) < 0 ||
		fchmod(dir, etc.st_mode & 07777) < 0)
		return dh_error_errno(error, errno, "etc");
	return make_file(dir, name, error);
}

static void close_all(GArray *fds)
{
	for (guint i = 0; i < fds->len; i++)
		close(g_array_index(fds, int, i));
	g_array_unref(fds);
}

gboolean container_init_layer(Container *c, GError **error)
{
	static const char *const directories[] = {"dev", "proc", "sys"};
	static const char *const files[] = {"resolv.conf", "hostname", "hosts"};
	g_autofree char *path = g_build_filename(c->dir, "upper", NULL);
	dh_autofd int upper = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (upper < 0)
		return dh_error_errno(error, errno, "open %s", path);
	GArray *layers = g_array_new(FALSE, FALSE, sizeof(int));
	gboolean ok = TRUE;
	for (char **l = c->lower; ok && l && *l; l++) {
		int fd = open(*l, O_PATH | O_DIRECTORY | O_CLOEXEC);
		ok = fd >= 0 || dh_error_errno(error, errno, "open %s", *l);
		if (ok)
			g_array_append_val(layers, fd);
	}
	for (guint i = 0; ok && i < G_N_ELEMENTS(directories); i++)
		ok = hide_directory(upper, layers, directories[i], error);
	for (guint i = 0; ok && i < G_N_ELEMENTS(files); i++)
		ok = hide_file(upper, layers, files[i], error);
	struct stat st;
	if (ok && !image_entry(layers, NULL, ".dockerenv", &st))
		ok = make_file(upper, ".dockerenv", error);
	close_all(layers);
	return ok;
}

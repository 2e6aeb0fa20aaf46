/* SPDX-License-Identifier: MIT */
/*
 * init_layer.c - what Docker keeps in an "init layer" between the image and the container: the
 * empty file that says "this is a container", and a plain directory or file wherever an image has
 * nothing, or something else (a symlink, mostly), at a place that every container mounts on.
 *
 * It depends on the image's layers only, so it is made once and shared: a start creates nothing in
 * the container's own layer, and `diff` and `commit` have nothing to hide. It lies beside the
 * topmost of these layers and is removed with it; an image without layers has one in each of its
 * containers' directories. It is made aside and renamed into place: a half-made one is never seen.
 */
#include "container/internal.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { XATTR_NAMES_MAX = 64 * 1024, XATTR_VALUE_MAX = 64 * 1024 };

/* What the image shows at dir/name (dir NULL: the root), by the rules of an overlay: the topmost
 * layer that has it decides. FALSE: nothing. ret_layer: whose it is, or NULL. */
static gboolean image_entry(
	const GArray *layers, const char *dir, const char *name, struct stat *st, int *ret_layer)
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
		if (fstatat(dir ? sub : layer, name, st, AT_SYMLINK_NOFOLLOW) == 0) {
			if (ret_layer)
				*ret_layer = layer;
			return !(S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0));
		}
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

static gboolean add_directory(int init, const GArray *layers, const char *name, GError **error)
{
	struct stat st;
	if (image_entry(layers, NULL, name, &st, NULL) && S_ISDIR(st.st_mode))
		return TRUE;
	return mkdirat(init, name, 0755) == 0 || dh_error_errno(error, errno, "mkdir %s", name);
}

/* Those of an overlay are about the layer, not about the directory. */
static gboolean copy_xattrs(int from, int to)
{
	g_autofree char *names = g_malloc(XATTR_NAMES_MAX);
	g_autofree char *value = g_malloc(XATTR_VALUE_MAX);
	ssize_t n = flistxattr(from, names, XATTR_NAMES_MAX);
	for (const char *x = names; n > 0 && x < names + n; x += strlen(x) + 1) {
		if (g_str_has_prefix(x, "trusted.overlay."))
			continue;
		ssize_t len = fgetxattr(from, x, value, XATTR_VALUE_MAX);
		if (len < 0 || fsetxattr(to, x, value, (size_t)len, 0) < 0)
			return FALSE;
	}
	return n >= 0 || errno == ENOTSUP;
}

/* What is seen of a merged directory is what its topmost layer says of it. */
static gboolean copy_attributes(int layer, const char *name, const struct stat *st, int to)
{
	struct timespec times[] = {st->st_atim, st->st_mtim};
	dh_autofd int from = openat(layer, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return from >= 0 && fchown(to, st->st_uid, st->st_gid) == 0 &&
	       fchmod(to, st->st_mode & 07777) == 0 && copy_xattrs(from, to) &&
	       futimens(to, times) == 0;
}

/* /etc with a plain file wherever the image has none at one of these names. */
static gboolean add_etc(int init, const GArray *layers, GError **error)
{
	static const char *const names[] = {"resolv.conf", "hostname", "hosts"};
	struct stat st, etc;
	int layer = -1;
	dh_autofd int dir = -1;
	gboolean has_etc = image_entry(layers, NULL, "etc", &etc, &layer);
	/* A symlink leads to where the names are then made, in the container's own layer. */
	if (has_etc && !S_ISDIR(etc.st_mode))
		return TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		if (image_entry(layers, "etc", names[i], &st, NULL) && S_ISREG(st.st_mode))
			continue;
		if (dir < 0 &&
			(mkdirat(init, "etc", 0755) < 0 ||
				(dir = openat(init, "etc",
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0))
			return dh_error_errno(error, errno, "mkdir etc");
		if (!make_file(dir, names[i], error))
			return FALSE;
	}
	return dir < 0 || !has_etc || copy_attributes(layer, "etc", &etc, dir) ||
	       dh_error_errno(error, errno, "etc");
}

static gboolean fill(int init, const GArray *layers, GError **error)
{
	static const char *const directories[] = {"dev", "proc", "sys"};
	struct stat st;
	for (guint i = 0; i < G_N_ELEMENTS(directories); i++) {
		if (!add_directory(init, layers, directories[i], error))
			return FALSE;
	}
	return add_etc(init, layers, error) &&
	       (image_entry(layers, NULL, ".dockerenv", &st, NULL) ||
		       make_file(init, ".dockerenv", error));
}

static void close_all(GArray *fds)
{
	for (guint i = 0; i < fds->len; i++)
		close(g_array_index(fds, int, i));
	g_array_unref(fds);
}

static gboolean fill_path(const char *path, char *const *lower, GError **error)
{
	dh_autofd int init = mkdir(path, 0755) < 0
				     ? -1
				     : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (init < 0)
		return dh_error_errno(error, errno, "mkdir %s", path);
	GArray *layers = g_array_new(FALSE, FALSE, sizeof(int));
	gboolean ok = TRUE;
	for (char *const *l = lower; ok && *l; l++) {
		int fd = open(*l, O_PATH | O_DIRECTORY | O_CLOEXEC);
		ok = fd >= 0 || dh_error_errno(error, errno, "open %s", *l);
		if (ok)
			g_array_append_val(layers, fd);
	}
	ok = ok && fill(init, layers, error);
	close_all(layers);
	return ok;
}

static gboolean make(Container *c, const char *path, GError **error)
{
	g_autofree char *name = g_strconcat("init-", c->id, NULL);
	g_autofree char *staged = g_build_filename(c->engine->config.data_root, "tmp", name, NULL);
	gboolean ok = fill_path(staged, c->lower, error);
	if (ok && rename(staged, path) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		ok = dh_error_errno(error, errno, "rename %s", path);
	/* Another container's may have come first. */
	(void)dh_remove_tree(AT_FDCWD, staged, NULL);
	return ok;
}

gboolean container_init_layer(Container *c, GError **error)
{
	g_autofree char *top = c->lower[0] ? g_path_get_dirname(c->lower[0]) : g_strdup(c->dir);
	g_autofree char *path = g_build_filename(top, "init", NULL);
	if (access(path, F_OK) < 0 && !make(c, path, error))
		return FALSE;
	guint n = g_strv_length(c->lower);
	char **lower = g_new0(char *, n + 2);
	lower[0] = g_steal_pointer(&path);
	memcpy(lower + 1, c->lower, n * sizeof *lower);
	g_free(c->lower);
	c->lower = lower;
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
#include "container/changes.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/tartree.h"
#include "container/internal.h"
#include "container/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CHANGES_MAX = 4000000, MAX_DEPTH = TAR_TREE_MAX_DEPTH, CAPABILITY_MAX = 64 };

/* Empty names that a start makes to mount on; docker keeps them in a layer of their own. */
static const char *const mountpoints[] = {"/.dockerenv", "/dev", "/dev/console", "/dev/pts",
	"/dev/shm", "/dev/mqueue", "/etc", "/etc/hostname", "/etc/hosts", "/etc/mtab",
	"/etc/resolv.conf", "/proc", "/sys", NULL};

static void change_free(void *p)
{
	Change *c = p;
	g_free(c->path);
	g_free(c);
}

static void add(GPtrArray *out, const char *path, ChangeKind kind)
{
	Change *c = g_new0(Change, 1);
	c->path = g_strdup(path);
	c->kind = kind;
	g_ptr_array_add(out, c);
}

/* ---- comparing ---- */

static gboolean is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static ssize_t get_xattr(int fd, const char *name, void *buf, size_t n)
{
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return getxattr(path, name, buf, n);
}

static gboolean is_opaque(int fd)
{
	char value;
	return get_xattr(fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

static gboolean same_capability(int a, int b)
{
	char x[CAPABILITY_MAX], y[CAPABILITY_MAX];
	ssize_t n = get_xattr(a, "security.capability", x, sizeof x);
	ssize_t m = get_xattr(b, "security.capability", y, sizeof y);
	return n < 0 ? m < 0 : n == m && memcmp(x, y, (size_t)n) == 0;
}

static gboolean same_time(const struct timespec *a, const struct timespec *b)
{
	/* An archive may have cut the fraction. */
	return a->tv_sec == b->tv_sec &&
	       (a->tv_nsec == b->tv_nsec || a->tv_nsec == 0 || b->tv_nsec == 0);
}

static gboolean differs(int up, const struct stat *u, int low, const struct stat *l)
{
	if (u->st_mode != l->st_mode || u->st_uid != l->st_uid || u->st_gid != l->st_gid ||
		u->st_rdev != l->st_rdev || !same_capability(up, low))
		return TRUE;
	return !S_ISDIR(u->st_mode) &&
	       (u->st_size != l->st_size || !same_time(&u->st_mtim, &l->st_mtim));
}

static int open_name(int dir, const char *name, struct stat *st)
{
	int fd = dir < 0 ? -1 : openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, st) < 0)
		dh_close(&fd);
	return fd;
}

/* ---- walking ---- */

static gboolean walk(
	GPtrArray *out, int upper, int lower, const char *path, guint depth, GError **error);

/* Made by a start or by init_layer.c, and nothing has happened to it since. */
static gboolean untouched(const char *path, const struct stat *st, gboolean empty_dir)
{
	if (!g_strv_contains(mountpoints, path))
		return FALSE;
	return S_ISDIR(st->st_mode)   ? empty_dir
	       : S_ISLNK(st->st_mode) ? strcmp(path, "/etc/mtab") == 0
				      : S_ISREG(st->st_mode) && st->st_size == 0;
}

/* A directory of the upper layer; low: the image's of the same name, or -1. */
static gboolean directory(GPtrArray *out, int up, const struct stat *u, int low,
	const struct stat *l, const char *path, guint depth, GError **error)
{
	gboolean merged = low >= 0 && S_ISDIR(l->st_mode);
	add(out, path, low >= 0 ? CHANGE_MODIFY : CHANGE_ADD);
	guint before = out->len;
	if (!walk(out, up, merged ? low : -1, path, depth + 1, error))
		return FALSE;
	gboolean empty = out->len == before;
	gboolean keep = merged ? !empty || differs(up, u, low, l) : !untouched(path, u, empty);
	if (!keep)
		g_ptr_array_remove_index(out, before - 1); /* nothing came behind it */
	return TRUE;
}

static gboolean upper_entry(GPtrArray *out, int upper, int lower, const char *name,
	const char *path, guint depth, GError **error)
{
	struct stat u, l = {0};
	dh_autofd int up = open_name(upper, name, &u);
	dh_autofd int low = open_name(lower, name, &l);
	if (up < 0)
		return TRUE; /* gone meanwhile */
	if (is_whiteout(&u)) {
		if (low >= 0)
			add(out, path, CHANGE_DELETE);
	} else if (S_ISDIR(u.st_mode)) {
		return directory(out, up, &u, low, &l, path, depth, error);
	} else if (low < 0) {
		if (!untouched(path, &u, FALSE))
			add(out, path, CHANGE_ADD);
	} else if (differs(up, &u, low, &l) &&
		   ((u.st_mode & S_IFMT) == (l.st_mode & S_IFMT) || !untouched(path, &u, FALSE))) {
		add(out, path, CHANGE_MODIFY);
	}
	return TRUE;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* upper and lower are the same directory, path, in both; lower -1: the image has none. */
static gboolean walk(
	GPtrArray *out, int upper, int lower, const char *path, guint depth, GError **error)
{
	if (depth > MAX_DEPTH || out->len > CHANGES_MAX)
		return dh_error(error, DH_ERROR_SYSTEM, "%s: too many changes", path);
	g_auto(GStrv) names = tar_tree_names(upper);
	if (!names)
		return errno == ENOENT || dh_error_errno(error, errno, "read directory %s", path);
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	for (char **n = names; *n; n++)
		g_ptr_array_add(all, *n);
	/* An opaque directory hides what the image has there. */
	g_auto(GStrv) hidden = lower >= 0 && is_opaque(upper) ? tar_tree_names(lower) : NULL;
	for (char **n = hidden; n && *n; n++)
		if (!g_strv_contains((const char *const *)names, *n))
			g_ptr_array_add(all, *n);
	if (all->len > 1)
		qsort(all->pdata, all->len, sizeof(char *), by_name);
	for (guint i = 0; i < all->len; i++) {
		const char *name = g_ptr_array_index(all, i);
		g_autofree char *sub = g_strconcat(path, "/", name, NULL);
		gboolean is_hidden = hidden && !g_strv_contains((const char *const *)names, name);
		if (is_hidden)
			add(out, sub, CHANGE_DELETE);
		else if (!upper_entry(out, upper, lower, name, sub, depth, error))
			return FALSE;
	}
	return TRUE;
}

/* A removal moves the directory away under our hands: then what was read is not the whole. */
static gboolean still_there(Container *c, GError **error)
{
	g_mutex_lock(&c->state_lock);
	gboolean removed = c->removed;
	g_mutex_unlock(&c->state_lock);
	struct stat st;
	if (!removed && stat(c->dir, &st) == 0)
		return TRUE;
	return dh_error(error, DH_ERROR_NOT_FOUND, "No such container: %s", c->id);
}

GPtrArray *container_changes(Container *c, GError **error)
{
	g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func(change_free);
	g_auto(ContainerRoot) lower = {.fd = -1, .ns = -1};
	dh_autofd int upper = container_upper_open(c, error);
	if (upper < 0 || !container_root_lower(c, &lower, error) ||
		!walk(out, upper, lower.fd, "", 0, error) || !still_there(c, error))
		return NULL;
	return g_steal_pointer(&out);
}

/* ---- the layer ---- */

gboolean container_changes_tar(
	Container *c, GPtrArray *changes, StoreWrite write, void *arg, GError **error)
{
	dh_autofd int upper = container_upper_open(c, error);
	if (upper < 0)
		return FALSE;
	g_auto(TarTree) t = {0};
	tar_tree_init(&t, write, arg);
	t.xattrs = TRUE;
	g_autofree char *parent = NULL;
	dh_autofd int dir = -1;
	for (guint i = 0; i < changes->len; i++) {
		const Change *change = g_ptr_array_index(changes, i);
		const char *path = change->path + 1, *slash = strrchr(path, '/');
		const char *name = slash ? slash + 1 : path;
		g_autofree char *in = g_strndup(path, slash ? (gsize)(slash - path) : 0);
		if (change->kind == CHANGE_DELETE) {
			g_autofree char *as = g_strconcat(in, *in ? "/" : "", ".wh.", name, NULL);
			if (!tar_tree_empty(&t, as, error))
				return FALSE;
			continue;
		}
		if (g_strcmp0(in, parent) != 0) {
			dh_close(&dir);
			dir = dh_open_in_root(upper, in, O_PATH | O_DIRECTORY, 0);
			g_free(parent);
			parent = g_steal_pointer(&in);
		}
		if (dir >= 0 && !tar_tree_entry(&t, dir, name, path, NULL, error))
			return FALSE;
	}
	return tar_tree_end(&t, error) && still_there(c, error);
}

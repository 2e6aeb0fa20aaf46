/* SPDX-License-Identifier: MIT */
#include "cli/untar.h"

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

enum { BUFFER = 128 * 1024 };

typedef struct {
	const Untar *u;
	TarReader *r;
	int root;
	char *buf;
	GPtrArray *dirs;  /* char*: names of directories whose mode and time are set at the end */
	GArray *dir_meta; /* DirMeta, one for each */
} Work;

typedef struct {
	mode_t mode;
	struct timespec mtime;
} DirMeta;

static void work_clear(Work *w)
{
	dh_close(&w->root);
	g_free(w->buf);
	g_ptr_array_unref(w->dirs);
	g_array_unref(w->dir_meta);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

static gboolean fail(const char *what, const char *name, GError **error)
{
	return dh_error_errno(error, errno, "%s %s", what, name);
}

/* The name below dir, without "." and empty parts; NULL: it leads outside. */
static char *clean_name(const Untar *u, const char *name)
{
	while (u->from && *u->from != '/' && g_str_has_prefix(name, "/"))
		name++;
	size_t n = u->from ? strlen(u->from) : 0;
	g_autofree char *rebased = u->from && strncmp(name, u->from, n) == 0
					   ? g_strconcat(u->to, name + n, NULL)
					   : g_strdup(name);
	g_auto(GStrv) parts = g_strsplit(rebased, "/", -1);
	g_autoptr(GString) out = g_string_new(NULL);
	for (char **p = parts; *p; p++) {
		if (strcmp(*p, "..") == 0)
			return NULL;
		if (**p && strcmp(*p, ".") != 0)
			g_string_append_printf(out, "%s%s", out->len ? "/" : "", *p);
	}
	return g_string_free(g_steal_pointer(&out), FALSE);
}

/* The directory that name is in, made where it is missing; *ret_base: the last part. */
static int open_parent(const Work *w, const char *name, const char **ret_base)
{
	dh_autofd int fd = openat(w->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *slash;
	while (fd >= 0 && (slash = strchr(name, '/'))) {
		g_autofree char *part = g_strndup(name, (gsize)(slash - name));
		const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
		int next = openat(fd, part, flags);
		if (next < 0 && errno == ENOENT && mkdirat(fd, part, 0777) == 0)
			next = openat(fd, part, flags);
		dh_close(&fd);
		fd = next;
		name = slash + 1;
	}
	*ret_base = name;
	return dh_steal_fd(&fd);
}

static gboolean make_room(const Work *w, int dir, const char *base, const char *name,
	gboolean want_dir, GError **error)
{
	struct stat st;
	if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || fail("stat", name, error);
	gboolean is_dir = S_ISDIR(st.st_mode);
	if (is_dir && !want_dir)
		return dh_error(error, DH_ERROR_INVALID,
			"cannot overwrite directory \"%s/%s\" with non-directory \"%s\"", w->u->dir,
			name, w->u->dir);
	if (!is_dir && want_dir)
		return dh_error(error, DH_ERROR_INVALID,
			"cannot overwrite non-directory \"%s/%s\" with directory \"%s\"", w->u->dir,
			name, w->u->dir);
	return is_dir || unlinkat(dir, base, 0) == 0 || fail("replace", name, error);
}

static gboolean set_meta(const Work *w, int fd, const char *name, const TarEntry *e, GError **error)
{
	const struct timespec times[2] = {e->mtime, e->mtime};
	if (w->u->owners && fchown(fd, (uid_t)e->uid, (gid_t)e->gid) < 0 && errno != EPERM)
		return fail("chown", name, error);
	for (guint i = 0; e->xattrs && i < e->xattrs->len; i++) {
		const TarXattr *x = g_ptr_array_index(e->xattrs, i);
		if (fsetxattr(fd, x->name, x->value, x->len, 0) < 0 && errno != ENOTSUP &&
			errno != EPERM)
			return fail("set attributes of", name, error);
	}
	if (fchmod(fd, e->mode) < 0 || futimens(fd, times) < 0)
		return fail("set attributes of", name, error);
	return TRUE;
}

static gboolean regular(
	Work *w, int dir, const char *base, const char *name, const TarEntry *e, GError **error)
{
	dh_autofd int fd =
		openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail("create", name, error);
	ssize_t n;
	while ((n = tar_reader_data(w->r, w->buf, BUFFER, error)) > 0)
		if (dh_write_all(fd, w->buf, (size_t)n) < 0)
			return fail("write", name, error);
	return n == 0 && set_meta(w, fd, name, e, error);
}

static gboolean hard_link(
	Work *w, int dir, const char *base, const char *name, const TarEntry *e, GError **error)
{
	g_autofree char *target = clean_name(w->u, e->link);
	const char *target_base;
	dh_autofd int from = target ? open_parent(w, target, &target_base) : -1;
	if (!target)
		return dh_error(error, DH_ERROR_INVALID, "invalid archive: link %s", e->link);
	if (from < 0 || linkat(from, target_base, dir, base, 0) < 0)
		return fail("link", name, error);
	return TRUE;
}

static gboolean special(
	Work *w, int dir, const char *base, const char *name, const TarEntry *e, GError **error)
{
	const struct timespec times[2] = {e->mtime, e->mtime};
	mode_t type = e->type == '3' ? S_IFCHR : e->type == '4' ? S_IFBLK : S_IFIFO;
	int r = e->type == '2' ? symlinkat(e->link, dir, base)
			       : mknodat(dir, base, type | e->mode, makedev(e->major, e->minor));
	if (r < 0)
		return fail("create", name, error);
	if (w->u->owners &&
		fchownat(dir, base, (uid_t)e->uid, (gid_t)e->gid, AT_SYMLINK_NOFOLLOW) < 0 &&
		errno != EPERM)
		return fail("chown", name, error);
	return utimensat(dir, base, times, AT_SYMLINK_NOFOLLOW) == 0 ||
	       fail("set time of", name, error);
}

static gboolean directory(
	Work *w, int dir, const char *base, const char *name, const TarEntry *e, GError **error)
{
	if (mkdirat(dir, base, 0700) < 0 && errno != EEXIST)
		return fail("mkdir", name, error);
	dh_autofd int fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail("open", name, error);
	const DirMeta m = {e->mode, e->mtime};
	g_ptr_array_add(w->dirs, g_strdup(name));
	g_array_append_val(w->dir_meta, m);
	/* Writable by us until all is in it. */
	TarEntry now = *e;
	now.mode |= 0700;
	return set_meta(w, fd, name, &now, error);
}

static gboolean entry(Work *w, const TarEntry *e, GError **error)
{
	g_autofree char *name = clean_name(w->u, e->name);
	if (!name)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid archive: \"%s\" leads outside", e->name);
	if (!*name)
		return TRUE;
	const char *base;
	dh_autofd int dir = open_parent(w, name, &base);
	if (dir < 0)
		return fail("open the directory of", name, error);
	if (!make_room(w, dir, base, name, e->type == '5', error))
		return FALSE;
	switch (e->type) {
	case '0':
		return regular(w, dir, base, name, e, error);
	case '1':
		return hard_link(w, dir, base, name, e, error);
	case '5':
		return directory(w, dir, base, name, e, error);
	case '2':
	case '3':
	case '4':
	case '6':
		return special(w, dir, base, name, e, error);
	default:
		return dh_error(error, DH_ERROR_INVALID, "invalid archive: unknown type '%c' of %s",
			e->type, e->name);
	}
}

static gboolean finish_dirs(const Work *w, GError **error)
{
	for (guint i = w->dirs->len; i-- > 0;) {
		const char *name = g_ptr_array_index(w->dirs, i), *base;
		const DirMeta *m = &g_array_index(w->dir_meta, DirMeta, i);
		const struct timespec times[2] = {m->mtime, m->mtime};
		dh_autofd int parent = open_parent(w, name, &base);
		dh_autofd int fd =
			parent < 0 ? -1
				   : openat(parent, base,
					     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fchmod(fd, m->mode) < 0 || futimens(fd, times) < 0)
			return fail("set attributes of", name, error);
	}
	return TRUE;
}

gboolean untar(const Untar *u, TarReader *r, GError **error)
{
	g_auto(Work) w = {.u = u,
		.r = r,
		.root = open(u->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.buf = g_malloc(BUFFER),
		.dirs = g_ptr_array_new_with_free_func(g_free),
		.dir_meta = g_array_new(FALSE, FALSE, sizeof(DirMeta))};
	if (w.root < 0)
		return fail("open", u->dir, error);
	const TarEntry *e;
	do {
		if (!tar_reader_next(r, &e, error) || (e && !entry(&w, e, error)))
			return FALSE;
	} while (e);
	return finish_dirs(&w, error);
}

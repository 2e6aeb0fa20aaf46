/* SPDX-License-Identifier: MIT */
/*
 * openat2(RESOLVE_IN_ROOT) where the kernel, or a filter around us, does not have it.
 *
 * Theory of operation: the path is walked a component at a time, each opened O_NOFOLLOW relative to
 * the directory before it; symlinks are read and put in front of what is left of the path. The
 * directories on the way stay open, so that ".." goes back to the one we came from and never asks
 * the kernel for a parent: a directory that is moved out of the root meanwhile leads nowhere.
 */
#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { LINKS_MAX = 40, DEPTH_MAX = 512 };

typedef struct {
	int dir[DEPTH_MAX]; /* [0] is the root */
	guint depth;        /* the last one's index */
	GString *rest;
	guint links;
	gboolean no_links;
} Walk;

static int top(const Walk *w)
{
	return w->dir[w->depth];
}

static void back_to(Walk *w, guint depth)
{
	while (w->depth > depth)
		dh_close(&w->dir[w->depth--]);
}

static int fail(int errnum)
{
	errno = errnum;
	return -1;
}

/* The links of procfs that lead to what no path names. */
static gboolean is_magic(int fd, const char *target)
{
	struct statfs st;
	return fstatfs(fd, &st) == 0 && st.f_type == PROC_SUPER_MAGIC &&
	       (*target == '/' || strstr(target, ":["));
}

/* Takes the link's text in, before what is left: nothing, or a slash and more. */
static int follow(Walk *w, int link)
{
	char target[4096];
	ssize_t n = readlinkat(link, "", target, sizeof target - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	if (w->no_links || ++w->links > LINKS_MAX || is_magic(link, target))
		return fail(ELOOP);
	if (*target == '/')
		back_to(w, 0);
	g_string_prepend(w->rest, target);
	return w->rest->len > 65536 ? fail(ENAMETOOLONG) : 0;
}

/* The first component of what is left, cut off; *ret_last: nothing but slashes follows. "" at the
 * end. */
static char *next(Walk *w, gboolean *ret_last, gboolean *ret_slash)
{
	gsize skip = strspn(w->rest->str, "/");
	g_string_erase(w->rest, 0, (gssize)skip);
	gsize n = strcspn(w->rest->str, "/");
	char *name = g_strndup(w->rest->str, n);
	g_string_erase(w->rest, 0, (gssize)n);
	*ret_slash = w->rest->str[0] == '/';
	*ret_last = !w->rest->str[strspn(w->rest->str, "/")];
	return name;
}

static int descend(Walk *w, int *fd)
{
	if (w->depth + 1 >= DEPTH_MAX)
		return fail(ENAMETOOLONG);
	w->dir[++w->depth] = dh_steal_fd(fd);
	return 0;
}

/* 1: *ret is the descriptor; 0: go on; -1. */
static int last(Walk *w, const char *name, int flags, mode_t mode, int *ret)
{
	if (!(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL)) {
		dh_autofd int at = openat(top(w), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;
		if (at < 0 && (errno != ENOENT || !(flags & O_CREAT)))
			return -1;
		if (at >= 0 && fstat(at, &st) < 0)
			return -1;
		if (at >= 0 && S_ISLNK(st.st_mode))
			return follow(w, at);
	}
	/* A symlink that has come there since is ELOOP. */
	*ret = openat(top(w), name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	struct stat st;
	if (*ret >= 0 && (flags & O_PATH) && !(flags & O_NOFOLLOW) && fstat(*ret, &st) == 0 &&
		S_ISLNK(st.st_mode)) {
		dh_close(ret);
		return fail(ELOOP);
	}
	return *ret < 0 ? -1 : 1;
}

static int step(Walk *w, int flags, mode_t mode, int *ret)
{
	gboolean is_last, slash;
	g_autofree char *name = next(w, &is_last, &slash);
	gboolean here = !*name || strcmp(name, ".") == 0, up = strcmp(name, "..") == 0;
	if (up && w->depth > 0)
		back_to(w, w->depth - 1);
	if (here || up) {
		if (!is_last)
			return 0;
		*ret = openat(top(w), ".", flags | O_CLOEXEC, mode);
		return *ret < 0 ? -1 : 1;
	}
	if (is_last)
		return last(w, name, flags | (slash ? O_DIRECTORY : 0), mode, ret);
	dh_autofd int at = openat(top(w), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (at < 0 || fstat(at, &st) < 0)
		return -1;
	if (S_ISLNK(st.st_mode))
		return follow(w, at);
	return S_ISDIR(st.st_mode) ? descend(w, &at) : fail(ENOTDIR);
}

int dh_walk_in_root(int root, const char *path, int flags, mode_t mode, gboolean no_links)
{
	int dir = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), ret = -1, r = 0;
	if (dir < 0)
		return -1;
	Walk *w = g_new0(Walk, 1);
	w->dir[0] = dir;
	w->rest = g_string_new(path);
	w->no_links = no_links;
	while (r == 0)
		r = step(w, flags, mode, &ret);
	int saved = errno;
	back_to(w, 0);
	dh_close(&w->dir[0]);
	g_string_free(w->rest, TRUE);
	g_free(w);
	errno = saved;
	return r < 0 ? -1 : ret;
}

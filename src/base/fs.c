/* SPDX-License-Identifier: MIT */
#include "base/fs.h"

#include "base/error.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WALK_ATTEMPTS = 10000 };

static int open_in_root(int root, const char *path, int flags, mode_t mode, gboolean no_links)
{
	struct open_how how = {
		.flags = (guint64)(flags | O_CLOEXEC),
		.mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS |
			   (no_links ? RESOLVE_NO_SYMLINKS : 0),
	};
	for (int attempt = 0;; attempt++) {
		long r = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
		if (r < 0 && errno == ENOSYS)
			return dh_walk_in_root(root, path, flags, mode, no_links);
		/* EAGAIN: a rename or a mount raced with the walk; the kernel asks for another try.
		 * It goes on asking where the mount is not in any namespace any more. */
		if (r >= 0 || (errno != EINTR && errno != EAGAIN) || attempt >= WALK_ATTEMPTS)
			return (int)r;
	}
}

int dh_open_in_root(int root, const char *path, int flags, mode_t mode)
{
	return open_in_root(root, path, flags, mode, FALSE);
}

int dh_open_plain_in_root(int root, const char *path, int flags)
{
	return open_in_root(root, path, flags, 0, TRUE);
}

enum { MAX_STEPS = 1000 };

/* The components of path in front of those that are still to go. */
static void push_parts(GQueue *todo, const char *path)
{
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);
	for (guint n = g_strv_length(parts); n > 0; n--) {
		if (*parts[n - 1] && strcmp(parts[n - 1], ".") != 0)
			g_queue_push_head(todo, g_strdup(parts[n - 1]));
	}
}

/* One more directory below done. A link that leads to nothing is followed: what it means within the
 * root is made. 0 or -1/errno. */
static int make_part(int root, GString *done, const char *part, GQueue *todo, mode_t mode)
{
	char target[PATH_MAX];
	dh_autofd int parent = dh_open_in_root(root, done->str, O_PATH | O_DIRECTORY, 0);
	if (parent < 0)
		return -1;
	gboolean existed = strcmp(part, "..") == 0;
	if (!existed && mkdirat(parent, part, mode) < 0) {
		if (errno != EEXIST)
			return -1;
		existed = TRUE;
	}
	gsize before = done->len;
	g_string_append_printf(done, "/%s", part);
	dh_autofd int made =
		existed ? dh_open_in_root(root, done->str, O_PATH | O_DIRECTORY, 0) : -1;
	if (!existed || made >= 0 || errno != ENOENT)
		return existed && made < 0 ? -1 : 0;
	ssize_t n = readlinkat(parent, part, target, sizeof target - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	g_string_truncate(done, *target == '/' ? 0 : before);
	push_parts(todo, target);
	return 0;
}

typedef GQueue DhParts;

static void free_queue(DhParts *q)
{
	g_queue_clear_full(q, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DhParts, free_queue)

/* All but the last directory exist, as almost always: one name is made. */
static gboolean make_last(int root, const char *path, mode_t mode)
{
	const char *name = strrchr(path, '/');
	g_autofree char *above = name ? g_strndup(path, (gsize)(name - path)) : NULL;
	if (!above || !name[1] || name[1] == '.')
		return FALSE;
	dh_autofd int parent = dh_open_in_root(root, above, O_PATH | O_DIRECTORY, 0);
	return parent >= 0 && mkdirat(parent, name + 1, mode) == 0;
}

int dh_mkdir_in_root(int root, const char *path, mode_t mode)
{
	int fd = dh_open_in_root(root, path, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (make_last(root, path, mode))
		return dh_open_in_root(root, path, O_PATH | O_DIRECTORY, 0);

	g_auto(DhParts) todo = G_QUEUE_INIT;
	g_autoptr(GString) done = g_string_new(NULL);
	push_parts(&todo, path);
	for (guint steps = 0; !g_queue_is_empty(&todo); steps++) {
		g_autofree char *part = g_queue_pop_head(&todo);
		if (steps == MAX_STEPS) {
			errno = ELOOP;
			return -1;
		}
		if (make_part(root, done, part, &todo, mode) < 0)
			return -1;
	}
	return dh_open_in_root(root, done->str, O_PATH | O_DIRECTORY, 0);
}

gboolean dh_mkdir_p(const char *path, mode_t mode, GError **error)
{
	if (g_mkdir_with_parents(path, (int)mode) < 0)
		return dh_error_errno(error, errno, "mkdir %s", path);
	return TRUE;
}

char *dh_read_file(int dirfd, const char *path, size_t max, size_t *ret_len, GError **error)
{
	dh_autofd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT)
			dh_error(error, DH_ERROR_NOT_FOUND, "%s: no such file", path);
		else
			dh_error_errno(error, errno, "open %s", path);
		return NULL;
	}
	char *buf = dh_read_to_end(fd, max, ret_len, error);
	if (!buf)
		g_prefix_error(error, "%s: ", path);
	return buf;
}

gboolean dh_write_file_atomic(
	int dirfd, const char *path, const void *buf, size_t n, mode_t mode, GError **error)
{
	static guint serial;
	g_autofree char *tmp =
		g_strdup_printf("%s.%d-%u.tmp", path, (int)getpid(), g_atomic_int_add(&serial, 1));
	dh_autofd int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return dh_error_errno(error, errno, "create %s", tmp);
	if (fchmod(fd, mode) < 0 || dh_write_all(fd, buf, n) < 0 ||
		renameat(dirfd, tmp, dirfd, path) < 0) {
		int saved = errno;
		(void)unlinkat(dirfd, tmp, 0);
		return dh_error_errno(error, saved, "write %s", path);
	}
	return TRUE;
}

int dh_write_kernel_file(int dirfd, const char *path, const char *text)
{
	dh_autofd int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t n = strlen(text);
	ssize_t r;
	do
		r = write(fd, text, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -1 : 0;
}

/* Removes what is in the directory (takes the descriptor) as long as it lies on device dev. */
static gboolean remove_contents(int fd, dev_t dev, GError **error)
{
	DIR *dir = fdopendir(fd);
	if (!dir) {
		int saved = errno;
		close(fd);
		return dh_error_errno(error, saved, "fdopendir");
	}
	gboolean ok = TRUE;
	struct dirent *e;
	while ((e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		GError **err = ok ? error : NULL;
		if (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN) {
			if (unlinkat(dirfd(dir), e->d_name, 0) < 0 && errno != ENOENT)
				ok = dh_error_errno(err, errno, "unlink %s", e->d_name);
			continue;
		}
		if (unlinkat(dirfd(dir), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR) == 0)
			continue;
		int sub = openat(
			dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;
		if (sub < 0 || fstat(sub, &st) < 0 || st.st_dev != dev) {
			int saved = sub < 0 ? errno : EXDEV;
			if (sub >= 0)
				close(sub);
			if (sub < 0 && saved == ENOENT)
				continue; /* somebody else removes the same */
			ok = dh_error_errno(err, saved, "remove %s", e->d_name);
			continue;
		}
		if (!remove_contents(sub, dev, err))
			ok = FALSE;
		else if (unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			ok = dh_error_errno(err, errno, "rmdir %s", e->d_name);
	}
	closedir(dir);
	return ok;
}

gboolean dh_remove_tree(int dirfd, const char *path, GError **error)
{
	if (unlinkat(dirfd, path, 0) == 0 || errno == ENOENT)
		return TRUE;
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return errno == ENOENT || dh_error_errno(error, errno, "remove %s", path);
	if (fstat(fd, &st) < 0) {
		int saved = errno;
		close(fd);
		return dh_error_errno(error, saved, "stat %s", path);
	}
	if (!remove_contents(fd, st.st_dev, error)) {
		g_prefix_error(error, "remove %s: ", path);
		return FALSE;
	}
	if (unlinkat(dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return dh_error_errno(error, errno, "rmdir %s", path);
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
/* tmpcopyup: a new tmpfs begins with what the directory below it holds. Contents, owners, modes and
 * times; what cannot be made there (a device without the right to) is left out. */
#include "base/error.h"
#include "base/fd.h"
#include "runtime/priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 256 };

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	dh_autofd int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	dh_autofd int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (in < 0 || out < 0)
		return -1;
	for (off_t left = st->st_size; left > 0;) {
		ssize_t n = sendfile(out, in, NULL, (size_t)MIN(left, 1 << 30));
		if (n < 0 && errno != EINTR)
			return -1;
		if (n == 0)
			break;
		left -= MAX(n, 0);
	}
	return 0;
}

static int copy_link(int from, int to, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	return symlinkat(target, to, name);
}

static int copy_tree(int from, int to, guint depth);

static int copy_directory(int from, int to, const char *name, guint depth)
{
	if (mkdirat(to, name, 0700) < 0)
		return -1;
	dh_autofd int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dh_autofd int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return in < 0 || out < 0 ? -1 : copy_tree(in, out, depth + 1);
}

static int copy_entry(int from, int to, const char *name, guint depth)
{
	struct stat st;
	int r;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		r = copy_directory(from, to, name, depth);
	else if (S_ISREG(st.st_mode))
		r = copy_file(from, to, name, &st);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from, to, name);
	else if ((r = mknodat(to, name, st.st_mode, st.st_rdev)) < 0 && errno == EPERM)
		return 0;
	if (r < 0)
		return -1;
	if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM &&
		errno != EINVAL)
		return -1;
	/* after the owner, whose change takes set-id bits away */
	if (!S_ISLNK(st.st_mode) && fchmodat(to, name, st.st_mode & 07777, 0) < 0)
		return -1;
	struct timespec times[] = {st.st_atim, st.st_mtim};
	(void)utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int copy_tree(int from, int to, guint depth)
{
	int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	int r = 0;
	if (!dir || depth > DEPTH_MAX) {
		errno = dir ? ELOOP : errno;
		r = -1;
	}
	while (r == 0 && (e = readdir(dir))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = copy_entry(from, to, e->d_name, depth);
	}
	int saved = errno;
	if (dir)
		closedir(dir);
	else
		dh_close(&copy);
	errno = saved;
	return r;
}

gboolean rt_copy_up(int proc, int directory, int mount, GError **error)
{
	dh_autofd int from = rt_reopen(proc, directory, O_RDONLY | O_DIRECTORY);
	struct stat st;
	if (from < 0 || fstat(from, &st) < 0 || copy_tree(from, mount, 0) < 0)
		return rt_error_errno(error, errno, "tmpcopyup");
	(void)fchownat(mount, "", st.st_uid, st.st_gid, AT_EMPTY_PATH);
	return TRUE;
}

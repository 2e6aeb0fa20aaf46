/* SPDX-License-Identifier: MIT */
/*
 * copy.c - theory of operation: the source is an image's tree, which somebody else has made, and
 * the destination may be in use by a container that exchanges names while we work. So nothing is
 * ever named by more than one component relative to a directory descriptor that was opened without
 * following links; the one exception, the first name of a hard link, is looked up with
 * openat2(RESOLVE_IN_ROOT) below the destination and so cannot lead out of it.
 *
 * Order within a file: contents, owner, extended attributes, mode, times. A change of owner takes
 * file capabilities and the set-user-ID bit away, so these come after it.
 */
#include "volume/copy.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
	DEPTH_MAX = 400, /* two descriptors a level */
	NAMES_MAX = 64 * 1024,
	VALUE_MAX = 64 * 1024,
	CHUNK = 1 << 30,
};

typedef struct {
	dev_t dev;
	ino_t ino;
} FileId;

typedef struct {
	int root;          /* of the destination */
	GHashTable *links; /* FileId -> path below root, of files with several names */
	GString *path;     /* below root, of the directory at hand */
	guint depth;
} Copy;

static guint id_hash(gconstpointer p)
{
	const FileId *id = p;
	return (guint)(id->ino ^ (id->ino >> 32) ^ id->dev);
}

static gboolean id_equal(gconstpointer a, gconstpointer b)
{
	const FileId *x = a, *y = b;
	return x->ino == y->ino && x->dev == y->dev;
}

/* ---- attributes ---- */

static gboolean wanted(const char *name)
{
	return !g_str_has_prefix(name, "trusted.overlay.") &&
	       !g_str_has_prefix(name, "user.overlay.") && strcmp(name, "security.selinux") != 0;
}

/* A file system that knows no such attribute is no reason to fail. */
static gboolean copy_xattrs(int from, int to, GError **error)
{
	g_autofree char *names = g_malloc(NAMES_MAX);
	ssize_t n = flistxattr(from, names, NAMES_MAX);
	for (char *name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
		char value[VALUE_MAX];
		if (!wanted(name))
			continue;
		ssize_t len = fgetxattr(from, name, value, sizeof value);
		if (len < 0 || fsetxattr(to, name, value, (size_t)len, 0) == 0)
			continue;
		if (errno != ENOTSUP && errno != EPERM)
			return dh_error_errno(error, errno, "set attribute %s", name);
	}
	return TRUE;
}

static gboolean copy_times(int to, const struct stat *st, GError **error)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	if (futimens(to, times) < 0)
		return dh_error_errno(error, errno, "set times");
	return TRUE;
}

static gboolean copy_attributes(int from, int to, const struct stat *st, GError **error)
{
	if (fchown(to, st->st_uid, st->st_gid) < 0)
		return dh_error_errno(error, errno, "chown");
	if (!copy_xattrs(from, to, error))
		return FALSE;
	if (fchmod(to, st->st_mode & 07777) < 0)
		return dh_error_errno(error, errno, "chmod");
	return copy_times(to, st, error);
}

/* ---- contents ---- */

/* n bytes at offset; sendfile(2) works between all file systems, copy_file_range(2) shares blocks
 * where it can. */
static gboolean copy_range(int from, int to, off_t offset, off_t end, GError **error)
{
	off_t in = offset, out = offset;
	while (in < end) {
		ssize_t n = copy_file_range(
			from, &in, to, &out, (size_t)MIN(end - in, (off_t)CHUNK), 0);
		if (n <= 0)
			break;
	}
	if (in < end && lseek(to, in, SEEK_SET) < 0)
		return dh_error_errno(error, errno, "seek");
	while (in < end) {
		ssize_t n = sendfile(to, from, &in, (size_t)MIN(end - in, (off_t)CHUNK));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dh_error_errno(error, errno, "copy");
		if (n == 0)
			break; /* it has become shorter */
	}
	return TRUE;
}

/* Holes stay holes. */
static gboolean copy_contents(int from, int to, off_t size, GError **error)
{
	off_t at = 0;
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
		if (data < 0 || hole < 0) {
			data = at;
			hole = size;
		}
		hole = MIN(hole, size);
		if (!copy_range(from, to, data, hole, error))
			return FALSE;
		at = hole;
	}
	if (ftruncate(to, size) < 0)
		return dh_error_errno(error, errno, "truncate");
	return TRUE;
}

/* ---- entries ---- */

/* TRUE: it was made as another name of a file that is there already. */
static gboolean link_known(Copy *c, const FileId *id, int to, const char *name)
{
	const char *first = g_hash_table_lookup(c->links, id);
	if (!first)
		return FALSE;
	g_autofree char *parent = g_path_get_dirname(first);
	g_autofree char *base = g_path_get_basename(first);
	dh_autofd int dir = dh_open_in_root(c->root, parent, O_PATH | O_DIRECTORY, 0);
	return dir >= 0 && linkat(dir, base, to, name, 0) == 0;
}

static void remember(Copy *c, const struct stat *st, const char *name)
{
	FileId *id = g_new(FileId, 1);
	*id = (FileId){st->st_dev, st->st_ino};
	g_hash_table_replace(c->links, id, g_strdup_printf("%s/%s", c->path->str, name));
}

static gboolean copy_file(Copy *c, int from, int to, const char *name, GError **error)
{
	struct stat st;
	dh_autofd int in =
		openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (in < 0 || fstat(in, &st) < 0)
		return dh_error_errno(error, errno, "open %s", name);
	FileId id = {st.st_dev, st.st_ino};
	if (st.st_nlink > 1 && link_known(c, &id, to, name))
		return TRUE;
	dh_autofd int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return dh_error_errno(error, errno, "create %s", name);
	if (!copy_contents(in, out, st.st_size, error) || !copy_attributes(in, out, &st, error)) {
		g_prefix_error(error, "%s: ", name);
		return FALSE;
	}
	if (st.st_nlink > 1)
		remember(c, &st, name);
	return TRUE;
}

static gboolean copy_link(int from, int to, const char *name, const struct stat *st, GError **error)
{
	char target[4096 + 1];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);
	if (n < 0)
		return dh_error_errno(error, errno, "readlink %s", name);
	target[n] = '\0';
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	if (symlinkat(target, to, name) < 0 ||
		fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return dh_error_errno(error, errno, "symlink %s", name);
	return TRUE;
}

static gboolean copy_special(
	int from, int to, const char *name, const struct stat *st, GError **error)
{
	/* 0:0 is the overlay's sign for "deleted", no device. */
	if (S_ISCHR(st->st_mode) && st->st_rdev == 0)
		return TRUE;
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	if (mknodat(to, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0 ||
		fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return dh_error_errno(error, errno, "mknod %s", name);
	/* chmod of the node itself: nobody may have put a link in its place. */
	dh_autofd int fd = openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat made;
	char self[40];
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	if (fd < 0 || fstat(fd, &made) < 0 ||
		(!S_ISLNK(made.st_mode) && chmod(self, st->st_mode & 07777) < 0) ||
		utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return dh_error_errno(error, errno, "chmod %s", name);
	return TRUE;
}

static gboolean copy_contents_of(Copy *c, int from, int to, GError **error);

static gboolean copy_directory(Copy *c, int from, int to, const char *name, GError **error)
{
	if (c->depth >= DEPTH_MAX)
		return dh_error(error, DH_ERROR_INVALID, "directories are nested too deeply");
	if (mkdirat(to, name, 0700) < 0)
		return dh_error_errno(error, errno, "mkdir %s", name);
	dh_autofd int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dh_autofd int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0 || out < 0)
		return dh_error_errno(error, errno, "open %s", name);
	gsize before = c->path->len;
	g_string_append_printf(c->path, "/%s", name);
	c->depth++;
	gboolean ok = copy_contents_of(c, in, out, error);
	c->depth--;
	g_string_truncate(c->path, before);
	return ok;
}

static gboolean copy_entry(Copy *c, int from, int to, const char *name, GError **error)
{
	struct stat st;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return dh_error_errno(error, errno, "stat %s", name);
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return copy_directory(c, from, to, name, error);
	case S_IFREG:
		return copy_file(c, from, to, name, error);
	case S_IFLNK:
		return copy_link(from, to, name, &st, error);
	default:
		return copy_special(from, to, name, &st, error);
	}
}

/* A second descriptor of a directory, for readdir(3). */
static DIR *open_dir(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d)
		dh_close(&copy);
	return d;
}

static gboolean is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static gboolean copy_contents_of(Copy *c, int from, int to, GError **error)
{
	struct stat st;
	DIR *d = open_dir(from);
	if (!d || fstat(from, &st) < 0) {
		dh_error_errno(error, errno, "open directory");
		if (d)
			closedir(d);
		return FALSE;
	}
	gboolean ok = TRUE;
	struct dirent *e;
	while (ok && (e = readdir(d))) {
		if (!is_dots(e->d_name))
			ok = copy_entry(c, from, to, e->d_name, error);
	}
	closedir(d);
	return ok && copy_attributes(from, to, &st, error);
}

gboolean copy_tree(int from, int to, GError **error)
{
	Copy c = {.root = to, .path = g_string_new(NULL)};
	c.links = g_hash_table_new_full(id_hash, id_equal, g_free, g_free);
	gboolean ok = copy_contents_of(&c, from, to, error);
	g_hash_table_unref(c.links);
	g_string_free(c.path, TRUE);
	return ok;
}

int copy_is_empty(int fd)
{
	DIR *d = open_dir(fd);
	if (!d)
		return -1;
	struct dirent *e;
	int empty = 1;
	while (empty && (e = readdir(d)))
		empty = is_dots(e->d_name);
	closedir(d);
	return empty;
}

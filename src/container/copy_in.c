/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: the parent of each entry is opened anew with the container's root as root
 * (RESOLVE_IN_ROOT), the entry itself is made by its single name in that directory without
 * following a link. So the container may swap links and directories at will: what is written lands
 * inside it. A file comes to its name when it is whole: on a full disk the one that was there
 * before stays.
 */
#include "container/copy_in.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/id.h"
#include "store/extract.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CHUNK = 128 * 1024, DIRS_MAX = 1000000, XATTR_MAX_LEN = 64 * 1024 };

typedef struct {
	char *path;
	struct timespec mtime;
} DirTime;

typedef struct {
	int root;
	const char *dir;
	const Identity *identity;
	gboolean strict;
	struct archive *a;
	struct archive_entry *e;
	StoreRead read;
	void *arg;
	char *buf; /* CHUNK, what libarchive reads from */
	int read_errno;
	GArray *dirs; /* DirTime */
	/* of the entry at hand */
	char *path; /* clean, below dir */
	uid_t uid;
	gid_t gid;
	const char *name;
	int parent;
} CopyIn;

static void dir_time_clear(void *p)
{
	g_free(((DirTime *)p)->path);
}

static void copy_in_clear(CopyIn *x)
{
	archive_read_free(x->a);
	g_free(x->buf);
	g_array_unref(x->dirs);
	g_free(x->path);
	dh_close(&x->parent);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CopyIn, copy_in_clear)

static gboolean fail(const CopyIn *x, const char *what, GError **error)
{
	int number = errno;
	struct statvfs v;
	/* A mount may be writable on a disk that is not, as after an error of it. */
	gboolean by_disk =
		x->parent >= 0 && fstatvfs(x->parent, &v) == 0 && !(v.f_flag & ST_RDONLY);
	if (number == EROFS && !by_disk)
		return dh_error(error, DH_ERROR_FORBIDDEN, "mounted volume is marked read-only");
	return dh_error_errno(error, number, "%s %s", what, x->path);
}

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret)
{
	(void)a;
	CopyIn *x = arg;
	*ret = x->buf;
	ssize_t n = x->read(x->arg, x->buf, CHUNK);
	if (n < 0)
		x->read_errno = errno ? errno : EIO;
	return n;
}

static gboolean archive_error(const CopyIn *x, GError **error)
{
	if (x->read_errno)
		return dh_error_errno(error, x->read_errno, "read archive");
	const char *text = archive_error_string(x->a);
	return dh_error(
		error, DH_ERROR_INVALID, "invalid tar archive: %s", text ? text : "unknown format");
}

static const char *bytes(const char *text, const char *utf8)
{
	return text ? text : utf8;
}

/* ---- places ---- */

static int open_parent(const CopyIn *x, const char *path, gboolean make)
{
	g_autofree char *dir = g_path_get_dirname(path);
	g_autofree char *full =
		strcmp(dir, ".") == 0 ? g_strdup(x->dir) : g_build_filename(x->dir, dir, NULL);
	return make ? dh_mkdir_in_root(x->root, full, 0755)
		    : dh_open_in_root(x->root, full, O_PATH | O_DIRECTORY, 0);
}

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Clears the way for an entry of this type; *ret_dir: a directory is there already, and one is
 * wanted. */
static gboolean make_room(CopyIn *x, mode_t type, gboolean *ret_dir, GError **error)
{
	struct stat st;
	gboolean want_dir = type == AE_IFDIR;
	*ret_dir = FALSE;
	if (fstatat(x->parent, x->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || fail(x, "stat", error);
	gboolean is_dir = S_ISDIR(st.st_mode);
	if (x->strict && is_dir && !want_dir)
		return dh_error(error, DH_ERROR_INVALID,
			"cannot overwrite directory \"%s/%s\" with non-directory \"%s\"", x->dir,
			x->path, x->dir);
	if (x->strict && !is_dir && want_dir)
		return dh_error(error, DH_ERROR_INVALID,
			"cannot overwrite non-directory \"%s/%s\" with directory \"%s\"", x->dir,
			x->path, x->dir);
	*ret_dir = is_dir && want_dir;
	if (*ret_dir)
		return TRUE;
	if (is_dir)
		return dh_remove_tree(x->parent, x->name, error);
	if (type == AE_IFREG)
		return TRUE; /* is replaced */
	return unlinkat(x->parent, x->name, 0) == 0 || errno == ENOENT || fail(x, "replace", error);
}

/* ---- metadata ---- */

static struct timespec mtime_of(struct archive_entry *e)
{
	return (struct timespec){
		.tv_sec = archive_entry_mtime(e), .tv_nsec = archive_entry_mtime_nsec(e)};
}

static gboolean set_xattrs(CopyIn *x, int fd, GError **error)
{
	const char *name;
	const void *value;
	size_t n;
	archive_entry_xattr_reset(x->e);
	while (archive_entry_xattr_next(x->e, &name, &value, &n) == ARCHIVE_OK) {
		if (!name || n > XATTR_MAX_LEN ||
			(strcmp(name, "security.capability") != 0 &&
				!g_str_has_prefix(name, "user.")))
			continue;
		if (fsetxattr(fd, name, value, n, 0) < 0 && errno != ENOTSUP && errno != EPERM)
			return fail(x, "set attributes of", error);
	}
	return TRUE;
}

/* fd: a file or directory that is open for real. */
static gboolean set_meta(CopyIn *x, int fd, GError **error)
{
	const struct timespec times[2] = {mtime_of(x->e), mtime_of(x->e)};
	if (fchown(fd, x->uid, x->gid) < 0)
		return fail(x, "chown", error);
	if (!set_xattrs(x, fd, error))
		return FALSE;
	if (fchmod(fd, archive_entry_perm(x->e) & 07777) < 0 || futimens(fd, times) < 0)
		return fail(x, "set attributes of", error);
	return TRUE;
}

static gboolean set_meta_by_name(CopyIn *x, gboolean mode, GError **error)
{
	const struct timespec times[2] = {mtime_of(x->e), mtime_of(x->e)};
	if (fchownat(x->parent, x->name, x->uid, x->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(x, "chown", error);
	if (mode) {
		/* fchmodat follows links; so by a descriptor of what was made. */
		dh_autofd int fd = openat(x->parent, x->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;
		char path[40];
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (fd < 0 || fstat(fd, &st) < 0 || S_ISLNK(st.st_mode) ||
			chmod(path, archive_entry_perm(x->e) & 07777) < 0)
			return fail(x, "set mode of", error);
	}
	if (utimensat(x->parent, x->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(x, "set time of", error);
	return TRUE;
}

/* ---- entries ---- */

static gboolean write_regular(CopyIn *x, int fd, GError **error)
{
	for (;;) {
		const void *buf;
		size_t n;
		la_int64_t offset;
		int r = archive_read_data_block(x->a, &buf, &n, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return archive_error(x, error);
		if (n > 0 && (lseek(fd, offset, SEEK_SET) < 0 || dh_write_all(fd, buf, n) < 0))
			return fail(x, "write", error);
	}
	/* A hole at the end. */
	if (archive_entry_size_is_set(x->e) && ftruncate(fd, archive_entry_size(x->e)) < 0)
		return fail(x, "write", error);
	return set_meta(x, fd, error);
}

static gboolean regular(CopyIn *x, GError **error)
{
	g_autofree char *id = dh_id_new();
	g_autofree char *partial = g_strdup_printf(".%.16s", id);
	dh_autofd int fd = openat(
		x->parent, partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(x, "create", error);
	gboolean ok = write_regular(x, fd, error);
	if (ok && renameat(x->parent, partial, x->parent, x->name) < 0)
		ok = fail(x, "replace", error);
	if (!ok)
		(void)unlinkat(x->parent, partial, 0);
	return ok;
}

static gboolean directory(CopyIn *x, gboolean there, GError **error)
{
	if (!there && mkdirat(x->parent, x->name, 0700) < 0)
		return fail(x, "mkdir", error);
	dh_autofd int fd =
		openat(x->parent, x->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(x, "open", error);
	if (x->dirs->len >= DIRS_MAX)
		return dh_error(error, DH_ERROR_INVALID, "invalid archive: too many directories");
	const DirTime t = {g_strdup(x->path), mtime_of(x->e)};
	g_array_append_val(x->dirs, t);
	return set_meta(x, fd, error);
}

static gboolean hard_link(CopyIn *x, const char *to, GError **error)
{
	g_autofree char *target = extract_clean_path(to, error);
	if (!target)
		return FALSE;
	dh_autofd int dir = open_parent(x, target, FALSE);
	struct stat st;
	if (dir < 0 || fstatat(dir, last_name(target), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		S_ISDIR(st.st_mode) || linkat(dir, last_name(target), x->parent, x->name, 0) < 0)
		return fail(x, "link", error);
	return TRUE;
}

static gboolean other(CopyIn *x, mode_t type, GError **error)
{
	if (type == AE_IFLNK) {
		const char *to =
			bytes(archive_entry_symlink(x->e), archive_entry_symlink_utf8(x->e));
		if (symlinkat(to ? to : "", x->parent, x->name) < 0)
			return fail(x, "symlink", error);
		return set_meta_by_name(x, FALSE, error);
	}
	if (type != AE_IFCHR && type != AE_IFBLK && type != AE_IFIFO)
		return TRUE; /* sockets */
	if (mknodat(x->parent, x->name, (type & S_IFMT) | 0600, archive_entry_rdev(x->e)) < 0)
		return fail(x, "mknod", error);
	return set_meta_by_name(x, TRUE, error);
}

static gboolean entry(CopyIn *x, GError **error)
{
	const char *name = bytes(archive_entry_pathname(x->e), archive_entry_pathname_utf8(x->e));
	g_free(x->path);
	x->path = name ? extract_clean_path(name, error) : NULL;
	if (!x->path)
		return name ? FALSE
			    : dh_error(error, DH_ERROR_INVALID,
				      "invalid archive: entry without a name");
	int64_t uid = archive_entry_uid(x->e), gid = archive_entry_gid(x->e);
	if (!identity_to_host(x->identity, &uid, &gid, error))
		return FALSE;
	x->uid = (uid_t)uid;
	x->gid = (gid_t)gid;
	if (!*x->path)
		return TRUE; /* the directory itself stays as it is */
	dh_close(&x->parent);
	x->parent = open_parent(x, x->path, TRUE);
	x->name = last_name(x->path);
	if (x->parent < 0)
		return fail(x, "open the directory of", error);
	const char *link = bytes(archive_entry_hardlink(x->e), archive_entry_hardlink_utf8(x->e));
	mode_t type = archive_entry_filetype(x->e);
	gboolean there;
	if (!make_room(x, link ? 0 : type, &there, error))
		return FALSE;
	if (link)
		return hard_link(x, link, error);
	if (type == AE_IFREG)
		return regular(x, error);
	if (type == AE_IFDIR)
		return directory(x, there, error);
	return other(x, type, error);
}

/* Last, since what is put into a directory changes its time. */
static void set_dir_times(CopyIn *x)
{
	for (guint i = x->dirs->len; i-- > 0;) {
		const DirTime *t = &g_array_index(x->dirs, DirTime, i);
		dh_autofd int parent = open_parent(x, t->path, FALSE);
		const struct timespec times[2] = {t->mtime, t->mtime};
		if (parent >= 0)
			(void)utimensat(parent, last_name(t->path), times, AT_SYMLINK_NOFOLLOW);
	}
}

gboolean copy_in(const CopyInto *into, StoreRead read, void *arg, gboolean strict, GError **error)
{
	g_auto(CopyIn) x = {.root = into->root,
		.dir = into->dir,
		.identity = into->identity,
		.strict = strict,
		.read = read,
		.arg = arg,
		.a = archive_read_new(),
		.buf = g_malloc(CHUNK),
		.dirs = g_array_new(FALSE, FALSE, sizeof(DirTime)),
		.parent = -1};
	g_array_set_clear_func(x.dirs, dir_time_clear);
	archive_read_support_filter_gzip(x.a);
	archive_read_support_filter_zstd(x.a);
	archive_read_support_filter_xz(x.a);
	archive_read_support_filter_bzip2(x.a);
	archive_read_support_format_tar(x.a);
	archive_read_support_format_empty(x.a);
	if (archive_read_open(x.a, &x, NULL, on_read, NULL) != ARCHIVE_OK)
		return archive_error(&x, error);
	for (;;) {
		int r = archive_read_next_header(x.a, &x.e);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return archive_error(&x, error);
		if (!entry(&x, error))
			return FALSE;
	}
	set_dir_times(&x);
	return TRUE;
}

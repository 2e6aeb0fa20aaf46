/* SPDX-License-Identifier: MIT */
#include "base/tartree.h"

#include "base/error.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MQUEUE_MAGIC 0x19800202

enum { BUFFER = 256 * 1024, NAMES_MAX = 64 * 1024, VALUE_MAX = 64 * 1024 };

static const char zeros[TAR_BLOCK * 2];

void tar_tree_init(TarTree *t, int (*write)(void *, const void *, size_t), void *arg)
{
	*t = (TarTree){.write = write, .arg = arg};
	t->links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	t->head = g_byte_array_new();
	t->buf = g_malloc(BUFFER);
}

void tar_tree_clear(TarTree *t)
{
	g_clear_pointer(&t->links, g_hash_table_unref);
	g_clear_pointer(&t->head, g_byte_array_unref);
	g_clear_pointer(&t->buf, g_free);
}

static gboolean emit(TarTree *t, const void *buf, size_t n, GError **error)
{
	if (n > 0 && t->write(t->arg, buf, n) < 0)
		return dh_error_errno(error, errno, "write archive");
	return TRUE;
}

static gboolean emit_header(TarTree *t, const TarEntry *e, GError **error)
{
	g_byte_array_set_size(t->head, 0);
	tar_header_append(t->head, e);
	return emit(t, t->head->data, t->head->len, error);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **tar_tree_names(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		dh_close(&fd);
		return NULL;
	}
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	struct dirent *e;
	errno = 0;
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			g_ptr_array_add(names, g_strdup(e->d_name));
		errno = 0;
	}
	int saved = errno;
	closedir(d);
	if (saved) {
		errno = saved;
		return NULL;
	}
	if (names->len > 1)
		qsort(names->pdata, names->len, sizeof(char *), by_name);
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_steal(names, NULL);
}

/* ---- one entry ---- */

static gboolean wanted_xattr(const TarTree *t, const char *name)
{
	return strcmp(name, "security.capability") == 0 ||
	       (t->xattrs && g_str_has_prefix(name, "user.") &&
		       !g_str_has_prefix(name, "user.overlay."));
}

/* File capabilities name the root of the user namespace that they are good in (revision 3). Where
 * owners are translated and that is its root, they become plain ones, as an image has them. */
static size_t plain_capability(const TarTree *t, struct vfs_ns_cap_data *cap, size_t n)
{
	if (!t->owner || n != sizeof *cap ||
		(GUINT32_FROM_LE(cap->magic_etc) & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3)
		return n;
	int64_t uid = GUINT32_FROM_LE(cap->rootid), gid = 0;
	t->owner(t->owner_arg, &uid, &gid);
	if (uid != 0)
		return n;
	guint32 flags = GUINT32_FROM_LE(cap->magic_etc) & VFS_CAP_FLAGS_MASK;
	cap->magic_etc = GUINT32_TO_LE(VFS_CAP_REVISION_2 | flags);
	return XATTR_CAPS_SZ_2;
}

/* fd may be an O_PATH descriptor, so all goes through its name in /proc. */
static void add_xattrs(TarTree *t, int fd, TarEntry *e)
{
	char path[40], list[1024];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ssize_t n = listxattr(path, list, sizeof list);
	g_autofree char *longer = NULL;
	if (n < 0 && errno == ERANGE) {
		longer = g_malloc(NAMES_MAX);
		n = listxattr(path, longer, NAMES_MAX);
	}
	const char *names = longer ? longer : list;
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1) {
		if (!wanted_xattr(t, names + at))
			continue;
		g_autofree char *value = g_malloc(VALUE_MAX);
		ssize_t len = getxattr(path, names + at, value, VALUE_MAX);
		if (len > 0 && strcmp(names + at, "security.capability") == 0)
			len = (ssize_t)plain_capability(t, (void *)value, (size_t)len);
		if (len >= 0)
			tar_entry_add_xattr(e, names + at, value, (size_t)len);
	}
}

static gboolean payload(TarTree *t, int fd, const char *as, int64_t size, GError **error)
{
	for (int64_t left = size; left > 0;) {
		size_t want = (size_t)MIN(left, BUFFER);
		ssize_t n = dh_read_full(fd, t->buf, want);
		if (n < 0)
			return dh_error_errno(error, errno, "read %s", as);
		if ((size_t)n < want)
			memset(t->buf + n, 0, want - (size_t)n);
		if (!emit(t, t->buf, want, error))
			return FALSE;
		left -= (int64_t)want;
	}
	t->bytes += size;
	return emit(t, zeros, (size_t)(-size & (TAR_BLOCK - 1)), error);
}

/* The type of an entry in a tar; 0: has none. */
static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '0';
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return '3';
	case S_IFBLK:
		return '4';
	case S_IFDIR:
		return '5';
	case S_IFIFO:
		return '6';
	default:
		return 0;
	}
}

static gboolean hard_link(TarTree *t, const struct stat *st, TarEntry *e)
{
	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return FALSE;
	g_autofree char *key = g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
		(guint64)st->st_dev, (guint64)st->st_ino);
	const char *first = g_hash_table_lookup(t->links, key);
	if (!first) {
		g_hash_table_insert(t->links, g_steal_pointer(&key), g_strdup(e->name));
		return FALSE;
	}
	g_free(e->link);
	e->link = g_strdup(first);
	e->type = '1';
	e->size = 0;
	return TRUE;
}

static gboolean write_entry(
	TarTree *t, int fd, const struct stat *st, const char *as, GError **error)
{
	g_auto(TarEntry) e = {
		.type = type_of(st->st_mode),
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = st->st_mtim,
	};
	if (!e.type)
		return TRUE;
	if (t->owner)
		t->owner(t->owner_arg, &e.uid, &e.gid);
	gboolean slash = e.type == '5' && !g_str_has_suffix(as, "/");
	e.name = g_strconcat(as, slash ? "/" : "", NULL);
	if (e.type == '2') {
		char target[4096];
		ssize_t n = readlinkat(fd, "", target, sizeof target);
		if (n < 0)
			return dh_error_errno(error, errno, "readlink %s", as);
		e.link = g_strndup(target, (gsize)n);
	}
	if (e.type == '3' || e.type == '4') {
		e.major = major(st->st_rdev);
		e.minor = minor(st->st_rdev);
	}
	e.size = e.type == '0' ? st->st_size : 0;
	if (hard_link(t, st, &e) || (e.type != '0' && e.type != '5'))
		return emit_header(t, &e, error);

	add_xattrs(t, fd, &e);
	if (e.size == 0)
		return emit_header(t, &e, error);
	/* By the descriptor, so that it is the very file that was looked at. */
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	dh_autofd int file = open(path, O_RDONLY | O_CLOEXEC | O_NOATIME);
	if (file < 0 && errno == EPERM)
		file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return dh_error_errno(error, errno, "open %s", as);
	return emit_header(t, &e, error) && payload(t, file, as, e.size, error);
}

static int open_entry(int parent, const char *name, struct stat *st)
{
	int fd = *name && strcmp(name, ".") != 0
			 ? openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)
			 : openat(parent, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, st) < 0)
		dh_close(&fd);
	return fd;
}

gboolean tar_tree_entry(
	TarTree *t, int parent, const char *name, const char *as, gboolean *ret_dir, GError **error)
{
	struct stat st;
	dh_autofd int fd = open_entry(parent, name, &st);
	if (ret_dir)
		*ret_dir = fd >= 0 && S_ISDIR(st.st_mode);
	if (fd < 0)
		return errno == ENOENT ? TRUE : dh_error_errno(error, errno, "open %s", as);
	return write_entry(t, fd, &st, as, error);
}

/* ---- trees ---- */

/* Is this directory, on another file system than its parent, one that the kernel makes up? */
static gboolean is_made_up(int fd, const char *name)
{
	static const guint32 types[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,
		SECURITYFS_MAGIC, BPF_FS_MAGIC, MQUEUE_MAGIC};
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(types); i++)
		if ((guint32)fs.f_type == types[i])
			return TRUE;
	return (guint32)fs.f_type == TMPFS_MAGIC && strcmp(name, "dev") == 0;
}

static gboolean walk(
	TarTree *t, int parent, const char *name, const char *as, guint depth, GError **error)
{
	struct stat st;
	dh_autofd int fd = open_entry(parent, name, &st);
	if (fd < 0)
		return errno == ENOENT ? TRUE : dh_error_errno(error, errno, "open %s", as);
	if (*as && !write_entry(t, fd, &st, as, error))
		return FALSE;
	if (!S_ISDIR(st.st_mode))
		return TRUE;
	struct stat up;
	if (t->real_only && depth > 0 && fstat(parent, &up) == 0 && up.st_dev != st.st_dev &&
		is_made_up(fd, name))
		return TRUE;
	if (depth > TAR_TREE_MAX_DEPTH)
		return dh_error(error, DH_ERROR_SYSTEM, "%s: directories nest too deep", as);
	g_auto(GStrv) names = tar_tree_names(fd);
	if (!names)
		return dh_error_errno(error, errno, "read directory %s", as);
	const char *sep = *as && !g_str_has_suffix(as, "/") ? "/" : "";
	for (char **n = names; *n; n++) {
		g_autofree char *sub = g_strconcat(as, sep, *n, NULL);
		if (!walk(t, fd, *n, sub, depth + 1, error))
			return FALSE;
	}
	return TRUE;
}

gboolean tar_tree_all(TarTree *t, int parent, const char *name, const char *as, GError **error)
{
	return walk(t, parent, name, as ? as : "", 0, error);
}

gboolean tar_tree_empty(TarTree *t, const char *as, GError **error)
{
	const TarEntry e = {.name = (char *)as, .type = '0'};
	return emit_header(t, &e, error);
}

gboolean tar_tree_end(TarTree *t, GError **error)
{
	return emit(t, zeros, sizeof zeros, error);
}

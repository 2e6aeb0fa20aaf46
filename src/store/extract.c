/* SPDX-License-Identifier: MIT */
#include "store/extract.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "store/beneath.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WH_PREFIX ".wh."
#define WH_OPAQUE ".wh..wh..opq"
#define OPAQUE_XATTR "trusted.overlay.opaque"

typedef struct {
	char *path;
	struct timespec mtime;
} DirTime;

struct Extract {
	int root;
	char *root_path; /* what /proc says of it */
	gboolean lowest;
	RecipeWriter *recipe;
	int64_t size;
	size_t memory;

	/* the parent of the last entry: most entries follow their siblings */
	char *parent;      /* as written */
	char *parent_real; /* without symlinks */
	int parent_fd;
	gboolean parent_setgid; /* gives its group to what is made in it */
	uid_t uid;              /* ours: what is made belongs to */
	gid_t gid;

	GArray *dirs;        /* DirTime */
	GHashTable *skipped; /* set of paths */
	GHashTable
		*unreferred; /* regular files the recipe does not refer to: links, sparse files */
};

static char *real_path(int fd)
{
	char link[64], buf[PATH_MAX];
	g_snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, buf, sizeof buf);
	return n < 0 || n == sizeof buf ? NULL : g_strndup(buf, (gsize)n);
}

Extract *extract_new(int root, gboolean lowest, RecipeWriter *recipe)
{
	Extract *x = g_new0(Extract, 1);
	x->root = root;
	x->root_path = real_path(root);
	x->lowest = lowest;
	x->recipe = recipe;
	x->parent_fd = -1;
	x->uid = geteuid();
	x->gid = getegid();
	x->dirs = g_array_new(FALSE, FALSE, sizeof(DirTime));
	x->skipped = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	x->unreferred = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return x;
}

static void forget_parent(Extract *x)
{
	dh_close(&x->parent_fd);
	g_clear_pointer(&x->parent, g_free);
	g_clear_pointer(&x->parent_real, g_free);
}

void extract_free(Extract *x)
{
	if (!x)
		return;
	forget_parent(x);
	for (guint i = 0; i < x->dirs->len; i++)
		g_free(g_array_index(x->dirs, DirTime, i).path);
	g_array_unref(x->dirs);
	g_hash_table_unref(x->skipped);
	g_hash_table_unref(x->unreferred);
	g_free(x->root_path);
	g_free(x);
}

int64_t extract_size(const Extract *x)
{
	return x->size;
}

/* ---- names ---- */

char *extract_clean_path(const char *name, GError **error)
{
	gboolean absolute = name[0] == '/';
	g_autoptr(GString) out = g_string_sized_new(strlen(name));
	guint depth = 0;
	for (const char *p = name; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			char *slash = strrchr(out->str, '/');
			if (depth == 0 && !absolute) {
				dh_error(error, DH_ERROR_INVALID,
					"invalid archive: \"%s\" leads outside", name);
				return NULL;
			}
			g_string_truncate(out, slash ? (gsize)(slash - out->str) : 0);
			depth -= depth > 0;
		} else if (n > 1 || (n == 1 && p[0] != '.')) {
			if (out->len > 0)
				g_string_append_c(out, '/');
			g_string_append_len(out, p, (gssize)n);
			depth++;
		}
		p += n;
		p += *p == '/';
	}
	if (out->len >= PATH_MAX || depth > EXTRACT_MAX_DEPTH) {
		dh_error(error, DH_ERROR_INVALID, "invalid archive: file name too long: %.64s...",
			name);
		return NULL;
	}
	return g_string_free(g_steal_pointer(&out), FALSE);
}

static char *join(const char *dir, const char *name)
{
	return *dir ? g_strconcat(dir, "/", name, NULL) : g_strdup(name);
}

static gboolean charge(Extract *x, const char *path, GError **error)
{
	x->memory += strlen(path) + 64;
	if (x->memory > EXTRACT_MAX_MEMORY)
		return dh_error(error, DH_ERROR_INVALID, "invalid archive: too many entries");
	return TRUE;
}

static gboolean remember(Extract *x, GHashTable *set, const char *path, GError **error)
{
	if (!charge(x, path, error))
		return FALSE;
	g_hash_table_add(set, g_strdup(path));
	return TRUE;
}

/* ---- parents ---- */

/* Opens dir, making what is missing (0755 whatever the umask). */
static int make_dirs(Extract *x, const char *dir)
{
	g_auto(GStrv) parts = g_strsplit(dir, "/", -1);
	g_autoptr(GString) done = g_string_new(NULL);
	dh_autofd int fd = dh_open_in_root(x->root, "", O_PATH | O_DIRECTORY, 0);
	for (char **p = parts; *p && fd >= 0; p++) {
		if (done->len > 0)
			g_string_append_c(done, '/');
		g_string_append(done, *p);
		int next = dh_open_in_root(x->root, done->str, O_PATH | O_DIRECTORY, 0);
		if (next < 0 && errno == ENOENT) {
			if (mkdirat(fd, *p, 0755) < 0)
				return -1;
			next = openat(fd, *p, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (next >= 0)
				(void)fchmod(next, 0755);
		}
		dh_close(&fd);
		fd = next;
	}
	return dh_steal_fd(&fd);
}

/* Opens a directory following the layer's own symlinks; *ret_real is where it lies. */
static int open_dir(Extract *x, const char *dir, gboolean make, char **ret_real)
{
	dh_autofd int fd = open_beneath(x->root, dir, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0) {
		*ret_real = g_strdup(dir);
		return dh_steal_fd(&fd);
	}
	if (errno == ELOOP || errno == ENOENT)
		fd = make ? make_dirs(x, dir)
			  : dh_open_in_root(x->root, dir, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return -1;
	g_autofree char *real = real_path(fd);
	size_t n = x->root_path ? strlen(x->root_path) : 0;
	if (!real || !n || strncmp(real, x->root_path, n) != 0 || (real[n] && real[n] != '/')) {
		errno = EXDEV;
		return -1;
	}
	const char *rel = real[n] ? real + n + 1 : "";
	guint depth = 0;
	for (const char *p = rel; *p; p++)
		depth += *p == '/';
	/* Links let a short name reach deep; what is made must also be removable again. */
	if (depth > EXTRACT_MAX_DEPTH) {
		errno = ENAMETOOLONG;
		return -1;
	}
	*ret_real = g_strdup(rel);
	return dh_steal_fd(&fd);
}

/* Makes x->parent_fd the directory of path; *ret_name is the last component, within path. */
static gboolean enter_parent(Extract *x, const char *path, const char **ret_name, GError **error)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	*ret_name = slash ? slash + 1 : path;
	if (x->parent && strncmp(x->parent, path, n) == 0 && x->parent[n] == '\0')
		return TRUE;

	forget_parent(x);
	g_autofree char *dir = g_strndup(path, n);
	x->parent_fd = open_dir(x, dir, TRUE, &x->parent_real);
	if (x->parent_fd < 0)
		return dh_error_errno(error, errno, "extract %s", path);
	struct stat st;
	x->parent_setgid = fstat(x->parent_fd, &st) < 0 || (st.st_mode & S_ISGID);
	x->parent = g_steal_pointer(&dir);
	return TRUE;
}

/* ---- what stands in the way ---- */

static gboolean retire_file(Extract *x, int dir, const char *name, const char *real,
	const struct stat *st, GError **error)
{
	if (S_ISREG(st->st_mode)) {
		if (st->st_nlink == 1)
			x->size -= st->st_size;
		if (!g_hash_table_remove(x->unreferred, real) && st->st_size > 0)
			return recipe_displace(x->recipe, real, dir, name, error);
	} else if (S_ISLNK(st->st_mode)) {
		x->size -= st->st_size;
	}
	if (unlinkat(dir, name, 0) < 0)
		return dh_error_errno(error, errno, "replace %s", real);
	return TRUE;
}

static gboolean retire_dir(Extract *x, int dir, const char *name, const char *real, GError **error)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		dh_error_errno(error, errno, "replace %s", real);
		dh_close(&fd);
		return FALSE;
	}
	gboolean ok = TRUE;
	struct dirent *e;
	while (ok && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		g_autofree char *sub = join(real, e->d_name);
		struct stat st;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			ok = dh_error_errno(error, errno, "replace %s", sub);
		else if (S_ISDIR(st.st_mode))
			ok = retire_dir(x, fd, e->d_name, sub, error);
		else
			ok = retire_file(x, fd, e->d_name, sub, &st, error);
	}
	closedir(d);
	if (ok && unlinkat(dir, name, AT_REMOVEDIR) < 0)
		ok = dh_error_errno(error, errno, "replace %s", real);
	return ok;
}

typedef enum { WAS_NOTHING, WAS_WHITEOUT, WAS_DIRECTORY, WAS_OTHER } Was;

/* Clears the way for an entry at x->parent_fd/name; a directory stays where one is wanted. */
static gboolean retire(
	Extract *x, const char *name, gboolean want_dir, Was *ret_was, GError **error)
{
	struct stat st;
	*ret_was = WAS_NOTHING;
	if (fstatat(x->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? TRUE
			       : dh_error_errno(error, errno, "extract %s/%s", x->parent, name);
	if (S_ISDIR(st.st_mode))
		*ret_was = WAS_DIRECTORY;
	else if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
		*ret_was = WAS_WHITEOUT;
	else
		*ret_was = WAS_OTHER;
	if (*ret_was == WAS_DIRECTORY && want_dir)
		return TRUE;
	g_autofree char *real = join(x->parent_real, name);
	if (*ret_was != WAS_DIRECTORY)
		return retire_file(x, x->parent_fd, name, real, &st, error);
	return retire_dir(x, x->parent_fd, name, real, error);
}

/* The way to a new entry: its parent, and nothing in its place. */
static gboolean prepare(Extract *x, const char *path, gboolean want_dir, const char **ret_name,
	Was *ret_was, GError **error)
{
	if (!enter_parent(x, path, ret_name, error))
		return FALSE;
	return retire(x, *ret_name, want_dir, ret_was, error);
}

/* ---- metadata ---- */

static gboolean wanted_xattr(const char *name)
{
	return strcmp(name, "security.capability") == 0 ||
	       (strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0);
}

static gboolean set_xattrs(int fd, const char *path, const ExtractMeta *m, GError **error)
{
	if (archive_entry_xattr_reset(m->entry) > EXTRACT_MAX_XATTRS)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid archive: %s has too many extended attributes", path);
	const char *name;
	const void *value;
	size_t n;
	while (archive_entry_xattr_next(m->entry, &name, &value, &n) == ARCHIVE_OK) {
		if (!name || !wanted_xattr(name))
			continue;
		if (n > EXTRACT_MAX_XATTR)
			return dh_error(error, DH_ERROR_INVALID,
				"invalid archive: attribute %s of %s is too long", name, path);
		if (fsetxattr(fd, name, value, n, 0) < 0 && errno != ENOTSUP)
			return dh_error_errno(error, errno, "set %s on %s", name, path);
	}
	return TRUE;
}

/* Whether what was just made in the parent has its owner already: nearly everything has. */
static gboolean owned(const Extract *x, const ExtractMeta *m)
{
	return m->uid == x->uid && m->gid == x->gid && !x->parent_setgid;
}

/* Order matters: chown drops capabilities and setuid bits. */
static gboolean set_meta(
	int fd, const char *path, const ExtractMeta *m, gboolean is_owned, GError **error)
{
	struct timespec times[2] = {m->mtime, m->mtime};
	if (!is_owned && fchown(fd, m->uid, m->gid) < 0)
		return dh_error_errno(error, errno, "chown %s", path);
	if (archive_entry_xattr_count(m->entry) > 0 && !set_xattrs(fd, path, m, error))
		return FALSE;
	if (fchmod(fd, m->mode) < 0 || futimens(fd, times) < 0)
		return dh_error_errno(error, errno, "set attributes of %s", path);
	return TRUE;
}

/* ---- entries ---- */

static gboolean set_opaque(int fd, const char *path, GError **error)
{
	if (fsetxattr(fd, OPAQUE_XATTR, "y", 1, 0) < 0)
		return dh_error_errno(error, errno, "make %s opaque", path);
	return TRUE;
}

gboolean extract_directory(Extract *x, const char *path, const ExtractMeta *m, GError **error)
{
	dh_autofd int fd = -1;
	gboolean is_new = FALSE;
	DirTime t = {NULL, m->mtime};
	if (!*path) {
		forget_parent(x); /* it may become another */
		fd = dh_open_in_root(x->root, "", O_RDONLY | O_DIRECTORY, 0);
		t.path = g_strdup("");
	} else {
		const char *name;
		Was was = WAS_NOTHING;
		if (!enter_parent(x, path, &name, error))
			return FALSE;
		is_new = mkdirat(x->parent_fd, name, 0700) == 0;
		if (!is_new && errno == EEXIST) {
			if (!retire(x, name, TRUE, &was, error))
				return FALSE;
			is_new = was != WAS_DIRECTORY && mkdirat(x->parent_fd, name, 0700) == 0;
		}
		if (!is_new && was != WAS_DIRECTORY)
			return dh_error_errno(error, errno, "mkdir %s", path);
		fd = openat(x->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* The whiteout hid the lower layers' directory: the new one must not merge with it.
		 */
		if (fd >= 0 && was == WAS_WHITEOUT && !set_opaque(fd, path, error))
			return FALSE;
		t.path = join(x->parent_real, name);
	}
	g_array_append_val(x->dirs, t);
	if (fd < 0)
		return dh_error_errno(error, errno, "open %s", path);
	return set_meta(fd, path, m, is_new && owned(x, m), error) && charge(x, t.path, error);
}

gboolean extract_symlink(
	Extract *x, const char *path, const char *target, const ExtractMeta *m, GError **error)
{
	const char *name;
	Was was;
	if (!enter_parent(x, path, &name, error))
		return FALSE;
	int r = symlinkat(target, x->parent_fd, name);
	if (r < 0 && errno == EEXIST) {
		if (!retire(x, name, FALSE, &was, error))
			return FALSE;
		r = symlinkat(target, x->parent_fd, name);
	}
	struct timespec times[2] = {m->mtime, m->mtime};
	if (r < 0 ||
		(!owned(x, m) &&
			fchownat(x->parent_fd, name, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) < 0) ||
		utimensat(x->parent_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return dh_error_errno(error, errno, "symlink %s", path);
	x->size += (int64_t)strlen(target); /* as docker counts */
	return TRUE;
}

gboolean extract_hardlink(
	Extract *x, const char *path, const char *target, const ExtractMeta *m, GError **error)
{
	const char *slash = strrchr(target, '/');
	g_autofree char *dir = g_strndup(target, slash ? (gsize)(slash - target) : 0);
	const char *base = slash ? slash + 1 : target;
	g_autofree char *dir_real = NULL;
	dh_autofd int dir_fd = open_dir(x, dir, FALSE, &dir_real);
	if (dir_fd < 0)
		return dh_error_errno(error, errno, "hard link %s to %s", path, target);
	g_autofree char *target_real = join(dir_real, base);
	const char *name;
	Was was;
	if (!enter_parent(x, path, &name, error))
		return FALSE;
	g_autofree char *real = join(x->parent_real, name);
	struct stat st;
	if (fstatat(dir_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT && g_hash_table_contains(x->skipped, target_real))
			return extract_skip(x, path, error);
		return dh_error_errno(error, errno, "hard link %s to %s", path, target);
	}
	if (S_ISDIR(st.st_mode))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid archive: hard link %s to a directory", path);
	if (strcmp(real, target_real) == 0)
		return TRUE;
	if (!retire(x, name, FALSE, &was, error))
		return FALSE;
	if (linkat(dir_fd, base, x->parent_fd, name, 0) < 0)
		return dh_error_errno(error, errno, "hard link %s to %s", path, target);
	if (!S_ISREG(st.st_mode))
		return TRUE;
	dh_autofd int fd =
		openat(x->parent_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return dh_error_errno(error, errno, "open %s", path);
	return remember(x, x->unreferred, real, error) && set_meta(fd, path, m, FALSE, error);
}

gboolean extract_skip(Extract *x, const char *path, GError **error)
{
	const char *name;
	Was was;
	if (!prepare(x, path, FALSE, &name, &was, error))
		return FALSE;
	g_autofree char *real = join(x->parent_real, name);
	return remember(x, x->skipped, real, error);
}

gboolean extract_special(
	Extract *x, const char *path, mode_t type, dev_t dev, const ExtractMeta *m, GError **error)
{
	/* A socket without its listener is nothing, and device 0/0 is overlayfs's whiteout. */
	if (type == S_IFSOCK || (type == S_IFCHR && dev == makedev(0, 0)))
		return extract_skip(x, path, error);
	const char *name;
	Was was;
	if (!prepare(x, path, FALSE, &name, &was, error))
		return FALSE;
	if (mknodat(x->parent_fd, name, type | 0600, dev) < 0)
		return dh_error_errno(error, errno, "mknod %s", path);
	/* Opening a device has effects, O_PATH has none; what can then be set goes through /proc.
	 */
	dh_autofd int fd = openat(x->parent_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return dh_error_errno(error, errno, "open %s", path);
	char proc[64];
	g_snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	struct timespec times[2] = {m->mtime, m->mtime};
	if (fchownat(fd, "", m->uid, m->gid, AT_EMPTY_PATH) < 0 || chmod(proc, m->mode) < 0 ||
		utimensat(AT_FDCWD, proc, times, 0) < 0)
		return dh_error_errno(error, errno, "set attributes of %s", path);
	return TRUE;
}

gboolean extract_whiteout(Extract *x, const char *path, const char *base, GError **error)
{
	const char *name;
	if (strcmp(base, WH_OPAQUE) == 0) {
		if (!enter_parent(x, path, &name, error))
			return FALSE;
		if (x->lowest)
			return TRUE;
		dh_autofd int fd = openat(x->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return dh_error_errno(error, errno, "open %s", path);
		return set_opaque(fd, path, error);
	}
	const char *hidden = base + strlen(WH_PREFIX);
	if (strncmp(hidden, WH_PREFIX, strlen(WH_PREFIX)) == 0)
		return TRUE; /* aufs's own bookkeeping */
	if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
		return dh_error(error, DH_ERROR_INVALID, "invalid archive: whiteout \"%s\"", path);
	if (!enter_parent(x, path, &name, error))
		return FALSE;
	if (x->lowest)
		return TRUE;

	/* A whiteout means the layers below; what this layer has itself stays. */
	struct stat st;
	if (fstatat(x->parent_fd, hidden, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISDIR(st.st_mode))
			return TRUE;
		dh_autofd int fd = openat(
			x->parent_fd, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return dh_error_errno(error, errno, "open %s", path);
		return set_opaque(fd, path, error);
	}
	if (mknodat(x->parent_fd, hidden, S_IFCHR, makedev(0, 0)) < 0)
		return dh_error_errno(error, errno, "whiteout %s", path);
	return TRUE;
}

static int create_file(Extract *x, const char *name)
{
	return openat(
		x->parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int extract_file(Extract *x, const char *path, gboolean stored, char **ret_real, GError **error)
{
	const char *name;
	Was was;
	if (!enter_parent(x, path, &name, error))
		return -1;
	dh_autofd int fd = create_file(x, name);
	if (fd < 0 && errno == EEXIST) {
		if (!retire(x, name, FALSE, &was, error))
			return -1;
		fd = create_file(x, name);
	}
	if (fd < 0) {
		dh_error_errno(error, errno, "create %s", path);
		return -1;
	}
	g_autofree char *real = join(x->parent_real, name);
	if (!stored && !remember(x, x->unreferred, real, error))
		return -1;
	*ret_real = g_steal_pointer(&real);
	return dh_steal_fd(&fd);
}

gboolean extract_file_done(
	Extract *x, int fd, const char *path, const ExtractMeta *m, int64_t size, GError **error)
{
	x->size += size;
	return set_meta(fd, path, m, owned(x, m), error);
}

gboolean extract_finish(Extract *x, GError **error)
{
	for (guint i = 0; i < x->dirs->len; i++) {
		const DirTime *t = &g_array_index(x->dirs, DirTime, i);
		dh_autofd int fd = open_beneath(x->root, t->path, O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0) {
			if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
				continue; /* replaced by a later entry */
			return dh_error_errno(error, errno, "open %s", t->path);
		}
		struct timespec times[2] = {t->mtime, t->mtime};
		if (futimens(fd, times) < 0)
			return dh_error_errno(error, errno, "set time of %s", t->path);
	}
	return TRUE;
}

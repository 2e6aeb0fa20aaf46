/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Inflow decompresses, and hashes what comes out (the diff ID); libarchive parses the tar. Between
 * them sits Source, which sees every byte of the uncompressed tar and tells the recipe which of
 * them are payload of a file that is unpacked.
 *
 * libarchive reads ahead: when it reports a header, bytes behind it have already passed through
 * Source. These wait in a window until it is known what they are. Positions are counted in the
 * uncompressed stream. After a header archive_filter_bytes() is where its payload starts:
 * everything before is raw; if the entry's file is stored, the next `size` bytes are payload and
 * vanish; bytes beyond stay in the window for the next header. Any byte that libarchive has
 * consumed and that was not declared payload is raw.
 */
#include "store/untar.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/timefmt.h"
#include "store/extract.h"
#include "store/inflow.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

typedef struct {
	Inflow *in;
	RecipeWriter *recipe;
	GByteArray *window;
	size_t head;      /* start of the undecided bytes in the window */
	int64_t decided;  /* stream position of that start */
	int64_t pos;      /* bytes received */
	int64_t skip_end; /* payload up to here */
	int64_t max;
	GError *error;
} Source;

typedef struct {
	struct archive *a;
	Source src;
	Extract *x;
	int64_t budget; /* bytes that may still be written */
	guint entries;
} Untar;

/* Everything undecided before `upto` is raw. */
static gboolean settle(Source *s, int64_t upto, GError **error)
{
	upto = MIN(upto, s->pos);
	if (upto <= s->decided)
		return TRUE;
	size_t n = (size_t)(upto - s->decided);
	if (!recipe_raw(s->recipe, s->window->data + s->head, n, error))
		return FALSE;
	s->head += n;
	s->decided = upto;
	return TRUE;
}

/* The `size` bytes from the decided position on are payload. */
static void drop(Source *s, int64_t size)
{
	s->skip_end = s->decided + size;
	int64_t have = MIN(s->skip_end, s->pos) - s->decided;
	s->head += (size_t)have;
	s->decided += have;
}

static void receive(Source *s, const char *buf, int64_t n)
{
	int64_t payload = CLAMP(s->skip_end - s->pos, 0, n);
	s->pos += n;
	if (payload > 0)
		s->decided += payload;
	if (payload == n)
		return;
	if (s->head > 0) {
		g_byte_array_remove_range(s->window, 0, (guint)s->head);
		s->head = 0;
	}
	g_byte_array_append(s->window, (const guint8 *)buf + payload, (guint)(n - payload));
}

/* The next block. Bytes, 0 at the end, -1 with s->error. */
static ssize_t source_next(Source *s, const void **ret_buf)
{
	ssize_t n = inflow_next(s->in, ret_buf, &s->error);
	if (n <= 0)
		return n;
	if (n > s->max - s->pos) {
		dh_error(&s->error, DH_ERROR_INVALID, "invalid archive: layer is too large");
		return -1;
	}
	receive(s, *ret_buf, n);
	return n;
}

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret_buf)
{
	Source *s = arg;
	if (s->error || !settle(s, archive_filter_bytes(a, 0), &s->error))
		return -1;
	return source_next(s, ret_buf);
}

static gboolean tar_error(Untar *u, GError **error)
{
	if (u->src.error) {
		g_propagate_error(error, g_steal_pointer(&u->src.error));
		return FALSE;
	}
	const char *text = archive_error_string(u->a);
	return dh_error(
		error, DH_ERROR_INVALID, "invalid tar archive: %s", text ? text : "unknown format");
}

/* ---- entries ---- */

/* Names come in the archive's own bytes; only pax names that the locale cannot hold need UTF-8. */
typedef const char *(*TextGetter)(struct archive_entry *e);

static const char *text_of(struct archive_entry *e, TextGetter bytes, TextGetter utf8)
{
	const char *text = bytes(e);
	return text ? text : utf8(e);
}

static gboolean get_meta(
	struct archive_entry *e, const char *path, ExtractMeta *ret, GError **error)
{
	int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid archive: owner of %s is out of range", path);
	*ret = (ExtractMeta){
		.uid = (uid_t)uid,
		.gid = (gid_t)gid,
		.mode = archive_entry_perm(e) & 07777,
		.entry = e,
	};
	/* Times before 1970 become 1970, as docker has it. */
	if (archive_entry_mtime_is_set(e) && archive_entry_mtime(e) >= 0) {
		ret->mtime.tv_sec = archive_entry_mtime(e);
		ret->mtime.tv_nsec = archive_entry_mtime_nsec(e);
	}
	return TRUE;
}

static gboolean spend(Untar *u, int64_t n, const char *path, GError **error)
{
	if (n < 0 || n > u->budget)
		return dh_error(error, DH_ERROR_SYSTEM, "write /%s: no space left on device", path);
	u->budget -= n;
	return TRUE;
}

/* The file is ours and no socket, which dh_write_all would ask for each block. */
static gboolean write_at(
	int fd, const char *path, const char *buf, size_t n, int64_t offset, GError **error)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, buf, n, offset);
		if (done < 0 && errno != EINTR)
			return dh_error_errno(error, errno, "write /%s", path);
		if (done > 0) {
			buf += done;
			n -= (size_t)done;
			offset += done;
		}
	}
	return TRUE;
}

static gboolean write_payload(
	Untar *u, int fd, const char *path, gboolean sparse, int64_t size, GError **error)
{
	const void *buf;
	size_t n;
	la_int64_t offset;
	int64_t end = 0;
	for (;;) {
		int r = archive_read_data_block(u->a, &buf, &n, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return tar_error(u, error);
		if (n == 0)
			continue;
		if (offset < end || offset > size || (int64_t)n > size - offset)
			return dh_error(
				error, DH_ERROR_INVALID, "invalid archive: data of %s", path);
		if (!write_at(fd, path, buf, n, offset, error))
			return FALSE;
		end = offset + (int64_t)n;
	}
	if (end == size)
		return TRUE;
	if (!sparse)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid archive: data of %s is missing", path);
	if (ftruncate(fd, size) < 0)
		return dh_error_errno(error, errno, "write /%s", path);
	return TRUE;
}

static gboolean regular(
	Untar *u, struct archive_entry *e, const char *path, const ExtractMeta *m, GError **error)
{
	int64_t size = archive_entry_size(e);
	gboolean sparse = archive_entry_sparse_count(e) > 0;
	gboolean stored = !sparse && size > 0;
	if (!spend(u, size, path, error))
		return FALSE;
	g_autofree char *real = NULL;
	dh_autofd int fd = extract_file(u->x, path, stored, &real, error);
	if (fd < 0)
		return FALSE;
	if (stored) {
		if (!recipe_file(u->src.recipe, real, size, error))
			return FALSE;
		drop(&u->src, size);
	}
	if ((size > 0 || sparse) && !write_payload(u, fd, path, sparse, size, error))
		return FALSE;
	return extract_file_done(u->x, fd, path, m, size, error);
}

static gboolean in_aufs_metadata(const char *path)
{
	return strncmp(path, ".wh..wh.", 8) == 0 && strcmp(path, ".wh..wh..opq") != 0;
}

static gboolean apply_entry(Untar *u, struct archive_entry *e, GError **error)
{
	const char *name = text_of(e, archive_entry_pathname, archive_entry_pathname_utf8);
	if (!name || !*name)
		return dh_error(error, DH_ERROR_INVALID, "invalid archive: entry without a name");
	if (++u->entries > UNTAR_MAX_ENTRIES)
		return dh_error(error, DH_ERROR_INVALID, "invalid archive: more than %d entries",
			UNTAR_MAX_ENTRIES);
	g_autofree char *path = extract_clean_path(name, error);
	ExtractMeta m;
	if (!path || !get_meta(e, path, &m, error) || !spend(u, 256, path, error))
		return FALSE;
	if (in_aufs_metadata(path))
		return TRUE;

	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	if (strncmp(base, ".wh.", 4) == 0)
		return extract_whiteout(u->x, path, base, error);

	const char *link = text_of(e, archive_entry_hardlink, archive_entry_hardlink_utf8);
	mode_t type = archive_entry_filetype(e);
	if (!*path && (link || type != AE_IFDIR))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid archive: \"%s\" would replace the root directory", name);
	if (link) {
		g_autofree char *target = extract_clean_path(link, error);
		return target && extract_hardlink(u->x, path, target, &m, error);
	}
	switch (type) {
	case AE_IFREG:
		return regular(u, e, path, &m, error);
	case AE_IFDIR:
		return extract_directory(u->x, path, &m, error);
	case AE_IFLNK: {
		const char *to = text_of(e, archive_entry_symlink, archive_entry_symlink_utf8);
		return extract_symlink(u->x, path, to ? to : "", &m, error);
	}
	case AE_IFCHR:
	case AE_IFBLK:
	case AE_IFIFO:
	case AE_IFSOCK:
		return extract_special(
			u->x, path, archive_entry_filetype(e), archive_entry_rdev(e), &m, error);
	default:
		return dh_error(
			error, DH_ERROR_INVALID, "invalid archive: unknown type of %s", path);
	}
}

static gboolean read_entries(Untar *u, GError **error)
{
	if (archive_read_open(u->a, &u->src, NULL, on_read, NULL) != ARCHIVE_OK)
		return tar_error(u, error);
	for (;;) {
		struct archive_entry *e;
		int r = archive_read_next_header(u->a, &e);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return tar_error(u, error);
		if (!settle(&u->src, archive_filter_bytes(u->a, 0), error) ||
			!apply_entry(u, e, error))
			return FALSE;
	}
	if (u->src.error)
		return tar_error(u, error);
	return TRUE;
}

/* What follows the end of the archive is part of the stream, if not of the tree. */
static gboolean read_trailer(Untar *u, GError **error)
{
	for (;;) {
		const void *buf;
		if (!settle(&u->src, u->src.pos, error))
			return FALSE;
		ssize_t n = source_next(&u->src, &buf);
		if (n < 0)
			return tar_error(u, error);
		if (n == 0)
			return TRUE;
	}
}

static void untar_clear(Untar *u)
{
	archive_read_free(u->a);
	extract_free(u->x);
	inflow_close(u->src.in);
	recipe_writer_free(u->src.recipe);
	if (u->src.window)
		g_byte_array_unref(u->src.window);
	g_clear_error(&u->src.error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Untar, untar_clear)

gboolean untar_layer(
	int dirfd, StoreRead read, void *arg, unsigned how, Untarred *ret, GError **error)
{
	struct statvfs vfs;
	if (mkdirat(dirfd, "diff", 0755) < 0 || fstatvfs(dirfd, &vfs) < 0)
		return dh_error_errno(error, errno, "create layer");
	dh_autofd int diff = openat(dirfd, "diff", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (diff < 0 || fchmod(diff, 0755) < 0)
		return dh_error_errno(error, errno, "create layer");

	g_auto(Untar) u = {.src.max = UNTAR_MAX_BYTES};
	u.budget = MIN((int64_t)(vfs.f_bavail * vfs.f_frsize) - UNTAR_RESERVE, UNTAR_MAX_BYTES);
	u.src.in = inflow_open(read, arg, how & UNTAR_AHEAD, error);
	u.src.recipe = u.src.in ? recipe_writer_new(dirfd, error) : NULL;
	if (!u.src.recipe)
		return FALSE;
	u.src.window = g_byte_array_new();
	u.x = extract_new(diff, how & UNTAR_LOWEST, u.src.recipe);
	u.a = archive_read_new();
	archive_read_support_format_tar(u.a);
	archive_read_support_format_empty(u.a);
	archive_read_set_option(u.a, "tar", "mac-ext", NULL);

	if (!read_entries(&u, error) || !read_trailer(&u, error) || !extract_finish(u.x, error) ||
		!recipe_finish(u.src.recipe, error))
		return FALSE;
	ret->diff_id = inflow_digest(u.src.in);
	ret->size = extract_size(u.x);
	ret->tar_size = u.src.pos;
	return TRUE;
}

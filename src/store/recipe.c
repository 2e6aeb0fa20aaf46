/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The file is one zstd frame of records, numbers little-endian:
 *
 *   'R' u32 length, bytes        raw bytes of the stream
 *   'F' u64 size, u32 length, path   payload, now in diff/<path>
 *   'E'                          the end: a recipe without it was cut off
 *
 * A tar may hold the same name twice; then the later entry replaces the file of the earlier one,
 * whose payload the stream still needs. Such files move to extra/0, extra/1, ... and extra/list
 * names their paths in that order, each ended by a NUL: the n-th reference to a path that is listed
 * k times means the n-th of these, and from k + 1 on the file in diff. Nearly no layer has any.
 */
#include "store/recipe.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "store/beneath.h"
#include "store/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define RAW_MAX (64 * 1024)
#define BLOCK RING_BLOCK
#define EXTRA_LIST_MAX (64 * 1024 * 1024)

struct RecipeWriter {
	int dirfd; /* the caller's */
	int fd;
	ZSTD_CCtx *zstd;
	GByteArray *raw; /* not yet a record */
	char *out;
	GString *extra; /* the list */
	guint n_extra;
};

RecipeWriter *recipe_writer_new(int dirfd, GError **error)
{
	g_autoptr(RecipeWriter) w = g_new0(RecipeWriter, 1);
	w->dirfd = dirfd;
	w->fd = openat(dirfd, "recipe", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (w->fd < 0) {
		dh_error_errno(error, errno, "create recipe");
		return NULL;
	}
	w->zstd = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, 1);
	w->raw = g_byte_array_sized_new(RAW_MAX);
	w->out = g_malloc(ZSTD_CStreamOutSize());
	w->extra = g_string_new(NULL);
	return g_steal_pointer(&w);
}

void recipe_writer_free(RecipeWriter *w)
{
	if (!w)
		return;
	dh_close(&w->fd);
	ZSTD_freeCCtx(w->zstd);
	if (w->raw)
		g_byte_array_unref(w->raw);
	g_free(w->out);
	if (w->extra)
		g_string_free(w->extra, TRUE);
	g_free(w);
}

static gboolean put(
	RecipeWriter *w, const void *buf, size_t n, ZSTD_EndDirective end, GError **error)
{
	ZSTD_inBuffer in = {buf, n, 0};
	size_t left;
	do {
		ZSTD_outBuffer out = {w->out, ZSTD_CStreamOutSize(), 0};
		left = ZSTD_compressStream2(w->zstd, &out, &in, end);
		if (ZSTD_isError(left))
			return dh_error(error, DH_ERROR_SYSTEM, "compress recipe: %s",
				ZSTD_getErrorName(left));
		if (out.pos > 0 && dh_write_all(w->fd, out.dst, out.pos) < 0)
			return dh_error_errno(error, errno, "write recipe");
	} while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
	return TRUE;
}

static gboolean flush_raw(RecipeWriter *w, GError **error)
{
	guint32 n = GUINT32_TO_LE(w->raw->len);
	if (n == 0)
		return TRUE;
	char head[5] = {'R'};
	memcpy(head + 1, &n, 4);
	if (!put(w, head, sizeof head, ZSTD_e_continue, error) ||
		!put(w, w->raw->data, w->raw->len, ZSTD_e_continue, error))
		return FALSE;
	g_byte_array_set_size(w->raw, 0);
	return TRUE;
}

gboolean recipe_raw(RecipeWriter *w, const void *buf, size_t n, GError **error)
{
	while (n > 0) {
		guint take = (guint)MIN(n, RAW_MAX - (size_t)w->raw->len);
		g_byte_array_append(w->raw, buf, take);
		buf = (const char *)buf + take;
		n -= take;
		if (w->raw->len == RAW_MAX && !flush_raw(w, error))
			return FALSE;
	}
	return TRUE;
}

gboolean recipe_file(RecipeWriter *w, const char *path, int64_t size, GError **error)
{
	if (!flush_raw(w, error))
		return FALSE;
	guint64 s = GUINT64_TO_LE((guint64)size);
	size_t len = strlen(path);
	guint32 n = GUINT32_TO_LE((guint32)len);
	char head[13] = {'F'};
	memcpy(head + 1, &s, 8);
	memcpy(head + 9, &n, 4);
	return put(w, head, sizeof head, ZSTD_e_continue, error) &&
	       put(w, path, len, ZSTD_e_continue, error);
}

gboolean recipe_displace(
	RecipeWriter *w, const char *path, int parent, const char *name, GError **error)
{
	char to[32];
	g_snprintf(to, sizeof to, "extra/%u", w->n_extra);
	if (w->n_extra == 0 && mkdirat(w->dirfd, "extra", 0700) < 0)
		return dh_error_errno(error, errno, "mkdir extra");
	if (w->extra->len + strlen(path) >= EXTRA_LIST_MAX)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid archive: too many duplicate entries");
	if (renameat(parent, name, w->dirfd, to) < 0)
		return dh_error_errno(error, errno, "replace %s", path);
	w->n_extra++;
	g_string_append_len(w->extra, path, (gssize)strlen(path) + 1);
	return TRUE;
}

gboolean recipe_finish(RecipeWriter *w, GError **error)
{
	if (!flush_raw(w, error) || !put(w, "E", 1, ZSTD_e_end, error))
		return FALSE;
	if (w->n_extra == 0)
		return TRUE;
	dh_autofd int fd =
		openat(w->dirfd, "extra/list", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || dh_write_all(fd, w->extra->str, w->extra->len) < 0)
		return dh_error_errno(error, errno, "write extra/list");
	return TRUE;
}

/* ---- replay ---- */

typedef struct {
	int dirfd, diff, fd;
	ZSTD_DCtx *zstd;
	ZSTD_inBuffer in;
	char *in_buf;
	gboolean eof;
	RecipeSink sink;
	void *arg;
	char *block; /* of the stream, given to the sink when it is full */
	size_t n;
	GHashTable *extra; /* path -> GQueue of numbers + 1 */
} Replay;

static void replay_clear(Replay *r)
{
	dh_close(&r->diff);
	dh_close(&r->fd);
	ZSTD_freeDCtx(r->zstd);
	g_free(r->in_buf);
	g_free(r->block);
	if (r->extra)
		g_hash_table_unref(r->extra);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Replay, replay_clear)

static gboolean damaged(GError **error)
{
	return dh_error(error, DH_ERROR_SYSTEM, "the layer's recipe is damaged");
}

static gboolean take(Replay *r, void *buf, size_t n, GError **error)
{
	ZSTD_outBuffer out = {buf, n, 0};
	while (out.pos < out.size) {
		if (r->in.pos == r->in.size && !r->eof) {
			ssize_t got = dh_read_full(r->fd, r->in_buf, ZSTD_DStreamInSize());
			if (got < 0)
				return dh_error_errno(error, errno, "read recipe");
			r->eof = got == 0;
			r->in = (ZSTD_inBuffer){r->in_buf, (size_t)got, 0};
		}
		size_t before = out.pos;
		size_t left = ZSTD_decompressStream(r->zstd, &out, &r->in);
		if (ZSTD_isError(left) || (r->eof && out.pos == before))
			return damaged(error);
	}
	return TRUE;
}

static gboolean flush_block(Replay *r, GError **error)
{
	size_t n = r->n;
	r->n = 0;
	return n == 0 || r->sink(r->arg, r->block, n, error);
}

/* Room for at least one byte more; *ret_room: for how many. */
static gboolean make_room(Replay *r, size_t *ret_room, GError **error)
{
	if (r->n == BLOCK && !flush_block(r, error))
		return FALSE;
	*ret_room = BLOCK - r->n;
	return TRUE;
}

static gboolean load_extra(Replay *r, GError **error)
{
	r->extra = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_queue_free);
	struct stat st;
	if (fstatat(r->dirfd, "extra/list", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return TRUE;
	size_t len = 0;
	g_autofree char *list = dh_read_file(r->dirfd, "extra/list", EXTRA_LIST_MAX, &len, error);
	if (!list)
		return FALSE;
	guint n = 0;
	for (const char *p = list; p < list + len; p += strlen(p) + 1) {
		GQueue *q = g_hash_table_lookup(r->extra, p);
		if (!q) {
			q = g_queue_new();
			g_hash_table_insert(r->extra, g_strdup(p), q);
		}
		g_queue_push_tail(q, GUINT_TO_POINTER(++n));
	}
	return TRUE;
}

static int open_payload(Replay *r, const char *path)
{
	GQueue *q = g_hash_table_lookup(r->extra, path);
	guint n = q ? GPOINTER_TO_UINT(g_queue_pop_head(q)) : 0;
	if (n == 0)
		return open_beneath(r->diff, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	char extra[32];
	g_snprintf(extra, sizeof extra, "extra/%u", n - 1);
	return openat(r->dirfd, extra, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static gboolean replay_file(Replay *r, const char *path, guint64 size, GError **error)
{
	dh_autofd int fd = open_payload(r, path);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return dh_error_errno(error, errno, "layer file %s", path);
	if (!S_ISREG(st.st_mode) || (guint64)st.st_size != size)
		return dh_error(error, DH_ERROR_SYSTEM,
			"layer file %s was changed behind the engine's back", path);
	if (size >= 4 * BLOCK)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while (size > 0) {
		size_t room;
		if (!make_room(r, &room, error))
			return FALSE;
		size_t want = (size_t)MIN(size, room);
		ssize_t n = dh_read_full(fd, r->block + r->n, want);
		if (n < 0 || (size_t)n < want)
			return dh_error_errno(
				error, n < 0 ? errno : EIO, "read layer file %s", path);
		r->n += want;
		size -= want;
	}
	return TRUE;
}

static gboolean replay_record(Replay *r, char kind, GError **error)
{
	guint32 n;
	if (kind == 'R') {
		if (!take(r, &n, 4, error))
			return FALSE;
		n = GUINT32_FROM_LE(n);
		if (n > RAW_MAX)
			return damaged(error);
		while (n > 0) {
			size_t room;
			if (!make_room(r, &room, error))
				return FALSE;
			guint32 part = (guint32)MIN(n, room);
			if (!take(r, r->block + r->n, part, error))
				return FALSE;
			r->n += part;
			n -= part;
		}
		return TRUE;
	}
	if (kind == 'F') {
		guint64 size;
		char path[PATH_MAX];
		if (!take(r, &size, 8, error) || !take(r, &n, 4, error))
			return FALSE;
		n = GUINT32_FROM_LE(n);
		if (n >= sizeof path)
			return damaged(error);
		if (!take(r, path, n, error))
			return FALSE;
		path[n] = '\0';
		return replay_file(r, path, GUINT64_FROM_LE(size), error);
	}
	return damaged(error);
}

gboolean recipe_replay(int dirfd, RecipeSink sink, void *arg, GError **error)
{
	g_auto(Replay) r = {.dirfd = dirfd, .diff = -1, .fd = -1, .sink = sink, .arg = arg};
	r.fd = openat(dirfd, "recipe", O_RDONLY | O_CLOEXEC);
	r.diff = openat(dirfd, "diff", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r.fd < 0 || r.diff < 0)
		return dh_error_errno(error, errno, "open layer");
	r.zstd = ZSTD_createDCtx();
	r.in_buf = g_malloc(ZSTD_DStreamInSize());
	r.block = g_malloc(BLOCK);
	if (!load_extra(&r, error))
		return FALSE;
	for (;;) {
		char kind;
		if (!take(&r, &kind, 1, error))
			return FALSE;
		if (kind == 'E')
			return flush_block(&r, error);
		if (!replay_record(&r, kind, error))
			return FALSE;
	}
}

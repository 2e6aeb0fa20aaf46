/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A layer's upload runs in two threads: one puts the tar together again (store), verifies it and
 * compresses it; the other, the caller's, hashes the compressed bytes and sends them as the body of
 * one PATCH. A ring of blocks lies between them. The digest that the closing PUT names is thus
 * known without the blob ever being a file. If the sender fails, the compressor is stopped at its
 * next block; if the compressor fails, the sender breaks the request off, and nothing is put.
 *
 * Some registries (or proxies before them) refuse bodies of unknown length. They get the stream in
 * pieces that each say their length and range.
 */
#include "registry/upload.h"

#include "base/error.h"
#include "store/pack.h"

#include <errno.h>
#include <string.h>

#define BLOCK (256 * 1024)
#define BLOCKS 8
#define PIECE (4 * 1024 * 1024)
#define OCTETS "Content-Type: application/octet-stream"

typedef struct {
	char *bytes;
	size_t n;
} Block;

typedef struct {
	Store *store;
	const Layer *layer;
	UploadTell tell;
	void *tell_arg;
	int64_t done; /* uncompressed bytes */

	GMutex lock;
	GCond changed;
	Block blocks[BLOCKS];
	guint head, tail;
	gboolean end, stop;
	GError *error; /* the compressor's */

	size_t pos; /* in the block at tail */
	Digest *sum;
	int64_t size; /* compressed bytes */
} Stream;

/* ---- the compressing thread ---- */

static int put_block(void *arg, const void *buf, size_t n)
{
	Stream *t = arg;
	const char *from = buf;
	while (n > 0) {
		size_t take = MIN(n, BLOCK);
		g_mutex_lock(&t->lock);
		while (t->head - t->tail == BLOCKS && !t->stop)
			g_cond_wait(&t->changed, &t->lock);
		Block *b = &t->blocks[t->head % BLOCKS];
		gboolean stop = t->stop;
		g_mutex_unlock(&t->lock);
		if (stop) {
			errno = EPIPE;
			return -1;
		}
		if (!b->bytes)
			b->bytes = g_malloc(BLOCK);
		memcpy(b->bytes, from, take);
		b->n = take;
		from += take;
		n -= take;
		g_mutex_lock(&t->lock);
		t->head++;
		g_cond_broadcast(&t->changed);
		g_mutex_unlock(&t->lock);
	}
	return 0;
}

typedef struct {
	Stream *t;
	Pack *pack;
} Packing;

static int on_tar(void *arg, const void *buf, size_t n)
{
	Packing *p = arg;
	if (pack_write(p->pack, buf, n) < 0)
		return -1;
	p->t->done += (int64_t)n;
	if (p->t->tell)
		p->t->tell(p->t->tell_arg, p->t->done);
	return 0;
}

static void *compress_layer(void *arg)
{
	Stream *t = arg;
	GError *e = NULL;
	g_autoptr(Pack) pack = pack_new(put_block, t);
	Packing p = {t, pack};
	if (layer_write_tar(t->store, t->layer, on_tar, &p, &e) && pack_finish(pack) < 0)
		dh_error_errno(&e, errno, "compress layer");
	g_mutex_lock(&t->lock);
	t->error = e;
	t->end = TRUE;
	g_cond_broadcast(&t->changed);
	g_mutex_unlock(&t->lock);
	return NULL;
}

/* ---- the sending thread ---- */

/* An HttpSource. */
static ssize_t take_bytes(void *arg, void *buf, size_t n)
{
	Stream *t = arg;
	g_mutex_lock(&t->lock);
	while (t->head == t->tail && !t->end)
		g_cond_wait(&t->changed, &t->lock);
	gboolean empty = t->head == t->tail, failed = t->error != NULL;
	const Block *b = &t->blocks[t->tail % BLOCKS];
	g_mutex_unlock(&t->lock);
	if (empty)
		return failed ? -1 : 0;
	size_t take = MIN(n, b->n - t->pos);
	memcpy(buf, b->bytes + t->pos, take);
	digest_update(t->sum, buf, take);
	t->pos += take;
	t->size += (int64_t)take;
	if (t->pos == b->n) {
		t->pos = 0;
		g_mutex_lock(&t->lock);
		t->tail++;
		g_cond_broadcast(&t->changed);
		g_mutex_unlock(&t->lock);
	}
	return (ssize_t)take;
}

static gboolean stream_start(Stream *t, GThread **ret, GError **error)
{
	g_mutex_init(&t->lock);
	g_cond_init(&t->changed);
	t->sum = digest_new();
	*ret = g_thread_try_new("compress", compress_layer, t, error);
	return *ret != NULL;
}

/* Returns what the compressor failed with by itself, which explains any other failure. */
static GError *stream_end(Stream *t, GThread *thread)
{
	g_mutex_lock(&t->lock);
	GError *reason = t->end ? g_steal_pointer(&t->error) : NULL;
	t->stop = TRUE;
	g_cond_broadcast(&t->changed);
	g_mutex_unlock(&t->lock);
	if (thread)
		g_thread_join(thread);
	for (guint i = 0; i < BLOCKS; i++)
		g_free(t->blocks[i].bytes);
	digest_free(t->sum);
	g_clear_error(&t->error);
	g_mutex_clear(&t->lock);
	g_cond_clear(&t->changed);
	return reason;
}

/* ---- requests ---- */

/* Where the next request of an upload goes. */
static char *next_url(const SessionReply *r, GError **error)
{
	const char *location = http_header(r->http, "location");
	if (location && *location == '/')
		return g_strdup(location);
	if (location &&
		(g_str_has_prefix(location, "http://") || g_str_has_prefix(location, "https://")))
		return g_strdup(location);
	dh_error(error, DH_ERROR_SYSTEM, "the registry did not say where to upload to");
	return NULL;
}

gboolean upload_exists(Session *s, const char *path, const char *digest, const HttpCancel *cancel,
	SessionError *fault, GError **error)
{
	g_autofree char *url = g_strdup_printf("/v2/%s/blobs/%s", path, digest);
	const HttpRequest q = {.method = "HEAD", .url = url, .cancel = *cancel};
	g_auto(SessionReply) reply = {0};
	GError *e = NULL;
	g_autofree char *body = session_get(s, &q, 0, NULL, &reply, fault, &e);
	if (body)
		return TRUE;
	if (fault->status == 404 || fault->fault == SESSION_BROKEN)
		g_clear_error(&e);
	else
		g_propagate_error(error, e);
	return FALSE;
}

char *upload_begin(Session *s, const char *path, const char *mount, const char *from,
	const HttpCancel *cancel, gboolean *ret_mounted, SessionError *fault, GError **error)
{
	g_autofree char *url =
		mount ? g_strdup_printf("/v2/%s/blobs/uploads/?mount=%s&from=%s", path, mount, from)
		      : g_strdup_printf("/v2/%s/blobs/uploads/", path);
	const HttpRequest q = {.method = "POST", .url = url, .cancel = *cancel};
	g_auto(SessionReply) reply = {0};
	g_autofree char *body = session_get(s, &q, SESSION_BODY_MAX, NULL, &reply, fault, error);
	*ret_mounted = FALSE;
	if (!body)
		return NULL;
	if (http_status(reply.http) == 201 && mount) {
		*ret_mounted = TRUE;
		return g_strdup("");
	}
	fault->fault = SESSION_FAILED;
	return next_url(&reply, error);
}

/* A request whose answer is in its head; the body is read so that the connection can be used again.
 */
static gboolean ask(
	Session *s, const HttpRequest *q, SessionReply *reply, SessionError *fault, GError **error)
{
	if (!session_open(s, q, reply, fault, error))
		return FALSE;
	g_free(http_read_all(reply->http, SESSION_BODY_MAX, NULL, NULL));
	return TRUE;
}

/* PUT: the upload's end. */
static gboolean commit(Session *s, const char *url, const char *digest, const void *body, size_t n,
	const HttpCancel *cancel, SessionError *fault, GError **error)
{
	g_autofree char *escaped = g_uri_escape_string(digest, NULL, FALSE);
	g_autofree char *full =
		g_strconcat(url, strchr(url, '?') ? "&" : "?", "digest=", escaped, NULL);
	char *const headers[] = {(char *)OCTETS, NULL};
	const HttpRequest q = {.method = "PUT",
		.url = full,
		.headers = headers,
		.body = body,
		.body_len = n,
		.cancel = *cancel};
	g_auto(SessionReply) reply = {0};
	if (!ask(s, &q, &reply, fault, error))
		return FALSE;
	return TRUE;
}

gboolean upload_text(Session *s, const char *path, const char *digest, const void *text, size_t n,
	const HttpCancel *cancel, SessionError *fault, GError **error)
{
	gboolean mounted;
	g_autofree char *url = upload_begin(s, path, NULL, NULL, cancel, &mounted, fault, error);
	return url && commit(s, url, digest, text, n, cancel, fault, error);
}

/* One PATCH with all of it; the URL that follows, or NULL. */
static char *send_stream(Session *s, Stream *t, const char *url, const HttpCancel *cancel,
	SessionError *fault, GError **error)
{
	char *const headers[] = {(char *)OCTETS, NULL};
	const HttpRequest q = {.method = "PATCH",
		.url = url,
		.headers = headers,
		.source = take_bytes,
		.source_arg = t,
		.cancel = *cancel};
	g_auto(SessionReply) reply = {0};
	if (!ask(s, &q, &reply, fault, error))
		return NULL;
	fault->fault = SESSION_FAILED;
	return next_url(&reply, error);
}

/* Fills a piece; its length, or -1. */
static ssize_t take_piece(Stream *t, char *piece)
{
	size_t have = 0;
	while (have < PIECE) {
		ssize_t n = take_bytes(t, piece + have, PIECE - have);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static char *send_pieces(Session *s, Stream *t, const char *url, const HttpCancel *cancel,
	SessionError *fault, GError **error)
{
	g_autofree char *piece = g_malloc(PIECE);
	g_autofree char *to = g_strdup(url);
	for (;;) {
		int64_t start = t->size;
		ssize_t n = take_piece(t, piece);
		if (n < 0) {
			dh_error(error, DH_ERROR_SYSTEM, "the layer could not be read");
			return NULL;
		}
		if (n == 0)
			return g_steal_pointer(&to);
		g_autofree char *range =
			g_strdup_printf("Content-Range: %" G_GINT64_FORMAT "-%" G_GINT64_FORMAT,
				start, start + n - 1);
		char *const headers[] = {(char *)OCTETS, range, NULL};
		const HttpRequest q = {.method = "PATCH",
			.url = to,
			.headers = headers,
			.body = piece,
			.body_len = (size_t)n,
			.cancel = *cancel};
		g_auto(SessionReply) reply = {0};
		if (!ask(s, &q, &reply, fault, error))
			return NULL;
		fault->fault = SESSION_FAILED;
		char *next = next_url(&reply, error);
		if (!next)
			return NULL;
		g_free(to);
		to = next;
	}
}

/* Statuses that say "not in this way". */
static gboolean wants_pieces(const SessionError *fault)
{
	return fault->status == 411 || fault->status == 405 || fault->status == 501;
}

static gboolean attempt(Session *s, Stream *t, const char *url, gboolean pieces,
	const HttpCancel *cancel, Descriptor **ret, SessionError *fault, GError **error)
{
	GThread *thread = NULL;
	GError *e = NULL;
	gboolean ok = FALSE;
	fault->fault = SESSION_FAILED;
	if (stream_start(t, &thread, &e)) {
		g_autofree char *next = pieces ? send_pieces(s, t, url, cancel, fault, &e)
					       : send_stream(s, t, url, cancel, fault, &e);
		/* A registry may answer before it has taken everything; then it has not. */
		if (next && take_bytes(t, (char[1]){0}, 1) != 0)
			dh_error(&e, DH_ERROR_SYSTEM, "the registry did not take the whole layer");
		if (next && !e) {
			g_autofree char *digest = digest_finish(t->sum);
			ok = commit(s, next, digest, NULL, 0, cancel, fault, &e);
			if (ok) {
				*ret = g_new0(Descriptor, 1);
				(*ret)->digest = g_steal_pointer(&digest);
				(*ret)->media_type = g_strdup(MEDIA_DOCKER_LAYER);
				(*ret)->size = t->size;
			}
		}
	}
	GError *reason = stream_end(t, thread);
	if (reason) {
		g_clear_error(&e);
		e = reason;
		ok = FALSE;
		fault->fault = SESSION_FAILED;
	}
	if (e)
		g_propagate_error(error, e);
	return ok;
}

gboolean upload_layer(Session *s, Store *store, const Layer *l, const char *url,
	const HttpCancel *cancel, UploadTell tell, void *arg, Descriptor **ret, SessionError *fault,
	GError **error)
{
	Stream first = {.store = store, .layer = l, .tell = tell, .tell_arg = arg};
	GError *e = NULL;
	if (attempt(s, &first, url, FALSE, cancel, ret, fault, &e))
		return TRUE;
	if (!wants_pieces(fault)) {
		g_propagate_error(error, e);
		return FALSE;
	}
	g_clear_error(&e);
	Stream second = {.store = store, .layer = l, .tell = tell, .tell_arg = arg};
	return attempt(s, &second, url, TRUE, cancel, ret, fault, error);
}

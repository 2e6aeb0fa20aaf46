/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * libmicrohttpd pushes a body at us piece by piece. JSON bodies are collected up to API_JSON_MAX.
 * For a route that streams its body (an image archive of gigabytes) the handler runs in a thread of
 * its own and pulls from a bounded queue that the connection's thread fills: when the queue is
 * full, the connection's thread waits, and through the socket so does the client. Everything else
 * is refused as soon as its length is known, and nothing of it is kept.
 */
#include "api/internal.h"

#include <errno.h>
#include <string.h>

BodyQueue *body_queue_new(void)
{
	BodyQueue *q = g_new0(BodyQueue, 1);
	g_mutex_init(&q->lock);
	g_cond_init(&q->changed);
	q->bytes = g_byte_array_new();
	return q;
}

void body_queue_free(BodyQueue *q)
{
	if (!q)
		return;
	if (q->thread) {
		g_mutex_lock(&q->lock);
		q->aborted = TRUE;
		g_cond_broadcast(&q->changed);
		g_mutex_unlock(&q->lock);
		g_thread_join(q->thread);
	}
	g_byte_array_unref(q->bytes);
	g_mutex_clear(&q->lock);
	g_cond_clear(&q->changed);
	g_free(q);
}

static void *handler_thread(void *arg)
{
	ApiRequest *r = arg;
	request_run(r);
	g_mutex_lock(&r->queue->lock);
	r->queue->done = TRUE;
	g_cond_broadcast(&r->queue->changed);
	g_mutex_unlock(&r->queue->lock);
	return NULL;
}

static gboolean too_large(GError **error)
{
	return dh_error(error, DH_ERROR_TOO_LARGE, "http: request body too large");
}

static gboolean check_content_type(ApiRequest *r, GError **error)
{
	const char *type = api_header(r, "Content-Type");
	if (!type || !*type)
		return dh_error(error, DH_ERROR_INVALID,
			"malformed Content-Type header (): mime: no media type");
	size_t n = strcspn(type, "; \t");
	if (n == strlen("application/json") &&
		g_ascii_strncasecmp(type, "application/json", n) == 0)
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID,
		"unsupported Content-Type header (%s): must be 'application/json'", type);
}

gboolean body_begin(ApiRequest *r, GError **error)
{
	const char *length = api_header(r, "Content-Length");
	guint64 announced = length ? g_ascii_strtoull(length, NULL, 10) : 0;
	switch (r->route->body) {
	case API_BODY_NONE:
		return announced <= API_IGNORED_BODY_MAX || too_large(error);
	case API_BODY_JSON:
		if (announced > API_JSON_MAX)
			return too_large(error);
		r->in = g_byte_array_new();
		return TRUE;
	case API_BODY_STREAM:
		if (announced == 0 && !api_header(r, "Transfer-Encoding"))
			return TRUE; /* nothing will come: api_body_read is at its end */
		r->queue = body_queue_new();
		r->queue->thread = g_thread_try_new("api-body", handler_thread, r, error);
		if (!r->queue->thread)
			g_clear_pointer(&r->queue, body_queue_free);
		return r->queue != NULL;
	}
	return TRUE;
}

/* Waits for room. FALSE without error: the handler has ended and its answer is ready. */
static gboolean queue_put(BodyQueue *q, const char *data, size_t n)
{
	g_mutex_lock(&q->lock);
	while (n > 0 && !q->done) {
		size_t room = BODY_QUEUE_MAX - q->bytes->len;
		if (room == 0) {
			g_cond_wait(&q->changed, &q->lock);
			continue;
		}
		size_t take = MIN(room, n);
		g_byte_array_append(q->bytes, (const guint8 *)data, (guint)take);
		data += take;
		n -= take;
		g_cond_broadcast(&q->changed);
	}
	gboolean taken = !q->done;
	g_mutex_unlock(&q->lock);
	return taken;
}

gboolean body_take(ApiRequest *r, const char *data, size_t n, GError **error)
{
	r->in_seen += n;
	if (r->queue)
		return queue_put(r->queue, data, n);
	if (r->in) {
		if (r->in_seen > API_JSON_MAX)
			return too_large(error);
		g_byte_array_append(r->in, (const guint8 *)data, (guint)n);
		return TRUE;
	}
	return r->in_seen <= API_IGNORED_BODY_MAX || too_large(error);
}

gboolean body_end(ApiRequest *r, GError **error)
{
	if (r->queue) {
		g_mutex_lock(&r->queue->lock);
		r->queue->eof = TRUE;
		g_cond_broadcast(&r->queue->changed);
		g_mutex_unlock(&r->queue->lock);
		g_thread_join(g_steal_pointer(&r->queue->thread));
		return TRUE;
	}
	if (!r->in || r->in->len == 0)
		return TRUE;
	if (!check_content_type(r, error))
		return FALSE;
	r->body = dh_json_loads((const char *)r->in->data, r->in->len, error);
	g_byte_array_set_size(r->in, 0);
	return r->body != NULL;
}

ssize_t api_body_read(void *request, void *buf, size_t n)
{
	ApiRequest *r = request;
	BodyQueue *q = r->queue;
	if (!q)
		return 0;
	g_mutex_lock(&q->lock);
	while (q->bytes->len == 0 && !q->eof && !q->aborted)
		g_cond_wait(&q->changed, &q->lock);
	ssize_t got = (ssize_t)MIN(n, q->bytes->len);
	if (q->aborted) {
		errno = ECONNRESET;
		got = -1;
	} else if (got > 0) {
		memcpy(buf, q->bytes->data, (size_t)got);
		g_byte_array_remove_range(q->bytes, 0, (guint)got);
		g_cond_broadcast(&q->changed);
	}
	g_mutex_unlock(&q->lock);
	return got;
}

/* SPDX-License-Identifier: MIT */
#include "api/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LINGER_MS 3000
#define STOPPING_MS 250
#define STREAM_UNSENT_MAX (8 * 1024 * 1024)

static const char *const common[][2] = {
	{"Api-Version", API_VERSION},
	{"Docker-Experimental", "false"},
	{"Ostype", "linux"},
	{"Server", "Dhow/" DHOW_VERSION " (linux)"},
};

void reply_common_headers(GString *head)
{
	for (guint i = 0; i < G_N_ELEMENTS(common); i++)
		g_string_append_printf(head, "%s: %s\r\n", common[i][0], common[i][1]);
}

/* ---- recording ---- */

/* body is taken over. */
static void take(ApiRequest *r, int status, const char *content_type, char *body, size_t n)
{
	r->reply = REPLY_RECORDED;
	r->status = status;
	r->content_type = content_type;
	g_clear_pointer(&r->out, g_byte_array_unref);
	r->out = g_byte_array_new_take((guint8 *)body, n);
}

static void record(ApiRequest *r, int status, const char *content_type, const char *body, size_t n)
{
	take(r, status, content_type, g_memdup2(body, n), n);
}

void api_reply_status(ApiRequest *r, int status)
{
	record(r, status, NULL, "", 0);
}

void api_reply_text(ApiRequest *r, int status, const char *content_type, const char *text)
{
	record(r, status, content_type, text, strlen(text));
}

void api_reply_take(ApiRequest *r, int status, const char *content_type, char *text)
{
	take(r, status, content_type, text, strlen(text));
}

void api_reply_json(ApiRequest *r, int status, json_t *body)
{
	char *text = dh_json_dumps(body, 0);
	json_decref(body);
	take(r, status, "application/json", text, strlen(text));
	g_byte_array_append(r->out, (const guint8 *)"\n", 1);
}

void api_reply_header(ApiRequest *r, const char *name, const char *value)
{
	g_ptr_array_add(r->headers, g_strdup(name));
	g_ptr_array_add(r->headers, g_strdup(value));
}

void reply_error(ApiRequest *r, const GError *error)
{
	int status = r->status == 405 ? 405 : dh_error_http_status(error);
	if (status == 304) {
		api_reply_status(r, status);
		return;
	}
	json_t *body = json_object();
	json_object_set_new(body, "message", api_string(error->message));
	api_reply_json(r, status, body);
}

/* ---- sending what was recorded ---- */

enum MHD_Result reply_send(ApiRequest *r)
{
	/* Lists are long: the server takes the text over. */
	gsize n;
	guint8 *data = g_byte_array_steal(r->out, &n);
	struct MHD_Response *response =
		MHD_create_response_from_buffer(n, data, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		g_free(data);
		return MHD_NO;
	}
	for (guint i = 0; i < G_N_ELEMENTS(common); i++)
		MHD_add_response_header(response, common[i][0], common[i][1]);
	for (guint i = 0; i + 1 < r->headers->len; i += 2)
		MHD_add_response_header(response, r->headers->pdata[i], r->headers->pdata[i + 1]);
	if (r->content_type)
		MHD_add_response_header(response, "Content-Type", r->content_type);
	enum MHD_Result ret = MHD_queue_response(r->connection, (unsigned)r->status, response);
	MHD_destroy_response(response);
	return ret;
}

static const char *reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Request Entity Too Large";
	case 500:
		return "Internal Server Error";
	case 501:
		return "Not Implemented";
	default:
		return "Unknown";
	}
}

int socket_write(int fd, const void *buf, size_t n)
{
	const char *p = buf;
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0) {
			p += sent;
			n -= (size_t)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -1;
		struct pollfd f = {fd, POLLOUT, 0};
		if (poll(&f, 1, -1) < 0 && errno != EINTR)
			return -1;
		if (f.revents & (POLLERR | POLLNVAL | POLLHUP))
			return -1;
	}
	return 0;
}

static GString *head_of(ApiRequest *r, int status)
{
	GString *head = g_string_new(NULL);
	g_string_append_printf(head, "HTTP/1.1 %d %s\r\n", status, reason(status));
	reply_common_headers(head);
	for (guint i = 0; i + 1 < r->headers->len; i += 2)
		g_string_append_printf(head, "%s: %s\r\n", (char *)r->headers->pdata[i],
			(char *)r->headers->pdata[i + 1]);
	if (r->content_type)
		g_string_append_printf(head, "Content-Type: %s\r\n", r->content_type);
	char date[64];
	struct tm tm;
	time_t now = time(NULL);
	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	g_string_append_printf(head, "Date: %s\r\nConnection: close\r\n", date);
	return head;
}

/* A client that is still sending learns of the answer only if its next write does not fail first:
 * what it sends is thrown away for a moment. */
static void linger(int fd)
{
	gint64 until = g_get_monotonic_time() / 1000 + LINGER_MS;
	g_autofree char *waste = g_malloc(16 * 1024);
	for (;;) {
		gint64 left = until - g_get_monotonic_time() / 1000;
		struct pollfd f = {fd, POLLIN, 0};
		if (left <= 0 || poll(&f, 1, (int)left) <= 0)
			return;
		ssize_t n = recv(fd, waste, 16 * 1024, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
	}
}

void reply_send_early(ApiRequest *r)
{
	GString *head = head_of(r, r->status);
	g_string_append_printf(head, "Content-Length: %u\r\n\r\n", r->out->len);
	g_string_append_len(head, (const char *)r->out->data, r->out->len);
	int failed = socket_write(r->fd, head->str, head->len);
	g_string_free(head, TRUE);
	if (failed)
		return;
	shutdown(r->fd, SHUT_WR);
	linger(r->fd);
}

/* ---- streams ---- */

/* The handler's answer must not overtake the request's body. */
static gboolean body_is_coming(ApiRequest *r)
{
	if (!r->queue)
		return FALSE;
	g_mutex_lock(&r->queue->lock);
	gboolean coming = !r->queue->eof;
	g_mutex_unlock(&r->queue->lock);
	return coming;
}

void api_stream_begin(ApiRequest *r, int status, const char *content_type)
{
	if (r->reply != REPLY_NONE)
		return;
	r->content_type = content_type;
	if (r->stream_begun) { /* by another daemon */
		r->reply = REPLY_STREAM;
		return;
	}
	if (body_is_coming(r)) { /* keep it until then */
		record(r, status, content_type, "", 0);
		return;
	}
	r->reply = REPLY_STREAM;
	r->stream_begun = TRUE;
	GString *head = head_of(r, status);
	if (!r->http10)
		g_string_append(head, "Transfer-Encoding: chunked\r\n");
	g_string_append(head, "\r\n");
	r->stream_gone = socket_write(r->fd, head->str, head->len) < 0;
	g_string_free(head, TRUE);
}

gboolean api_stream_has_begun(const ApiRequest *r)
{
	return r->reply != REPLY_NONE;
}

int api_stream_tar(void *request, const void *buf, size_t n)
{
	api_stream_begin(request, 200, "application/x-tar");
	if (api_stream_write(request, buf, n) == 0)
		return 0;
	errno = EPIPE;
	return -1;
}

gboolean api_stream_end(ApiRequest *r, gboolean ok, GError **error)
{
	if (ok)
		api_stream_begin(r, 200, "application/json");
	if (ok || r->reply == REPLY_NONE)
		return ok;
	json_t *o = json_pack("{s:{s:o}}", "errorDetail", "message", api_string((*error)->message));
	api_set(o, "error", api_string((*error)->message));
	api_stream_json(r, o, "\r\n");
	g_clear_error(error);
	return TRUE;
}

/* Kept for the daemon that goes on with the stream. */
static int keep_unsent(ApiRequest *r, const char *p, size_t n)
{
	if (!r->unsent)
		r->unsent = g_byte_array_new();
	if (r->unsent->len + n > STREAM_UNSENT_MAX) {
		r->stream_gone = TRUE;
		return -1;
	}
	g_byte_array_append(r->unsent, (const guint8 *)p, (guint)n);
	return 1;
}

/* Until there is room: 0; 1: the request is to be handed over first; -1: the peer is gone, or the
 * server stops and the peer takes nothing even then. */
static int await_room(ApiRequest *r)
{
	const ApiServer *s = r->server;
	struct pollfd f[] = {
		{r->fd, POLLOUT, 0},
		{r->resumable ? s->yield_fd : -1, POLLIN, 0},
		{r->cancellable ? s->stop_fd : -1, POLLIN, 0},
	};
	if (poll(f, G_N_ELEMENTS(f), -1) < 0)
		return errno == EINTR ? 0 : -1;
	if (f[2].revents && !f[0].revents && poll(f, 1, STOPPING_MS) == 0)
		return -1;
	if (f[0].revents & (POLLERR | POLLNVAL | POLLHUP))
		return -1;
	return f[1].revents && !f[0].revents;
}

int reply_stream_send(ApiRequest *r, const void *buf, size_t n)
{
	const char *p = buf;
	while (n > 0) {
		ssize_t sent = r->unsent ? -1 : send(r->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r->unsent)
			return keep_unsent(r, p, n);
		if (sent >= 0) {
			p += sent;
			n -= (size_t)sent;
			continue;
		}
		int wait = errno == EAGAIN ? await_room(r) : errno == EINTR ? 0 : -1;
		if (wait > 0)
			return keep_unsent(r, p, n);
		if (wait < 0) {
			r->stream_gone = TRUE;
			return -1;
		}
	}
	return 0;
}

int api_stream_write(void *request, const void *buf, size_t n)
{
	ApiRequest *r = request;
	if (r->reply == REPLY_RECORDED) {
		if (r->out->len + n <= STREAM_REPLY_MAX)
			g_byte_array_append(r->out, buf, (guint)n);
		return 0;
	}
	if (r->stream_gone)
		return -1;
	if (n == 0)
		return 0;
	char size[24];
	int size_len = r->http10 ? 0 : snprintf(size, sizeof size, "%zx\r\n", n);
	struct iovec iov[] = {
		{size, (size_t)size_len},
		{(void *)buf, n},
		{"\r\n", r->http10 ? 0 : 2},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = G_N_ELEMENTS(iov)};
	ssize_t sent = r->unsent ? 0 : sendmsg(r->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		r->stream_gone = TRUE;
		return -1;
	}
	size_t skip = sent > 0 ? (size_t)sent : 0;
	int result = 0;
	for (guint i = 0; i < G_N_ELEMENTS(iov) && result >= 0; i++) {
		size_t done = MIN(skip, iov[i].iov_len);
		skip -= done;
		int one =
			reply_stream_send(r, (char *)iov[i].iov_base + done, iov[i].iov_len - done);
		result = one ? one : result;
	}
	return result;
}

int api_stream_json(ApiRequest *r, json_t *value, const char *line_end)
{
	g_autofree char *text = dh_json_dumps(value, 0);
	json_decref(value);
	g_autofree char *line = g_strconcat(text, line_end, NULL);
	return api_stream_write(r, line, strlen(line));
}

void api_stream_abort(ApiRequest *r)
{
	r->stream_aborted = TRUE;
}

void reply_stream_end(ApiRequest *r)
{
	/* What a stopping server breaks off must not look complete. */
	if (r->cancellable && g_atomic_int_get(&r->server->stopping))
		return;
	if (!r->stream_gone && !r->stream_aborted && !r->http10)
		socket_write(r->fd, "0\r\n\r\n", 5);
}

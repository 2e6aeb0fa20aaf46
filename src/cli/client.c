/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: one connection per request; a unix socket costs less than keeping count of
 * idle ones (but a batch of requests shares one). The newest API version is simply tried: only a
 * daemon that refuses it costs a second request, with the version that its refusal names. A body
 * that streams from a descriptor cannot be sent twice, so before the first of these the daemon's
 * version is asked for (HEAD /_ping).
 *
 * While such a body is sent the daemon may already answer (progress of a load): what it says is
 * kept aside, or it and we would both wait for the other to read. An error status ends the sending.
 */
#include "cli/client.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/trace.h"
#include "cli/daemon_start.h"
#include "cli/http.h"
#include "cli/text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LISTEN_RETRY_MS = 200,
	CHUNK = 128 * 1024,
	MAX_ERROR_BODY = 64 * 1024,
	MAX_EARLY = 16 * 1024 * 1024,
};
#define MAX_JSON_BODY ((size_t)64 * 1024 * 1024)

static char api_version[16];
static gboolean version_settled; /* asked for by the user, or learnt from the daemon */

const char *cli_api_version(void)
{
	if (!api_version[0]) {
		const char *wanted = getenv("DOCKER_API_VERSION");
		version_settled = wanted && *wanted;
		g_strlcpy(api_version, version_settled ? wanted : CLI_API_VERSION,
			sizeof api_version);
	}
	return api_version;
}

static gboolean version_lower(const char *a, const char *b)
{
	int major_a, minor_a, major_b, minor_b;
	if (sscanf(a, "%d.%d", &major_a, &minor_a) != 2 ||
		sscanf(b, "%d.%d", &major_b, &minor_b) != 2)
		return FALSE;
	return major_a != major_b ? major_a < major_b : minor_a < minor_b;
}

/* Takes over a lower version from "... Maximum supported API version is 1.41" or an Api-Version. */
static gboolean settle_version(const char *theirs)
{
	size_t n = strspn(theirs, "0123456789.");
	g_autofree char *v = g_strndup(theirs, MIN(n, sizeof api_version - 1));
	g_strdelimit(g_strchomp(v), "", ' ');
	while (g_str_has_suffix(v, "."))
		v[strlen(v) - 1] = '\0';
	if (version_settled || !version_lower(v, cli_api_version()))
		return FALSE;
	g_strlcpy(api_version, v, sizeof api_version);
	version_settled = TRUE;
	return TRUE;
}

/* connect */

static const char *socket_path(const Cli *cli)
{
	return cli->host + strlen("unix://");
}

static gboolean try_connect(void *arg)
{
	dh_autofd int fd = dh_unix_connect(arg, SOCK_STREAM, NULL);
	return fd >= 0;
}

gboolean cli_await_daemon(const Cli *cli, int timeout_ms)
{
	char *path = (char *)socket_path(cli);
	g_autofree char *dir = g_path_get_dirname(path);
	dh_autofd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch >= 0)
		(void)inotify_add_watch(watch, dir, IN_CREATE | IN_MOVED_TO | IN_ATTRIB);
	gint64 until = g_get_monotonic_time() / 1000 + timeout_ms;
	while (!try_connect(path)) {
		gint64 left = until - g_get_monotonic_time() / 1000;
		if (left <= 0)
			return FALSE;
		/* Between its making and its listening a socket refuses without an event. */
		struct pollfd p = {.fd = watch, .events = POLLIN};
		(void)poll(&p, 1, (int)MIN(left, LISTEN_RETRY_MS));
		char events[1024];
		while (read(watch, events, sizeof events) > 0)
			;
	}
	return TRUE;
}

/* ---- made ahead ---- */

enum { AHEAD_MAX = 4 };
static int ahead[AHEAD_MAX];
static unsigned n_ahead;

static void connect_ahead(Cli *cli)
{
	for (; cli->expected > 0; cli->expected--) {
		int fd = n_ahead < AHEAD_MAX ? dh_unix_connect(socket_path(cli), SOCK_STREAM, NULL)
					     : -1;
		if (fd >= 0)
			ahead[n_ahead++] = fd;
	}
}

/* -1: none; one that the daemon has closed meanwhile is passed over. */
static int take_ahead(void)
{
	while (n_ahead > 0) {
		struct pollfd p = {.fd = ahead[--n_ahead], .events = POLLIN};
		if (poll(&p, 1, 0) == 0)
			return p.fd;
		close(p.fd);
	}
	return -1;
}

void cli_expect_requests(Cli *cli, unsigned n)
{
	cli->expected = n;
	while (n == 0 && n_ahead > 0)
		close(ahead[--n_ahead]);
}

/* ---- */

static int open_connection(const Cli *cli, GError **error)
{
	int made = take_ahead();
	if (made >= 0)
		return made;
	const char *path = socket_path(cli);
	errno = 0;
	int fd = dh_unix_connect(path, SOCK_STREAM, NULL);
	int saved = errno;
	if (fd >= 0)
		return fd;
	if (saved == EACCES || saved == EPERM) {
		dh_error(error, DH_ERROR_UNAVAILABLE,
			"permission denied while trying to connect to the Docker daemon socket at "
			"%s",
			cli->host);
		return -1;
	}
	if (cli->host_is_default && (saved == ENOENT || saved == ECONNREFUSED)) {
		g_autoptr(GError) why = NULL;
		if (daemon_start(try_connect, (void *)path, &why))
			fd = dh_unix_connect(path, SOCK_STREAM, NULL);
		if (fd >= 0)
			return fd;
		if (why) {
			dh_error(error, DH_ERROR_UNAVAILABLE,
				"Cannot connect to the Docker daemon at %s: %s", cli->host,
				why->message);
			return -1;
		}
	}
	dh_error(error, DH_ERROR_UNAVAILABLE,
		"Cannot connect to the Docker daemon at %s. Is the docker daemon running?",
		cli->host);
	return -1;
}

/* send */

static GString *request_head(const Request *req)
{
	GString *s = g_string_sized_new(512);
	g_autofree char *path =
		g_uri_escape_string(req->path, G_URI_RESERVED_CHARS_ALLOWED_IN_PATH, FALSE);
	g_string_append_printf(s, "%s ", req->method);
	if (strcmp(req->path, "/_ping") != 0)
		g_string_append_printf(s, "/v%s", cli_api_version());
	g_string_append(s, path);
	for (guint i = 0; req->query && req->query[i] && req->query[i + 1]; i += 2) {
		g_string_append_printf(s, "%c%s=", i ? '&' : '?', req->query[i]);
		g_string_append_uri_escaped(s, req->query[i + 1], NULL, FALSE);
	}
	g_string_append(s, " HTTP/1.1\r\nHost: api.moby.localhost\r\n"
			   "User-Agent: Dhow-Client/" DHOW_VERSION " (linux)\r\n");
	for (guint i = 0; req->headers && req->headers[i] && req->headers[i + 1]; i += 2)
		g_string_append_printf(s, "%s: %s\r\n", req->headers[i], req->headers[i + 1]);
	if (req->hijack)
		g_string_append(s, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
	return s;
}

/* Sends n bytes while taking in what arrives. 1 sent, 0 the daemon has refused, -1 with errno. */
static int send_duplex(Response *r, const char *p, size_t n)
{
	while (n) {
		struct pollfd fds = {.fd = response_fd(r), .events = POLLIN | POLLOUT};
		if (poll(&fds, 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (fds.revents & (POLLIN | POLLHUP | POLLERR)) {
			if (response_buffered(r) > MAX_EARLY)
				return 0;
			ssize_t got = response_fill(r);
			if (got <= 0 || response_refused(r))
				return 0;
		}
		if (!(fds.revents & POLLOUT))
			continue;
		ssize_t w = send(response_fd(r), p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (w < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return errno == EPIPE || errno == ECONNRESET ? 0 : -1;
		}
		p += w;
		n -= (size_t)w;
	}
	return 1;
}

static gboolean send_stream(Response *r, int body_fd, GError **error)
{
	enum { HEAD = 16 };
	g_autofree char *buf = g_malloc(HEAD + CHUNK + 2);
	for (;;) {
		ssize_t n = read(body_fd, buf + HEAD, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dh_error_errno(error, errno, "read");
		char size[HEAD];
		int len = snprintf(size, sizeof size, "%zx\r\n", (size_t)n);
		char *start = buf + HEAD - len;
		memcpy(start, size, (size_t)len);
		memcpy(buf + HEAD + n, "\r\n", 2);
		int sent = send_duplex(r, start, (size_t)(len + n + 2));
		if (sent < 0)
			return dh_error_errno(error, errno, "send to the daemon");
		if (!sent || n == 0)
			return TRUE;
	}
}

static Response *send_request(Cli *cli, const Request *req, GError **error)
{
	dh_trace("dhow: request");
	dh_autofd int fd = open_connection(cli, error);
	if (fd < 0)
		return NULL;
	g_autoptr(GString) head = request_head(req);
	gboolean streams = !req->body && req->body_fd > 0;
	if (req->body) {
		g_autofree char *text = dh_json_dumps(req->body, 0);
		g_string_append_printf(head,
			"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			strlen(text), text);
	} else if (streams) {
		g_string_append_printf(head,
			"Content-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
			req->content_type ? req->content_type : "application/x-tar");
	} else if (strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0) {
		g_string_append(head, "\r\n");
	} else {
		g_string_append(head, "Content-Length: 0\r\n\r\n");
	}
	/* EPIPE: the daemon may have refused before it read everything; its answer says why */
	if (dh_write_all(fd, head->str, head->len) < 0 && errno != EPIPE && errno != ECONNRESET) {
		dh_error_errno(error, errno, "send to the daemon");
		return NULL;
	}
	g_autoptr(Response) r = response_new(dh_steal_fd(&fd), strcmp(req->method, "HEAD") == 0);
	connect_ahead(cli);
	if (streams && !send_stream(r, req->body_fd, error))
		return NULL;
	return g_steal_pointer(&r);
}

/* answer */

static DhError code_of_status(int status)
{
	switch (status) {
	case 400:
		return DH_ERROR_INVALID;
	case 401:
		return DH_ERROR_UNAUTHORIZED;
	case 403:
		return DH_ERROR_FORBIDDEN;
	case 404:
		return DH_ERROR_NOT_FOUND;
	case 406:
		return DH_ERROR_NOT_ACCEPTABLE;
	case 409:
		return DH_ERROR_CONFLICT;
	case 413:
		return DH_ERROR_TOO_LARGE;
	case 501:
		return DH_ERROR_NOT_BUILT;
	case 503:
		return DH_ERROR_UNAVAILABLE;
	default:
		return DH_ERROR_SYSTEM;
	}
}

/* The "message" of an error body, or the body as it is; never NULL. */
static char *error_message(Response *r, const Request *req)
{
	g_autofree char *body = g_malloc(MAX_ERROR_BODY + 1);
	size_t n = 0;
	while (n < MAX_ERROR_BODY) {
		ssize_t got = response_read(r, body + n, MAX_ERROR_BODY - n, NULL);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	body[n] = '\0';
	g_autoptr(json_t) json = dh_json_loads(body, n, NULL);
	const char *message = json_string_value(json_object_get(json, "message"));
	/* it may quote a registry's own words */
	if (message && *message)
		return text_printable(message, "\n\t");
	g_strstrip(body);
	if (*body && g_utf8_validate(body, -1, NULL))
		return text_printable(body, "\n\t");
	return g_strdup_printf("the daemon answered %s %s with status %d and no message",
		req->method, req->path, response_status(r));
}

static gboolean ping_version(Cli *cli, GError **error)
{
	Request ping = {.method = "HEAD", .path = "/_ping"};
	g_autoptr(Response) r = send_request(cli, &ping, error);
	if (!r || !response_read_head(r, error))
		return FALSE;
	const char *theirs = response_header(r, "Api-Version");
	if (theirs)
		settle_version(theirs);
	version_settled = TRUE;
	return TRUE;
}

/* 1: an answer; 0: refused for its version, which is settled now: once more; -1 with error. */
static int read_answer(Response *r, const Request *req, GError **error)
{
	static const char too_new[] = "Maximum supported API version is ";

	if (!response_read_head(r, error))
		return -1;
	dh_trace("dhow: answer");
	if (response_status(r) < 400)
		return 1;
	g_autofree char *message = error_message(r, req);
	const char *max = strstr(message, too_new);
	/* settles at most once, so this ends */
	if (max && req->body_fd <= 0 && settle_version(max + strlen(too_new)))
		return 0;
	dh_error(error, code_of_status(response_status(r)), "Error response from daemon: %s",
		message);
	return -1;
}

Response *cli_request(Cli *cli, const Request *req, GError **error)
{
	cli_api_version();
	if (!req->body && req->body_fd > 0 && !version_settled && !ping_version(cli, error))
		return NULL;
	for (;;) {
		g_autoptr(Response) r = send_request(cli, req, error);
		int answered = r ? read_answer(r, req, error) : -1;
		if (answered < 0)
			return NULL;
		if (answered > 0)
			return g_steal_pointer(&r);
	}
}

Response *cli_request_begin(Cli *cli, const Request *req, GError **error)
{
	cli_api_version();
	return send_request(cli, req, error);
}

Response *cli_request_end(Cli *cli, Response *r, const Request *req, GError **error)
{
	int answered = read_answer(r, req, error);
	if (answered > 0)
		return r;
	response_free(r);
	return answered == 0 ? cli_request(cli, req, error) : NULL;
}

/* Its first byte. */
static gboolean await_answer(const Response *r, gint64 until)
{
	gint64 left = until - g_get_monotonic_time() / 1000;
	struct pollfd p = {.fd = response_fd(r), .events = POLLIN};
	return left > 0 && poll(&p, 1, (int)left) > 0;
}

/* What a daemon that ends leaves in its listening socket's queue is reset: then again. */
Response *cli_request_again(const Cli *cli, const Request *req, GError **error)
{
	gint64 now = g_get_monotonic_time() / 1000, until = now + CLI_DAEMON_BACK_MS;
	Cli waiting = *cli;
	waiting.host_is_default = FALSE;
	while (now < until && cli_await_daemon(&waiting, (int)(until - now))) {
		g_autoptr(GError) local = NULL;
		g_autoptr(Response) r = send_request(&waiting, req, NULL);
		int answered = r && await_answer(r, until) ? read_answer(r, req, &local) : -1;
		if (answered > 0)
			return g_steal_pointer(&r);
		if (local && !response_broken(r)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return NULL;
		}
		if (answered < 0)
			(void)poll(NULL, 0, LISTEN_RETRY_MS);
		now = g_get_monotonic_time() / 1000;
	}
	return NULL;
}

ssize_t response_more_text(Response *r, GString *text, GError **error)
{
	char buf[16384];
	ssize_t n = response_read(r, buf, sizeof buf, error);
	if (n > 0 && text->len + (size_t)n > MAX_JSON_BODY) {
		dh_error(error, DH_ERROR_TOO_LARGE, "the daemon's answer is too large");
		return -1;
	}
	if (n > 0)
		g_string_append_len(text, buf, n);
	return n;
}

GString *response_text(Response *r, GError **error)
{
	const char *length = response_header(r, "Content-Length");
	guint64 expected = length ? g_ascii_strtoull(length, NULL, 10) : 0;
	g_autoptr(GString) body = g_string_sized_new(MIN(expected, 1024 * 1024) + 1);
	ssize_t n;
	do
		n = response_more_text(r, body, error);
	while (n > 0);
	return n < 0 ? NULL : g_steal_pointer(&body);
}

json_t *response_json(Response *r, GError **error)
{
	g_autoptr(GString) body = response_text(r, error);
	if (!body)
		return NULL;
	if (!body->len)
		return json_null();
	json_t *json = dh_json_loads(body->str, body->len, error);
	if (!json)
		g_prefix_error(error, "the daemon's answer is not JSON: ");
	return json;
}

json_t *cli_call(Cli *cli, const char *method, const char *path, char *const *query, json_t *body,
	GError **error)
{
	Request req = {.method = method, .path = path, .query = query, .body = body};
	g_autoptr(Response) r = cli_request(cli, &req, error);
	return r ? response_json(r, error) : NULL;
}

/* ---- batches ---- */

enum { BATCH_AHEAD = 32 }; /* requests: less than a socket takes before the daemon reads */

struct Batch {
	Cli *cli;
	char *const *paths, *const *query;
	guint n, sent, answered;
	Response *r;  /* of this connection, or NULL */
	gboolean old; /* something was answered on it: the daemon may close it at any time */
};

Batch *cli_batch_new(Cli *cli, char *const *paths, char *const *query)
{
	Batch *b = g_new0(Batch, 1);
	b->cli = cli;
	b->paths = paths;
	b->query = query;
	b->n = g_strv_length((char **)paths);
	return b;
}

static void batch_hang_up(Batch *b)
{
	g_clear_pointer(&b->r, response_free);
	b->sent = b->answered;
	b->old = FALSE;
}

void cli_batch_free(Batch *b)
{
	if (!b)
		return;
	batch_hang_up(b);
	g_free(b);
}

static Request batch_request(const Batch *b, guint i)
{
	return (Request){.method = "GET", .path = b->paths[i], .query = b->query};
}

/* Connects if need be, and has some requests under way. */
static gboolean batch_send(Batch *b, GError **error)
{
	if (!b->r) {
		int fd = open_connection(b->cli, error);
		if (fd < 0)
			return FALSE;
		b->r = response_new(fd, FALSE);
	}
	if (b->sent - b->answered > BATCH_AHEAD / 2)
		return TRUE;
	g_autoptr(GString) heads = g_string_new(NULL);
	for (; b->sent < b->n && b->sent - b->answered < BATCH_AHEAD; b->sent++) {
		Request req = batch_request(b, b->sent);
		g_autoptr(GString) head = request_head(&req);
		g_string_append_printf(heads, "%s\r\n", head->str);
	}
	/* What a closed connection means is seen when the answer is read. */
	if (dh_write_all(response_fd(b->r), heads->str, heads->len) < 0 && errno != EPIPE &&
		errno != ECONNRESET)
		return dh_error_errno(error, errno, "send to the daemon");
	return TRUE;
}

json_t *cli_batch_next(Batch *b, GError **error)
{
	cli_api_version();
	for (;;) {
		g_autoptr(GError) why = NULL;
		Request req = batch_request(b, b->answered);
		int answered = batch_send(b, &why) ? read_answer(b->r, &req, &why) : -1;
		gboolean closed = answered < 0 && b->r && b->old && !response_status(b->r);
		if (answered == 0 || closed) {
			batch_hang_up(b);
			continue;
		}
		json_t *json = answered > 0 ? response_json(b->r, &why) : NULL;
		b->answered++;
		b->old = TRUE;
		if (!b->r || !response_again(b->r))
			batch_hang_up(b);
		if (why)
			g_propagate_error(error, g_steal_pointer(&why));
		return json;
	}
}

char **cli_query(const char *name, ...)
{
	GPtrArray *q = g_ptr_array_new();
	va_list ap;
	va_start(ap, name);
	for (const char *n = name; n; n = va_arg(ap, const char *)) {
		const char *value = va_arg(ap, const char *);
		if (!value)
			continue;
		g_ptr_array_add(q, g_strdup(n));
		g_ptr_array_add(q, g_strdup(value));
	}
	va_end(ap);
	g_ptr_array_add(q, NULL);
	return (char **)g_ptr_array_free(q, FALSE);
}

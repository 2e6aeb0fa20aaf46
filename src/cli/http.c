/* SPDX-License-Identifier: MIT */
#include "cli/http.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MAX_HEAD = 64 * 1024,
	MAX_HEADERS = 256,
	MAX_CHUNK_LINE = 1024,
	READ_SIZE = 64 * 1024,
};
#define MAX_JSON_VALUE ((size_t)64 * 1024 * 1024)

typedef enum { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_CLOSE } BodyKind;

struct Response {
	int fd;
	int status;
	gboolean head_only;
	GPtrArray *headers; /* name, value, name, value ... */
	GByteArray *buf;    /* read from the connection */
	size_t at;          /* of it consumed */
	BodyKind kind;
	guint64 left; /* LENGTH: of the body; CHUNKED: of the chunk */
	gboolean first_chunk, ended;
	gboolean broken; /* the connection ended before the answer did */
	GString *line;   /* of response_poll_json: decoded, not yet complete */
};

Response *response_new(int fd, gboolean head_only)
{
	Response *r = g_new0(Response, 1);
	r->fd = fd;
	r->head_only = head_only;
	r->headers = g_ptr_array_new_with_free_func(g_free);
	r->buf = g_byte_array_new();
	r->first_chunk = TRUE;
	return r;
}

void response_free(Response *r)
{
	if (!r)
		return;
	dh_close(&r->fd);
	g_ptr_array_unref(r->headers);
	g_byte_array_unref(r->buf);
	if (r->line)
		g_string_free(r->line, TRUE);
	g_free(r);
}

int response_status(const Response *r)
{
	return r->status;
}

int response_fd(const Response *r)
{
	return r->fd;
}

size_t response_buffered(const Response *r)
{
	return r->buf->len - r->at;
}

gboolean response_broken(const Response *r)
{
	return r->broken;
}

const char *response_header(const Response *r, const char *name)
{
	for (guint i = 0; i + 1 < r->headers->len; i += 2) {
		if (g_ascii_strcasecmp(r->headers->pdata[i], name) == 0)
			return r->headers->pdata[i + 1];
	}
	return NULL;
}

ssize_t response_fill(Response *r)
{
	if (r->at == r->buf->len) {
		g_byte_array_set_size(r->buf, 0);
		r->at = 0;
	}
	guint old = r->buf->len;
	g_byte_array_set_size(r->buf, old + READ_SIZE);
	ssize_t n;
	do
		n = read(r->fd, r->buf->data + old, READ_SIZE);
	while (n < 0 && errno == EINTR);
	int saved = errno;
	g_byte_array_set_size(r->buf, old + (guint)MAX(n, 0));
	errno = saved;
	return n;
}

gboolean response_refused(const Response *r)
{
	const char *p = (const char *)r->buf->data + r->at;
	return response_buffered(r) >= 10 && strncmp(p, "HTTP/1.", 7) == 0 &&
	       (p[9] == '4' || p[9] == '5');
}

static gboolean truncated(GError **error)
{
	return dh_error(error, DH_ERROR_SYSTEM, "the daemon closed the connection: unexpected EOF");
}

/* What response_fill answered when there had to be more: an error (with errno), or the end. */
static gboolean broken(Response *r, ssize_t filled, GError **error)
{
	r->broken = TRUE;
	return filled < 0 ? dh_error_errno(error, errno, "read from the daemon") : truncated(error);
}

/* The next line without its end, into the caller's string. */
static gboolean read_line(Response *r, size_t max, char **ret, GError **error)
{
	size_t seen = 0;
	for (;;) {
		const char *p = (const char *)r->buf->data + r->at;
		size_t have = response_buffered(r);
		const char *end = have > seen ? memchr(p + seen, '\n', have - seen) : NULL;
		if (end) {
			size_t n = (size_t)(end - p);
			r->at += n + 1;
			if (n && p[n - 1] == '\r')
				n--;
			if (memchr(p, '\0', n))
				return dh_error(
					error, DH_ERROR_SYSTEM, "the daemon's answer is malformed");
			*ret = g_strndup(p, n);
			return TRUE;
		}
		if (have > max)
			return dh_error(error, DH_ERROR_TOO_LARGE,
				"the head of the daemon's answer is too large");
		seen = have;
		ssize_t n = response_fill(r);
		if (n <= 0)
			return broken(r, n, error);
	}
}

static gboolean read_headers(Response *r, GError **error)
{
	size_t total = 0;
	g_ptr_array_set_size(r->headers, 0);
	for (;;) {
		g_autofree char *line = NULL;
		if (!read_line(r, MAX_HEAD, &line, error))
			return FALSE;
		if (!*line)
			return TRUE;
		total += strlen(line);
		if (total > MAX_HEAD || r->headers->len >= 2 * MAX_HEADERS)
			return dh_error(error, DH_ERROR_TOO_LARGE,
				"the head of the daemon's answer is too large");
		char *colon = strchr(line, ':');
		if (!colon)
			return dh_error(error, DH_ERROR_SYSTEM, "the daemon's answer is malformed");
		*colon = '\0';
		g_ptr_array_add(r->headers, g_strdup(line));
		g_ptr_array_add(r->headers, g_strstrip(g_strdup(colon + 1)));
	}
}

static gboolean choose_body(Response *r, GError **error)
{
	const char *length = response_header(r, "Content-Length");
	const char *coding = response_header(r, "Transfer-Encoding");
	if (r->head_only || r->status == 204 || r->status == 304) {
		r->kind = BODY_NONE;
	} else if (r->status == 101) {
		r->kind = BODY_CLOSE;
	} else if (coding && g_ascii_strcasecmp(coding, "identity") != 0) {
		if (g_ascii_strcasecmp(coding, "chunked") != 0)
			return dh_error(error, DH_ERROR_SYSTEM,
				"the daemon's answer has an unknown transfer encoding");
		r->kind = BODY_CHUNKED;
	} else if (length) {
		r->kind = BODY_LENGTH;
		if (!g_ascii_string_to_unsigned(length, 10, 0, G_MAXINT64, &r->left, NULL))
			return dh_error(error, DH_ERROR_SYSTEM, "the daemon's answer is malformed");
	} else {
		r->kind = BODY_CLOSE;
	}
	return TRUE;
}

gboolean response_read_head(Response *r, GError **error)
{
	enum { MAX_INTERIM = 16 };
	for (int i = 0; i < MAX_INTERIM; i++) {
		g_autofree char *line = NULL;
		int minor, end = 0;
		if (!read_line(r, MAX_HEAD, &line, error))
			return FALSE;
		if (sscanf(line, "HTTP/1.%1d %3d%n", &minor, &r->status, &end) != 2 || !end ||
			(line[end] && line[end] != ' ') || r->status < 100)
			return dh_error(
				error, DH_ERROR_SYSTEM, "the daemon's answer is not HTTP/1.1");
		if (!read_headers(r, error))
			return FALSE;
		if (r->status >= 200 || r->status == 101)
			return choose_body(r, error);
	}
	return dh_error(error, DH_ERROR_SYSTEM, "the daemon's answer is malformed");
}

/* Up to the data of the next chunk; sets ended at the last one. */
static gboolean next_chunk(Response *r, GError **error)
{
	g_autofree char *line = NULL;
	if (!r->first_chunk) {
		g_autofree char *blank = NULL;
		if (!read_line(r, MAX_CHUNK_LINE, &blank, error))
			return FALSE;
	}
	r->first_chunk = FALSE;
	if (!read_line(r, MAX_CHUNK_LINE, &line, error))
		return FALSE;
	line[strcspn(line, "; \t")] = '\0';
	if (!g_ascii_string_to_unsigned(line, 16, 0, G_MAXINT64, &r->left, NULL))
		return dh_error(error, DH_ERROR_SYSTEM, "the daemon's answer is malformed");
	if (r->left)
		return TRUE;
	r->ended = TRUE;
	for (int i = 0; i < MAX_HEADERS; i++) { /* trailers */
		g_autofree char *trailer = NULL;
		if (!read_line(r, MAX_HEAD, &trailer, error))
			return FALSE;
		if (!*trailer)
			return TRUE;
	}
	return dh_error(error, DH_ERROR_SYSTEM, "the daemon's answer is malformed");
}

ssize_t response_read(Response *r, void *buf, size_t n, GError **error)
{
	if (r->kind == BODY_NONE || (r->kind == BODY_LENGTH && !r->left))
		r->ended = TRUE;
	if (!r->ended && r->kind == BODY_CHUNKED && !r->left && !next_chunk(r, error))
		return -1;
	if (r->ended || !n)
		return 0;
	if (!response_buffered(r)) {
		ssize_t got = response_fill(r);
		if (got < 0 || (got == 0 && r->kind != BODY_CLOSE)) {
			broken(r, got, error);
			return -1;
		}
		if (got == 0) {
			r->ended = TRUE;
			return 0;
		}
	}
	n = MIN(n, response_buffered(r));
	if (r->kind != BODY_CLOSE) {
		n = (size_t)MIN((guint64)n, r->left);
		r->left -= n;
	}
	memcpy(buf, r->buf->data + r->at, n);
	r->at += n;
	return (ssize_t)n;
}

gboolean response_again(Response *r)
{
	const char *connection = response_header(r, "Connection");
	gboolean whole = r->ended || r->kind == BODY_NONE || (r->kind == BODY_LENGTH && !r->left);
	if (!whole || r->kind == BODY_CLOSE ||
		(connection && g_ascii_strcasecmp(connection, "close") == 0))
		return FALSE;
	r->status = 0;
	r->kind = BODY_NONE;
	r->first_chunk = TRUE;
	r->ended = FALSE;
	return TRUE;
}

typedef struct {
	Response *r;
	char first;
	gboolean has_first;
	size_t total;
	GError *error;
} JsonSource;

/* A byte at a time: what follows the value must stay in our buffer. */
static size_t json_byte(void *buf, size_t n, void *arg)
{
	JsonSource *s = arg;
	if (s->has_first) {
		s->has_first = FALSE;
		*(char *)buf = s->first;
		return 1;
	}
	if (++s->total > MAX_JSON_VALUE) {
		if (!s->error)
			dh_error(&s->error, DH_ERROR_TOO_LARGE, "the daemon's answer is too large");
		return (size_t)-1;
	}
	ssize_t got = response_read(s->r, buf, 1, s->error ? NULL : &s->error);
	return got < 0 ? (size_t)-1 : (size_t)got;
}

json_t *response_next_json(Response *r, GError **error)
{
	JsonSource s = {.r = r};
	json_error_t why;
	do {
		ssize_t n = response_read(r, &s.first, 1, error);
		if (n <= 0)
			return NULL;
	} while (g_ascii_isspace(s.first));
	s.has_first = TRUE;
	json_t *json = json_load_callback(
		json_byte, &s, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (json) {
		g_clear_error(&s.error);
		return json;
	}
	if (s.error)
		g_propagate_error(error, s.error);
	else if (r->ended)
		truncated(error);
	else
		dh_error(error, DH_ERROR_SYSTEM, "the daemon's answer is not JSON: %s", why.text);
	return NULL;
}

/* Is there a byte of the body, or its end, to be had without reading from the connection? */
static gboolean body_available(const Response *r)
{
	const char *p = (const char *)r->buf->data + r->at;
	size_t n = response_buffered(r);
	if (r->ended || r->kind == BODY_NONE || (r->kind == BODY_LENGTH && !r->left))
		return TRUE;
	if (r->kind != BODY_CHUNKED || r->left)
		return n > 0;
	/* the end of this chunk's line, the next one's head, and a byte of it or of the trailer */
	for (int lines = r->first_chunk ? 1 : 2; lines > 0; lines--) {
		const char *end = memchr(p, '\n', n);
		if (!end)
			return FALSE;
		n -= (size_t)(end + 1 - p);
		p = end + 1;
	}
	return n > 0;
}

json_t *response_poll_json(Response *r, gboolean readable, gboolean *ret_end)
{
	*ret_end = FALSE;
	if (!r->line)
		r->line = g_string_new(NULL);
	gboolean closed = readable && response_fill(r) <= 0;
	while (body_available(r)) {
		char c;
		ssize_t n = response_read(r, &c, 1, NULL);
		if (n <= 0 || r->line->len > MAX_JSON_VALUE) {
			closed = TRUE;
			break;
		}
		if (c != '\n') {
			g_string_append_c(r->line, c);
			continue;
		}
		json_t *json = dh_json_loads(r->line->str, r->line->len, NULL);
		gboolean blank = !*g_strstrip(r->line->str);
		g_string_truncate(r->line, 0);
		if (json)
			return json;
		if (!blank) {
			closed = TRUE;
			break;
		}
	}
	*ret_end = closed;
	return NULL;
}

int response_hijack(Response *r, GBytes **ret_early)
{
	if (ret_early)
		*ret_early = g_bytes_new(r->buf->data + r->at, response_buffered(r));
	r->at = r->buf->len;
	r->ended = TRUE;
	return dh_steal_fd(&r->fd);
}

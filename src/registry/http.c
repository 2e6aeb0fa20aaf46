/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A client is one easy handle in one multi handle. All waiting happens in step(): libcurl's own
 * descriptors together with those that cancel. Bytes of the body come through on_body, which keeps
 * up to BUFFER_MAX and then pauses the transfer until they have been read: a slow reader slows the
 * server down instead of filling memory.
 *
 * Times without a single byte are limited (IDLE_SECONDS), the whole of a request is not: a layer
 * may take hours.
 */
#include "registry/http.h"

#include "base/error.h"
#include "registry/curl.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_MAX (1024 * 1024)
#define RECEIVE_SIZE (128L * 1024)
#define HEADERS_MAX 256
#define HEADER_BYTES_MAX (128 * 1024)
#define CONNECT_SECONDS 30L
#define IDLE_SECONDS 60
#define REDIRECTS_MAX 10L
#define STEP_MS 1000

struct HttpClient {
	CURLM *multi;
	CURL *easy;
	HttpTls tls;
	HttpFault fault;
};

struct HttpReply {
	HttpClient *client;
	const HttpRequest *request; /* only during http_open */
	char *method, *url;
	HttpCancel cancel;
	struct curl_slist *headers_out;
	HttpSource source;
	void *source_arg;
	gboolean source_failed;

	GHashTable *headers;
	size_t header_bytes;
	GByteArray *body;
	size_t body_pos;
	gboolean paused, head_done, done, added;
	CURLcode result;
	long status;
	gint64 last_byte; /* monotonic, us */
	char *effective;
	char text[CURL_ERROR_SIZE];
};

void http_tls_clear(HttpTls *t)
{
	g_free(t->ca_pem);
	g_free(t->cert);
	g_free(t->key);
	*t = (HttpTls){0};
}

HttpClient *http_client_new(const HttpTls *tls)
{
	HttpClient *c = g_new0(HttpClient, 1);
	c->tls = (HttpTls){
		g_strdup(tls->ca_pem), g_strdup(tls->cert), g_strdup(tls->key), tls->insecure};
	return c;
}

void http_client_free(HttpClient *c)
{
	if (!c)
		return;
	if (c->multi) {
		curl_easy_cleanup(c->easy);
		curl_multi_cleanup(c->multi);
	}
	http_tls_clear(&c->tls);
	g_free(c);
}

static gboolean client_ready(HttpClient *c, GError **error)
{
	if (c->multi)
		return TRUE;
	if (!curl_load(error))
		return FALSE;
	c->multi = curl_multi_init();
	c->easy = curl_easy_init();
	if (!c->multi || !c->easy)
		g_error("libcurl cannot be set up"); /* only without memory */
	return TRUE;
}

HttpFault http_fault(const HttpClient *c)
{
	return c->fault;
}

/* ---- cancelling ---- */

static gboolean cancelled(GError **error)
{
	return dh_error(error, DH_ERROR_SYSTEM, HTTP_CANCELLED_TEXT);
}

gboolean http_pause(const HttpCancel *cancel, guint ms, GError **error)
{
	gint64 until = g_get_monotonic_time() + (gint64)ms * 1000;
	for (;;) {
		gint64 left = until - g_get_monotonic_time();
		struct pollfd f[2] = {
			{cancel->fds[0], POLLIN | POLLRDHUP, 0},
			{cancel->fds[1], POLLIN | POLLRDHUP, 0},
		};
		int n = poll(f, 2, left > 0 ? (int)((left + 999) / 1000) : 0);
		if (n > 0)
			return cancelled(error);
		if (left <= 0)
			return TRUE;
	}
}

gboolean http_cancelled(const HttpCancel *cancel)
{
	return !http_pause(cancel, 0, NULL);
}

/* ---- what libcurl calls ---- */

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	HttpReply *r = arg;
	n *= size;
	r->last_byte = g_get_monotonic_time();
	r->header_bytes += n;
	if (r->header_bytes > HEADER_BYTES_MAX)
		return 0;
	if (n > 5 && strncmp(line, "HTTP/", 5) == 0) {
		g_hash_table_remove_all(r->headers);
		r->head_done = FALSE;
		return n;
	}
	const char *colon = memchr(line, ':', n);
	if (!colon) {
		/* The empty line: of the last answer, unless libcurl goes on by itself. */
		long status = 0;
		curl_easy_getinfo(r->client->easy, CURLINFO_RESPONSE_CODE, &status);
		gboolean redirect = status >= 301 && status <= 308 && status != 304 &&
				    g_hash_table_contains(r->headers, "location") &&
				    !(r->request && r->request->no_redirect);
		r->status = status;
		r->head_done = status >= 200 && !redirect;
		return n;
	}
	if (g_hash_table_size(r->headers) >= HEADERS_MAX)
		return 0;
	char *name = g_ascii_strdown(line, (gssize)(colon - line));
	char *value = g_strstrip(g_strndup(colon + 1, n - (size_t)(colon + 1 - line)));
	const char *old = g_hash_table_lookup(r->headers, name);
	if (old) {
		char *both = g_strconcat(old, ", ", value, NULL);
		g_free(value);
		value = both;
	}
	g_hash_table_replace(r->headers, name, value);
	return n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	HttpReply *r = arg;
	n *= size;
	r->last_byte = g_get_monotonic_time();
	if (r->body->len - r->body_pos + n > BUFFER_MAX && r->body->len > r->body_pos) {
		r->paused = TRUE;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (r->body_pos > 0) {
		g_byte_array_remove_range(r->body, 0, (guint)r->body_pos);
		r->body_pos = 0;
	}
	g_byte_array_append(r->body, (const guint8 *)bytes, (guint)n);
	return n;
}

static size_t on_source(char *buf, size_t size, size_t n, void *arg)
{
	HttpReply *r = arg;
	ssize_t got = r->source(r->source_arg, buf, size * n);
	r->last_byte = g_get_monotonic_time();
	if (got < 0) {
		r->source_failed = TRUE;
		return CURL_READFUNC_ABORT;
	}
	return (size_t)got;
}

/* ---- errors ---- */

static const char *go_method(const char *method)
{
	static const char *const names[][2] = {{"GET", "Get"}, {"HEAD", "Head"}, {"POST", "Post"},
		{"PUT", "Put"}, {"PATCH", "Patch"}};
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (strcmp(names[i][0], method) == 0)
			return names[i][1];
	return method;
}

static char *host_of(const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL;
	if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
		curl_url_get(u, CURLUPART_HOST, &host, 0);
	char *out = g_strdup(host ? host : url);
	curl_free(host);
	curl_url_cleanup(u);
	return out;
}

/* libcurl keeps no address of a connection that was refused: it is the first of the name. */
static char *connect_text(const HttpReply *r)
{
	long os = 0;
	curl_easy_getinfo(r->client->easy, CURLINFO_OS_ERRNO, &os);
	g_autofree char *why = g_ascii_strdown(g_strerror(os ? (int)os : ECONNREFUSED), -1);
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	if (curl_url_set(u, CURLUPART_URL, r->url, 0) == CURLUE_OK) {
		curl_url_get(u, CURLUPART_HOST, &host, 0);
		curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	}
	char ip[64] = "";
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	if (host && *host != '[' && getaddrinfo(host, NULL, &hints, &list) == 0) {
		(void)getnameinfo(
			list->ai_addr, list->ai_addrlen, ip, sizeof ip, NULL, 0, NI_NUMERICHOST);
		freeaddrinfo(list);
	}
	gboolean v6 = strchr(ip, ':') != NULL;
	char *text = g_strdup_printf("dial tcp %s%s%s:%s: connect: %s", v6 ? "[" : "",
		*ip    ? ip
		: host ? host
		       : "",
		v6 ? "]" : "", port ? port : "", why);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return text;
}

static char *tls_text(const HttpReply *r)
{
	if (strstr(r->text, "subject name") || strstr(r->text, "does not match")) {
		g_autofree char *host = host_of(r->url);
		return g_strdup_printf("tls: failed to verify certificate: x509: certificate is "
				       "not valid for %s",
			host);
	}
	if (strstr(r->text, "expired"))
		return g_strdup("tls: failed to verify certificate: x509: certificate has expired "
				"or is not yet valid");
	return g_strdup("tls: failed to verify certificate: x509: certificate signed by unknown "
			"authority");
}

static HttpFault classify(const HttpReply *r, char **ret_text)
{
	const char *text = r->text[0] ? r->text : curl_easy_strerror(r->result);
	if (r->source_failed) {
		*ret_text = g_strdup("the body could not be read");
		return HTTP_FAULT_SOURCE;
	}
	/* libcurl's codes are an open set: what is not told apart here is OTHER. */
	int code = (int)r->result;
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY: {
		g_autofree char *host = host_of(r->url);
		*ret_text = g_strdup_printf("dial tcp: lookup %s: no such host", host);
		return HTTP_FAULT_CONNECT;
	}
	case CURLE_COULDNT_CONNECT:
		*ret_text = connect_text(r);
		return HTTP_FAULT_CONNECT;
	case CURLE_PEER_FAILED_VERIFICATION:
		*ret_text = tls_text(r);
		return HTTP_FAULT_TLS;
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		*ret_text = g_strdup(text);
		return HTTP_FAULT_TLS;
	case CURLE_SSL_CONNECT_ERROR:
		if (strstr(text, "wrong version number") ||
			strstr(text, "packet length too long")) {
			*ret_text = g_strdup("http: server gave HTTP response to HTTPS client");
			return HTTP_FAULT_NOT_TLS;
		}
		if (strstr(text, "alert")) {
			*ret_text = g_strdup_printf("remote error: tls: %s", text);
			return HTTP_FAULT_TLS;
		}
		*ret_text = g_strdup("EOF");
		return HTTP_FAULT_NOT_TLS;
	case CURLE_GOT_NOTHING:
		*ret_text = g_strdup("EOF");
		return HTTP_FAULT_BROKEN;
	case CURLE_PARTIAL_FILE:
		*ret_text = g_strdup("unexpected EOF");
		return HTTP_FAULT_BROKEN;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		*ret_text = g_strdup("read: connection reset by peer");
		return HTTP_FAULT_BROKEN;
	case CURLE_OPERATION_TIMEDOUT:
		*ret_text = g_strdup("i/o timeout");
		return r->head_done ? HTTP_FAULT_BROKEN : HTTP_FAULT_CONNECT;
	case CURLE_TOO_MANY_REDIRECTS:
		*ret_text = g_strdup("stopped after 10 redirects");
		return HTTP_FAULT_OTHER;
	case CURLE_UNSUPPORTED_PROTOCOL:
		*ret_text = g_strdup("unsupported protocol scheme");
		return HTTP_FAULT_OTHER;
	default:
		*ret_text = g_strdup(text);
		return HTTP_FAULT_OTHER;
	}
}

static gboolean fail(HttpReply *r, GError **error)
{
	g_autofree char *text = NULL;
	r->client->fault = classify(r, &text);
	return dh_error(
		error, DH_ERROR_SYSTEM, "%s \"%s\": %s", go_method(r->method), r->url, text);
}

/* ---- the transfer ---- */

/* Lets libcurl work, waiting at most once. FALSE with error when cancelled. */
static gboolean step(HttpReply *r, GError **error)
{
	HttpClient *c = r->client;
	int running = 0, left = 0;
	if (curl_multi_perform(c->multi, &running) != CURLM_OK) {
		c->fault = HTTP_FAULT_OTHER;
		return dh_error(error, DH_ERROR_SYSTEM, "%s \"%s\": transfer failed",
			go_method(r->method), r->url);
	}
	const CURLMsg *m;
	while ((m = curl_multi_info_read(c->multi, &left))) {
		if (m->msg == CURLMSG_DONE) {
			r->done = TRUE;
			r->result = m->data.result;
		}
	}
	if (r->done || r->paused || r->body->len > r->body_pos)
		return TRUE;
	if (g_get_monotonic_time() - r->last_byte > IDLE_SECONDS * G_USEC_PER_SEC) {
		r->done = TRUE;
		r->result = CURLE_OPERATION_TIMEDOUT;
		return TRUE;
	}
	struct curl_waitfd extra[2];
	unsigned n = 0;
	for (guint i = 0; i < 2; i++)
		if (r->cancel.fds[i] >= 0)
			extra[n++] = (struct curl_waitfd){r->cancel.fds[i], CURL_WAIT_POLLIN, 0};
	curl_multi_poll(c->multi, extra, n, STEP_MS, NULL);
	for (unsigned i = 0; i < n; i++) {
		if (extra[i].revents) {
			c->fault = HTTP_FAULT_CANCELLED;
			return cancelled(error);
		}
	}
	return TRUE;
}

static void set_tls(CURL *e, const HttpTls *t)
{
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, t->insecure ? 0L : 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, t->insecure ? 0L : 2L);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (t->ca_pem) {
		/* The blob replaces the system's bundle, but not its directory. */
		struct curl_blob blob = {t->ca_pem, strlen(t->ca_pem), CURL_BLOB_NOCOPY};
		curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &blob);
	}
	if (t->cert) {
		curl_easy_setopt(e, CURLOPT_SSLCERT, t->cert);
		curl_easy_setopt(e, CURLOPT_SSLKEY, t->key);
	}
}

/* Go takes HTTP_PROXY in capitals, too; libcurl does not, for the sake of CGI programs. */
static void set_proxy(CURL *e, const char *url)
{
	const char *proxy = g_getenv("HTTP_PROXY");
	if (proxy && !g_getenv("http_proxy") && g_str_has_prefix(url, "http://"))
		curl_easy_setopt(e, CURLOPT_PROXY, proxy);
}

static void set_request(HttpReply *r, const HttpRequest *q)
{
	CURL *e = r->client->easy;
	for (char *const *h = q->headers; h && *h; h++)
		r->headers_out = curl_slist_append(r->headers_out, *h);
	if (strcmp(q->method, "HEAD") == 0) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	} else if (q->source) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
		curl_easy_setopt(e, CURLOPT_READFUNCTION, on_source);
		curl_easy_setopt(e, CURLOPT_READDATA, r);
		curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, RECEIVE_SIZE);
		r->headers_out = curl_slist_append(r->headers_out, "Transfer-Encoding: chunked");
		r->headers_out = curl_slist_append(r->headers_out, "Expect:");
	} else if (strcmp(q->method, "GET") != 0) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, q->body ? q->body : "");
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
		r->headers_out = curl_slist_append(r->headers_out, "Expect:");
	}
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers_out);
	/* A body cannot be sent twice, and a method given by name would survive a 303. */
	gboolean follow = !q->no_redirect &&
			  (strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, follow ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
}

static void set_up(HttpReply *r, const HttpRequest *q)
{
	CURL *e = r->client->easy;
	curl_easy_reset(e);
	curl_easy_setopt(e, CURLOPT_URL, q->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_SIZE);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "dhow/" DHOW_VERSION);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->text);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	set_tls(e, &r->client->tls);
	set_proxy(e, q->url);
	set_request(r, q);
}

HttpReply *http_open(HttpClient *c, const HttpRequest *q, GError **error)
{
	c->fault = HTTP_FAULT_NONE;
	if (!client_ready(c, error))
		return NULL;
	g_autoptr(HttpReply) r = g_new0(HttpReply, 1);
	r->client = c;
	r->request = q;
	r->method = g_strdup(q->method);
	r->url = g_strdup(q->url);
	r->cancel = q->cancel;
	r->source = q->source;
	r->source_arg = q->source_arg;
	r->headers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	r->body = g_byte_array_new();
	r->last_byte = g_get_monotonic_time();
	set_up(r, q);
	curl_multi_add_handle(c->multi, c->easy);
	r->added = TRUE;
	while (!r->head_done && !r->done)
		if (!step(r, error))
			return NULL;
	/* An answer that comes while the body is still being sent is only final at the end. */
	while (q->source && !r->done) {
		if (!step(r, error))
			return NULL;
		if (r->paused || r->body->len > r->body_pos)
			break;
	}
	if (!r->head_done || (q->source && r->done && r->result != CURLE_OK)) {
		fail(r, error);
		return NULL;
	}
	const char *url = NULL;
	curl_easy_getinfo(c->easy, CURLINFO_EFFECTIVE_URL, &url);
	r->effective = g_strdup(url ? url : q->url);
	r->request = NULL;
	return g_steal_pointer(&r);
}

void http_close(HttpReply *r)
{
	if (!r)
		return;
	if (r->added)
		curl_multi_remove_handle(r->client->multi, r->client->easy);
	curl_easy_reset(r->client->easy);
	curl_slist_free_all(r->headers_out);
	g_hash_table_unref(r->headers);
	g_byte_array_unref(r->body);
	g_free(r->effective);
	g_free(r->method);
	g_free(r->url);
	g_free(r);
}

int http_status(const HttpReply *r)
{
	return (int)r->status;
}

const char *http_header(const HttpReply *r, const char *name)
{
	return g_hash_table_lookup(r->headers, name);
}

const char *http_url(const HttpReply *r)
{
	return r->effective;
}

int http_retry_after(const HttpReply *r)
{
	const char *v = http_header(r, "retry-after");
	if (!v || !g_ascii_isdigit(*v))
		return -1;
	return (int)MIN(g_ascii_strtoull(v, NULL, 10), 3600);
}

ssize_t http_read(HttpReply *r, void *buf, size_t n, GError **error)
{
	for (;;) {
		size_t have = r->body->len - r->body_pos;
		if (have > 0) {
			size_t take = MIN(have, n);
			memcpy(buf, r->body->data + r->body_pos, take);
			r->body_pos += take;
			return (ssize_t)take;
		}
		if (r->done) {
			if (r->result == CURLE_OK)
				return 0;
			fail(r, error);
			return -1;
		}
		if (r->paused) {
			r->paused = FALSE;
			r->last_byte = g_get_monotonic_time();
			curl_easy_pause(r->client->easy, CURLPAUSE_CONT);
			continue;
		}
		if (!step(r, error))
			return -1;
	}
}

char *http_read_all(HttpReply *r, size_t max, size_t *ret_len, GError **error)
{
	g_autoptr(GByteArray) all = g_byte_array_new();
	char buf[16384];
	for (;;) {
		ssize_t n = http_read(r, buf, sizeof buf, error);
		if (n < 0)
			return NULL;
		if (n == 0)
			break;
		if (all->len + (size_t)n > max) {
			r->client->fault = HTTP_FAULT_OTHER;
			dh_error(error, DH_ERROR_SYSTEM,
				"%s \"%s\": the answer is longer than %zu bytes",
				go_method(r->method), r->url, max);
			return NULL;
		}
		g_byte_array_append(all, (const guint8 *)buf, (guint)n);
	}
	if (ret_len)
		*ret_len = all->len;
	g_byte_array_append(all, (const guint8 *)"", 1);
	return (char *)g_byte_array_steal(all, NULL);
}

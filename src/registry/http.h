/* SPDX-License-Identifier: MIT */
/*
 * http.h - HTTP requests of one thread, on libcurl, that can be cancelled through descriptors.
 *
 * A client keeps its connections between requests and handles one request at a time. The answer is
 * read as a stream, at the reader's pace.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
	char *ca_pem;     /* CAs beside the system's, or NULL */
	char *cert, *key; /* files, or NULL */
	gboolean insecure;
} HttpTls;
void http_tls_clear(HttpTls *t);

/* Descriptors that, when readable, mean: give up. -1: none. */
typedef struct {
	int fds[2];
} HttpCancel;
/* Waits ms; FALSE with error when cancelled. */
gboolean http_pause(const HttpCancel *cancel, guint ms, GError **error);
gboolean http_cancelled(const HttpCancel *cancel);
#define HTTP_CANCELLED_TEXT "context canceled"

typedef struct HttpClient HttpClient;
typedef struct HttpReply HttpReply;

HttpClient *http_client_new(const HttpTls *tls);
void http_client_free(HttpClient *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpClient, http_client_free)

/* The body of a request: bytes given, 0 at the end, -1 to break off. */
typedef ssize_t (*HttpSource)(void *arg, void *buf, size_t n);

typedef struct {
	const char *method; /* GET HEAD POST PUT PATCH */
	const char *url;
	char *const *headers; /* "Name: value", may be NULL */
	const void *body;     /* with body_len; or source: sent in chunks */
	size_t body_len;
	HttpSource source;
	void *source_arg;
	HttpCancel cancel;
	gboolean no_redirect;
} HttpRequest;

/* What went wrong with the last request of a client. */
typedef enum {
	HTTP_FAULT_NONE,
	HTTP_FAULT_CONNECT,   /* nobody is there */
	HTTP_FAULT_NOT_TLS,   /* it does not speak TLS */
	HTTP_FAULT_TLS,       /* it does, but we do not trust it */
	HTTP_FAULT_BROKEN,    /* the connection broke: worth another try */
	HTTP_FAULT_SOURCE,    /* the request's body could not be had */
	HTTP_FAULT_CANCELLED, /* by the caller */
	HTTP_FAULT_OTHER,
} HttpFault;
HttpFault http_fault(const HttpClient *c);

/* Sends the request and waits for the head of the answer (of the last one, after redirects). NULL
 * with an error in the words of Docker's users: Get "http://...": dial tcp ...: connection refused.
 */
HttpReply *http_open(HttpClient *c, const HttpRequest *r, GError **error);
void http_close(HttpReply *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpReply, http_close)

int http_status(const HttpReply *r);
/* By lower-case name; several of one name are joined by ", ". NULL if absent. */
const char *http_header(const HttpReply *r, const char *name);
/* Where the answer came from in the end. */
const char *http_url(const HttpReply *r);
/* Seconds that Retry-After asks for, or -1. */
int http_retry_after(const HttpReply *r);

/* The next bytes of the body; 0 at its (complete) end, -1 with error. */
ssize_t http_read(HttpReply *r, void *buf, size_t n, GError **error);
/* All of it, NUL-terminated; more than max is an error. Caller frees. */
char *http_read_all(HttpReply *r, size_t max, size_t *ret_len, GError **error);

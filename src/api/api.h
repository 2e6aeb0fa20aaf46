/* SPDX-License-Identifier: MIT */
/*
 * api.h - what a handler sees of a request, and how it answers. One handler, one thread, one
 * connection.
 *
 * A handler either records an answer (api_reply_*) and returns TRUE, or returns FALSE with an error
 * that becomes {"message": ...}; or it begins a stream and writes to it; or it asks for the
 * connection itself (api_upgrade). A stream goes straight to the socket: each write is a chunk, on
 * the wire at once.
 */
#pragma once

#include "api/server.h"
#include "base/error.h"
#include "base/json.h"

/* Clients older than API_MIN_VERSION, the oldest announced, get the same answers: Debian's skopeo
 * asks with 1.22. */
#define API_MINOR_OLDEST 12
#define API_MINOR_MAX 51

#define API_JSON_MAX (4 * 1024 * 1024)
/* What a route without a body puts up with: clients that send "{}" or "null" anyway. */
#define API_IGNORED_BODY_MAX (64 * 1024)

typedef struct ApiRequest ApiRequest;
typedef gboolean (*ApiHandler)(ApiRequest *r, GError **error);

typedef enum {
	API_BODY_NONE,
	API_BODY_JSON,   /* may be absent: then api_body() is NULL */
	API_BODY_STREAM, /* read with api_body_read(); the handler has its own thread */
} ApiBody;

/* pattern: segments; "{}" is any one segment, "{*}" one or more (image names). */
typedef struct {
	const char *method, *pattern;
	int min_minor; /* 0: always there */
	ApiBody body;
	ApiHandler handler; /* NULL: known, but not built */
} ApiRoute;

extern const ApiRoute api_routes[];
extern const guint api_n_routes;

/* ---- asking ---- */

Engine *api_engine(const ApiRequest *r);
const ApiHooks *api_hooks(const ApiRequest *r); /* or NULL */
int api_minor(const ApiRequest *r);             /* API version of the request: 1.<this> */
const char *api_param(const ApiRequest *r, guint i);
const char *api_header(const ApiRequest *r, const char *name);

/* First value of a query parameter, NULL when absent. */
const char *api_query(const ApiRequest *r, const char *name);
/* All values; strv with borrowed strings, free with g_free. */
const char **api_query_all(const ApiRequest *r, const char *name);
/* As docker reads them: "", 0, no, false and none are false, everything else is true. */
gboolean api_query_bool(const ApiRequest *r, const char *name, gboolean fallback);
gboolean api_query_int(
	const ApiRequest *r, const char *name, int64_t fallback, int64_t *ret, GError **error);

/* The JSON body, or NULL when there was none. */
json_t *api_body(const ApiRequest *r);
/* Body bytes of a streaming route: > 0, 0 at the end, -1 with errno when the client is gone. A
 * StoreRead with the request as its argument. */
ssize_t api_body_read(void *request, void *buf, size_t n);

/* Readable when the client has gone away (or the server stops); the request's. -1 when there are no
 * descriptors left: it cannot be cancelled then. */
int api_cancel_fd(ApiRequest *r);

/* The same for a request that another daemon can go on with: readable also when it is to be handed
 * over. The handler then returns by api_hand_over, and is called again there, with the state that
 * it left, and with its stream begun if it had begun it. */
int api_resumable_fd(ApiRequest *r);
gboolean api_yields(const ApiRequest *r);             /* it is to be handed over */
gboolean api_hand_over(ApiRequest *r, json_t *state); /* takes state over; TRUE */
const json_t *api_resumed(const ApiRequest *r);       /* that state, or NULL */
/* The request, if it was handed over, has hold of all that it reads. */
void api_settled(void *request);

/* ---- answering ---- */

void api_reply_status(ApiRequest *r, int status);
void api_reply_json(ApiRequest *r, int status, json_t *body); /* takes body over */
void api_reply_text(ApiRequest *r, int status, const char *content_type, const char *text);
/* The same, and text is taken over. */
void api_reply_take(ApiRequest *r, int status, const char *content_type, char *text);
void api_reply_header(ApiRequest *r, const char *name, const char *value);

/* Sends the head now, if it was not sent yet. Whoever calls it with the first thing to stream lets
 * what fails before be an ordinary error. */
void api_stream_begin(ApiRequest *r, int status, const char *content_type);
gboolean api_stream_has_begun(const ApiRequest *r);
/* 0, or -1: the client is gone; or 1: taken, but the request is to be handed over and the client
 * takes no more at the moment. A LogsSink with the request as its argument. */
int api_stream_write(void *request, const void *buf, size_t n);
/* One value and a line end; takes value over. */
int api_stream_json(ApiRequest *r, json_t *value, const char *line_end);
/* A StoreWrite that streams an archive, with the request as its argument. */
int api_stream_tar(void *request, const void *buf, size_t n);
/* What the handler of a stream of JSON messages returns: an error after the head was sent is the
 * last message. */
gboolean api_stream_end(ApiRequest *r, gboolean ok, GError **error);
/* Ends it without the closing chunk, so that the client knows it is incomplete. */
void api_stream_abort(ApiRequest *r);

/* Gives the connection away after "101 UPGRADED" (or "200 OK" to a client that did not ask to
 * upgrade). fn gets the socket, blocking, and bytes that came behind the request; the socket is
 * closed after it, so fn duplicates what it keeps. free_fn (may be NULL) frees arg, whether or not
 * fn was called. */
typedef void (*ApiUpgraded)(void *arg, int fd, const char *head, const void *preface, size_t n);
void api_upgrade(
	ApiRequest *r, const char *content_type, ApiUpgraded fn, void *arg, GDestroyNotify free_fn);

/* What goes wrong after that can only be said in the stream: a line in a frame of stdout (1) or
 * stderr (2), or as it is (0). */
void api_upgraded_tell(int fd, int stream, const char *text);

#define API_RAW_STREAM "application/vnd.docker.raw-stream"
#define API_MULTIPLEXED_STREAM "application/vnd.docker.multiplexed-stream"
/* Ours: framed whatever the container, with its positions (container/logs.h). */
#define API_POSITIONED_STREAM "application/vnd.dhow.positioned-stream"
/* Which of the first two a container's output is. */
const char *api_stream_type(const ApiRequest *r, gboolean tty);

/* A body into a structure of a table; an absent body is an error with this text. */
void *api_body_parse(ApiRequest *r, const DhJsonTable *t, const char *empty_text, GError **error);
/* api_param(r, 0) as a container. */
Container *api_container(const ApiRequest *r, GError **error);

/* A JSON string of any bytes (what is not UTF-8 is replaced). */
json_t *api_string(const char *s);
json_t *api_strv(char *const *v); /* NULL: [] */
json_t *api_time(int64_t t);
/* Sets key unless value is NULL. */
void api_set(json_t *object, const char *key, json_t *value);

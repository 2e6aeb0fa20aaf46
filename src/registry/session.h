/* SPDX-License-Identifier: MIT */
/*
 * session.h - requests to one repository of one registry: authorised, repeated where that helps,
 * with the registry's own words in errors. Thread-safe; each request takes a client of its own.
 */
#pragma once

#include "registry/auth.h"
#include "registry/endpoint.h"
#include "registry/http.h"

typedef struct Session Session;

#define SESSION_BODY_MAX (4 * 1024 * 1024) /* manifests, configurations, lists */

/* path: "library/nginx", or NULL for requests that belong to no repository. actions: "pull" or
 * "pull,push". auth may be NULL. */
Session *session_new(const Endpoint *e, const char *path, const char *actions,
	const RegistryAuth *auth, guint max_attempts);
Session *session_ref(Session *s);
void session_unref(Session *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Session, session_unref)

const Endpoint *session_endpoint(const Session *s);
guint session_max_attempts(const Session *s);
/* Another repository's scope that requests need from now on (for a mount). */
void session_add_scope(Session *s, const char *path, const char *actions);

/* Where things went wrong, so that the caller can choose what to do next. */
typedef enum {
	SESSION_OK,
	SESSION_UNREACHABLE, /* not there, or another protocol: try the next address */
	SESSION_REFUSED,     /* the registry answered with an error */
	SESSION_BROKEN,      /* the connection broke, or the registry is overloaded: try again */
	SESSION_CANCELLED,
	SESSION_FAILED,
} SessionFault;

/* An error code of the protocol's ("MANIFEST_UNKNOWN", "" if it gave none) with the status. */
typedef struct {
	SessionFault fault;
	int status;
	int retry_after; /* seconds, -1 */
	char code[40];
} SessionError;

/* GET /v2/: learns how to authorise. */
gboolean session_ping(Session *s, const HttpCancel *cancel, SessionError *ret, GError **error);

/* What login does: GET /v2/ with the credentials. *ret_refresh: a token that a token server gave to
 * be kept in place of the password, or NULL. */
gboolean session_login(Session *s, const HttpCancel *cancel, char **ret_refresh, SessionError *ret,
	GError **error);

/* One request; url is a path below the endpoint ("/v2/...") or absolute. The answer, whatever its
 * status below 400 is; others are errors. give back with session_close. */
typedef struct {
	Session *session;
	HttpClient *client;
	HttpReply *http;
} SessionReply;
gboolean session_open(Session *s, const HttpRequest *q, SessionReply *ret, SessionError *ret_error,
	GError **error);
void session_close(SessionReply *r);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SessionReply, session_close)

/* A small answer, read whole; with back-off on what passes. ret_reply (may be NULL) keeps the
 * answer's head. */
char *session_get(Session *s, const HttpRequest *q, size_t max, size_t *ret_len,
	SessionReply *ret_reply, SessionError *ret_error, GError **error);

/* Back-off before attempt n (1: the first repetition), ms. */
guint session_backoff_ms(guint n, int retry_after);

/* The URL below the endpoint; caller frees. */
char *session_url(const Session *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

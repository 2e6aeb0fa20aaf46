/* SPDX-License-Identifier: MIT */
/* internal.h - the request as server.c, request.c, body.c, reply.c and upgrade.c share it. */
#pragma once

#include "api/api.h"

#include <microhttpd.h>

typedef enum {
	REPLY_NONE,
	REPLY_RECORDED,
	REPLY_STREAM,
	REPLY_UPGRADE,
	REPLY_HANDED_OVER
} ReplyKind;

/* Bytes on their way from the connection's thread to the handler's. */
typedef struct {
	GMutex lock;
	GCond changed;
	GByteArray *bytes; /* at most BODY_QUEUE_MAX */
	gboolean eof;      /* all of it has come */
	gboolean aborted;  /* the client is gone */
	gboolean done;     /* the handler has returned */
	GThread *thread;
} BodyQueue;

#define BODY_QUEUE_MAX (128 * 1024)
#define STREAM_REPLY_MAX (4 * 1024 * 1024)

struct ApiServer {
	Engine *engine;
	const ApiHooks *hooks;
	GArray *listeners;     /* int */
	GPtrArray *daemons;    /* struct MHD_Daemon */
	guint accepting;       /* so many of the listeners have one that accepts */
	GArray *lent;          /* int: duplicates of listeners, as long as daemons */
	int stop_fd, yield_fd; /* eventfds: readable when stopping, or yielding */
	GMutex lock;
	GCond changed; /* something below */
	/* below: under lock */
	GPtrArray *active;       /* ApiRequest that are being handled */
	guint fresh;             /* connections that have not had a request yet */
	gboolean draining;       /* who is accepted now is left for the next daemon */
	GArray *unread;          /* int: their connections */
	json_t *handed;          /* requests that go on elsewhere */
	guint settling;          /* requests that came from elsewhere and have yet to settle */
	gint stopping, yielding; /* atomic */
};

struct ApiRequest {
	ApiServer *server;
	struct MHD_Connection *connection;
	int fd;
	char *uri;
	gboolean begun, http10, active, cancellable, resumable;
	int cancel_fd;
	const ApiRoute *route;
	int minor;
	GPtrArray *params; /* char* */
	GPtrArray *query;  /* char*: name, value, name, value ... */

	GByteArray *in; /* body of a JSON route */
	size_t in_seen;
	json_t *body;
	BodyQueue *queue;

	ReplyKind reply;
	int status;
	const char *content_type;
	GByteArray *out;
	GPtrArray *headers;    /* char*: name, value ... */
	gboolean stream_begun; /* its head is on the wire */
	gboolean stream_gone, stream_aborted;
	GByteArray *unsent; /* of a stream that is being handed over */
	json_t *state;      /* to be handed over, or handed over to us */
	gboolean resumed, settling;

	ApiUpgraded upgraded;
	void *upgrade_arg;
	GDestroyNotify upgrade_free;
	int real_fd, dummy_fd; /* while upgrading */
};

/* request.c */
ApiRequest *request_new(ApiServer *s, const char *uri);
void request_free(ApiRequest *r);
/* Splits the URI, checks the version, finds the route. */
gboolean request_route(ApiRequest *r, const char *method, GError **error);

/* body.c */
/* FALSE with error: the request must be refused now. */
gboolean body_begin(ApiRequest *r, GError **error);
gboolean body_take(ApiRequest *r, const char *data, size_t n, GError **error);
gboolean body_end(ApiRequest *r, GError **error);
BodyQueue *body_queue_new(void);
void body_queue_free(BodyQueue *q);

/* reply.c */
void reply_error(ApiRequest *r, const GError *error);
/* Queues what was recorded; keeps the connection alive. */
enum MHD_Result reply_send(ApiRequest *r);
/* Writes what was recorded to the socket, by hand: also possible while the client still sends. Then
 * lets it notice. The connection must be closed after it. */
void reply_send_early(ApiRequest *r);
void reply_stream_end(ApiRequest *r);
/* Bytes of a stream as they are; answers as api_stream_write. */
int reply_stream_send(ApiRequest *r, const void *buf, size_t n);
/* All of it, waiting for room; -1: the peer is gone. */
int socket_write(int fd, const void *buf, size_t n);
/* The headers that every answer has. */
void reply_common_headers(GString *head);

/* upgrade.c */
enum MHD_Result upgrade_start(ApiRequest *r);
/* Puts another socket under fd's number, for whoever goes on using that; returns the real one, or
 * -1. The other's far end is the caller's, or closed when ret_other is NULL. */
int change_places(int fd, int *ret_other);

/* handover.c */
/* Keeps the request for the next daemon; its connection leaves libmicrohttpd. */
void handover_keep(ApiRequest *r);
/* A connection of which nothing has been read. */
void handover_keep_unread(ApiServer *s, int fd);

/* server.c */
/* On those of its listening sockets where nobody is accepted. */
gboolean server_accept(ApiServer *s, GError **error);
void server_take(ApiServer *s, int fd);    /* a connection that was accepted elsewhere */
void server_quiesce(ApiServer *s);         /* accepts no more */
void server_end_connections(ApiServer *s); /* all that are left */
void server_free(ApiServer *s);
void request_enter(ApiRequest *r);
void request_leave(ApiRequest *r);
void request_run(ApiRequest *r); /* the handler, its error recorded */

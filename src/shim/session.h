/* SPDX-License-Identifier: MIT */
/*
 * session.h - one process of the container (its main one or an exec) with its streams, the clients that
 * are attached to them, and, for the main one, the log.
 */
#pragma once

#include "shim/log_json.h"
#include "shim/loop.h"
#include "shim/protocol.h"

typedef struct Session Session;

/* Asked of whoever owns the sessions. */
typedef struct {
	void (*detached)(void *arg, Session *s); /* a client typed its detach keys */
	void (*clients_flushed)(void *arg, Session *s); /* ended, and no client is left */
	void *arg;
} SessionOwner;

struct Session {
	Loop *loop;
	SessionOwner owner;
	char *exec_id; /* NULL: the main process */
	gboolean tty, stdin_once;
	pid_t pid;
	int pidfd;
	gboolean ended;
	ShimExit exit;

	/* streams.c */
	int in;	    /* where its stdin is written; -1 */
	int out[2]; /* where its stdout and stderr are read (tty: the console, -1); -1 */
	Source *in_source, *out_source[2];
	GString *in_queue;
	gboolean in_closing; /* once the queue is written */
	gboolean held;	     /* output is not read, because a client is slow */
	LogJson *log;
	GPtrArray *clients; /* SessionClient */
};

/* The ends that the process gets, and those that stay here; for a process without terminal. stdio is
 * the caller's to close. Unwanted streams are /dev/null. */
gboolean session_pipes(Session *s, gboolean want_stdin, gboolean want_output, int stdio[3], GError **error);

Session *session_new(Loop *loop, const SessionOwner *owner, const char *exec_id);
/* The process runs; console as rt_launch returned it (taken over), or -1. */
void session_started(Session *s, const RtProcess *p);
/* Takes fd over. */
void session_attach(Session *s, const ShimClient *c, int fd);
/* Reads what is left in the streams, ends the log; clients keep their connection until
 * session_finish. */
void session_drain(Session *s);
/* Closes each client's connection as soon as it has got everything; owner.clients_flushed says when. */
void session_finish(Session *s);
/* Closes what has not been flushed by now. */
void session_abandon_clients(Session *s);
void session_close_stdin(Session *s);
gboolean session_resize(Session *s, int64_t height, int64_t width, GError **error);
void session_free(Session *s);

/* ---- clients.c, used by session.c ---- */

typedef struct {
	Session *session;
	int fd;
	Source *source;
	gboolean use_stdin, use[2], raw, finishing, input_ended;
	char *detach_keys;
	size_t detach_matched;
	GString *queue;
	size_t written; /* of the queue */
} SessionClient;

SessionClient *session_client_new(Session *s, const ShimClient *c, int fd);
void session_client_free(void *c);
/* Output for it, framed unless raw. May drop the client (see session_drop_client). */
void session_client_send(SessionClient *c, int stream, const char *data, size_t n);
gboolean session_client_is_slow(const SessionClient *c);
/* No more output will come: close when all is written. */
void session_client_finish(SessionClient *c);

/* Input from a client. */
void session_input(Session *s, const char *data, size_t n);
gboolean session_input_full(const Session *s);
/* A client has gone (or is to go); closes it. */
void session_drop_client(SessionClient *c);
/* A client's queue has become shorter. */
void session_update_flow(Session *s);

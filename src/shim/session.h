/* SPDX-License-Identifier: MIT */
/*
 * session.h - one process of the container (its main one or an exec) with its streams, the clients
 * that are attached to them, and, for the main one, the log.
 */
#pragma once

#include "shim/log.h"
#include "shim/loop.h"
#include "shim/protocol.h"
#include "shim/queue.h"

typedef struct Session Session;

/* Told to whoever owns the sessions. */
typedef struct {
	void (*detached)(void *arg, Session *s);        /* a client typed its detach keys */
	void (*clients_flushed)(void *arg, Session *s); /* finished, and no client is left */
	void *arg;
} SessionOwner;

struct Session {
	Loop *loop;
	SessionOwner owner;
	char *exec_id; /* NULL: the main process */
	gboolean tty, stdin_once;
	pid_t pid;
	int pidfd;
	gboolean ended;    /* the process */
	gboolean finished; /* and its output: clients are being closed */
	ShimExit exit;

	int in;     /* where its stdin is written; -1 */
	int out[2]; /* where its stdout and stderr are read (tty: the console, -1); -1 */
	Source *in_source, *out_source[2];
	Queue in_queue;
	gboolean in_closing; /* once the queue is written */
	gboolean held;       /* output is not read, because a client is slow */
	Log *log;
	GPtrArray *clients; /* SessionClient */
	Timer *lingering;
};

/* The ends that the process gets, and those that stay here; for a process without terminal. stdio
 * is the caller's to close. Unwanted streams are /dev/null. */
gboolean session_pipes(
	Session *s, gboolean want_stdin, gboolean want_output, int stdio[3], GError **error);

Session *session_new(Loop *loop, const SessionOwner *owner, const char *exec_id);
/* The process runs; console as rt_launch returned it (taken over), or -1. */
void session_started(Session *s, const RtProcess *p);
/* Takes fd over. */
void session_attach(Session *s, const ShimClient *c, int fd);
/* As session_attach, for a process that could not be started: the client reads why, as a line of
 * its output. */
void session_refuse(Session *s, const ShimClient *c, int fd, const char *text);
/* Reads what the streams held at the time of the call. */
void session_drain(Session *s);
/* The process has ended; what it left running in the background may hold its streams. Those are
 * read on: for LINGER_MSEC (as long as Docker does) the clients get it, then it is thrown away so
 * that nobody back there dies of a broken pipe. */
void session_linger(Session *s);
/* No more output: closes the log, and each client's connection as soon as it has got everything;
 * owner.clients_flushed says when there was one. */
void session_finish(Session *s);
/* Nothing is left to be read or written. */
gboolean session_is_over(const Session *s);
void session_close_stdin(Session *s);
gboolean session_resize(Session *s, int64_t height, int64_t width, GError **error);
void session_free(Session *s);

/* ---- clients.c, used by session.c ---- */

typedef struct {
	Session *session;
	int fd;
	Source *source; /* NULL: hung up, but what it sent is not read yet */
	gboolean use_stdin, use[2], raw, finishing, shut, input_ended;
	char *detach_keys;
	size_t detach_matched;
	Queue queue;
	Timer *stuck;
} SessionClient;

SessionClient *session_client_new(Session *s, const ShimClient *c, int fd);
void session_client_free(void *c);
/* Output for it, framed unless raw. May drop the client (see session_drop_client). */
void session_client_send(SessionClient *c, int stream, const char *data, size_t n);
/* The same whatever streams it asked for. */
void session_client_tell(SessionClient *c, int stream, const char *data, size_t n);
/* full: more than it may have waiting; else: more than it may still have when all goes on. */
gboolean session_client_is_slow(const SessionClient *c, gboolean full);
/* No more output will come: close when all is written. May drop it. */
void session_client_finish(SessionClient *c);
/* The process takes input again. May drop it. */
void session_client_resume_input(SessionClient *c);

/* Input from a client. */
void session_input(Session *s, const char *data, size_t n);
gboolean session_input_full(const Session *s);
/* A client has gone (or is to go); closes it. */
void session_drop_client(SessionClient *c);
/* A client's queue has become shorter. */
void session_update_flow(Session *s);

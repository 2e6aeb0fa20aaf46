/* SPDX-License-Identifier: MIT */
/*
 * server.h - HTTP over unix sockets (libmicrohttpd, a thread per connection), and the route table.
 */
#pragma once

#include "container/engine.h"

#define API_VERSION "1.51"
#define API_MIN_VERSION "1.24"

typedef struct ApiServer ApiServer;

/* What the composition root can do for a request: replace this daemon by another program. */
typedef struct {
	const char *binary; /* NULL: the program that this one was started from, as it is now */
	int64_t timeout;    /* seconds to wait for requests that cannot be handed over */
	gboolean force;     /* then break them off */
} ApiUpgrade;

typedef struct {
	/* Blocks until wake_fd is readable (TRUE: requests are to be handed over now, or nobody is
	 * there any more to hear of it) or the upgrade has come to nothing. */
	gboolean (*upgrade)(void *arg, const ApiUpgrade *u, int wake_fd, GError **error);
	/* Asked by whoever was handed over: the body of the answer, or why the old program is back.
	 */
	json_t *(*upgraded)(void *arg, GError **error);
	void *arg;
} ApiHooks;

/* Serves on these listening sockets (taken over). hooks may be NULL; else it stays the caller's. */
ApiServer *api_server_start(
	Engine *e, const int *listeners, guint n, const ApiHooks *hooks, GError **error);
/* Stops accepting, lets running requests end for at most timeout_ms, frees. */
void api_server_stop(ApiServer *s, guint timeout_ms);

/* ---- handing over to the daemon that comes (handover.c) ---- */

/* Stops accepting (who comes waits in the listening sockets' queues) and waits until all that is
 * being handled can be handed over. FALSE: something cannot, and *error says what; the server
 * accepts again. force: TRUE all the same. */
gboolean api_server_drain(ApiServer *s, guint timeout_ms, gboolean force, GError **error);
/* Whether it does accept: on some sockets it may have failed to. Then it tries again, so this is to
 * be asked now and then, by the thread that drains. */
gboolean api_server_accepts(ApiServer *s);
/* After draining: the requests that go on, as JSON with numbers of descriptors, which stay open, as
 * the listening sockets do. Frees the server; *ret_quiet FALSE: some thread of it did not end in
 * time, and may still use the engine. */
json_t *api_server_hand_over(ApiServer *s, gboolean *ret_quiet);
/* Takes up what another server has handed over. When it returns, whoever reads a log has it open.
 */
void api_server_resume(ApiServer *s, const json_t *state);

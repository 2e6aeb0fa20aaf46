/* SPDX-License-Identifier: MIT */
/*
 * client.h - the daemon's side of a shim.
 *
 * Blocking calls; each request opens its own control connection, so that a slow one holds nobody
 * up. A shim that does not answer within SHIM_TIMEOUT_MS is an error (DH_ERROR_UNAVAILABLE).
 */
#pragma once

#include "shim/protocol.h"

#define SHIM_TIMEOUT_MS 10000

/* Shims that wait for their container: loading the program and getting to know the machine is then
 * not a start's business. One that is taken is made up for in the background, after the start. With
 * `depth` 0, or when none is ready, a shim is started when it is needed. It is empty until
 * shim_pool_refill is called for the first time. */
typedef struct ShimPool ShimPool;
ShimPool *shim_pool_new(const char *shim_path, guint depth);
void shim_pool_refill(ShimPool *p);
void shim_pool_free(ShimPool *p); /* ends those that wait */

/* Has a shim run a container. config's *_fd members name `fds` by their place: SHIM_PLACE_FIRST is
 * the first of them. Waits for "started" or "failed". On success *ret_events is the subscribed
 * control connection and *ret_pid the container's PID 1; *ret_shim_pid is the shim (the daemon's
 * child: it reaps it through *ret_shim_pidfd). On failure the shim is gone and nothing is left. */
typedef struct {
	void (*fn)(void *arg); /* called while the shim works, or NULL */
	void *arg;
} ShimMeanwhile;
gboolean shim_start(ShimPool *pool, const ShimConfig *config, const int *fds, guint n_fds,
	const ShimMeanwhile *meanwhile, int *ret_events, int64_t *ret_pid, pid_t *ret_shim_pid,
	int *ret_shim_pidfd, GError **error);

/* What becomes of a subscription to a shim that runs already (after a daemon restart). */
typedef struct {
	const char *run_dir;
	int events;  /* the subscribed control connection, the caller's; or -1 */
	int64_t pid; /* the container's PID 1 */
	gboolean answered;
	GError *error;
} ShimSubscription;

/* Subscribes to any number of shims at once: asks all of them, then hears whoever answers first.
 * In: run_dir, the rest zeroed. One that has not answered in SHIM_TIMEOUT_MS, but is there, keeps
 * its connection (its answer, if it comes, is passed over as an event without a name). */
void shim_subscribe_all(ShimSubscription *subs, guint n);
/* The same for one; descriptor or -1. */
int shim_subscribe(const char *run_dir, int64_t *ret_pid, GError **error);

/* Reads the next event; blocking. NULL without error: the shim closed the connection. */
ShimEvent *shim_next_event(int events, GError **error);

/* One request; reply as the caller's (NULL on failure, the shim's errors become GErrors of the same
 * code). */
ShimReply *shim_request(
	const char *run_dir, const ShimRequest *req, const int *fds, guint n_fds, GError **error);

/* exit.json of a container directory: NULL without error when there is none. */
ShimExit *shim_read_exit(const char *dir, GError **error);
gboolean shim_forget_exit(const char *dir, GError **error);

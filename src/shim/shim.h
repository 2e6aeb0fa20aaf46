/* SPDX-License-Identifier: MIT */
/* shim.h - one container's supervisor: what its parts share. */
#pragma once

#include "shim/session.h"

typedef struct {
	ShimConfig *config;
	Loop *loop;
	int signal_fd, listen_fd;
	int spare_fd; /* given up for a moment when there are no descriptors left */
	Source *signals, *listener;
	int seccomp_fd;
	int exit_fd;  /* the exit record to be */
	int root_fd;  /* keeps the root file system mounted until the end has been told */
	GArray *held; /* int: netns and port reservations, given back at the end */
	Session *main;
	GHashTable *execs;   /* exec id -> Session */
	GQueue *exec_order;  /* Session: oldest first */
	GPtrArray *controls; /* Control */
	gboolean ended;
	char *foreign_root; /* foreign.c: where the root is mounted for another runtime */
	int oom_fd;         /* oom.c */
	Source *oom_source;
	int64_t oom_kills;
	gboolean oom_told;
} Shim;

/* ---- control.c ---- */

/* Serves a control connection (taken over). */
void control_add(Shim *sh, int fd, gboolean subscribed);
gboolean control_listen(Shim *sh, GError **error);
/* To everybody who subscribed. */
void control_event(Shim *sh, const ShimEvent *ev);
void control_free(void *control);
/* Closes all connections and accepts no more. */
void control_end(Shim *sh);

/* ---- exec.c ---- */

gboolean exec_run(Shim *sh, const ShimRequest *req, int client_fd, int seccomp_fd, int64_t *ret_pid,
	GError **error);
Session *exec_lookup(Shim *sh, const char *id, GError **error);
/* A child of this pid has ended, if it is an exec's. */
void exec_reaped(Shim *sh, pid_t pid, int status);
/* With the container: their output ends here. */
void exec_end_all(Shim *sh);
/* No client waits for the rest of its output. */
gboolean exec_all_flushed(Shim *sh);

/* ---- oom.c ---- */

/* The container has these limits now. */
void oom_watch(Shim *sh, const OciResources *r);
/* Its group is about to go. */
void oom_end(Shim *sh);

/* ---- main.c ---- */

SessionOwner shim_session_owner(Shim *sh);

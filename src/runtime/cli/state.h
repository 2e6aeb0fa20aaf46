/* SPDX-License-Identifier: MIT */
/*
 * state.h - what is known of a container between two invocations: <root>/<id>/state.json, and the
 * two FIFOs of its gate as long as it has not been started.
 */
#pragma once

#include "runtime/cli/command.h"
#include "runtime/runtime.h"

#define STATE_ROOT "/run/dhow-runtime"

typedef enum { CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_PAUSED, CONTAINER_STOPPED } Status;
const char *status_name(Status s);

typedef struct {
	char *id;
	char *bundle;  /* absolute */
	char *created; /* RFC 3339 */
	int64_t pid;
	int64_t start_time; /* of that process, in ticks since boot: tells it from a later one */
	int64_t owner;      /* uid of who created it */
	OciSpec *spec;      /* as it was when it was created, paths absolute */
	/* not in the file */
	int dir; /* <root>/<id> */
} Container;
extern const DhJsonTable container_table;

/* $XDG_RUNTIME_DIR's for ordinary users. Caller frees. */
char *state_default_root(void);

/* A new directory; a name that is taken is DH_ERROR_CONFLICT. The container is locked until it is
 * freed. */
Container *container_new(const Rt *rt, const char *id, GError **error);
/* Reads it; DH_ERROR_NOT_FOUND: "container does not exist". Who is going to change something takes
 * the lock; who only looks does not wait for anybody. */
Container *container_load(const Rt *rt, const char *id, gboolean locked, GError **error);
void container_free(Container *c);

/* For the time in which others may do what they like with it; FALSE when it is gone afterwards. */
void container_unlock(Container *c);
gboolean container_relock(const Rt *rt, Container *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Container, container_free)

gboolean container_save(Container *c, GError **error);
/* Removes the directory. */
gboolean container_forget(const Rt *rt, Container *c, GError **error);

/* What a create that was killed half-way has left: a directory without a state. */
void state_sweep(const Rt *rt, const char *id);

/* Names of all of them, sorted; strv. */
char **container_names(const Rt *rt);

/* A pidfd of its first process, or -1: it has ended (a zombie has). */
int container_pidfd(const Container *c);
Status container_status(const Container *c);
/* Remembers pid as its first process. */
void container_set_process(Container *c, pid_t pid);

/* For hooks and for `state`; borrows. */
OciState container_state(const Container *c);
/* NULL: it has none of its own (rootless.c). */
const char *container_cgroup(const Container *c);

/* The gate: made and opened by create, opened by start, which takes it away again. */
gboolean gate_make(const Container *c, RtGate *ret, GError **error);
gboolean gate_pass(const Container *c, GError **error);

/* filter.c: the compiled filter, from what earlier invocations have kept or anew; NULL. */
GBytes *filter_compiled(const Rt *rt, const OciSeccomp *profile, GError **error);

/* Compiled filter of the container, for all of its processes; -1: none. */
gboolean filter_save(const Container *c, GBytes *code, GError **error);
int filter_open(const Container *c);

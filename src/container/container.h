/* SPDX-License-Identifier: MIT */
/*
 * container.h - containers: what can be asked of them and done to them.
 *
 * A Container is reference-counted. Its `op` lock serialises start, stop, rm and the like and may
 * be held for seconds; its `state_lock` guards the members marked (s) and is held for moments only.
 * Readers take only the latter, mostly through container_snapshot().
 */
#pragma once

#include "container/engine.h"
#include "container/state.h"
#include "model/config.h"
#include "runtime/cgroup.h"
#include "shim/protocol.h"

typedef struct {
	ContainerStatus status;
	gboolean passing; /* paused by us for a moment: its row goes on saying "running" */
	gboolean running, paused, restarting, removing, dead, oom_killed;
	int64_t pid;
	int64_t exit_code;
	char *error;
	int64_t started_at, finished_at; /* DH_TIME_ZERO: never */
	int64_t restart_count;
	int64_t restart_delay; /* ms, of the last restart; 0: none since the last start by hand */
	int64_t restart_at;    /* ns since 1970: when that delay is over */
	gboolean manually_stopped;
	int64_t log_dropped; /* beside what SHIM_DROPPED_NAME says */
	const char *health;  /* "starting", "healthy", "unhealthy"; NULL: no check. Static. */
} ContainerState;

struct Container {
	gint refs;
	Engine *engine;
	char *id;
	int64_t created;

	GMutex op; /* one operation at a time */
	GMutex state_lock;
	GPtrArray *waiters;    /* (s) ContainerWait: told of every change (wait.c) */
	char *name;            /* (s) without slash */
	ContainerState state;  /* (s) */
	NetEndpoint *endpoint; /* (s) on the default bridge, while it runs; never changed */
	char *endpoint_id, *sandbox_id; /* (s) */
	GPtrArray *exec_ids;            /* (s) char* */
	guint exits;                    /* (s) how often it has ended: waiters compare */
	guint launching;                /* (s) execs on their way into the cgroup (lifecycle.c) */
	gboolean pausing;               /* (s) no more of those */
	gboolean removed;               /* (s) */
	GPtrArray *pending;             /* (s) clients attached before the start (attach.c) */
	gboolean ending;                /* (s) it has ended, and its end is being recorded */
	gboolean unmounting; /* (s) its shim, which has told the end, still has its root mounted */
	gboolean restart_cancelled; /* (s) stopped by somebody: the policy is silent */
	gint64 restart_due;         /* (s) monotonic, us */
	gboolean starting;          /* (s) by its policy, which cannot be taken back any more */
	struct Health *health;      /* (s) of this run or the last one (health.c) */
	gint64 probe_due;           /* (s) monotonic, us */
	Identity *identity;         /* (s) NULL: the host's; replaced at a start (start.c) */
	GPtrArray *links;           /* (s) ContainerLink; never changed, only replaced (links.c) */

	/* immutable after creation */
	ContainerConfig *config;
	HostConfig *host_config; /* but its limits and restart policy: (s), update.c */
	NetworkingConfig *networking;
	char *image_id; /* "sha256:..." */
	char *dir, *run_dir, *log_path;
	char *cgroup;      /* path below the hierarchies' roots */
	char **lower;      /* overlay directories, topmost first */
	GPtrArray *mounts; /* MountPoint (mounts.h) */
};

/* Of its user namespace, or NULL; a reference. */
Identity *container_identity(Container *c);

typedef struct {
	char *target_id;
	char *alias;
} ContainerLink;

Container *container_ref(Container *c);
void container_unref(Container *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Container, container_unref)

/* By full ID, name (with or without "/"), unambiguous ID prefix, or as another container's link
 * ("/agent/insideweb"). "No such container: x". */
Container *container_find(Engine *e, const char *name, GError **error);

/* All of them, newest first; GPtrArray of Container references (with free function). */
GPtrArray *container_all(Engine *e);
/* Whether there is one of this full ID. */
gboolean container_is_known(Engine *e, const char *id);

/* Copies of the members marked (s), taken in one go; free with container_snapshot_free. */
typedef struct {
	char *name;
	ContainerState state;
	NetEndpoint *endpoint;
	char *endpoint_id, *sandbox_id;
	char **exec_ids;
} ContainerSnapshot;
ContainerSnapshot *container_snapshot(Container *c);
void container_snapshot_free(ContainerSnapshot *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ContainerSnapshot, container_snapshot_free)

/* name NULL or "": a generated one. *ret_warnings: strv. Takes nothing over. */
Container *container_create(Engine *e, const char *name, const CreateRequest *req,
	char ***ret_warnings, GError **error);

gboolean container_start(Container *c, GError **error);
/* timeout in seconds; -1: forever; INT64_MIN: the container's own (10). signal NULL: its own. */
gboolean container_stop(Container *c, const char *signal, int64_t timeout, GError **error);
gboolean container_restart(Container *c, const char *signal, int64_t timeout, GError **error);
gboolean container_kill(Container *c, const char *signal, GError **error);
gboolean container_pause(Container *c, GError **error);
/* For a moment and by ourselves: the next daemon, should this one die meanwhile, unpauses it. */
gboolean container_pause_briefly(Container *c, GError **error);
gboolean container_unpause(Container *c, GError **error);
/* The limits and the restart policy of asked, which is changed. *ret_warnings: strv. */
gboolean container_update(Container *c, HostConfig *asked, char ***ret_warnings, GError **error);
gboolean container_rename(Container *c, const char *new_name, GError **error);
gboolean container_resize(Container *c, int64_t height, int64_t width, GError **error);
gboolean container_remove(Container *c, gboolean force, gboolean volumes, GError **error);

typedef enum {
	WAIT_NOT_RUNNING,
	WAIT_NEXT_EXIT,
	WAIT_REMOVED,
	WAIT_UNMOUNTED,
	WAIT_NO_LAUNCH,
	WAIT_STARTED
} WaitCondition;
typedef struct ContainerWait ContainerWait;
/* The condition is remembered at the call, so that a caller may answer its client before it blocks.
 */
ContainerWait *container_wait_begin(Container *c, WaitCondition condition);
/* When the container had last ended at the call; another daemon that goes on with the wait begins
 * it anew and says that time, so that an end in between counts. */
int64_t container_wait_since(const ContainerWait *w);
void container_wait_resume(ContainerWait *w, int64_t finished_at);
/* Blocks until it holds or cancel_fd (-1: none) becomes readable (FALSE without error). */
gboolean container_wait_end(ContainerWait *w, int cancel_fd, int64_t *ret_status, char **ret_error);

/* How a --rm container ended that has been removed since: a client whose daemon died under its wait
 * comes back and asks. FALSE: not known (any more). */
gboolean container_departed(Engine *e, const char *id, int64_t *ret_status);

/* Hands the client connection fd (duplicated) to the container's streams; before the start it is
 * kept for it. logs: what the log holds is written to it first. */
typedef struct {
	gboolean use_stdin, use_stdout, use_stderr, stream, logs;
	const char *detach_keys; /* docker's spelling "ctrl-p,ctrl-q", NULL or "": default */
	const char *head;        /* written to the client first, or NULL */
	const void *preface;     /* stdin bytes that came with the request */
	size_t preface_len;
} AttachRequest;
/* Everything that can be refused is refused here, before the client is told to switch protocols. */
gboolean container_attach_check(Container *c, const AttachRequest *a, GError **error);
gboolean container_attach(Container *c, const AttachRequest *a, int fd, GError **error);

/* ---- exec (exec.c) ---- */

typedef struct {
	gboolean attach_stdin, attach_stdout, attach_stderr, tty, privileged;
	char *detach_keys, *user, *working_dir;
	char **env, **cmd;
	json_t *console_size;
} ExecConfig;
extern const DhJsonTable exec_config_table;

typedef struct Exec Exec;
Exec *exec_ref(Exec *x);
void exec_unref(Exec *x);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Exec, exec_unref)
/* New exec ID (caller frees), or NULL. */
char *exec_create(Container *c, const ExecConfig *config, GError **error);
Exec *exec_find(Engine *e, const char *id, GError **error);
gboolean exec_is_tty(const Exec *x);
gboolean exec_check_start(Exec *x, GError **error);
/* fd: the client's connection (duplicated), or -1 when detached. On FALSE nothing was written to
 * it, and the exec has ended with 126 or 127. */
gboolean exec_start(Exec *x, int fd, int64_t height, int64_t width, const void *preface,
	size_t preface_len, GError **error);
/* The shim has told how it ended. */
void exec_note_end(Engine *e, const char *id, int64_t code);
/* The container has ended: so has everything in it. */
void exec_note_all_ended(Container *c);
/* Created or running. */
gboolean exec_unfinished(Engine *e, const char *id);
/* Until it has ended or monotonic time (us) `until`; FALSE: it goes on. */
gboolean exec_wait(Exec *x, gint64 until, int64_t *ret_code);
void exec_kill(Exec *x);
/* Out of the tables, for one that no client knows of. */
void exec_forget(Exec *x);
gboolean exec_resize(Exec *x, int64_t height, int64_t width, GError **error);
/* The body of GET /exec/{id}/json; asks the shim for the truth. New reference. */
json_t *exec_inspect(Exec *x, GError **error);

/* ---- images from containers (commit.c) ---- */

typedef struct {
	const char *repo, *tag, *author, *comment; /* may be NULL */
	gboolean pause;                            /* freeze it meanwhile */
	char *const *changes;                      /* Dockerfile lines, may be NULL */
	const ContainerConfig *config;             /* what replaces the container's own, or NULL */
} CommitRequest;
/* New image ID (caller frees). */
char *container_commit(Container *c, const CommitRequest *r, GError **error);

/* The whole root as tar, without volumes. write: 0 or -1 with errno. */
gboolean container_export(Container *c, StoreWrite write, void *arg, GError **error);

/* ---- views ---- */

/* Body of GET /containers/{id}/json. size: also SizeRw, SizeRootFs. */
json_t *container_inspect(Container *c, gboolean size);
/* Bytes of its own layer, and with those of the image. Walks through the layer. */
void container_sizes(Container *c, int64_t *ret_rw, int64_t *ret_root_fs);
/* "Up 3 minutes (Paused)", "Exited (0) 2 seconds ago", "Created" ... Caller frees. */
char *container_status_text(const ContainerState *s);
/* docker rm --link: name is "/agent/insideweb"; the link goes, both containers stay. */
gboolean container_unlink(Engine *e, const char *name, GError **error);

/* By target's ID, the names that links of these containers give it ("/agent/insideweb"): GPtrArray
 * of strings. */
GHashTable *container_link_names(const GPtrArray *all);
/* What the client asked of the container's one network; NULL: nothing. The container's. */
const EndpointSettings *container_endpoint_settings(const Container *c);
/* "bridge", "host", "none": those that are always there. */
gboolean container_network_built_in(const char *name);
/* ID of a built-in network ("bridge", "host", "none"). Caller frees. */
char *container_network_id(Engine *e, const char *mode);

/* StoreInUse: a container that has the image, a running one if there is any. */
gboolean container_uses_image(
	void *engine, const char *image_id, char **ret_container, gboolean *ret_running);

/* SPDX-License-Identifier: MIT */
/* internal.h - what the files of this room share and nobody else needs. */
#pragma once

#include "container/container.h"
#include "container/observe.h"

/* ---- table.c: the engine's table of containers, and their rows ---- */

/* A new, unregistered container of this ID (taken over) with its paths filled in. */
Container *container_new(Engine *e, char *id);

/* Reserves c->name, writes its row and makes it visible; conflict has docker's text. */
gboolean container_register(Container *c, GError **error);

/* Out of the tables and the database. */
gboolean container_unregister(Container *c, GError **error);

/* Writes the configuration, which only rm --link and update change; with host (or NULL) in place of
 * c->host_config. With c->op held. */
gboolean container_save_config(Container *c, const HostConfig *host, GError **error);
/* Writes the mutable part of the row (name, state, endpoint); on a full disk, too: what runs can be
 * stopped, and what has ended has. */
gboolean container_save(Container *c, GError **error);
/* The members of a container that runs; error is forgotten, not freed. */
void container_state_run(ContainerState *s, int64_t pid, int64_t started_at);
/* The same as if it ran already, since started_at: what a daemon that dies during the start leaves
 * behind is found running, or is ended as lost. */
gboolean container_save_starting(Container *c, int64_t started_at, GError **error);

/* Makes Containers of all rows. */
gboolean container_load_all(Engine *e, GError **error);

extern const char container_schema[];
extern const DhJsonTable container_link_table;

/* ---- create.c ---- */

/* What the image says where c says nothing. */
void container_merge_config(ContainerConfig *c, const ContainerConfig *image);

/* ---- wait.c ---- */

/* With state_lock held: tells everybody who waits that something changed. */
void container_changed(Container *c);
/* Waits at most timeout_ms (-1: forever) for the container to stop running; TRUE if it has. */
gboolean container_wait_launched(Container *c, int64_t timeout_ms);
/* Around the launch of an exec: refused while the container is or gets paused. Who is frozen on its
 * way in would keep the shim, which waits for it, from everything else. */
gboolean container_launch_begin(Container *c, GError **error);
void container_launch_end(Container *c);
gboolean container_wait_stopped(Container *c, int64_t timeout_ms);
/* Until a start by its policy that is under way has come to its end. */
gboolean container_wait_started(Container *c, int64_t timeout_ms);
/* Until what its last run mounted is unmounted: it can be started again. */
gboolean container_wait_unmounted(Container *c, int64_t timeout_ms);

/* Remembers how a --rm container ended, for container_departed. */
void container_note_departed(Container *c);
void departed_free(void *departed);
void departed_export(Engine *e, json_t *list);
void departed_import(Engine *e, const json_t *item);

/* ---- exec.c ---- */
json_t *exec_export(Engine *e);
void exec_import(Engine *e, const json_t *item);

/* ---- spec.c ---- */

typedef struct {
	OciSpec *oci;
	int seccomp_fd; /* memfd, or -1 */
	int netns_fd;   /* namespace to join, or -1 */
	int userns_fd;  /* likewise */
} ContainerSpec;

/* The OCI configuration and what belongs to it; env: more variables (links). netns_fd and
 * userns_fd are the caller's and only recorded. Release with container_spec_clear. */
gboolean container_spec(Container *c, char *const *env, ContainerSpec *ret, GError **error);
void container_spec_clear(ContainerSpec *s);
/* The process part for an exec. */
OciProcess *container_exec_process(Container *c, const ExecConfig *x, GError **error);
/* Compiled filter for that process, or -1 (unconfined; with *error: a failure). */
int container_seccomp_fd(Container *c, const OciProcess *p, gboolean privileged, GError **error);
OciResources *container_resources(Container *c, GError **error);

/* ---- userns.c ---- */

/* The user namespace for a start, and the network namespace that must belong to it; -1: none, the
 * host's or another container's. */
gboolean container_user_namespace(Container *c, int *ret_userns, int *ret_netns, GError **error);

/* ---- links.c ---- */

/* ContainerLink; a reference to the list as it is now, never NULL. */
GPtrArray *container_links(Container *c);
/* Parses and resolves host_config->links into c->links. */
gboolean container_resolve_links(Container *c, GError **error);
/* Environment and hosts entries of running link targets; a target that does not run is an error if
 * need_running, else left out. */
gboolean container_link_data(Container *c, gboolean need_running, char ***ret_env,
	GPtrArray **ret_hosts, GError **error);
/* Rewrites the hosts files of the running containers that have links to c (its address is new). */
void container_refresh_linkers(Container *c);
/* Paths of the containers' groups below the engine's whose container is not there. Strings. */
GPtrArray *container_stray_cgroups(Engine *e);
/* c->cgroup, by host_config.cgroup_parent. */
void container_set_cgroup(Container *c);
/* Puts what stands between the image and the container (init_layer.c) on top of c->lower. */
gboolean container_init_layer(Container *c, GError **error);
/* Whether they can be written: what the user gave for them is in order. */
gboolean container_check_files(Container *c, GError **error);
/* Writes hosts (and, with all, hostname and resolv.conf) into the container's directory. */
gboolean container_write_files(Container *c, GPtrArray *link_hosts, gboolean all, GError **error);

/* ---- ports.c ---- */

/* What to publish: host_config's bindings, -P, as NetPort list. */
GPtrArray *container_ports(Container *c, GError **error);
/* NetworkSettings.Ports of inspect. */
json_t *container_ports_json(Container *c, const NetEndpoint *e, gboolean running);

/* ---- inspect.c ---- */

/* Its endpoint as it is now; of borrowed parts, but for the network's ID, which is returned for the
 * caller to free (NULL: none). */
char *container_endpoint_now(Container *c, const ContainerSnapshot *s, EndpointSettings *ret);

/* ---- summary.c ---- */

/* Writes elements of GET /containers/json: what is the same for all of them is found out once. */
typedef struct SummaryWriter SummaryWriter;
/* all: every container; it is to live as long as the writer. */
SummaryWriter *summary_writer_new(Engine *e, const ListRequest *r, const GPtrArray *all);
void summary_writer_free(SummaryWriter *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SummaryWriter, summary_writer_free)
void summary_append(SummaryWriter *w, Container *c, const ContainerSnapshot *s, GString *out);

/* ---- supervisor.c ---- */

typedef struct Supervisor Supervisor;
Supervisor *supervisor_new(GError **error);
void supervisor_stop(Supervisor *s); /* hears nothing any more */
void supervisor_free(Supervisor *s);
/* Hears the events of a container's shim from now on; takes the descriptors over (shim_pidfd -1:
 * not our child), also when it fails. */
gboolean supervisor_add(Supervisor *s, Container *c, int events, int shim_pidfd, GError **error);
/* Ends a container whose shim nobody listens to, without a word to anybody. */
void container_end_unheard(Container *c);

/* The shims that are our children: numbers of their pidfds, which are given away. */
json_t *supervisor_export(Supervisor *s);
/* Takes one over, to reap it. */
void supervisor_add_child(Supervisor *s, int pidfd);

/* Runs fn(c) in the background after ms (> 0); forgotten when the daemon ends. */
void supervisor_after(Supervisor *s, Container *c, int64_t ms, void (*fn)(Container *c));

/* ---- signals.c ---- */

/* It runs, and its PID 1 would not notice the signal. */
gboolean container_ignores_signal(Container *c, int number);
/* What "stop" sends; <= 0: not a signal. */
int container_stop_signal(const Container *c);

/* ---- lifecycle.c ---- */

/* SIGKILL by the engine itself: the restart policy applies, unlike after container_kill. */
gboolean container_kill_hard(Container *c, GError **error);

/* ---- exit.c ---- */

/* The container has ended; also called for one that is found ended at start. */
void container_exited(Container *c, const ShimExit *x);
/* The shim is gone without a word: kills what is left and counts it as ended by SIGKILL. */
void container_lost(Container *c);
/* The shim is gone that had told the end: what it may not have come to, being killed. */
void container_shim_gone(Container *c);
/* Of --rm, and ended: now, or when that may be (engine_hold_removals). */
void container_remove_automatically(Container *c);
/* Releases network and run directory of a container that does not run (any more). */
void container_release(Container *c, NetEndpoint *endpoint);

/* ---- attach.c ---- */

typedef struct {
	int fd;
	ShimClient *client;
} PendingClient;
void pending_client_free(void *p);
/* "ctrl-p,ctrl-q" -> raw bytes; NULL and an error for a bad one. NULL or "": "\x10\x11". */
char *detach_keys_parse(const char *keys, GError **error);

/* ---- reconcile.c ---- */
gboolean engine_reconcile(Engine *e, GError **error);

/* ---- events of containers (container.c) ---- */
/* Emits with image, name and labels as attributes, then more name, value pairs. */
void container_event(Container *c, const char *action, ...) G_GNUC_NULL_TERMINATED;

/* Runs fn(c) with a reference in the background. */
/* The function of the background pool. */
void engine_run_job(void *data, void *user_data);

/* Dropped when the engine is ending: it must be something that the next one does, too. */
void container_background(Container *c, void (*fn)(Container *c));
/* For one of the engine's two pools. FALSE: it is ending, and work is the caller's again. */
gboolean engine_push(Engine *e, GThreadPool *const *pool, void *work);

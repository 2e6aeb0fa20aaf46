/* SPDX-License-Identifier: MIT */
/* priv.h - what the files of the runtime share about starting a process. */
#pragma once

#include "runtime/cgroup_priv.h"
#include "runtime/runtime.h"

#include <sys/types.h>

/* ---- channel.c: from the half-built container to its parent ---- */

/* One SOCK_SEQPACKET message. End of file after READY means that the program was executed. */
typedef enum {
	RT_MSG_ERROR = 1,
	RT_MSG_CONSOLE,
	RT_MSG_ROOT,
	RT_MSG_PID,      /* of the child's child, which is ours: its pidfd */
	RT_MSG_LISTENER, /* a filter's, to be handed on */
	RT_MSG_HOOKS,    /* a question: the child waits for the answer */
	RT_MSG_READY
} RtMsgKind;

void rt_channel_send_error(int sock, const GError *e);
gboolean rt_channel_send(int sock, RtMsgKind kind, int fd, GError **error);

/* The same, and waits for the parent's word to go on. */
gboolean rt_channel_ask(int sock, RtMsgKind kind, GError **error);

typedef struct {
	int console, root; /* what was sent, or -1 */
	/* RT_MSG_HOOKS; FALSE ends the waiting and fails it. */
	gboolean (*hooks)(void *arg, GError **error);
	/* RT_MSG_LISTENER, likewise. */
	gboolean (*listener)(void *arg, int fd, GError **error);
	void *arg;
} RtAnswers;

/* The first message, when it is to be RT_MSG_PID. */
gboolean rt_channel_send_pid(int sock, pid_t pid, int pidfd, GError **error);
gboolean rt_channel_wait_pid(int sock, pid_t *ret_pid, int *ret_pidfd, GError **error);

/* The parent's word that the child may go on. */
gboolean rt_channel_give_word(int sock, GError **error);
gboolean rt_channel_await_word(int sock, GError **error);

/* Reads until the end. TRUE: executed (or waiting at its gate). */
gboolean rt_channel_wait(int sock, RtAnswers *a, GError **error);

/* To the process that opened the gate. */
void rt_gate_report(int report, const GError *e);

/* What rt_launch and rt_exec clone with. */
typedef struct {
	guint64 flags;  /* CLONE_NEW*, CLONE_PARENT; CLONE_PIDFD is added */
	int pidns_fd;   /* a pid namespace or a pidfd of a member: the child is born in it; or -1 */
	int cgroup_fd;  /* v2 group to be born into, or -1 */
	gboolean apart; /* out: it was not; the child has to join it */
} RtClone;

/* clone3(2), or clone(2) where that is missing; 0 in the child. -1 with errno; *ret_where says what
 * failed. */
pid_t rt_clone(RtClone *c, int *ret_pidfd, const char **ret_where);

/* SIGKILL and reap a child of ours. */
void rt_abandon(int pidfd);

/* First things in a child: unreadable to others (else later), unharmed by our signal handlers. */
void rt_child_begin(gboolean readable);

/* ---- mount.c: one mount at a time, descriptors only ---- */

typedef struct {
	guint64 set, clear;         /* MOUNT_ATTR_* */
	guint64 rec_set, rec_clear; /* the same, recursively */
	guint64 propagation;        /* MS_PRIVATE ... or 0 */
	gboolean propagation_rec, bind, recursive;
	gboolean idmap, idmap_rec, copy_up;
	GPtrArray *data; /* char*: "key=value" or "flag", for the file system */
} RtMountOptions;
void rt_mount_options_parse(char *const *options, RtMountOptions *ret);
void rt_mount_options_clear(RtMountOptions *o);
/* Of all that mean something here; strv. */
char **rt_mount_option_names(void);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RtMountOptions, rt_mount_options_clear)

gboolean rt_mount_is_bind(const OciMount *m, const RtMountOptions *o);

/* A detached mount: of a new file system, or a copy of an existing tree. -1 with error. */
int rt_mount_new(const char *type, const char *source, const RtMountOptions *o, GError **error);
int rt_mount_clone(int dirfd, const char *path, const RtMountOptions *o, GError **error);
gboolean rt_mount_attach(int mount, int target, GError **error);
/* A detached mount's IDs become those of a user namespace. 0, or -1 with errno. */
int rt_mount_idmap(int mount, int userns, gboolean recursive);

/* Attributes and propagation of an attached or detached mount. */
gboolean rt_mount_set(int mount, const RtMountOptions *o, GError **error);

/* The text the kernel keeps for a failed file system context, added to the error. */
gboolean rt_fs_error(GError **error, int fs, int errnum, const char *what);

/* ---- rootfs.c, mounts.c, devices.c ---- */

typedef struct {
	const OciSpec *spec;
	const RtRootfs *layers;
	const CgGroup *cgroup; /* NULL: none */
	int root;              /* the new root, pinned */
	int proc;              /* the host's procfs, pinned */
	int mounted;           /* the layers, mounted by the stage and still detached, or -1 */
	gboolean user_ns, cgroup_ns;
	gboolean no_pivot;
	const GArray *prepared; /* see rt_mounts_prepare; NULL: none */
	gboolean dev_bound;     /* /dev is somebody else's: nothing is made in it */
} RtRoot;

gboolean rt_root_mount(RtRoot *r, GError **error);              /* sets root */
gboolean rt_root_mounts(RtRoot *r, GError **error);             /* spec->mounts */
gboolean rt_root_devices(RtRoot *r, GError **error);            /* nodes and links below /dev */
gboolean rt_root_console(RtRoot *r, int slave, GError **error); /* /dev/console */
gboolean rt_root_protect(RtRoot *r, GError **error); /* masked, read-only paths, read-only root */
gboolean rt_root_enter(RtRoot *r, GError **error);   /* pivot_root */
gboolean rt_mount_cgroup(RtRoot *r, int target, const RtMountOptions *o, GError **error);

/* The mount that holds path leaves its peer group, so that nothing attached there is seen by the
 * host. */
void rt_unshare_parent(const char *path);
/* Takes mount over when it fails; mount -1 is passed on. */
int rt_attach_at(int mount, const char *path, GError **error);

/* ---- layers.c ---- */

/* The layers with their IDs mapped by userns (-1: as they are), as a detached mount of the host's;
 * in a private mount namespace. Descriptor or -1. */
int rt_layers_mount_mapped(const RtRootfs *l, int userns, GError **error);

/* Opens path in the container, making it first: a directory, or an empty file. -1 with errno. */
int rt_root_ensure(int root, const char *path, gboolean directory, gboolean *ret_existed);

/* Reads or writes through the pinned procfs: openat(proc, "self/fd/N") with other flags. */
int rt_reopen(int proc, int fd, int flags);
int rt_open_proc(GError **error);

/* ---- console.c ---- */

/* A pty of the devpts instance at <root>/dev/pts. */
gboolean rt_console_open(
	int root, int proc, const OciBox *size, int *ret_master, int *ret_slave, GError **error);

/* ---- user.c ---- */

typedef struct {
	uid_t uid;
	gid_t gid;
	GArray *groups; /* gid_t */
	char *home;     /* NULL: no passwd entry */
} RtIds;
gboolean rt_user_resolve(int root, const OciUser *user, RtIds *ret, GError **error);
void rt_ids_clear(RtIds *ids);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RtIds, rt_ids_clear)

/* ---- caps.c ---- */

int rt_cap_parse(const char *name); /* "CAP_CHOWN" -> 0; -1 unknown */
const char *rt_cap_name(int cap);   /* "CHOWN"; NULL beyond the last */
guint64 rt_caps_mask(char *const *names);
/* Bounding set, then ids, then the other sets. */
gboolean rt_caps_and_ids(
	const OciCapabilities *caps, const RtIds *ids, gboolean user_ns, GError **error);

/* ---- copyup.c ---- */

gboolean rt_copy_up(int proc, int directory, int mount, GError **error);

/* ---- idmap.c: what only the parent can prepare ---- */

/* Every ID is mapped to itself. */
gboolean rt_maps_identity(const GPtrArray *maps);
/* What id is on the host, or -1. */
gint64 rt_map_up(const GPtrArray *maps, gint64 id);
/* Writes the mappings of a process in a new user namespace. */
gboolean rt_write_mappings(pid_t pid, const GPtrArray *uids, const GPtrArray *gids, GError **error);
/* We are in a user namespace of somebody's, where much is refused even to root. */
gboolean rt_in_user_ns(void);
/* The mounts that a container in a user namespace may not make itself, and the idmapped ones: a
 * detached mount for each of spec->mounts, or -1. userns: the container's, when it joins one.
 * NULL with *error unset: there are none. */
GArray *rt_mounts_prepare(const OciSpec *spec, gboolean user_ns, int userns, GError **error);

/* ---- mount_foreign.c ---- */

/* A detached copy of the directory path in another mount namespace (/proc/PID/ns/mnt). -1 with
 * error. */
int rt_mount_foreign(const char *ns, const char *path, GError **error);

/* ---- sched.c ---- */

gboolean rt_set_scheduling(const OciProcess *p, GError **error);
gboolean rt_set_personality(const OciPersonality *p, GError **error); /* NULL: as it is */
gboolean rt_set_affinity(const char *list, GError **error);

/* ---- seccomp_notify.c ---- */

gboolean rt_seccomp_notify(const OciSeccomp *profile, const OciState *state, const char *status,
	pid_t pid, pid_t init, int fd, GError **error);

/* ---- process.c: the same for the first process and for every exec ---- */

typedef struct {
	const OciProcess *process;
	int root, proc, sock;
	int seccomp_fd;
	int slave; /* terminal, or -1 */
	const int *stdio;
	gboolean make_cwd, user_ns;
	const RtGate *gate;           /* or NULL */
	const GPtrArray *start_hooks; /* run when the gate is passed, with state; or NULL */
	const OciState *state;
	guint preserve_fds;
	gboolean keep_keyring;
	const OciSeccomp *profile; /* flags and listener of the filter, or NULL */
	const OciPersonality *personality;
	const OciCpuAffinity *affinity;
} RtSetup;

/* Returns only on failure. */
void rt_process_run(const RtSetup *s, GError **error);

gboolean rt_is_null(int fd); /* the null device */
gboolean rt_set_oom_score(int proc, int64_t value, GError **error);

/* Before a user namespace is entered, where it takes the host's rights: hard limits that are to
 * rise; and the pipes for the standard streams, which its root can hand on to its users then. */
void rt_prepare_for_userns(const OciProcess *p, const OciLinux *mappings, const int stdio[3]);

/* Finds the program as the process will: its PATH, its rights, its directory. Caller frees. */
char *rt_program_find(const char *name, char *const *env, GError **error);

/* SPDX-License-Identifier: MIT */
/*
 * runtime.h - from an OCI configuration to a running process, and into a running container.
 *
 * The library may only be called from a single-threaded process (the shim, dhow-runtime): the child
 * of clone3 goes on running C code. It does not log; failures inside the half-built container come
 * back as ordinary errors, with DH_ERROR_EXEC_NOT_FOUND and DH_ERROR_EXEC_NOT_RUNNABLE for the
 * program itself.
 */
#pragma once

#include "runtime/oci.h"

#include <sys/types.h>

/* The root file system as layers. All mounts are made in the container's mount namespace. */
typedef struct {
	char **lower; /* unpacked directories, topmost first */
	char *upper;  /* NULL: read-only, lower only */
	char *work;
	char *mountpoint; /* an empty directory of the host, used inside the new namespace only */
	char *mount_options; /* more overlay options ("volatile"), or NULL */
} RtRootfs;
extern const DhJsonTable rt_rootfs_table;

/* Mounts the layers at their mountpoint in the caller's mount namespace, which must be private; any
 * thread may call this one. Descriptor of the root, or -1. */
int rt_layers_mount(const RtRootfs *l, GError **error);

/* A user namespace with these mappings (OciIdMap), and with ret_netns a network namespace that
 * belongs to it. Any thread may call this one, too. */
gboolean rt_userns_new(const GPtrArray *uids, const GPtrArray *gids, int *ret_userns,
	int *ret_netns, GError **error);

/* A network namespace that belongs to a user namespace. Likewise. */
gboolean rt_netns_new(int userns, int *ret_netns, GError **error);

/* Lets a process wait, complete but for its program, until rt_gate_open. Two FIFOs, each opened for
 * reading and writing: it waits for a byte from `wait`, writes what fails from then on to `report`,
 * and execve closes both. */
typedef struct {
	int wait, report;
} RtGate;

/* From any process: lets it go. FALSE with its error when the program could not be executed. `wait`
 * is opened for writing, `report` for reading. */
gboolean rt_gate_open(int wait, int report, GError **error);

typedef struct {
	const OciSpec *spec;
	const RtRootfs *rootfs; /* NULL: spec->root->path is a directory to bind */
	int netns_fd;           /* joined when >= 0, whatever spec says about the network */
	int userns_fd;      /* joined when >= 0 where spec asks for one; its mappings are spec's */
	int seccomp_fd;     /* compiled filter (see seccomp.h), or -1: none */
	gboolean keep_root; /* ret's root is wanted */
	int stdio[3];       /* given to the process when it has no terminal; stay the caller's */
	const RtGate *gate; /* NULL: the program is executed at once */
	const OciState *state;   /* for spec->hooks; NULL: they are not run */
	guint preserve_fds;      /* descriptors 3.. that the program gets as well */
	gboolean no_pivot;       /* chroot instead of pivot_root: the root is an initramfs */
	gboolean no_new_keyring; /* keep the caller's session keyring */
} RtLaunch;

typedef struct {
	pid_t pid;
	int pidfd;
	int console; /* master side of the terminal, or -1 */
	/* With keep_root the mount of the root file system, else -1. Its unmounting, which writes
	 * out the file system that holds the upper layer, then comes when this is closed, and not
	 * in the end of PID 1, which nobody would hear of until then. */
	int root;
} RtProcess;

/* Creates the cgroups, namespaces and mounts and starts the process: on TRUE the program has been
 * executed. On FALSE nothing is left (no cgroup, no process, no mount). The caller owns ret's
 * descriptors and reaps the process (it is our child). */
gboolean rt_launch(const RtLaunch *l, RtProcess *ret, GError **error);

typedef struct {
	const OciSpec *spec; /* the container's (cgroup path, namespaces) */
	int init_pidfd;      /* its PID 1 */
	pid_t init_pid;
	const OciProcess *process;
	int seccomp_fd;
	int stdio[3];
	guint preserve_fds;
	const OciState *state;  /* for a seccomp listener */
	const char *sub_cgroup; /* below the container's own, or NULL */
} RtExec;

/* Starts another process inside; the same contract as rt_launch. */
gboolean rt_exec(const RtExec *x, RtProcess *ret, GError **error);

/* Runs them one after the other with the state on their standard input, in the caller's namespaces.
 * The first that fails is the error, with what it wrote. */
gboolean rt_hooks_run(const GPtrArray *hooks, const OciState *state, const char *status, pid_t pid,
	GError **error);

/* Takes what goes beyond the specification out of p, looked up below root: users by name, HOME. */
gboolean rt_process_plain(int root, OciProcess *p, GError **error);

/* pidfd_send_signal(2). */
gboolean rt_kill(int pidfd, int signal, GError **error);

/* "KILL", "SIGKILL", "9", "RTMIN+3" -> number; -1 when unknown. And back ("SIGKILL", NULL). */
int rt_signal_parse(const char *name);
const char *rt_signal_name(int signal);

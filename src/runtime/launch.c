/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: one clone3 makes the process in all its new namespaces (and, on v2, in its
 * cgroup). The child does the rest itself - join the v1 groups, mount, pivot, become the user -
 * and talks to us through one socket only: a failure comes as a message, success as the end of file
 * that close-on-exec makes of execve. We wait for nothing else, so a launch is one round trip, and
 * whatever goes wrong there is one thing to undo here: kill that process, remove the group. Its
 * mounts and namespaces go with it.
 *
 * One clone3 does not do where the new namespaces must belong to a user namespace that is joined,
 * or where namespaces of the host are joined by a process that has a user namespace of its own, or
 * where the clocks of a new time namespace are set, which must happen before anybody is in it. Then
 * there is a stage between: a child that joins and sets, and makes the container's process as its
 * brother (CLONE_PARENT), so that it is our child all the same. It also mounts the layers of a
 * container in a user namespace (layers.c), which takes the host's rights.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/fsuser.h"
#include "base/spawn.h"
#include "base/trace.h"
#include "runtime/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	const RtLaunch *l;
	RtNamespaces ns;
	gboolean staged;
	GArray *mounts;    /* see rt_mounts_prepare */
	gboolean ordinary; /* we are not root */
	gboolean user_ns;  /* the container's, or one that we are in */
	gboolean apart;    /* in the child: not born in its v2 group */
	const char *group; /* relative cgroup path or NULL */
	CgGroup cgroup;
	int root; /* the stage's: the layers, or -1 */
	int sock; /* the child's end */
} Plan;

static void plan_clear(Plan *p)
{
	rt_ns_clear(&p->ns);
	g_clear_pointer(&p->mounts, g_array_unref);
	cg_group_close(&p->cgroup);
	dh_close(&p->sock);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plan, plan_clear)

static gboolean in_user_ns(const Plan *p)
{
	return ((p->ns.fresh | p->ns.joined) & CLONE_NEWUSER) != 0;
}

static gboolean make_plan(Plan *p, GError **error)
{
	const OciSpec *spec = p->l->spec;
	if (!spec->linux_ || !spec->process)
		return dh_error(error, DH_ERROR_INVALID, "incomplete container configuration");
	if (!rt_ns_plan(&p->ns, spec, p->l->netns_fd, p->l->userns_fd, error))
		return FALSE;
	/* The layers are mapped before there is a process that could have the namespace. */
	if (p->l->rootfs && !rt_ns_make_user(&p->ns, spec->linux_, error))
		return FALSE;
	p->staged = rt_ns_needs_stage(&p->ns);
	p->ordinary = geteuid() != 0;
	p->user_ns = in_user_ns(p) || rt_in_user_ns();
	const char *path = spec->linux_->cgroups_path;
	if (path && *path) {
		p->group = cg_relative(path, error);
		if (!p->group)
			return FALSE;
	}
	return TRUE;
}

/* ---- the child ---- */

static gboolean set_names(const Plan *p, GError **error)
{
	const OciSpec *spec = p->l->spec;
	if (!(p->ns.fresh & CLONE_NEWUTS))
		return TRUE;
	if (spec->hostname && *spec->hostname &&
		sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return rt_error_errno(error, errno, "sethostname \"%s\"", spec->hostname);
	if (spec->domainname && *spec->domainname &&
		setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return rt_error_errno(error, errno, "setdomainname \"%s\"", spec->domainname);
	return TRUE;
}

static gboolean raise_loopback(GError **error)
{
	struct ifreq req = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	dh_autofd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return (fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &req) == 0) ||
	       rt_error_errno(error, errno, "raise loopback");
}

/* Only names that the container's own namespaces hold: all others are the whole machine's. */
static gboolean sysctl_allowed(const Plan *p, const char *name, GError **error)
{
	static const char *const ipc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",
		"kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
		"kernel.shm_rmid_forced", NULL};
	guint64 ours = p->ns.fresh | p->ns.joined;
	if (g_strv_contains(ipc, name) || g_str_has_prefix(name, "fs.mqueue."))
		return (ours & CLONE_NEWIPC) ||
		       dh_error(error, DH_ERROR_INVALID,
			       "sysctl \"%s\" is not allowed in the hosts ipc namespace", name);
	if (g_str_has_prefix(name, "net."))
		return (ours & CLONE_NEWNET) || p->l->netns_fd >= 0 ||
		       dh_error(error, DH_ERROR_INVALID,
			       "sysctl \"%s\" not allowed in host network namespace", name);
	if (strcmp(name, "kernel.domainname") == 0 || strcmp(name, "kernel.hostname") == 0)
		return (ours & CLONE_NEWUTS) ||
		       dh_error(error, DH_ERROR_INVALID,
			       "sysctl \"%s\" is not allowed in the hosts uts namespace", name);
	return dh_error(error, DH_ERROR_INVALID,
		"sysctl \"%s\" is not in a separate kernel namespace", name);
}

static gboolean set_sysctls(const Plan *p, int proc, GError **error)
{
	GHashTable *map = p->l->spec->linux_->sysctl;
	GHashTableIter it;
	gpointer key, value;
	if (!map)
		return TRUE;
	g_hash_table_iter_init(&it, map);
	while (g_hash_table_iter_next(&it, &key, &value)) {
		if (strstr(key, "..") || strchr(key, '/'))
			return dh_error(
				error, DH_ERROR_INVALID, "invalid sysctl \"%s\"", (char *)key);
		if (!sysctl_allowed(p, key, error))
			return FALSE;
		g_autofree char *file = g_strdup_printf("sys/%s", (char *)key);
		g_strdelimit(file, ".", '/');
		if (dh_write_kernel_file(proc, file, value) < 0)
			return rt_error_errno(error, errno, "open /proc/%s", file);
	}
	return TRUE;
}

/* With a new user namespace the child is nobody until the parent has written the mappings; after a
 * stage it has nothing to say before the parent knows of it. */
static gboolean needs_word(const Plan *p)
{
	return p->staged || (p->ns.fresh & CLONE_NEWUSER);
}

static gboolean wait_for_word(const Plan *p, GError **error)
{
	return !needs_word(p) || rt_channel_await_word(p->sock, error);
}

static gboolean become_root(const Plan *p, GError **error)
{
	if (!in_user_ns(p))
		return TRUE;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Not those of the user namespace's maker; refused where setgroups was given up. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return rt_error_errno(error, errno, "setgroups");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return rt_error_errno(error, errno, "become root of the user namespace");
	return TRUE;
}

static gboolean join_groups(const Plan *p, GError **error)
{
	const char *where = "";
	if (p->group && cg_join_self(&p->cgroup, p->apart, &where) < 0)
		return rt_error_errno(error, errno, "join cgroup %s/%s", where, p->group);
	return TRUE;
}

static gboolean some(const GPtrArray *list)
{
	return list && list->len;
}

/* The parent's, then ours, which find their programs in the host's root still. */
static gboolean early_hooks(const Plan *p, GError **error)
{
	const OciHooks *h = p->l->state ? p->l->spec->hooks : NULL;
	if (!h)
		return TRUE;
	if ((some(h->prestart) || some(h->create_runtime)) &&
		!rt_channel_ask(p->sock, RT_MSG_HOOKS, error))
		return FALSE;
	return rt_hooks_run(h->create_container, p->l->state, "creating", getpid(), error);
}

static gboolean build_root(const Plan *p, RtRoot *r, int *ret_slave, GError **error)
{
	const OciProcess *process = p->l->spec->process;
	if (!rt_root_mount(r, error))
		return FALSE;
	dh_trace("container: root mounted");
	if (p->l->keep_root && !rt_channel_send(p->sock, RT_MSG_ROOT, r->root, error))
		return FALSE;
	if (!rt_root_mounts(r, error))
		return FALSE;
	dh_trace("container: mounts made");
	if (!rt_root_devices(r, error))
		return FALSE;
	dh_trace("container: devices made");
	if (process->terminal) {
		dh_autofd int master = -1;
		if (!rt_console_open(
			    r->root, r->proc, process->console_size, &master, ret_slave, error) ||
			!rt_root_console(r, *ret_slave, error) ||
			!rt_channel_send(p->sock, RT_MSG_CONSOLE, master, error))
			return FALSE;
	}
	return early_hooks(p, error) && set_sysctls(p, r->proc, error) &&
	       rt_root_protect(r, error) && rt_root_enter(r, error);
}

static gboolean become_container(const Plan *p, RtSetup *setup, GError **error)
{
	const OciSpec *spec = p->l->spec;
	umask(0);
	setup->proc = rt_open_proc(error);
	if (setup->proc < 0 || !wait_for_word(p, error))
		return FALSE;
	/* A stage has done this already. */
	if (!p->staged &&
		(!join_groups(p, error) ||
			!rt_set_oom_score(setup->proc, spec->process->oom_score_adj, error) ||
			!rt_ns_join(&p->ns, error)))
		return FALSE;
	dh_trace("container: in its cgroups and namespaces");
	if (!become_root(p, error))
		return FALSE;
	/* After joining the group: the namespace is rooted where its maker is. */
	if ((p->ns.fresh & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return rt_error_errno(error, errno, "unshare cgroup namespace");
	if (!set_names(p, error) || ((p->ns.fresh & CLONE_NEWNET) && !raise_loopback(error)))
		return FALSE;
	RtRoot root = {
		.spec = spec,
		.layers = p->l->rootfs,
		.cgroup = p->group ? &p->cgroup : NULL,
		.root = -1,
		.proc = setup->proc,
		.mounted = p->root,
		.user_ns = p->user_ns,
		.cgroup_ns = ((p->ns.fresh | p->ns.joined) & CLONE_NEWCGROUP) != 0,
		.prepared = p->mounts,
		.no_pivot = p->l->no_pivot,
	};
	gboolean ok = build_root(p, &root, &setup->slave, error);
	setup->root = root.root;
	dh_trace("container: root protected and entered");
	return ok;
}

static G_NORETURN void child(const Plan *p)
{
	dh_trace("container: cloned");
	/* The files of a process that may not be dumped are root's: an ordinary parent could not
	 * write our mappings. There is nobody yet to be protected from. */
	rt_child_begin(p->ordinary && (p->ns.fresh & CLONE_NEWUSER));
	RtSetup setup = {
		.process = p->l->spec->process,
		.root = -1,
		.proc = -1,
		.sock = p->sock,
		.seccomp_fd = p->l->seccomp_fd,
		.slave = -1,
		.stdio = p->l->stdio,
		.make_cwd = TRUE,
		.user_ns = p->user_ns,
		.gate = p->l->gate,
		.state = p->l->state,
		.start_hooks = p->l->state && p->l->spec->hooks ? p->l->spec->hooks->start_container
								: NULL,
		.preserve_fds = p->l->preserve_fds,
		.keep_keyring = p->l->no_new_keyring,
		.profile = p->l->spec->linux_->seccomp,
		.personality = p->l->spec->linux_->personality,
	};
	g_autoptr(GError) error = NULL;
	if (become_container(p, &setup, &error))
		rt_process_run(&setup, &error);
	g_prefix_error(&error, "unable to start container process: ");
	rt_channel_send_error(p->sock, error);
	_exit(1);
}

/* ---- the parent ---- */

static gboolean give_word(const Plan *p, pid_t pid, int sock, GError **error)
{
	const OciLinux *l = p->l->spec->linux_;
	if ((p->ns.fresh & CLONE_NEWUSER) &&
		!rt_write_mappings(pid, l->uid_mappings, l->gid_mappings, error))
		return FALSE;
	return !needs_word(p) || rt_channel_give_word(sock, error);
}

typedef struct {
	const RtLaunch *l;
	pid_t pid;
} HookCall;

/* Everything is there but for the change of roots, and the child waits. */
static gboolean run_early_hooks(void *arg, GError **error)
{
	const HookCall *c = arg;
	const OciHooks *h = c->l->spec->hooks;
	return rt_hooks_run(h->prestart, c->l->state, "creating", c->pid, error) &&
	       rt_hooks_run(h->create_runtime, c->l->state, "creating", c->pid, error);
}

static gboolean hand_on_listener(void *arg, int fd, GError **error)
{
	const HookCall *c = arg;
	return rt_seccomp_notify(
		c->l->spec->linux_->seccomp, c->l->state, "creating", c->pid, c->pid, fd, error);
}

/* Mounts the layers and stands where they are to be attached: the child begins there, in its own
 * copy of the mounts. */
static gboolean stage_root(Plan *p, GError **error)
{
	const RtRootfs *layers = p->l->rootfs;
	const OciLinux *l = p->l->spec->linux_;
	gboolean as_is = rt_maps_identity(l->uid_mappings) && rt_maps_identity(l->gid_mappings);
	if (unshare(CLONE_NEWNS) < 0)
		return rt_error_errno(error, errno, "unshare mount namespace");
	rt_unshare_parent(layers->mountpoint);
	/* The overlay copies files up as who mounted it. */
	gint64 uid = rt_map_up(l->uid_mappings, 0), gid = rt_map_up(l->gid_mappings, 0);
	if (!as_is && uid >= 0 && gid >= 0)
		dh_fs_user((uid_t)uid, (gid_t)gid);
	p->root =
		rt_layers_mount_mapped(layers, as_is ? -1 : rt_ns_fd(&p->ns, CLONE_NEWUSER), error);
	dh_fs_user(0, 0);
	return p->root >= 0 && (chdir(layers->mountpoint) == 0 ||
				       rt_error_errno(error, errno, "chdir to the root"));
}

/* The stage: see above. */
static gboolean run_stage(Plan *p, GError **error)
{
	guint64 left;
	dh_autofd int proc = rt_open_proc(error);
	if (proc < 0 || !join_groups(p, error) ||
		!rt_set_oom_score(proc, p->l->spec->process->oom_score_adj, error))
		return FALSE;
	if (in_user_ns(p)) {
		rt_prepare_for_userns(p->l->spec->process, p->l->spec->linux_, p->l->stdio);
		if (p->l->rootfs && !stage_root(p, error))
			return FALSE;
	}
	if (!rt_ns_stage(&p->ns, proc, &left, error))
		return FALSE;
	RtClone c = {.flags = left | CLONE_PARENT, .pidns_fd = -1, .cgroup_fd = -1};
	int pidfd = -1;
	const char *where;
	pid_t pid = rt_clone(&c, &pidfd, &where);
	if (pid == 0)
		child(p);
	if (pid < 0)
		return rt_error_errno(error, errno, "%s", where);
	return rt_channel_send_pid(p->sock, pid, pidfd, error);
}

static G_NORETURN void stage(Plan *p)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = run_stage(p, &error);
	g_prefix_error(&error, "unable to start container process: ");
	if (!ok)
		rt_channel_send_error(p->sock, error);
	_exit(!ok);
}

/* Our child, the container's first process; or -1. */
static pid_t make_process(Plan *p, int sock, int *ret_pidfd, GError **error)
{
	RtClone c = {
		.flags = p->staged ? 0 : p->ns.fresh & ~(guint64)CLONE_NEWCGROUP,
		.pidns_fd = p->staged ? -1 : rt_ns_fd(&p->ns, CLONE_NEWPID),
		.cgroup_fd = p->group && p->cgroup.host->has_v2 ? p->cgroup.fd[0] : -1,
	};
	dh_autofd int pidfd = -1;
	const char *where;
	pid_t pid = rt_clone(&c, &pidfd, &where);
	p->apart = c.apart;
	if (pid == 0 && p->staged)
		stage(p);
	if (pid == 0)
		child(p);
	dh_close(&p->sock);
	if (pid < 0) {
		rt_error_errno(error, errno, "unable to start container process: %s", where);
		return -1;
	}
	if (!p->staged) {
		*ret_pidfd = dh_steal_fd(&pidfd);
		return pid;
	}
	gboolean ok = rt_channel_wait_pid(sock, &pid, ret_pidfd, error);
	(void)dh_reap(pidfd);
	return ok ? pid : -1;
}

static gboolean start(Plan *p, RtProcess *ret, GError **error)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return rt_error_errno(error, errno, "socketpair");
	dh_autofd int sock = pair[0];
	p->sock = pair[1];
	dh_autofd int pidfd = -1;
	pid_t pid = make_process(p, sock, &pidfd, error);
	if (pid < 0)
		return FALSE;
	HookCall call = {.l = p->l, .pid = pid};
	RtAnswers answers = {.console = -1,
		.root = -1,
		.hooks = run_early_hooks,
		.listener = hand_on_listener,
		.arg = &call};
	if (!give_word(p, pid, sock, error) || !rt_channel_wait(sock, &answers, error)) {
		rt_abandon(pidfd);
		return FALSE;
	}
	*ret = (RtProcess){.pid = pid,
		.pidfd = dh_steal_fd(&pidfd),
		.console = answers.console,
		.root = answers.root};
	return TRUE;
}

gboolean rt_launch(const RtLaunch *l, RtProcess *ret, GError **error)
{
	g_auto(Plan) p = {.l = l, .sock = -1, .root = -1};
	memset(p.ns.fds, -1, sizeof p.ns.fds);
	g_autoptr(GError) e = NULL;
	if (!make_plan(&p, error))
		return FALSE;
	p.mounts = rt_mounts_prepare(l->spec, p.user_ns, rt_ns_fd(&p.ns, CLONE_NEWUSER), &e);
	if (e) {
		g_propagate_prefixed_error(
			error, g_steal_pointer(&e), "unable to start container process: ");
		return FALSE;
	}
	const OciLinux *linux_ = l->spec->linux_;
	if (p.group && !cg_group_create(&p.cgroup, p.group, linux_->resources, error)) {
		g_prefix_error(error, "unable to start container process: "
				      "unable to apply cgroup configuration: ");
		return FALSE;
	}
	dh_trace("shim: cgroup made");
	if (start(&p, ret, error))
		return TRUE;
	if (p.group)
		(void)rt_cgroup_remove(linux_->cgroups_path, NULL);
	return FALSE;
}

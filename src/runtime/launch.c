/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: one clone3 makes the process in all its new namespaces (and, on v2, in its
 * cgroup). The child does the rest itself - join the v1 groups, mount, pivot, become the user -
 * and talks to us through one socket only: a failure comes as a message, success as the end of file
 * that close-on-exec makes of execve. We wait for nothing else, so a launch is one round trip, and
 * whatever goes wrong there is one thing to undo here: kill that process, remove the group. Its
 * mounts and namespaces go with it.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const struct {
	const char *name;
	guint64 flag;
} namespace_types[] = {
	{"pid", CLONE_NEWPID},
	{"network", CLONE_NEWNET},
	{"ipc", CLONE_NEWIPC},
	{"uts", CLONE_NEWUTS},
	{"mount", CLONE_NEWNS},
	{"cgroup", CLONE_NEWCGROUP},
	{"user", CLONE_NEWUSER},
	{"time", CLONE_NEWTIME},
};

typedef struct {
	const RtLaunch *l;
	guint64 fresh; /* new namespaces */
	guint64 joined;
	int join_fds[G_N_ELEMENTS(namespace_types)]; /* by namespace_types, -1 */
	const char *group;                           /* relative cgroup path or NULL */
	CgGroup cgroup;
	int sock; /* the child's end */
} Plan;

static void plan_clear(Plan *p)
{
	for (guint i = 0; i < G_N_ELEMENTS(p->join_fds); i++)
		dh_close(&p->join_fds[i]);
	cg_group_close(&p->cgroup);
	dh_close(&p->sock);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plan, plan_clear)

static gboolean plan_namespace(Plan *p, const OciNamespace *ns, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(namespace_types); i++) {
		if (strcmp(namespace_types[i].name, ns->type) != 0)
			continue;
		guint64 flag = namespace_types[i].flag;
		if (flag == CLONE_NEWNET && p->l->netns_fd >= 0)
			return TRUE;
		if (!ns->path || !*ns->path) {
			p->fresh |= flag;
			return TRUE;
		}
		if (flag == CLONE_NEWNS)
			return dh_error(error, DH_ERROR_INVALID,
				"a container cannot be made in an existing mount namespace");
		dh_close(&p->join_fds[i]);
		p->join_fds[i] = open(ns->path, O_RDONLY | O_CLOEXEC);
		if (p->join_fds[i] < 0)
			return rt_error_errno(error, errno, "open namespace %s", ns->path);
		p->joined |= flag;
		return TRUE;
	}
	return dh_error(error, DH_ERROR_INVALID, "unknown namespace type \"%s\"", ns->type);
}

static gboolean make_plan(Plan *p, GError **error)
{
	const OciSpec *spec = p->l->spec;
	if (!spec->linux_ || !spec->process)
		return dh_error(error, DH_ERROR_INVALID, "incomplete container configuration");
	const GPtrArray *list = spec->linux_->namespaces;
	for (guint i = 0; list && i < list->len; i++) {
		if (!plan_namespace(p, list->pdata[i], error))
			return FALSE;
	}
	if (!(p->fresh & CLONE_NEWNS))
		return dh_error(error, DH_ERROR_INVALID, "a container needs a mount namespace");
	const char *path = spec->linux_->cgroups_path;
	if (path && *path) {
		p->group = cg_relative(path, error);
		if (!p->group)
			return FALSE;
	}
	return TRUE;
}

static int join_fd(const Plan *p, guint64 flag)
{
	for (guint i = 0; i < G_N_ELEMENTS(namespace_types); i++) {
		if (namespace_types[i].flag == flag)
			return p->join_fds[i];
	}
	return -1;
}

/* ---- the child ---- */

static gboolean join_namespaces(const Plan *p, GError **error)
{
	if (p->l->netns_fd >= 0 && setns(p->l->netns_fd, CLONE_NEWNET) < 0)
		return rt_error_errno(error, errno, "join network namespace");
	/* A user namespace first: the rights in the others may come from it. */
	int user = join_fd(p, CLONE_NEWUSER);
	if (user >= 0 && setns(user, CLONE_NEWUSER) < 0)
		return rt_error_errno(error, errno, "join user namespace");
	for (guint i = 0; i < G_N_ELEMENTS(namespace_types); i++) {
		guint64 flag = namespace_types[i].flag;
		if (p->join_fds[i] < 0 || flag == CLONE_NEWPID || flag == CLONE_NEWUSER)
			continue;
		if (setns(p->join_fds[i], (int)flag) < 0)
			return rt_error_errno(
				error, errno, "join %s namespace", namespace_types[i].name);
	}
	return TRUE;
}

static gboolean set_names(const Plan *p, GError **error)
{
	const OciSpec *spec = p->l->spec;
	if (!(p->fresh & CLONE_NEWUTS))
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
	guint64 ours = p->fresh | p->joined;
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

/* With a user namespace the child is nobody until the parent has written the mappings. */
static gboolean await_mappings(const Plan *p, GError **error)
{
	char go;
	if (!(p->fresh & CLONE_NEWUSER))
		return TRUE;
	if (dh_read_full(p->sock, &go, 1) != 1)
		return dh_error(error, DH_ERROR_SYSTEM, "the parent is gone");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return rt_error_errno(error, errno, "become root of the user namespace");
	return TRUE;
}

static gboolean join_groups(const Plan *p, GError **error)
{
	const char *where = "";
	if (p->group && cg_join_self(&p->cgroup, FALSE, &where) < 0)
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
	if (p->l->keep_root && !rt_channel_send(p->sock, RT_MSG_ROOT, r->root, error))
		return FALSE;
	if (!rt_root_mounts(r, error) || !rt_root_devices(r, error))
		return FALSE;
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
	if (setup->proc < 0 || !join_groups(p, error) ||
		!rt_set_oom_score(setup->proc, spec->process->oom_score_adj, error) ||
		!await_mappings(p, error) || !join_namespaces(p, error))
		return FALSE;
	/* After joining the group: the namespace is rooted where its maker is. */
	if ((p->fresh & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return rt_error_errno(error, errno, "unshare cgroup namespace");
	if (!set_names(p, error) || ((p->fresh & CLONE_NEWNET) && !raise_loopback(error)))
		return FALSE;
	RtRoot root = {
		.spec = spec,
		.layers = p->l->rootfs,
		.cgroup = p->group ? &p->cgroup : NULL,
		.root = -1,
		.proc = setup->proc,
		.user_ns = ((p->fresh | p->joined) & CLONE_NEWUSER) != 0,
		.cgroup_ns = ((p->fresh | p->joined) & CLONE_NEWCGROUP) != 0,
		.no_pivot = p->l->no_pivot,
	};
	gboolean ok = build_root(p, &root, &setup->slave, error);
	setup->root = root.root;
	return ok;
}

static G_NORETURN void child(const Plan *p)
{
	rt_child_begin();
	RtSetup setup = {
		.process = p->l->spec->process,
		.root = -1,
		.proc = -1,
		.sock = p->sock,
		.seccomp_fd = p->l->seccomp_fd,
		.slave = -1,
		.stdio = p->l->stdio,
		.make_cwd = TRUE,
		.user_ns = ((p->fresh | p->joined) & CLONE_NEWUSER) != 0,
		.gate = p->l->gate,
		.state = p->l->state,
		.start_hooks = p->l->state && p->l->spec->hooks ? p->l->spec->hooks->start_container
								: NULL,
		.preserve_fds = p->l->preserve_fds,
		.keep_keyring = p->l->no_new_keyring,
	};
	g_autoptr(GError) error = NULL;
	if (become_container(p, &setup, &error))
		rt_process_run(&setup, &error);
	g_prefix_error(&error, "unable to start container process: ");
	rt_channel_send_error(p->sock, error);
	_exit(1);
}

/* ---- the parent ---- */

static gboolean write_map(int dirfd, const char *file, const GPtrArray *maps, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; maps && i < maps->len; i++) {
		const OciIdMap *m = maps->pdata[i];
		g_string_append_printf(text,
			"%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n",
			m->container_id, m->host_id, m->size);
	}
	return dh_write_kernel_file(dirfd, file, text->str) == 0 ||
	       rt_error_errno(error, errno, "write %s", file);
}

static gboolean write_mappings(const Plan *p, pid_t pid, int sock, GError **error)
{
	const OciLinux *l = p->l->spec->linux_;
	char path[32];
	snprintf(path, sizeof path, "/proc/%d", pid);
	dh_autofd int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || !write_map(dir, "gid_map", l->gid_mappings, error) ||
		!write_map(dir, "uid_map", l->uid_mappings, error))
		return FALSE;
	return dh_write_all(sock, "g", 1) == 0 || rt_error_errno(error, errno, "write");
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

static gboolean start(Plan *p, RtProcess *ret, GError **error)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return rt_error_errno(error, errno, "socketpair");
	dh_autofd int sock = pair[0];
	p->sock = pair[1];
	RtClone c = {
		.flags = p->fresh & ~(guint64)CLONE_NEWCGROUP,
		.pidns_fd = join_fd(p, CLONE_NEWPID),
		.cgroup_fd = p->group && p->cgroup.host->has_v2 ? p->cgroup.fd[0] : -1,
	};
	dh_autofd int pidfd = -1;
	const char *where;
	pid_t pid = rt_clone(&c, &pidfd, &where);
	if (pid == 0)
		child(p);
	if (pid < 0)
		return rt_error_errno(error, errno, "unable to start container process: %s", where);
	dh_close(&p->sock);
	HookCall call = {.l = p->l, .pid = pid};
	RtAnswers answers = {.console = -1, .root = -1, .hooks = run_early_hooks, .arg = &call};
	if (((p->fresh & CLONE_NEWUSER) && !write_mappings(p, pid, sock, error)) ||
		!rt_channel_wait(sock, &answers, error)) {
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
	g_auto(Plan) p = {.l = l, .sock = -1};
	memset(p.join_fds, -1, sizeof p.join_fds);
	if (!make_plan(&p, error))
		return FALSE;
	const OciLinux *linux_ = l->spec->linux_;
	if (p.group) {
		if (!rt_cgroup_create(linux_->cgroups_path, linux_->resources, error)) {
			g_prefix_error(error, "unable to start container process: "
					      "unable to apply cgroup configuration: ");
			return FALSE;
		}
		cg_group_open(&p.cgroup, p.group);
	}
	if (start(&p, ret, error))
		return TRUE;
	if (p.group)
		(void)rt_cgroup_remove(linux_->cgroups_path, NULL);
	return FALSE;
}

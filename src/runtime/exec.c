/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: the child is born in the container's pid namespace (rt_clone enters it for
 * the moment of clone3 only) and in its v2 group, joins the v1 groups, and then enters all other
 * namespaces with one setns on the pidfd of the container's first process: no /proc/PID/ns path is
 * opened, so no recycled pid can be meant. It is our own child, and from there on it goes the way
 * of the first process (process.c, which also says why the container cannot take it over).
 *
 * An ordinary user may enter no namespace before the user namespace, from which there is no way
 * back. Then a stage in between enters both and makes the process as its brother (CLONE_PARENT).
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "runtime/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
	const RtExec *x;
	CgGroup cgroup;
	gboolean has_group, user_ns;
	gboolean staged; /* see above */
	gboolean apart;  /* in the child: not born in its v2 group */
	int join_v2;     /* group to be joined by the child itself, or -1 */
	int sock;
} Plan;

static void plan_clear(Plan *p)
{
	cg_group_close(&p->cgroup);
	dh_close(&p->join_v2);
	dh_close(&p->sock);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plan, plan_clear)

static gboolean has_namespace(const OciSpec *spec, const char *type)
{
	const GPtrArray *list = spec->linux_ ? spec->linux_->namespaces : NULL;
	for (guint i = 0; list && i < list->len; i++) {
		if (strcmp(((const OciNamespace *)list->pdata[i])->type, type) == 0)
			return TRUE;
	}
	return FALSE;
}

static gboolean gone(GError **error)
{
	return dh_error(error, DH_ERROR_NOT_FOUND,
		"cannot exec in a stopped container: its first process has ended");
}

static int namespaces_to_join(const Plan *p)
{
	static const struct {
		const char *name;
		int flag;
	} types[] = {{"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"network", CLONE_NEWNET},
		{"cgroup", CLONE_NEWCGROUP}};
	int flags = CLONE_NEWNS | (p->user_ns && !p->staged ? CLONE_NEWUSER : 0) |
		    (has_namespace(p->x->spec, "time") ? CLONE_NEWTIME : 0);
	/* Those it shares with its maker are joined as well, by those who may: ours may be others.
	 */
	for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
		if (!p->staged || has_namespace(p->x->spec, types[i].name))
			flags |= types[i].flag;
	}
	return flags;
}

static gboolean enter(const Plan *p, RtSetup *s, GError **error)
{
	const char *where = "";
	s->proc = rt_open_proc(error);
	if (s->proc < 0)
		return FALSE;
	if (p->has_group && cg_join_self(&p->cgroup, p->apart, &where) < 0)
		return rt_error_errno(error, errno, "join cgroup %s/%s", where, p->cgroup.rel);
	if (p->join_v2 >= 0) {
		dh_autofd int procs = openat(p->join_v2, "cgroup.procs", O_WRONLY | O_CLOEXEC);
		if (procs < 0 || write(procs, "0", 1) < 0)
			return rt_error_errno(error, errno, "join cgroup %s", p->cgroup.rel);
	}
	if (!rt_set_oom_score(s->proc, p->x->process->oom_score_adj, error))
		return FALSE;
	if (p->user_ns && !p->staged && p->x->spec->linux_)
		rt_prepare_for_userns(p->x->process, p->x->spec->linux_, p->x->stdio);
	if (setns(p->x->init_pidfd, namespaces_to_join(p)) < 0)
		return errno == ESRCH ? gone(error)
				      : rt_error_errno(error, errno, "join namespaces");
	/* Groups of the host's would not be in the way of much, but they are not the container's.
	 */
	if (p->user_ns && setgroups(0, NULL) < 0 && errno != EPERM)
		return rt_error_errno(error, errno, "setgroups");
	if (p->user_ns && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return rt_error_errno(error, errno, "become root of the user namespace");
	s->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0)
		return rt_error_errno(error, errno, "open /");
	const OciProcess *process = p->x->process;
	if (!process->terminal)
		return TRUE;
	dh_autofd int master = -1;
	return rt_console_open(
		       s->root, s->proc, process->console_size, &master, &s->slave, error) &&
	       rt_channel_send(p->sock, RT_MSG_CONSOLE, master, error);
}

static G_NORETURN void child(const Plan *p)
{
	rt_child_begin(FALSE);
	RtSetup setup = {
		.process = p->x->process,
		.root = -1,
		.proc = -1,
		.sock = p->sock,
		.seccomp_fd = p->x->seccomp_fd,
		.slave = -1,
		.stdio = p->x->stdio,
		.user_ns = p->user_ns || rt_in_user_ns(),
		.preserve_fds = p->x->preserve_fds,
		.profile = p->x->spec->linux_ ? p->x->spec->linux_->seccomp : NULL,
		.personality = p->x->spec->linux_ ? p->x->spec->linux_->personality : NULL,
		.affinity = p->x->process->exec_cpu_affinity,
	};
	g_autoptr(GError) error = NULL;
	/* What the stage says of it must come first. */
	if ((!p->staged || rt_channel_await_word(p->sock, &error)) && enter(p, &setup, &error))
		rt_process_run(&setup, &error);
	if (!g_error_matches(error, DH_ERROR, DH_ERROR_NOT_FOUND))
		g_prefix_error(&error, "unable to start container process: ");
	rt_channel_send_error(p->sock, error);
	_exit(1);
}

/* A container that has moved its processes into groups of its own (systemd does) leaves its top one
 * unfit for processes; then ours goes where its first process is. */
static int group_of_init(const Plan *p)
{
	char path[48];
	snprintf(path, sizeof path, "/proc/%d/cgroup", p->x->init_pid);
	g_autofree char *text = cg_read(AT_FDCWD, path);
	const char *line = text ? strstr(text, "0::/") : NULL;
	if (!line)
		return -1;
	line += 4;
	g_autofree char *rel = g_strndup(line, strcspn(line, "\n"));
	if (!g_str_has_prefix(rel, p->cgroup.rel) || strstr(rel, ".."))
		return -1;
	return openat(p->cgroup.host->h[0].fd, rel, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static G_NORETURN void stage(Plan *p)
{
	g_autoptr(GError) error = NULL;
	RtClone c = {.flags = CLONE_PARENT, .pidns_fd = -1, .cgroup_fd = -1};
	int pidfd = -1;
	const char *where = "join user and pid namespace";
	pid_t pid = -1;
	if (setns(p->x->init_pidfd, CLONE_NEWUSER | CLONE_NEWPID) == 0)
		pid = rt_clone(&c, &pidfd, &where);
	if (pid == 0)
		child(p);
	if (pid < 0)
		rt_error_errno(&error, errno, "unable to start container process: %s", where);
	else if (rt_channel_send_pid(p->sock, pid, pidfd, &error))
		_exit(0);
	rt_channel_send_error(p->sock, error);
	_exit(1);
}

/* Our child by way of the stage, or -1 with an error. */
static pid_t clone_by_stage(Plan *p, int sock, int *ret_pidfd, GError **error)
{
	RtClone c = {.pidns_fd = -1, .cgroup_fd = -1};
	dh_autofd int pidfd = -1;
	const char *where;
	pid_t pid = rt_clone(&c, &pidfd, &where);
	if (pid == 0)
		stage(p);
	dh_close(&p->sock);
	if (pid < 0) {
		rt_error_errno(error, errno, "unable to start container process: %s", where);
		return -1;
	}
	gboolean ok = rt_channel_wait_pid(sock, &pid, ret_pidfd, error);
	(void)dh_reap(pidfd);
	return ok ? pid : -1;
}

static pid_t clone_into(Plan *p, int *ret_pidfd, const char **ret_where)
{
	RtClone c = {
		.pidns_fd = p->x->init_pidfd,
		.cgroup_fd = p->has_group && p->cgroup.host->has_v2 ? p->cgroup.fd[0] : -1,
	};
	pid_t pid = rt_clone(&c, ret_pidfd, ret_where);
	p->apart = c.apart;
	if (pid >= 0 || c.cgroup_fd < 0 || (errno != EBUSY && errno != EOPNOTSUPP))
		return pid;
	p->join_v2 = group_of_init(p);
	c.cgroup_fd = -1;
	return rt_clone(&c, ret_pidfd, ret_where);
}

typedef struct {
	const RtExec *x;
	pid_t pid;
} Child;

static gboolean hand_on_listener(void *arg, int fd, GError **error)
{
	const Child *c = arg;
	return rt_seccomp_notify(c->x->spec->linux_->seccomp, c->x->state, "running", c->pid,
		c->x->init_pid, fd, error);
}

gboolean rt_exec(const RtExec *x, RtProcess *ret, GError **error)
{
	g_auto(Plan) p = {.x = x, .join_v2 = -1, .sock = -1};
	p.user_ns = has_namespace(x->spec, "user");
	const char *own = x->spec->linux_ ? x->spec->linux_->cgroups_path : NULL;
	g_autofree char *path = own && *own && x->sub_cgroup
					? g_build_filename(own, x->sub_cgroup, NULL)
					: g_strdup(own);
	if (path && *path) {
		const char *rel = cg_relative(path, error);
		if (!rel)
			return FALSE;
		cg_group_open(&p.cgroup, rel);
		p.has_group = TRUE;
	}
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return rt_error_errno(error, errno, "socketpair");
	dh_autofd int sock = pair[0];
	p.sock = pair[1];
	dh_autofd int pidfd = -1;
	const char *where;
	p.staged = p.user_ns && geteuid() != 0;
	pid_t pid =
		p.staged ? clone_by_stage(&p, sock, &pidfd, error) : clone_into(&p, &pidfd, &where);
	if (pid == 0)
		child(&p);
	if (pid < 0 && p.staged)
		return FALSE;
	if (pid < 0) {
		/* ENOMEM: the pid namespace has lost its first process */
		if (errno == ESRCH || errno == ENOMEM)
			return gone(error);
		return rt_error_errno(error, errno, "unable to start container process: %s", where);
	}
	dh_close(&p.sock);
	if (p.staged && !rt_channel_give_word(sock, error)) {
		rt_abandon(pidfd);
		return FALSE;
	}
	Child call = {x, pid};
	RtAnswers answers = {.console = -1, .root = -1, .listener = hand_on_listener, .arg = &call};
	if (!rt_channel_wait(sock, &answers, error)) {
		rt_abandon(pidfd);
		return FALSE;
	}
	*ret = (RtProcess){
		.pid = pid, .pidfd = dh_steal_fd(&pidfd), .console = answers.console, .root = -1};
	return TRUE;
}

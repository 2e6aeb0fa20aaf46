/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
	gint32 kind;
	gint32 code; /* DhError */
	char text[4096];
} Message;

void rt_channel_send_error(int sock, const GError *e)
{
	Message m = {.kind = RT_MSG_ERROR, .code = DH_ERROR_SYSTEM};
	if (e && e->domain == DH_ERROR)
		m.code = e->code;
	g_strlcpy(m.text, e ? e->message : "unknown error", sizeof m.text);
	(void)dh_send_msg(sock, &m, offsetof(Message, text) + strlen(m.text) + 1, NULL, 0, 0);
}

gboolean rt_channel_send(int sock, RtMsgKind kind, int fd, GError **error)
{
	Message m = {.kind = (gint32)kind};
	if (dh_send_msg(sock, &m, offsetof(Message, text) + 1, &fd, fd >= 0, 0) < 0)
		return rt_error_errno(error, errno, "the parent is gone");
	return TRUE;
}

gboolean rt_channel_ask(int sock, RtMsgKind kind, GError **error)
{
	char go;
	if (!rt_channel_send(sock, kind, -1, error))
		return FALSE;
	return dh_read_full(sock, &go, 1) == 1 ||
	       dh_error(error, DH_ERROR_SYSTEM, "the parent is gone");
}

void rt_gate_report(int report, const GError *e)
{
	Message m = {
		.kind = RT_MSG_ERROR, .code = e->domain == DH_ERROR ? e->code : DH_ERROR_SYSTEM};
	/* Less than a pipe holds, so that it waits for no reader. */
	g_strlcpy(m.text, e->message, sizeof m.text);
	(void)dh_write_all(report, &m, offsetof(Message, text) + strlen(m.text) + 1);
}

gboolean rt_gate_open(int wait, int report, GError **error)
{
	size_t n;
	if (dh_write_all(wait, "0", 1) < 0)
		return rt_error_errno(error, errno, "release the container's process");
	g_autofree char *text = dh_read_to_end(report, sizeof(Message), &n, error);
	if (!text)
		return FALSE;
	const Message *m = (const Message *)(void *)text; /* g_malloc's alignment */
	if (n <= offsetof(Message, text))
		return TRUE;
	return dh_error(error, (DhError)CLAMP(m->code, 0, DH_ERROR_N_CODES - 1), "%s", m->text);
}

gboolean rt_channel_send_pid(int sock, pid_t pid, int pidfd, GError **error)
{
	Message m = {.kind = RT_MSG_PID, .code = pid};
	return dh_send_msg(sock, &m, offsetof(Message, text) + 1, &pidfd, 1, 0) == 0 ||
	       rt_error_errno(error, errno, "the parent is gone");
}

gboolean rt_channel_wait_pid(int sock, pid_t *ret_pid, int *ret_pidfd, GError **error)
{
	Message m;
	int fd = -1;
	size_t n_fds = 1;
	ssize_t n;
	do
		n = dh_recv_msg(sock, &m, sizeof m - 1, &fd, &n_fds, 0);
	while (n < 0 && errno == EINTR);
	if (n > (ssize_t)offsetof(Message, text) && m.kind == RT_MSG_PID && n_fds == 1) {
		*ret_pid = m.code;
		*ret_pidfd = fd;
		return TRUE;
	}
	dh_close(&fd);
	if (n <= (ssize_t)offsetof(Message, text) || m.kind != RT_MSG_ERROR)
		return dh_error(error, DH_ERROR_SYSTEM, "the container's process did not start");
	((char *)&m)[n] = '\0';
	return dh_error(error, (DhError)CLAMP(m.code, 0, DH_ERROR_N_CODES - 1), "%s", m.text);
}

static gboolean answer_hooks(int sock, const RtAnswers *a, GError **error)
{
	if (a->hooks && !a->hooks(a->arg, error))
		return FALSE;
	return dh_write_all(sock, "g", 1) == 0 ||
	       dh_error(error, DH_ERROR_SYSTEM, "the container's process is gone");
}

gboolean rt_channel_wait(int sock, RtAnswers *a, GError **error)
{
	gboolean ready = FALSE, failed = FALSE;
	dh_autofd int console = -1;
	dh_autofd int root = -1;
	for (;;) {
		Message m;
		int fd = -1;
		size_t n_fds = 1;
		ssize_t n = dh_recv_msg(sock, &m, sizeof m, &fd, &n_fds, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if ((size_t)n <= offsetof(Message, text))
			continue;
		m.text[MIN((size_t)n - offsetof(Message, text), sizeof m.text) - 1] = '\0';
		if (m.kind == RT_MSG_CONSOLE) {
			dh_close(&console);
			console = dh_steal_fd(&fd);
		} else if (m.kind == RT_MSG_ROOT) {
			dh_close(&root);
			root = dh_steal_fd(&fd);
		} else if (m.kind == RT_MSG_READY) {
			ready = TRUE;
		} else if (m.kind == RT_MSG_LISTENER && !failed) {
			gboolean ok = a->listener && a->listener(a->arg, fd, error);
			dh_close(&fd);
			if (!ok)
				return FALSE;
		} else if (m.kind == RT_MSG_HOOKS && !failed && !answer_hooks(sock, a, error)) {
			return FALSE;
		} else if (m.kind == RT_MSG_ERROR && !failed) {
			failed = TRUE;
			dh_error(error, (DhError)CLAMP(m.code, 0, DH_ERROR_N_CODES - 1), "%s",
				m.text);
		}
		dh_close(&fd);
	}
	if (failed)
		return FALSE;
	if (!ready)
		return dh_error(error, DH_ERROR_SYSTEM,
			"the container's process ended before its program was executed");
	a->console = dh_steal_fd(&console);
	a->root = dh_steal_fd(&root);
	return TRUE;
}

/* Filters around us (an older engine's container) may hide clone3. */
static long old_clone(const struct clone_args *a, int *ret_pidfd)
{
	guint64 flags = a->flags & ~(guint64)CLONE_INTO_CGROUP;
	/* The lowest byte is the signal's there. */
	if (flags & CSIGNAL) {
		errno = ENOSYS;
		return -1;
	}
#if defined(__s390x__)
	return syscall(SYS_clone, 0, flags | a->exit_signal, ret_pidfd, 0, 0);
#else
	return syscall(SYS_clone, flags | a->exit_signal, 0, ret_pidfd, 0, 0);
#endif
}

pid_t rt_clone(RtClone *c, int *ret_pidfd, const char **ret_where)
{
	int pidfd = -1;
	dh_autofd int home = -1;
	/* Only children see the other pid namespace, so that entering it and going back leaves us
	 * where we are and costs one process less than forking twice. */
	if (c->pidns_fd >= 0) {
		*ret_where = "enter pid namespace";
		home = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (home < 0 || setns(c->pidns_fd, CLONE_NEWPID) < 0)
			return -1;
	}
	struct clone_args args = {
		.flags = c->flags | CLONE_PIDFD,
		.pidfd = (guint64)(gintptr)&pidfd,
		.exit_signal = c->flags & CLONE_PARENT ? 0 : SIGCHLD,
	};
	if (c->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (guint64)c->cgroup_fd;
	}
	*ret_where = "clone";
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0 && errno == ENOSYS) {
		c->apart = c->cgroup_fd >= 0;
		pid = old_clone(&args, &pidfd);
	}
	if (pid == 0) {
		home = -1; /* the child closes everything later, in one call */
		return 0;
	}
	int saved = errno;
	if (home >= 0 && setns(home, CLONE_NEWPID) < 0 && pid > 0) {
		saved = errno;
		*ret_where = "leave pid namespace";
		rt_abandon(pidfd);
		close(pidfd);
		pid = -1;
	}
	errno = saved;
	if (pid > 0)
		*ret_pidfd = pidfd;
	return (pid_t)pid;
}

gboolean rt_channel_give_word(int sock, GError **error)
{
	return dh_write_all(sock, "g", 1) == 0 || rt_error_errno(error, errno, "write");
}

gboolean rt_channel_await_word(int sock, GError **error)
{
	char go;
	return dh_read_full(sock, &go, 1) == 1 ||
	       dh_error(error, DH_ERROR_SYSTEM, "the parent is gone");
}

void rt_abandon(int pidfd)
{
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	(void)dh_reap(pidfd);
}

void rt_child_begin(gboolean readable)
{
	if (!readable)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction sa;
		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL) {
			memset(&sa, 0, sizeof sa);
			(void)sigaction(sig, &sa, NULL);
		}
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: clone3 with CLONE_VM|CLONE_VFORK (as posix_spawn does) costs the same for a
 * small and a large daemon and yields a pidfd at once. Until execve the child shares our memory and
 * runs on a stack of its own: it makes system calls only, with all signals blocked, and reports a
 * failure through a plain variable. posix_spawn itself is not used because it can neither return a
 * pidfd nor close the descriptors it was not told about (glibc 2.36).
 */
#include "base/spawn.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_STACK = 64 * 1024, MAX_FDS = 64 };

/* The child never returns from its frames, so that a sanitizer would keep their marks on addresses
 * that the next mmap gets. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define forget_frames(stack, size) ASAN_UNPOISON_MEMORY_REGION(stack, size)
#else
#define forget_frames(stack, size) ((void)0)
#endif

static struct rlimit files; /* as it was found; 0: left alone */

typedef struct {
	const DhSpawn *s;
	int null_fd;
	volatile int errnum;
	const char *volatile what;
} Child;

static int child_fail(Child *c, const char *what)
{
	c->errnum = errno;
	c->what = what;
	return 127; /* clone's wrapper exits with it */
}

static int child_main(void *arg)
{
	Child *c = arg;
	const DhSpawn *s = c->s;
	int moved[MAX_FDS + 3];
	guint total = s->n_fds + 3;

	/* All sources first move above the targets, so that no dup2 overwrites a source. */
	for (guint i = 0; i < total; i++) {
		int fd = i < 3 ? (s->stdio[i] < 0 ? c->null_fd : s->stdio[i]) : s->fds[i - 3];
		moved[i] = fcntl(fd, F_DUPFD_CLOEXEC, (int)total);
		if (moved[i] < 0)
			return child_fail(c, "dup");
	}
	for (guint i = 0; i < total; i++) {
		if (dup2(moved[i], (int)i) < 0)
			return child_fail(c, "dup2");
	}
	if (dh_close_from(total, -1) < 0)
		return child_fail(c, "close_range");
	if (files.rlim_max && setrlimit(RLIMIT_NOFILE, &files) < 0)
		return child_fail(c, "setrlimit");
	if (s->setsid)
		setsid();
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction sa;
		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL) {
			memset(&sa, 0, sizeof sa);
			sigaction(sig, &sa, NULL);
		}
	}
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	static char *const empty[] = {NULL};
	execve(s->path, s->argv, s->envp ? s->envp : empty);
	return child_fail(c, "exec");
}

gboolean dh_spawn(const DhSpawn *s, pid_t *ret_pid, int *ret_pidfd, GError **error)
{
	dh_autofd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		return dh_error_errno(error, errno, "open /dev/null");
	if (s->n_fds > MAX_FDS)
		return dh_error(error, DH_ERROR_INVALID, "too many descriptors to pass on");

	char *stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return dh_error_errno(error, errno, "mmap");

	Child child = {.s = s, .null_fd = null_fd};
	int pidfd = -1;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* clone() and not clone3: the wrapper switches stacks, which a raw clone3 with CLONE_VM
	 * cannot do from C. CLONE_PIDFD stores through the parent_tid argument. */
	pid_t pid = clone(child_main, stack + CHILD_STACK,
		CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &child, &pidfd);
	int saved = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	forget_frames(stack, CHILD_STACK);
	munmap(stack, CHILD_STACK);
	if (pid < 0)
		return dh_error_errno(error, saved, "clone");
	if (child.errnum) {
		(void)dh_reap(pidfd);
		close(pidfd);
		return dh_error_errno(error, child.errnum, "%s %s", child.what, s->path);
	}
	if (ret_pid)
		*ret_pid = pid;
	if (ret_pidfd)
		*ret_pidfd = pidfd;
	else
		close(pidfd);
	return TRUE;
}

void dh_spawn_raise_files(void)
{
	struct rlimit found;
	if (getrlimit(RLIMIT_NOFILE, &found) < 0)
		return;
	struct rlimit all = {found.rlim_max, found.rlim_max};
	if (found.rlim_cur < found.rlim_max && setrlimit(RLIMIT_NOFILE, &all) == 0)
		files = found;
}

int dh_reap(int pidfd)
{
	siginfo_t info = {0};
	int r;
	do
		r = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -1;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

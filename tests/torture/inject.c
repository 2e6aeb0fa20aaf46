/* SPDX-License-Identifier: MIT */
/*
 * inject CONTROL PROGRAM [ARG...] - theory of operation: runs a program under a seccomp filter that
 * asks us before every system call that may fail for reasons outside of the program. We let it go
 * on, but for the one that we were told to make fail. The filter comes to everything that the
 * program starts; whose call it is, dhowd's or a dhow-shim's, is told by the executable, and what
 * runs in containers is never touched. (The shim's child has the shim's executable until it
 * executes the container's program: its calls count as the shim's.)
 *
 * CONTROL is a unix socket on which one client at a time speaks, one line a command:
 *     arm NAME N ERRNO    the N-th call from now on of an executable called NAME fails with ERRNO
 *     off                 answers "hit CALL" with the number of the system call, or "seen COUNT"
 * We end when nobody is left who has the filter.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "which architecture?"
#endif

/* What asks the kernel for something that it may not have. Not here: memory (GLib ends the program,
 * as is its way), waiting on locks, and what cannot really fail: close, fcntl, by which locks
 * are given back, and waiting for a child that is there. */
static const int calls[] = {
	SYS_openat,
	SYS_openat2,
	SYS_read,
	SYS_write,
	SYS_pread64,
	SYS_pwrite64,
	SYS_writev,
	SYS_fsync,
	SYS_fdatasync,
	SYS_ftruncate,
	SYS_fallocate,
	SYS_mkdirat,
	SYS_mknodat,
	SYS_unlinkat,
	SYS_symlinkat,
	SYS_linkat,
	SYS_renameat,
	SYS_renameat2,
	SYS_fchmodat,
	SYS_fchmod,
	SYS_fchownat,
	SYS_fchown,
#ifdef SYS_mkdir
	SYS_open,
	SYS_mkdir,
	SYS_rmdir,
	SYS_unlink,
	SYS_rename,
	SYS_symlink,
	SYS_chmod,
	SYS_chown,
	SYS_poll,
	SYS_epoll_wait,
	SYS_stat,
	SYS_lstat,
	SYS_access,
	SYS_readlink,
	SYS_pipe,
	SYS_dup2,
#endif
	SYS_newfstatat,
	SYS_fstat,
	SYS_statx,
	SYS_readlinkat,
	SYS_getdents64,
	SYS_socket,
	SYS_socketpair,
	SYS_bind,
	SYS_listen,
	SYS_connect,
	SYS_accept4,
	SYS_sendmsg,
	SYS_recvmsg,
	SYS_sendto,
	SYS_recvfrom,
	SYS_setsockopt,
	SYS_pipe2,
	SYS_dup,
	SYS_dup3,
	SYS_ioctl,
	SYS_eventfd2,
	SYS_epoll_create1,
	SYS_epoll_ctl,
	SYS_timerfd_create,
	SYS_timerfd_settime,
	SYS_signalfd4,
	SYS_memfd_create,
	SYS_pidfd_open,
	SYS_pidfd_send_signal,
	SYS_clone,
	SYS_clone3,
	SYS_execve,
	SYS_mount,
	SYS_umount2,
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_open_tree,
	SYS_move_mount,
	SYS_mount_setattr,
	SYS_pivot_root,
	SYS_setns,
	SYS_unshare,
	SYS_chdir,
	SYS_fchdir,
	SYS_prctl,
	SYS_capset,
	SYS_setgroups,
	SYS_setresuid,
	SYS_setresgid,
	SYS_sethostname,
	SYS_seccomp,
	SYS_bpf,
	SYS_keyctl,
	SYS_prlimit64,
	SYS_flock,
	SYS_ppoll,
};

enum { N_CALLS = sizeof calls / sizeof calls[0] };

static struct {
	char name[32];
	long left; /* calls until the one that fails; 0: none */
	long seen;
	int error, hit; /* hit: the call that failed, or -1 */
} armed = {.hit = -1};

static void die(const char *what)
{
	perror(what);
	exit(125);
}

static int install(void)
{
	struct sock_filter f[N_CALLS + 5];
	unsigned n = 0;
	f[n++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0, N_CALLS + 1);
	f[n++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < N_CALLS; i++)
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i],
			(unsigned char)(N_CALLS - i), 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	struct sock_fprog prog = {.len = (unsigned short)n, .filter = f};
	int fd = (int)syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (fd < 0)
		die("seccomp");
	return fd;
}

/* Whoever has the filter cannot send us the listener: that would be asked about. It says the
 * number, by a call that is not, and stays in execve until we have fetched it. */
static void start(int pipe_fd, char **argv)
{
	int fd = install();
	struct iovec iov = {&fd, sizeof fd};
	if (syscall(SYS_pwritev2, pipe_fd, &iov, 1L, -1L, -1L, 0) == (long)sizeof fd)
		execv(argv[0], argv);
	_exit(127);
}

static int fetch_listener(int pipe_fd, pid_t pid)
{
	int number;
	if (read(pipe_fd, &number, sizeof number) != (ssize_t)sizeof number)
		die("the program's start");
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (fd < 0)
		die("pidfd_getfd");
	close(pidfd);
	return fd;
}

/* ---- answering ---- */

static int is_target(unsigned pid)
{
	char path[64], exe[512];
	snprintf(path, sizeof path, "/proc/%u/exe", pid);
	ssize_t n = readlink(path, exe, sizeof exe - 1);
	if (n < 0)
		return 0;
	exe[n] = '\0';
	const char *name = strrchr(exe, '/');
	return strcmp(name ? name + 1 : exe, armed.name) == 0;
}

/* A thread that cannot be made is always EAGAIN: libraries know of nothing else. */
static int makes_thread(const struct seccomp_notif *req)
{
	uint64_t flags = req->data.args[0];
	if (req->data.nr == SYS_clone3) {
		struct iovec here = {&flags, sizeof flags};
		struct iovec there = {(void *)(uintptr_t)req->data.args[0], sizeof flags};
		if (process_vm_readv((pid_t)req->pid, &here, 1, &there, 1, 0) !=
			(ssize_t)sizeof flags)
			return 0;
	} else if (req->data.nr != SYS_clone) {
		return 0;
	}
	return (flags & CLONE_THREAD) != 0;
}

static void answer(int listener)
{
	struct seccomp_notif req;
	memset(&req, 0, sizeof req);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0)
		return;
	struct seccomp_notif_resp resp = {.id = req.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
	if (armed.name[0] && is_target(req.pid)) {
		armed.seen++;
		if (armed.left > 0 && --armed.left == 0) {
			armed.hit = req.data.nr;
			resp.flags = 0;
			resp.error = makes_thread(&req) ? -EAGAIN : -armed.error;
		}
	}
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

static void command(int client)
{
	char line[128], reply[64] = "ok\n";
	ssize_t n = read(client, line, sizeof line - 1);
	if (n <= 0)
		return;
	line[n] = '\0';
	if (sscanf(line, "arm %31s %ld %d", armed.name, &armed.left, &armed.error) == 3) {
		armed.hit = -1;
		armed.seen = 0;
	} else {
		if (armed.hit >= 0)
			snprintf(reply, sizeof reply, "hit %d\n", armed.hit);
		else
			snprintf(reply, sizeof reply, "seen %ld\n", armed.seen);
		armed.left = 0;
		armed.name[0] = '\0';
	}
	(void)!write(client, reply, strlen(reply));
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 8) < 0)
		die(path);
	return fd;
}

int main(int argc, char **argv)
{
	int pair[2];
	if (argc < 3) {
		fprintf(stderr, "inject CONTROL PROGRAM [ARG...]\n");
		return 125;
	}
	int control = listen_at(argv[1]), client = -1;
	if (pipe2(pair, O_CLOEXEC) < 0)
		die("pipe");
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		start(pair[1], argv + 2);
	close(pair[1]);
	int listener = fetch_listener(pair[0], pid);
	for (;;) {
		struct pollfd p[3] = {
			{.fd = listener, .events = POLLIN},
			{.fd = control, .events = POLLIN},
			{.fd = client, .events = POLLIN},
		};
		if (poll(p, 3, -1) < 0)
			continue;
		if (p[0].revents & POLLIN)
			answer(listener);
		else if (p[0].revents)
			break;
		if (p[1].revents) {
			int fd = accept4(control, NULL, NULL, SOCK_CLOEXEC);
			close(client);
			client = fd;
		}
		if (p[2].revents) {
			command(client);
			close(client);
			client = -1;
		}
	}
	unlink(argv[1]);
	return 0;
}

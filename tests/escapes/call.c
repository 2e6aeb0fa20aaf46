/* SPDX-License-Identifier: MIT */
/* System calls that reach past a container's namespaces into the kernel that all share. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child, since what it does cannot be undone. */
static int in_child(int (*fn)(void))
{
	int status;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(fn() >= 0 ? 0 : errno);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		die("fork: %s", strerror(errno));
	errno = WEXITSTATUS(status);
	return errno ? -1 : 0;
}

static int unshare_user(void)
{
	return unshare(CLONE_NEWUSER);
}
static int unshare_mount(void)
{
	return unshare(CLONE_NEWNS);
}
static int try_unshare_user(void)
{
	return in_child(unshare_user);
}
static int try_unshare_mount(void)
{
	return in_child(unshare_mount);
}

static int try_clone_user(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid((pid_t)pid, NULL, 0);
	return (int)pid;
}

static int try_clone3(void)
{
	struct clone_args a = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &a, sizeof a);
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid((pid_t)pid, NULL, 0);
	return (int)pid;
}

static int set_ns(void)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : setns(fd, CLONE_NEWUTS);
}
static int try_setns(void)
{
	return in_child(set_ns);
}

static int try_io_uring(void)
{
	struct io_uring_params p;
	memset(&p, 0, sizeof p);
	int fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	if (fd >= 0)
		close(fd);
	return fd;
}

/* A socket filter of two instructions: "return 0". */
static int try_bpf(void)
{
	struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr a;
	memset(&a, 0, sizeof a);
	a.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	a.insns = (uint64_t)(uintptr_t)code;
	a.insn_cnt = 2;
	a.license = (uint64_t)(uintptr_t) "MIT";
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a);
	if (fd >= 0)
		close(fd);
	return fd;
}

static int try_userfaultfd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd;
}

/* With descriptors that are none: who may load a kernel is told EBADF. */
static int try_kexec(void)
{
	return (int)syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, 0UL);
}

/* Likewise: EBADF. */
static int try_module(void)
{
	return (int)syscall(SYS_finit_module, -1, "", 0);
}

static int try_perf(void)
{
	struct perf_event_attr a;
	memset(&a, 0, sizeof a);
	a.size = sizeof a;
	a.type = PERF_TYPE_SOFTWARE;
	a.config = PERF_COUNT_SW_CPU_CLOCK;
	int fd = (int)syscall(SYS_perf_event_open, &a, -1, 0, -1, 0UL); /* all of CPU 0 */
	if (fd >= 0)
		close(fd);
	return fd;
}

static int try_add_key(void)
{
	return (int)syscall(SYS_add_key, "user", "escape", "x", 1UL, KEY_SPEC_SESSION_KEYRING);
}

static int try_keyctl(void)
{
	return (int)syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}

/* Prints the serial, too: a container has a keyring of its own. */
static int try_session(void)
{
	long r = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1);
	printf("keyring: %ld\n", r);
	return (int)r;
}

static int try_request_key(void)
{
	long r = syscall(SYS_request_key, "user", "dhow-escape-none", NULL, 0);
	return r < 0 && errno == ENOKEY ? 0 : (int)r;
}

static int do_mount(void)
{
	return mount("none", "/tmp", "tmpfs", 0, NULL);
}
static int try_mount(void)
{
	return in_child(do_mount);
}

static int try_fsopen(void)
{
	int fd = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd;
}

static int try_umount(void)
{
	/* Allowed: there is no such mount. */
	return umount2("/nosuch", MNT_DETACH) < 0 && errno == ENOENT ? 0 : -1;
}

static int try_fanotify(void)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);
	if (fd >= 0)
		close(fd);
	return fd;
}

static int try_quotactl(void)
{
	return quotactl(QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL);
}

/* Without a time: it stays as it is. */
static int try_clock(void)
{
	return (int)syscall(SYS_settimeofday, NULL, NULL);
}

static int try_syslog(void)
{
	return klogctl(10, NULL, 0); /* the size of the log */
}

static int try_acct(void)
{
	return (int)syscall(SYS_acct, "/nosuch") < 0 && errno == ENOENT ? 0 : -1;
}

static int try_swapon(void)
{
	return swapon("/nosuch", 0) < 0 && errno == ENOENT ? 0 : -1;
}

/* Magic numbers that are none: EINVAL for who may. */
static int try_reboot(void)
{
	return (int)syscall(SYS_reboot, 0, 0, 0, NULL) < 0 && errno == EINVAL ? 0 : -1;
}

static int try_personality(void)
{
	int old = personality(0xffffffff);
	int r = personality(ADDR_NO_RANDOMIZE);
	if (r >= 0)
		(void)personality((unsigned long)old);
	return r;
}

static int try_iopl(void)
{
#ifdef SYS_iopl
	return (int)syscall(SYS_iopl, 0) < 0 ? -1 : (int)syscall(SYS_ioperm, 0x80UL, 1UL, 1);
#else
	return 0;
#endif
}

static int try_pidfd_getfd(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, 0, 0);
}

static int family(int f, int type, int protocol)
{
	int fd = socket(f, type | SOCK_CLOEXEC, protocol);
	if (fd >= 0)
		close(fd);
	return fd;
}
static int try_vsock(void)
{
	return family(AF_VSOCK, SOCK_STREAM, 0);
}
static int try_alg(void)
{
	return family(AF_ALG, SOCK_SEQPACKET, 0);
}
static int try_raw(void)
{
	return family(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}
static int try_packet(void)
{
	return family(AF_PACKET, SOCK_RAW, 0);
}

static int try_pivot(void)
{
	return (int)syscall(SYS_pivot_root, "/nosuch", "/nosuch") < 0 && errno == ENOENT ? 0 : -1;
}

/* Types ahead on the terminal whose owner looks at our output. */
static int try_tiocsti(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	char c = '\n';
	int r = fd < 0 ? -1 : ioctl(fd, TIOCSTI, &c);
	if (fd >= 0)
		close(fd);
	return r;
}

static const struct {
	const char *name;
	int (*fn)(void);
} calls[] = {
	{"unshare-user", try_unshare_user},
	{"unshare-mount", try_unshare_mount},
	{"clone-user", try_clone_user},
	{"clone3", try_clone3},
	{"setns", try_setns},
	{"io_uring", try_io_uring},
	{"bpf", try_bpf},
	{"userfaultfd", try_userfaultfd},
	{"kexec", try_kexec},
	{"module", try_module},
	{"perf", try_perf},
	{"add_key", try_add_key},
	{"keyctl", try_keyctl},
	{"request_key", try_request_key},
	{"mount", try_mount},
	{"fsopen", try_fsopen},
	{"umount", try_umount},
	{"pivot_root", try_pivot},
	{"fanotify", try_fanotify},
	{"quotactl", try_quotactl},
	{"settimeofday", try_clock},
	{"syslog", try_syslog},
	{"acct", try_acct},
	{"swapon", try_swapon},
	{"reboot", try_reboot},
	{"personality", try_personality},
	{"iopl", try_iopl},
	{"pidfd_getfd", try_pidfd_getfd},
	{"vsock", try_vsock},
	{"alg", try_alg},
	{"raw", try_raw},
	{"packet", try_packet},
	{"tiocsti", try_tiocsti},
	{"session", try_session},
};
enum { N_CALLS = sizeof calls / sizeof *calls };

/* All of them, or those that are named. */
static int run_calls(int argc, char **argv)
{
	for (int i = 0; i < N_CALLS; i++) {
		int wanted = argc == 1 && calls[i].fn != try_tiocsti && calls[i].fn != try_session;
		for (int k = 1; k < argc; k++)
			wanted = wanted || strcmp(argv[k], calls[i].name) == 0;
		if (wanted)
			tell(calls[i].name, calls[i].fn() >= 0);
	}
	return 0;
}

const Attack call_attacks[] = {
	{"calls", run_calls, "[NAME...]"},
	{NULL, NULL, NULL},
};

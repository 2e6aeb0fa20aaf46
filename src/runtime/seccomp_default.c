/* SPDX-License-Identifier: MIT */
/*
 * Docker's default system call filter, as facts: which calls are allowed to everybody, which only
 * with certain arguments, which only to a process with a certain capability. Everything else fails
 * with EPERM; system calls newer than all of these fail with ENOSYS (seccomp.c), so that programs
 * fall back. Conditions on the machine's architecture are settled when this is compiled; those on
 * kernels older than we run on are left out.
 */
#include "runtime/seccomp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char allowed[] =
	"_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget "
	"capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres "
	"clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
	"clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 "
	"epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 "
	"epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat "
	"faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat "
	"fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr "
	"flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync "
	"ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv "
	"futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents "
	"getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 "
	"getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid "
	"getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt "
	"gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch "
	"inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents "
	"io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set "
	"ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown "
	"lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr "
	"lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier "
	"memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall "
	"mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive "
	"mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal "
	"msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at "
	"nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe "
	"pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 "
	"preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev "
	"pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink "
	"readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages "
	"removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe "
	"rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
	"rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo "
	"sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr "
	"sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 "
	"sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield "
	"seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile "
	"sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address "
	"setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 "
	"setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid "
	"setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr "
	"setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 "
	"sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 "
	"statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill "
	"time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 "
	"timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 "
	"timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask "
	"uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork "
	"vmsplice wait4 waitid waitpid write writev";

/* Exceptions, in order: a rule holds when the process has one of `with` (if any are named) and none
 * of `without`. */
typedef struct {
	const char *names; /* separated by blanks */
	const char *with, *without;
	int errnum;     /* 0: allow */
	const char *op; /* NULL: no condition on the arguments */
	guint index;
	guint64 value, value_two;
} Exception;

/* Namespaces other than one's own are made by CLONE_NEW* in clone's flags. */
#define CLONE_NEW_ANY 0x7e020000
#if defined(__s390__) || defined(__s390x__)
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

static const Exception exceptions[] = {
	/* Execution domains that change nothing dangerous: PER_LINUX, UNAME26, PER_LINUX32, query.
	 */
	{"personality", NULL, NULL, 0, "SCMP_CMP_EQ", 0, 0, 0},
	{"personality", NULL, NULL, 0, "SCMP_CMP_EQ", 0, 0x8, 0},
	{"personality", NULL, NULL, 0, "SCMP_CMP_EQ", 0, 0x20000, 0},
	{"personality", NULL, NULL, 0, "SCMP_CMP_EQ", 0, 0x20008, 0},
	{"personality", NULL, NULL, 0, "SCMP_CMP_EQ", 0, 0xffffffff, 0},
#if defined(__x86_64__)
	{"arch_prctl modify_ldt", NULL, NULL, 0, NULL, 0, 0, 0},
#elif defined(__i386__)
	{"modify_ldt", NULL, NULL, 0, NULL, 0, 0, 0},
#elif defined(__aarch64__) || defined(__arm__)
	{"arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
		NULL, NULL, 0, NULL, 0, 0, 0},
#elif defined(__powerpc64__)
	{"sync_file_range2 swapcontext", NULL, NULL, 0, NULL, 0, 0, 0},
#elif defined(__s390__) || defined(__s390x__)
	{"s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr", NULL, NULL, 0, NULL, 0, 0, 0},
#elif defined(__riscv)
	{"riscv_flush_icache", NULL, NULL, 0, NULL, 0, 0, 0},
#endif
	{"open_by_handle_at", "CAP_DAC_READ_SEARCH", NULL, 0, NULL, 0, 0, 0},
	{"bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie "
	 "lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount "
	 "open_tree "
	 "perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount "
	 "umount2 "
	 "unshare",
		"CAP_SYS_ADMIN", NULL, 0, NULL, 0, 0, 0},
	{"clone", NULL, "CAP_SYS_ADMIN", 0, "SCMP_CMP_MASKED_EQ", CLONE_FLAGS_ARG, CLONE_NEW_ANY,
		0},
	/* Its flags lie in memory, where a filter cannot look: as if the kernel did not have it,
	 * the C   library uses clone. */
	{"clone3", NULL, "CAP_SYS_ADMIN", ENOSYS, NULL, 0, 0, 0},
	{"reboot", "CAP_SYS_BOOT", NULL, 0, NULL, 0, 0, 0},
	{"chroot", "CAP_SYS_CHROOT", NULL, 0, NULL, 0, 0, 0},
	{"delete_module init_module finit_module", "CAP_SYS_MODULE", NULL, 0, NULL, 0, 0, 0},
	{"acct", "CAP_SYS_PACCT", NULL, 0, NULL, 0, 0, 0},
	{"kcmp pidfd_getfd process_madvise", "CAP_SYS_PTRACE", NULL, 0, NULL, 0, 0, 0},
	{"iopl ioperm", "CAP_SYS_RAWIO", NULL, 0, NULL, 0, 0, 0},
	{"settimeofday stime clock_settime clock_settime64", "CAP_SYS_TIME", NULL, 0, NULL, 0, 0,
		0},
	{"vhangup", "CAP_SYS_TTY_CONFIG", NULL, 0, NULL, 0, 0, 0},
	{"get_mempolicy mbind set_mempolicy set_mempolicy_home_node", "CAP_SYS_NICE", NULL, 0, NULL,
		0, 0, 0},
	{"syslog", "CAP_SYSLOG", NULL, 0, NULL, 0, 0, 0},
	{"bpf", "CAP_BPF", NULL, 0, NULL, 0, 0, 0},
	{"perf_event_open", "CAP_PERFMON", NULL, 0, NULL, 0, 0, 0},
};

/* Address families a socket may have: all but AF_IUCV (34), AF_CAN's neighbours that only reach
 * into the kernel's own crypto (AF_ALG, 38) or the hypervisor (AF_VSOCK, 40), and what is obsolete.
 * Those below 12 are one rule. */
static const guint8 families[] = {13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32,
	33, 35, 36, 39, 41, 42, 43, 44, 45};

static const char *const architectures[] = {
#if defined(__x86_64__)
	"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
#elif defined(__aarch64__)
	"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
#elif defined(__s390x__)
	"SCMP_ARCH_S390X", "SCMP_ARCH_S390",
#endif
	NULL};

static void rule_free(gpointer rule)
{
	dh_json_free(&oci_seccomp_rule_table, rule);
}

static void arg_free(gpointer arg)
{
	dh_json_free(&oci_seccomp_arg_table, arg);
}

static OciSeccompRule *add_rule(OciSeccomp *s, const char *names, int errnum)
{
	OciSeccompRule *r = dh_json_new(&oci_seccomp_rule_table);
	r->names = g_strsplit(names, " ", -1);
	r->action = g_strdup(errnum ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW");
	r->errno_ret = errnum ? errnum : -1;
	g_ptr_array_add(s->syscalls, r);
	return r;
}

static void add_condition(
	OciSeccompRule *r, guint index, const char *op, guint64 value, guint64 value_two)
{
	OciSeccompArg *a = dh_json_new(&oci_seccomp_arg_table);
	a->index = index;
	a->op = g_strdup(op);
	a->value = (int64_t)value;
	a->value_two = (int64_t)value_two;
	r->args = g_ptr_array_new_with_free_func(arg_free);
	g_ptr_array_add(r->args, a);
}

static gboolean has(char *const *capabilities, const char *name)
{
	for (; capabilities && *capabilities; capabilities++) {
		if (g_ascii_strcasecmp(*capabilities, name) == 0)
			return TRUE;
	}
	return FALSE;
}

OciSeccomp *rt_seccomp_default(char *const *capabilities)
{
	OciSeccomp *s = dh_json_new(&oci_seccomp_table);
	s->default_action = g_strdup("SCMP_ACT_ERRNO");
	s->default_errno_ret = EPERM;
	s->architectures = g_strdupv((char **)architectures);
	s->syscalls = g_ptr_array_new_with_free_func(rule_free);
	add_rule(s, allowed, 0);
	for (guint i = 0; i < G_N_ELEMENTS(exceptions); i++) {
		const Exception *e = &exceptions[i];
		if ((e->with && !has(capabilities, e->with)) ||
			(e->without && has(capabilities, e->without)))
			continue;
		OciSeccompRule *r = add_rule(s, e->names, e->errnum);
		if (e->op)
			add_condition(r, e->index, e->op, e->value, e->value_two);
	}
	add_condition(add_rule(s, "socket", 0), 0, "SCMP_CMP_LT", 12, 0);
	for (guint i = 0; i < G_N_ELEMENTS(families); i++)
		add_condition(add_rule(s, "socket", 0), 0, "SCMP_CMP_EQ", families[i], 0);
	return s;
}

/* SPDX-License-Identifier: MIT */
/*
 * Where a static program begins that seals itself (base/seal.h): before the C library.
 *
 * Theory of operation: dh_seal_self executes the program anew, so everything up to main would be
 * done twice. Most of that is the C library looking at the processor: some fifty cpuid
 * instructions, each of which leaves a virtual machine, a quarter of a millisecond. So the kernel
 * is given this entry point; here it takes seven system calls to get from the file to its read-only
 * copy, whose start then finds nothing to do and goes on to the C library's own.
 *
 * This is a short cut and nothing else. Whatever fails here is left to main, which looks again and
 * has the last word.
 *
 * There is no C library yet: no errno, no stack protector, no string functions.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stddef.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define BARE __attribute__((no_stack_protector))

BARE static long call(long n, long a, long b, long c, long d, long e)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

BARE static int equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Whether this may be a command that enters a container. An option's value of that name costs the
 * detour and no more. */
BARE static int enters(char *const *argv)
{
	for (; *argv; argv++) {
		if (equal(*argv, "run") || equal(*argv, "create") || equal(*argv, "exec"))
			return 1;
	}
	return 0;
}

BARE static int read_only(long fd)
{
	struct statfs st;
	st.f_flags = 0;
	return call(SYS_fstatfs, fd, (long)&st, 0, 0, 0) == 0 && (st.f_flags & ST_RDONLY);
}

/* A copy of the program's mount that is read-only, or < 0. */
BARE static long copy_of(long exe)
{
	struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY};
	long copy = call(SYS_open_tree, exe, (long)"",
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH, 0, 0);
	if (copy < 0)
		return copy;
	long r = call(SYS_mount_setattr, copy, (long)"", AT_EMPTY_PATH, (long)&a, sizeof a);
	if (r == 0 && read_only(copy))
		return copy;
	(void)call(SYS_close, copy, 0, 0, 0, 0);
	return -1;
}

/* sp: what the kernel has put there: the number of arguments, these, NULL, the environment. */
BARE __attribute__((used)) static void seal(long *sp)
{
	char **argv = (char **)(sp + 1), **env = argv + sp[0] + 1;
	if (!enters(argv))
		return;
	long exe = call(SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_RDONLY | O_CLOEXEC, 0, 0);
	if (exe < 0)
		return;
	/* What has seals is the other kind of copy. */
	int done = read_only(exe) || call(SYS_fcntl, exe, F_GET_SEALS, 0, 0, 0) >= 0;
	long copy = done ? -1 : copy_of(exe);
	if (copy >= 0) {
		(void)call(SYS_execveat, copy, (long)"", (long)argv, (long)env, AT_EMPTY_PATH);
		(void)call(SYS_close, copy, 0, 0, 0, 0);
	}
	(void)call(SYS_close, exe, 0, 0, 0, 0);
}

/* The C library's start wants the stack as the kernel left it, and nothing in rdx. */
__asm__(".text\n"
	".globl dh_seal_start\n"
	".type dh_seal_start, @function\n"
	"dh_seal_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rbx\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call seal\n"
	"	mov %rbx, %rsp\n"
	"	xor %edx, %edx\n"
	"	jmp _start\n"
	".size dh_seal_start, . - dh_seal_start\n");

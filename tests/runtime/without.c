/* SPDX-License-Identifier: MIT */
/*
 * without - runs a program as if the kernel did not have some system calls: they fail with ENOSYS,
 * for it and for all its children, as below an older kernel or an outer container's filter.
 *
 * usage: without CALL... -- PROGRAM [ARG...]
 */
#include <err.h>
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int i = 1;
	if (!ctx)
		errx(2, "seccomp_init");
	/* A set no_new_privs would be seen in the containers. */
	if (geteuid() == 0)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		int call = seccomp_syscall_resolve_name(argv[i]);
		if (call == __NR_SCMP_ERROR)
			errx(2, "unknown system call %s", argv[i]);
		int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), call, 0);
		if (r < 0)
			errx(2, "%s: %s", argv[i], strerror(-r));
	}
	if (i == 1 || i + 1 >= argc)
		errx(2, "usage: without CALL... -- PROGRAM [ARG...]");
	int r = seccomp_load(ctx);
	if (r < 0)
		errx(2, "seccomp_load: %s", strerror(-r));
	seccomp_release(ctx);
	execvp(argv[i + 1], argv + i + 1);
	err(127, "%s", argv[i + 1]);
}

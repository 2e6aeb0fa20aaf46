/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation (CVE-2019-5736): a process that has entered a container and calls execve is
 * asked by the container to execute "/proc/self/exe", or a script whose interpreter that is: it
 * executes our own program, now as a process that the container may look into. Whoever opens its
 * /proc/PID/exe has our file in hand, on our own mount, and needs only wait until nobody executes
 * it to write into it what the host's root will run next.
 *
 * So the program runs from a copy of its mount that is read-only and attached nowhere: an open for
 * writing fails there, and nobody who is not in our mount namespace can change that. Where mounts
 * may not be copied, it runs from a sealed file in memory.
 */
#include "base/seal.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static gboolean is_sealed(int fd)
{
	struct statvfs st;
	int seals = fcntl(fd, F_GET_SEALS);
	return (seals >= 0 && (seals & SEALS) == SEALS) ||
	       (fstatvfs(fd, &st) == 0 && (st.f_flag & ST_RDONLY));
}

static int read_only_mount(int exe)
{
	struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY};
	dh_autofd int copy =
		open_tree(exe, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (copy < 0 || mount_setattr(copy, "", AT_EMPTY_PATH, &a, sizeof a) < 0)
		return -1;
	return dh_steal_fd(&copy);
}

static int sealed_memory(int exe)
{
	struct stat st;
	dh_autofd int copy = memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL) /* before Linux 6.3 */
		copy = memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0 || fstat(exe, &st) < 0)
		return -1;
	for (off_t at = 0; at < st.st_size;) {
		ssize_t n = sendfile(copy, exe, &at, (size_t)(st.st_size - at));
		if (n <= 0)
			return -1;
	}
	if (fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return -1;
	return dh_steal_fd(&copy);
}

gboolean dh_seal_self(char *const *argv, GError **error)
{
	dh_autofd int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (exe < 0)
		return dh_error_errno(error, errno, "open /proc/self/exe");
	if (is_sealed(exe)) {
		/* The kernel has named the process after a descriptor. */
		const char *slash = argv[0] ? strrchr(argv[0], '/') : NULL;
		(void)prctl(PR_SET_NAME, slash ? slash + 1 : argv[0] ? argv[0] : "");
		return TRUE;
	}
	dh_autofd int copy = read_only_mount(exe);
	if (copy < 0)
		copy = sealed_memory(exe);
	/* Looked at again, so that we cannot execute ourselves for ever. */
	if (copy >= 0 && is_sealed(copy))
		execveat(copy, "", argv, environ, AT_EMPTY_PATH);
	return dh_error_errno(error, errno, "protect our own program from containers");
}

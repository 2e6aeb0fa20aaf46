/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: the kernel copies a mount only for who is in its mount namespace, so a child
 * goes there for that one call. It shares our table of descriptors and puts the copy where we have
 * kept a place for it. What lies in that namespace is another container's to arrange: no symlink is
 * followed, and nothing but a directory is taken. The copy is attached to no namespace until the
 * new container takes it, and lives as long as either has it.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fetch(int ns, const char *path, int place)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	if (setns(ns, CLONE_NEWNS) < 0)
		return errno;
	/* Descriptors are the parent's, too: each is closed again. */
	dh_autofd int at = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
	dh_autofd int copy =
		at < 0 ? -1
		       : open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (copy < 0 || dup3(copy, place, O_CLOEXEC) < 0)
		return errno;
	return 0;
}

int rt_mount_foreign(const char *ns, const char *path, GError **error)
{
	dh_autofd int there = open(ns, O_RDONLY | O_CLOEXEC);
	dh_autofd int place = open("/", O_PATH | O_CLOEXEC);
	if (there < 0 || place < 0) {
		rt_error_errno(error, errno, "open namespace %s", ns);
		return -1;
	}
	RtClone c = {.flags = CLONE_FILES, .pidns_fd = -1, .cgroup_fd = -1};
	dh_autofd int pidfd = -1;
	const char *where;
	pid_t pid = rt_clone(&c, &pidfd, &where);
	if (pid == 0) {
		rt_child_begin(FALSE);
		_exit(fetch(there, path, place));
	}
	if (pid < 0) {
		rt_error_errno(error, errno, "%s", where);
		return -1;
	}
	int errnum = dh_reap(pidfd);
	if (errnum == 0)
		return dh_steal_fd(&place);
	rt_error_errno(error, errnum < 128 ? errnum : EIO, "share %s of another container", path);
	return -1;
}

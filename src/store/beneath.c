/* SPDX-License-Identifier: MIT */
#include "store/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int open_beneath(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (guint64)(flags | O_CLOEXEC),
		.mode = (flags & O_CREAT) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	for (;;) {
		long r = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
		if (r >= 0 || (errno != EINTR && errno != EAGAIN))
			return (int)r;
	}
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

gboolean rt_console_open(
	int root, int proc, const OciBox *size, int *ret_master, int *ret_slave, GError **error)
{
	/* Looked at before it is opened: inside a running container anything may stand at that
	 * name. */
	dh_autofd int node = dh_open_in_root(root, "/dev/pts/ptmx", O_PATH, 0);
	struct stat st;
	struct statfs fs;
	if (node < 0 || fstat(node, &st) < 0 || fstatfs(node, &fs) < 0)
		return rt_error_errno(error, errno, "open /dev/pts/ptmx");
	if (fs.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return dh_error(error, DH_ERROR_SYSTEM, "/dev/pts is not a devpts file system");
	dh_autofd int master = rt_reopen(proc, node, O_RDWR | O_NOCTTY);
	int unlock = 0;
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return rt_error_errno(error, errno, "open terminal");
	dh_autofd int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return rt_error_errno(error, errno, "open terminal");
	if (size && size->height > 0 && size->width > 0) {
		struct winsize w = {.ws_row = (unsigned short)size->height,
			.ws_col = (unsigned short)size->width};
		if (ioctl(master, TIOCSWINSZ, &w) < 0)
			return rt_error_errno(error, errno, "set terminal size");
	}
	*ret_master = dh_steal_fd(&master);
	*ret_slave = dh_steal_fd(&slave);
	return TRUE;
}

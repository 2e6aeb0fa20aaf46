/* SPDX-License-Identifier: MIT */
/*
 * image_tree.c - theory of operation: the layers are merged by an overlay that is mounted nowhere:
 * a descriptor of a detached mount is all we need to look at it. Kernels before 6.8, which take all
 * layers in one string, get it from mount(2), by a thread that has left for a mount namespace of
 * its own, and keep a detached copy of that.
 *
 * It must be the descriptor that fsmount(2) or open_tree(2) made: when that one is closed, or when
 * the namespace ends, the mount belongs nowhere, and letting go of such a mount counts as a change
 * of the mount table, so that openat2(2) sees its own walk (through a link to "/..") race with it
 * and answers EAGAIN for ever.
 */
#include "container/mounts.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int set(int fs, const char *key, const char *path)
{
	/* The kernel takes at most 255 bytes; longer paths are named by descriptor. */
	char name[40];
	dh_autofd int fd = -1;
	if (strlen(path) > 255) {
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -1;
		g_snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		path = name;
	}
	return fsconfig(fs, FSCONFIG_SET_STRING, key, path, 0);
}

static int open_detached(char *const *lower)
{
	dh_autofd int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -1;
	for (; *lower; lower++) {
		if (set(fs, "lowerdir+", *lower) < 0)
			return -1;
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(fs, FSMOUNT_CLOEXEC,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

typedef struct {
	char *const *lower;
	const char *mountpoint;
	int fd, errnum;
} Private;

/* From within /proc/self/fd the names are so short that 100 layers fit the page mount(2) takes. */
static int mount_private(const Private *p)
{
	g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
	g_autoptr(GString) data = g_string_new("lowerdir=");
	int r = unshare(CLONE_FS | CLONE_NEWNS);
	for (char *const *l = p->lower; r == 0 && *l; l++) {
		int fd = open(*l, O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -1 : 0;
		if (fd < 0)
			break;
		g_array_append_val(fds, fd);
		g_string_append_printf(data, "%s%d", l == p->lower ? "" : ":", fd);
	}
	if (r == 0)
		r = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r == 0)
		r = chdir("/proc/self/fd");
	if (r == 0)
		r = mount("overlay", p->mountpoint, "overlay",
			MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC, data->str);
	int fd = r == 0 ? open_tree(AT_FDCWD, p->mountpoint, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
			: -1;
	int saved = errno;
	for (guint i = 0; i < fds->len; i++)
		close(g_array_index(fds, int, i));
	errno = saved;
	return fd;
}

static void *private_thread(void *arg)
{
	Private *p = arg;
	p->fd = mount_private(p);
	p->errnum = errno;
	return NULL;
}

int image_tree_open(char *const *lower, const char *mountpoint, GError **error)
{
	if (!lower || !*lower) {
		dh_error(error, DH_ERROR_SYSTEM, "the image has no layers");
		return -1;
	}
	if (!lower[1]) {
		int fd = open(*lower, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			dh_error_errno(error, errno, "open %s", *lower);
		return fd;
	}
	int fd = open_detached(lower);
	if (fd >= 0)
		return fd;
	Private p = {.lower = lower, .mountpoint = mountpoint, .fd = -1};
	g_thread_join(g_thread_new("image-tree", private_thread, &p));
	if (p.fd < 0)
		dh_error_errno(error, p.errnum, "mount the image's layers");
	return p.fd;
}

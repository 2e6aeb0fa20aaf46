/* SPDX-License-Identifier: MIT */
/*
 * The root file system as layers.
 *
 * Theory of operation of the mapped one: the layers on the disk hold the IDs that are seen in the
 * container (0, 1, ...), whatever user namespace it runs in. So they are shared by all containers
 * of an image, and what one of them writes can be committed, copied and exported as it is. Each
 * layer is mounted once more with its IDs mapped to those of the container's user namespace, and
 * the overlay is put together from these mounts. The overlay itself is the host's: it acts with the
 * rights of who mounted it, so the directories of the engine need not be open to anybody. It takes
 * only layers that are attached in the mount namespace of who mounts it, so they stand in a tmpfs
 * for the moment, in the mount namespace of a process that does nothing else.
 */
#include "base/error.h"
#include "base/fd.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int option(int fs, const char *key, const char *path)
{
	/* The kernel takes at most 255 bytes; longer paths are named by descriptor. */
	char buf[40];
	dh_autofd int fd = -1;
	if (strlen(path) > 255) {
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -1;
		snprintf(buf, sizeof buf, "/proc/self/fd/%d", fd);
		path = buf;
	}
	return fsconfig(fs, FSCONFIG_SET_STRING, key, path, 0);
}

static int overlay_options(int fs, const char *options)
{
	g_auto(GStrv) words = g_strsplit(options ? options : "", ",", -1);
	for (char **w = words; *w; w++) {
		char *value = strchr(*w, '=');
		if (value)
			*value++ = '\0';
		if (**w && fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, *w, value,
				   0) < 0)
			return -1;
	}
	return 0;
}

/* Linux 6.8 and later: one "lowerdir+" for each layer. */
static int overlay_new(const RtRootfs *l, GError **error)
{
	dh_autofd int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	int r = fs < 0 ? -1 : fsconfig(fs, FSCONFIG_SET_STRING, "source", "overlay", 0);
	for (char **lower = l->lower; r == 0 && *lower; lower++)
		r = option(fs, "lowerdir+", *lower);
	if (r == 0 && l->upper)
		r = option(fs, "upperdir", l->upper);
	if (r == 0 && l->upper)
		r = option(fs, "workdir", l->work);
	if (r == 0)
		r = overlay_options(fs, l->mount_options);
	if (r == 0)
		r = fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	int mount = r == 0 ? fsmount(fs, FSMOUNT_CLOEXEC, 0) : -1;
	if (mount < 0) {
		int saved = errno;
		rt_fs_error(error, fs, saved, "mount overlay");
		errno = saved;
	}
	return mount;
}

static int open_layer(GArray *fds, const char *path, GError **error)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		rt_error_errno(error, errno, "mount overlay: open %s", path);
	else
		g_array_append_val(fds, fd);
	return fd;
}

/* Older kernels take all layers in one string of at most a page. Descriptors have the shortest
 * names there are: from within /proc/self/fd, 100 layers are 300 bytes. */
static int overlay_old(const RtRootfs *l, GError **error)
{
	g_autoptr(GString) data = g_string_new("lowerdir=");
	g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
	g_array_set_clear_func(fds, dh_close_element);
	for (char **lower = l->lower; *lower; lower++) {
		int fd = open_layer(fds, *lower, error);
		if (fd < 0)
			return -1;
		g_string_append_printf(data, "%s%d", lower == l->lower ? "" : ":", fd);
	}
	if (l->upper) {
		int upper = open_layer(fds, l->upper, error);
		int work = upper < 0 ? -1 : open_layer(fds, l->work, error);
		if (work < 0)
			return -1;
		g_string_append_printf(data, ",upperdir=%d,workdir=%d", upper, work);
	}
	if (l->mount_options && *l->mount_options)
		g_string_append_printf(data, ",%s", l->mount_options);
	gboolean ok = chdir("/proc/self/fd") == 0 &&
		      mount("overlay", l->mountpoint, "overlay", 0, data->str) == 0;
	if (!ok)
		rt_error_errno(error, errno, "mount overlay");
	if (chdir("/") < 0 || !ok)
		return -1;
	int fd = open(l->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		rt_error_errno(error, errno, "open %s", l->mountpoint);
	return fd;
}

int rt_attach_at(int mount, const char *path, GError **error)
{
	if (mount >= 0 && move_mount(mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		rt_error_errno(error, errno, "attach root at %s", path);
		close(mount);
		return -1;
	}
	return mount;
}

static gboolean complete(const RtRootfs *l, GError **error)
{
	return (l->lower && *l->lower && l->mountpoint && (!l->upper || l->work)) ||
	       dh_error(error, DH_ERROR_INVALID, "incomplete description of the root file system");
}

/* Detached, or with *ret_attached at its mountpoint already. */
static int mount_overlay(const RtRootfs *l, gboolean *ret_attached, GError **error)
{
	g_autoptr(GError) e = NULL;
	*ret_attached = FALSE;
	int mount = overlay_new(l, &e);
	if (mount < 0 && (errno == EINVAL || errno == ENOSYS)) {
		mount = overlay_old(l, NULL);
		*ret_attached = mount >= 0;
	}
	if (mount < 0)
		g_propagate_error(error, g_steal_pointer(&e));
	return mount;
}

int rt_layers_mount(const RtRootfs *l, GError **error)
{
	if (!complete(l, error))
		return -1;
	/* A single read-only layer is no overlay for the kernel. */
	if (!l->upper && !l->lower[1]) {
		RtMountOptions ro = {.set = MOUNT_ATTR_RDONLY};
		int mount = rt_mount_clone(AT_FDCWD, l->lower[0], &ro, error);
		if (mount >= 0 && !rt_mount_set(mount, &ro, error)) {
			close(mount);
			return -1;
		}
		return rt_attach_at(mount, l->mountpoint, error);
	}
	gboolean attached;
	int mount = mount_overlay(l, &attached, error);
	return mount < 0 || attached ? mount : rt_attach_at(mount, l->mountpoint, error);
}

/* ---- mapped ---- */

/* Where the mapped layers stand. */
typedef struct {
	const char *path;
	int tmpfs, userns;
	guint n;
} Stand;

/* A directory of the host there, mapped; its path, or NULL. */
static char *stand_add(Stand *s, const char *source, GError **error)
{
	RtMountOptions plain = {0};
	char name[16];
	snprintf(name, sizeof name, "%u", s->n++);
	dh_autofd int mount = rt_mount_clone(AT_FDCWD, source, &plain, error);
	if (mount < 0)
		return NULL;
	if (s->userns >= 0 && rt_mount_idmap(mount, s->userns, FALSE) < 0) {
		rt_error_errno(error, errno,
			"map the IDs of %s for a user namespace (it takes Linux 5.19 and a file "
			"system that can)",
			source);
		return NULL;
	}
	dh_autofd int dir = mkdirat(s->tmpfs, name, 0700) < 0
				    ? -1
				    : openat(s->tmpfs, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		rt_error_errno(error, errno, "mkdir %s", name);
		return NULL;
	}
	return rt_mount_attach(mount, dir, error) ? g_build_filename(s->path, name, NULL) : NULL;
}

/* Upper and work must be of one mount: that of the directory both lie in. */
static gboolean stand_add_upper(Stand *s, const RtRootfs *l, RtRootfs *ret, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(l->upper), *other = g_path_get_dirname(l->work);
	if (strcmp(dir, other) != 0)
		return dh_error(error, DH_ERROR_INVALID, "upper and work lie apart");
	g_autofree char *at = stand_add(s, dir, error);
	g_autofree char *upper = g_path_get_basename(l->upper),
			*work = g_path_get_basename(l->work);
	ret->upper = at ? g_build_filename(at, upper, NULL) : NULL;
	ret->work = at ? g_build_filename(at, work, NULL) : NULL;
	return at != NULL;
}

static int mount_standing(Stand *s, const RtRootfs *l, GError **error)
{
	g_autoptr(GPtrArray) lower = g_ptr_array_new_with_free_func(g_free);
	for (char **d = l->lower; *d; d++) {
		char *path = stand_add(s, *d, error);
		if (!path)
			return -1;
		g_ptr_array_add(lower, path);
	}
	g_ptr_array_add(lower, NULL);
	g_autofree char *at = g_build_filename(s->path, "root", NULL);
	if (mkdirat(s->tmpfs, "root", 0700) < 0) {
		rt_error_errno(error, errno, "mkdir %s", at);
		return -1;
	}
	RtRootfs mapped = {.lower = (char **)lower->pdata,
		.mountpoint = at,
		.mount_options = l->mount_options};
	gboolean attached = FALSE;
	int mount = -1;
	if (!l->upper || stand_add_upper(s, l, &mapped, error))
		mount = mount_overlay(&mapped, &attached, error);
	g_free(mapped.upper);
	g_free(mapped.work);
	if (attached) {
		RtMountOptions plain = {0};
		dh_autofd int there = mount;
		mount = rt_mount_clone(there, "", &plain, error);
	}
	return mount;
}

int rt_layers_mount_mapped(const RtRootfs *l, int userns, GError **error)
{
	if (!complete(l, error))
		return -1;
	if (!l->upper) {
		dh_error(error, DH_ERROR_INVALID, "a mapped root needs a layer of its own");
		return -1;
	}
	Stand s = {.path = l->mountpoint, .userns = userns};
	RtMountOptions plain = {0};
	s.tmpfs = rt_attach_at(rt_mount_new("tmpfs", "tmpfs", &plain, error), l->mountpoint, error);
	if (s.tmpfs < 0)
		return -1;
	int mount = mount_standing(&s, l, error);
	close(s.tmpfs);
	/* The overlay has copies of these mounts for itself. */
	(void)umount2(l->mountpoint, MNT_DETACH);
	return mount;
}

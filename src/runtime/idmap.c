/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a process in a user namespace of its own may neither idmap a file system of
 * the host nor walk to a directory that only the host's root may enter. Both are the parent's: it
 * copies the source as a detached mount, gives it its attributes and mappings, and the child, which
 * inherits the descriptor, only attaches it. Mappings are told to the kernel as a user namespace
 * that has them; one is made for a moment in a child that does nothing else.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static gboolean write_map(int dirfd, const char *file, const GPtrArray *maps, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; maps && i < maps->len; i++) {
		const OciIdMap *m = maps->pdata[i];
		g_string_append_printf(text,
			"%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n",
			m->container_id, m->host_id, m->size);
	}
	return dh_write_kernel_file(dirfd, file, text->str) == 0 ||
	       rt_error_errno(error, errno, "write %s", file);
}

gboolean rt_write_mappings(pid_t pid, const GPtrArray *uids, const GPtrArray *gids, GError **error)
{
	char path[32];
	snprintf(path, sizeof path, "/proc/%d", pid);
	dh_autofd int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return rt_error_errno(error, errno, "open %s", path);
	/* An ordinary user may map only itself, and only after giving up setgroups. */
	if (geteuid() != 0)
		(void)dh_write_kernel_file(dir, "setgroups", "deny");
	return write_map(dir, "gid_map", gids, error) && write_map(dir, "uid_map", uids, error);
}

int rt_userns_new(const GPtrArray *uids, const GPtrArray *gids, GError **error)
{
	int pair[2];
	if (pipe2(pair, O_CLOEXEC) < 0) {
		rt_error_errno(error, errno, "pipe");
		return -1;
	}
	dh_autofd int reader = pair[0];
	dh_autofd int writer = pair[1];
	RtClone c = {.flags = CLONE_NEWUSER, .pidns_fd = -1, .cgroup_fd = -1};
	dh_autofd int pidfd = -1;
	const char *where;
	pid_t pid = rt_clone(&c, &pidfd, &where);
	if (pid == 0) {
		char end;
		close(writer); /* ours; the parent's end tells when it is done */
		_exit(read(reader, &end, 1) < 0);
	}
	if (pid < 0) {
		rt_error_errno(error, errno, "create user namespace");
		return -1;
	}
	char path[40];
	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	int fd = -1;
	if (rt_write_mappings(pid, uids, gids, error)) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			rt_error_errno(error, errno, "open %s", path);
	}
	rt_abandon(pidfd);
	return fd;
}

static gboolean mapped(const OciMount *m)
{
	return (m->uid_mappings && m->uid_mappings->len) ||
	       (m->gid_mappings && m->gid_mappings->len);
}

static gboolean apply_idmap(int mount, const OciSpec *spec, const OciMount *m,
	const RtMountOptions *o, int userns, GError **error)
{
	dh_autofd int made = -1;
	if (mapped(m))
		userns = made = rt_userns_new(m->uid_mappings, m->gid_mappings, error);
	else if (userns < 0)
		userns = made = rt_userns_new(
			spec->linux_->uid_mappings, spec->linux_->gid_mappings, error);
	if (userns < 0)
		return FALSE;
	struct mount_attr a = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (guint64)userns};
	unsigned flags = AT_EMPTY_PATH | (o->idmap_rec ? AT_RECURSIVE : 0);
	return mount_setattr(mount, "", flags, &a, sizeof a) == 0 ||
	       rt_error_errno(error, errno, "map the ids of %s", m->source);
}

static gboolean prepare(const OciSpec *spec, const OciMount *m, const RtMountOptions *o, int userns,
	int *ret, GError **error)
{
	dh_autofd int mount = m->dhow_mount_ns
				      ? rt_mount_foreign(m->dhow_mount_ns, m->source, error)
				      : rt_mount_clone(AT_FDCWD, m->source, o, error);
	if (mount < 0 || !rt_mount_set(mount, o, error))
		return FALSE;
	if ((o->idmap || mapped(m)) && !apply_idmap(mount, spec, m, o, userns, error))
		return FALSE;
	*ret = dh_steal_fd(&mount);
	return TRUE;
}

static void close_one(void *fd)
{
	dh_close(fd);
}

GArray *rt_mounts_prepare(const OciSpec *spec, gboolean user_ns, int userns, GError **error)
{
	g_autoptr(GArray) list = NULL;
	for (guint i = 0; spec->mounts && i < spec->mounts->len; i++) {
		const OciMount *m = spec->mounts->pdata[i];
		g_auto(RtMountOptions) o = {0};
		rt_mount_options_parse(m->options, &o);
		gboolean is_bind = rt_mount_is_bind(m, &o), idmap = o.idmap || mapped(m);
		if (idmap && !is_bind) {
			dh_error(error, DH_ERROR_INVALID,
				"mount %s: id mappings are for bind mounts only", m->destination);
			return NULL;
		}
		if (!is_bind || !m->source || !(idmap || user_ns || m->dhow_mount_ns))
			continue;
		if (!list) {
			int none = -1;
			list = g_array_sized_new(FALSE, FALSE, sizeof none, spec->mounts->len);
			for (guint k = 0; k < spec->mounts->len; k++)
				g_array_append_val(list, none);
			g_array_set_clear_func(list, close_one);
		}
		if (!prepare(spec, m, &o, userns, &g_array_index(list, int, i), error)) {
			g_prefix_error(error,
				"error mounting \"%s\" to rootfs at \"%s\": ", m->source,
				m->destination);
			return NULL;
		}
	}
	return g_steal_pointer(&list);
}

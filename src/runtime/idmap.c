/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a process in a user namespace of its own may neither idmap a file system of
 * the host nor walk to a directory that only the host's root may enter. Both are the parent's: it
 * copies the source as a detached mount, gives it its attributes and mappings, and the child, which
 * inherits the descriptor, only attaches it. Mappings are told to the kernel as a user namespace
 * that has them; one is made for a moment in a child that does nothing else. A container's own is
 * made in the same way, by the daemon: its network namespace, which is furnished before there is
 * any process of it, must belong to it.
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
#include <sys/socket.h>
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

gboolean rt_maps_identity(const GPtrArray *maps)
{
	for (guint i = 0; maps && i < maps->len; i++) {
		const OciIdMap *m = maps->pdata[i];
		if (m->container_id != m->host_id)
			return FALSE;
	}
	return TRUE;
}

gint64 rt_map_up(const GPtrArray *maps, gint64 id)
{
	for (guint i = 0; maps && i < maps->len; i++) {
		const OciIdMap *m = maps->pdata[i];
		if (id >= m->container_id && id - m->container_id < m->size)
			return m->host_id + (id - m->container_id);
	}
	return -1;
}

static int open_ns(pid_t pid, const char *kind, GError **error)
{
	char path[40];
	snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kind);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		rt_error_errno(error, errno, "open %s", path);
	return fd;
}

/* A process that holds namespaces for as long as it is looked at. */
typedef struct {
	pid_t pid;
	int pidfd;
	int end; /* of the pipe that it waits at */
} Holder;

static void holder_clear(Holder *h)
{
	if (h->pidfd >= 0)
		rt_abandon(h->pidfd);
	dh_close(&h->pidfd);
	dh_close(&h->end);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Holder, holder_clear)

/* In the child, which may be one of a process with threads: system calls only. */
static G_NORETURN void hold(int sock, int userns)
{
	char byte = 0;
	if (userns >= 0 && (setns(userns, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNET) < 0))
		byte = (char)errno;
	if (write(sock, &byte, 1) == 1)
		(void)!read(sock, &byte, 1);
	_exit(0);
}

/* flags: namespaces it is born in; userns (or -1): the one it goes to, to make a network. */
static gboolean holder_start(Holder *h, guint64 flags, int userns, GError **error)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return rt_error_errno(error, errno, "socketpair");
	h->end = pair[0];
	dh_autofd int sock = pair[1];
	RtClone c = {.flags = flags, .pidns_fd = -1, .cgroup_fd = -1};
	const char *where;
	h->pid = rt_clone(&c, &h->pidfd, &where);
	if (h->pid == 0) {
		close(h->end); /* ours; the parent's end tells when it is done */
		hold(sock, userns);
	}
	if (h->pid < 0)
		return rt_error_errno(error, errno, "create namespaces");
	dh_close(&sock);
	char failed;
	if (dh_read_full(h->end, &failed, 1) != 1)
		return dh_error(error, DH_ERROR_SYSTEM, "create namespaces: the process is gone");
	return !failed || rt_error_errno(error, failed, "create network namespace");
}

gboolean rt_userns_new(const GPtrArray *uids, const GPtrArray *gids, int *ret_userns,
	int *ret_netns, GError **error)
{
	g_auto(Holder) h = {.pidfd = -1, .end = -1};
	dh_autofd int userns = -1;
	if (!holder_start(&h, CLONE_NEWUSER | (ret_netns ? CLONE_NEWNET : 0), -1, error) ||
		!rt_write_mappings(h.pid, uids, gids, error) ||
		(userns = open_ns(h.pid, "user", error)) < 0)
		return FALSE;
	int netns = ret_netns ? open_ns(h.pid, "net", error) : -1;
	if (ret_netns && netns < 0)
		return FALSE;
	if (ret_netns)
		*ret_netns = netns;
	*ret_userns = dh_steal_fd(&userns);
	return TRUE;
}

gboolean rt_netns_new(int userns, int *ret_netns, GError **error)
{
	g_auto(Holder) h = {.pidfd = -1, .end = -1};
	if (!holder_start(&h, 0, userns, error))
		return FALSE;
	*ret_netns = open_ns(h.pid, "net", error);
	return *ret_netns >= 0;
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
	const GPtrArray *uids = m->uid_mappings, *gids = m->gid_mappings;
	if (!mapped(m)) {
		uids = spec->linux_->uid_mappings;
		gids = spec->linux_->gid_mappings;
	}
	if (mapped(m) || userns < 0) {
		if (!rt_userns_new(uids, gids, &made, NULL, error))
			return FALSE;
		userns = made;
	}
	if (rt_mount_idmap(mount, userns, o->idmap_rec) == 0)
		return TRUE;
	return rt_error_errno(error, errno, "map the ids of %s", m->source);
}

/* With all that is mounted below it, or else itself, or else not at all: not every file system
 * can, and then its files are nobody's, as they are in every engine that does not map. */
static void map_if_possible(int mount, const OciSpec *spec, int userns)
{
	if (rt_maps_identity(spec->linux_->uid_mappings) &&
		rt_maps_identity(spec->linux_->gid_mappings))
		return;
	if (rt_mount_idmap(mount, userns, TRUE) < 0)
		(void)rt_mount_idmap(mount, userns, FALSE);
}

/* File systems that a user namespace may mount itself; all others are the host's to mount. */
static gboolean mounted_inside(const char *type)
{
	static const char *const types[] = {"proc", "sysfs", "tmpfs", "ramfs", "devpts", "mqueue",
		"cgroup", "cgroup2", "overlay", "fuse", "fuseblk", "binder", "bpf", NULL};
	return geteuid() != 0 || g_strv_contains(types, type);
}

static gboolean prepare(const OciSpec *spec, const OciMount *m, const RtMountOptions *o,
	gboolean is_bind, int userns, int *ret, GError **error)
{
	g_autoptr(GError) e = NULL;
	dh_autofd int mount = m->dhow_mount_ns ? rt_mount_foreign(m->dhow_mount_ns, m->source, &e)
			      : is_bind        ? rt_mount_clone(AT_FDCWD, m->source, o, &e)
					       : rt_mount_new(m->type, m->source, o, &e);
	/* We are an ordinary user: then the child has more rights, in its namespaces. */
	if (mount < 0 && errno == EPERM && !m->dhow_mount_ns && !o->idmap && !mapped(m))
		return TRUE;
	if (mount < 0)
		g_propagate_error(error, g_steal_pointer(&e));
	if (mount < 0 || (is_bind && !rt_mount_set(mount, o, error)))
		return FALSE;
	if ((o->idmap || mapped(m)) && !apply_idmap(mount, spec, m, o, userns, error))
		return FALSE;
	if (m->dhow_idmap && userns >= 0)
		map_if_possible(mount, spec, userns);
	*ret = dh_steal_fd(&mount);
	return TRUE;
}

gboolean rt_in_user_ns(void)
{
	unsigned first, host, size;
	g_autofree char *map = dh_read_file(AT_FDCWD, "/proc/self/uid_map", 4096, NULL, NULL);
	return map && sscanf(map, "%u %u %u", &first, &host, &size) == 3 && size != G_MAXUINT32;
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
		gboolean ours = is_bind ? m->source && (idmap || user_ns || m->dhow_mount_ns)
					: user_ns && !mounted_inside(m->type);
		if (!ours)
			continue;
		if (!list) {
			int none = -1;
			list = g_array_sized_new(FALSE, FALSE, sizeof none, spec->mounts->len);
			for (guint k = 0; k < spec->mounts->len; k++)
				g_array_append_val(list, none);
			g_array_set_clear_func(list, dh_close_element);
		}
		if (!prepare(spec, m, &o, is_bind, userns, &g_array_index(list, int, i), error)) {
			g_prefix_error(error,
				"error mounting \"%s\" to rootfs at \"%s\": ", m->source,
				m->destination);
			return NULL;
		}
	}
	return g_steal_pointer(&list);
}

/* SPDX-License-Identifier: MIT */
/* The mounts an OCI configuration lists, in its order. */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

int rt_root_ensure(int root, const char *path, gboolean directory, gboolean *ret_existed)
{
	int fd = dh_open_in_root(root, path, O_PATH, 0);
	if (ret_existed)
		*ret_existed = fd >= 0;
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (directory)
		return dh_mkdir_in_root(root, path, 0755);
	g_autofree char *copy = g_strdup(path);
	char *slash = strrchr(copy, '/');
	const char *name = slash ? slash + 1 : copy;
	if (slash) {
		*slash = '\0';
		dh_autofd int dir = dh_mkdir_in_root(root, copy, 0755);
		if (dir < 0)
			return -1;
	}
	g_autofree char *file = g_strdup_printf("%s/%s", slash ? copy : "", name);
	dh_autofd int made = dh_open_in_root(root, file, O_RDONLY | O_CREAT | O_NONBLOCK, 0755);
	return made < 0 ? -1 : dh_open_in_root(root, path, O_PATH, 0);
}

/* Files of /proc that may be replaced (lxcfs does); anything else there would let a mount lie about
 * processes to the runtime itself. */
static const char *const proc_files[] = {"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo",
	"/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg", "/proc/slabinfo",
	"/proc/net/dev", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled", NULL};

/* Where a mount may go: decided on the opened target, so that symlinks cannot hide it. */
static gboolean check_target(int target, const OciMount *m, GError **error)
{
	struct statfs st;
	if (fstatfs(target, &st) < 0)
		return rt_error_errno(error, errno, "statfs %s", m->destination);
	if (st.f_type != PROC_SUPER_MAGIC)
		return TRUE;
	g_autofree char *clean = g_canonicalize_filename(m->destination, "/");
	if (g_strv_contains(proc_files, clean) || strcmp(clean, "/proc") == 0)
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID,
		"\"%s\" cannot be mounted because it is inside /proc", clean);
}

static int plain_directory(int root, const char *path)
{
	dh_autofd int made = rt_root_ensure(root, path, TRUE, NULL);
	return made < 0 ? -1 : dh_open_plain_in_root(root, path, O_PATH | O_DIRECTORY);
}

/* prepared: the source as a detached mount, with its attributes; or -1 */
static gboolean bind(
	RtRoot *r, const OciMount *m, const RtMountOptions *o, int prepared, GError **error)
{
	struct stat st, at;
	if (!m->source || (prepared < 0 ? stat(m->source, &st) : fstat(prepared, &st)) < 0)
		return rt_error_errno(error, errno, "stat %s", m->source ? m->source : "");
	gboolean directory = S_ISDIR(st.st_mode);
	dh_autofd int target = rt_root_ensure(r->root, m->destination, directory, NULL);
	if (target < 0 || fstat(target, &at) < 0)
		return rt_error_errno(error, errno, "create mountpoint");
	if (directory != S_ISDIR(at.st_mode))
		return dh_error(error, DH_ERROR_INVALID,
			"mount %s:%s: not a directory: Are you trying to mount a directory onto a "
			"file "
			"(or vice-versa)? Check if the specified host path exists and is the "
			"expected "
			"type",
			m->source, m->destination);
	if (!check_target(target, m, error))
		return FALSE;
	if (prepared >= 0)
		return rt_mount_attach(prepared, target, error);
	dh_autofd int copy = rt_mount_clone(AT_FDCWD, m->source, o, error);
	return copy >= 0 && rt_mount_set(copy, o, error) && rt_mount_attach(copy, target, error);
}

static gboolean has_option(const RtMountOptions *o, const char *prefix)
{
	for (guint i = 0; i < o->data->len; i++) {
		if (g_str_has_prefix(o->data->pdata[i], prefix))
			return TRUE;
	}
	return FALSE;
}

static gboolean mount_fs(
	RtRoot *r, const OciMount *m, RtMountOptions *o, int prepared, GError **error)
{
	gboolean strict = strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0;
	gboolean existed = FALSE;
	dh_autofd int target = strict ? plain_directory(r->root, m->destination)
				      : rt_root_ensure(r->root, m->destination, TRUE, &existed);
	if (target < 0 && strict && errno == ELOOP)
		return dh_error(error, DH_ERROR_INVALID,
			"filesystem \"%s\" must be mounted on ordinary directory", m->type);
	if (target < 0)
		return rt_error_errno(error, errno, "create mountpoint");
	if (!check_target(target, m, error))
		return FALSE;
	if (prepared >= 0)
		return rt_mount_attach(prepared, target, error);
	struct stat st;
	if (strcmp(m->type, "cgroup") == 0 || strcmp(m->type, "cgroup2") == 0)
		return rt_mount_cgroup(r, target, o, error);
	if (strcmp(m->type, "tmpfs") == 0 && existed && !has_option(o, "mode=") &&
		fstat(target, &st) == 0)
		g_ptr_array_add(o->data, g_strdup_printf("mode=%o", (unsigned)st.st_mode & 07777));
	dh_autofd int mount = rt_mount_new(m->type, m->source, o, error);
	if (mount < 0 || (o->copy_up && existed && !rt_copy_up(r->proc, target, mount, error)) ||
		!rt_mount_attach(mount, target, error))
		return FALSE;
	RtMountOptions rest = {
		.propagation = o->propagation, .propagation_rec = o->propagation_rec};
	return rt_mount_set(mount, &rest, error);
}

gboolean rt_mount_is_bind(const OciMount *m, const RtMountOptions *o)
{
	return o->bind || !m->type || !*m->type || strcmp(m->type, "bind") == 0 ||
	       strcmp(m->type, "none") == 0;
}

gboolean rt_root_mounts(RtRoot *r, GError **error)
{
	const GPtrArray *mounts = r->spec->mounts;
	for (guint i = 0; mounts && i < mounts->len; i++) {
		const OciMount *m = mounts->pdata[i];
		g_auto(RtMountOptions) o = {0};
		rt_mount_options_parse(m->options, &o);
		gboolean is_bind = rt_mount_is_bind(m, &o);
		if (is_bind && strcmp(m->destination, "/dev") == 0)
			r->dev_bound = TRUE;
		int prepared = r->prepared ? g_array_index(r->prepared, int, i) : -1;
		if (is_bind ? bind(r, m, &o, prepared, error) : mount_fs(r, m, &o, prepared, error))
			continue;
		g_prefix_error(error,
			"error during container init: error mounting \"%s\" to rootfs at \"%s\": ",
			m->source ? m->source : m->type, m->destination);
		return FALSE;
	}
	return TRUE;
}

/* ---- cgroup ---- */

/* A copy of a directory of the hierarchy, by its path: our descriptors are of the parent's mounts,
 * and only those of our own mount namespace can be copied. */
static int clone_group(guint i, const char *rel, const RtMountOptions *o, GError **error)
{
	g_autofree char *path = g_build_filename(cg_host()->h[i].where, rel, NULL);
	return rt_mount_clone(AT_FDCWD, path, o, error);
}

/* v2 alone: the container's view of the hierarchy. A new mount in the initial cgroup namespace
 * would change the options of the host's own, so without a namespace the host's is bound. */
static gboolean mount_unified(RtRoot *r, int target, const RtMountOptions *o, GError **error)
{
	RtMountOptions plain = {.set = o->set}, rec = {.recursive = TRUE};
	dh_autofd int mount = r->cgroup_ns ? rt_mount_new("cgroup2", "cgroup", &plain, NULL)
					   : clone_group(0, "", &rec, NULL);
	/* In a user namespace a new mount may be refused: the container's own directory will do. */
	if (mount < 0 && r->cgroup && r->cgroup->fd[0] >= 0)
		mount = clone_group(0, r->cgroup->rel, &plain, error);
	else if (mount < 0)
		return rt_error_errno(error, errno, "mount cgroup2");
	return mount >= 0 && rt_mount_set(mount, &plain, error) &&
	       rt_mount_attach(mount, target, error);
}

/* "cpu,cpuacct": the single names are links to it. */
static void link_parts(int dirfd, const char *name)
{
	g_auto(GStrv) parts = g_strsplit(name, ",", -1);
	for (char **p = parts; parts[1] && *p; p++)
		(void)symlinkat(name, dirfd, *p);
}

gboolean rt_mount_cgroup(RtRoot *r, int target, const RtMountOptions *o, GError **error)
{
	const CgHost *host = cg_host();
	if (host->mode == RT_CGROUP_V2)
		return mount_unified(r, target, o, error);
	if (host->mode == RT_CGROUP_NONE)
		return dh_error(error, DH_ERROR_SYSTEM, "no cgroup hierarchy is mounted");

	/* A tmpfs with a directory for each hierarchy: the container's own group bound into it,
	 * which in a cgroup namespace is exactly what a new mount would show. */
	g_auto(RtMountOptions) mode = {.data = g_ptr_array_new_with_free_func(g_free)};
	g_ptr_array_add(mode.data, g_strdup("mode=755"));
	dh_autofd int tmpfs = rt_mount_new("tmpfs", "tmpfs", &mode, error);
	if (tmpfs < 0 || !rt_mount_attach(tmpfs, target, error))
		return FALSE;
	for (guint i = 0; r->cgroup && i < host->n; i++) {
		if (r->cgroup->fd[i] < 0)
			continue;
		const char *slash = strrchr(host->h[i].where, '/');
		const char *name = slash ? slash + 1 : host->h[i].where;
		if (mkdirat(tmpfs, name, 0755) < 0 && errno != EEXIST)
			return rt_error_errno(error, errno, "mkdir %s", name);
		dh_autofd int dir =
			openat(tmpfs, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		RtMountOptions plain = {0};
		dh_autofd int group = clone_group(i, r->cgroup->rel, &plain, error);
		if (group < 0 || !rt_mount_attach(group, dir, error))
			return FALSE;
		link_parts(tmpfs, name);
	}
	RtMountOptions all = {.rec_set = o->set};
	return rt_mount_set(tmpfs, &all, error);
}

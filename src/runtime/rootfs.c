/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: the new root is mounted in the child's own mount namespace, and everything
 * after that happens relative to its descriptor with openat2(RESOLVE_IN_ROOT) and
 * descriptor-to-descriptor mounts (open_tree, fsmount, move_mount). No path of the container is
 * ever resolved by the host's rules, no name is looked up twice, and no symlink an image contains
 * can lead a mount astray. Only when all is in place does pivot_root(".", ".") exchange the roots;
 * the old one is then detached, and with it every mount of the host.
 */
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
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

int rt_open_proc(GError **error)
{
	dh_autofd int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs st;
	if (fd < 0 || fstatfs(fd, &st) < 0) {
		rt_error_errno(error, errno, "open /proc");
		return -1;
	}
	if (st.f_type != PROC_SUPER_MAGIC) {
		dh_error(error, DH_ERROR_SYSTEM, "/proc is not a procfs");
		return -1;
	}
	return dh_steal_fd(&fd);
}

int rt_reopen(int proc, int fd, int flags)
{
	char name[40];
	snprintf(name, sizeof name, "self/fd/%d", fd);
	return openat(proc, name, flags | O_CLOEXEC);
}

/* ---- the root ---- */

static guint64 root_propagation(const OciSpec *spec)
{
	const char *p = spec->linux_ ? spec->linux_->rootfs_propagation : NULL;
	g_auto(RtMountOptions) o = {0};
	char *words[] = {(char *)(p ? p : "rslave"), NULL};
	rt_mount_options_parse(words, &o);
	return o.propagation ? o.propagation : MS_SLAVE;
}

/* With shared mounts kept, what we attach would appear on the host. The mount that holds our mount
 * point leaves the group, as Docker's runtime does it; the others stay in. */
void rt_unshare_parent(const char *path)
{
	struct mount_attr priv = {.propagation = MS_PRIVATE};
	g_autofree char *at = g_canonicalize_filename(path, "/");
	while (mount_setattr(AT_FDCWD, at, 0, &priv, sizeof priv) < 0 && at[1]) {
		char *up = g_path_get_dirname(at);
		g_free(at);
		at = up;
	}
}

gboolean rt_root_mount(RtRoot *r, GError **error)
{
	/* From here on nothing we mount is seen by the host. */
	const char *path = r->layers       ? r->layers->mountpoint
			   : r->spec->root ? r->spec->root->path
					   : NULL;
	struct mount_attr a = {.propagation = root_propagation(r->spec)};
	/* The root's own in the end; until then it has to be bound itself. */
	if (a.propagation == MS_UNBINDABLE)
		a.propagation = MS_PRIVATE;
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &a, sizeof a) < 0)
		return rt_error_errno(error, errno, "make mounts private");
	if (a.propagation == MS_SHARED && r->mounted < 0)
		rt_unshare_parent(path ? path : "/");
	if (r->mounted >= 0) {
		/* Where the stage stood: its path may be the host's root's alone. */
		if (move_mount(r->mounted, "", AT_FDCWD, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return rt_error_errno(error, errno, "attach root");
		r->root = r->mounted;
	} else if (r->layers) {
		r->root = rt_layers_mount(r->layers, error);
	} else {
		RtMountOptions o = {.recursive = TRUE};
		r->root =
			rt_mount_clone(AT_FDCWD, path && *path ? path : "/nonexistent", &o, error);
		r->root = rt_attach_at(r->root, path, error);
	}
	return r->root >= 0;
}

/* An initramfs cannot be put away: the new root is moved over it. */
static gboolean cover_root(RtRoot *r, GError **error)
{
	if (fchdir(r->root) < 0 ||
		move_mount(r->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
		chroot(".") < 0 || chdir("/") < 0)
		return rt_error_errno(error, errno, "move the root");
	return TRUE;
}

gboolean rt_root_enter(RtRoot *r, GError **error)
{
	guint64 propagation = root_propagation(r->spec);
	dh_autofd int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct mount_attr slave = {.propagation = MS_SLAVE};
	if (r->no_pivot)
		return cover_root(r, error);
	if (old < 0 || fchdir(r->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return rt_error_errno(error, errno, "pivot_root");
	/* The old root lies on top of the new one now. Taking it away must not reach the host. */
	if (propagation == MS_SHARED &&
		mount_setattr(old, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave, sizeof slave) < 0)
		return rt_error_errno(error, errno, "detach the host's mounts");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return rt_error_errno(error, errno, "leave the host's root");
	struct mount_attr own = {.propagation = propagation};
	if (propagation != MS_SLAVE &&
		mount_setattr(r->root, "", AT_EMPTY_PATH, &own, sizeof own) < 0)
		return rt_error_errno(error, errno, "set propagation of the root");
	return TRUE;
}

/* ---- protection ---- */

typedef struct {
	int null;  /* device to hide files behind, opened when first needed */
	int empty; /* tmpfs to hide directories behind */
} Mask;

static int mask_source(RtRoot *r, Mask *m, gboolean directory, GError **error)
{
	if (directory) {
		if (m->empty < 0) {
			RtMountOptions ro = {.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
						    MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
			m->empty = rt_mount_new("tmpfs", "tmpfs", &ro, error);
			return m->empty < 0 ? -1 : fcntl(m->empty, F_DUPFD_CLOEXEC, 0);
		}
	} else if (m->null < 0) {
		/* An image could have put anything at /dev/null; the host's is the fallback. */
		m->null = dh_open_in_root(r->root, "/dev/null", O_PATH | O_NOFOLLOW, 0);
		if (m->null < 0 || !rt_is_null(m->null)) {
			dh_close(&m->null);
			m->null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
		}
		if (m->null < 0 || !rt_is_null(m->null)) {
			dh_error(error, DH_ERROR_SYSTEM, "/dev/null is not the null device");
			return -1;
		}
	}
	RtMountOptions plain = {0};
	return rt_mount_clone(directory ? m->empty : m->null, "", &plain, error);
}

static gboolean mask(RtRoot *r, Mask *m, const char *path, GError **error)
{
	dh_autofd int target = dh_open_in_root(r->root, path, O_PATH, 0);
	struct stat st;
	if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
		return TRUE;
	if (target < 0 || fstat(target, &st) < 0)
		return rt_error_errno(error, errno, "can't mask path \"%s\"", path);
	dh_autofd int source = mask_source(r, m, S_ISDIR(st.st_mode), error);
	if (source >= 0 && rt_mount_attach(source, target, error))
		return TRUE;
	g_prefix_error(error, "can't mask path \"%s\": ", path);
	return FALSE;
}

static gboolean make_readonly(RtRoot *r, const char *path, GError **error)
{
	dh_autofd int target = dh_open_in_root(r->root, path, O_PATH, 0);
	if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
		return TRUE;
	if (target < 0)
		return rt_error_errno(error, errno, "can't make \"%s\" read-only", path);
	RtMountOptions o = {.recursive = TRUE, .set = MOUNT_ATTR_RDONLY};
	dh_autofd int copy = rt_mount_clone(target, "", &o, error);
	if (copy >= 0 && rt_mount_set(copy, &o, error) && rt_mount_attach(copy, target, error))
		return TRUE;
	g_prefix_error(error, "can't make \"%s\" read-only: ", path);
	return FALSE;
}

gboolean rt_root_protect(RtRoot *r, GError **error)
{
	const OciLinux *l = r->spec->linux_;
	for (char **p = l ? l->readonly_paths : NULL; p && *p; p++) {
		if (!make_readonly(r, *p, error))
			return FALSE;
	}
	Mask m = {-1, -1};
	gboolean ok = TRUE;
	for (char **p = l ? l->masked_paths : NULL; ok && p && *p; p++)
		ok = mask(r, &m, *p, error);
	dh_close(&m.null);
	dh_close(&m.empty);
	if (!ok || !r->spec->root || !r->spec->root->readonly)
		return ok;
	RtMountOptions o = {.set = MOUNT_ATTR_RDONLY};
	return rt_mount_set(r->root, &o, error);
}

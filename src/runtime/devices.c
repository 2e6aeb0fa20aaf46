/* SPDX-License-Identifier: MIT */
/* What stands in /dev besides the mounts: nodes, links, the console. */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned major, minor;
} default_nodes[] = {
	{"null", 1, 3},
	{"zero", 1, 5},
	{"full", 1, 7},
	{"random", 1, 8},
	{"urandom", 1, 9},
	{"tty", 5, 0},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
	{"ptmx", "pts/ptmx"},
};

typedef struct {
	mode_t mode; /* with type */
	dev_t dev;
	uid_t uid;
	gid_t gid;
} Node;

/* Inside a user namespace nodes cannot be made: the host's own is bound over an empty file. */
static gboolean bind_node(int dir, const char *name, const char *host_path, GError **error)
{
	dh_autofd int file = openat(dir, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
	dh_autofd int target = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	RtMountOptions plain = {0};
	if (file < 0 || target < 0)
		return rt_error_errno(error, errno, "create device %s", host_path);
	dh_autofd int copy = rt_mount_clone(AT_FDCWD, host_path, &plain, error);
	return copy >= 0 && rt_mount_attach(copy, target, error);
}

static gboolean make_node(
	const RtRoot *r, int dir, const char *name, const char *path, const Node *n, GError **error)
{
	if (r->user_ns)
		return bind_node(dir, name, path, error);
	int made = mknodat(dir, name, n->mode, n->dev);
	if (made < 0 && errno == EEXIST) {
		struct stat st;
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			(st.st_mode & S_IFMT) == (n->mode & S_IFMT) && st.st_rdev == n->dev) {
			made = fchmodat(dir, name, n->mode & 07777, 0);
		} else if (unlinkat(dir, name, 0) == 0) {
			made = mknodat(dir, name, n->mode, n->dev);
		}
	}
	/* Root, but not the machine's. */
	if (made < 0 && errno == EPERM)
		return bind_node(dir, name, path, error);
	if (made < 0 || ((n->uid || n->gid) &&
				fchownat(dir, name, n->uid, n->gid, AT_SYMLINK_NOFOLLOW) < 0))
		return rt_error_errno(error, errno, "error creating device nodes: mknod %s", path);
	return TRUE;
}

static gboolean make_listed(const RtRoot *r, const OciDevice *d, GError **error)
{
	static const struct {
		char letter;
		mode_t type;
	} types[] = {
		{'c', S_IFCHR},
		{'u', S_IFCHR},
		{'b', S_IFBLK},
		{'p', S_IFIFO},
	};
	Node n = {.uid = (uid_t)d->uid,
		.gid = (gid_t)d->gid,
		.mode = (mode_t)(d->file_mode ? d->file_mode & 07777 : 0666)};
	mode_t type = 0;
	for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
		if (d->type[0] == types[i].letter && !d->type[1])
			type = types[i].type;
	}
	if (!type)
		return dh_error(error, DH_ERROR_INVALID, "invalid device type \"%s\" of %s",
			d->type, d->path);
	n.mode |= type;
	n.dev = type == S_IFIFO ? 0 : makedev((unsigned)d->major, (unsigned)d->minor);
	g_autofree char *parent = g_path_get_dirname(d->path);
	g_autofree char *name = g_path_get_basename(d->path);
	dh_autofd int dir = dh_mkdir_in_root(r->root, parent, 0755);
	if (dir < 0)
		return rt_error_errno(error, errno, "error creating device nodes: %s", d->path);
	return make_node(r, dir, name, d->dhow_source ? d->dhow_source : d->path, &n, error);
}

gboolean rt_root_devices(RtRoot *r, GError **error)
{
	if (r->dev_bound)
		return TRUE;
	dh_autofd int dev = dh_mkdir_in_root(r->root, "/dev", 0755);
	if (dev < 0)
		return rt_error_errno(error, errno, "open /dev");
	for (guint i = 0; i < G_N_ELEMENTS(default_nodes); i++) {
		Node n = {.mode = S_IFCHR | 0666,
			.dev = makedev(default_nodes[i].major, default_nodes[i].minor)};
		char path[32] = "/dev/";
		g_strlcat(path, default_nodes[i].name, sizeof path);
		if (!make_node(r, dev, default_nodes[i].name, path, &n, error))
			return FALSE;
	}
	for (guint i = 0; i < G_N_ELEMENTS(links); i++) {
		if (symlinkat(links[i].target, dev, links[i].name) == 0)
			continue;
		/* An image's own link may stay, except ptmx: that must be this container's. */
		if (errno != EEXIST)
			return rt_error_errno(error, errno, "link /dev/%s", links[i].name);
		if (strcmp(links[i].name, "ptmx") == 0 &&
			(unlinkat(dev, "ptmx", 0) < 0 || symlinkat("pts/ptmx", dev, "ptmx") < 0))
			return rt_error_errno(error, errno, "link /dev/ptmx");
	}
	if (faccessat(r->proc, "kcore", F_OK, 0) == 0)
		(void)symlinkat("/proc/kcore", dev, "core");
	const GPtrArray *list = r->spec->linux_ ? r->spec->linux_->devices : NULL;
	for (guint i = 0; list && i < list->len; i++) {
		if (!make_listed(r, list->pdata[i], error))
			return FALSE;
	}
	return TRUE;
}

gboolean rt_root_console(RtRoot *r, int slave, GError **error)
{
	dh_autofd int dev = dh_open_in_root(r->root, "/dev", O_PATH | O_DIRECTORY, 0);
	/* A node that is there already (a bound /dev) is covered just the same. */
	if (dev >= 0 && mknodat(dev, "console", S_IFREG | 0600, 0) < 0 && errno != EEXIST)
		return rt_error_errno(error, errno, "create /dev/console");
	dh_autofd int target = openat(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (target < 0 || fstat(target, &st) < 0)
		return rt_error_errno(error, errno, "create /dev/console");
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return dh_error(
			error, DH_ERROR_SYSTEM, "/dev/console is neither a file nor a device");
	RtMountOptions plain = {0};
	dh_autofd int copy = rt_mount_clone(slave, "", &plain, error);
	return copy >= 0 && rt_mount_attach(copy, target, error);
}

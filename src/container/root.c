/* SPDX-License-Identifier: MIT */
#include "container/root.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "container/internal.h"
#include "container/spec_mounts.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UNMOUNT_WAIT_MS = 10000 };

void container_root_close(ContainerRoot *r)
{
	dh_close(&r->fd);
	dh_close(&r->ns);
	g_clear_pointer(&r->identity, identity_unref);
}

static void as_container(const void *identity, int64_t *uid, int64_t *gid)
{
	identity_to_container(identity, uid, gid);
}

void container_root_owners(const ContainerRoot *root, TarTree *t)
{
	t->owner = root->identity ? as_container : NULL;
	t->owner_arg = root->identity;
}

/* What the thread is to do. */
typedef struct {
	int join;         /* a mount namespace, or -1: a new one */
	gboolean clone;   /* the joined root without what is mounted on it */
	RtRootfs layers;  /* to mount in a new one */
	GPtrArray *binds; /* OciMount, or NULL */
	ContainerRoot *ret;
	GError *error;
} Job;

/* ---- in the thread ---- */

static gboolean join_and_open(Job *j)
{
	if (setns(j->join, CLONE_NEWNS) < 0)
		return dh_error_errno(&j->error, errno, "join the container's mount namespace");
	j->ret->fd = j->clone ? open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
			      : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return j->ret->fd >= 0 || dh_error_errno(&j->error, errno, "open the container's root");
}

/* Where a mount goes; made if it is not there, as a start would make it. */
static int mount_target(int root, const char *path, gboolean directory)
{
	int fd = dh_open_in_root(root, path, O_PATH, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (directory)
		return dh_mkdir_in_root(root, path, 0755);
	g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
	dh_autofd int dir = dh_mkdir_in_root(root, parent, 0755);
	dh_autofd int made =
		dir < 0 ? -1 : openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0755);
	return made < 0 ? -1 : openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static gboolean bind_one(int root, const OciMount *m, GError **error)
{
	struct stat st;
	gboolean recursive = FALSE, readonly = FALSE;
	for (char **o = m->options; o && *o; o++) {
		recursive |= strcmp(*o, "rro") == 0;
		readonly |= recursive || strcmp(*o, "ro") == 0;
	}
	dh_autofd int source =
		open_tree(AT_FDCWD, m->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (source < 0 || fstat(source, &st) < 0)
		return dh_error_errno(error, errno, "mount %s", m->source);
	struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY};
	if (readonly && mount_setattr(source, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
				&ro, sizeof ro) < 0)
		return dh_error_errno(error, errno, "mount %s", m->source);
	dh_autofd int target = mount_target(root, m->destination, S_ISDIR(st.st_mode));
	if (target < 0 || move_mount(source, "", target, "",
				  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return dh_error_errno(error, errno, "mount %s at %s", m->source, m->destination);
	return TRUE;
}

static gboolean mount_and_open(Job *j)
{
	struct mount_attr private = {.propagation = MS_PRIVATE};
	if (unshare(CLONE_NEWNS) < 0 ||
		mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof private) < 0)
		return dh_error_errno(&j->error, errno, "create a mount namespace");
	dh_autofd int root = rt_layers_mount(&j->layers, &j->error);
	if (root < 0)
		return FALSE;
	for (guint i = 0; j->binds && i < j->binds->len; i++) {
		const OciMount *m = g_ptr_array_index(j->binds, i);
		if (g_strcmp0(m->type, "bind") == 0 && !bind_one(root, m, &j->error))
			return FALSE;
	}
	j->ret->ns = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (j->ret->ns < 0)
		return dh_error_errno(&j->error, errno, "open the mount namespace");
	j->ret->fd = dh_steal_fd(&root);
	return TRUE;
}

static void *work(void *arg)
{
	Job *j = arg;
	gboolean ok = unshare(CLONE_FS) == 0 ||
		      dh_error_errno(&j->error, errno, "leave the common root directory");
	if (ok)
		ok = j->join >= 0 ? join_and_open(j) : mount_and_open(j);
	if (!ok)
		container_root_close(j->ret);
	return GINT_TO_POINTER(ok);
}

/* What was removed while we looked at it is not there, and nothing is broken. */
static gboolean gone(const Container *c, GError **error)
{
	return access(c->dir, F_OK) < 0 && errno == ENOENT &&
	       !dh_error(error, DH_ERROR_NOT_FOUND, "No such container: %s", c->id);
}

static gboolean run(const Container *c, Job *j, GError **error)
{
	*j->ret = (ContainerRoot){.fd = -1, .ns = -1};
	GThread *t = g_thread_try_new("root", work, j, error);
	if (!t)
		return FALSE;
	if (g_thread_join(t))
		return TRUE;
	if (gone(c, error))
		g_clear_error(&j->error);
	else
		g_propagate_error(error, j->error);
	return FALSE;
}

static gboolean join(Container *c, Job *j, GError **error)
{
	if (!run(c, j, error))
		return FALSE;
	j->ret->identity = container_identity(c);
	return TRUE;
}

/* ---- which root ---- */

static gboolean is_ours(const Container *c, pid_t pid)
{
	char path[40];
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 64 * 1024, NULL, NULL);
	return text && strstr(text, c->id);
}

/* The mount namespace of a running container, or -1: it does not run. */
static int running_namespace(Container *c)
{
	g_autoptr(ContainerSnapshot) s = container_snapshot(c);
	if (!s->state.running || s->state.pid <= 0)
		return -1;
	char path[40];
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)s->state.pid);
	dh_autofd int ns = open(path, O_RDONLY | O_CLOEXEC);
	/* The number may be another process's by now. */
	return ns >= 0 && is_ours(c, (pid_t)s->state.pid) ? dh_steal_fd(&ns) : -1;
}

static char *mountpoint(Container *c)
{
	return g_build_filename(c->engine->config.exec_root, "rootfs", NULL);
}

gboolean container_root_layers(Container *c, ContainerRoot *ret, GError **error)
{
	dh_autofd int ns = running_namespace(c);
	Job j = {.join = ns, .clone = TRUE, .ret = ret};
	if (ns >= 0)
		return join(c, &j, error);
	/* The container's own directory is the topmost of the read-only ones: two of these may
	 * exist at a time. */
	g_autofree char *at = mountpoint(c);
	g_autofree char *upper = g_build_filename(c->dir, "upper", NULL);
	g_autoptr(GPtrArray) lower = g_ptr_array_new();
	g_ptr_array_add(lower, upper);
	for (char **l = c->lower; *l; l++)
		g_ptr_array_add(lower, *l);
	g_ptr_array_add(lower, NULL);
	j.layers = (RtRootfs){.lower = (char **)lower->pdata,
		.mountpoint = at,
		.mount_options = (char *)ROOT_OVERLAY_OPTIONS};
	return run(c, &j, error);
}

gboolean container_root_unmark(Container *c, GError **error)
{
	g_autofree char *mark = g_build_filename(c->dir, "work", "work", "incompat", NULL);
	return dh_remove_tree(AT_FDCWD, mark, error);
}

gboolean container_root_whole(Container *c, ContainerRoot *ret, GError **error)
{
	dh_autofd int ns = running_namespace(c);
	Job j = {.join = ns, .ret = ret};
	if (ns >= 0)
		return join(c, &j, error);
	g_autofree char *at = mountpoint(c);
	g_autofree char *upper = g_build_filename(c->dir, "upper", NULL);
	g_autofree char *work_dir = g_build_filename(c->dir, "work", NULL);
	g_autoptr(GPtrArray) binds = spec_mounts(c, error);
	if (!binds)
		return FALSE;
	if (c->host_config->auto_remove && !container_wait_unmounted(c, UNMOUNT_WAIT_MS))
		return dh_error(error, DH_ERROR_CONFLICT, "container %s is just ending", c->id);
	if (!container_root_unmark(c, error))
		return FALSE;
	j.binds = binds;
	j.layers = (RtRootfs){.lower = c->lower,
		.upper = upper,
		.work = work_dir,
		.mountpoint = at,
		.mount_options = (char *)ROOT_OVERLAY_OPTIONS};
	return run(c, &j, error);
}

gboolean container_root_lower(Container *c, ContainerRoot *ret, GError **error)
{
	*ret = (ContainerRoot){.fd = -1, .ns = -1};
	if (!c->lower[0])
		return TRUE;
	if (!c->lower[1]) {
		ret->fd = open(c->lower[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
		return ret->fd >= 0 || dh_error_errno(error, errno, "open %s", c->lower[0]);
	}
	g_autofree char *at = mountpoint(c);
	Job j = {.join = -1,
		.ret = ret,
		.layers = {.lower = c->lower,
			.mountpoint = at,
			.mount_options = (char *)ROOT_OVERLAY_OPTIONS}};
	return run(c, &j, error);
}

int container_upper_open(Container *c, GError **error)
{
	g_autofree char *upper = g_build_filename(c->dir, "upper", NULL);
	int fd = open(upper, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int saved = errno;
	if (fd < 0 && !gone(c, error))
		dh_error_errno(error, saved, "open %s", upper);
	return fd;
}

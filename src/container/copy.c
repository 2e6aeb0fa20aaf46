/* SPDX-License-Identifier: MIT */
#include "container/copy.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/tartree.h"
#include "base/timefmt.h"
#include "container/copy_in.h"
#include "container/internal.h"
#include "container/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ContainerPath {
	Container *c; /* reference */
	char *asked;
	gboolean locked;
	ContainerRoot root;
	char *clean; /* absolute, as written */
	int fd;      /* O_PATH */
	int parent;  /* and the name in it; -1: fd is a directory that was followed to */
	struct stat st;
	PathStat stat;
};

void container_path_close(ContainerPath *p)
{
	if (!p)
		return;
	dh_close(&p->fd);
	dh_close(&p->parent);
	container_root_close(&p->root);
	if (p->locked)
		g_mutex_unlock(&p->c->op);
	g_free(p->asked);
	g_free(p->clean);
	g_free(p->stat.name);
	g_free(p->stat.link_target);
	container_unref(p->c);
	g_free(p);
}

static ContainerPath *path_new(Container *c, const char *asked, const char *path, GError **error)
{
	g_autoptr(ContainerPath) p = g_new0(ContainerPath, 1);
	p->c = container_ref(c);
	p->asked = g_strdup(asked);
	p->root = (ContainerRoot){.fd = -1, .ns = -1};
	p->fd = p->parent = -1;
	p->clean = g_canonicalize_filename(path, "/");
	g_mutex_lock(&c->op);
	p->locked = TRUE;
	g_autoptr(ContainerSnapshot) s = container_snapshot(c);
	if (s->state.status == STATUS_REMOVING || s->state.status == STATUS_DEAD || c->removed) {
		dh_error(error, DH_ERROR_NOT_FOUND, "No such container: %s", asked);
		return NULL;
	}
	if (!container_root_whole(c, &p->root, error))
		return NULL;
	/* A running one needs no lock: what is open stays good. */
	if (s->state.running && p->root.ns < 0) {
		g_mutex_unlock(&c->op);
		p->locked = FALSE;
	}
	return g_steal_pointer(&p);
}

static gboolean lookup_error(const ContainerPath *p, const char *path, GError **error)
{
	if (errno == ENOENT || errno == ENOTDIR)
		return dh_error(error, DH_ERROR_NOT_FOUND,
			"Could not find the file %s in container %s", path, p->asked);
	return dh_error_errno(error, errno, "open %s in container %s", path, p->asked);
}

/* Where a descriptor lies, seen from the container's root; NULL if that cannot be said. */
static char *path_inside(const ContainerPath *p, int fd)
{
	char name[40], root[PATH_MAX], path[PATH_MAX];
	snprintf(name, sizeof name, "/proc/self/fd/%d", p->root.fd);
	ssize_t n = readlink(name, root, sizeof root - 1);
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	ssize_t m = readlink(name, path, sizeof path - 1);
	if (n <= 0 || m <= 0)
		return NULL;
	root[n] = path[m] = '\0';
	if (n == 1)
		return g_strdup(path);
	if (strncmp(path, root, (size_t)n) != 0 || (path[n] && path[n] != '/'))
		return NULL;
	return g_strdup(path[n] ? path + n : "/");
}

static char *link_target(const ContainerPath *p)
{
	dh_autofd int to = dh_open_in_root(p->root.fd, p->clean, O_PATH, 0);
	char *inside = to < 0 ? NULL : path_inside(p, to);
	if (inside)
		return inside;
	/* It leads nowhere: as it is written. */
	char text[PATH_MAX];
	ssize_t n = readlinkat(p->fd, "", text, sizeof text - 1);
	text[MAX(n, 0)] = '\0';
	g_autofree char *dir = g_path_get_dirname(p->clean);
	return g_canonicalize_filename(text, dir);
}

static guint32 go_mode(mode_t m)
{
	static const struct {
		mode_t type;
		guint32 bits;
	} types[] = {{S_IFDIR, 1u << 31}, {S_IFLNK, 1u << 27}, {S_IFBLK, 1u << 26},
		{S_IFCHR, 1u << 26 | 1u << 21}, {S_IFIFO, 1u << 25}, {S_IFSOCK, 1u << 24}};
	guint32 out = m & 0777;
	for (guint i = 0; i < G_N_ELEMENTS(types); i++)
		if ((m & S_IFMT) == types[i].type)
			out |= types[i].bits;
	return out | (m & S_ISUID ? 1u << 23 : 0) | (m & S_ISGID ? 1u << 22 : 0) |
	       (m & S_ISVTX ? 1u << 20 : 0);
}

static gboolean ends_as_directory(const char *path)
{
	return g_str_has_suffix(path, "/") || g_str_has_suffix(path, "/.") ||
	       strcmp(path, ".") == 0 || !*path;
}

ContainerPath *container_path_open(
	Container *c, const char *asked, const char *path, GError **error)
{
	g_autoptr(ContainerPath) p = path_new(c, asked, path, error);
	if (!p)
		return NULL;
	g_autofree char *dir = g_path_get_dirname(p->clean);
	g_autofree char *base = g_path_get_basename(p->clean);
	if (ends_as_directory(path) || strcmp(p->clean, "/") == 0) {
		p->fd = dh_open_in_root(p->root.fd, p->clean, O_PATH | O_DIRECTORY, 0);
	} else {
		p->parent = dh_open_in_root(p->root.fd, dir, O_PATH | O_DIRECTORY, 0);
		if (p->parent >= 0)
			p->fd = openat(p->parent, base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (p->fd < 0 || fstat(p->fd, &p->st) < 0) {
		lookup_error(p, path, error);
		return NULL;
	}
	gboolean dot = g_str_has_suffix(path, "/.") || strcmp(path, ".") == 0;
	p->stat = (PathStat){.name = g_strdup(dot ? "." : base),
		.size = p->st.st_size,
		.mode = go_mode(p->st.st_mode),
		.mtime = p->st.st_mtim.tv_sec * DH_NSEC + p->st.st_mtim.tv_nsec,
		.link_target = S_ISLNK(p->st.st_mode) ? link_target(p) : g_strdup("")};
	return g_steal_pointer(&p);
}

ContainerPath *container_path_open_dir(
	Container *c, const char *asked, const char *path, GError **error)
{
	g_autoptr(ContainerPath) p = path_new(c, asked, path, error);
	if (!p)
		return NULL;
	p->fd = dh_open_in_root(p->root.fd, p->clean, O_PATH, 0);
	struct stat root;
	if (p->fd < 0 || fstat(p->fd, &p->st) < 0 || fstat(p->root.fd, &root) < 0) {
		lookup_error(p, path, error);
		return NULL;
	}
	if (!S_ISDIR(p->st.st_mode)) {
		dh_error(error, DH_ERROR_INVALID, "extraction point is not a directory");
		return NULL;
	}
	if (c->host_config->readonly_rootfs && p->st.st_dev == root.st_dev) {
		dh_error(error, DH_ERROR_FORBIDDEN, "container rootfs is marked read-only");
		return NULL;
	}
	return g_steal_pointer(&p);
}

const PathStat *container_path_stat(const ContainerPath *p)
{
	return &p->stat;
}

gboolean container_path_tar(ContainerPath *p, StoreWrite write, void *arg, GError **error)
{
	g_auto(TarTree) t = {0};
	tar_tree_init(&t, write, arg);
	t.xattrs = t.real_only = TRUE;
	container_root_owners(&p->root, &t);
	g_autofree char *base = g_path_get_basename(p->clean);
	gboolean ok = p->parent >= 0 ? tar_tree_all(&t, p->parent, base, p->stat.name, error)
				     : tar_tree_all(&t, p->fd, ".", p->stat.name, error);
	if (!ok || !tar_tree_end(&t, error))
		return FALSE;
	container_event(p->c, "archive-path", NULL);
	return TRUE;
}

gboolean container_path_extract(
	ContainerPath *p, StoreRead read, void *arg, gboolean strict, GError **error)
{
	g_autofree char *inside = path_inside(p, p->fd);
	const CopyInto into = {.root = p->root.fd,
		.dir = inside ? inside : p->clean,
		.identity = p->root.identity};
	identity_assume(p->root.identity);
	gboolean ok = copy_in(&into, read, arg, strict, error);
	identity_resume(p->root.identity);
	if (!ok)
		return FALSE;
	container_event(p->c, "extract-to-dir", NULL);
	return TRUE;
}

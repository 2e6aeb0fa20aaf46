/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "runtime/cgroup_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *cg_relative(const char *path, GError **error)
{
	const char *rel = path ? path : "";
	while (*rel == '/')
		rel++;
	g_auto(GStrv) parts = g_strsplit(rel, "/", -1);
	if (!*rel || strlen(rel) > 1024 || g_strv_contains((const char *const *)parts, "..")) {
		dh_error(error, DH_ERROR_INVALID, "invalid cgroup path \"%s\"", path ? path : "");
		return NULL;
	}
	return rel;
}

void cg_group_open(CgGroup *g, const char *rel)
{
	g->host = cg_host();
	g->rel = rel;
	g->v2_controllers = 0;
	g->undo = NULL;
	for (guint i = 0; i < CG_MAX; i++)
		g->fd[i] = i < g->host->n ? openat(g->host->h[i].fd, rel,
						    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
					  : -1;
}

void cg_group_close(CgGroup *g)
{
	for (guint i = 0; g->host && i < CG_MAX; i++)
		dh_close(&g->fd[i]);
	g_clear_pointer(&g->undo, g_ptr_array_unref);
}

int cg_group_fd(const CgGroup *g, unsigned controller, gboolean *ret_v2)
{
	int i = cg_find(controller);
	if (ret_v2)
		*ret_v2 = i >= 0 && g->host->h[i].v2;
	return i < 0 ? -1 : g->fd[i];
}

/* ---- writing ---- */

gboolean cg_write_at(
	const CgGroup *g, int index, const char *file, const char *value, GError **error)
{
	cg_undo_note(g, index, file, value);
	dh_autofd int fd = openat(g->fd[index], file, O_WRONLY | O_CLOEXEC);
	ssize_t r = -1;
	if (fd >= 0) {
		do
			r = write(fd, value, strlen(value));
		while (r < 0 && errno == EINTR);
	}
	if (r >= 0)
		return TRUE;
	return rt_error_errno(error, errno, "failed to write \"%s\" to \"%s/%s/%s\"", value,
		g->host->h[index].where, g->rel, file);
}

gboolean cg_write(
	const CgGroup *g, unsigned controller, const char *file, const char *value, GError **error)
{
	int i = cg_find(controller);
	if (i < 0 || g->fd[i] < 0)
		return dh_error(error, DH_ERROR_SYSTEM, "the %s cgroup controller is not available",
			cg_controller_name(controller));
	return cg_write_at(g, i, file, value, error);
}

gboolean cg_write_int(
	const CgGroup *g, unsigned controller, const char *file, int64_t value, GError **error)
{
	char text[32];
	snprintf(text, sizeof text, "%" G_GINT64_FORMAT, value);
	return cg_write(g, controller, file, text, error);
}

gboolean cg_exists(const CgGroup *g, unsigned controller, const char *file)
{
	int fd = cg_group_fd(g, controller, NULL);
	return fd >= 0 && faccessat(fd, file, F_OK, 0) == 0;
}

/* ---- creating ---- */

/* A new cpuset is empty, and nothing can join it until it has processors and memory nodes. */
static gboolean inherit_cpuset(int parent, int child, GError **error)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *own = cg_read(child, files[i]);
		if (own && *own)
			continue;
		g_autofree char *value = cg_read(parent, files[i]);
		dh_autofd int fd = openat(child, files[i], O_WRONLY | O_CLOEXEC);
		if (!value || fd < 0 || write(fd, value, strlen(value)) < 0)
			return rt_error_errno(error, errno, "inherit %s", files[i]);
	}
	return TRUE;
}

/* Makes rel with its parents below a hierarchy; *made counts the directories that are new. */
static gboolean make_group(const CgHierarchy *h, const char *rel, guint *made, GError **error)
{
	gboolean cpuset = !h->v2 && (h->controllers & CG_CPUSET);
	if (!cpuset) {
		if (mkdirat(h->fd, rel, 0755) == 0) {
			*made = 1;
			return TRUE;
		}
		if (errno == EEXIST)
			return TRUE;
		if (errno != ENOENT)
			return rt_error_errno(error, errno, "mkdir %s/%s", h->where, rel);
	}
	g_auto(GStrv) parts = g_strsplit(rel, "/", -1);
	dh_autofd int at = openat(h->fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (char **p = parts; *p; p++) {
		if (!**p)
			continue;
		if (mkdirat(at, *p, 0755) == 0)
			(*made)++;
		else if (errno != EEXIST)
			return rt_error_errno(error, errno, "mkdir %s/%s", h->where, rel);
		dh_autofd int next = openat(at, *p, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return rt_error_errno(error, errno, "open %s/%s", h->where, rel);
		if (cpuset && !inherit_cpuset(at, next, error))
			return FALSE;
		dh_close(&at);
		at = dh_steal_fd(&next);
	}
	return TRUE;
}

/* Takes back what make_group made: the innermost `made` directories. */
static void unmake_group(const CgHierarchy *h, const char *rel, guint made)
{
	g_autofree char *path = g_strdup(rel);
	while (made-- > 0 && unlinkat(h->fd, path, AT_REMOVEDIR) == 0) {
		char *slash = strrchr(path, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
}

static const struct {
	const char *name;
	unsigned bit;
} v2_names[] = {
	{"cpu", CG_CPU},
	{"cpuset", CG_CPUSET},
	{"io", CG_BLKIO},
	{"memory", CG_MEMORY},
	{"pids", CG_PIDS},
	{"hugetlb", CG_HUGETLB},
	{"rdma", CG_RDMA},
};

static unsigned v2_enabled(int dirfd)
{
	g_autofree char *text = cg_read(dirfd, "cgroup.controllers");
	g_auto(GStrv) words = g_strsplit(text ? text : "", " ", -1);
	unsigned bits = 0;
	for (guint i = 0; i < G_N_ELEMENTS(v2_names); i++) {
		if (g_strv_contains((const char *const *)words, v2_names[i].name))
			bits |= v2_names[i].bit;
	}
	return bits;
}

static int write_file(int dirfd, const char *file, const char *value)
{
	dh_autofd int fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, value, strlen(value)) < 0 ? -1 : 0;
}

/* A group with processes of its own cannot give controllers to its children. The only such group on
 * our way is the root of a delegated tree (we run in a container): its processes move into a leaf.
 */
static void evacuate(int dirfd)
{
	(void)mkdirat(dirfd, "init", 0755);
	dh_autofd int leaf = openat(dirfd, "init", O_PATH | O_DIRECTORY | O_CLOEXEC);
	g_autofree char *text = cg_read(dirfd, "cgroup.procs");
	g_auto(GStrv) pids = g_strsplit(text ? text : "", "\n", -1);
	for (char **p = pids; leaf >= 0 && *p; p++)
		(void)write_file(leaf, "cgroup.procs", *p);
}

static void delegate_one(int dirfd, unsigned bits, gboolean is_root)
{
	g_autoptr(GString) all = g_string_new(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(v2_names); i++) {
		if (bits & v2_names[i].bit)
			g_string_append_printf(all, "%s+%s", all->len ? " " : "", v2_names[i].name);
	}
	if (!all->len || write_file(dirfd, "cgroup.subtree_control", all->str) == 0)
		return;
	if (errno == EBUSY && is_root) {
		evacuate(dirfd);
		if (write_file(dirfd, "cgroup.subtree_control", all->str) == 0)
			return;
	}
	/* One that cannot be given away (realtime threads and "cpu") must not cost the others. */
	g_auto(GStrv) one = g_strsplit(all->str, " ", -1);
	for (char **o = one; *o; o++)
		(void)write_file(dirfd, "cgroup.subtree_control", *o);
}

/* Gives the controllers of the v2 root down to the group, unless it has them already. What could
 * not be given is noticed when a limit asks for it. */
static void delegate(CgGroup *g)
{
	unsigned want = 0;
	for (guint i = 0; i < G_N_ELEMENTS(v2_names); i++)
		want |= g->host->h[0].controllers & v2_names[i].bit;
	g->v2_controllers = want ? v2_enabled(g->fd[0]) : 0;
	if (!(want & ~g->v2_controllers))
		return;
	g_auto(GStrv) parts = g_strsplit(g->rel, "/", -1);
	dh_autofd int at = openat(g->host->h[0].fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (char **p = parts; *p && at >= 0; p++) {
		if (!**p)
			continue;
		delegate_one(at, want, p == parts);
		dh_autofd int next = openat(at, *p, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		dh_close(&at);
		at = dh_steal_fd(&next);
	}
	g->v2_controllers = v2_enabled(g->fd[0]);
}

/* Hierarchies that are made only when a limit in them is asked for. */
static gboolean wanted(const CgHost *host, const CgHierarchy *h, const OciResources *resources)
{
	unsigned lazy = CG_RARE | (host->has_v2 ? CG_FREEZER : 0);
	return h->v2 || (h->controllers & (~lazy | cg_controllers_asked(resources)));
}

gboolean cg_group_create(CgGroup *g, const char *rel, const OciResources *resources, GError **error)
{
	const CgHost *host = cg_host();
	guint made[CG_MAX] = {0};
	gboolean ok = TRUE;
	for (guint i = 0; ok && i < host->n; i++) {
		if (wanted(host, &host->h[i], resources))
			ok = make_group(&host->h[i], rel, &made[i], error);
	}
	if (ok) {
		cg_group_open(g, rel);
		if (host->has_v2)
			delegate(g);
		ok = !resources || cg_apply(g, resources, error);
	}
	for (guint i = 0; !ok && i < host->n; i++)
		unmake_group(&host->h[i], rel, made[i]);
	return ok;
}

gboolean rt_cgroup_create(const char *path, const OciResources *resources, GError **error)
{
	g_auto(CgGroup) g = {0};
	const char *rel = cg_relative(path, error);
	return rel && cg_group_create(&g, rel, resources, error);
}

/* A limit in a hierarchy that was not made at creation: made now, and everybody moved into it. */
static gboolean make_missing(
	const char *path, const char *rel, const OciResources *resources, GError **error)
{
	const CgHost *host = cg_host();
	for (guint i = 0; i < host->n; i++) {
		const CgHierarchy *h = &host->h[i];
		if (!(h->controllers & cg_controllers_asked(resources)) ||
			faccessat(h->fd, rel, F_OK, 0) == 0)
			continue;
		guint made = 0;
		if (!make_group(h, rel, &made, error))
			return FALSE;
		g_autofree char *file = g_strdup_printf("%s/cgroup.procs", rel);
		/* Again until nothing new turns up: members fork while they are being moved. */
		for (guint round = 0, last = 0; round < 10; round++) {
			g_autoptr(GArray) pids = rt_cgroup_pids(path, NULL);
			for (guint k = 0; pids && k < pids->len; k++) {
				char text[16];
				snprintf(text, sizeof text, "%d", g_array_index(pids, pid_t, k));
				(void)write_file(h->fd, file, text);
			}
			if (!pids || pids->len == last)
				break;
			last = pids->len;
		}
	}
	return TRUE;
}

gboolean rt_cgroup_update(const char *path, const OciResources *resources, GError **error)
{
	const char *rel = cg_relative(path, error);
	if (!rel || !make_missing(path, rel, resources, error))
		return FALSE;
	g_auto(CgGroup) g = {0};
	cg_group_open(&g, rel);
	if (g.host->has_v2 && g.fd[0] >= 0)
		delegate(&g);
	g.undo = cg_undo_new();
	gboolean ok = cg_apply(&g, resources, error);
	if (!ok)
		cg_undo(&g);
	return ok;
}

/* ---- membership ---- */

gboolean rt_cgroup_enter(const char *path, pid_t pid, GError **error)
{
	const char *rel = cg_relative(path, error);
	if (!rel)
		return FALSE;
	g_auto(CgGroup) g = {0};
	cg_group_open(&g, rel);
	char text[16];
	snprintf(text, sizeof text, "%d", pid ? pid : getpid());
	gboolean any = FALSE;
	for (guint i = 0; i < g.host->n; i++) {
		if (g.fd[i] < 0)
			continue;
		if (!cg_write_at(&g, (int)i, "cgroup.procs", text, error))
			return FALSE;
		any = TRUE;
	}
	return any || dh_error(error, DH_ERROR_NOT_FOUND, "cgroup %s does not exist", path);
}

int cg_join_self(const CgGroup *g, gboolean v2, const char **ret_where)
{
	for (guint i = 0; i < g->host->n; i++) {
		const CgHierarchy *h = &g->host->h[i];
		if (g->fd[i] < 0 || (h->v2 && !v2))
			continue;
		/* A thread that moves itself is spared the system-wide lock (and the grace period
		 * that lock waits for) which moving a whole process takes. */
		if (write_file(g->fd[i], h->v2 ? "cgroup.procs" : "tasks", "0") < 0) {
			*ret_where = h->where;
			return -1;
		}
	}
	return 0;
}

static void collect(int dirfd, GHashTable *set)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return;
	DIR *dir = fdopendir(copy);
	if (!dir) {
		close(copy);
		return;
	}
	struct dirent *e;
	while ((e = readdir(dir))) {
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			g_hash_table_add(set, g_strdup(e->d_name));
	}
	closedir(dir);
}

char **rt_cgroup_children(const char *path)
{
	const char *rel = path;
	while (*rel == '/')
		rel++;
	g_autoptr(GHashTable) set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_auto(CgGroup) g = {0};
	cg_group_open(&g, *rel ? rel : ".");
	for (guint i = 0; i < g.host->n; i++) {
		if (g.fd[i] >= 0)
			collect(g.fd[i], set);
	}
	guint n;
	g_autofree char **keys = (char **)g_hash_table_get_keys_as_array(set, &n);
	char **out = g_new0(char *, n + 1);
	for (guint i = 0; i < n; i++)
		out[i] = g_strdup(keys[i]);
	return out;
}

static void collect_pids(int dirfd, GArray *pids, guint depth)
{
	g_autofree char *text = cg_read(dirfd, "cgroup.procs");
	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		pid_t pid = (pid_t)g_ascii_strtoll(p, NULL, 10);
		if (pid > 0)
			g_array_append_val(pids, pid);
	}
	if (depth > 64)
		return;
	g_autoptr(GHashTable) set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	collect(dirfd, set);
	GHashTableIter it;
	gpointer name;
	g_hash_table_iter_init(&it, set);
	while (g_hash_table_iter_next(&it, &name, NULL)) {
		dh_autofd int sub =
			openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			collect_pids(sub, pids, depth + 1);
	}
}

GArray *rt_cgroup_pids(const char *path, GError **error)
{
	const char *rel = cg_relative(path, error);
	if (!rel)
		return NULL;
	g_auto(CgGroup) g = {0};
	cg_group_open(&g, rel);
	for (guint i = 0; i < g.host->n; i++) {
		if (g.fd[i] < 0)
			continue;
		GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
		collect_pids(g.fd[i], pids, 0);
		return pids;
	}
	dh_error(error, DH_ERROR_NOT_FOUND, "cgroup %s does not exist", path);
	return NULL;
}

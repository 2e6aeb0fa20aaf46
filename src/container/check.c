/* SPDX-License-Identifier: MIT */
/*
 * check.c - theory of operation: the engine goes on working while it is checked, so whatever is in
 * the middle of something must not be taken for damage. A container is only looked at when its
 * operation lock is free; a file or directory without an owner only counts when it has not been
 * changed for min_age seconds (whoever creates makes directories first and the row last).
 */
#include "container/check.h"
#include "container/internal.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/timefmt.h"
#include "container/log_config.h"
#include "container/usage.h"
#include "shim/client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	Engine *engine;
	gboolean repair;
	int64_t min_age;
	json_t *problems, *dropped;
	json_int_t containers, running, layers, volumes;
} Check;

void engine_report(Engine *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	dh_info("%s", text);
	g_ptr_array_add(e->start_report, text);
}

static void problem(Check *k, const char *kind, gboolean repaired, const char *fmt, ...)
	G_GNUC_PRINTF(4, 5);
static void problem(Check *k, const char *kind, gboolean repaired, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	json_array_append_new(k->problems,
		json_pack("{s:s, s:s, s:b}", "Kind", kind, "Text", valid, "Repaired", repaired));
}

/* ---- containers ---- */

enum { ENDING_WAIT_MS = 1000 };

static gboolean exists(const char *dir, const char *name)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	return access(path, F_OK) == 0;
}

/* What is wrong with a container that is said to run; NULL: nothing. */
static char *running_fault(const Container *c, int64_t pid)
{
	ShimRequest req = {.op = (char *)"status"};
	g_autoptr(GError) error = NULL;
	ShimReply *reply = shim_request(c->run_dir, &req, NULL, 0, &error);
	gboolean exited = reply && reply->exited;
	int64_t has = reply ? reply->pid : pid;
	dh_json_free(&shim_reply_table, reply);
	/* Without a socket, it would say that the container has ended: this one's end was not told.
	 */
	if (g_error_matches(error, DH_ERROR, DH_ERROR_NOT_FOUND))
		return g_strdup("its shim cannot be reached");
	if (error)
		return g_strdup_printf("its shim does not answer: %s", error->message);
	if (!exited && has != pid)
		return g_strdup_printf("process %" G_GINT64_FORMAT
				       " is on record, its shim has %" G_GINT64_FORMAT,
			pid, has);
	g_autoptr(GArray) pids = rt_cgroup_pids(c->cgroup, NULL);
	if (!pids || pids->len == 0)
		return g_strdup_printf("its cgroup %s is empty", c->cgroup);
	return NULL;
}

/* One that is just ending shows all of this for a moment. */
static void check_running(Check *k, Container *c, int64_t pid)
{
	g_autofree char *fault = running_fault(c, pid);
	if (fault && !container_wait_stopped(c, ENDING_WAIT_MS))
		problem(k, "shim", FALSE, "container %.12s runs, but %s", c->id, fault);
}

static void check_container(Check *k, Container *c)
{
	if (!g_mutex_trylock(&c->op))
		return;
	g_mutex_lock(&c->state_lock);
	gboolean removed = c->removed, running = c->state.running;
	gboolean busy = c->ending || c->unmounting;
	int64_t pid = c->state.pid;
	g_mutex_unlock(&c->state_lock);
	if (!removed && !exists(c->dir, ""))
		problem(k, "directory", FALSE, "container %.12s: its directory %s is gone", c->id,
			c->dir);
	if (!removed && running && !busy)
		check_running(k, c, pid);
	else if (!removed && !busy && exists(c->run_dir, SHIM_SOCKET_NAME))
		problem(k, "shim", FALSE, "container %.12s does not run, but has a shim", c->id);
	k->containers++;
	k->running += running;
	int64_t lost = log_dropped(c);
	if (lost > 0)
		json_object_set_new(k->dropped, c->id, json_integer(lost));
	g_mutex_unlock(&c->op);
}

/* ---- what has no owner ---- */

static gboolean is_settled(const Check *k, int dirfd, const char *name)
{
	struct stat st;
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ctim.tv_sec + k->min_age <= dh_time_now() / DH_NSEC;
}

static void check_run_dirs(Check *k)
{
	g_autofree char *path = g_build_filename(k->engine->config.exec_root, "containers", NULL);
	DIR *d = opendir(path);
	if (!d) {
		problem(k, "directory", FALSE, "%s: %s", path, g_strerror(errno));
		return;
	}
	struct dirent *ent;
	while ((ent = readdir(d))) {
		if (*ent->d_name == '.' || container_is_known(k->engine, ent->d_name) ||
			!is_settled(k, dirfd(d), ent->d_name))
			continue;
		gboolean gone = k->repair && dh_remove_tree(dirfd(d), ent->d_name, NULL);
		problem(k, "directory", gone, "%s/%s belongs to nothing", path, ent->d_name);
	}
	closedir(d);
}

static void check_cgroups(Check *k)
{
	g_autoptr(GPtrArray) strays = container_stray_cgroups(k->engine);
	for (guint i = 0; i < strays->len; i++) {
		const char *path = strays->pdata[i];
		gboolean gone = k->repair && rt_cgroup_end(path, NULL);
		problem(k, "cgroup", gone, "cgroup %s belongs to no container", path);
	}
}

/* ---- store and volumes ---- */

static gboolean take_layer(void *arg, int n, const char *const *columns, GError **error)
{
	(void)n;
	(void)error;
	Check *k = arg;
	const char *colon = columns[0] ? strchr(columns[0], ':') : NULL;
	g_autofree char *layers = g_build_filename(k->engine->config.data_root, "layers", NULL);
	k->layers++;
	if (colon && !exists(layers, colon + 1))
		problem(k, "layer", FALSE, "layer %s: its directory is gone", columns[0]);
	return TRUE;
}

static gboolean take_verdict(void *arg, int n, const char *const *columns, GError **error)
{
	(void)n;
	(void)error;
	if (g_strcmp0(columns[0], "ok") != 0)
		problem(arg, "database", FALSE, "state.db: %s", columns[0]);
	return TRUE;
}

static void check_database(Check *k)
{
	g_autoptr(GError) error = NULL;
	if (!dh_db_query(k->engine->db, &error, take_verdict, k, "PRAGMA quick_check", "") ||
		!dh_db_query(
			k->engine->db, &error, take_layer, k, "SELECT chain_id FROM layers", ""))
		problem(k, "database", FALSE, "state.db: %s", error->message);
}

static gboolean is_volume(Engine *e, const char *name)
{
	g_autoptr(Volume) v = volumes_find(e->volumes, name, NULL);
	return v != NULL;
}

static void check_volumes(Check *k)
{
	g_autofree char *root = g_build_filename(k->engine->config.data_root, "volumes", NULL);
	g_autoptr(GPtrArray) all = volumes_all(k->engine->volumes);
	k->volumes = all->len;
	for (guint i = 0; i < all->len; i++) {
		const Volume *v = all->pdata[i];
		if (!exists(root, v->name) && is_volume(k->engine, v->name))
			problem(k, "volume", FALSE, "volume %s: its directory is gone", v->name);
	}
}

/* What lies at the top or among the volumes may be somebody's data: told, never deleted. */
static void check_strays(Check *k)
{
	const char *root = k->engine->config.data_root;
	g_autoptr(Usage) u = usage_of(k->engine);
	for (guint i = 0; i < u->strays->len; i++) {
		const UsageStray *s = u->strays->pdata[i];
		g_autofree char *path = g_build_filename(root, s->path, NULL);
		if (!is_settled(k, AT_FDCWD, path))
			continue;
		gboolean gone = k->repair && s->orphan && dh_remove_tree(AT_FDCWD, path, NULL);
		problem(k, "directory", gone, "%s belongs to nothing (%" G_GINT64_FORMAT " bytes)",
			path, s->size);
	}
}

/* ---- */

static json_t *last_start(Engine *e)
{
	json_t *actions = json_array();
	for (guint i = 0; i < e->start_report->len; i++)
		json_array_append_new(actions, json_string(e->start_report->pdata[i]));
	g_autofree char *when = dh_time_format(e->started_at);
	return json_pack("{s:s, s:I, s:o}", "Time", when, "Milliseconds", (json_int_t)e->start_ms,
		"Actions", actions);
}

static void network_finding(void *check, gboolean repaired, const char *text)
{
	problem(check, "network", repaired, "%s", text);
}

static int64_t pid_of(void *check, const char *id)
{
	g_autoptr(Container) c = container_find(((Check *)check)->engine, id, NULL);
	if (!c)
		return 0;
	g_mutex_lock(&c->state_lock);
	int64_t pid = c->state.running ? c->state.pid : 0;
	g_mutex_unlock(&c->state_lock);
	return pid;
}

json_t *engine_check(Engine *e, gboolean repair, int64_t min_age)
{
	Check k = {.engine = e,
		.repair = repair,
		.min_age = min_age,
		.problems = json_array(),
		.dropped = json_object()};
	g_autoptr(GPtrArray) all = container_all(e);
	check_database(&k);
	for (guint i = 0; i < all->len; i++)
		check_container(&k, all->pdata[i]);
	check_cgroups(&k);
	check_run_dirs(&k);
	check_strays(&k);
	check_volumes(&k);
	net_check(e->net, repair, pid_of, network_finding, &k);
	return json_pack("{s:o, s:{s:I,s:I,s:I,s:I}, s:o, s:o}", "Problems", k.problems, "Checked",
		"Containers", k.containers, "Running", k.running, "Layers", k.layers, "Volumes",
		k.volumes, "LogsDropped", k.dropped, "LastStart", last_start(e));
}

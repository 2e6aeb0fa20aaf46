/* SPDX-License-Identifier: MIT */
#include "container/engine.h"
#include "container/health.h"
#include "container/internal.h"
#include "container/mounts.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/timefmt.h"
#include "shim/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKGROUND_THREADS = 4, IDLE_SHIMS = 2 };

static void unref_container(void *c)
{
	container_unref(c);
}

static void unref_exec(void *x)
{
	exec_unref(x);
}

static gboolean make_directories(const EngineConfig *config, GError **error)
{
	static const char *const data[] = {"containers", "tmp"};
	static const char *const run[] = {"containers", "rootfs"};
	if (!dh_mkdir_p(config->data_root, 0710, error) ||
		!dh_mkdir_p(config->exec_root, 0711, error))
		return FALSE;
	for (guint i = 0; i < 2; i++) {
		g_autofree char *d = g_build_filename(config->data_root, data[i], NULL);
		g_autofree char *r = g_build_filename(config->exec_root, run[i], NULL);
		if (!dh_mkdir_p(d, 0710, error) || !dh_mkdir_p(r, 0700, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean get_text(void *arg, int n, const char *const *columns, GError **error)
{
	(void)n;
	(void)error;
	*(char **)arg = g_strdup(columns[0]);
	return TRUE;
}

static gboolean load_engine_id(Engine *e, GError **error)
{
	if (!dh_db_query(e->db, error, get_text, &e->id,
		    "SELECT value FROM meta WHERE key='engine-id'", ""))
		return FALSE;
	if (e->id)
		return TRUE;
	e->id = g_uuid_string_random();
	return dh_db_exec(
		e->db, error, "INSERT INTO meta (key, value) VALUES ('engine-id', ?)", "s", e->id);
}

/* The database's versions, one after the other. Free with g_strfreev. */
static char **schemas(void)
{
	char **all = g_new0(char *, 4);
	all[0] = g_strconcat(container_schema, store_schema, NULL);
	all[1] = g_strdup(volume_schema);
	all[2] = g_strdup(registry_schema);
	return all;
}

static gboolean open_database(Engine *e, GError **error)
{
	g_autofree char *path = g_build_filename(e->config.data_root, "state.db", NULL);
	g_auto(GStrv) all = schemas();
	e->db = dh_db_open(path, (const char *const *)all, g_strv_length(all), error);
	if (!e->db)
		return FALSE;
	(void)chmod(path, 0600);
	dh_db_set_reserve(e->db, e->reserve);
	return load_engine_id(e, error);
}

/* What opening and reconciling write shall find room: a full disk keeps no engine from starting. */
static void open_reserve(Engine *e)
{
	g_autofree char *path = g_build_filename(e->config.data_root, "reserve", NULL);
	/* Where it used to be. */
	g_autofree char *before = g_build_filename(e->config.data_root, "state.db-reserve", NULL);
	(void)unlink(before);
	e->reserve = dh_reserve_open(path, !e->config.no_reserve);
	if (dh_reserve_needed(e->reserve))
		(void)dh_reserve_spend(e->reserve);
}

gboolean engine_accepts(const EngineConfig *config, GError **error)
{
	g_autofree char *path = g_build_filename(config->data_root, "state.db", NULL);
	g_auto(GStrv) all = schemas();
	return access(path, F_OK) < 0 || dh_db_accepts(path, g_strv_length(all), error);
}

static gboolean open_volumes(Engine *e, GError **error)
{
	g_auto(GStrv) notes = NULL;
	e->volumes = volumes_open(e->config.data_root, e->db, &notes, error);
	for (char **n = notes; n && *n; n++)
		dh_warn("%s", *n);
	return e->volumes != NULL;
}

/* Nobody removes a volume before its containers have said that they hold it. */
static void hold_volumes(Engine *e)
{
	g_autoptr(GPtrArray) all = container_all(e);
	for (guint i = 0; i < all->len; i++)
		mounts_hold(all->pdata[i]);
}

static gboolean load_containers(Engine *e, GError **error)
{
	if (!container_load_all(e, error))
		return FALSE;
	hold_volumes(e);
	return TRUE;
}

/* Not worth a daemon that does not start, but worth a word in its log. */
static void open_apparmor(Engine *e)
{
	g_autoptr(GError) error = NULL;
	if (!apparmor_prepare(&e->apparmor, &error))
		dh_warn("%s", error->message);
}

static void firewall_restored(void *arg, const GError *error)
{
	(void)arg;
	if (error)
		dh_log_error("the firewall table was damaged by somebody else: %s", error->message);
	else
		dh_warn("the firewall table was damaged by somebody else; it has been restored");
}

Engine *engine_open(EngineConfig *config, EngineSettings *settings, GError **error)
{
	Engine *e = g_new0(Engine, 1);
	config->net.firewall_restored = firewall_restored;
	e->config = *config;
	e->settings = settings_ref(settings);
	g_mutex_init(&e->settings_lock);
	e->started_at = dh_time_now();
	g_mutex_init(&e->lock);
	g_mutex_init(&e->exec_lock);
	e->start_report = g_ptr_array_new_with_free_func(g_free);
	e->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, unref_container);
	e->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_container);
	e->making = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	e->execs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, unref_exec);
	if (config->handed_over)
		engine_hold_removals(e);
	e->closing = eventfd(0, EFD_CLOEXEC);
	e->probes = g_thread_pool_new(health_probe, NULL, -1, FALSE, NULL);
	e->background = g_thread_pool_new(engine_run_job, NULL, BACKGROUND_THREADS, FALSE, NULL);
	e->shims = shim_pool_new(config->shim_path, IDLE_SHIMS);
	g_autofree char *events = g_build_filename(config->data_root, "events", NULL);
	open_apparmor(e);
	gboolean made = (e->identities = identities_new(config->userns_remap, error)) &&
			make_directories(config, error);
	if (made)
		open_reserve(e);
	if (made && (e->events = events_open(events, error)) && open_database(e, error) &&
		(e->store = store_open(config->data_root, e->db, error)) &&
		(e->registry = registry_new(&settings->registry, e->store, e->db, error)) &&
		(e->net = net_engine_new(&config->net, error)) &&
		(e->supervisor = supervisor_new(error)) && open_volumes(e, error) &&
		load_containers(e, error) && engine_reconcile(e, error)) {
		dh_reserve_refill(e->reserve);
		e->start_ms = (dh_time_now() - e->started_at) / 1000000;
		/* Stocks are laid in when the way is free. */
		net_refill(e->net);
		shim_pool_refill(e->shims);
		return e;
	}
	engine_close(e, TRUE);
	return NULL;
}

static gboolean any_running(Engine *e)
{
	g_autoptr(GPtrArray) all = container_all(e);
	for (guint i = 0; i < all->len; i++) {
		Container *c = all->pdata[i];
		g_mutex_lock(&c->state_lock);
		gboolean running = c->state.running;
		g_mutex_unlock(&c->state_lock);
		if (running)
			return TRUE;
	}
	return FALSE;
}

/* What an engine without running containers leaves behind: its data, nothing else. */
static void leave_nothing(Engine *e)
{
	g_autoptr(GError) error = NULL;
	if (!rt_cgroup_remove(e->config.cgroup_parent, &error))
		dh_warn("%s", error->message);
	g_autofree char *run = g_build_filename(e->config.exec_root, "containers", NULL);
	g_autofree char *rootfs = g_build_filename(e->config.exec_root, "rootfs", NULL);
	(void)rmdir(run);
	(void)rmdir(rootfs);
	(void)rmdir(e->config.exec_root);
}

/* After all that is in it. */
static void end_pool(Engine *e, GThreadPool **pool)
{
	g_mutex_lock(&e->lock);
	GThreadPool *p = g_steal_pointer(pool);
	g_mutex_unlock(&e->lock);
	if (p)
		g_thread_pool_free(p, FALSE, TRUE);
}

/* The supervisor last: what is in the pools may wait for a container's end. */
void engine_halt(Engine *e)
{
	eventfd_write(e->closing, 1);
	end_pool(e, &e->probes);
	end_pool(e, &e->background);
	if (e->supervisor)
		supervisor_stop(e->supervisor);
}

void engine_close(Engine *e, gboolean keep)
{
	engine_halt(e);
	gboolean running = keep || any_running(e);
	supervisor_free(e->supervisor);
	shim_pool_free(e->shims);
	net_engine_free(e->net, !running);
	if (e->db && !running)
		leave_nothing(e);
	g_queue_clear_full(&e->gone, departed_free);
	g_clear_pointer(&e->held, g_ptr_array_unref);
	g_hash_table_unref(e->execs);
	g_hash_table_unref(e->by_name);
	g_hash_table_unref(e->by_id);
	g_hash_table_unref(e->making);
	registry_free(e->registry);
	store_close(e->store);
	volumes_close(e->volumes);
	dh_db_close(e->db);
	dh_reserve_close(e->reserve);
	events_free(e->events);
	identities_free(e->identities);
	g_ptr_array_unref(e->start_report);
	dh_close(&e->closing);
	g_mutex_clear(&e->lock);
	g_mutex_clear(&e->exec_lock);
	g_mutex_clear(&e->settings_lock);
	settings_unref(e->settings);
	g_free(e->id);
	g_free(e);
}

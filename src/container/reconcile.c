/* SPDX-License-Identifier: MIT */
/*
 * reconcile.c - theory of operation: the database says what should be, the machine shows what is.
 * Run before the engine serves anybody: row says running, shim answers      adopt: hear its events,
 * keep its address and ports row says running, no shim           it ended while nobody listened:
 * the exit record on disk tells how; without one it was killed row says otherwise, shim answers a
 * start that was never confirmed: end it directory, run directory, cgroup, veth or port without a
 * row: sweep Ordinary containers with --rm that have ended meanwhile are removed.
 */
#include "container/internal.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "container/check.h"
#include "container/health.h"
#include "container/restart.h"
#include "shim/client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static gboolean shim_present(Container *c)
{
	g_autofree char *socket = g_build_filename(c->run_dir, SHIM_SOCKET_NAME, NULL);
	return access(socket, F_OK) == 0;
}

/* Whoever died between freezing (or thawing) and saying so in the row has told nobody; and what was
 * paused for a commit is not meant to stay so. */
static void pause_as_recorded(Container *c)
{
	g_autoptr(GError) error = NULL;
	gboolean paused = c->state.paused;
	if (rt_cgroup_frozen(c->cgroup) == paused)
		return;
	engine_report(c->engine, "container %s: %s", c->id, paused ? "paused again" : "unpaused");
	if (!rt_cgroup_freeze(c->cgroup, paused, &error))
		dh_warn("container %s: %s", c->id, error->message);
}

void container_end_unheard(Container *c)
{
	g_autoptr(GError) error = NULL;
	if (!rt_cgroup_kill(c->cgroup, &error))
		dh_warn("container %s: %s", c->id, error->message);
	g_clear_error(&error);
	/* The shim sees the end, writes its record and tidies up: end of file says that it is done.
	 */
	int events = shim_subscribe(c->run_dir, NULL, NULL);
	ShimEvent *ev;
	while (events >= 0 && (ev = shim_next_event(events, NULL)))
		dh_json_free(&shim_event_table, ev);
	if (events >= 0)
		close(events);
	(void)shim_forget_exit(c->dir, NULL);
	if (!rt_cgroup_remove(c->cgroup, &error) || !dh_remove_tree(AT_FDCWD, c->run_dir, &error))
		dh_warn("container %s: %s", c->id, error->message);
}

static void adopt_networks(Engine *e, const GPtrArray *adopted)
{
	g_autoptr(GArray) ends = g_array_sized_new(FALSE, TRUE, sizeof(NetAdoption), adopted->len);
	for (guint i = 0; i < adopted->len; i++) {
		const Container *c = adopted->pdata[i];
		NetAdoption a = {.id = c->id, .endpoint = c->endpoint, .pid = c->state.pid};
		if (c->endpoint)
			g_array_append_val(ends, a);
	}
	net_adopt_all(e->net, (NetAdoption *)ends->data, ends->len);
	for (guint i = 0; i < ends->len; i++) {
		NetAdoption *a = &g_array_index(ends, NetAdoption, i);
		if (a->note)
			engine_report(e, "container %s: %s", a->id, a->note);
		if (a->error)
			engine_report(e, "container %s: network: %s", a->id, a->error->message);
		g_free(a->note);
		g_clear_error(&a->error);
	}
}

/* Whoever has a shim goes on. Returns those (borrowed); the others' *ret_lost. */
static GPtrArray *adopt_running(Engine *e, const GPtrArray *running)
{
	GPtrArray *adopted = g_ptr_array_new();
	g_autofree ShimSubscription *subs = g_new0(ShimSubscription, running->len + 1);
	for (guint i = 0; i < running->len; i++)
		subs[i].run_dir = ((Container *)running->pdata[i])->run_dir;
	shim_subscribe_all(subs, running->len);
	for (guint i = 0; i < running->len; i++) {
		Container *c = running->pdata[i];
		g_clear_error(&subs[i].error);
		if (subs[i].events < 0)
			continue;
		if (subs[i].answered)
			c->state.pid = subs[i].pid;
		else
			engine_report(e, "container %s runs, but its shim does not answer", c->id);
		dh_debug("container %s is still running (pid %" G_GINT64_FORMAT ")", c->id,
			c->state.pid);
		pause_as_recorded(c);
		g_ptr_array_add(adopted, c);
	}
	adopt_networks(e, adopted);
	/* Only now that all is in place may their ends be heard. */
	for (guint i = 0; i < running->len; i++) {
		Container *c = running->pdata[i];
		if (subs[i].events < 0)
			continue;
		g_autoptr(GError) error = NULL;
		if (!supervisor_add(e->supervisor, c, subs[i].events, -1, &error))
			dh_log_error("container %s: %s", c->id, error->message);
		health_resume(c);
	}
	return adopted;
}

/* One that does not go on. */
static void settle(Container *c, gboolean should_run)
{
	g_mutex_lock(&c->state_lock);
	/* Nobody is at it any more. */
	if (c->state.status == STATUS_REMOVING)
		c->state.status = STATUS_EXITED;
	gboolean remove =
		!should_run && c->host_config->auto_remove && c->state.status == STATUS_EXITED;
	g_mutex_unlock(&c->state_lock);
	/* From here on it may end, and with --rm be removed, while we look. */
	if (should_run) {
		engine_report(c->engine, "container %s ended while the daemon was away", c->id);
		container_lost(c);
		/* It has waited long enough, and in their order (restart.c) those that have links
		 * find what they are linked to. */
		g_mutex_lock(&c->state_lock);
		c->state.restart_at = 0;
		g_mutex_unlock(&c->state_lock);
	} else if (shim_present(c)) {
		engine_report(
			c->engine, "container %s: ending a start that was never confirmed", c->id);
		container_end_unheard(c);
	}
	if (remove)
		container_remove_automatically(c);
}

static void reconcile_containers(Engine *e, const GPtrArray *all)
{
	g_autoptr(GPtrArray) running = g_ptr_array_new();
	for (guint i = 0; i < all->len; i++) {
		if (((Container *)all->pdata[i])->state.running)
			g_ptr_array_add(running, all->pdata[i]);
	}
	g_autoptr(GPtrArray) adopted = adopt_running(e, running);
	g_autoptr(GHashTable) goes_on = g_hash_table_new(NULL, NULL);
	for (guint i = 0; i < adopted->len; i++)
		g_hash_table_add(goes_on, adopted->pdata[i]);
	g_autoptr(GHashTable) was_running = g_hash_table_new(NULL, NULL);
	for (guint i = 0; i < running->len; i++)
		g_hash_table_add(was_running, running->pdata[i]);
	for (guint i = 0; i < all->len; i++) {
		if (!g_hash_table_contains(goes_on, all->pdata[i]))
			settle(all->pdata[i], g_hash_table_contains(was_running, all->pdata[i]));
	}
}

/* Deletes what lies in a directory of per-container directories without being a container's. */
static void sweep_directory(Engine *e, const char *path)
{
	DIR *d = opendir(path);
	if (!d)
		return;
	struct dirent *ent;
	while ((ent = readdir(d))) {
		if (*ent->d_name == '.' || g_hash_table_contains(e->by_id, ent->d_name))
			continue;
		g_autoptr(GError) error = NULL;
		engine_report(
			e, "removing %s/%s, which belongs to no container", path, ent->d_name);
		if (!dh_remove_tree(dirfd(d), ent->d_name, &error))
			dh_warn("%s/%s: %s", path, ent->d_name, error->message);
	}
	closedir(d);
}

static void sweep_cgroups(Engine *e)
{
	g_autoptr(GPtrArray) strays = container_stray_cgroups(e);
	for (guint i = 0; i < strays->len; i++) {
		const char *path = strays->pdata[i];
		g_autoptr(GError) error = NULL;
		engine_report(e, "ending cgroup %s, which belongs to no container", path);
		if (!rt_cgroup_end(path, &error))
			dh_warn("cgroup %s: %s", path, error->message);
	}
}

static guint count_running(const GPtrArray *all)
{
	guint n = 0;
	for (guint i = 0; i < all->len; i++)
		n += ((Container *)all->pdata[i])->state.running;
	return n;
}

gboolean engine_reconcile(Engine *e, GError **error)
{
	(void)error;
	g_autofree char *dirs = g_build_filename(e->config.data_root, "containers", NULL);
	g_autofree char *run_dirs = g_build_filename(e->config.exec_root, "containers", NULL);
	g_autoptr(GPtrArray) all = container_all(e);
	reconcile_containers(e, all);
	sweep_cgroups(e);
	sweep_directory(e, run_dirs);
	sweep_directory(e, dirs);
	net_sweep(e->net);
	store_gc(e->store, container_uses_image, e);
	engine_report(e, "%u containers, of which %u go on running", all->len, count_running(all));
	for (char *const *lost = store_lost(e->store); lost && *lost; lost++)
		engine_report(e, "%s", *lost);
	restart_after_boot(e);
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
/* exit.c - what happens when a container has ended, however it came to that. */
#include "container/internal.h"
#include "container/mounts.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/timefmt.h"
#include "base/trace.h"
#include "container/restart.h"
#include "shim/client.h"

#include <fcntl.h>

/* FALSE: it need not wait. */
static gboolean hold(Container *c)
{
	Engine *e = c->engine;
	g_mutex_lock(&e->lock);
	gboolean held = e->held != NULL;
	if (held)
		g_ptr_array_add(e->held, container_ref(c));
	g_mutex_unlock(&e->lock);
	return held;
}

static void unref_container(void *c)
{
	container_unref(c);
}

void engine_hold_removals(Engine *e)
{
	g_mutex_lock(&e->lock);
	if (!e->held)
		e->held = g_ptr_array_new_with_free_func(unref_container);
	g_mutex_unlock(&e->lock);
}

void engine_release_removals(Engine *e)
{
	g_mutex_lock(&e->lock);
	g_autoptr(GPtrArray) held = g_steal_pointer(&e->held);
	g_mutex_unlock(&e->lock);
	for (guint i = 0; held && i < held->len; i++)
		container_remove_automatically(held->pdata[i]);
}

void container_remove_automatically(Container *c)
{
	g_autoptr(GError) error = NULL;
	if (hold(c) || container_remove(c, FALSE, TRUE, &error))
		return;
	if (!g_error_matches(error, DH_ERROR, DH_ERROR_NOT_FOUND) &&
		!g_str_has_suffix(error->message, "is already in progress"))
		dh_warn("remove container %s: %s", c->id, error->message);
}

void container_release(Container *c, NetEndpoint *endpoint)
{
	if (endpoint) {
		net_detach(c->engine->net, c->id, endpoint);
		dh_json_free(&net_endpoint_table, endpoint);
	}
}

void container_exited(Container *c, const ShimExit *x)
{
	g_mutex_lock(&c->state_lock);
	ContainerState *s = &c->state;
	gboolean was_running = s->running;
	/* Until all is recorded and released, a new start waits: it uses the same names. */
	c->ending = TRUE;
	s->status = s->status == STATUS_REMOVING ? STATUS_REMOVING : STATUS_EXITED;
	s->running = s->paused = s->restarting = FALSE;
	s->pid = 0;
	s->exit_code = x->status;
	s->oom_killed = x->oom_killed;
	s->finished_at = x->finished_at;
	s->log_dropped += x->log_dropped;
	gboolean again = restart_decide(
		c, x->started_at > 0 ? x->finished_at - x->started_at : (int64_t)0, x->finished_at);
	NetEndpoint *endpoint = g_steal_pointer(&c->endpoint);
	/* Its row is about to go; if this daemon ends before, the record says how it was. */
	gboolean brief = c->host_config->auto_remove && !again;
	g_mutex_unlock(&c->state_lock);

	g_autoptr(GError) error = NULL;
	exec_note_all_ended(c);
	container_release(c, endpoint);
	dh_trace("daemon: exit: network released");
	/* Once the row has it, the record on disk is no longer needed; before, it is the only
	 * memory. */
	if (!brief && (!container_save(c, &error) || !shim_forget_exit(c->dir, &error)))
		dh_log_error("container %s: %s", c->id, error->message);
	dh_trace("daemon: exit: row written");

	g_autofree char *code = g_strdup_printf("%" G_GINT64_FORMAT, x->status);
	g_autofree char *lasted = g_strdup_printf("%" G_GINT64_FORMAT,
		x->started_at > 0 ? (x->finished_at - x->started_at) / DH_NSEC : (int64_t)0);
	if (was_running) {
		container_event(c, "die", "exitCode", code, "execDuration", lasted, NULL);
		mounts_event(c, "unmount");
	}
	g_mutex_lock(&c->state_lock);
	c->exits++;
	c->ending = FALSE;
	container_changed(c);
	gboolean auto_remove = c->host_config->auto_remove && s->status != STATUS_REMOVING;
	g_mutex_unlock(&c->state_lock);
	if (again)
		restart_schedule(c);
	if (auto_remove)
		container_background(c, container_remove_automatically);
}

void container_lost(Container *c)
{
	g_autoptr(GError) error = NULL;
	ShimExit *x = shim_read_exit(c->dir, &error);
	if (!x) {
		if (error)
			dh_warn("container %s: %s", c->id, error->message);
		g_clear_error(&error);
		x = dh_json_new(&shim_exit_table);
		x->status = 137;
		x->finished_at = dh_time_now();
		g_mutex_lock(&c->state_lock);
		x->pid = c->state.pid;
		x->started_at = c->state.started_at;
		g_mutex_unlock(&c->state_lock);
	}
	/* The shim would have done this. */
	if (!rt_cgroup_end(c->cgroup, &error) || !dh_remove_tree(AT_FDCWD, c->run_dir, &error))
		dh_warn("container %s: %s", c->id, error->message);
	container_exited(c, x);
	dh_json_free(&shim_exit_table, x);
}

void container_shim_gone(Container *c)
{
	g_autoptr(GError) error = NULL;
	g_mutex_lock(&c->state_lock);
	gboolean again = c->state.running; /* the next one's */
	g_mutex_unlock(&c->state_lock);
	if (!again && !dh_remove_tree(AT_FDCWD, c->run_dir, &error))
		dh_warn("container %s: %s", c->id, error->message);
}

/* SPDX-License-Identifier: MIT */
/* lifecycle.c - stop, restart, kill, pause, unpause, resize. */
#include "container/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "container/restart.h"
#include "container/runtimes.h"
#include "container/start.h"
#include "shim/client.h"

#include <signal.h>

enum {
	DEFAULT_STOP_SECONDS = 10,
	KILL_WAIT_MS = 10000,
	ENDING_WAIT_MS = 1000,
	LAUNCH_WAIT_MS = 20000
};

static gboolean check_op(Container *c, ContainerOp op, ContainerStatus *ret_status, GError **error)
{
	g_mutex_lock(&c->state_lock);
	if (ret_status)
		*ret_status = c->state.status;
	gboolean ok = container_op_allowed(op, c->state.status, c->id, c->name, error);
	g_mutex_unlock(&c->state_lock);
	return ok;
}

static gboolean parse_signal(const char *name, int *ret, GError **error)
{
	*ret = rt_signal_parse(name);
	if (*ret <= 0)
		return dh_error(error, DH_ERROR_INVALID, "Invalid signal: %s", name);
	return TRUE;
}

/* NOT_FOUND: it has just ended by itself, which is what was wanted; then we hear of it. */
static gboolean send_signal(Container *c, int signal, GError **error)
{
	ShimRequest req = {.op = (char *)"kill", .signal = signal};
	g_autoptr(GError) failed = NULL;
	ShimReply *reply = shim_request(c->run_dir, &req, NULL, 0, &failed);
	dh_json_free(&shim_reply_table, reply);
	gboolean ended = g_error_matches(failed, DH_ERROR, DH_ERROR_NOT_FOUND);
	if (reply || container_wait_stopped(c, ended ? KILL_WAIT_MS : 0))
		return TRUE;
	if (ended)
		return dh_error(error, DH_ERROR_UNAVAILABLE,
			"the container's shim did not take the signal");
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

/* With our own runtime at once, as nothing but the group is needed. */
static gboolean freeze(Container *c, gboolean frozen, GError **error)
{
	if (runtime_is_own(c->host_config->runtime))
		return rt_cgroup_freeze(c->cgroup, frozen, error);
	ShimRequest req = {.op = (char *)(frozen ? "pause" : "resume")};
	ShimReply *reply = shim_request(c->run_dir, &req, NULL, 0, error);
	gboolean ok = reply != NULL;
	dh_json_free(&shim_reply_table, reply);
	return ok;
}

static void set_paused(Container *c, gboolean paused, gboolean passing)
{
	g_mutex_lock(&c->state_lock);
	if (c->state.running) {
		c->state.paused = paused;
		c->state.passing = paused && passing;
		c->state.status = paused ? STATUS_PAUSED : STATUS_RUNNING;
	}
	container_changed(c);
	g_mutex_unlock(&c->state_lock);
}

/* The frozen take no signal but SIGKILL. */
static gboolean thaw_if_paused(Container *c, GError **error)
{
	g_mutex_lock(&c->state_lock);
	gboolean paused = c->state.paused;
	g_mutex_unlock(&c->state_lock);
	if (!paused)
		return TRUE;
	/* Their group may be gone, or go just now and be gone next time. */
	g_autoptr(GError) failed = NULL;
	for (guint i = 0; i < 2; i++) {
		g_clear_error(&failed);
		if (freeze(c, FALSE, &failed)) {
			set_paused(c, FALSE, FALSE);
			if (!container_save(c, &failed))
				dh_warn("container %s: %s", c->id, failed->message);
			container_event(c, "unpause", NULL);
			return TRUE;
		}
		if (g_error_matches(failed, DH_ERROR, DH_ERROR_NOT_FOUND))
			return TRUE;
	}
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

static const char *own_stop_signal(Container *c)
{
	return c->config->stop_signal && *c->config->stop_signal ? c->config->stop_signal
								 : "SIGTERM";
}

static int64_t own_stop_timeout(Container *c)
{
	return json_is_integer(c->config->stop_timeout_raw)
		       ? json_integer_value(c->config->stop_timeout_raw)
		       : DEFAULT_STOP_SECONDS;
}

/* SIGKILL, first to PID 1, at last to everything in the cgroup: frozen or not, and also when the
 * shim takes no signals any more, as it sees the end all the same. */
static gboolean kill_hard(Container *c, GError **error)
{
	g_autoptr(GError) failed = NULL;
	gboolean sent = send_signal(c, SIGKILL, &failed) && thaw_if_paused(c, &failed);
	if (!sent)
		dh_warn("container %s: %s", c->id, failed->message);
	else if (container_wait_stopped(c, KILL_WAIT_MS))
		return TRUE;
	if (!rt_cgroup_kill(c->cgroup, error))
		return FALSE;
	if (container_wait_stopped(c, KILL_WAIT_MS))
		return TRUE;
	return dh_error(error, DH_ERROR_SYSTEM,
		"cannot stop container: %s: tried to kill container, but did not receive an exit "
		"event",
		c->id);
}

gboolean container_kill_hard(Container *c, GError **error)
{
	container_event(c, "kill", "signal", "9", NULL);
	return kill_hard(c, error);
}

/* On record before it is done: a daemon that comes after this one must not start it again. */
static void note_manual_stop(Container *c)
{
	g_autoptr(GError) error = NULL;
	g_mutex_lock(&c->state_lock);
	gboolean counts = !c->state.manually_stopped &&
			  g_strcmp0(c->host_config->restart_policy.name, "unless-stopped") == 0;
	c->state.manually_stopped = TRUE;
	g_mutex_unlock(&c->state_lock);
	if (counts && !container_save(c, &error))
		dh_warn("container %s: %s", c->id, error->message);
}

/* With c->op held. */
static gboolean stop_locked(Container *c, const char *signal, int64_t timeout, GError **error)
{
	int number;
	if (!parse_signal(signal ? signal : own_stop_signal(c), &number, error))
		return FALSE;
	if (timeout == INT64_MIN)
		timeout = own_stop_timeout(c);
	note_manual_stop(c);
	if (restart_cancel(c)) {
		container_event(c, "stop", NULL);
		return container_save(c, error);
	}

	g_autofree char *text = g_strdup_printf("%d", number);
	gboolean ignored = container_ignores_signal(c, number);
	container_event(c, "kill", "signal", text, ignored ? "ignored" : NULL, "true", NULL);
	g_autoptr(GError) failed = NULL;
	gboolean sent = send_signal(c, number, &failed) && thaw_if_paused(c, &failed);
	if (!sent)
		dh_warn("container %s: %s", c->id, failed->message);
	if (!sent || !container_wait_stopped(c, timeout < 0 ? -1 : timeout * 1000)) {
		container_event(c, "kill", "signal", "9", NULL);
		if (!kill_hard(c, error))
			return FALSE;
	}
	container_event(c, "stop", NULL);
	return TRUE;
}

gboolean container_stop(Container *c, const char *signal, int64_t timeout, GError **error)
{
	int number;
	if (signal && !parse_signal(signal, &number, error))
		return FALSE;
	g_mutex_lock(&c->op);
	gboolean ok = check_op(c, OP_STOP, NULL, error) && stop_locked(c, signal, timeout, error);
	g_mutex_unlock(&c->op);
	return ok;
}

gboolean container_restart(Container *c, const char *signal, int64_t timeout, GError **error)
{
	int number;
	if (signal && !parse_signal(signal, &number, error))
		return FALSE;
	g_mutex_lock(&c->op);
	/* --rm must not take away what is about to start again. */
	gboolean auto_remove = c->host_config->auto_remove;
	gboolean ok = TRUE;
	g_mutex_lock(&c->state_lock);
	gboolean running = c->state.running || c->state.restarting;
	if (running)
		c->host_config->auto_remove = FALSE;
	g_mutex_unlock(&c->state_lock);
	if (running)
		ok = stop_locked(c, signal, timeout, error);
	ok = ok && container_start_locked(c, FALSE, error);
	g_mutex_lock(&c->state_lock);
	c->host_config->auto_remove = auto_remove;
	g_mutex_unlock(&c->state_lock);
	g_mutex_unlock(&c->op);
	if (ok)
		container_event(c, "restart", NULL);
	return ok;
}

gboolean container_kill(Container *c, const char *signal, GError **error)
{
	int number = SIGKILL;
	if (signal && *signal && !parse_signal(signal, &number, error))
		return FALSE;
	/* Not under the operation lock: "kill" must reach a container that "stop" is waiting for.
	 */
	if (!check_op(c, OP_KILL, NULL, error))
		return FALSE;
	/* With a stop signal of its own, other signals are messages and not the end. */
	int stop_signal = container_stop_signal(c);
	gboolean final = number == SIGKILL || number == stop_signal || !c->config->stop_signal ||
			 !*c->config->stop_signal;
	gboolean waited = final && restart_cancel(c);
	note_manual_stop(c); /* a start that was under way would have wiped it out */
	if (waited)
		return container_save(c, error);
	/* A start that was under way may have failed. */
	if (final && !check_op(c, OP_KILL, NULL, error))
		return FALSE;
	g_autofree char *text = g_strdup_printf("%d", number);
	container_event(c, "kill", "signal", text, NULL);
	if (number == SIGKILL)
		return kill_hard(c, error);
	return send_signal(c, number, error) && (!final || thaw_if_paused(c, error));
}

gboolean container_launch_begin(Container *c, GError **error)
{
	g_mutex_lock(&c->state_lock);
	gboolean ok = container_op_allowed(OP_EXEC,
		c->state.running && c->pausing ? STATUS_PAUSED : c->state.status, c->id, c->name,
		error);
	c->launching += ok;
	g_mutex_unlock(&c->state_lock);
	return ok;
}

void container_launch_end(Container *c)
{
	g_mutex_lock(&c->state_lock);
	c->launching--;
	container_changed(c);
	g_mutex_unlock(&c->state_lock);
}

static void set_pausing(Container *c, gboolean pausing)
{
	g_mutex_lock(&c->state_lock);
	c->pausing = pausing;
	g_mutex_unlock(&c->state_lock);
}

/* What is just ending cannot be frozen: then it is its end that is told. */
static gboolean freeze_or_thaw(Container *c, ContainerOp op, gboolean frozen, GError **error)
{
	g_autoptr(GError) failed = NULL;
	if (frozen && !container_wait_launched(c, LAUNCH_WAIT_MS))
		return dh_error(error, DH_ERROR_UNAVAILABLE,
			"an exec of container %s does not come to its start", c->id);
	if (freeze(c, frozen, &failed))
		return TRUE;
	if (container_wait_stopped(c, ENDING_WAIT_MS) && !check_op(c, op, NULL, error))
		return FALSE;
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

static gboolean pause_op(
	Container *c, ContainerOp op, gboolean frozen, gboolean passing, GError **error)
{
	g_mutex_lock(&c->op);
	set_pausing(c, frozen);
	gboolean ok = check_op(c, op, NULL, error) && freeze_or_thaw(c, op, frozen, error);
	if (ok) {
		set_paused(c, frozen, passing);
		ok = container_save(c, error);
		if (!ok && freeze(c, !frozen, NULL))
			set_paused(c, !frozen, FALSE);
	}
	set_pausing(c, FALSE);
	g_mutex_unlock(&c->op);
	if (ok)
		container_event(c, frozen ? "pause" : "unpause", NULL);
	return ok;
}

gboolean container_pause(Container *c, GError **error)
{
	return pause_op(c, OP_PAUSE, TRUE, FALSE, error);
}

gboolean container_pause_briefly(Container *c, GError **error)
{
	return pause_op(c, OP_PAUSE, TRUE, TRUE, error);
}

gboolean container_unpause(Container *c, GError **error)
{
	return pause_op(c, OP_UNPAUSE, FALSE, FALSE, error);
}

gboolean container_resize(Container *c, int64_t height, int64_t width, GError **error)
{
	if (!check_op(c, OP_RESIZE, NULL, error))
		return FALSE;
	ShimRequest req = {.op = (char *)"resize", .height = height, .width = width};
	ShimReply *reply = shim_request(c->run_dir, &req, NULL, 0, error);
	if (!reply)
		return FALSE;
	dh_json_free(&shim_reply_table, reply);
	g_autofree char *h = g_strdup_printf("%" G_GINT64_FORMAT, height);
	g_autofree char *w = g_strdup_printf("%" G_GINT64_FORMAT, width);
	container_event(c, "resize", "height", h, "width", w, NULL);
	return TRUE;
}

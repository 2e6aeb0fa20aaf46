/* SPDX-License-Identifier: MIT */
/*
 * restart.c - theory of operation: when a container has ended, its policy decides, under the state
 * lock and before the end is recorded, whether it is "exited" or "restarting"; the row says so
 * before anybody is told. A timer of the supervisor then starts it again. Whatever comes in between
 * (stop, kill, rm, a start by hand) takes the container out of the state "restarting" or gives it a
 * later date, and the timer finds nothing to do.
 *
 * The delay is docker's: 100 ms, doubled each time up to a minute, from the beginning again after a
 * run of ten seconds.
 */
#include "container/restart.h"

#include "base/error.h"
#include "base/log.h"
#include "base/timefmt.h"
#include "container/start.h"

#include <string.h>

#define FIRST_DELAY_MS 100
#define MAX_DELAY_MS 60000
#define GOOD_RUN (10 * (int64_t)DH_NSEC)

static gboolean policy_wants(const Container *c)
{
	const RestartPolicy *p = &c->host_config->restart_policy;
	if (g_strcmp0(p->name, "always") == 0)
		return TRUE;
	if (g_strcmp0(p->name, "unless-stopped") == 0)
		return !c->state.manually_stopped;
	if (g_strcmp0(p->name, "on-failure") != 0 || c->state.exit_code == 0)
		return FALSE;
	return p->maximum_retry_count == 0 || c->state.restart_count < p->maximum_retry_count;
}

gboolean restart_decide(Container *c, int64_t lasted)
{
	if (c->restart_cancelled || c->state.status == STATUS_REMOVING || !policy_wants(c))
		return FALSE;
	if (lasted >= GOOD_RUN || c->state.restart_delay == 0)
		c->state.restart_delay = FIRST_DELAY_MS;
	else
		c->state.restart_delay = MIN(c->state.restart_delay * 2, MAX_DELAY_MS);
	c->state.restart_count++;
	c->state.status = STATUS_RESTARTING;
	c->state.restarting = TRUE;
	return TRUE;
}

static gboolean restart_at_boot(const Container *c)
{
	const ContainerState *s = &c->state;
	if (s->started_at == DH_TIME_ZERO)
		return FALSE;
	return s->status == STATUS_RESTARTING || (s->status == STATUS_EXITED && policy_wants(c));
}

static void restart_now(Container *c)
{
	g_autoptr(GError) error = NULL;
	g_mutex_lock(&c->op);
	g_mutex_lock(&c->state_lock);
	/* An older timer may have outlived a start by hand: only the newest date counts. */
	gboolean due =
		c->state.status == STATUS_RESTARTING && g_get_monotonic_time() >= c->restart_due;
	g_mutex_unlock(&c->state_lock);
	if (due && !container_start_locked(c, TRUE, &error))
		dh_warn("restart of container %s: %s", c->id, error->message);
	g_mutex_unlock(&c->op);
}

/* The oldest first: links point to older ones. */
static void restart_left(Container *any)
{
	g_autoptr(GPtrArray) all = container_all(any->engine);
	for (guint i = all->len; i-- > 0;) {
		Container *c = all->pdata[i];
		g_mutex_lock(&c->state_lock);
		gboolean left = c->state.status == STATUS_RESTARTING && c->restart_due == 0;
		g_mutex_unlock(&c->state_lock);
		if (left)
			restart_now(c);
	}
}

void restart_after_boot(Engine *e)
{
	g_autoptr(GPtrArray) all = container_all(e);
	guint n = 0;
	for (guint i = 0; i < all->len; i++) {
		Container *c = all->pdata[i];
		if (restart_at_boot(c)) {
			c->state.status = STATUS_RESTARTING;
			c->state.restarting = TRUE;
			n++;
		}
	}
	e->reconciled = TRUE;
	if (n > 0)
		container_background(all->pdata[0], restart_left);
}

void restart_schedule(Container *c)
{
	/* Ended while the daemon was away: restart_after_boot sees to it. */
	if (!c->engine->reconciled)
		return;
	g_mutex_lock(&c->state_lock);
	int64_t delay = MAX(c->state.restart_delay, 1);
	c->restart_due = g_get_monotonic_time() + delay * 1000;
	g_mutex_unlock(&c->state_lock);
	supervisor_after(c->engine->supervisor, c, delay, restart_now);
}

gboolean restart_cancel(Container *c)
{
	g_mutex_lock(&c->state_lock);
	c->restart_cancelled = TRUE;
	gboolean waited = c->state.status == STATUS_RESTARTING;
	if (waited) {
		c->state.status = STATUS_EXITED;
		c->state.restarting = FALSE;
		container_changed(c);
	}
	g_mutex_unlock(&c->state_lock);
	return waited;
}

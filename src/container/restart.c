/* SPDX-License-Identifier: MIT */
/*
 * restart.c - theory of operation: when a container has ended, its policy decides, under the state
 * lock and before the end is recorded, whether it is "exited" or "restarting"; the row says so
 * before anybody is told. A timer of the supervisor then starts it again. Whatever comes in between
 * (stop, kill, rm, a start by hand) takes the container out of the state "restarting" or gives it a
 * later date, and the timer finds nothing to do. What comes when the start has begun waits for it.
 *
 * The delay is docker's: 100 ms, doubled each time up to a minute, from the beginning again after a
 * run of ten seconds. When it is over is part of the row (a time of the wall clock, as it must
 * survive the daemon): whichever daemon is there then goes on waiting for the rest of it.
 */
#include "container/restart.h"

#include "base/error.h"
#include "base/log.h"
#include "base/timefmt.h"
#include "container/start.h"

#include <string.h>

#define NS_PER_MS ((int64_t)1000000)
#define FIRST_DELAY_MS 100
#define MAX_DELAY_MS 60000
#define STARTING_TIMEOUT_MS 60000
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

gboolean restart_decide(Container *c, int64_t lasted, int64_t finished_at)
{
	if (c->restart_cancelled || c->state.status == STATUS_REMOVING || !policy_wants(c))
		return FALSE;
	if (lasted >= GOOD_RUN || c->state.restart_delay == 0)
		c->state.restart_delay = FIRST_DELAY_MS;
	else
		c->state.restart_delay = MIN(c->state.restart_delay * 2, MAX_DELAY_MS);
	c->state.restart_count++;
	c->state.restart_at = finished_at + c->state.restart_delay * NS_PER_MS;
	c->state.status = STATUS_RESTARTING;
	c->state.restarting = TRUE;
	return TRUE;
}

static gboolean restart_at_boot(const Container *c)
{
	const ContainerState *s = &c->state;
	if (s->started_at == DH_TIME_ZERO)
		return FALSE;
	if (s->status == STATUS_RESTARTING)
		return TRUE;
	/* What was stopped under the daemon before us, a moment ago, stays so. */
	return s->status == STATUS_EXITED && !c->engine->config.handed_over && policy_wants(c);
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

/* How long it still has to wait, at most the whole delay: clocks are set. With state_lock held. */
static int64_t remaining_ms(const Container *c)
{
	int64_t left = (c->state.restart_at - dh_time_now()) / NS_PER_MS;
	return CLAMP(left, 0, c->state.restart_delay);
}

/* Its time has come while no daemon was there, or it never had one. */
static gboolean is_overdue(Container *c)
{
	g_mutex_lock(&c->state_lock);
	gboolean overdue =
		c->state.status == STATUS_RESTARTING && c->restart_due == 0 && remaining_ms(c) == 0;
	g_mutex_unlock(&c->state_lock);
	return overdue;
}

/* The oldest first: links point to older ones. */
static void restart_left(Container *any)
{
	g_autoptr(GPtrArray) all = container_all(any->engine);
	for (guint i = all->len; i-- > 0;) {
		if (is_overdue(all->pdata[i]))
			restart_now(all->pdata[i]);
	}
}

void restart_after_boot(Engine *e)
{
	g_autoptr(GPtrArray) all = container_all(e);
	gboolean overdue = FALSE;
	/* First: whoever ends from here on sees to himself, whoever did before is found below. */
	g_atomic_int_set(&e->reconciled, TRUE);
	for (guint i = 0; i < all->len; i++) {
		Container *c = all->pdata[i];
		g_mutex_lock(&c->state_lock);
		gboolean wanted = restart_at_boot(c);
		if (wanted) {
			c->state.status = STATUS_RESTARTING;
			c->state.restarting = TRUE;
		}
		g_mutex_unlock(&c->state_lock);
		if (wanted && is_overdue(c))
			overdue = TRUE;
		else if (wanted)
			restart_schedule(c);
	}
	if (overdue)
		container_background(all->pdata[0], restart_left);
}

void restart_schedule(Container *c)
{
	/* Ended while the daemon was away: restart_after_boot sees to it. */
	if (!g_atomic_int_get(&c->engine->reconciled))
		return;
	g_mutex_lock(&c->state_lock);
	int64_t delay = MAX(remaining_ms(c), 1);
	c->restart_due = g_get_monotonic_time() + delay * 1000;
	g_mutex_unlock(&c->state_lock);
	supervisor_after(c->engine->supervisor, c, delay, restart_now);
}

gboolean restart_cancel(Container *c)
{
	g_mutex_lock(&c->state_lock);
	c->restart_cancelled = TRUE;
	gboolean begun = c->starting;
	g_mutex_unlock(&c->state_lock);
	if (begun && !container_wait_started(c, STARTING_TIMEOUT_MS))
		return FALSE;
	g_mutex_lock(&c->state_lock);
	gboolean waited = c->state.status == STATUS_RESTARTING && !c->starting;
	if (waited) {
		c->state.status = STATUS_EXITED;
		c->state.restarting = FALSE;
		container_changed(c);
	}
	g_mutex_unlock(&c->state_lock);
	return waited;
}

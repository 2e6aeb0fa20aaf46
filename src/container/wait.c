/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: whoever waits for a container sleeps on a descriptor, never on a condition
 * variable, because the client's connection must be able to end the wait as well. Each wait owns an
 * eventfd that stands in the container's list of waiters; every change of state writes to all of
 * them. What is waited for is fixed when the wait begins: "the next exit" is the exit count then
 * plus one.
 */
#include "container/internal.h"

#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { DEAF_MS = 50 };

struct ContainerWait {
	Container *c;
	WaitCondition condition;
	guint exits;         /* at the beginning */
	int64_t finished_at; /* the end before, likewise */
	int fd;
};

void container_changed(Container *c)
{
	for (guint i = 0; i < c->waiters->len; i++) {
		ContainerWait *w = c->waiters->pdata[i];
		if (w->fd >= 0)
			eventfd_write(w->fd, 1);
	}
}

ContainerWait *container_wait_begin(Container *c, WaitCondition condition)
{
	ContainerWait *w = g_new0(ContainerWait, 1);
	w->c = container_ref(c);
	w->condition = condition;
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g_mutex_lock(&c->state_lock);
	w->exits = c->exits;
	w->finished_at = c->state.finished_at;
	g_ptr_array_add(c->waiters, w);
	g_mutex_unlock(&c->state_lock);
	return w;
}

int64_t container_wait_since(const ContainerWait *w)
{
	return w->finished_at;
}

void container_wait_resume(ContainerWait *w, int64_t finished_at)
{
	g_mutex_lock(&w->c->state_lock);
	if (w->c->state.finished_at != finished_at)
		w->exits--;
	w->finished_at = finished_at;
	g_mutex_unlock(&w->c->state_lock);
}

static void wait_free(ContainerWait *w)
{
	g_mutex_lock(&w->c->state_lock);
	g_ptr_array_remove_fast(w->c->waiters, w);
	g_mutex_unlock(&w->c->state_lock);
	dh_close(&w->fd);
	container_unref(w->c);
	g_free(w);
}

/* With state_lock held. A removed container satisfies everything: nothing more will happen to it.
 */
static gboolean holds(const ContainerWait *w)
{
	const Container *c = w->c;
	if (c->removed)
		return TRUE;
	switch (w->condition) {
	case WAIT_NOT_RUNNING:
		/* One that has ended and starts again has ended all the same. */
		return c->exits != w->exits ||
		       (!c->state.running && !c->state.restarting && !c->ending);
	case WAIT_UNMOUNTED:
		return !c->ending && !c->unmounting;
	case WAIT_NEXT_EXIT:
		return c->exits != w->exits;
	case WAIT_NO_LAUNCH:
		return c->launching == 0;
	case WAIT_STARTED:
		return !c->starting;
	case WAIT_REMOVED:
		break;
	}
	return FALSE;
}

/* TRUE: the condition holds; FALSE: cancelled or out of time. */
static gboolean wait_run(ContainerWait *w, int cancel_fd, int64_t timeout_ms)
{
	int64_t deadline = timeout_ms < 0 ? -1 : g_get_monotonic_time() / 1000 + timeout_ms;
	for (;;) {
		g_mutex_lock(&w->c->state_lock);
		gboolean done = holds(w);
		g_mutex_unlock(&w->c->state_lock);
		if (done)
			return TRUE;
		struct pollfd p[2] = {
			{.fd = w->fd, .events = POLLIN},
			{.fd = cancel_fd, .events = POLLIN},
		};
		int64_t left = -1;
		if (deadline >= 0) {
			left = deadline - g_get_monotonic_time() / 1000;
			if (left <= 0)
				return FALSE;
		}
		/* Without a descriptor nobody can wake us. */
		if (w->fd < 0)
			left = left < 0 ? DEAF_MS : MIN(left, DEAF_MS);
		int r = poll(p, 2, (int)MIN(left, G_MAXINT));
		if (r < 0 && errno != EINTR)
			return FALSE;
		if (r > 0 && p[1].revents)
			return FALSE;
		eventfd_t n;
		(void)eventfd_read(w->fd, &n);
	}
}

gboolean container_wait_end(ContainerWait *w, int cancel_fd, int64_t *ret_status, char **ret_error)
{
	Container *c = w->c;
	gboolean ok = wait_run(w, cancel_fd, -1);
	g_mutex_lock(&c->state_lock);
	*ret_status = c->state.exit_code;
	*ret_error = w->condition == WAIT_REMOVED ? NULL : g_strdup(c->state.error);
	g_mutex_unlock(&c->state_lock);
	wait_free(w);
	return ok;
}

static gboolean wait_quietly(Container *c, WaitCondition condition, int64_t timeout_ms)
{
	ContainerWait *w = container_wait_begin(c, condition);
	gboolean ok = wait_run(w, -1, timeout_ms);
	wait_free(w);
	return ok;
}

gboolean container_wait_stopped(Container *c, int64_t timeout_ms)
{
	return wait_quietly(c, WAIT_NOT_RUNNING, timeout_ms);
}

gboolean container_wait_launched(Container *c, int64_t timeout_ms)
{
	return wait_quietly(c, WAIT_NO_LAUNCH, timeout_ms);
}

gboolean container_wait_started(Container *c, int64_t timeout_ms)
{
	return wait_quietly(c, WAIT_STARTED, timeout_ms);
}

gboolean container_wait_unmounted(Container *c, int64_t timeout_ms)
{
	return wait_quietly(c, WAIT_UNMOUNTED, timeout_ms);
}

/* ---- the departed ---- */

enum { MAX_DEPARTED = 256 };

typedef struct {
	char *id;
	int64_t status;
} Departed;

void departed_free(void *departed)
{
	Departed *d = departed;
	g_free(d->id);
	g_free(d);
}

void container_note_departed(Container *c)
{
	Engine *e = c->engine;
	Departed *d = g_new0(Departed, 1);
	d->id = g_strdup(c->id);
	g_mutex_lock(&c->state_lock);
	d->status = c->state.exit_code;
	g_mutex_unlock(&c->state_lock);
	g_mutex_lock(&e->lock);
	g_queue_push_head(&e->gone, d);
	if (e->gone.length > MAX_DEPARTED)
		departed_free(g_queue_pop_tail(&e->gone));
	g_mutex_unlock(&e->lock);
}

gboolean container_departed(Engine *e, const char *id, int64_t *ret_status)
{
	gboolean found = FALSE;
	g_mutex_lock(&e->lock);
	for (GList *l = e->gone.head; l && !found; l = l->next) {
		const Departed *d = l->data;
		found = strcmp(d->id, id) == 0;
		if (found)
			*ret_status = d->status;
	}
	g_mutex_unlock(&e->lock);
	return found;
}

void departed_export(Engine *e, json_t *list)
{
	g_mutex_lock(&e->lock);
	for (GList *l = e->gone.head; l; l = l->next) {
		const Departed *d = l->data;
		json_array_append_new(list,
			json_pack("{s:s, s:I}", "Id", d->id, "Status", (json_int_t)d->status));
	}
	g_mutex_unlock(&e->lock);
}

/* Behind those that have gone under us. */
void departed_import(Engine *e, const json_t *item)
{
	const char *id = json_string_value(json_object_get(item, "Id"));
	if (!id)
		return;
	Departed *d = g_new0(Departed, 1);
	d->id = g_strdup(id);
	d->status = json_integer_value(json_object_get(item, "Status"));
	g_mutex_lock(&e->lock);
	g_queue_push_tail(&e->gone, d);
	if (e->gone.length > MAX_DEPARTED)
		departed_free(g_queue_pop_tail(&e->gone));
	g_mutex_unlock(&e->lock);
}

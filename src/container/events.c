/* SPDX-License-Identifier: MIT */
#include "container/events.h"

#include "base/timefmt.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_MAX 1000
#define QUEUE_MAX 4096

struct Events {
	GMutex lock;
	GQueue ring;     /* Event, oldest first */
	GPtrArray *subs; /* EventsSub, borrowed */
};

struct EventsSub {
	Events *events;
	int fd;
	GQueue queue; /* Event */
	gboolean overflowed;
};

Event *event_ref(Event *e)
{
	g_atomic_int_inc(&e->refs);
	return e;
}

void event_unref(Event *e)
{
	if (!e || !g_atomic_int_dec_and_test(&e->refs))
		return;
	g_free(e->type);
	g_free(e->action);
	g_free(e->id);
	g_hash_table_unref(e->attributes);
	g_free(e);
}

static void free_event(gpointer e)
{
	event_unref(e);
}

static json_t *text(const char *s)
{
	json_t *v = json_string(s ? s : "");
	if (v)
		return v;
	g_autofree char *valid = g_utf8_make_valid(s, -1);
	return json_string(valid);
}

json_t *event_to_json(const Event *e)
{
	json_t *out = json_object();
	gboolean is_container = strcmp(e->type, "container") == 0;
	/* The members of the days when only containers and images had events. */
	if (is_container || strcmp(e->type, "image") == 0) {
		json_object_set_new(out, "status", text(e->action));
		json_object_set_new(out, "id", text(e->id));
		const char *from = g_hash_table_lookup(e->attributes, "image");
		if (is_container && from && *from)
			json_object_set_new(out, "from", text(from));
	}
	json_object_set_new(out, "Type", text(e->type));
	json_object_set_new(out, "Action", text(e->action));
	json_t *attributes = json_object();
	g_autoptr(GList) keys =
		g_list_sort(g_hash_table_get_keys(e->attributes), (GCompareFunc)strcmp);
	for (GList *k = keys; k; k = k->next)
		json_object_set_new(
			attributes, k->data, text(g_hash_table_lookup(e->attributes, k->data)));
	json_t *actor = json_object();
	json_object_set_new(actor, "ID", text(e->id));
	json_object_set_new(actor, "Attributes", attributes);
	json_object_set_new(out, "Actor", actor);
	json_object_set_new(out, "scope", json_string("local"));
	json_object_set_new(out, "time", json_integer(e->time / DH_NSEC));
	json_object_set_new(out, "timeNano", json_integer(e->time));
	return out;
}

Events *events_new(void)
{
	Events *e = g_new0(Events, 1);
	g_mutex_init(&e->lock);
	g_queue_init(&e->ring);
	e->subs = g_ptr_array_new();
	return e;
}

void events_free(Events *e)
{
	if (!e)
		return;
	g_queue_clear_full(&e->ring, free_event);
	g_ptr_array_unref(e->subs);
	g_mutex_clear(&e->lock);
	g_free(e);
}

static void wake(EventsSub *s)
{
	uint64_t one = 1;
	while (write(s->fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

static void deliver(EventsSub *s, Event *ev)
{
	if (s->overflowed)
		return;
	if (g_queue_get_length(&s->queue) >= QUEUE_MAX)
		s->overflowed = TRUE;
	else
		g_queue_push_tail(&s->queue, event_ref(ev));
	wake(s);
}

void events_emit_table(
	Events *e, const char *type, const char *action, const char *id, GHashTable *attributes)
{
	Event *ev = g_new0(Event, 1);
	ev->refs = 1;
	ev->type = g_strdup(type);
	ev->action = g_strdup(action);
	ev->id = g_strdup(id);
	ev->attributes = attributes;

	g_mutex_lock(&e->lock);
	/* Stamped under the lock, and never backwards: readers resume by time. */
	ev->time = dh_time_now();
	const Event *last = g_queue_peek_tail(&e->ring);
	if (last && ev->time <= last->time)
		ev->time = last->time + 1;
	g_queue_push_tail(&e->ring, ev);
	if (g_queue_get_length(&e->ring) > RING_MAX)
		event_unref(g_queue_pop_head(&e->ring));
	for (guint i = 0; i < e->subs->len; i++)
		deliver(e->subs->pdata[i], ev);
	g_mutex_unlock(&e->lock);
}

void events_emit(Events *e, const char *type, const char *action, const char *id, ...)
{
	GHashTable *attributes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	va_list ap;
	va_start(ap, id);
	const char *name;
	while ((name = va_arg(ap, const char *)) != NULL) {
		const char *value = va_arg(ap, const char *);
		if (value)
			g_hash_table_insert(attributes, g_strdup(name), g_strdup(value));
	}
	va_end(ap);
	events_emit_table(e, type, action, id, attributes);
}

EventsSub *events_subscribe(Events *e)
{
	EventsSub *s = g_new0(EventsSub, 1);
	s->events = e;
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g_queue_init(&s->queue);
	/* Without a descriptor nobody could be woken: the subscriber learns at once. */
	s->overflowed = s->fd < 0;
	g_mutex_lock(&e->lock);
	g_ptr_array_add(e->subs, s);
	g_mutex_unlock(&e->lock);
	return s;
}

int events_sub_fd(EventsSub *s)
{
	return s->fd;
}

Event *events_sub_next(EventsSub *s)
{
	g_mutex_lock(&s->events->lock);
	Event *ev = g_queue_pop_head(&s->queue);
	if (!ev && !s->overflowed) {
		uint64_t n;
		while (read(s->fd, &n, sizeof n) < 0 && errno == EINTR)
			;
	}
	g_mutex_unlock(&s->events->lock);
	return ev;
}

gboolean events_sub_overflowed(EventsSub *s)
{
	g_mutex_lock(&s->events->lock);
	gboolean r = s->overflowed && g_queue_is_empty(&s->queue);
	g_mutex_unlock(&s->events->lock);
	return r;
}

void events_unsubscribe(EventsSub *s)
{
	if (!s)
		return;
	g_mutex_lock(&s->events->lock);
	g_ptr_array_remove_fast(s->events->subs, s);
	g_mutex_unlock(&s->events->lock);
	g_queue_clear_full(&s->queue, free_event);
	if (s->fd >= 0)
		close(s->fd);
	g_free(s);
}

guint events_n_subscribers(Events *e)
{
	g_mutex_lock(&e->lock);
	guint n = e->subs->len;
	g_mutex_unlock(&e->lock);
	return n;
}

GPtrArray *events_since(Events *e, int64_t since)
{
	GPtrArray *out = g_ptr_array_new_with_free_func(free_event);
	g_mutex_lock(&e->lock);
	for (GList *l = e->ring.head; l; l = l->next) {
		Event *ev = l->data;
		if (ev->time >= since)
			g_ptr_array_add(out, event_ref(ev));
	}
	g_mutex_unlock(&e->lock);
	return out;
}

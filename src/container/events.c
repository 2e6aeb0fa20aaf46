/* SPDX-License-Identifier: MIT */
#include "container/events.h"

#include "base/timefmt.h"
#include "container/event_journal.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_MAX 1000
#define QUEUE_MAX 4096
#define JOURNAL_FILE_SIZE (4 * 1024 * 1024)

struct Events {
	GMutex lock;
	GQueue ring;     /* Event, oldest first */
	GPtrArray *subs; /* EventsSub, borrowed */
	EventJournal *journal;
	uint64_t seq; /* of the last one */
	int64_t time;
};

struct EventsSub {
	Events *events;
	int fd;
	GQueue queue; /* Event */
	uint64_t start;
	gboolean overflowed;
};

Event *event_new(const char *type, const char *action, const char *id, GHashTable *attributes)
{
	Event *e = g_new0(Event, 1);
	e->refs = 1;
	e->type = g_strdup(type);
	e->action = g_strdup(action);
	e->id = g_strdup(id);
	e->attributes = attributes;
	return e;
}

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
	json_object_set_new(out, "sequence", json_integer((json_int_t)e->seq));
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

static void push_ring(Events *e, Event *ev)
{
	g_queue_push_tail(&e->ring, ev);
	if (g_queue_get_length(&e->ring) > RING_MAX)
		event_unref(g_queue_pop_head(&e->ring));
}

static int remember(void *arg, Event *ev)
{
	Events *e = arg;
	e->seq = MAX(e->seq, ev->seq);
	e->time = MAX(e->time, ev->time);
	push_ring(e, event_ref(ev));
	return 0;
}

Events *events_open(const char *dir, GError **error)
{
	Events *e = events_new();
	e->journal = event_journal_open(dir, JOURNAL_FILE_SIZE, error);
	if (!e->journal) {
		events_free(e);
		return NULL;
	}
	/* The two youngest hold more than the ring, or are all there is. */
	g_autoptr(GArray) files = event_journal_files(e->journal);
	for (guint i = files->len > 2 ? files->len - 2 : 0; i < files->len; i++)
		(void)event_journal_read(
			g_array_index(files, int, i), G_MININT64, G_MAXUINT64, remember, e);
	return e;
}

void events_free(Events *e)
{
	if (!e)
		return;
	event_journal_close(e->journal);
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
	Event *ev = event_new(type, action, id, attributes);
	g_mutex_lock(&e->lock);
	/* Stamped under the lock, and never backwards: readers resume by time. */
	ev->seq = ++e->seq;
	ev->time = MAX(dh_time_now(), e->time + 1);
	e->time = ev->time;
	if (e->journal)
		event_journal_append(e->journal, ev);
	push_ring(e, ev);
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
	s->start = e->seq;
	g_ptr_array_add(e->subs, s);
	g_mutex_unlock(&e->lock);
	return s;
}

uint64_t events_sub_start(const EventsSub *s)
{
	return s->start;
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

uint64_t events_last(Events *e)
{
	g_mutex_lock(&e->lock);
	uint64_t last = e->seq;
	g_mutex_unlock(&e->lock);
	return last;
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

typedef struct {
	uint64_t after;
	int (*fn)(void *arg, Event *e);
	void *arg;
} Past;

static int pass_on(void *arg, Event *ev)
{
	Past *p = arg;
	return ev->seq > p->after ? p->fn(p->arg, ev) : 0;
}

int events_past(Events *e, int64_t since, uint64_t after, int (*fn)(void *arg, Event *e), void *arg)
{
	Past p = {.after = after, .fn = fn, .arg = arg};
	g_autoptr(GArray) files = NULL;
	g_autoptr(GPtrArray) recent = g_ptr_array_new_with_free_func(free_event);
	g_mutex_lock(&e->lock);
	for (GList *l = e->ring.head; l; l = l->next)
		g_ptr_array_add(recent, event_ref(l->data));
	const Event *first = g_queue_peek_head(&e->ring);
	gboolean in_memory = first && (first->time <= since || first->seq <= after + 1);
	if (e->journal && !in_memory)
		files = event_journal_files(e->journal);
	g_mutex_unlock(&e->lock);
	uint64_t before = recent->len > 0 ? ((Event *)recent->pdata[0])->seq : G_MAXUINT64;
	int r = 0;
	for (guint i = 0; files && i < files->len && r >= 0; i++)
		r = event_journal_read(g_array_index(files, int, i), since, before, pass_on, &p);
	for (guint i = 0; i < recent->len && r >= 0; i++) {
		Event *ev = recent->pdata[i];
		if (ev->time >= since)
			r = pass_on(&p, ev);
	}
	return r;
}

/* SPDX-License-Identifier: MIT */
/* events.h - what happened: a ring of the last 1,000 and the subscribers who hear more.
 * Thread-safe. */
#pragma once

#include "base/json.h"

typedef struct Events Events;

typedef struct {
	gint refs;
	int64_t time;           /* ns */
	char *type;             /* container image network volume daemon */
	char *action;           /* create start die ... */
	char *id;               /* Actor.ID */
	GHashTable *attributes; /* char* -> char* */
} Event;

Event *event_ref(Event *e);
void event_unref(Event *e);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Event, event_unref)
/* The API's JSON object (status, id, from, Type, Action, Actor, scope, time, timeNano); new
 * reference. */
json_t *event_to_json(const Event *e);

Events *events_new(void);
void events_free(Events *e);

/* attributes: NULL-terminated list of name, value pairs (const char *); values may be NULL
 * (skipped). */
void events_emit(Events *e, const char *type, const char *action, const char *id,
	...) G_GNUC_NULL_TERMINATED;
/* The same with a table; takes it over. */
void events_emit_table(
	Events *e, const char *type, const char *action, const char *id, GHashTable *attributes);

/* A subscriber reads from a descriptor that is readable when events wait; at most 4,096 wait, then
 * it is marked overflowed and gets no more. */
typedef struct EventsSub EventsSub;
EventsSub *events_subscribe(Events *e);
int events_sub_fd(EventsSub *s); /* an eventfd, non-blocking; the subscriber's */
/* Next event (reference), or NULL: none waits (re-arms the descriptor). */
Event *events_sub_next(EventsSub *s);
gboolean events_sub_overflowed(EventsSub *s);
void events_unsubscribe(EventsSub *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EventsSub, events_unsubscribe)
/* How many listen now (NEventsListener of info). */
guint events_n_subscribers(Events *e);

/* Past events with since <= time, oldest first: GPtrArray of Event. */
GPtrArray *events_since(Events *e, int64_t since);

/* SPDX-License-Identifier: MIT */
/*
 * events.h - what happened: numbered, kept on disk across restarts (event_journal.h), the last
 * 1,000 in memory, and the subscribers who hear more. Thread-safe.
 */
#pragma once

#include "base/json.h"

typedef struct Events Events;

typedef struct {
	gint refs;
	uint64_t seq;           /* 1, 2, 3 ... over the engine's life */
	int64_t time;           /* ns; never the same twice, never backwards */
	char *type;             /* container image network volume daemon */
	char *action;           /* create start die ... */
	char *id;               /* Actor.ID */
	GHashTable *attributes; /* char* -> char* */
} Event;

Event *event_ref(Event *e);
void event_unref(Event *e);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Event, event_unref)
/* Without number and time; takes attributes over. */
Event *event_new(const char *type, const char *action, const char *id, GHashTable *attributes);
/* The API's JSON object (status, id, from, Type, Action, Actor, scope, time, timeNano), and
 * "sequence"; new reference. */
json_t *event_to_json(const Event *e);

/* In memory only. */
Events *events_new(void);
/* With those that were kept in dir, and keeping the coming ones there. */
Events *events_open(const char *dir, GError **error);
void events_free(Events *e);

/* attributes: NULL-terminated list of name, value pairs (const char *); values may be NULL
 * (skipped). */
void events_emit(Events *e, const char *type, const char *action, const char *id,
	...) G_GNUC_NULL_TERMINATED;
/* The same with a table; takes it over. */
void events_emit_table(
	Events *e, const char *type, const char *action, const char *id, GHashTable *attributes);

/* A subscriber reads from a descriptor that is readable when events wait; at most 4,096 wait, then
 * it is marked overflowed and gets no more: the rest is to be had from events_past. */
typedef struct EventsSub EventsSub;
EventsSub *events_subscribe(Events *e);
/* The number of the last event before it heard any. */
uint64_t events_sub_start(const EventsSub *s);
int events_sub_fd(EventsSub *s); /* an eventfd, non-blocking; the subscriber's */
/* Next event (reference), or NULL: none waits (re-arms the descriptor). */
Event *events_sub_next(EventsSub *s);
gboolean events_sub_overflowed(EventsSub *s);
void events_unsubscribe(EventsSub *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EventsSub, events_unsubscribe)
/* How many listen now (NEventsListener of info). */
guint events_n_subscribers(Events *e);

/* The number of the last one. */
uint64_t events_last(Events *e);
/* fn for all that is still known with since <= time and after < number, oldest first. fn runs
 * without a lock; < 0 from it ends and is returned. */
int events_past(
	Events *e, int64_t since, uint64_t after, int (*fn)(void *arg, Event *e), void *arg);
/* Of those in memory, with since <= time: GPtrArray of Event. */
GPtrArray *events_since(Events *e, int64_t since);

/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

#include "base/timefmt.h"
#include "container/observe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static const char *const allowed[] = {"config", "container", "daemon", "event", "image", "label",
	"network", "node", "plugin", "scope", "secret", "service", "type", "volume", NULL};

static const char *attribute(const Event *e, const char *name)
{
	return g_hash_table_lookup(e->attributes, name);
}

/* By ID or name, beginnings suffice. */
static gboolean match_object(const Filters *f, const char *key, const Event *e)
{
	if (!filters_has(f, key))
		return TRUE;
	return filters_match_prefix(f, key, e->id) ||
	       filters_match_prefix(f, key, attribute(e, "name"));
}

static gboolean match_image(const Filters *f, const Event *e)
{
	if (!filters_has(f, "image"))
		return TRUE;
	const char *names[] = {
		e->id, attribute(e, strcmp(e->type, "image") == 0 ? "name" : "image")};
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		if (!names[i])
			continue;
		const char *slash = strrchr(names[i], '/');
		const char *colon = strrchr(names[i], ':');
		g_autofree char *untagged = g_strdup(names[i]);
		if (colon && (!slash || colon > slash))
			untagged[colon - names[i]] = '\0';
		if (filters_match(f, "image", names[i]) || filters_match(f, "image", untagged))
			return TRUE;
	}
	return FALSE;
}

static gboolean match_event(const Filters *f, const Event *e)
{
	if (filters_match(f, "event", e->action))
		return TRUE;
	/* "exec_start: /bin/sh" is found as "exec_start", "health_status: healthy" likewise */
	g_autofree char *first = g_strndup(e->action, strcspn(e->action, ":"));
	return filters_match(f, "event", first);
}

static gboolean matches(const Filters *f, const Event *e)
{
	static const char *const kinds[] = {"container", "daemon", "network", "plugin", "volume",
		"node", "secret", "config", "service"};
	for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (!match_object(f, kinds[i], e))
			return FALSE;
	}
	return match_event(f, e) && filters_match(f, "type", e->type) &&
	       filters_match(f, "scope", "local") && match_image(f, e) &&
	       filters_match_labels(f, "label", e->attributes);
}

typedef struct {
	ApiRequest *request;
	int64_t since, until; /* 0: not given */
	Filters *filters;
	uint64_t last; /* number of the last one seen: the past and the present overlap */
} Watch;

static gboolean parse_time(ApiRequest *r, const char *name, int64_t *ret, GError **error)
{
	const char *v = api_query(r, name);
	*ret = 0;
	return !v || !*v || strcmp(v, "0") == 0 || dh_time_parse(v, dh_time_now(), ret, error);
}

/* after=N, ours: all with a greater number. */
static gboolean parse_after(ApiRequest *r, gboolean *given, uint64_t *ret, GError **error)
{
	const char *v = api_query(r, "after");
	*given = v && *v;
	if (*given && !g_ascii_string_to_unsigned(v, 10, 0, G_MAXINT64, ret, NULL))
		return dh_error(error, DH_ERROR_INVALID, "invalid event number: %s", v);
	return TRUE;
}

/* What a reader was too slow for, and is no longer known. Whatever was filtered for. */
static int tell_lost(Watch *w, uint64_t n)
{
	Engine *engine = api_engine(w->request);
	GHashTable *attributes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	g_hash_table_insert(
		attributes, (gpointer) "lost", g_strdup_printf("%" G_GUINT64_FORMAT, n));
	g_autoptr(Event) e = event_new("daemon", "events-lost", engine->id, attributes);
	e->time = dh_time_now();
	e->seq = w->last + n;
	return api_stream_json(w->request, event_to_json(e), "\n");
}

static int send_event(void *arg, Event *e)
{
	Watch *w = arg;
	if (e->seq <= w->last)
		return 0;
	if (w->last > 0 && e->seq > w->last + 1 && tell_lost(w, e->seq - w->last - 1) != 0)
		return -1;
	w->last = e->seq;
	if (e->time < w->since || (w->until && e->time > w->until))
		return 0;
	if (!matches(w->filters, e))
		return 0;
	/* Taken, though the client was slow: the next one is another daemon's affair. */
	return api_stream_json(w->request, event_to_json(e), "\n") ? -1 : 0;
}

static int timeout_of(const Watch *w)
{
	if (!w->until)
		return -1;
	int64_t ms = (w->until - dh_time_now()) / 1000000 + 1;
	return (int)CLAMP(ms, 0, G_MAXINT);
}

/* Until the client goes or `until` has come (FALSE), or the subscriber was too slow (TRUE). */
static gboolean send_present(Watch *w, EventsSub *sub)
{
	struct pollfd p[] = {
		{events_sub_fd(sub), POLLIN, 0},
		{api_resumable_fd(w->request), POLLIN | POLLRDHUP, 0},
	};
	while (!events_sub_overflowed(sub)) {
		int n = poll(p, G_N_ELEMENTS(p), timeout_of(w));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || p[1].revents)
			return FALSE;
		for (;;) {
			g_autoptr(Event) e = events_sub_next(sub);
			if (!e)
				break;
			if (send_event(w, e) < 0)
				return FALSE;
		}
		if (w->until && dh_time_now() >= w->until)
			return FALSE;
	}
	return events_sub_fd(sub) >= 0;
}

/* A reader who was too slow for the queue is given the rest from the journal, at its own pace, and
 * then listens again. */
static void watch(Watch *w, gboolean past, gboolean present)
{
	Events *events = api_engine(w->request)->events;
	for (;;) {
		g_autoptr(EventsSub) sub = events_subscribe(events);
		/* A number from another engine's life is none of ours. */
		w->last = past ? MIN(w->last, events_sub_start(sub)) : events_sub_start(sub);
		int64_t since = w->last > 0 ? G_MININT64 : w->since;
		if (past && events_past(events, since, w->last, send_event, w) < 0)
			return;
		if (w->last == 0)
			w->last = events_sub_start(sub);
		if (!present || !send_present(w, sub))
			return;
		past = TRUE;
	}
}

/* The head names the event before the first that can come as news: a client who has seen none yet
 * asks the next daemon with that. What happens from here on is not missed. */
static void tell_last(Watch *w, gboolean *past)
{
	uint64_t last = events_last(api_engine(w->request)->events);
	g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, last);
	api_reply_header(w->request, "Dhow-Event-Sequence", text);
	if (*past)
		return;
	w->last = last;
	*past = TRUE;
}

gboolean api_events(ApiRequest *r, GError **error)
{
	Watch w = {.request = r};
	gboolean resume;
	if (!parse_time(r, "since", &w.since, error) || !parse_time(r, "until", &w.until, error) ||
		!parse_after(r, &resume, &w.last, error))
		return FALSE;
	if (w.since && w.until && w.since > w.until)
		return dh_error(error, DH_ERROR_INVALID,
			"`since` time (%s) cannot be after `until` time (%s)",
			api_query(r, "since"), api_query(r, "until"));
	g_autoptr(Filters) filters = filters_parse(api_query(r, "filters"), allowed, error);
	if (!filters)
		return FALSE;
	w.filters = filters;
	int64_t now = dh_time_now();
	gboolean past = resume || w.since || (w.until && w.until <= now);
	const json_t *before = api_resumed(r);
	if (before) {
		w.last = (uint64_t)json_integer_value(json_object_get(before, "Last"));
		past = TRUE;
	} else {
		tell_last(&w, &past);
	}
	api_stream_begin(r, 200, "application/json");
	watch(&w, past, !w.until || w.until > now);
	if (api_yields(r) && (!w.until || dh_time_now() < w.until))
		return api_hand_over(r, json_pack("{s:I}", "Last", (json_int_t)w.last));
	return TRUE;
}

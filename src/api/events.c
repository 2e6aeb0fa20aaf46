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
	int64_t since, until; /* 0: not given */
	Filters *filters;
	int64_t last; /* time of the last one sent: the past and the present overlap */
} Watch;

static gboolean parse_time(ApiRequest *r, const char *name, int64_t *ret, GError **error)
{
	const char *v = api_query(r, name);
	*ret = 0;
	return !v || !*v || strcmp(v, "0") == 0 || dh_time_parse(v, dh_time_now(), ret, error);
}

static int send_event(ApiRequest *r, Watch *w, const Event *e)
{
	if (e->time <= w->last || e->time < w->since || (w->until && e->time > w->until))
		return 0;
	w->last = e->time;
	return matches(w->filters, e) ? api_stream_json(r, event_to_json(e), "\n") : 0;
}

static int send_past(ApiRequest *r, Watch *w)
{
	g_autoptr(GPtrArray) past = events_since(api_engine(r)->events, w->since);
	for (guint i = 0; i < past->len; i++) {
		if (send_event(r, w, past->pdata[i]) < 0)
			return -1;
	}
	return 0;
}

static int timeout_of(const Watch *w)
{
	if (!w->until)
		return -1;
	int64_t ms = (w->until - dh_time_now()) / 1000000 + 1;
	return (int)CLAMP(ms, 0, G_MAXINT);
}

/* Until the client goes, or `until` has come, or the subscriber was too slow. */
static void send_present(ApiRequest *r, Watch *w, EventsSub *sub)
{
	struct pollfd p[] = {
		{events_sub_fd(sub), POLLIN, 0},
		{api_cancel_fd(r), POLLIN | POLLRDHUP, 0},
	};
	while (!events_sub_overflowed(sub)) {
		int n = poll(p, G_N_ELEMENTS(p), timeout_of(w));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || p[1].revents)
			return;
		for (;;) {
			g_autoptr(Event) e = events_sub_next(sub);
			if (!e)
				break;
			if (send_event(r, w, e) < 0)
				return;
		}
		if (w->until && dh_time_now() >= w->until)
			return;
	}
}

gboolean api_events(ApiRequest *r, GError **error)
{
	Watch w = {0};
	if (!parse_time(r, "since", &w.since, error) || !parse_time(r, "until", &w.until, error))
		return FALSE;
	if (w.since && w.until && w.since > w.until)
		return dh_error(error, DH_ERROR_INVALID,
			"`since` time (%s) cannot be after `until` time (%s)",
			api_query(r, "since"), api_query(r, "until"));
	g_autoptr(Filters) filters = filters_parse(api_query(r, "filters"), allowed, error);
	if (!filters)
		return FALSE;
	w.filters = filters;
	g_autoptr(EventsSub) sub = events_subscribe(api_engine(r)->events);
	api_stream_begin(r, 200, "application/json");
	if ((w.since || (w.until && w.until <= dh_time_now())) && send_past(r, &w) < 0)
		return TRUE;
	if (!w.until || w.until > dh_time_now())
		send_present(r, &w, sub);
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/timefmt.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct {
	GPtrArray *filters;
	char *format, *since, *until;
} EventsOptions;

/* clang-format off */
static const OptionSpec events_specs[] = {
	{'f', "filter", OPT_LIST, offsetof(EventsOptions, filters), "filter",
		"Filter output based on conditions provided"},
	{0, "format", OPT_STRING, offsetof(EventsOptions, format), "string", LIST_FORMAT_HELP},
	{0, "since", OPT_STRING, offsetof(EventsOptions, since), "string",
		"Show all events created since timestamp"},
	{0, "until", OPT_STRING, offsetof(EventsOptions, until), "string",
		"Stream events until this timestamp"},
};
/* clang-format on */

/* Local time with all nine decimals and the zone's offset. */
static void append_time(GString *out, const json_t *event)
{
	int64_t t = list_int(event, "timeNano");
	if (!t)
		t = list_int(event, "time") * DH_NSEC;
	time_t sec = (time_t)(t / DH_NSEC);
	struct tm tm;
	char date[40], zone[8];
	if (!localtime_r(&sec, &tm))
		return;
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof zone, "%z", &tm);
	g_string_append_printf(out, "%s.%09d", date, (int)(t % DH_NSEC));
	if (strcmp(zone, "+0000") == 0)
		g_string_append_c(out, 'Z');
	else
		g_string_append_printf(out, "%.3s:%s", zone, zone + 3);
}

static void append_text(GString *out, const json_t *event)
{
	const json_t *actor = json_object_get(event, "Actor");
	const json_t *attributes = json_object_get(actor, "Attributes");
	append_time(out, event);
	g_string_append_printf(out, " %s %s %s", list_string(event, "Type"),
		list_string(event, "Action"), list_string(actor, "ID"));
	g_autoptr(GPtrArray) keys = list_sorted_keys(attributes);
	for (guint i = 0; i < keys->len; i++)
		g_string_append_printf(out, "%s%s=%s", i ? ", " : " (",
			(const char *)keys->pdata[i], list_string(attributes, keys->pdata[i]));
	g_string_append(out, keys->len ? ")\n" : "\n");
}

/* Attributes are a map in Go, printed with its keys sorted. */
static void append_json(GString *out, const json_t *event)
{
	g_autoptr(json_t) copy = json_deep_copy(event);
	json_t *actor = json_object_get(copy, "Actor");
	json_t *attributes = json_object_get(actor, "Attributes");
	g_autoptr(GPtrArray) keys = list_sorted_keys(attributes);
	json_t *sorted = json_object();
	for (guint i = 0; i < keys->len; i++)
		json_object_set(
			sorted, keys->pdata[i], json_object_get(attributes, keys->pdata[i]));
	if (json_is_object(attributes))
		json_object_set(actor, "Attributes", sorted);
	json_decref(sorted);
	g_autofree char *text = dh_json_dumps(copy, 0);
	g_string_append_printf(out, "%s\n", text);
}

/* Members that Go's structure has whether the daemon sent them or not. */
static void complete(json_t *event)
{
	static const char *const texts[] = {"status", "id", "from", "Type", "Action", "scope"};
	static const char *const numbers[] = {"time", "timeNano"};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		if (!json_object_get(event, texts[i]))
			json_object_set_new(event, texts[i], json_string(""));
	}
	for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
		if (!json_object_get(event, numbers[i]))
			json_object_set_new(event, numbers[i], json_integer(0));
	}
	if (!json_object_get(event, "Actor"))
		json_object_set_new(
			event, "Actor", json_pack("{s:s,s:{}}", "ID", "", "Attributes"));
}

/* A template that fails on an empty event fails before any event is asked for. */
static gboolean check_template(const Template *t, GError **error)
{
	g_autoptr(json_t) event = json_object();
	g_autoptr(GString) out = g_string_new(NULL);
	complete(event);
	return template_execute_row(t, event, "*events.Message", out, error);
}

static gboolean print_event(const char *format, const Template *t, json_t *event, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	if (!format) {
		append_text(out, event);
	} else if (!t) {
		append_json(out, event);
	} else {
		complete(event);
		if (!template_execute_row(t, event, "*events.Message", out, error))
			return FALSE;
		g_string_append_c(out, '\n');
	}
	fputs(out->str, stdout);
	if (fflush(stdout) != 0)
		return dh_error(error, DH_ERROR_SYSTEM, "write to stdout failed");
	return TRUE;
}

static gboolean api_time(const char *text, char **ret, GError **error)
{
	*ret = text && *text ? list_api_time(text, error) : NULL;
	return *ret || !text || !*text;
}

static int events_run(Cli *cli, void *options, char **args, GError **error)
{
	const EventsOptions *o = options;
	const char *format = o->format && *o->format ? o->format : NULL;
	g_autofree char *since = NULL, *until = NULL;
	g_autofree char *filters = list_filters(o->filters);
	g_autofree char *text = format ? format_normalize(format) : NULL;
	g_autoptr(Template) t = NULL;
	if (text && strcmp(text, "{{json .}}") != 0 &&
		(!(t = template_parse(text, error)) || !check_template(t, error))) {
		g_prefix_error(error, "Error parsing format: ");
		return 64;
	}
	if (!api_time(o->since, &since, error) || !api_time(o->until, &until, error))
		return 1;
	g_auto(GStrv) query = cli_query("filters", filters, "since", since, "until", until, NULL);
	Request req = {.method = "GET", .path = "/events", .query = query};
	g_autoptr(Response) r = cli_request(cli, &req, error);
	if (!r)
		return 1;
	for (;;) {
		g_autoptr(GError) local = NULL;
		g_autoptr(json_t) event = response_next_json(r, &local);
		if (!event) {
			if (local)
				g_propagate_error(error, g_steal_pointer(&local));
			return *error ? 1 : 0;
		}
		if (!print_event(format, t, event, error))
			return 1;
	}
}

const Command cmd_events = {
	.name = "events",
	.usage = "[OPTIONS]",
	.summary = "Get real time events from the server",
	.aliases = "docker system events, docker events",
	.max_args = 0,
	.options = events_specs,
	.n_options = G_N_ELEMENTS(events_specs),
	.options_size = sizeof(EventsOptions),
	.run = events_run,
};

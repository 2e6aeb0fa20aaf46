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

/* A number that is known lets the next daemon go on behind it. */
static Response *ask(Cli *cli, char *const *query, const char *after, GError **error)
{
	Request req = {.method = "GET", .path = "/events", .query = query};
	if (!after)
		return cli_request(cli, &req, error);
	g_autoptr(GPtrArray) more = g_ptr_array_new();
	for (; *query; query++)
		g_ptr_array_add(more, *query);
	if (*after) {
		g_ptr_array_add(more, (char *)"after");
		g_ptr_array_add(more, (char *)after);
	}
	g_ptr_array_add(more, NULL);
	req.query = (char *const *)more->pdata;
	return cli_request_again(cli, &req, error);
}

/* Until the stream ends (TRUE) or breaks; *after becomes the last one's number. */
static gboolean print_events(
	Response *r, const char *format, const Template *t, char **after, GError **error)
{
	for (;;) {
		g_autoptr(GError) local = NULL;
		g_autoptr(json_t) event = response_next_json(r, &local);
		if (!event && !local)
			return TRUE;
		if (!event) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		g_free(*after);
		*after = g_strdup_printf("%" JSON_INTEGER_FORMAT, list_int(event, "sequence"));
		if (!print_event(format, t, event, error))
			return FALSE;
	}
}

/* The daemon may go and come back. */
static int follow(Cli *cli, char *const *query, gboolean since, const char *format,
	const Template *t, GError **error)
{
	g_autoptr(Response) r = ask(cli, query, NULL, error);
	if (!r)
		return 1;
	const char *first = response_header(r, "Dhow-Event-Sequence");
	gboolean numbered = first != NULL;
	/* What is asked for by time begins with that again, as long as nothing has come. */
	g_autofree char *after = g_strdup(first && !since ? first : "");
	for (;;) {
		g_autoptr(GError) local = NULL, refused = NULL;
		if (print_events(r, format, t, &after, &local))
			return 0;
		Response *next = NULL;
		if (numbered && response_broken(r))
			next = ask(cli, query, after, &refused);
		if (!next) {
			if (refused)
				g_prefix_error(&refused, "%s: ", local->message);
			GError **why = refused ? &refused : &local;
			g_propagate_error(error, g_steal_pointer(why));
			return 1;
		}
		response_free(r);
		r = next;
	}
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
	return follow(cli, query, since != NULL, format, t, error);
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

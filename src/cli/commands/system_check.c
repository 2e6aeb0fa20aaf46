/* SPDX-License-Identifier: MIT */
/* dhow's own: compares what the engine knows with what the machine has. */
#include "base/error.h"
#include "base/timefmt.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	gboolean repair;
	int64_t min_age; /* ns */
	char *format;
} CheckOptions;

static const OptionSpec check_specs[] = {
	{0, "format", OPT_STRING, offsetof(CheckOptions, format), "string",
		"Format output: \"text\" or \"json\""},
	{0, "min-age", OPT_DURATION, offsetof(CheckOptions, min_age), "duration",
		"How long something without an owner must have been left alone to count", "30s"},
	{0, "repair", OPT_BOOL, offsetof(CheckOptions, repair), NULL,
		"Mend what can be mended without touching what runs"},
};

static void set_defaults(void *options)
{
	((CheckOptions *)options)->min_age = 30 * (int64_t)DH_NSEC;
}

static void print_text(const json_t *answer)
{
	const json_t *problems = json_object_get(answer, "Problems");
	const json_t *checked = json_object_get(answer, "Checked");
	const json_t *start = json_object_get(answer, "LastStart");
	const json_t *actions = json_object_get(start, "Actions");
	json_t *dropped = json_object_get(answer, "LogsDropped");
	for (size_t i = 0; i < json_array_size(problems); i++) {
		const json_t *p = json_array_get(problems, i);
		gboolean repaired = json_is_true(json_object_get(p, "Repaired"));
		printf("%-9s %s%s\n", list_string(p, "Kind"), list_string(p, "Text"),
			repaired ? " (repaired)" : "");
	}
	const char *id;
	json_t *n;
	json_object_foreach (dropped, id, n)
		printf("%-9s %.12s: %" JSON_INTEGER_FORMAT " messages dropped\n", "log", id,
			json_integer_value(n));
	printf("Checked %" JSON_INTEGER_FORMAT " containers (%" JSON_INTEGER_FORMAT
	       " running), %" JSON_INTEGER_FORMAT " layers, %" JSON_INTEGER_FORMAT
	       " volumes: %zu problems\n",
		list_int(checked, "Containers"), list_int(checked, "Running"),
		list_int(checked, "Layers"), list_int(checked, "Volumes"),
		json_array_size(problems));
	printf("Last start %s: %" JSON_INTEGER_FORMAT " ms\n", list_string(start, "Time"),
		list_int(start, "Milliseconds"));
	for (size_t i = 0; i < json_array_size(actions); i++)
		printf("  %s\n", json_string_value(json_array_get(actions, i)));
}

/* 0: nothing is wrong (any more). */
static int check_run(Cli *cli, void *options, char **args, GError **error)
{
	const CheckOptions *o = options;
	gboolean as_json = g_strcmp0(o->format, "json") == 0;
	if (o->format && *o->format && !as_json && strcmp(o->format, "text") != 0) {
		dh_error(error, DH_ERROR_INVALID, "unknown format: %s", o->format);
		return 125;
	}
	g_autofree char *age = g_strdup_printf("%" G_GINT64_FORMAT, o->min_age / DH_NSEC);
	g_auto(GStrv) query = cli_query("minage", age, NULL);
	g_autoptr(json_t) answer =
		cli_call(cli, o->repair ? "POST" : "GET", "/dhow/check", query, NULL, error);
	if (!answer)
		return 1;
	g_autofree char *text = as_json ? dh_json_dumps(answer, 0) : NULL;
	if (text)
		puts(text);
	else
		print_text(answer);
	const json_t *problems = json_object_get(answer, "Problems");
	for (size_t i = 0; i < json_array_size(problems); i++) {
		if (!json_is_true(json_object_get(json_array_get(problems, i), "Repaired")))
			return 1;
	}
	return 0;
}

const Command cmd_system_check = {
	.name = "check",
	.usage = "[OPTIONS]",
	.summary = "Compare what the engine knows with what the machine has",
	.max_args = 0,
	.options = check_specs,
	.n_options = G_N_ELEMENTS(check_specs),
	.options_size = sizeof(CheckOptions),
	.defaults = set_defaults,
	.run = check_run,
};

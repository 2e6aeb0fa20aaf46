/* SPDX-License-Identifier: MIT */
#include "base/size.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CREATED_BY_WIDTH = 45 };

typedef struct {
	char *format, *platform;
	gboolean human, no_trunc, quiet;
} HistoryOptions;

/* clang-format off */
static const OptionSpec history_specs[] = {
	{0, "format", OPT_STRING, offsetof(HistoryOptions, format), "string",
		LIST_FORMAT_TABLE_HELP},
	{'H', "human", OPT_BOOL, offsetof(HistoryOptions, human), NULL,
		"Print sizes and dates in human readable format", "true"},
	{0, "no-trunc", OPT_BOOL, offsetof(HistoryOptions, no_trunc), NULL,
		"Don't truncate output"},
	{0, "platform", OPT_STRING, offsetof(HistoryOptions, platform), "string",
		"Show history for the given platform. Formatted as \"os[/arch[/variant]]\" "
		"(e.g., \"linux/amd64\")"},
	{'q', "quiet", OPT_BOOL, offsetof(HistoryOptions, quiet), NULL, "Only show image IDs"},
};
/* clang-format on */

static const Column columns[] = {
	{"Comment", "COMMENT"},
	{"CreatedAt", "CREATED AT"},
	{"CreatedBy", "CREATED BY"},
	{"CreatedSince", "CREATED"},
	{"ID", "IMAGE"},
	{"Size", "SIZE"},
};

static void defaults(void *options)
{
	HistoryOptions *o = options;
	o->human = TRUE;
}

/* RFC 3339 in local time. */
static char *created_at(json_int_t seconds)
{
	char buf[64];
	time_t t = (time_t)seconds;
	struct tm tm;
	if (!localtime_r(&t, &tm) || !strftime(buf, sizeof buf, "%Y-%m-%dT%H:%M:%S%z", &tm))
		return g_strdup("");
	size_t n = strlen(buf);
	if (strcmp(buf + n - 5, "+0000") == 0)
		return g_strdup_printf("%.*sZ", (int)(n - 5), buf);
	return g_strdup_printf("%.*s:%s", (int)(n - 2), buf, buf + n - 2);
}

static json_t *row_of(const json_t *h, const HistoryOptions *o)
{
	const char *id = list_string(h, "Id");
	json_int_t created = list_int(h, "Created");
	json_int_t size = list_int(h, "Size");
	g_autofree char *shown = o->no_trunc ? g_strdup(id) : list_short_id(id);
	g_autofree char *by = g_strdelimit(g_strdup(list_string(h, "CreatedBy")), "\t", ' ');
	g_autofree char *cut = o->no_trunc ? g_strdup(by) : list_ellipsis(by, CREATED_BY_WIDTH);
	g_autofree char *at = created_at(created);
	g_autofree char *since = created > 0 ? list_ago(created) : g_strdup("N/A");
	g_autofree char *bytes = o->human ? dh_size_human((double)size, 3)
					  : g_strdup_printf("%" JSON_INTEGER_FORMAT, size);
	json_t *row = json_object();
	json_object_set_new(row, "ID", json_string(shown));
	json_object_set_new(row, "CreatedAt", json_string(at));
	json_object_set_new(row, "CreatedSince", json_string(o->human ? since : at));
	json_object_set_new(row, "CreatedBy", json_string(cut));
	json_object_set_new(row, "Size", json_string(bytes));
	json_object_set_new(row, "Comment", json_string(list_string(h, "Comment")));
	return row;
}

static int history_run(Cli *cli, void *options, char **args, GError **error)
{
	const HistoryOptions *o = options;
	const TableSpec spec = {.type_name = "*image.historyContext",
		.default_table = o->human ? "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t"
					    "{{.Size}}\t{{.Comment}}"
					  : "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t"
					    "{{.Size}}\t{{.Comment}}",
		.columns = columns,
		.n_columns = G_N_ELEMENTS(columns)};
	const char *format = o->quiet ? "{{.ID}}" : o->format;
	g_autofree char *path = g_strdup_printf("/images/%s/history", args[0]);
	if (!list_check_platform(o->platform, error) || !format_check(&spec, format, error))
		return 1;
	g_autoptr(json_t) list = cli_call(cli, "GET", path, NULL, NULL, error);
	if (!list)
		return 1;
	g_autoptr(json_t) rows = json_array();
	size_t i;
	json_t *h;
	json_array_foreach (list, i, h)
		json_array_append_new(rows, row_of(h, o));
	return format_print(&spec, format, rows, error) ? 0 : 1;
}

const Command cmd_history = {
	.name = "history",
	.usage = "[OPTIONS] IMAGE",
	.summary = "Show the history of an image",
	.aliases = "docker image history, docker history",
	.min_args = 1,
	.max_args = 1,
	.options = history_specs,
	.n_options = G_N_ELEMENTS(history_specs),
	.options_size = sizeof(HistoryOptions),
	.defaults = defaults,
	.run = history_run,
};

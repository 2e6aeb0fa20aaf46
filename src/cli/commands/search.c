/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/pull.h"
#include "cli/text.h"

#include <inttypes.h>
#include <string.h>

enum { DESCRIPTION_WIDTH = 45 };

typedef struct {
	GPtrArray *filters;
	char *format;
	int64_t limit;
	gboolean no_trunc;
} SearchOptions;

/* clang-format off */
static const OptionSpec search_specs[] = {
	{'f', "filter", OPT_LIST, offsetof(SearchOptions, filters), "filter",
		"Filter output based on conditions provided"},
	{0, "format", OPT_STRING, offsetof(SearchOptions, format), "string",
		"Pretty-print search using a Go template"},
	{0, "limit", OPT_INT, offsetof(SearchOptions, limit), "int",
		"Max number of search results"},
	{0, "no-trunc", OPT_BOOL, offsetof(SearchOptions, no_trunc), NULL,
		"Don't truncate output"},
};
/* clang-format on */

static const Column columns[] = {
	{"Description", "DESCRIPTION"},
	{"IsOfficial", "OFFICIAL"},
	{"Name", "NAME"},
	{"StarCount", "STARS"},
};

static const TableSpec spec = {.type_name = "*registry.searchContext",
	.default_table = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
	.columns = columns,
	.n_columns = G_N_ELEMENTS(columns)};

/* In tables the official ones are marked; templates see true and false. */
static gboolean is_table(const char *format)
{
	return !format || !*format || g_str_has_prefix(format, "table");
}

static json_t *row_of(const json_t *found, const SearchOptions *o)
{
	gboolean official = json_is_true(json_object_get(found, "is_official"));
	g_autofree char *name = text_printable(list_string(found, "name"), "");
	g_autofree char *lines =
		g_strdelimit(g_strdup(list_string(found, "description")), "\r\n\t", ' ');
	g_autofree char *clean = text_printable(lines, "");
	g_autofree char *shown =
		o->no_trunc ? g_strdup(clean) : list_ellipsis(clean, DESCRIPTION_WIDTH);
	g_autofree char *stars =
		g_strdup_printf("%" JSON_INTEGER_FORMAT, list_int(found, "star_count"));
	const char *mark = official ? "[OK]" : "";
	if (!is_table(o->format))
		mark = official ? "true" : "false";
	return json_pack("{s:s, s:s, s:s, s:s}", "Name", name, "Description", shown, "StarCount",
		stars, "IsOfficial", mark);
}

static int search_run(Cli *cli, void *options, char **args, GError **error)
{
	const SearchOptions *o = options;
	g_autofree char *filters = list_filters(o->filters);
	g_autofree char *limit = o->limit > 0 ? g_strdup_printf("%" PRId64, o->limit) : NULL;
	g_auto(GStrv) query = cli_query("filters", filters, "limit", limit, "term", args[0], NULL);
	g_autofree char *server = credentials_server_of_term(args[0]);
	Request req = {.method = "GET", .path = "/images/search", .query = query};
	if (!format_check(&spec, o->format, error))
		return 1;
	g_autoptr(Response) r = pull_request(cli, &req, server, "search", error);
	g_autoptr(json_t) list = r ? response_json(r, error) : NULL;
	if (!list)
		return 1;
	g_autoptr(json_t) rows = json_array();
	size_t i;
	json_t *found;
	json_array_foreach (list, i, found)
		json_array_append_new(rows, row_of(found, o));
	return format_print(&spec, o->format, rows, error) ? 0 : 1;
}

const Command cmd_search = {
	.name = "search",
	.usage = "[OPTIONS] TERM",
	.summary = "Search Docker Hub for images",
	.min_args = 1,
	.max_args = 1,
	.options = search_specs,
	.n_options = G_N_ELEMENTS(search_specs),
	.options_size = sizeof(SearchOptions),
	.run = search_run,
};

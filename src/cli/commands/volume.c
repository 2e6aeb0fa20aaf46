/* SPDX-License-Identifier: MIT */
/* volume create, volume ls, volume rm (inspect and prune are with their like) */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/each.h"
#include "cli/listing.h"
#include "cli/run_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- create ---- */

typedef struct {
	char *driver, *name;
	GPtrArray *labels, *options;
} CreateOptions;

/* clang-format off */
static const OptionSpec create_specs[] = {
	{'d', "driver", OPT_STRING, offsetof(CreateOptions, driver), "string",
		"Specify volume driver name", "\"local\""},
	{0, "label", OPT_LIST, offsetof(CreateOptions, labels), "list",
		"Set metadata for a volume"},
	{0, "name", OPT_STRING, offsetof(CreateOptions, name), "string",
		"Specify volume name", NULL, OPT_HIDDEN},
	{'o', "opt", OPT_LIST, offsetof(CreateOptions, options), "map",
		"Set driver specific options", "map[]"},
};
/* clang-format on */

static void create_defaults(void *options)
{
	((CreateOptions *)options)->driver = (char *)"local";
}

static json_t *pairs(const GPtrArray *list)
{
	json_t *object = json_object();
	for (guint i = 0; list && i < list->len; i++)
		parse_map(list->pdata[i], object, NULL);
	return object;
}

static int create_run(Cli *cli, void *options, char **args, GError **error)
{
	const CreateOptions *o = options;
	if (args[0] && o->name && *o->name) {
		dh_error(error, DH_ERROR_INVALID,
			"conflicting options: cannot specify a volume-name through both --name and "
			"as a positional arg");
		return 1;
	}
	const char *name = args[0] ? args[0] : o->name ? o->name : "";
	json_t *body = json_object();
	json_object_set_new(body, "Name", json_string(name));
	json_object_set_new(body, "Driver", json_string(o->driver));
	json_object_set_new(body, "DriverOpts", pairs(o->options));
	json_object_set_new(body, "Labels", pairs(o->labels));
	g_autoptr(json_t) volume = cli_call(cli, "POST", "/volumes/create", NULL, body, error);
	json_decref(body);
	if (!volume)
		return 1;
	puts(list_string(volume, "Name"));
	return 0;
}

const Command cmd_volume_create = {
	.name = "create",
	.usage = "[OPTIONS] [VOLUME]",
	.summary = "Create a volume",
	.max_args = 1,
	.options = create_specs,
	.n_options = G_N_ELEMENTS(create_specs),
	.options_size = sizeof(CreateOptions),
	.defaults = create_defaults,
	.run = create_run,
};

/* ---- ls ---- */

typedef struct {
	gboolean quiet, cluster;
	char *format;
	GPtrArray *filters;
} LsOptions;

/* clang-format off */
static const OptionSpec ls_specs[] = {
	{0, "cluster", OPT_BOOL, offsetof(LsOptions, cluster), NULL,
		"Display only cluster volumes, and use cluster volume list formatting", NULL,
		OPT_HIDDEN},
	{'f', "filter", OPT_LIST, offsetof(LsOptions, filters), "filter",
		"Provide filter values (e.g. \"dangling=true\")"},
	{0, "format", OPT_STRING, offsetof(LsOptions, format), "string", LIST_FORMAT_TABLE_HELP},
	{'q', "quiet", OPT_BOOL, offsetof(LsOptions, quiet), NULL, "Only display volume names"},
};
/* clang-format on */

static const Column columns[] = {
	{"Availability", "AVAILABILITY"},
	{"Driver", "DRIVER"},
	{"Group", "GROUP"},
	{"Labels", "LABELS"},
	{"Links", "LINKS"},
	{"Mountpoint", "MOUNTPOINT"},
	{"Name", "VOLUME NAME"},
	{"Scope", "SCOPE"},
	{"Size", "SIZE"},
	{"Status", "STATUS"},
	{"Label", NULL},
};

/* Digits count as numbers: v2 before v10. */
static int natural(const char *a, const char *b)
{
	while (*a && *b) {
		if (!g_ascii_isdigit(*a) || !g_ascii_isdigit(*b)) {
			if (*a != *b)
				return (guchar)*a < (guchar)*b ? -1 : 1;
			a++;
			b++;
			continue;
		}
		const char *x = a + strspn(a, "0"), *y = b + strspn(b, "0");
		size_t nx = strspn(x, "0123456789"), ny = strspn(y, "0123456789");
		int c = nx != ny ? (nx < ny ? -1 : 1) : strncmp(x, y, nx);
		if (c)
			return c;
		if (x - a != y - b)
			return x - a < y - b ? -1 : 1;
		a = x + nx;
		b = y + ny;
	}
	return *a ? 1 : *b ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
	return natural(
		list_string(*(json_t *const *)a, "Name"), list_string(*(json_t *const *)b, "Name"));
}

static json_t *row_of(const json_t *volume)
{
	static const char *const plain[] = {"Driver", "Mountpoint", "Name", "Scope"};
	static const char *const of_cluster[] = {
		"Availability", "Group", "Links", "Size", "Status"};
	const json_t *labels = json_object_get(volume, "Labels");
	g_autofree char *text = list_labels(labels);
	json_t *row = json_object();
	for (guint i = 0; i < G_N_ELEMENTS(plain); i++)
		json_object_set_new(row, plain[i], json_string(list_string(volume, plain[i])));
	for (guint i = 0; i < G_N_ELEMENTS(of_cluster); i++)
		json_object_set_new(row, of_cluster[i], json_string("N/A"));
	json_object_set_new(row, "Labels", json_string(text));
	json_object_set_new(row, "Label",
		json_is_object(labels) ? json_incref((json_t *)labels) : json_object());
	return row;
}

static json_t *rows_of(const json_t *list)
{
	size_t n = json_array_size(list);
	g_autofree const json_t **sorted = g_new0(const json_t *, n + 1);
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(list, i);
	qsort(sorted, n, sizeof *sorted, by_name);
	json_t *rows = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(rows, row_of(sorted[i]));
	return rows;
}

static int ls_run(Cli *cli, void *options, char **args, GError **error)
{
	const LsOptions *o = options;
	const TableSpec spec = {.type_name = "*formatter.volumeContext",
		.default_table = "table {{.Driver}}\t{{.Name}}",
		.raw = "name: {{.Name}}\ndriver: {{.Driver}}\n",
		.columns = columns,
		.n_columns = G_N_ELEMENTS(columns)};
	const char *format = list_format(o->format, o->quiet, "{{.Name}}");
	if (!format_check(&spec, format, error))
		return 1;
	g_autofree char *filters = list_filters(o->filters);
	g_auto(GStrv) query = cli_query("filters", filters, NULL);
	g_autoptr(json_t) reply = cli_call(cli, "GET", "/volumes", query, NULL, error);
	if (!reply)
		return 1;
	g_autoptr(json_t) rows =
		o->cluster ? json_array() : rows_of(json_object_get(reply, "Volumes"));
	return format_print(&spec, format, rows, error) ? 0 : 1;
}

const Command cmd_volume_ls = {
	.name = "ls",
	.usage = "[OPTIONS]",
	.summary = "List volumes",
	.aliases = "docker volume ls, docker volume list",
	.max_args = 0,
	.options = ls_specs,
	.n_options = G_N_ELEMENTS(ls_specs),
	.options_size = sizeof(LsOptions),
	.run = ls_run,
};

/* ---- rm ---- */

typedef struct {
	gboolean force;
} RmOptions;

/* clang-format off */
static const OptionSpec rm_specs[] = {
	{'f', "force", OPT_BOOL, offsetof(RmOptions, force), NULL,
		"Force the removal of one or more volumes"},
};
/* clang-format on */

static gboolean rm(Cli *cli, const char *name, const void *arg, GError **error)
{
	const RmOptions *o = arg;
	if (!*name)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid volume name or ID: value is empty");
	g_autofree char *path = g_strdup_printf("/volumes/%s", name);
	g_auto(GStrv) query = cli_query("force", o->force ? "1" : NULL, NULL);
	g_autoptr(json_t) done = cli_call(cli, "DELETE", path, query, NULL, error);
	return done != NULL;
}

static int rm_run(Cli *cli, void *options, char **args, GError **error)
{
	return each_container(cli, args, rm, options, EACH_IN_TURN);
}

const Command cmd_volume_rm = {
	.name = "rm",
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.summary = "Remove one or more volumes",
	.details = "Remove one or more volumes. You cannot remove a volume that is in use by a "
		   "container.",
	.aliases = "docker volume rm, docker volume remove",
	.min_args = 1,
	.max_args = -1,
	.options = rm_specs,
	.n_options = G_N_ELEMENTS(rm_specs),
	.options_size = sizeof(RmOptions),
	.run = rm_run,
};

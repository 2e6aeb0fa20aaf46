/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/size.h"
#include "cli/commands.h"
#include "cli/commands/rows.h"
#include "cli/listing.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	gboolean verbose;
	char *format;
} DfOptions;

/* clang-format off */
static const OptionSpec df_specs[] = {
	{0, "format", OPT_STRING, offsetof(DfOptions, format), "string", LIST_FORMAT_TABLE_HELP},
	{'v', "verbose", OPT_BOOL, offsetof(DfOptions, verbose), NULL,
		"Show detailed information on space usage"},
};
/* clang-format on */

static const Column columns[] = {{"Active", "ACTIVE"}, {"Reclaimable", "RECLAIMABLE"},
	{"Size", "SIZE"}, {"TotalCount", "TOTAL"}, {"Type", "TYPE"}};

/* What a kind of object takes. */
typedef struct {
	guint total, active;
	double size, reclaimable;
} Usage;

static json_t *human(double bytes)
{
	g_autofree char *text = dh_size_human(MAX(bytes, 0), 4);
	return json_string(text);
}

static json_t *count(guint n)
{
	g_autofree char *text = g_strdup_printf("%u", n);
	return json_string(text);
}

static void add_row(json_t *rows, const char *type, const Usage *u)
{
	g_autofree char *free_bytes = dh_size_human(MAX(u->reclaimable, 0), 4);
	g_autofree char *reclaimable =
		u->size > 0 ? g_strdup_printf("%s (%d%%)", free_bytes,
				      (int)(MAX(u->reclaimable, 0) * 100 / u->size))
			    : g_strdup(free_bytes);
	json_array_append_new(
		rows, json_pack("{s:o, s:s, s:o, s:o, s:s}", "Active", count(u->active),
			      "Reclaimable", reclaimable, "Size", human(u->size), "TotalCount",
			      count(u->total), "Type", type));
}

static Usage images_usage(const json_t *df)
{
	const json_t *list = json_object_get(df, "Images");
	Usage u = {
		.total = (guint)json_array_size(list), .size = (double)list_int(df, "LayersSize")};
	u.reclaimable = u.size;
	for (guint i = 0; i < u.total; i++) {
		const json_t *image = json_array_get(list, i);
		if (list_int(image, "Containers") == 0)
			continue;
		u.active += list_int(image, "Containers") > 0;
		u.reclaimable -= (double)(list_int(image, "Size") - list_int(image, "SharedSize"));
	}
	return u;
}

static Usage containers_usage(const json_t *df)
{
	static const char *const active[] = {"running", "paused", "restarting", NULL};
	const json_t *list = json_object_get(df, "Containers");
	Usage u = {.total = (guint)json_array_size(list)};
	for (guint i = 0; i < u.total; i++) {
		const json_t *c = json_array_get(list, i);
		double size = (double)list_int(c, "SizeRw");
		gboolean is_active = g_strv_contains(active, list_string(c, "State"));
		u.active += is_active;
		u.size += size;
		u.reclaimable += is_active ? 0 : size;
	}
	return u;
}

static Usage volumes_usage(const json_t *df)
{
	const json_t *list = json_object_get(df, "Volumes");
	Usage u = {.total = (guint)json_array_size(list)};
	for (guint i = 0; i < u.total; i++) {
		const json_t *data = json_object_get(json_array_get(list, i), "UsageData");
		double size = (double)MAX(list_int(data, "Size"), 0);
		gboolean used = list_int(data, "RefCount") > 0;
		u.active += used;
		u.size += size;
		u.reclaimable += used ? 0 : size;
	}
	return u;
}

static Usage cache_usage(const json_t *df)
{
	const json_t *list = json_object_get(df, "BuildCache");
	Usage u = {.total = (guint)json_array_size(list)};
	for (guint i = 0; i < u.total; i++) {
		const json_t *c = json_array_get(list, i);
		gboolean used = json_is_true(json_object_get(c, "InUse"));
		double size = json_is_true(json_object_get(c, "Shared"))
				      ? 0
				      : (double)list_int(c, "Size");
		u.active += used;
		u.size += size;
		u.reclaimable += used ? 0 : size;
	}
	return u;
}

/* ---- -v ---- */

static const Column image_columns[] = {{"Repository", "REPOSITORY"}, {"Tag", "TAG"},
	{"ID", "IMAGE ID"}, {"CreatedSince", "CREATED"}, {"Size", "SIZE"},
	{"SharedSize", "SHARED SIZE"}, {"UniqueSize", "UNIQUE SIZE"}, {"Containers", "CONTAINERS"}};
static const Column container_columns[] = {{"ID", "CONTAINER ID"}, {"Image", "IMAGE"},
	{"Command", "COMMAND"}, {"LocalVolumes", "LOCAL VOLUMES"}, {"Size", "SIZE"},
	{"RunningFor", "CREATED"}, {"Status", "STATUS"}, {"Names", "NAMES"}};
static const Column volume_columns[] = {
	{"Name", "VOLUME NAME"}, {"Links", "LINKS"}, {"Size", "SIZE"}};
static const Column cache_columns[] = {{"ID", "CACHE ID"}, {"CacheType", "CACHE TYPE"},
	{"Size", "SIZE"}, {"CreatedSince", "CREATED"}, {"LastUsedSince", "LAST USED"},
	{"UsageCount", "USAGE"}, {"Shared", "SHARED"}};

static json_t *image_rows(const json_t *df)
{
	const json_t *list = json_object_get(df, "Images");
	json_t *rows = json_array();
	/* one row an image, whatever its names */
	for (size_t i = 0; i < json_array_size(list); i++) {
		images_add_rows(rows, json_array_get(list, i));
		while (json_array_size(rows) > i + 1)
			json_array_remove(rows, i + 1);
	}
	return rows;
}

static json_t *container_rows(const json_t *df)
{
	const json_t *list = json_object_get(df, "Containers");
	json_t *rows = json_array();
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *c = json_array_get(list, i);
		json_t *row = ps_row(c, TRUE);
		g_autofree char *size = dh_size_human((double)list_int(c, "SizeRw"), 3);
		json_object_set_new(row, "Size", json_string(size));
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *volume_rows(const json_t *df)
{
	const json_t *list = json_object_get(df, "Volumes");
	json_t *rows = json_array();
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i), *data = json_object_get(v, "UsageData");
		json_array_append_new(
			rows, json_pack("{s:s, s:o, s:o}", "Name", list_string(v, "Name"), "Links",
				      count((guint)list_int(data, "RefCount")), "Size",
				      human((double)list_int(data, "Size"))));
	}
	return rows;
}

static json_t *cache_rows(const json_t *df)
{
	const json_t *list = json_object_get(df, "BuildCache");
	json_t *rows = json_array();
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);
		g_autofree char *id = list_short_id(list_string(c, "ID"));
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:s}", "ID", id, "CacheType",
				list_string(c, "Type"), "Size", human((double)list_int(c, "Size")),
				"CreatedSince", list_string(c, "CreatedAt"), "LastUsedSince",
				list_string(c, "LastUsedAt"), "UsageCount",
				count((guint)list_int(c, "UsageCount")), "Shared",
				json_is_true(json_object_get(c, "Shared")) ? "true" : "false"));
	}
	return rows;
}

static gboolean print_section(const char *title, const char *table, const Column *names, size_t n,
	json_t *rows, GError **error)
{
	const TableSpec spec = {.type_name = "*formatter.diskUsageContext",
		.default_table = table,
		.columns = names,
		.n_columns = n};
	g_autoptr(json_t) owned = rows;
	printf("%s\n\n", title);
	return format_print(&spec, NULL, owned, error);
}

static gboolean print_verbose(const json_t *df, GError **error)
{
	if (!print_section("Images space usage:",
		    "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t"
		    "{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
		    image_columns, G_N_ELEMENTS(image_columns), image_rows(df), error) ||
		!print_section("\nContainers space usage:",
			"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t"
			"{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
			container_columns, G_N_ELEMENTS(container_columns), container_rows(df),
			error) ||
		!print_section(
			"\nLocal Volumes space usage:", "table {{.Name}}\t{{.Links}}\t{{.Size}}",
			volume_columns, G_N_ELEMENTS(volume_columns), volume_rows(df), error))
		return FALSE;
	Usage cache = cache_usage(df);
	g_autofree char *size = dh_size_human(cache.size, 4);
	g_autofree char *title = g_strdup_printf("\nBuild cache usage: %s", size);
	return print_section(title,
		"table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t"
		"{{.UsageCount}}\t{{.Shared}}",
		cache_columns, G_N_ELEMENTS(cache_columns), cache_rows(df), error);
}

/* ---- where every byte is ---- */

/* Dhow's own; an engine that has no such thing is not asked for more. */
static gboolean print_all(Cli *cli, GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_autoptr(json_t) all = cli_call(cli, "GET", "/dhow/df", NULL, NULL, &failed);
	if (!all && g_error_matches(failed, DH_ERROR, DH_ERROR_NOT_FOUND))
		return TRUE;
	if (!all) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	static const Column names[] = {{"Kind", "KIND"}, {"Count", "COUNT"}, {"Size", "SIZE"}};
	const json_t *parts = json_object_get(all, "Parts");
	const json_t *strays = json_object_get(all, "Strays");
	json_t *rows = json_array();
	for (size_t i = 0; i < json_array_size(parts); i++) {
		const json_t *p = json_array_get(parts, i);
		json_array_append_new(
			rows, json_pack("{s:s, s:o, s:o}", "Kind", list_string(p, "Kind"), "Count",
				      count((guint)list_int(p, "Count")), "Size",
				      human((double)list_int(p, "Size"))));
	}
	g_autofree char *total = dh_size_human((double)list_int(all, "Total"), 4);
	g_autofree char *title =
		g_strdup_printf("\nEverything below %s: %s", list_string(all, "DataRoot"), total);
	if (!print_section(title, "table {{.Kind}}\t{{.Count}}\t{{.Size}}", names,
		    G_N_ELEMENTS(names), rows, error))
		return FALSE;
	printf("\nunaccounted: %" JSON_INTEGER_FORMAT " B\n", list_int(all, "Unaccounted"));
	for (size_t i = 0; i < json_array_size(strays); i++) {
		const json_t *s = json_array_get(strays, i);
		g_autofree char *path = text_printable(list_string(s, "Path"), "");
		printf("  %s: %" JSON_INTEGER_FORMAT " B\n", path, list_int(s, "Size"));
	}
	return TRUE;
}

/* -v with a format: one value that holds all rows. */
static gboolean print_verbose_as(const char *format, const json_t *df, GError **error)
{
	g_autoptr(json_t) all = json_pack("{s:o, s:o, s:o, s:o}", "Images", image_rows(df),
		"Containers", container_rows(df), "Volumes", volume_rows(df), "BuildCache",
		cache_rows(df));
	g_autoptr(GString) out = g_string_new(NULL);
	gboolean ok = format_value(format, all, out, error);
	fputs(out->str, stdout);
	return ok;
}

static int df_run(Cli *cli, void *options, char **args, GError **error)
{
	const DfOptions *o = options;
	const TableSpec spec = {.type_name = "*formatter.diskUsageContext",
		.default_table = "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t"
				 "{{.Reclaimable}}",
		.columns = columns,
		.n_columns = G_N_ELEMENTS(columns)};
	gboolean format = o->format && *o->format && strcmp(o->format, "table") != 0;
	if (!o->verbose && !format_check(&spec, o->format, error))
		return 1;
	g_autoptr(json_t) df = cli_call(cli, "GET", "/system/df", NULL, NULL, error);
	if (!df)
		return 1;
	if (o->verbose && format)
		return print_verbose_as(o->format, df, error) ? 0 : 1;
	if (o->verbose)
		return print_verbose(df, error) && print_all(cli, error) ? 0 : 1;
	const Usage images = images_usage(df), containers = containers_usage(df),
		    volumes = volumes_usage(df), cache = cache_usage(df);
	g_autoptr(json_t) rows = json_array();
	add_row(rows, "Images", &images);
	add_row(rows, "Containers", &containers);
	add_row(rows, "Local Volumes", &volumes);
	add_row(rows, "Build Cache", &cache);
	return format_print(&spec, o->format, rows, error) ? 0 : 1;
}

const Command cmd_df = {
	.name = "df",
	.usage = "[OPTIONS]",
	.summary = "Show docker disk usage",
	.max_args = 0,
	.options = df_specs,
	.n_options = G_N_ELEMENTS(df_specs),
	.options_size = sizeof(DfOptions),
	.run = df_run,
};

/* SPDX-License-Identifier: MIT */
#include "base/size.h"
#include "cli/commands.h"
#include "cli/commands/rows.h"
#include "cli/listing.h"
#include "cli/ports.h"
#include "cli/text.h"
#include "registry/reference.h"

#include <string.h>

enum { COMMAND_WIDTH = 20, MOUNT_WIDTH = 15 };

typedef struct {
	gboolean all, latest, no_trunc, quiet, size;
	GPtrArray *filters;
	char *format;
	OptInt last;
} PsOptions;

/* clang-format off */
static const OptionSpec ps_specs[] = {
	{'a', "all", OPT_BOOL, offsetof(PsOptions, all), NULL,
		"Show all containers (default shows just running)"},
	{'f', "filter", OPT_LIST, offsetof(PsOptions, filters), "filter",
		"Filter output based on conditions provided"},
	{0, "format", OPT_STRING, offsetof(PsOptions, format), "string", LIST_FORMAT_TABLE_HELP},
	{'n', "last", OPT_COUNTED_INT, offsetof(PsOptions, last), "int",
		"Show n last created containers (includes all states)", "-1"},
	{'l', "latest", OPT_BOOL, offsetof(PsOptions, latest), NULL,
		"Show the latest created container (includes all states)"},
	{0, "no-trunc", OPT_BOOL, offsetof(PsOptions, no_trunc), NULL, "Don't truncate output"},
	{'q', "quiet", OPT_BOOL, offsetof(PsOptions, quiet), NULL, "Only display container IDs"},
	{'s', "size", OPT_BOOL, offsetof(PsOptions, size), NULL, "Display total file sizes"},
};
/* clang-format on */

static const Column columns[] = {
	{"Command", "COMMAND"},
	{"CreatedAt", "CREATED AT"},
	{"ID", "CONTAINER ID"},
	{"Image", "IMAGE"},
	{"Label", NULL},
	{"Labels", "LABELS"},
	{"LocalVolumes", "LOCAL VOLUMES"},
	{"Mounts", "MOUNTS"},
	{"Names", "NAMES"},
	{"Networks", "NETWORKS"},
	{"Platform", "PLATFORM"},
	{"Ports", "PORTS"},
	{"RunningFor", "CREATED"},
	{"Size", "SIZE"},
	{"State", "STATE"},
	{"Status", "STATUS"},
};

#define PS_RAW                                                                                     \
	"container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\n"                        \
	"created_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\n" \
	"names: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n"

#define PS_TABLE                                                                                   \
	"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t"      \
	"{{.Names}}"

static void set_owned(json_t *row, const char *name, char *value)
{
	json_object_set_new(row, name, json_string(value));
	g_free(value);
}

/* The name the container was given: links to it have slashes inside. */
static char *names_of(const json_t *c, gboolean trunc)
{
	const json_t *names = json_object_get(c, "Names");
	GString *all = g_string_new(NULL);
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		name = name && *name == '/' ? name + 1 : name;
		if (!name)
			continue;
		if (trunc && !strchr(name, '/')) {
			g_string_assign(all, name);
			break;
		}
		g_string_append_printf(all, "%s%s", all->len ? "," : "", name);
	}
	return g_string_free(all, FALSE);
}

static char *image_of(const json_t *c, gboolean trunc)
{
	const char *image = list_string(c, "Image");
	if (!*image)
		return g_strdup("<no image>");
	if (!trunc)
		return g_strdup(image);
	g_autofree char *id = list_short_id(list_string(c, "ImageID"));
	g_autofree char *shown = list_short_id(image);
	if (*id && strcmp(id, shown) == 0)
		return g_steal_pointer(&id);
	g_autoptr(Reference) ref = reference_parse(image, NULL);
	if (!ref || !ref->digest)
		return g_strdup(image);
	g_autofree char *name = reference_familiar_name(ref);
	return g_strdup_printf("%s%s%s", name, ref->tag ? ":" : "", ref->tag ? ref->tag : "");
}

static char *command_of(const json_t *c, gboolean trunc)
{
	const char *command = list_string(c, "Command");
	g_autofree char *cut = trunc ? list_ellipsis(command, COMMAND_WIDTH) : g_strdup(command);
	return text_quote(cut);
}

static char *mounts_of(const json_t *c, gboolean trunc, guint *ret_local)
{
	const json_t *mounts = json_object_get(c, "Mounts");
	GString *all = g_string_new(NULL);
	*ret_local = 0;
	for (size_t i = 0; i < json_array_size(mounts); i++) {
		const json_t *m = json_array_get(mounts, i);
		const char *name = list_string(m, "Name");
		name = *name ? name : list_string(m, "Source");
		g_autofree char *cut = trunc ? list_ellipsis(name, MOUNT_WIDTH) : g_strdup(name);
		g_string_append_printf(all, "%s%s", all->len ? "," : "", cut);
		*ret_local += strcmp(list_string(m, "Driver"), "local") == 0;
	}
	return g_string_free(all, FALSE);
}

static char *networks_of(const json_t *c)
{
	const json_t *networks = json_object_get(json_object_get(c, "NetworkSettings"), "Networks");
	GString *all = g_string_new(NULL);
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)networks, name, value)
		g_string_append_printf(all, "%s%s", all->len ? "," : "", name);
	return g_string_free(all, FALSE);
}

static char *size_of(const json_t *c)
{
	g_autofree char *own = dh_size_human((double)list_int(c, "SizeRw"), 3);
	json_int_t root = list_int(c, "SizeRootFs");
	if (root <= 0)
		return g_steal_pointer(&own);
	g_autofree char *all = dh_size_human((double)root, 3);
	return g_strdup_printf("%s (virtual %s)", own, all);
}

json_t *ps_row(const json_t *c, gboolean trunc)
{
	json_t *row = json_object();
	guint local;
	const char *id = list_string(c, "Id");
	const json_t *labels = json_object_get(c, "Labels");
	const json_t *platform = json_object_get(c, "ImageManifestDescriptor");
	platform = json_object_get(platform, "platform");

	set_owned(row, "ID", trunc ? list_short_id(id) : g_strdup(id));
	set_owned(row, "Names", names_of(c, trunc));
	set_owned(row, "Image", image_of(c, trunc));
	set_owned(row, "Command", command_of(c, trunc));
	set_owned(row, "CreatedAt", list_local_time(list_int(c, "Created")));
	set_owned(row, "RunningFor", list_ago(list_int(c, "Created")));
	set_owned(row, "Ports", ports_display(json_object_get(c, "Ports")));
	set_owned(row, "Labels", list_labels(labels));
	set_owned(row, "Mounts", mounts_of(c, trunc, &local));
	set_owned(row, "LocalVolumes", g_strdup_printf("%u", local));
	set_owned(row, "Networks", networks_of(c));
	set_owned(row, "Size", size_of(c));
	json_object_set_new(row, "State", json_string(list_string(c, "State")));
	json_object_set_new(row, "Status", json_string(list_string(c, "Status")));
	json_object_set_new(
		row, "Platform", platform ? json_incref((json_t *)platform) : json_null());
	json_object_set_new(row, "Label",
		json_is_object(labels) ? json_incref((json_t *)labels) : json_object());
	return row;
}

static int ps_run(Cli *cli, void *options, char **args, GError **error)
{
	const PsOptions *o = options;
	const TableSpec spec = {.type_name = "*formatter.ContainerContext",
		.parse_prefix = "failed to parse template: ",
		.execute_prefix = "failed to execute template: ",
		.default_table = o->size ? PS_TABLE "\t{{.Size}}" : PS_TABLE,
		.raw = o->size ? PS_RAW "size: {{.Size}}\n" : PS_RAW,
		.columns = columns,
		.n_columns = G_N_ELEMENTS(columns)};
	const char *format = list_format(o->format, o->quiet, "{{.ID}}");
	gboolean size = o->size || (format && strstr(format, ".Size"));
	gint64 limit = o->latest ? 1 : o->last.given ? o->last.value : -1;
	g_autofree char *limit_text =
		limit > 0 ? g_strdup_printf("%" G_GINT64_FORMAT, limit) : NULL;
	g_autofree char *filters = list_filters(o->filters);

	if (!format_check(&spec, format, error))
		return 1;
	/* The engine's own: dockerd takes no notice and sends everything. */
	gboolean brief = !size && !o->no_trunc && (!format || strcmp(format, "{{.ID}}") == 0);
	g_auto(GStrv) query = cli_query("all", o->all ? "1" : NULL, "brief", brief ? "1" : NULL,
		"filters", filters, "limit", limit_text, "size", size ? "1" : NULL, NULL);
	g_autoptr(json_t) list = cli_call(cli, "GET", "/containers/json", query, NULL, error);
	if (!list)
		return 1;
	g_autoptr(json_t) rows = json_array();
	size_t i;
	json_t *c;
	json_array_foreach (list, i, c)
		json_array_append_new(rows, ps_row(c, !o->no_trunc));
	return format_print(&spec, format, rows, error) ? 0 : 1;
}

const Command cmd_ps = {
	.name = "ps",
	.usage = "[OPTIONS]",
	.summary = "List containers",
	.aliases = "docker container ls, docker container list, docker container ps, docker ps",
	.max_args = 0,
	.options = ps_specs,
	.n_options = G_N_ELEMENTS(ps_specs),
	.options_size = sizeof(PsOptions),
	.run = ps_run,
};

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

/* An element of the daemon's list: the members that the columns are made of. */
typedef struct {
	char *id, **names, *image, *image_id, *command, *state, *status;
	int64_t created, size_rw, size_root_fs;
	json_t *ports, *labels, *networks, *mounts, *manifest;
} Listed;

static const DhJsonField listed_fields[] = {
	DH_F(STRING, Listed, id, "Id", 0),
	DH_F(STRV, Listed, names, "Names", 0),
	DH_F(STRING, Listed, image, "Image", 0),
	DH_F(STRING, Listed, image_id, "ImageID", 0),
	DH_F(STRING, Listed, command, "Command", 0),
	DH_F(INT, Listed, created, "Created", 0),
	DH_F(RAW, Listed, ports, "Ports", 0),
	DH_F(STRING, Listed, state, "State", 0),
	DH_F(STRING, Listed, status, "Status", 0),
	DH_F(INT, Listed, size_rw, "SizeRw", 0),
	DH_F(INT, Listed, size_root_fs, "SizeRootFs", 0),
	DH_F(RAW, Listed, labels, "Labels", 0),
	DH_F(RAW, Listed, networks, "NetworkSettings", 0),
	DH_F(RAW, Listed, mounts, "Mounts", 0),
	DH_F(RAW, Listed, manifest, "ImageManifestDescriptor", 0),
};
static DH_JSON_TABLE(listed_table, Listed, listed_fields, FALSE);

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static json_t *owned(char *value)
{
	json_t *v = json_string(value);
	g_free(value);
	return v;
}

static json_t *id_of(const Listed *c, gboolean trunc)
{
	const char *id = or_empty(c->id);
	return trunc ? owned(list_short_id(id)) : json_string(id);
}

/* The name the container was given: links to it have slashes inside. */
static json_t *names_of(const Listed *c, gboolean trunc)
{
	GString *all = g_string_new(NULL);
	for (char **n = c->names; n && *n; n++) {
		const char *name = **n == '/' ? *n + 1 : *n;
		if (trunc && !strchr(name, '/')) {
			g_string_assign(all, name);
			break;
		}
		g_string_append_printf(all, "%s%s", all->len ? "," : "", name);
	}
	return owned(g_string_free(all, FALSE));
}

static json_t *image_of(const Listed *c, gboolean trunc)
{
	const char *image = or_empty(c->image);
	if (!*image)
		return json_string("<no image>");
	if (!trunc)
		return json_string(image);
	g_autofree char *id = list_short_id(or_empty(c->image_id));
	g_autofree char *shown = list_short_id(image);
	if (*id && strcmp(id, shown) == 0)
		return json_string(id);
	if (!strchr(image, '@'))
		return json_string(image);
	g_autoptr(Reference) ref = reference_parse(image, NULL);
	if (!ref || !ref->digest)
		return json_string(image);
	g_autofree char *name = reference_familiar_name(ref);
	return owned(
		g_strdup_printf("%s%s%s", name, ref->tag ? ":" : "", ref->tag ? ref->tag : ""));
}

static json_t *command_of(const Listed *c, gboolean trunc)
{
	const char *command = or_empty(c->command);
	g_autofree char *cut = trunc ? list_ellipsis(command, COMMAND_WIDTH) : NULL;
	return owned(text_quote(cut ? cut : command));
}

static json_t *created_at_of(const Listed *c, gboolean trunc)
{
	return owned(list_local_time(c->created));
}

static json_t *running_for_of(const Listed *c, gboolean trunc)
{
	return owned(list_ago(c->created));
}

static json_t *ports_of(const Listed *c, gboolean trunc)
{
	return owned(ports_display(c->ports));
}

static json_t *state_of(const Listed *c, gboolean trunc)
{
	return json_string(or_empty(c->state));
}

static json_t *status_of(const Listed *c, gboolean trunc)
{
	return json_string(or_empty(c->status));
}

static json_t *label_of(const Listed *c, gboolean trunc)
{
	return json_is_object(c->labels) ? json_incref(c->labels) : json_object();
}

static json_t *labels_of(const Listed *c, gboolean trunc)
{
	return owned(list_labels(c->labels));
}

static json_t *mounts_of(const Listed *c, gboolean trunc)
{
	GString *all = g_string_new(NULL);
	for (size_t i = 0; i < json_array_size(c->mounts); i++) {
		const json_t *m = json_array_get(c->mounts, i);
		const char *name = list_string(m, "Name");
		name = *name ? name : list_string(m, "Source");
		g_autofree char *cut = trunc ? list_ellipsis(name, MOUNT_WIDTH) : g_strdup(name);
		g_string_append_printf(all, "%s%s", all->len ? "," : "", cut);
	}
	return owned(g_string_free(all, FALSE));
}

static json_t *local_volumes_of(const Listed *c, gboolean trunc)
{
	guint local = 0;
	for (size_t i = 0; i < json_array_size(c->mounts); i++)
		local += strcmp(list_string(json_array_get(c->mounts, i), "Driver"), "local") == 0;
	return owned(g_strdup_printf("%u", local));
}

static json_t *networks_of(const Listed *c, gboolean trunc)
{
	json_t *networks = json_object_get(c->networks, "Networks");
	GString *all = g_string_new(NULL);
	const char *name;
	json_t *value;
	json_object_foreach (networks, name, value)
		g_string_append_printf(all, "%s%s", all->len ? "," : "", name);
	return owned(g_string_free(all, FALSE));
}

static json_t *size_of(const Listed *c, gboolean trunc)
{
	g_autofree char *own = dh_size_human((double)c->size_rw, 3);
	if (c->size_root_fs <= 0)
		return json_string(own);
	g_autofree char *all = dh_size_human((double)c->size_root_fs, 3);
	return owned(g_strdup_printf("%s (virtual %s)", own, all));
}

static json_t *platform_of(const Listed *c, gboolean trunc)
{
	json_t *platform = json_object_get(c->manifest, "platform");
	return platform ? json_incref(platform) : json_null();
}

/* Of what members of the list each column is made, and how. */
static const struct {
	const char *column, *members;
	json_t *(*make)(const Listed *c, gboolean trunc);
} cells[] = {
	{"ID", "Id", id_of},
	{"Names", "Names", names_of},
	{"Image", "Image,ImageID", image_of},
	{"Command", "Command", command_of},
	{"CreatedAt", "Created", created_at_of},
	{"RunningFor", "Created", running_for_of},
	{"Ports", "Ports", ports_of},
	{"State", "State", state_of},
	{"Status", "Status", status_of},
	{"Label", "Labels", label_of},
	{"Labels", "Labels", labels_of},
	{"Mounts", "Mounts", mounts_of},
	{"LocalVolumes", "Mounts", local_volumes_of},
	{"Networks", "NetworkSettings", networks_of},
	{"Size", "SizeRw,SizeRootFs", size_of},
	{"Platform", "ImageManifestDescriptor", platform_of},
};

/* shown: by cell; NULL: all. */
static json_t *row_of(const Listed *c, const gboolean *shown, gboolean trunc)
{
	json_t *row = json_object();
	for (guint i = 0; i < G_N_ELEMENTS(cells); i++) {
		if (!shown || shown[i])
			json_object_set_new_nocheck(row, cells[i].column, cells[i].make(c, trunc));
	}
	return row;
}

json_t *ps_row(json_t *c, gboolean trunc)
{
	Listed listed = {0};
	json_t *row = NULL;
	if (dh_json_parse_into(&listed_table, c, &listed, NULL))
		row = row_of(&listed, NULL, trunc);
	dh_json_clear(&listed_table, &listed);
	return row ? row : json_object();
}

/* What the daemon is to send: dockerd takes no notice and sends everything. */
static char *members_of(const gboolean *shown)
{
	GString *all = g_string_new(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(cells); i++) {
		if (shown[i])
			g_string_append_printf(all, "%s%s", all->len ? "," : "", cells[i].members);
	}
	return g_string_free(all, FALSE);
}

static gboolean add_complete(
	FormatList *list, DhJsonScan *scan, const gboolean *shown, gboolean trunc, GError **error)
{
	for (;;) {
		g_autoptr(GError) why = NULL;
		Listed c = {0};
		gboolean ok = dh_json_scan_next(scan, &listed_table, &c, &why);
		if (why) {
			g_propagate_prefixed_error(
				error, g_steal_pointer(&why), "the daemon's answer is not JSON: ");
			return FALSE;
		}
		if (!ok)
			return TRUE;
		g_autoptr(json_t) row = row_of(&c, shown, trunc);
		dh_json_clear(&listed_table, &c);
		if (!format_list_add(list, row, error))
			return FALSE;
	}
}

/* Rows are made of what has come while the daemon writes more. */
static gboolean add_rows(
	FormatList *list, Response *answer, const gboolean *shown, gboolean trunc, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	gboolean ok = TRUE, whole = FALSE;
	DhJsonScan scan;
	dh_json_scan(&scan, text->str, 0, whole);
	while (ok && !whole) {
		ssize_t n = response_more_text(answer, text, error);
		if (n < 0)
			return FALSE;
		whole = n == 0;
		dh_json_scan_more(&scan, text->str, text->len, whole);
		ok = add_complete(list, &scan, shown, trunc, error);
	}
	return ok;
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
	gint64 limit = o->latest ? 1 : o->last.given ? o->last.value : -1;
	g_autofree char *limit_text =
		limit > 0 ? g_strdup_printf("%" G_GINT64_FORMAT, limit) : NULL;
	g_autofree char *filters = list_filters(o->filters);
	gboolean shown[G_N_ELEMENTS(cells)];

	g_autoptr(FormatList) list = format_list_new(&spec, format, error);
	if (!list)
		return 1;
	for (guint i = 0; i < G_N_ELEMENTS(cells); i++)
		shown[i] = format_list_shows(list, cells[i].column);
	/* The word "json" alone shows what there is; a template that names it makes docker ask. */
	gboolean size =
		o->size || (g_strcmp0(format, "json") != 0 && format_list_shows(list, "Size"));
	g_autofree char *members = members_of(shown);
	g_auto(GStrv) query = cli_query("all", o->all ? "1" : NULL, "filters", filters, "limit",
		limit_text, "members", *members ? members : "Id", "size", size ? "1" : NULL, NULL);
	Request request = {.method = "GET", .path = "/containers/json", .query = query};
	g_autoptr(Response) answer = cli_request(cli, &request, error);
	if (!answer || !add_rows(list, answer, shown, !o->no_trunc, error))
		return 1;
	return format_list_print(list, error) ? 0 : 1;
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

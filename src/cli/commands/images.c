/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/size.h"
#include "cli/commands.h"
#include "cli/commands/rows.h"
#include "cli/listing.h"
#include "registry/reference.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	gboolean all, digests, no_trunc, quiet, tree;
	GPtrArray *filters;
	char *format;
} ImagesOptions;

/* clang-format off */
static const OptionSpec images_specs[] = {
	{'a', "all", OPT_BOOL, offsetof(ImagesOptions, all), NULL,
		"Show all images (default hides intermediate images)"},
	{0, "digests", OPT_BOOL, offsetof(ImagesOptions, digests), NULL, "Show digests"},
	{'f', "filter", OPT_LIST, offsetof(ImagesOptions, filters), "filter",
		"Filter output based on conditions provided"},
	{0, "format", OPT_STRING, offsetof(ImagesOptions, format), "string",
		LIST_FORMAT_TABLE_HELP},
	{0, "no-trunc", OPT_BOOL, offsetof(ImagesOptions, no_trunc), NULL, "Don't truncate output"},
	{'q', "quiet", OPT_BOOL, offsetof(ImagesOptions, quiet), NULL, "Only show image IDs"},
	{0, "tree", OPT_BOOL, offsetof(ImagesOptions, tree), NULL,
		"List multi-platform images as a tree (EXPERIMENTAL)"},
};
/* clang-format on */

static const Column columns[] = {
	{"Containers", "CONTAINERS"},
	{"CreatedAt", "CREATED AT"},
	{"CreatedSince", "CREATED"},
	{"Digest", "DIGEST"},
	{"ID", "IMAGE ID"},
	{"Repository", "REPOSITORY"},
	{"SharedSize", "SHARED SIZE"},
	{"Size", "SIZE"},
	{"Tag", "TAG"},
	{"UniqueSize", "UNIQUE SIZE"},
	{"VirtualSize", "SIZE"},
};

#define NONE "<none>"

typedef struct {
	json_t *rows;
	const json_t *image;
	gboolean no_trunc;
} Rows;

static void set_size(json_t *row, const char *name, json_int_t bytes, int digits)
{
	g_autofree char *text = bytes < 0 ? g_strdup("N/A") : dh_size_human((double)bytes, digits);
	json_object_set_new(row, name, json_string(text));
}

static void add_row(const Rows *r, const char *repository, const char *tag, const char *digest)
{
	const json_t *image = r->image;
	const char *id = list_string(image, "Id");
	json_int_t created = list_int(image, "Created");
	json_int_t size = list_int(image, "Size");
	json_int_t shared =
		json_object_get(image, "SharedSize") ? list_int(image, "SharedSize") : -1;
	json_int_t containers =
		json_object_get(image, "Containers") ? list_int(image, "Containers") : -1;
	g_autofree char *shown = r->no_trunc ? g_strdup(id) : list_short_id(id);
	g_autofree char *since = list_ago(created);
	g_autofree char *at = list_local_time(created);
	g_autofree char *count = containers < 0
					 ? g_strdup("N/A")
					 : g_strdup_printf("%" JSON_INTEGER_FORMAT, containers);
	json_t *row = json_object();

	json_object_set_new(row, "ID", json_string(shown));
	json_object_set_new(row, "Repository", json_string(repository));
	json_object_set_new(row, "Tag", json_string(tag));
	json_object_set_new(row, "Digest", json_string(digest));
	json_object_set_new(row, "CreatedSince", json_string(since));
	json_object_set_new(row, "CreatedAt", json_string(at));
	json_object_set_new(row, "Containers", json_string(count));
	set_size(row, "Size", size, 3);
	set_size(row, "VirtualSize", size, 4);
	set_size(row, "SharedSize", shared, 4);
	set_size(row, "UniqueSize", shared < 0 || size < 0 ? -1 : size - shared, 4);
	json_array_append_new(r->rows, row);
}

static const char *nth_string(const json_t *list, size_t i)
{
	const char *s = json_string_value(json_array_get(list, i));
	return s ? s : "";
}

static gboolean is_dangling(const json_t *tags, const json_t *digests)
{
	size_t n_tags = json_array_size(tags), n_digests = json_array_size(digests);
	if (!n_tags && !n_digests)
		return TRUE;
	return n_tags == 1 && n_digests == 1 && strcmp(nth_string(tags, 0), NONE ":" NONE) == 0 &&
	       strcmp(nth_string(digests, 0), NONE "@" NONE) == 0;
}

/* One row for each digest that belongs to the repository (a row with `otherwise` if none does). */
static void add_digest_rows(const Rows *r, const char *repository, const char *tag,
	const json_t *digests, gboolean with_digests, const char *otherwise)
{
	gboolean any = FALSE;
	for (size_t i = 0; with_digests && i < json_array_size(digests); i++) {
		g_autoptr(Reference) ref = reference_parse(nth_string(digests, i), NULL);
		g_autofree char *name = ref ? reference_familiar_name(ref) : NULL;
		if (!ref || !ref->digest || strcmp(name, repository) != 0)
			continue;
		add_row(r, repository, tag, ref->digest);
		any = TRUE;
	}
	if (!any)
		add_row(r, repository, tag, otherwise);
}

/* with_digests: tags get their digests; digest_rows: what is known by digest only shows them too.
 */
static void add_image(const Rows *r, gboolean with_digests, gboolean digest_rows)
{
	const json_t *tags = json_object_get(r->image, "RepoTags");
	const json_t *digests = json_object_get(r->image, "RepoDigests");
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (is_dangling(tags, digests)) {
		add_row(r, NONE, NONE, NONE);
		return;
	}
	for (size_t i = 0; i < json_array_size(tags); i++) {
		g_autoptr(Reference) ref = reference_parse(nth_string(tags, i), NULL);
		if (!ref || !ref->tag)
			continue;
		char *name = reference_familiar_name(ref);
		add_digest_rows(r, name, ref->tag, digests, with_digests, NONE);
		g_hash_table_add(seen, name);
	}
	/* repositories that know the image by its digest only */
	for (size_t i = 0; i < json_array_size(digests); i++) {
		g_autoptr(Reference) ref = reference_parse(nth_string(digests, i), NULL);
		char *name = ref ? reference_familiar_name(ref) : NULL;
		if (!name || g_hash_table_contains(seen, name)) {
			g_free(name);
			continue;
		}
		add_digest_rows(r, name, NONE, digests, digest_rows, "");
		g_hash_table_add(seen, name);
	}
}

void images_add_rows(json_t *rows, const json_t *image)
{
	const Rows r = {.rows = rows, .image = image};
	add_image(&r, FALSE, FALSE);
}

static int images_run(Cli *cli, void *options, char **args, GError **error)
{
	const ImagesOptions *o = options;
	const TableSpec spec = {.type_name = "*formatter.imageContext",
		.default_table =
			o->digests ? "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t"
				     "{{.CreatedSince}}\t{{.Size}}"
				   : "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t"
				     "{{.Size}}",
		.raw = "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\n"
		       "created_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n",
		.columns = columns,
		.n_columns = G_N_ELEMENTS(columns)};
	const char *format = o->quiet ? "{{.ID}}" : o->format;
	g_autofree char *reference = args[0] ? g_strdup_printf("reference=%s", args[0]) : NULL;
	g_autoptr(GPtrArray) all_filters = g_ptr_array_new();

	if (o->tree) {
		dh_error(error, DH_ERROR_NOT_BUILT, "%s: 'images --tree' is not built yet",
			cli->program);
		return 1;
	}
	if (!format_check(&spec, format, error))
		return 1;
	for (guint i = 0; o->filters && i < o->filters->len; i++)
		g_ptr_array_add(all_filters, o->filters->pdata[i]);
	if (reference)
		g_ptr_array_add(all_filters, reference);
	g_autofree char *filters = list_filters(all_filters);
	g_auto(GStrv) query = cli_query("all", o->all ? "1" : NULL, "filters", filters, NULL);
	g_autoptr(json_t) list = cli_call(cli, "GET", "/images/json", query, NULL, error);
	if (!list)
		return 1;
	gboolean digests = o->digests || (format && strstr(format, "{{.Digest}}"));
	g_autoptr(json_t) rows = json_array();
	size_t i;
	json_t *image;
	json_array_foreach (list, i, image) {
		Rows r = {.rows = rows, .image = image, .no_trunc = o->no_trunc};
		add_image(&r, digests, o->digests);
	}
	return format_print(&spec, format, rows, error) ? 0 : 1;
}

const Command cmd_images = {
	.name = "images",
	.usage = "[OPTIONS] [REPOSITORY[:TAG]]",
	.summary = "List images",
	.aliases = "docker image ls, docker image list, docker images",
	.max_args = 1,
	.options = images_specs,
	.n_options = G_N_ELEMENTS(images_specs),
	.options_size = sizeof(ImagesOptions),
	.run = images_run,
};

/* SPDX-License-Identifier: MIT */
/* container prune, image prune, volume prune */
#include "base/error.h"
#include "base/size.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>

typedef struct {
	gboolean all, force;
	GPtrArray *filters;
} PruneOptions;

/* clang-format off */
static const OptionSpec container_specs[] = {
	{0, "filter", OPT_LIST, offsetof(PruneOptions, filters), "filter",
		"Provide filter values (e.g. \"until=<timestamp>\")"},
	{'f', "force", OPT_BOOL, offsetof(PruneOptions, force), NULL,
		"Do not prompt for confirmation"},
};
/* clang-format on */

/* clang-format off */
static const OptionSpec image_specs[] = {
	{'a', "all", OPT_BOOL, offsetof(PruneOptions, all), NULL,
		"Remove all unused images, not just dangling ones"},
	{0, "filter", OPT_LIST, offsetof(PruneOptions, filters), "filter",
		"Provide filter values (e.g. \"until=<timestamp>\")"},
	{'f', "force", OPT_BOOL, offsetof(PruneOptions, force), NULL,
		"Do not prompt for confirmation"},
};
/* clang-format on */

/* clang-format off */
static const OptionSpec volume_specs[] = {
	{'a', "all", OPT_BOOL, offsetof(PruneOptions, all), NULL,
		"Remove all unused volumes, not just anonymous ones"},
	{0, "filter", OPT_LIST, offsetof(PruneOptions, filters), "filter",
		"Provide filter values (e.g. \"label=<label>\")"},
	{'f', "force", OPT_BOOL, offsetof(PruneOptions, force), NULL,
		"Do not prompt for confirmation"},
};
/* clang-format on */

static void print_total(const json_t *report)
{
	g_autofree char *size = dh_size_human((double)list_int(report, "SpaceReclaimed"), 4);
	printf("Total reclaimed space: %s\n", size);
}

static int container_prune_run(Cli *cli, void *options, char **args, GError **error)
{
	const PruneOptions *o = options;
	if (!o->force && !list_confirm("WARNING! This will remove all stopped containers."))
		return 0;
	g_autofree char *filters = list_filters(o->filters);
	g_auto(GStrv) query = cli_query("filters", filters, NULL);
	g_autoptr(json_t) report = cli_call(cli, "POST", "/containers/prune", query, NULL, error);
	if (!report)
		return 1;
	const json_t *ids = json_object_get(report, "ContainersDeleted");
	if (json_array_size(ids))
		puts("Deleted Containers:");
	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *id = json_string_value(json_array_get(ids, i));
		puts(id ? id : "");
	}
	if (json_array_size(ids))
		puts("");
	print_total(report);
	return 0;
}

static int image_prune_run(Cli *cli, void *options, char **args, GError **error)
{
	const PruneOptions *o = options;
	if (!o->force && !list_confirm(o->all ? "WARNING! This will remove all images without at "
						"least one container associated to them."
					      : "WARNING! This will remove all dangling images."))
		return 0;
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	g_ptr_array_add(all, (gpointer)(o->all ? "dangling=false" : "dangling=true"));
	for (guint i = 0; o->filters && i < o->filters->len; i++)
		g_ptr_array_add(all, o->filters->pdata[i]);
	g_autofree char *filters = list_filters(all);
	g_auto(GStrv) query = cli_query("filters", filters, NULL);
	g_autoptr(json_t) report = cli_call(cli, "POST", "/images/prune", query, NULL, error);
	if (!report)
		return 1;
	const json_t *images = json_object_get(report, "ImagesDeleted");
	if (json_array_size(images))
		puts("Deleted Images:");
	for (size_t i = 0; i < json_array_size(images); i++) {
		const json_t *item = json_array_get(images, i);
		const char *untagged = list_string(item, "Untagged");
		printf("%s: %s\n", *untagged ? "untagged" : "deleted",
			*untagged ? untagged : list_string(item, "Deleted"));
	}
	if (json_array_size(images))
		puts("");
	print_total(report);
	return 0;
}

static int volume_prune_run(Cli *cli, void *options, char **args, GError **error)
{
	const PruneOptions *o = options;
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	for (guint i = 0; o->filters && i < o->filters->len; i++) {
		if (o->all && g_str_has_prefix(o->filters->pdata[i], "all=")) {
			dh_error(error, DH_ERROR_INVALID,
				"conflicting options: cannot specify both --all and --filter "
				"all=1");
			return 1;
		}
		g_ptr_array_add(all, o->filters->pdata[i]);
	}
	if (o->all)
		g_ptr_array_add(all, (gpointer) "all=true");
	if (!o->force &&
		!list_confirm(o->all ? "WARNING! This will remove all local volumes not used by "
				       "at least one container."
				     : "WARNING! This will remove anonymous local volumes not "
				       "used by at least one container."))
		return 0;
	g_autofree char *filters = list_filters(all);
	g_auto(GStrv) query = cli_query("filters", filters, NULL);
	g_autoptr(json_t) report = cli_call(cli, "POST", "/volumes/prune", query, NULL, error);
	if (!report)
		return 1;
	const json_t *names = json_object_get(report, "VolumesDeleted");
	if (json_array_size(names))
		puts("Deleted Volumes:");
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		puts(name ? name : "");
	}
	if (json_array_size(names))
		puts("");
	print_total(report);
	return 0;
}

const Command cmd_container_prune = {
	.name = "prune",
	.usage = "[OPTIONS]",
	.summary = "Remove all stopped containers",
	.max_args = 0,
	.options = container_specs,
	.n_options = G_N_ELEMENTS(container_specs),
	.options_size = sizeof(PruneOptions),
	.run = container_prune_run,
};

const Command cmd_image_prune = {
	.name = "prune",
	.usage = "[OPTIONS]",
	.summary = "Remove unused images",
	.max_args = 0,
	.options = image_specs,
	.n_options = G_N_ELEMENTS(image_specs),
	.options_size = sizeof(PruneOptions),
	.run = image_prune_run,
};

const Command cmd_volume_prune = {
	.name = "prune",
	.usage = "[OPTIONS]",
	.summary = "Remove unused local volumes",
	.max_args = 0,
	.options = volume_specs,
	.n_options = G_N_ELEMENTS(volume_specs),
	.options_size = sizeof(PruneOptions),
	.run = volume_prune_run,
};

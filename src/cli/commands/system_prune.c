/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/size.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	gboolean all, force, volumes;
	GPtrArray *filters;
} SystemPruneOptions;

/* clang-format off */
static const OptionSpec system_prune_specs[] = {
	{'a', "all", OPT_BOOL, offsetof(SystemPruneOptions, all), NULL,
		"Remove all unused images not just dangling ones"},
	{0, "filter", OPT_LIST, offsetof(SystemPruneOptions, filters), "filter",
		"Provide filter values (e.g. \"label=<key>=<value>\")"},
	{'f', "force", OPT_BOOL, offsetof(SystemPruneOptions, force), NULL,
		"Do not prompt for confirmation"},
	{0, "volumes", OPT_BOOL, offsetof(SystemPruneOptions, volumes), NULL,
		"Prune anonymous volumes"},
};
/* clang-format on */

static gboolean confirmed(const SystemPruneOptions *o)
{
	g_autoptr(GString) text =
		g_string_new("WARNING! This will remove:\n"
			     "  - all stopped containers\n"
			     "  - all networks not used by at least one container\n");
	if (o->volumes)
		g_string_append(
			text, "  - all anonymous volumes not used by at least one container\n");
	g_string_append(text, o->all ? "  - all images without at least one container associated "
				       "to them\n  - all build cache\n"
				     : "  - all dangling images\n  - unused build cache\n");
	if (o->filters && o->filters->len > 0)
		g_string_append(text, "\n  Items to be pruned will be filtered with:\n");
	for (guint i = 0; o->filters && i < o->filters->len; i++)
		g_string_append_printf(text, "  - %s\n", (char *)o->filters->pdata[i]);
	return list_confirm(text->str);
}

static void print_list(const char *title, const json_t *list)
{
	if (json_array_size(list) == 0)
		return;
	puts(title);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *text = json_string_value(item);
		const char *untagged = list_string(item, "Untagged");
		if (text)
			puts(text);
		else
			printf("%s: %s\n", *untagged ? "untagged" : "deleted",
				*untagged ? untagged : list_string(item, "Deleted"));
	}
	puts("");
}

/* What is pruned, in docker's order. */
enum { ONLY_WITH_VOLUMES = 1, WITH_DANGLING = 2, WITH_ALL = 4 };
static const struct {
	const char *path, *member, *title;
	int flags;
} steps[] = {
	{"/containers/prune", "ContainersDeleted", "Deleted Containers:", 0},
	{"/volumes/prune", "VolumesDeleted", "Deleted Volumes:", ONLY_WITH_VOLUMES},
	{"/networks/prune", "NetworksDeleted", "Deleted Networks:", 0},
	{"/images/prune", "ImagesDeleted", "Deleted Images:", WITH_DANGLING},
	{"/build/prune", "CachesDeleted", "Deleted build cache objects:", WITH_ALL},
};

static gboolean run_step(
	Cli *cli, guint i, const SystemPruneOptions *o, double *reclaimed, GError **error)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	if (steps[i].flags & WITH_DANGLING)
		g_ptr_array_add(all, (gpointer)(o->all ? "dangling=false" : "dangling=true"));
	for (guint k = 0; o->filters && k < o->filters->len; k++)
		g_ptr_array_add(all, o->filters->pdata[k]);
	g_autofree char *filters = list_filters(all);
	gboolean with_all = (steps[i].flags & WITH_ALL) && o->all;
	g_auto(GStrv) query = cli_query("filters", filters, "all", with_all ? "1" : NULL, NULL);
	g_autoptr(json_t) report = cli_call(cli, "POST", steps[i].path, query, NULL, error);
	if (!report)
		return FALSE;
	print_list(steps[i].title, json_object_get(report, steps[i].member));
	*reclaimed += (double)list_int(report, "SpaceReclaimed");
	return TRUE;
}

static int system_prune_run(Cli *cli, void *options, char **args, GError **error)
{
	const SystemPruneOptions *o = options;
	for (guint i = 0; o->volumes && o->filters && i < o->filters->len; i++) {
		if (g_str_has_prefix(o->filters->pdata[i], "until=")) {
			dh_error(error, DH_ERROR_INVALID,
				"ERROR: The \"until\" filter is not supported with \"--volumes\"");
			return 1;
		}
	}
	if (!o->force && !confirmed(o))
		return 0;
	double reclaimed = 0;
	for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
		if ((steps[i].flags & ONLY_WITH_VOLUMES) && !o->volumes)
			continue;
		if (!run_step(cli, i, o, &reclaimed, error))
			return 1;
	}
	g_autofree char *size = dh_size_human(reclaimed, 4);
	printf("Total reclaimed space: %s\n", size);
	return 0;
}

const Command cmd_system_prune = {
	.name = "prune",
	.usage = "[OPTIONS]",
	.summary = "Remove unused data",
	.max_args = 0,
	.options = system_prune_specs,
	.n_options = G_N_ELEMENTS(system_prune_specs),
	.options_size = sizeof(SystemPruneOptions),
	.run = system_prune_run,
};

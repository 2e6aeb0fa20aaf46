/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>

typedef struct {
	gboolean force, no_prune;
	GPtrArray *platforms;
} RmiOptions;

/* clang-format off */
static const OptionSpec rmi_specs[] = {
	{0, "platform", OPT_LIST, offsetof(RmiOptions, platforms), "strings",
		"Remove only the given platform variant. "
		"Formatted as \"os[/arch[/variant]]\" (e.g., \"linux/amd64\")"},
	{'f', "force", OPT_BOOL, offsetof(RmiOptions, force), NULL, "Force removal of the image"},
	{0, "no-prune", OPT_BOOL, offsetof(RmiOptions, no_prune), NULL,
		"Do not delete untagged parents"},
};
/* clang-format on */

static void print_done(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *deleted = list_string(item, "Deleted");
		printf("%s: %s\n", *deleted ? "Deleted" : "Untagged",
			*deleted ? deleted : list_string(item, "Untagged"));
	}
}

static int rmi_run(Cli *cli, void *options, char **args, GError **error)
{
	const RmiOptions *o = options;
	g_autoptr(GString) errors = g_string_new(NULL);
	gboolean fatal = FALSE;
	for (guint i = 0; o->platforms && i < o->platforms->len; i++) {
		if (!list_check_platform(o->platforms->pdata[i], error))
			return 1;
	}
	g_auto(GStrv) query = cli_query(
		"force", o->force ? "1" : NULL, "noprune", o->no_prune ? "1" : NULL, NULL);
	for (; *args; args++) {
		g_autoptr(GError) local = NULL;
		g_autofree char *path = g_strdup_printf("/images/%s", *args);
		g_autoptr(json_t) done = cli_call(cli, "DELETE", path, query, NULL, &local);
		if (done) {
			print_done(done);
			continue;
		}
		fatal |= !g_error_matches(local, DH_ERROR, DH_ERROR_NOT_FOUND);
		g_string_append_printf(errors, "%s%s", errors->len ? "\n" : "", local->message);
	}
	if (!errors->len)
		return 0;
	/* with --force an image that is not there is as good as removed */
	if (o->force && !fatal) {
		fflush(stdout);
		fprintf(stderr, "%s\n", errors->str);
		return 0;
	}
	dh_error(error, DH_ERROR_SYSTEM, "%s", errors->str);
	return 1;
}

const Command cmd_rmi = {
	.name = "rmi",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Remove one or more images",
	.aliases = "docker image rm, docker image remove, docker rmi",
	.min_args = 1,
	.max_args = -1,
	.options = rmi_specs,
	.n_options = G_N_ELEMENTS(rmi_specs),
	.options_size = sizeof(RmiOptions),
	.run = rmi_run,
};

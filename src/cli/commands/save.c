/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/output.h"

#include <unistd.h>

typedef struct {
	char *output, *platform;
} SaveOptions;

/* clang-format off */
static const OptionSpec save_specs[] = {
	{'o', "output", OPT_STRING, offsetof(SaveOptions, output), "string",
		"Write to a file, instead of STDOUT"},
	{0, "platform", OPT_STRING, offsetof(SaveOptions, platform), "string",
		"Save only the given platform variant. "
		"Formatted as \"os[/arch[/variant]]\" (e.g., \"linux/amd64\")"},
};
/* clang-format on */

static int save_run(Cli *cli, void *options, char **args, GError **error)
{
	const SaveOptions *o = options;
	gboolean to_file = o->output && *o->output;
	g_autoptr(GPtrArray) query = g_ptr_array_new();

	if (!list_check_platform(o->platform, error))
		return 1;
	if (!to_file && isatty(STDOUT_FILENO)) {
		dh_error(error, DH_ERROR_INVALID,
			"cowardly refusing to save to a terminal. Use the -o flag or redirect");
		return 1;
	}
	if (to_file && !output_check(o->output, "failed to save image", error))
		return 1;
	for (; *args; args++) {
		g_ptr_array_add(query, (gpointer) "names");
		g_ptr_array_add(query, *args);
	}
	g_ptr_array_add(query, NULL);
	Request req = {
		.method = "GET", .path = "/images/get", .query = (char *const *)query->pdata};
	g_autoptr(Response) r = cli_request(cli, &req, error);
	if (!r)
		return 1;
	if (to_file)
		return output_to_file(r, o->output, error) ? 0 : 1;
	return output_copy(r, STDOUT_FILENO, error) ? 0 : 1;
}

const Command cmd_save = {
	.name = "save",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Save one or more images to a tar archive (streamed to STDOUT by default)",
	.aliases = "docker image save, docker save",
	.min_args = 1,
	.max_args = -1,
	.options = save_specs,
	.n_options = G_N_ELEMENTS(save_specs),
	.options_size = sizeof(SaveOptions),
	.run = save_run,
};

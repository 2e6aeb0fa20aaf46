/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/output.h"

#include <unistd.h>

typedef struct {
	char *output;
} ExportOptions;

/* clang-format off */
static const OptionSpec export_specs[] = {
	{'o', "output", OPT_STRING, offsetof(ExportOptions, output), "string",
		"Write to a file, instead of STDOUT"},
};
/* clang-format on */

static int export_run(Cli *cli, void *options, char **args, GError **error)
{
	const ExportOptions *o = options;
	gboolean to_file = o->output && *o->output;
	if (!to_file && isatty(STDOUT_FILENO)) {
		dh_error(error, DH_ERROR_INVALID,
			"cowardly refusing to save to a terminal. Use the -o flag or redirect");
		return 1;
	}
	if (to_file && !output_check(o->output, "failed to export container", error))
		return 1;
	g_autofree char *path = g_strdup_printf("/containers/%s/export", args[0]);
	const Request req = {.method = "GET", .path = path};
	g_autoptr(Response) r = cli_request(cli, &req, error);
	if (!r)
		return 1;
	return (to_file ? output_to_file(r, o->output, error)
			: output_copy(r, STDOUT_FILENO, error))
		       ? 0
		       : 1;
}

const Command cmd_export = {
	.name = "export",
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Export a container's filesystem as a tar archive",
	.aliases = "docker container export, docker export",
	.min_args = 1,
	.max_args = 1,
	.options = export_specs,
	.n_options = G_N_ELEMENTS(export_specs),
	.options_size = sizeof(ExportOptions),
	.run = export_run,
};

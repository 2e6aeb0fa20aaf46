/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	char *input, *platform;
	gboolean quiet;
} LoadOptions;

/* clang-format off */
static const OptionSpec load_specs[] = {
	{'i', "input", OPT_STRING, offsetof(LoadOptions, input), "string",
		"Read from tar archive file, instead of STDIN"},
	{0, "platform", OPT_STRING, offsetof(LoadOptions, platform), "string",
		"Load only the given platform variant. "
		"Formatted as \"os[/arch[/variant]]\" (e.g., \"linux/amd64\")"},
	{'q', "quiet", OPT_BOOL, offsetof(LoadOptions, quiet), NULL, "Suppress the load output"},
};
/* clang-format on */

static int load_run(Cli *cli, void *options, char **args, GError **error)
{
	const LoadOptions *o = options;
	if (!list_check_platform(o->platform, error))
		return 1;
	/* a descriptor above 0: 0 would mean "no body" */
	dh_autofd int fd = -1;
	if (o->input && *o->input) {
		fd = open(o->input, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			g_autofree char *why = g_ascii_strdown(g_strerror(errno), -1);
			dh_error(error, DH_ERROR_NOT_FOUND, "open %s: %s", o->input, why);
			return 1;
		}
	} else if (isatty(STDIN_FILENO)) {
		dh_error(error, DH_ERROR_INVALID, "requested load from stdin, but stdin is empty");
		return 1;
	} else {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		if (fd < 0) {
			dh_error_errno(error, errno, "stdin");
			return 1;
		}
	}
	gboolean quiet = o->quiet || !isatty(STDOUT_FILENO);
	g_auto(GStrv) query = cli_query("quiet", quiet ? "1" : "0", NULL);
	Request req = {.method = "POST", .path = "/images/load", .query = query, .body_fd = fd};
	g_autoptr(Response) r = cli_request(cli, &req, error);
	return r && messages_show(r, stdout, quiet ? MESSAGES_STREAM_ONLY : 0, error) ? 0 : 1;
}

const Command cmd_load = {
	.name = "load",
	.usage = "[OPTIONS]",
	.summary = "Load an image from a tar archive or STDIN",
	.aliases = "docker image load, docker load",
	.max_args = 0,
	.options = load_specs,
	.n_options = G_N_ELEMENTS(load_specs),
	.options_size = sizeof(LoadOptions),
	.run = load_run,
};

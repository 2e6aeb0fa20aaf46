/* SPDX-License-Identifier: MIT */
#include "cli/create.h"

#include "cli/commands.h"

#include <stdio.h>

static int create_run(Cli *cli, void *options, char **args, GError **error)
{
	int code;
	g_autoptr(json_t) body = create_body(cli, &cmd_create, options, args, &code);
	if (!body)
		return code;
	g_autofree char *id = create_container(cli, options, body, error);
	if (!id)
		return 1;
	puts(id);
	return 0;
}

#define O(member) offsetof(RunOptions, member)
#define RUN_ONLY(...)
#define PULL_HELP "Pull image before creating (\"always\", \"|missing\", \"never\")"

static const OptionSpec create_options[] = {
#include "cli/run_options.inc"
};

const Command cmd_create = {
	.name = "create",
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Create a new container",
	.aliases = "docker container create, docker create",
	.min_args = 1,
	.max_args = -1,
	.stop_at_arg = TRUE,
	.options = create_options,
	.n_options = G_N_ELEMENTS(create_options),
	.options_size = sizeof(RunOptions),
	.defaults = run_options_defaults,
	.run = create_run,
};

/* SPDX-License-Identifier: MIT */
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>

static int diff_run(Cli *cli, void *options, char **args, GError **error)
{
	static const char letters[] = "CAD";
	g_autofree char *path = g_strdup_printf("/containers/%s/changes", args[0]);
	g_autoptr(json_t) list = cli_call(cli, "GET", path, NULL, NULL, error);
	if (!list)
		return 1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *change = json_array_get(list, i);
		json_int_t kind = list_int(change, "Kind");
		printf("%c %s\n", kind >= 0 && kind < 3 ? letters[kind] : '?',
			list_string(change, "Path"));
	}
	return 0;
}

const Command cmd_diff = {
	.name = "diff",
	.usage = "CONTAINER",
	.summary = "Inspect changes to files or directories on a container's filesystem",
	.aliases = "docker container diff, docker diff",
	.min_args = 1,
	.max_args = 1,
	.run = diff_run,
};

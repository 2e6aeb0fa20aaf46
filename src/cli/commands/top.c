/* SPDX-License-Identifier: MIT */
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>

enum { MIN_CELL = 20 };

static void append_line(GString *out, const json_t *cells)
{
	for (size_t i = 0; i < json_array_size(cells); i++) {
		const char *text = json_string_value(json_array_get(cells, i));
		g_string_append_printf(out, "%s%s", i ? "\t" : "", text ? text : "");
	}
	g_string_append_c(out, '\n');
}

static int top_run(Cli *cli, void *options, char **args, GError **error)
{
	g_autofree char *path = g_strdup_printf("/containers/%s/top", args[0]);
	g_autofree char *ps_args = args[1] ? g_strjoinv(" ", args + 1) : NULL;
	g_auto(GStrv) query = cli_query("ps_args", ps_args, NULL);
	g_autoptr(json_t) top = cli_call(cli, "GET", path, query, NULL, error);
	if (!top)
		return 1;
	g_autoptr(GString) lines = g_string_new(NULL);
	g_autoptr(GString) out = g_string_new(NULL);
	const json_t *processes = json_object_get(top, "Processes");
	append_line(lines, json_object_get(top, "Titles"));
	for (size_t i = 0; i < json_array_size(processes); i++)
		append_line(lines, json_array_get(processes, i));
	format_align(lines->str, MIN_CELL, out);
	fputs(out->str, stdout);
	return 0;
}

const Command cmd_top = {
	.name = "top",
	.usage = "CONTAINER [ps OPTIONS]",
	.summary = "Display the running processes of a container",
	.aliases = "docker container top, docker top",
	.min_args = 1,
	.max_args = -1,
	.stop_at_arg = TRUE,
	.run = top_run,
};

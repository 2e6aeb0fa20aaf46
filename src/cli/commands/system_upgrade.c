/* SPDX-License-Identifier: MIT */
/* dhow's own: the running daemon makes way for another program, and nobody notices. */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	const char *binary;
	OptInt timeout;
	gboolean force;
} UpgradeOptions;

static const OptionSpec upgrade_specs[] = {
	{0, "binary", OPT_STRING, offsetof(UpgradeOptions, binary), "path",
		"The daemon to go on with (default: the running one's file, as it is now)"},
	{'f', "force", OPT_BOOL, offsetof(UpgradeOptions, force), NULL,
		"Break off what cannot be handed over and does not end in time"},
	{'t', "timeout", OPT_COUNTED_INT, offsetof(UpgradeOptions, timeout), "int",
		"Seconds to wait for requests that cannot be handed over (default 15)"},
};

static int upgrade_run(Cli *cli, void *options, char **args, GError **error)
{
	const UpgradeOptions *o = options;
	g_autofree char *binary =
		o->binary && *o->binary ? g_canonicalize_filename(o->binary, NULL) : NULL;
	g_autofree char *timeout =
		o->timeout.given ? g_strdup_printf("%" G_GINT64_FORMAT, o->timeout.value) : NULL;
	g_auto(GStrv) query = cli_query(
		"binary", binary, "force", o->force ? "1" : NULL, "timeout", timeout, NULL);
	g_autoptr(json_t) answer = cli_call(cli, "POST", "/dhow/upgrade", query, NULL, error);
	if (!answer)
		return 1;
	printf("Upgraded from %s to %s in %" JSON_INTEGER_FORMAT " ms\n",
		list_string(answer, "PreviousVersion"), list_string(answer, "Version"),
		list_int(answer, "Milliseconds"));
	return 0;
}

const Command cmd_system_upgrade = {
	.name = "upgrade",
	.usage = "[OPTIONS]",
	.summary = "Replace the running daemon by another version, without interrupting anybody",
	.max_args = 0,
	.options = upgrade_specs,
	.n_options = G_N_ELEMENTS(upgrade_specs),
	.options_size = sizeof(UpgradeOptions),
	.run = upgrade_run,
};

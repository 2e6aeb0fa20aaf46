/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "registry/reference.h"

static int tag_run(Cli *cli, void *options, char **args, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(Reference) ref = reference_parse(args[1], &local);
	if (!ref) {
		dh_error(error, DH_ERROR_INVALID,
			"Error parsing reference: \"%s\" is not a valid repository/tag: %s",
			args[1], local->message);
		return 1;
	}
	if (ref->digest) {
		dh_error(error, DH_ERROR_INVALID,
			"refusing to create a tag with a digest reference");
		return 1;
	}
	g_autofree char *name = reference_familiar_name(ref);
	g_autofree char *path = g_strdup_printf("/images/%s/tag", args[0]);
	g_auto(GStrv) query = cli_query("repo", name, "tag", ref->tag ? ref->tag : "latest", NULL);
	g_autoptr(json_t) done = cli_call(cli, "POST", path, query, NULL, error);
	return done ? 0 : 1;
}

const Command cmd_tag = {
	.name = "tag",
	.usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.summary = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
	.aliases = "docker image tag, docker tag",
	.min_args = 2,
	.max_args = 2,
	.run = tag_run,
};

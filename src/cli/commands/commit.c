/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/listing.h"
#include "registry/reference.h"

#include <stdio.h>

typedef struct {
	gboolean pause;
	char *author, *message;
	GPtrArray *changes;
} CommitOptions;

/* clang-format off */
static const OptionSpec commit_specs[] = {
	{'a', "author", OPT_STRING, offsetof(CommitOptions, author), "string",
		"Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"},
	{'c', "change", OPT_LIST, offsetof(CommitOptions, changes), "list",
		"Apply Dockerfile instruction to the created image"},
	{'m', "message", OPT_STRING, offsetof(CommitOptions, message), "string", "Commit message"},
	{'p', "pause", OPT_BOOL, offsetof(CommitOptions, pause), NULL,
		"Pause container during commit", "true"},
};
/* clang-format on */

static void commit_defaults(void *options)
{
	((CommitOptions *)options)->pause = TRUE;
}

static void add(GPtrArray *query, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	g_ptr_array_add(query, (gpointer)name);
	g_ptr_array_add(query, (gpointer)value);
}

static int commit_run(Cli *cli, void *options, char **args, GError **error)
{
	const CommitOptions *o = options;
	g_autoptr(Reference) ref = args[1] ? reference_parse(args[1], error) : NULL;
	if (args[1] && !ref)
		return 1;
	if (ref && ref->digest) {
		dh_error(error, DH_ERROR_INVALID,
			"refusing to create a tag with a digest reference");
		return 1;
	}
	g_autofree char *repo = ref ? reference_familiar_name(ref) : NULL;
	g_autoptr(GPtrArray) query = g_ptr_array_new();
	add(query, "container", args[0]);
	add(query, "repo", repo);
	add(query, "tag", ref ? ref->tag : NULL);
	add(query, "author", o->author);
	add(query, "comment", o->message);
	if (!o->pause)
		add(query, "pause", "0");
	for (guint i = 0; o->changes && i < o->changes->len; i++)
		add(query, "changes", o->changes->pdata[i]);
	g_ptr_array_add(query, NULL);
	g_autoptr(json_t) done =
		cli_call(cli, "POST", "/commit", (char *const *)query->pdata, NULL, error);
	if (!done)
		return 1;
	puts(list_string(done, "Id"));
	return 0;
}

const Command cmd_commit = {
	.name = "commit",
	.usage = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
	.summary = "Create a new image from a container's changes",
	.aliases = "docker container commit, docker commit",
	.min_args = 1,
	.max_args = 2,
	.options = commit_specs,
	.n_options = G_N_ELEMENTS(commit_specs),
	.options_size = sizeof(CommitOptions),
	.defaults = commit_defaults,
	.run = commit_run,
};

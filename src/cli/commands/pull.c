/* SPDX-License-Identifier: MIT */
#include "cli/pull.h"

#include "base/error.h"
#include "cli/commands.h"

typedef struct {
	gboolean all_tags, untrusted, quiet;
	char *platform;
} PullOptions;

/* clang-format off */
static const OptionSpec pull_specs[] = {
	{'a', "all-tags", OPT_BOOL, offsetof(PullOptions, all_tags), NULL,
		"Download all tagged images in the repository"},
	{0, "disable-content-trust", OPT_BOOL, offsetof(PullOptions, untrusted), NULL,
		"Skip image verification", "true"},
	{0, "platform", OPT_STRING, offsetof(PullOptions, platform), "string",
		"Set platform if server is multi-platform capable"},
	{'q', "quiet", OPT_BOOL, offsetof(PullOptions, quiet), NULL, "Suppress verbose output"},
};
/* clang-format on */

static void defaults(void *options)
{
	PullOptions *o = options;
	o->untrusted = TRUE;
}

/* docker.io/library/nginx:latest, as it was asked for */
static void print_reference(const Reference *ref, gboolean all_tags)
{
	g_autofree char *name = pull_full_name(ref);
	if (all_tags) {
		puts(name);
		return;
	}
	printf("%s%s%s%s%s\n", name, ref->tag ? ":" : "", ref->tag ? ref->tag : "",
		ref->digest ? "@" : "", ref->digest ? ref->digest : "");
}

static int pull_run(Cli *cli, void *options, char **args, GError **error)
{
	const PullOptions *o = options;
	g_autoptr(Reference) ref = reference_parse(args[0], error);
	if (!ref)
		return 1;
	if (o->all_tags && (ref->tag || ref->digest)) {
		dh_error(error, DH_ERROR_INVALID, "tag can't be used with --all-tags/-a");
		return 1;
	}
	if (!o->all_tags && !ref->tag && !ref->digest) {
		ref->tag = g_strdup("latest");
		if (!o->quiet)
			printf("Using default tag: %s\n", ref->tag);
	}
	if (!o->untrusted && !ref->digest) {
		dh_error(error, DH_ERROR_NOT_BUILT, "content trust is not supported");
		return 1;
	}
	fflush(stdout);
	unsigned flags =
		(o->all_tags ? PULL_ALL_TAGS : 0U) | (o->quiet ? (unsigned)PULL_QUIET : 0U);
	if (!pull_image(cli, ref, o->platform, stdout, flags, error))
		return 1;
	print_reference(ref, o->all_tags);
	return 0;
}

const Command cmd_pull = {
	.name = "pull",
	.usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
	.summary = "Download an image from a registry",
	.aliases = "docker image pull, docker pull",
	.min_args = 1,
	.max_args = 1,
	.options = pull_specs,
	.n_options = G_N_ELEMENTS(pull_specs),
	.options_size = sizeof(PullOptions),
	.defaults = defaults,
	.run = pull_run,
};

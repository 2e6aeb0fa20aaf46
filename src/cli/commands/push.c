/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/messages.h"
#include "cli/platform.h"
#include "cli/pull.h"

#include <string.h>

typedef struct {
	gboolean all_tags, untrusted, quiet;
	char *platform;
} PushOptions;

/* clang-format off */
static const OptionSpec push_specs[] = {
	{'a', "all-tags", OPT_BOOL, offsetof(PushOptions, all_tags), NULL,
		"Push all tags of an image to the repository"},
	{0, "disable-content-trust", OPT_BOOL, offsetof(PushOptions, untrusted), NULL,
		"Skip image signing", "true"},
	{0, "platform", OPT_STRING, offsetof(PushOptions, platform), "string",
		"Push a platform-specific manifest as a single-platform image to the registry.\n"
		"Image index won't be pushed, meaning that other manifests, including attestations "
		"won't be preserved.\n"
		"'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)"},
	{'q', "quiet", OPT_BOOL, offsetof(PushOptions, quiet), NULL, "Suppress verbose output"},
};
/* clang-format on */

static void defaults(void *options)
{
	PushOptions *o = options;
	o->untrusted = TRUE;
}

/* The API's platform: {"os": "linux", "architecture": "arm64", "variant": "v8"}. */
static char *platform_json(const char *platform, GError **error)
{
	static const char *const names[] = {"os", "architecture", "variant"};
	g_autofree char *normal = platform_normalize(platform, error);
	if (!normal)
		return NULL;
	g_auto(GStrv) parts = g_strsplit(normal, "/", G_N_ELEMENTS(names));
	g_autoptr(json_t) json = json_object();
	for (guint i = 0; i < G_N_ELEMENTS(names) && parts[i]; i++)
		json_object_set_new(json, names[i], json_string(parts[i]));
	return dh_json_dumps(json, 0);
}

static Reference *parse_target(const PushOptions *o, const char *text, GError **error)
{
	g_autoptr(Reference) ref = reference_parse(text, error);
	if (!ref)
		return NULL;
	if (o->all_tags && (ref->tag || ref->digest)) {
		dh_error(error, DH_ERROR_INVALID, "tag can't be used with --all-tags/-a");
		return NULL;
	}
	if (!o->untrusted) {
		dh_error(error, DH_ERROR_NOT_BUILT, "content trust is not supported");
		return NULL;
	}
	if (!o->all_tags && !ref->tag && !ref->digest) {
		ref->tag = g_strdup("latest");
		if (!o->quiet)
			printf("Using default tag: %s\n", ref->tag);
	}
	if (ref->digest) {
		dh_error(error, DH_ERROR_INVALID, "cannot push a digest reference");
		return NULL;
	}
	return g_steal_pointer(&ref);
}

static int push_run(Cli *cli, void *options, char **args, GError **error)
{
	const PushOptions *o = options;
	g_autofree char *platform = NULL;
	if (o->platform && *o->platform && !(platform = platform_json(o->platform, error)))
		return 1;
	g_autoptr(Reference) ref = parse_target(o, args[0], error);
	if (!ref)
		return 1;
	fflush(stdout);
	g_autofree char *full = pull_full_name(ref);
	g_autofree char *server = credentials_server_of(ref);
	g_autofree char *path = g_strdup_printf("/images/%s/push", full);
	g_auto(GStrv) query =
		cli_query("tag", o->all_tags ? NULL : ref->tag, "platform", platform, NULL);
	Request req = {.method = "POST", .path = path, .query = query};
	g_autoptr(Response) r = pull_request(cli, &req, server, "push", error);
	if (!r || !messages_show(r, stdout, o->quiet ? MESSAGES_SILENT : 0, error))
		return 1;
	if (o->quiet)
		printf("%s%s%s\n", full, ref->tag ? ":" : "", ref->tag ? ref->tag : "");
	return 0;
}

const Command cmd_push = {
	.name = "push",
	.usage = "[OPTIONS] NAME[:TAG]",
	.summary = "Upload an image to a registry",
	.aliases = "docker image push, docker push",
	.min_args = 1,
	.max_args = 1,
	.options = push_specs,
	.n_options = G_N_ELEMENTS(push_specs),
	.options_size = sizeof(PushOptions),
	.defaults = defaults,
	.run = push_run,
};

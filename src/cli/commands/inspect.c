/* SPDX-License-Identifier: MIT */
/* inspect, container inspect, image inspect */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	char *format, *type, *platform;
	gboolean size;
} InspectOptions;

/* clang-format off */
static const OptionSpec inspect_specs[] = {
	{'f', "format", OPT_STRING, offsetof(InspectOptions, format), "string", LIST_FORMAT_HELP},
	{'s', "size", OPT_BOOL, offsetof(InspectOptions, size), NULL,
		"Display total file sizes if the type is container"},
	{0, "type", OPT_STRING, offsetof(InspectOptions, type), "string",
		"Only inspect objects of the given type"},
};
/* clang-format on */

/* clang-format off */
static const OptionSpec container_specs[] = {
	{'f', "format", OPT_STRING, offsetof(InspectOptions, format), "string", LIST_FORMAT_HELP},
	{'s', "size", OPT_BOOL, offsetof(InspectOptions, size), NULL, "Display total file sizes"},
};
/* clang-format on */

/* clang-format off */
static const OptionSpec volume_specs[] = {
	{'f', "format", OPT_STRING, offsetof(InspectOptions, format), "string", LIST_FORMAT_HELP},
};
/* clang-format on */

/* clang-format off */
static const OptionSpec image_specs[] = {
	{'f', "format", OPT_STRING, offsetof(InspectOptions, format), "string", LIST_FORMAT_HELP},
	{0, "platform", OPT_STRING, offsetof(InspectOptions, platform), "string",
		"Inspect a specific platform of the multi-platform image.\n"
		"If the image or the server is not multi-platform capable, the command will error out "
		"if the platform does not match.\n"
		"'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)"},
};
/* clang-format on */

/* What can be looked up, in the order in which a bare name is tried. */
static const struct {
	const char *type, *path, *suffix;
} kinds[] = {
	{"container", "/containers/", "/json"},
	{"image", "/images/", "/json"},
	{"network", "/networks/", ""},
	{"volume", "/volumes/", ""},
};

static gboolean type_known(const char *type)
{
	static const char *const others[] = {
		"config", "node", "plugin", "secret", "service", "task", NULL};
	for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (strcmp(kinds[i].type, type) == 0)
			return TRUE;
	}
	return g_strv_contains(others, type);
}

static char *path_of(guint kind, const char *name)
{
	return g_strdup_printf("%s%s%s", kinds[kind].path, name, kinds[kind].suffix);
}

/* The kind that is tried first. */
static guint first_kind(const char *only)
{
	guint i = 0;
	while (i < G_N_ELEMENTS(kinds) && only && strcmp(only, kinds[i].type) != 0)
		i++;
	return i;
}

/* The daemon's answers about the first kind, for all names. */
static Batch *ask(Cli *cli, char *const *names, guint first, char *const *query, GStrv *ret_paths)
{
	guint n = first < G_N_ELEMENTS(kinds) ? g_strv_length((char **)names) : 0;
	*ret_paths = g_new0(char *, n + 1);
	for (guint i = 0; i < n; i++)
		(*ret_paths)[i] = path_of(first, names[i]);
	return cli_batch_new(cli, *ret_paths, query);
}

/* The object of this name; only: its type, or NULL for any. An engine without networks or volumes
 * is one that has none of that name. */
static json_t *look_up(Cli *cli, Batch *batch, const char *name, const char *only, GError **error)
{
	guint first = first_kind(only);
	for (guint i = first; i < G_N_ELEMENTS(kinds); i++) {
		g_autoptr(GError) local = NULL;
		g_autofree char *path = path_of(i, name);
		json_t *found = i == first ? cli_batch_next(batch, &local)
					   : cli_call(cli, "GET", path, NULL, NULL, &local);
		if (found)
			return found;
		gboolean absent = g_error_matches(local, DH_ERROR, DH_ERROR_NOT_FOUND) ||
				  g_error_matches(local, DH_ERROR, DH_ERROR_NOT_BUILT);
		if (only || !absent) {
			g_propagate_error(error, g_steal_pointer(&local));
			return NULL;
		}
	}
	if (only)
		dh_error(
			error, DH_ERROR_NOT_BUILT, "Error: inspecting a %s is not built yet", only);
	else
		dh_error(error, DH_ERROR_NOT_FOUND, "Error: No such object: %s", name);
	return NULL;
}

/* Objects that were found go to stdout, then what went wrong to stderr. */
static int inspect(Cli *cli, char *const *names, const char *only, const char *format,
	gboolean size, GError **error)
{
	g_autoptr(json_t) found = json_array();
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GString) errors = g_string_new(NULL);
	g_autoptr(Template) t = NULL;
	gboolean is_template = format && *format && strcmp(format, "json") != 0;

	if (is_template && !(t = template_parse(format, error))) {
		g_prefix_error(error, "template parsing error: ");
		return 64;
	}
	guint first = first_kind(only);
	g_auto(GStrv) query = cli_query("size", size && first == 0 ? "1" : NULL, NULL);
	g_auto(GStrv) paths = NULL;
	g_autoptr(Batch) batch = ask(cli, names, first, query, &paths);
	for (; *names; names++) {
		g_autoptr(GError) local = NULL;
		g_autoptr(GString) text = g_string_new(NULL);
		g_autoptr(json_t) object = look_up(cli, batch, *names, only, &local);
		if (object && !t) {
			json_array_append(found, object);
		} else if (object && template_execute(t, object, TRUE, text, &local)) {
			g_string_append_printf(out, "%s\n", text->str);
		} else {
			gboolean parse = object != NULL;
			g_string_append_printf(errors, "%s%s%s", errors->len ? "\n" : "",
				parse ? "template parsing error: " : "", local->message);
		}
	}
	if (t) {
		fputs(out->len ? out->str : "\n", stdout);
	} else {
		g_autofree char *text = dh_json_dumps(found, format && *format ? 0 : 4);
		puts(text);
	}
	if (!errors->len)
		return 0;
	dh_error(error, DH_ERROR_NOT_FOUND, "%s", errors->str);
	return 1;
}

static int inspect_run(Cli *cli, void *options, char **args, GError **error)
{
	const InspectOptions *o = options;
	const char *type = o->type && *o->type ? o->type : NULL;
	if (o->type && (!type || !type_known(type))) {
		g_autofree char *what = type ? g_strdup_printf("unknown type: \"%s\"", type)
					     : g_strdup("type is empty");
		dh_error(error, DH_ERROR_INVALID,
			"%s: must be one of \"config\", \"container\", "
			"\"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", "
			"\"task\", \"volume\"",
			what);
		return 1;
	}
	if (o->size && type && strcmp(type, "container") != 0)
		fprintf(stderr, "WARNING: --size ignored for %s\n", type);
	return inspect(cli, args, type, o->format, o->size, error);
}

static int container_inspect_run(Cli *cli, void *options, char **args, GError **error)
{
	const InspectOptions *o = options;
	return inspect(cli, args, "container", o->format, o->size, error);
}

static int volume_inspect_run(Cli *cli, void *options, char **args, GError **error)
{
	const InspectOptions *o = options;
	return inspect(cli, args, "volume", o->format, FALSE, error);
}

static int image_inspect_run(Cli *cli, void *options, char **args, GError **error)
{
	const InspectOptions *o = options;
	if (!list_check_platform(o->platform, error))
		return 1;
	return inspect(cli, args, "image", o->format, FALSE, error);
}

const Command cmd_inspect = {
	.name = "inspect",
	.usage = "[OPTIONS] NAME|ID [NAME|ID...]",
	.summary = "Return low-level information on Docker objects",
	.min_args = 1,
	.max_args = -1,
	.options = inspect_specs,
	.n_options = G_N_ELEMENTS(inspect_specs),
	.options_size = sizeof(InspectOptions),
	.run = inspect_run,
};

const Command cmd_container_inspect = {
	.name = "inspect",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Display detailed information on one or more containers",
	.min_args = 1,
	.max_args = -1,
	.options = container_specs,
	.n_options = G_N_ELEMENTS(container_specs),
	.options_size = sizeof(InspectOptions),
	.run = container_inspect_run,
};

const Command cmd_image_inspect = {
	.name = "inspect",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Display detailed information on one or more images",
	.min_args = 1,
	.max_args = -1,
	.options = image_specs,
	.n_options = G_N_ELEMENTS(image_specs),
	.options_size = sizeof(InspectOptions),
	.run = image_inspect_run,
};

const Command cmd_volume_inspect = {
	.name = "inspect",
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.summary = "Display detailed information on one or more volumes",
	.min_args = 1,
	.max_args = -1,
	.options = volume_specs,
	.n_options = G_N_ELEMENTS(volume_specs),
	.options_size = sizeof(InspectOptions),
	.run = volume_inspect_run,
};

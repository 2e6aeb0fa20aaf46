/* SPDX-License-Identifier: MIT */
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

enum { LABEL_WIDTH = 20 };

typedef struct {
	char *format;
} VersionOptions;

/* clang-format off */
static const OptionSpec version_specs[] = {
	{'f', "format", OPT_STRING, offsetof(VersionOptions, format), "string", LIST_FORMAT_HELP},
};
/* clang-format on */

/* Go's name of this machine. */
static const char *architecture(void)
{
	static struct utsname u;
	if (uname(&u) < 0)
		return "";
	if (strcmp(u.machine, "x86_64") == 0)
		return "amd64";
	return strcmp(u.machine, "aarch64") == 0 ? "arm64" : u.machine;
}

static json_t *client_part(void)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "Version", DHOW_VERSION,
		"ApiVersion", cli_api_version(), "DefaultAPIVersion", CLI_API_VERSION, "GitCommit",
		"", "GoVersion", "", "Os", "linux", "Arch", architecture(), "BuildTime", "",
		"Context", "default");
}

/* RFC 3339 as "Fri May 30 12:07:12 2025"; other texts as they are. */
static char *built(const char *text)
{
	struct tm tm = {0};
	char buf[64];
	if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ||
		!strftime(buf, sizeof buf, "%a %b %e %H:%M:%S %Y", &tm))
		return g_strdup(text);
	return g_strdup(buf);
}

static void line(GString *out, const char *indent, const char *label, const char *value)
{
	g_autofree char *cell = g_strdup_printf("%s%s:", indent, label);
	if (*value)
		g_string_append_printf(out, "%-*s%s\n", LABEL_WIDTH, cell, value);
}

static void print_client(GString *out, const json_t *client)
{
	static const struct {
		const char *label, *name;
	} lines[] = {
		{"Version", "Version"},
		{"API version", "ApiVersion"},
		{"Go version", "GoVersion"},
		{"Git commit", "GitCommit"},
		{"Built", "BuildTime"},
	};
	g_autofree char *os_arch =
		g_strdup_printf("%s/%s", list_string(client, "Os"), list_string(client, "Arch"));
	g_string_append(out, "Client:\n");
	for (guint i = 0; i < G_N_ELEMENTS(lines); i++)
		line(out, " ", lines[i].label, list_string(client, lines[i].name));
	line(out, " ", "OS/Arch", os_arch);
	line(out, " ", "Context", list_string(client, "Context"));
}

static void print_engine(GString *out, const json_t *component)
{
	const json_t *d = json_object_get(component, "Details");
	const char *minimum = list_string(d, "MinAPIVersion");
	g_autofree char *api = g_strdup_printf("%s%s%s%s", list_string(d, "ApiVersion"),
		*minimum ? " (minimum version " : "", minimum, *minimum ? ")" : "");
	g_autofree char *os_arch =
		g_strdup_printf("%s/%s", list_string(d, "Os"), list_string(d, "Arch"));
	g_autofree char *time = built(list_string(d, "BuildTime"));
	line(out, "  ", "Version", list_string(component, "Version"));
	line(out, "  ", "API version", api);
	line(out, "  ", "Go version", list_string(d, "GoVersion"));
	line(out, "  ", "Git commit", list_string(d, "GitCommit"));
	line(out, "  ", "Built", time);
	line(out, "  ", "OS/Arch", os_arch);
	line(out, "  ", "Experimental", list_string(d, "Experimental"));
}

static void print_component(GString *out, const json_t *component)
{
	const json_t *details = json_object_get(component, "Details");
	const char *name = list_string(component, "Name");
	g_string_append_printf(out, " %s:\n", name);
	if (strcmp(name, "Engine") == 0) {
		print_engine(out, component);
		return;
	}
	line(out, "  ", "Version", list_string(component, "Version"));
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)details, key, value)
		line(out, "  ", key, json_is_string(value) ? json_string_value(value) : "");
}

static void print_server(GString *out, const json_t *server)
{
	const char *platform = list_string(json_object_get(server, "Platform"), "Name");
	const json_t *components = json_object_get(server, "Components");
	g_string_append_printf(out, "\nServer:%s%s\n", *platform ? " " : "", platform);
	for (size_t i = 0; i < json_array_size(components); i++)
		print_component(out, json_array_get(components, i));
	if (json_array_size(components))
		return;
	/* engines older than 18.03 have no list of components */
	g_autoptr(json_t) engine = json_pack("{s:s,s:s,s:o}", "Name", "Engine", "Version",
		list_string(server, "Version"), "Details", json_incref((json_t *)server));
	print_component(out, engine);
}

static int version_run(Cli *cli, void *options, char **args, GError **error)
{
	const VersionOptions *o = options;
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) unreachable = NULL;
	g_autoptr(Template) check = NULL;
	g_autofree char *text = o->format && *o->format ? format_normalize(o->format) : NULL;

	if (text && !(check = template_parse(text, error))) {
		g_prefix_error(error, "template parsing error: ");
		return 64;
	}
	/* the server first: its answer settles the API version that the client shows */
	g_autoptr(json_t) server = cli_call(cli, "GET", "/version", NULL, NULL, &unreachable);
	g_autoptr(json_t) both = json_object();
	json_object_set_new(both, "Client", client_part());
	if (server)
		json_object_set(both, "Server", server);
	if (text) {
		if (!server)
			json_object_set_new(both, "Server", json_null());
		if (!format_value(o->format, both, out, error) && !unreachable)
			return 1;
		g_clear_error(error);
	} else {
		print_client(out, json_object_get(both, "Client"));
		if (server)
			print_server(out, server);
	}
	fputs(out->len ? out->str : "\n", stdout);
	if (!unreachable)
		return 0;
	g_propagate_error(error, g_steal_pointer(&unreachable));
	return 1;
}

const Command cmd_version = {
	.name = "version",
	.usage = "[OPTIONS]",
	.summary = "Show the Docker version information",
	.max_args = 0,
	.options = version_specs,
	.n_options = G_N_ELEMENTS(version_specs),
	.options_size = sizeof(VersionOptions),
	.run = version_run,
};

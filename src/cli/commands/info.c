/* SPDX-License-Identifier: MIT */
#include "base/size.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	char *format;
} InfoOptions;

/* clang-format off */
static const OptionSpec info_specs[] = {
	{'f', "format", OPT_STRING, offsetof(InfoOptions, format), "string", LIST_FORMAT_HELP},
};
/* clang-format on */

/* A line that shows one member; flags tell when it is left out. */
typedef enum { ALWAYS, NON_EMPTY } When;

static void line_string(
	GString *out, const json_t *info, When when, const char *label, const char *name)
{
	const char *value = list_string(info, name);
	if (when == ALWAYS || *value)
		g_string_append_printf(out, " %s: %s\n", label, value);
}

static void line_bool(GString *out, const json_t *info, const char *label, const char *name)
{
	g_string_append_printf(out, " %s: %s\n", label,
		json_is_true(json_object_get(info, name)) ? "true" : "false");
}

static void line_int(GString *out, const json_t *info, const char *label, const char *name)
{
	g_string_append_printf(out, " %s: %" JSON_INTEGER_FORMAT "\n", label, list_int(info, name));
}

static void join(GString *out, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		g_string_append_printf(out, " %s", s ? s : "");
	}
	g_string_append_c(out, '\n');
}

static void list_lines(GString *out, const json_t *list, const char *label)
{
	if (!json_array_size(list))
		return;
	g_string_append_printf(out, " %s:\n", label);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		g_string_append_printf(out, "  %s\n", s ? s : "");
	}
}

static void print_driver(GString *out, const json_t *info)
{
	const json_t *status = json_object_get(info, "DriverStatus");
	line_string(out, info, NON_EMPTY, "Storage Driver", "Driver");
	for (size_t i = 0; i < json_array_size(status); i++) {
		const json_t *pair = json_array_get(status, i);
		const char *name = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));
		g_string_append_printf(out, "  %s: %s\n", name ? name : "", value ? value : "");
	}
}

static void print_plugins(GString *out, const json_t *info)
{
	static const char *const kinds[] = {"Volume", "Network", "Authorization", "Log"};
	const json_t *plugins = json_object_get(info, "Plugins");
	g_string_append(out, " Plugins:\n");
	for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
		const json_t *list = json_object_get(plugins, kinds[i]);
		if (!json_array_size(list) && strcmp(kinds[i], "Authorization") == 0)
			continue;
		g_string_append_printf(out, "  %s:", kinds[i]);
		join(out, list);
	}
}

static void print_runtimes(GString *out, const json_t *info)
{
	static const struct {
		const char *label, *name;
	} commits[] = {
		{"containerd version", "ContainerdCommit"},
		{"runc version", "RuncCommit"},
		{"init version", "InitCommit"},
	};
	g_autoptr(GPtrArray) names = list_sorted_keys(json_object_get(info, "Runtimes"));
	if (names->len) {
		g_string_append(out, " Runtimes:");
		for (guint i = 0; i < names->len; i++)
			g_string_append_printf(out, " %s", (const char *)names->pdata[i]);
		g_string_append_c(out, '\n');
	}
	line_string(out, info, NON_EMPTY, "Default Runtime", "DefaultRuntime");
	line_string(out, info, NON_EMPTY, "Init Binary", "InitBinary");
	for (guint i = 0; i < G_N_ELEMENTS(commits); i++) {
		const char *id = list_string(json_object_get(info, commits[i].name), "ID");
		if (*id)
			g_string_append_printf(out, " %s: %s\n", commits[i].label, id);
	}
}

/* "name=seccomp,profile=builtin" becomes "seccomp" and "Profile: builtin" below it. */
static void print_security(GString *out, const json_t *info)
{
	const json_t *options = json_object_get(info, "SecurityOptions");
	if (!json_array_size(options))
		return;
	g_string_append(out, " Security Options:\n");
	for (size_t i = 0; i < json_array_size(options); i++) {
		const char *text = json_string_value(json_array_get(options, i));
		g_auto(GStrv) parts = g_strsplit(text ? text : "", ",", -1);
		for (guint k = 0; parts[k]; k++) {
			char *value = strchr(parts[k], '=');
			if (value)
				*value++ = '\0';
			if (!value)
				g_string_append_printf(out, "  %s\n", parts[k]);
			else if (strcmp(parts[k], "name") == 0)
				g_string_append_printf(out, "  %s\n", value);
			else
				g_string_append_printf(out, "   %c%s: %s\n",
					g_ascii_toupper(*parts[k]), parts[k] + 1, value);
		}
	}
}

static void print_registries(GString *out, const json_t *info)
{
	const json_t *config = json_object_get(info, "RegistryConfig");
	const json_t *cidrs = json_object_get(config, "InsecureRegistryCIDRs");
	const json_t *indexes = json_object_get(config, "IndexConfigs");
	const char *name;
	json_t *index;
	g_autoptr(GString) insecure = g_string_new(NULL);
	json_object_foreach ((json_t *)indexes, name, index) {
		if (!json_is_true(json_object_get(index, "Secure")))
			g_string_append_printf(insecure, "  %s\n", name);
	}
	if (insecure->len || json_array_size(cidrs)) {
		g_string_append_printf(out, " Insecure Registries:\n%s", insecure->str);
		for (size_t i = 0; i < json_array_size(cidrs); i++)
			g_string_append_printf(
				out, "  %s\n", json_string_value(json_array_get(cidrs, i)));
	}
	list_lines(out, json_object_get(config, "Mirrors"), "Registry Mirrors");
}

static void print_pools(GString *out, const json_t *info)
{
	const json_t *pools = json_object_get(info, "DefaultAddressPools");
	if (!json_array_size(pools))
		return;
	g_string_append(out, " Default Address Pools:\n");
	for (size_t i = 0; i < json_array_size(pools); i++) {
		const json_t *p = json_array_get(pools, i);
		g_string_append_printf(out, "   Base: %s, Size: %" JSON_INTEGER_FORMAT "\n",
			list_string(p, "Base"), list_int(p, "Size"));
	}
}

static void print_counts(GString *out, const json_t *info)
{
	line_int(out, info, "Containers", "Containers");
	line_int(out, info, " Running", "ContainersRunning");
	line_int(out, info, " Paused", "ContainersPaused");
	line_int(out, info, " Stopped", "ContainersStopped");
	line_int(out, info, "Images", "Images");
	line_string(out, info, NON_EMPTY, "Server Version", "ServerVersion");
}

static void print_server(GString *out, const json_t *info)
{
	g_autofree char *memory = dh_size_human_binary((double)list_int(info, "MemTotal"));
	print_counts(out, info);
	print_driver(out, info);
	line_string(out, info, NON_EMPTY, "Logging Driver", "LoggingDriver");
	line_string(out, info, NON_EMPTY, "Cgroup Driver", "CgroupDriver");
	line_string(out, info, NON_EMPTY, "Cgroup Version", "CgroupVersion");
	print_plugins(out, info);
	line_string(out, json_object_get(info, "Swarm"), NON_EMPTY, "Swarm", "LocalNodeState");
	print_runtimes(out, info);
	print_security(out, info);
	line_string(out, info, NON_EMPTY, "Kernel Version", "KernelVersion");
	line_string(out, info, NON_EMPTY, "Operating System", "OperatingSystem");
	line_string(out, info, NON_EMPTY, "OSType", "OSType");
	line_string(out, info, NON_EMPTY, "Architecture", "Architecture");
	line_int(out, info, "CPUs", "NCPU");
	g_string_append_printf(out, " Total Memory: %s\n", memory);
	line_string(out, info, NON_EMPTY, "Name", "Name");
	line_string(out, info, NON_EMPTY, "ID", "ID");
	line_string(out, info, ALWAYS, "Docker Root Dir", "DockerRootDir");
	line_bool(out, info, "Debug Mode", "Debug");
	line_string(out, info, NON_EMPTY, "HTTP Proxy", "HttpProxy");
	line_string(out, info, NON_EMPTY, "HTTPS Proxy", "HttpsProxy");
	line_string(out, info, NON_EMPTY, "No Proxy", "NoProxy");
	list_lines(out, json_object_get(info, "Labels"), "Labels");
	line_bool(out, info, "Experimental", "ExperimentalBuild");
	print_registries(out, info);
	line_bool(out, info, "Live Restore Enabled", "LiveRestoreEnabled");
	print_pools(out, info);
	g_string_append_c(out, '\n');
}

static json_t *client_part(const Cli *cli)
{
	return json_pack("{s:b,s:s,s:s,s:[],s:n}", "Debug", cli->debug, "Version", DHOW_VERSION,
		"Context", "default", "Plugins", "Warnings");
}

static int print_format(const char *format, json_t *info, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	gboolean ok = format_value(format, info, out, error);
	fputs(ok ? out->str : "\n", stdout);
	return ok ? 0 : 1;
}

static int info_run(Cli *cli, void *options, char **args, GError **error)
{
	const InfoOptions *o = options;
	g_autoptr(GError) unreachable = NULL;
	if (o->format && *o->format) {
		g_autofree char *text = format_normalize(o->format);
		g_autoptr(Template) t = template_parse(text, error);
		if (!t) {
			g_prefix_error(error, "template parsing error: ");
			return 64;
		}
	}
	g_autoptr(json_t) info = cli_call(cli, "GET", "/info", NULL, NULL, &unreachable);
	if (o->format && *o->format) {
		int rc = 1;
		if (info) {
			json_object_set_new(info, "ClientInfo", client_part(cli));
			rc = print_format(o->format, info, error);
		}
		if (unreachable)
			g_propagate_error(error, g_steal_pointer(&unreachable));
		return rc;
	}
	g_autoptr(GString) out = g_string_new(NULL);
	g_string_append_printf(out,
		"Client:\n Version:    %s\n Context:    default\n Debug Mode: %s\n\nServer:\n",
		DHOW_VERSION, cli->debug ? "true" : "false");
	if (info)
		print_server(out, info);
	fputs(out->str, stdout);
	fflush(stdout);
	const json_t *warnings = json_object_get(info, "Warnings");
	for (size_t i = 0; i < json_array_size(warnings); i++)
		fprintf(stderr, "%s\n", json_string_value(json_array_get(warnings, i)));
	if (!unreachable)
		return 0;
	g_propagate_error(error, g_steal_pointer(&unreachable));
	return 1;
}

const Command cmd_info = {
	.name = "info",
	.usage = "[OPTIONS]",
	.summary = "Display system-wide information",
	.aliases = "docker system info, docker info",
	.max_args = 0,
	.options = info_specs,
	.n_options = G_N_ELEMENTS(info_specs),
	.options_size = sizeof(InfoOptions),
	.run = info_run,
};

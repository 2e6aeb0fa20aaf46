/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_number(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	int m = atoi(x), n = atoi(y);
	return m != n ? m - n : strcmp(x, y);
}

static void print_bindings(const char *prefix, const json_t *bindings)
{
	for (size_t i = 0; i < json_array_size(bindings); i++) {
		const json_t *b = json_array_get(bindings, i);
		const char *ip = list_string(b, "HostIp");
		gboolean v6 = strchr(ip, ':') != NULL;
		printf("%s%s%s%s:%s\n", prefix, v6 ? "[" : "", ip, v6 ? "]" : "",
			list_string(b, "HostPort"));
	}
}

static int port_run(Cli *cli, void *options, char **args, GError **error)
{
	g_autofree char *path = g_strdup_printf("/containers/%s/json", args[0]);
	g_autoptr(json_t) c = cli_call(cli, "GET", path, NULL, NULL, error);
	if (!c)
		return 1;
	const json_t *ports = json_object_get(json_object_get(c, "NetworkSettings"), "Ports");
	if (args[1]) {
		g_autofree char *number = g_strndup(args[1], strcspn(args[1], "/"));
		gboolean digits = *number && strspn(number, "0123456789") == strlen(number);
		if (!digits || strlen(number) > 9 || atoi(number) > 65535) {
			dh_error(error, DH_ERROR_INVALID,
				"Error: invalid port (%s): strconv.ParseUint: parsing \"%s\": %s",
				args[1], number, digits ? "value out of range" : "invalid syntax");
			return 1;
		}
		g_autofree char *name = strchr(args[1], '/') ? g_strdup(args[1])
							     : g_strdup_printf("%s/tcp", args[1]);
		const json_t *bindings = json_object_get(ports, name);
		if (json_array_size(bindings)) {
			print_bindings("", bindings);
			return 0;
		}
		dh_error(error, DH_ERROR_NOT_FOUND, "Error: No public port '%s' published for %s",
			args[1], args[0]);
		return 1;
	}
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)ports, name, value)
		g_ptr_array_add(names, (gpointer)name);
	g_ptr_array_sort(names, by_number);
	for (guint i = 0; i < names->len; i++) {
		g_autofree char *prefix = g_strdup_printf("%s -> ", (char *)names->pdata[i]);
		print_bindings(prefix, json_object_get(ports, names->pdata[i]));
	}
	return 0;
}

const Command cmd_port = {
	.name = "port",
	.usage = "CONTAINER [PRIVATE_PORT[/PROTO]]",
	.summary = "List port mappings or a specific mapping for the container",
	.aliases = "docker container port, docker port",
	.min_args = 1,
	.max_args = 2,
	.run = port_run,
};

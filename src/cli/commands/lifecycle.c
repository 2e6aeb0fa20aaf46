/* SPDX-License-Identifier: MIT */
/* stop restart kill pause unpause rm wait rename: one request for each container named. */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/create.h"
#include "cli/each.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	const char *signal;
	OptInt timeout;
	gboolean force, link, volumes;
} LifecycleOptions;

#define O(member) offsetof(LifecycleOptions, member)

/* What each_container hands to the request. */
typedef struct {
	const char *verb;
	const LifecycleOptions *o;
} Action;

static const OptionSpec stop_options[] = {
	{'s', "signal", OPT_STRING, O(signal), "string", "Signal to send to the container"},
	{0, "time", OPT_COUNTED_INT, O(timeout), "int",
		"Seconds to wait before killing the container", NULL, OPT_HIDDEN},
	{'t', "timeout", OPT_COUNTED_INT, O(timeout), "int",
		"Seconds to wait before killing the container"},
};
static const OptionSpec kill_options[] = {
	{'s', "signal", OPT_STRING, O(signal), "string", "Signal to send to the container"},
};
static const OptionSpec rm_options[] = {
	{'f', "force", OPT_BOOL, O(force), NULL,
		"Force the removal of a running container (uses SIGKILL)"},
	{'l', "link", OPT_BOOL, O(link), NULL, "Remove the specified link"},
	{'v', "volumes", OPT_BOOL, O(volumes), NULL,
		"Remove anonymous volumes associated with the container"},
};

static gboolean request(
	Cli *cli, const char *method, const char *path, char *const *query, GError **error)
{
	g_autoptr(json_t) answer = cli_call(cli, method, path, query, NULL, error);
	return answer != NULL;
}

/* Said before the wait begins: it is going to be in vain. */
static void warn_if_ignored(Cli *cli, const char *name, const LifecycleOptions *o)
{
	g_autofree char *path = g_strdup_printf("/containers/%s/json", name);
	g_autoptr(json_t) c = cli_call(cli, "GET", path, NULL, NULL, NULL);
	const json_t *state = json_object_get(c, "State");
	const json_t *config = json_object_get(c, "Config");
	const char *signal = json_string_value(json_object_get(state, "StopSignalIgnored"));
	const json_t *own = json_object_get(config, "StopTimeout");
	int64_t seconds = json_is_integer(own) ? json_integer_value(own) : 10;
	if (o->timeout.given)
		seconds = o->timeout.value;
	if (!signal || seconds == 0)
		return;
	g_autofree char *then = seconds < 0 ? g_strdup("waiting for it to end by itself")
					    : g_strdup_printf("killing it in %" G_GINT64_FORMAT
							      " seconds unless it ends",
						      seconds);
	fprintf(stderr,
		"Warning: %s ignores %s; %s (--init, --stop-signal or a handler would help)\n",
		name, signal, then);
}

static gboolean act(Cli *cli, const char *name, const void *arg, GError **error)
{
	const Action *a = arg;
	const LifecycleOptions *o = a->o;
	if (!check_container_name(name, error))
		return FALSE;
	g_autofree char *path = g_strdup_printf("/containers/%s/%s", name, a->verb);
	g_autofree char *t = o && o->timeout.given
				     ? g_strdup_printf("%" G_GINT64_FORMAT, o->timeout.value)
				     : NULL;
	const char *signal = o && o->signal && *o->signal ? o->signal : NULL;
	if (o && !signal && (strcmp(a->verb, "stop") == 0 || strcmp(a->verb, "restart") == 0))
		warn_if_ignored(cli, name, o);
	g_auto(GStrv) query = cli_query("signal", signal, "t", t, NULL);
	return request(cli, "POST", path, query, error);
}

static gboolean rm(Cli *cli, const char *name, const void *arg, GError **error)
{
	const LifecycleOptions *o = arg;
	g_autofree char *bare = g_strdup(name + strspn(name, "/"));
	size_t n = strlen(bare);
	while (n && bare[n - 1] == '/')
		bare[--n] = '\0';
	if (!n)
		return dh_error(error, DH_ERROR_INVALID, "container name cannot be empty");
	g_autofree char *path = g_strdup_printf("/containers/%s", bare);
	g_auto(GStrv) query = cli_query("force", o->force ? "1" : NULL, "link",
		o->link ? "1" : NULL, "v", o->volumes ? "1" : NULL, NULL);
	return request(cli, "DELETE", path, query, error);
}

static int rm_run(Cli *cli, void *options, char **args, GError **error)
{
	const LifecycleOptions *o = options;
	return each_container(cli, args, rm, o, o->force ? EACH_FORGIVE_ABSENT : 0);
}

static int act_run(Cli *cli, const char *verb, const void *options, char **args, unsigned flags)
{
	Action a = {verb, options};
	return each_container(cli, args, act, &a, flags);
}

static int stop_run(Cli *cli, void *options, char **args, GError **error)
{
	return act_run(cli, "stop", options, args, 0);
}

static int restart_run(Cli *cli, void *options, char **args, GError **error)
{
	return act_run(cli, "restart", options, args, EACH_IN_TURN);
}

static int kill_run(Cli *cli, void *options, char **args, GError **error)
{
	return act_run(cli, "kill", options, args, 0);
}

static int pause_run(Cli *cli, void *options, char **args, GError **error)
{
	return act_run(cli, "pause", NULL, args, 0);
}

static int unpause_run(Cli *cli, void *options, char **args, GError **error)
{
	return act_run(cli, "unpause", NULL, args, 0);
}

/* One after the other: the codes come as the containers end, in the order asked for. */
static int wait_run(Cli *cli, void *options, char **args, GError **error)
{
	g_autoptr(GString) errors = g_string_new(NULL);
	for (char **name = args; *name; name++) {
		g_autoptr(GError) local = NULL;
		g_autofree char *path = g_strdup_printf("/containers/%s/wait", *name);
		g_autoptr(json_t) answer = NULL;
		if (check_container_name(*name, &local))
			answer = cli_call(cli, "POST", path, NULL, NULL, &local);
		if (!answer) {
			g_string_append_printf(errors, "%s\n", local->message);
			continue;
		}
		printf("%" JSON_INTEGER_FORMAT "\n",
			json_integer_value(json_object_get(answer, "StatusCode")));
		fflush(stdout);
	}
	fputs(errors->str, stderr);
	return errors->len ? 1 : 0;
}

static int rename_run(Cli *cli, void *options, char **args, GError **error)
{
	g_autofree char *old = g_strstrip(g_strdup(args[0]));
	g_autofree char *new = g_strstrip(g_strdup(args[1]));
	if (!*old || !*new) {
		dh_error(error, DH_ERROR_INVALID, "Error: Neither old nor new names may be empty");
		return 1;
	}
	g_autoptr(GError) local = NULL;
	g_autofree char *path = g_strdup_printf("/containers/%s/rename", old);
	g_auto(GStrv) query = cli_query("name", new, NULL);
	if (request(cli, "POST", path, query, &local))
		return 0;
	dh_error(error, local->code, "%s\nError: failed to rename container named %s",
		local->message, old);
	return 1;
}

#define COMMAND(word, summary_, usage_, min, max, ...)                                             \
	const Command cmd_##word = {.name = #word,                                                 \
		.usage = usage_,                                                                   \
		.summary = summary_,                                                               \
		.aliases = "docker container " #word ", docker " #word,                            \
		.min_args = min,                                                                   \
		.max_args = max,                                                                   \
		.run = word##_run,                                                                 \
		__VA_ARGS__}
#define OPTIONS(table)                                                                             \
	.options = table, .n_options = G_N_ELEMENTS(table), .options_size = sizeof(LifecycleOptions)

COMMAND(stop, "Stop one or more running containers", "[OPTIONS] CONTAINER [CONTAINER...]", 1, -1,
	OPTIONS(stop_options));
COMMAND(restart, "Restart one or more containers", "[OPTIONS] CONTAINER [CONTAINER...]", 1, -1,
	OPTIONS(stop_options));
COMMAND(kill, "Kill one or more running containers", "[OPTIONS] CONTAINER [CONTAINER...]", 1, -1,
	OPTIONS(kill_options));
COMMAND(pause, "Pause all processes within one or more containers", "CONTAINER [CONTAINER...]", 1,
	-1, );
COMMAND(unpause, "Unpause all processes within one or more containers", "CONTAINER [CONTAINER...]",
	1, -1, );
COMMAND(wait, "Block until one or more containers stop, then print their exit codes",
	"CONTAINER [CONTAINER...]", 1, -1, );
COMMAND(rename, "Rename a container", "CONTAINER NEW_NAME", 2, 2, );

const Command cmd_rm = {
	.name = "rm",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Remove one or more containers",
	.aliases = "docker container rm, docker container remove, docker rm",
	.min_args = 1,
	.max_args = -1,
	OPTIONS(rm_options),
	.run = rm_run,
};

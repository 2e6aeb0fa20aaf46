/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/create.h"
#include "cli/session.h"

#include <stdio.h>
#include <unistd.h>

typedef struct {
	gboolean attach, interactive;
	const char *checkpoint, *checkpoint_dir, *detach_keys;
} StartOptions;

#define O(member) offsetof(StartOptions, member)

static const OptionSpec start_options[] = {
	{'a', "attach", OPT_BOOL, O(attach), NULL, "Attach STDOUT/STDERR and forward signals"},
	{0, "checkpoint", OPT_STRING, O(checkpoint), "string", "Restore from this checkpoint"},
	{0, "checkpoint-dir", OPT_STRING, O(checkpoint_dir), "string",
		"Use a custom checkpoint storage directory"},
	{0, "detach-keys", OPT_STRING, O(detach_keys), "string",
		"Override the key sequence for detaching a container"},
	{'i', "interactive", OPT_BOOL, O(interactive), NULL, "Attach container's STDIN"},
};

static gboolean start(Cli *cli, const char *name, GError **error)
{
	if (!check_container_name(name, error))
		return FALSE;
	g_autofree char *path = g_strdup_printf("/containers/%s/start", name);
	g_autoptr(json_t) answer = cli_call(cli, "POST", path, NULL, NULL, error);
	return answer != NULL;
}

static int start_all(Cli *cli, char **names, GError **error)
{
	g_autoptr(GString) failed = g_string_new(NULL);
	guint n_failed = 0;
	for (char **name = names; *name; name++) {
		g_autoptr(GError) local = NULL;
		if (start(cli, *name, &local)) {
			puts(*name);
			fflush(stdout);
			continue;
		}
		fprintf(stderr, "%s\n", local->message);
		g_string_append_printf(failed, "%s%s", n_failed++ ? ", " : "", *name);
	}
	if (n_failed)
		dh_error(error, DH_ERROR_SYSTEM, "Error: failed to start containers: %s",
			failed->str);
	return n_failed ? 1 : 0;
}

static int start_attached(Session *s, const char *name, const StartOptions *o, GError **error)
{
	if (!check_container_name(name, error))
		return 1;
	g_autofree char *path = g_strdup_printf("/containers/%s/json", name);
	g_autoptr(json_t) c = cli_call(s->cli, "GET", path, NULL, NULL, error);
	if (!c)
		return 1;
	json_t *config = json_object_get(c, "Config");
	gboolean auto_remove =
		json_is_true(json_object_get(json_object_get(c, "HostConfig"), "AutoRemove"));
	s->id = g_strdup(json_string_value(json_object_get(c, "Id")));
	s->tty = json_is_true(json_object_get(config, "Tty"));
	s->in = o->interactive && json_is_true(json_object_get(config, "OpenStdin"));
	s->out = s->err = TRUE;
	s->proxy = !s->tty;
	s->follow_size = s->tty && terminal_is_tty(STDOUT_FILENO);
	s->keys = config_detach_keys(s->cli, o->detach_keys);
	if (!session_attach(s, error) || !session_begin(s, error))
		return 1;
	session_ask_wait(s, auto_remove ? "removed" : "next-exit");
	session_begin_wait(s);
	if (!start(s->cli, s->id, error)) {
		terminal_restore();
		if (auto_remove && s->wait)
			session_end_wait(s);
		return 1;
	}
	if (s->follow_size)
		session_resize(s, 0);
	StreamResult r = session_stream(s, error);
	if (r == STREAM_FAILED)
		return 1;
	return r == STREAM_DETACHED ? 0 : session_end_wait(s);
}

static int start_run(Cli *cli, void *options, char **args, GError **error)
{
	const StartOptions *o = options;
	if ((o->checkpoint && *o->checkpoint) || (o->checkpoint_dir && *o->checkpoint_dir)) {
		dh_error(error, DH_ERROR_NOT_BUILT,
			"\"--%s\" is only supported on a Docker daemon with experimental features "
			"enabled",
			o->checkpoint && *o->checkpoint ? "checkpoint" : "checkpoint-dir");
		return 1;
	}
	if (!o->attach && !o->interactive)
		return start_all(cli, args, error);
	if (args[1]) {
		dh_error(error, DH_ERROR_INVALID,
			"you cannot start and attach multiple containers at once");
		return 1;
	}
	g_auto(Session) s;
	session_init(&s, cli);
	return start_attached(&s, args[0], o, error);
}

const Command cmd_start = {
	.name = "start",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Start one or more stopped containers",
	.aliases = "docker container start, docker start",
	.min_args = 1,
	.max_args = -1,
	.options = start_options,
	.n_options = G_N_ELEMENTS(start_options),
	.options_size = sizeof(StartOptions),
	.run = start_run,
};

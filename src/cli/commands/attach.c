/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/create.h"
#include "cli/session.h"

#include <unistd.h>

typedef struct {
	const char *detach_keys;
	gboolean no_stdin, sig_proxy;
} AttachOptions;

#define O(member) offsetof(AttachOptions, member)

static const OptionSpec attach_options[] = {
	{0, "detach-keys", OPT_STRING, O(detach_keys), "string",
		"Override the key sequence for detaching a container"},
	{0, "no-stdin", OPT_BOOL, O(no_stdin), NULL, "Do not attach STDIN"},
	{0, "sig-proxy", OPT_BOOL, O(sig_proxy), NULL, "Proxy all received signals to the process",
		"true"},
};

static void attach_defaults(void *options)
{
	AttachOptions *o = options;
	o->sig_proxy = TRUE;
}

/* The container's inspection, if it is in a state to attach to. New reference. */
static json_t *inspect_running(Cli *cli, const char *name, GError **error)
{
	static const struct {
		const char *state, *error;
		gboolean wanted;
	} checks[] = {
		{"Running", "You cannot attach to a stopped container, start it first", TRUE},
		{"Paused", "You cannot attach to a paused container, unpause it first", FALSE},
		{"Restarting",
			"You cannot attach to a restarting container, wait until it is running",
			FALSE},
	};
	g_autofree char *path = g_strdup_printf("/containers/%s/json", name);
	g_autoptr(json_t) c = cli_call(cli, "GET", path, NULL, NULL, error);
	json_t *state = json_object_get(c, "State");
	for (guint i = 0; c && i < G_N_ELEMENTS(checks); i++) {
		if (json_is_true(json_object_get(state, checks[i].state)) == checks[i].wanted)
			continue;
		dh_error(error, DH_ERROR_CONFLICT, "%s", checks[i].error);
		return NULL;
	}
	return g_steal_pointer(&c);
}

static gboolean prepare(Session *s, const AttachOptions *o, GError **error)
{
	g_autoptr(json_t) c = inspect_running(s->cli, s->id, error);
	if (!c)
		return FALSE;
	json_t *config = json_object_get(c, "Config");
	s->tty = json_is_true(json_object_get(config, "Tty"));
	if (!session_check_tty(!o->no_stdin, s->tty, error))
		return FALSE;
	s->in = !o->no_stdin && json_is_true(json_object_get(config, "OpenStdin"));
	s->out = s->err = TRUE;
	s->proxy = o->sig_proxy && !s->tty;
	s->follow_size = s->tty && terminal_is_tty(STDOUT_FILENO);
	s->keys = config_detach_keys(s->cli, o->detach_keys);
	if (!session_attach(s, error))
		return FALSE;
	/* It may have stopped in between; then nothing would ever end the stream. */
	g_autoptr(json_t) again = inspect_running(s->cli, s->id, error);
	return again && session_begin(s, error);
}

static int attach_run(Cli *cli, void *options, char **args, GError **error)
{
	const AttachOptions *o = options;
	g_autoptr(GError) local = NULL;
	g_auto(Session) s;
	session_init(&s, cli);
	if (!check_container_name(args[0], error))
		return 1;
	s.id = g_strdup(args[0]);
	g_autofree char *path = g_strdup_printf("/containers/%s/wait", s.id);
	Request wait = {.method = "POST", .path = path};
	s.wait = cli_request(cli, &wait, &local);
	if (!prepare(&s, o, error))
		return 1;
	if (!s.wait) {
		g_propagate_error(error, g_steal_pointer(&local));
		return 1;
	}
	if (s.follow_size) {
		/* Programs redraw when the size changes; attached again at the same size they
		 * would not. */
		session_resize(&s, 1);
		session_resize(&s, 0);
	}
	StreamResult r = session_stream(&s, error);
	if (r == STREAM_DETACHED)
		dh_error(error, DH_ERROR_SYSTEM, "read escape sequence");
	return r == STREAM_ENDED ? session_end_wait(&s) : 1;
}

const Command cmd_attach = {
	.name = "attach",
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Attach local standard input, output, and error streams to a running container",
	.aliases = "docker container attach, docker attach",
	.min_args = 1,
	.max_args = 1,
	.options = attach_options,
	.n_options = G_N_ELEMENTS(attach_options),
	.options_size = sizeof(AttachOptions),
	.defaults = attach_defaults,
	.run = attach_run,
};

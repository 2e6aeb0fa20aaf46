/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/create.h"
#include "cli/run_parse.h"
#include "cli/session.h"
#include "cli/text.h"

#include <stdio.h>
#include <unistd.h>

typedef struct {
	gboolean detach, interactive, privileged, tty;
	const char *detach_keys, *user, *workdir;
	GPtrArray *env, *env_file;
} ExecOptions;

enum { DAEMON_BACK_MS = 15000 };

#define O(member) offsetof(ExecOptions, member)

static const OptionSpec exec_options[] = {
	{'d', "detach", OPT_BOOL, O(detach), NULL, "Detached mode: run command in the background"},
	{0, "detach-keys", OPT_STRING, O(detach_keys), "string",
		"Override the key sequence for detaching a container"},
	{'e', "env", OPT_LIST, O(env), "list", "Set environment variables"},
	{0, "env-file", OPT_LIST, O(env_file), "list", "Read in a file of environment variables"},
	{'i', "interactive", OPT_BOOL, O(interactive), NULL,
		"Keep STDIN open even if not attached"},
	{0, "privileged", OPT_BOOL, O(privileged), NULL, "Give extended privileges to the command"},
	{'t', "tty", OPT_BOOL, O(tty), NULL, "Allocate a pseudo-TTY"},
	{'u', "user", OPT_STRING, O(user), "string",
		"Username or UID (format: \"<name|uid>[:<group|gid>]\")"},
	{'w', "workdir", OPT_STRING, O(workdir), "string",
		"Working directory inside the container"},
};

/* The environment; NULL with *ret_code after saying why. New reference. */
static json_t *environment(const Cli *cli, const ExecOptions *o, int *ret_code, GError **error)
{
	g_autoptr(json_t) given = json_array();
	g_autoptr(json_t) env = json_array();
	*ret_code = 1;
	for (guint i = 0; o->env && i < o->env->len; i++) {
		const char *v = g_ptr_array_index(o->env, i);
		g_autoptr(GError) local = NULL;
		if (parse_env(v, given, &local))
			continue;
		g_autofree char *q = text_quote(v);
		fprintf(stderr,
			"invalid argument %s for \"-e, --env\" flag: %s\n\nUsage:  %s exec "
			"%s\n\nRun '%s exec --help' for more information\n",
			q, local->message, cli->program, cmd_exec.usage, cli->program);
		*ret_code = EXIT_DAEMON;
		return NULL;
	}
	for (guint i = 0; o->env_file && i < o->env_file->len; i++) {
		if (!read_kv_file(g_ptr_array_index(o->env_file, i), TRUE, env, error))
			return NULL;
	}
	json_array_extend(env, given);
	return json_array_size(env) ? g_steal_pointer(&env) : json_null();
}

static json_t *console_size(void)
{
	unsigned rows, columns;
	terminal_size(STDOUT_FILENO, &rows, &columns);
	return json_pack("[i, i]", (int)rows, (int)columns);
}

static json_t *command_array(char *const *args)
{
	json_t *cmd = json_array();
	for (char *const *a = args; *a; a++)
		json_array_append_new(cmd, text_json(*a));
	return cmd;
}

static json_t *create_request(const Session *s, const ExecOptions *o, json_t *env, char *const *cmd)
{
	json_t *body = json_pack("{s:o, s:b, s:b, s:b, s:b, s:b, s:b, s:o, s:O, s:o, s:o}", "User",
		text_json(o->user ? o->user : ""), "Privileged", o->privileged, "Tty", o->tty,
		"AttachStdin", s->in, "AttachStderr", s->err, "AttachStdout", s->out, "Detach",
		o->detach, "DetachKeys", text_json(s->keys ? s->keys : ""), "Env", env,
		"WorkingDir", text_json(o->workdir ? o->workdir : ""), "Cmd", command_array(cmd));
	if (o->tty)
		json_object_set_new(body, "ConsoleSize", console_size());
	return body;
}

static gboolean create(
	Session *s, const ExecOptions *o, json_t *env, char *const *args, GError **error)
{
	g_autofree char *path = g_strdup_printf("/containers/%s/exec", args[0]);
	/* An exec that is never started stays in the engine: what can be wrong here comes first. */
	if (!o->detach && !session_check_tty(s->in, o->tty, error))
		return FALSE;
	cli_expect_requests(s->cli, o->detach ? 1 : 2); /* start, inspect */
	g_autoptr(json_t) body = create_request(s, o, env, args + 1);
	g_autoptr(json_t) answer = cli_call(s->cli, "POST", path, NULL, body, error);
	if (!answer)
		return FALSE;
	s->id = g_strdup(json_string_value(json_object_get(answer, "Id")));
	return s->id || dh_error(error, DH_ERROR_SYSTEM, "exec ID empty");
}

static int exit_status(Session *s, GError **error)
{
	g_autofree char *path = g_strdup_printf("/exec/%s/json", s->id);
	g_autoptr(GError) gone = NULL;
	g_autoptr(json_t) e = cli_call(s->cli, "GET", path, NULL, NULL, &gone);
	/* The stream came from the container: that it ended says nothing of the daemon. */
	if (!e && g_error_matches(gone, DH_ERROR, DH_ERROR_UNAVAILABLE) &&
		cli_await_daemon(s->cli, DAEMON_BACK_MS))
		e = cli_call(s->cli, "GET", path, NULL, NULL, error);
	else if (!e)
		g_propagate_error(error, g_steal_pointer(&gone));
	return e ? (int)json_integer_value(json_object_get(e, "ExitCode")) : 1;
}

static int run_exec(Session *s, const ExecOptions *o, GError **error)
{
	g_autofree char *path = g_strdup_printf("/exec/%s/start", s->id);
	g_autoptr(json_t) body = json_pack("{s:b, s:b}", "Detach", o->detach, "Tty", o->tty);
	if (o->tty)
		json_object_set_new(body, "ConsoleSize", console_size());
	if (o->detach) {
		g_autoptr(json_t) answer = cli_call(s->cli, "POST", path, NULL, body, error);
		return answer ? 0 : 1;
	}
	g_autoptr(GError) local = NULL;
	if (!session_connect(s, path, NULL, body, &local)) {
		int code = start_error_code(local);
		g_propagate_error(error, g_steal_pointer(&local));
		return code == EXIT_DAEMON ? 1 : code;
	}
	if (!session_begin(s, error))
		return 1;
	if (s->follow_size)
		session_resize(s, 0);
	StreamResult r = session_stream(s, error);
	if (r == STREAM_DETACHED)
		dh_error(error, DH_ERROR_SYSTEM, "read escape sequence");
	return r == STREAM_ENDED ? exit_status(s, error) : 1;
}

static int exec_run(Cli *cli, void *options, char **args, GError **error)
{
	const ExecOptions *o = options;
	g_auto(Session) s;
	session_init(&s, cli);
	if (!check_container_name(args[0], error))
		return 1;
	int code;
	g_autoptr(json_t) env = environment(cli, o, &code, error);
	if (!env)
		return code;
	s.is_exec = TRUE;
	s.tty = o->tty;
	s.in = o->interactive && !o->detach;
	s.out = s.err = !o->detach;
	s.follow_size = s.tty && terminal_is_tty(STDIN_FILENO);
	s.keys = config_detach_keys(cli, o->detach_keys);
	if (!create(&s, o, env, args, error))
		return 1;
	return run_exec(&s, o, error);
}

const Command cmd_exec = {
	.name = "exec",
	.usage = "[OPTIONS] CONTAINER COMMAND [ARG...]",
	.summary = "Execute a command in a running container",
	.aliases = "docker container exec, docker exec",
	.min_args = 2,
	.max_args = -1,
	.stop_at_arg = TRUE,
	.options = exec_options,
	.n_options = G_N_ELEMENTS(exec_options),
	.options_size = sizeof(ExecOptions),
	.run = exec_run,
};

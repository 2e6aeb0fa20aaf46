/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: create; connect to the container's streams before it runs, so that nothing
 * of its output is missed; ask for its exit status before it runs, so that a short life is not
 * missed; start; copy until the streams end; take the status.
 */
#include "base/error.h"
#include "base/trace.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/create.h"
#include "cli/session.h"

#include <stdio.h>
#include <unistd.h>

static gboolean is_set(json_t *body, const char *name)
{
	return json_is_true(json_object_get(body, name));
}

/* What -d does to the request, or whether the terminal suits it. */
static gboolean check_streams(const RunOptions *o, json_t *body, GError **error)
{
	static const char *const members[] = {
		"AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"};
	if (!o->detach)
		return session_check_tty(is_set(body, "AttachStdin"), o->tty, error);
	if (o->attach && o->attach->len)
		return dh_error(error, DH_ERROR_INVALID,
			"conflicting options: cannot specify both --attach and --detach");
	for (guint i = 0; i < G_N_ELEMENTS(members); i++)
		json_object_set_new(body, members[i], json_false());
	return TRUE;
}

static gboolean start(Session *s, GError **error)
{
	g_autofree char *path = g_strdup_printf("/containers/%s/start", s->id);
	g_autoptr(json_t) answer = cli_call(s->cli, "POST", path, NULL, NULL, error);
	return answer != NULL;
}

/* With --rm the engine removes what did not start: wait for that. */
static int failed_to_start(Session *s, const RunOptions *o, const GError *why)
{
	terminal_restore();
	report_error(s->cli, cmd_run.name, why);
	if (o->auto_remove && s->wait)
		session_end_wait(s);
	return start_error_code(why);
}

static int run_container(Session *s, const RunOptions *o, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean attach = s->in || s->out || s->err;
	if (!attach) {
		puts(s->id);
		fflush(stdout);
	}
	if (attach || o->auto_remove)
		session_ask_wait(s, o->auto_remove ? "removed" : "next-exit");
	if (attach && (!session_attach(s, error) || !session_begin(s, error)))
		return 1;
	session_begin_wait(s);
	gboolean ok = start(s, &local);
	cli_expect_requests(s->cli, 0);
	if (!ok)
		return failed_to_start(s, o, local);
	if (!attach)
		return 0;
	if (s->follow_size)
		session_resize(s, 0);
	StreamResult r = session_stream(s, error);
	dh_trace("dhow: streams have ended");
	if (r == STREAM_FAILED)
		return 1;
	return r == STREAM_DETACHED ? 0 : session_end_wait(s);
}

static int run_run(Cli *cli, void *options, char **args, GError **error)
{
	const RunOptions *o = options;
	g_autoptr(GError) local = NULL;
	int code;
	g_autoptr(json_t) body = create_body(cli, &cmd_run, o, args, &code);
	if (!body)
		return code;
	if (!check_streams(o, body, error))
		return 1;
	g_auto(Session) s;
	session_init(&s, cli);
	cli_expect_requests(cli, o->detach ? 1 : 3); /* attach, wait, start */
	s.id = create_container(cli, o, body, &local);
	if (!s.id) {
		report_error(cli, cmd_run.name, local);
		return start_error_code(local);
	}
	s.tty = o->tty;
	s.in = is_set(body, "AttachStdin");
	s.out = is_set(body, "AttachStdout");
	s.err = is_set(body, "AttachStderr");
	s.proxy = o->sig_proxy;
	s.follow_size = s.tty && terminal_is_tty(STDOUT_FILENO);
	s.keys = config_detach_keys(cli, o->detach_keys);
	return run_container(&s, o, error);
}

#define O(member) offsetof(RunOptions, member)
#define RUN_ONLY(...) __VA_ARGS__,
#define PULL_HELP "Pull image before running (\"always\", \"missing\", \"never\")"

static const OptionSpec run_options[] = {
#include "cli/run_options.inc"
};

const Command cmd_run = {
	.name = "run",
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Create and run a new container from an image",
	.aliases = "docker container run, docker run",
	.min_args = 1,
	.max_args = -1,
	.stop_at_arg = TRUE,
	.options = run_options,
	.n_options = G_N_ELEMENTS(run_options),
	.options_size = sizeof(RunOptions),
	.defaults = run_options_defaults,
	.run = run_run,
};

/* SPDX-License-Identifier: MIT */
#include "cli/session.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { EXIT_UNKNOWN = 125 };

void session_init(Session *s, Cli *cli)
{
	*s = (Session){.cli = cli, .conn = -1};
}

void session_clear(Session *s)
{
	terminal_restore();
	dh_close(&s->conn);
	g_clear_pointer(&s->early, g_bytes_unref);
	g_clear_pointer(&s->wait, response_free);
	g_clear_pointer(&s->id, g_free);
	g_clear_pointer(&s->keys, g_free);
}

gboolean session_check_tty(gboolean in, gboolean tty, GError **error)
{
	if (!in || !tty || terminal_is_tty(STDIN_FILENO))
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID, "the input device is not a TTY");
}

gboolean session_connect(
	Session *s, const char *path, char *const *query, json_t *body, GError **error)
{
	Request req = {
		.method = "POST", .path = path, .query = query, .body = body, .hijack = TRUE};
	g_autoptr(Response) r = cli_request(s->cli, &req, error);
	if (!r)
		return FALSE;
	s->conn = response_hijack(r, &s->early);
	if (s->conn < 0)
		return dh_error(error, DH_ERROR_SYSTEM, "unable to upgrade to tcp, received %d",
			response_status(r));
	return TRUE;
}

gboolean session_attach(Session *s, GError **error)
{
	g_autofree char *path = g_strdup_printf("/containers/%s/attach", s->id);
	g_auto(GStrv) query = cli_query("detachKeys", s->keys, "stderr", s->err ? "1" : NULL,
		"stdin", s->in ? "1" : NULL, "stdout", s->out ? "1" : NULL, "stream", "1", NULL);
	return session_connect(s, path, query, NULL, error);
}

gboolean session_begin(Session *s, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean interactive = s->in && s->tty;
	if (s->proxy || s->follow_size || interactive)
		signals_catch();
	if (!interactive)
		return TRUE;
	if (!detach_keys_parse(s->keys, &s->detach, &local)) {
		dh_warn("invalid detach escape keys, using default: %s", local->message);
		detach_keys_parse(NULL, &s->detach, NULL);
	}
	return terminal_raw(STDIN_FILENO, error);
}

void session_resize(const Session *s, unsigned extra)
{
	unsigned rows, columns;
	terminal_size(STDOUT_FILENO, &rows, &columns);
	if (rows == 0 && columns == 0)
		return;
	g_autofree char *path =
		g_strdup_printf("/%s/%s/resize", s->is_exec ? "exec" : "containers", s->id);
	g_autofree char *h = g_strdup_printf("%u", rows + extra);
	g_autofree char *w = g_strdup_printf("%u", columns + extra);
	g_auto(GStrv) query = cli_query("h", h, "w", w, NULL);
	json_decref(cli_call(s->cli, "POST", path, query, NULL, NULL));
}

static void send_signal(const Session *s, int signo)
{
	g_autofree char *path = g_strdup_printf("/containers/%s/kill", s->id);
	g_autofree char *name = signals_name(signo);
	g_auto(GStrv) query = cli_query("signal", name, NULL);
	json_decref(cli_call(s->cli, "POST", path, query, NULL, NULL));
}

/* FALSE when one of them ends the session. */
static gboolean take_signals(void *arg)
{
	Session *s = arg;
	int signo;
	while ((signo = signals_next()) != 0) {
		if (signo == SIGWINCH) {
			if (s->follow_size)
				session_resize(s, 0);
		} else if (s->proxy) {
			send_signal(s, signo);
		} else {
			s->fatal_signal = signo;
			return FALSE;
		}
	}
	return TRUE;
}

StreamResult session_stream(Session *s, GError **error)
{
	Stream stream = {.conn = s->conn,
		.early = s->early,
		.in = s->in ? STDIN_FILENO : -1,
		.out = s->out ? STDOUT_FILENO : -1,
		.err = s->err ? STDERR_FILENO : -1,
		.raw = s->tty,
		.keys = s->in && s->tty ? &s->detach : NULL,
		.wake = signals_fd(),
		.on_wake = take_signals,
		.arg = s};
	/* A terminal has one stream, whatever part of it was asked for. */
	if (s->tty && s->err)
		stream.out = STDOUT_FILENO;
	signal(SIGPIPE, SIG_IGN);
	StreamResult r = stream_copy(&stream, error);
	terminal_restore();
	if (r == STREAM_BROKEN_PIPE)
		signals_die(SIGPIPE);
	if (r == STREAM_STOPPED)
		signals_die(s->fatal_signal);
	return r;
}

/* Sends the request for the exit status, or, begun, reads its head. */
static Response *wait_request(Session *s, Response *begun)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *path = g_strdup_printf("/containers/%s/wait", s->id);
	g_auto(GStrv) query = cli_query("condition", s->wait_condition, NULL);
	Request req = {.method = "POST", .path = path, .query = query};
	Response *r = begun ? cli_request_end(s->cli, begun, &req, &local)
			    : cli_request_begin(s->cli, &req, &local);
	if (!r)
		dh_log_error("error waiting for container: %s", local->message);
	return r;
}

void session_ask_wait(Session *s, const char *condition)
{
	s->wait_condition = condition;
	s->wait = wait_request(s, NULL);
}

void session_begin_wait(Session *s)
{
	if (s->wait)
		s->wait = wait_request(s, s->wait);
}

/* Signals are passed on while the answer is outstanding. */
static void await_response(Session *s)
{
	while (response_buffered(s->wait) == 0) {
		struct pollfd p[] = {
			{.fd = response_fd(s->wait), .events = POLLIN},
			{.fd = signals_fd(), .events = POLLIN},
		};
		if (poll(p, G_N_ELEMENTS(p), -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents && !take_signals(s))
			signals_die(s->fatal_signal);
		if (p[0].revents)
			return;
	}
}

/* "The next exit" may be over by now: any will do. */
static gboolean ask_again(Session *s)
{
	g_clear_pointer(&s->wait, response_free);
	if (!cli_await_daemon(s->cli, CLI_DAEMON_BACK_MS))
		return FALSE;
	session_ask_wait(s, g_strcmp0(s->wait_condition, "removed") == 0 ? "removed" : NULL);
	session_begin_wait(s);
	return s->wait != NULL;
}

int session_end_wait(Session *s)
{
	g_autoptr(GError) local = NULL;
	if (!s->wait)
		return EXIT_UNKNOWN;
	await_response(s);
	g_autoptr(json_t) result = response_next_json(s->wait, &local);
	/* The daemon may have died; the container has not. */
	if (!result && ask_again(s)) {
		g_clear_error(&local);
		await_response(s);
		result = response_next_json(s->wait, &local);
	}
	if (!result) {
		dh_log_error("error waiting for container: %s",
			local ? local->message : "unexpected EOF");
		return EXIT_UNKNOWN;
	}
	const char *why =
		json_string_value(json_object_get(json_object_get(result, "Error"), "Message"));
	if (why && *why) {
		dh_log_error("Error waiting for container: %s", why);
		return EXIT_UNKNOWN;
	}
	return (int)json_integer_value(json_object_get(result, "StatusCode"));
}

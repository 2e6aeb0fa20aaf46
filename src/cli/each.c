/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a request blocks, so several at once means a child process for each. It says
 * through a pipe what went wrong, nothing meaning success. Names are reported in order; errors come
 * after the names, as docker prints them.
 */
#include "cli/each.h"

#include "base/error.h"
#include "base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_AT_ONCE = 128, MAX_ERROR = 64 * 1024 };

typedef struct {
	pid_t pid;
	int pipe; /* -1: no child, fn has been called here */
} Turn;

typedef struct {
	Cli *cli;
	EachFn fn;
	const void *arg;
	unsigned flags;
	GString *errors;
	int code;
} Each;

/* An error crosses the pipe as its code and its text. */
static void report(Each *e, const char *name, int code, const char *message)
{
	if (!message) {
		puts(name);
		fflush(stdout);
		return;
	}
	g_string_append_printf(e->errors, "%s\n", message);
	if (!((e->flags & EACH_FORGIVE_ABSENT) && code == DH_ERROR_NOT_FOUND))
		e->code = 1;
}

static void call_here(Each *e, const char *name)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = e->fn(e->cli, name, e->arg, &error);
	report(e, name, ok ? 0 : error->code, ok ? NULL : error->message);
}

static void child(Each *e, const char *name, int out) G_GNUC_NORETURN;
static void child(Each *e, const char *name, int out)
{
	g_autoptr(GError) error = NULL;
	if (!e->fn(e->cli, name, e->arg, &error)) {
		guint8 code = (guint8)error->code;
		dh_write_all(out, &code, 1);
		dh_write_all(out, error->message, strlen(error->message));
	}
	_exit(0);
}

static Turn begin(Each *e, const char *name)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return (Turn){.pipe = -1};
	pid_t pid = fork();
	if (pid == 0)
		child(e, name, fds[1]);
	close(fds[1]);
	if (pid < 0)
		dh_close(&fds[0]);
	return (Turn){.pid = pid, .pipe = fds[0]};
}

static void end(Each *e, const char *name, Turn *t)
{
	if (t->pipe < 0) {
		call_here(e, name);
		return;
	}
	size_t n = 0;
	g_autoptr(GError) error = NULL;
	g_autofree char *text = dh_read_to_end(t->pipe, MAX_ERROR, &n, &error);
	int status = 0;
	dh_close(&t->pipe);
	while (waitpid(t->pid, &status, 0) < 0)
		;
	if (!text)
		report(e, name, error->code, error->message);
	else if (n > 0)
		report(e, name, text[0], text + 1);
	else
		report(e, name, 0, status == 0 ? NULL : "the request was interrupted");
}

int each_container(Cli *cli, char *const *names, EachFn fn, const void *arg, unsigned flags)
{
	Each e = {.cli = cli, .fn = fn, .arg = arg, .flags = flags};
	Turn turns[MAX_AT_ONCE];
	guint left = g_strv_length((char **)names);
	e.errors = g_string_new(NULL);
	while (left > 0) {
		guint n = MIN(left, (guint)MAX_AT_ONCE);
		gboolean alone = n == 1 || (flags & EACH_IN_TURN);
		fflush(stdout);
		for (guint i = 0; i < n; i++)
			turns[i] = alone ? (Turn){.pipe = -1} : begin(&e, names[i]);
		for (guint i = 0; i < n; i++)
			end(&e, names[i], &turns[i]);
		names += n;
		left -= n;
	}
	fputs(e.errors->str, stderr);
	g_string_free(e.errors, TRUE);
	return e.code;
}

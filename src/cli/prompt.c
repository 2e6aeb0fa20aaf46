/* SPDX-License-Identifier: MIT */
#include "cli/prompt.h"

#include "base/error.h"
#include "cli/signals.h"
#include "cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LINE = 64 * 1024 };

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* Byte by byte: what follows the line is not ours. */
static char *read_line(GError **error)
{
	g_autoptr(GString) line = g_string_new(NULL);
	for (;;) {
		char c;
		ssize_t n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			dh_error_errno(error, errno, "read");
			return NULL;
		}
		if (n == 0 || c == '\n')
			return g_strstrip(g_string_free(g_steal_pointer(&line), FALSE));
		if (line->len >= MAX_LINE) {
			dh_error(error, DH_ERROR_INVALID, "the line is too long");
			return NULL;
		}
		g_string_append_c(line, c);
	}
}

char *prompt_line(const char *question, gboolean secret, GError **error)
{
	struct sigaction before[G_N_ELEMENTS(ending)];
	if (!secret) {
		fputs(question, stdout);
		fflush(stdout);
		return read_line(error);
	}
	for (guint i = 0; i < G_N_ELEMENTS(ending); i++) {
		struct sigaction sa = {.sa_handler = signals_die};
		sigaction(ending[i], NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN)
			sigaction(ending[i], &sa, NULL);
	}
	/* First: whoever answers as soon as the question is there must not be echoed. */
	char *line = NULL;
	if (terminal_no_echo(STDIN_FILENO, error)) {
		fputs(question, stdout);
		fflush(stdout);
		line = read_line(error);
	}
	terminal_restore();
	for (guint i = 0; i < G_N_ELEMENTS(ending); i++)
		sigaction(ending[i], &before[i], NULL);
	return line;
}

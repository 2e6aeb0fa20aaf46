/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: help is printed from the tables that parse. The line breaking is the one
 * that docker's help goes through, so that both programs' pages can be compared line by line: text
 * is broken at the last blank before the margin, but a last line may run over it by a few columns
 * rather than leave an orphan word.
 */
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { OVERRUN = 5, NARROWEST = 24 };

int cli_width(void)
{
	struct winsize ws;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
		return ws.ws_col;
	return 80;
}

/* How much of s goes on a line of i columns; *ret_skip gets the length of the break itself. */
static size_t line_length(const char *s, size_t i, size_t *ret_skip)
{
	size_t n = strlen(s);
	*ret_skip = 0;
	if (i + OVERRUN > n)
		return n;
	size_t blank = 0, newline = 0;
	for (size_t k = 1; k < i; k++) {
		if (strchr(" \t\n", s[k]))
			blank = k;
		if (s[k] == '\n')
			newline = k;
	}
	if (!blank)
		return n;
	*ret_skip = 1;
	return newline && newline < blank ? newline : blank;
}

static void append_indented(GString *out, const char *s, size_t n, size_t indent)
{
	for (size_t k = 0; k < n; k++) {
		g_string_append_c(out, s[k]);
		if (s[k] == '\n')
			g_string_append_printf(out, "%*s", (int)indent, "");
	}
}

static void append_wrapped(GString *out, const char *s, size_t indent, int width)
{
	int room = width - (int)indent;
	if (room < NARROWEST) {
		indent = 16;
		room = width - (int)indent;
		g_string_append_printf(out, "\n%*s", (int)indent, "");
	}
	if (room < NARROWEST) {
		append_indented(out, s, strlen(s), indent);
		return;
	}
	for (gboolean first = TRUE; first || *s; first = FALSE) {
		size_t skip;
		size_t n = line_length(s, (size_t)room - OVERRUN, &skip);
		if (!first)
			g_string_append_printf(out, "\n%*s", (int)indent, "");
		append_indented(out, s, n, indent);
		s += n + skip;
	}
}

static char *option_label(const OptionSpec *o)
{
	const char *value = o->type == OPT_BOOL ? NULL : o->value_name;
	if (o->short_name)
		return g_strdup_printf("  -%c, --%s%s%s", o->short_name, o->long_name,
			value ? " " : "", value ? value : "");
	return g_strdup_printf(
		"      --%s%s%s", o->long_name, value ? " " : "", value ? value : "");
}

static int by_long_name(const void *a, const void *b)
{
	const OptionSpec *const *x = a, *const *y = b;
	return strcmp((*x)->long_name, (*y)->long_name);
}

void options_help(const OptionSpec *options, size_t n, int width, GString *out)
{
	width--; /* as docker: the last column stays free */
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();
	size_t widest = 0;
	for (size_t i = 0; i < n; i++) {
		if (options[i].flags & OPT_HIDDEN)
			continue;
		g_ptr_array_add(sorted, (gpointer)&options[i]);
		g_autofree char *label = option_label(&options[i]);
		widest = MAX(widest, strlen(label));
	}
	g_ptr_array_sort(sorted, by_long_name);
	for (guint i = 0; i < sorted->len; i++) {
		const OptionSpec *o = sorted->pdata[i];
		g_autofree char *label = option_label(o);
		g_autofree char *text = o->default_text ? g_strdup_printf("%s (default %s)",
								  o->help, o->default_text)
							: g_strdup(o->help);
		g_string_append_printf(out, "%-*s   ", (int)widest, label);
		append_wrapped(out, text, widest + 3, width);
		g_string_append_c(out, '\n');
	}
}

static void append_aliases(GString *out, const char *aliases, const char *path)
{
	const char *space = strchr(path, ' ');
	g_autofree char *program = space ? g_strndup(path, (gsize)(space - path)) : g_strdup(path);
	g_auto(GStrv) each = g_strsplit(aliases, ", ", -1);
	g_string_append(out, "\nAliases:\n  ");
	for (guint i = 0; each[i]; i++) {
		const char *words = strchr(each[i], ' ');
		g_string_append_printf(out, "%s%s%s", i ? ", " : "", program, words ? words : "");
	}
	g_string_append_c(out, '\n');
}

char *command_help(const Command *c, const char *path, int width)
{
	GString *out = g_string_new(NULL);
	g_string_append_printf(out, "Usage:  %s%s%s\n\n", path, *c->usage ? " " : "", c->usage);
	/* A second form begins on a line of its own. */
	g_autofree char *again = g_strconcat("\t", path, " ", NULL);
	g_string_replace(out, "\t@ ", again, 0);
	g_string_append_printf(out, "%s\n", c->details ? c->details : c->summary);
	if (c->aliases)
		append_aliases(out, c->aliases, path);
	/* Only a command whose -h means something else lists --help. */
	static const OptionSpec help = {.long_name = "help", .help = "Print usage"};
	g_autoptr(GArray) shown = g_array_new(FALSE, FALSE, sizeof(OptionSpec));
	for (size_t i = 0; i < c->n_options; i++) {
		if (c->options[i].flags & OPT_HIDDEN)
			continue;
		g_array_append_val(shown, c->options[i]);
		if (c->options[i].short_name == 'h')
			g_array_append_val(shown, help);
	}
	if (shown->len) {
		g_string_append(out, "\nOptions:\n");
		options_help((const OptionSpec *)(void *)shown->data, shown->len, width, out);
	}
	return g_string_free(out, FALSE);
}

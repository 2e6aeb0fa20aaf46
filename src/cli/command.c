/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

gboolean command_parse(const Command *c, char *const *argv, void *options, char ***ret_args,
	gboolean *ret_help, GError **error)
{
	OptionSet set = {.options = c->options, .n = c->n_options, .stop_at_arg = c->stop_at_arg};
	if (c->defaults)
		c->defaults(options);
	return options_parse(&set, argv, options, ret_args, ret_help, error);
}

void command_clear_options(const Command *c, void *options)
{
	options_clear(c->options, c->n_options, options);
}

static const char *plural(int n)
{
	return n == 1 ? "" : "s";
}

char *command_check_args(const Command *c, guint n)
{
	gboolean too_few = c->min_args > 0 && n < (guint)c->min_args;
	gboolean too_many = c->max_args >= 0 && n > (guint)c->max_args;
	if (!too_few && !too_many)
		return NULL;
	if (c->max_args == 0)
		return g_strdup("accepts no arguments");
	if (c->min_args == c->max_args)
		return g_strdup_printf("requires %d argument%s", c->min_args, plural(c->min_args));
	if (c->max_args < 0)
		return g_strdup_printf(
			"requires at least %d argument%s", c->min_args, plural(c->min_args));
	if (c->min_args <= 0)
		return g_strdup_printf(
			"requires at most %d argument%s", c->max_args, plural(c->max_args));
	return g_strdup_printf(
		"requires at least %d and at most %d arguments", c->min_args, c->max_args);
}

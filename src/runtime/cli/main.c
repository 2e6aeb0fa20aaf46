/* SPDX-License-Identifier: MIT */
/*
 * dhow-runtime: the OCI runtime's command line over the library that dhow-shim uses. Static and
 * single-threaded, as that library asks.
 */
#include "base/error.h"
#include "base/seal.h"
#include "runtime/cli/command.h"
#include "runtime/cli/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const RtCommand *const commands[] = {&cmd_create, &cmd_delete, &cmd_events, &cmd_exec,
	&cmd_features, &cmd_kill, &cmd_list, &cmd_pause, &cmd_ps, &cmd_resume, &cmd_run, &cmd_spec,
	&cmd_start, &cmd_state, &cmd_update, NULL};

#define G(member) offsetof(Rt, member)
static const OptionSpec globals[] = {
	{0, "debug", OPT_BOOL, G(debug), NULL, "enable debug logging"},
	{0, "log", OPT_STRING, G(log), "value",
		"set the log file to write logs to (default is '/dev/stderr')"},
	{0, "log-format", OPT_STRING, G(log_format), "value",
		"set the log format ('text' (default), or 'json')", "\"text\""},
	{0, "root", OPT_STRING, G(root), "value",
		"root directory for storage of container state (this should be located in tmpfs)",
		"\"" STATE_ROOT "\""},
	{0, "criu", OPT_STRING, G(criu), "value",
		"accepted for compatibility: checkpoint and restore are not supported", NULL,
		OPT_HIDDEN},
	{0, "systemd-cgroup", OPT_BOOL, G(systemd_cgroup), NULL,
		"not supported: cgroups are managed directly, which needs no systemd"},
	{0, "rootless", OPT_STRING, G(rootless), "value",
		"ignore cgroup permission errors ('true', 'false', or 'auto')", "\"auto\""},
	{'v', "version", OPT_BOOL, G(version), NULL, "print the version", NULL, OPT_HIDDEN},
};
static const OptionSet global_set = {
	.options = globals, .n = G_N_ELEMENTS(globals), .stop_at_arg = TRUE, .go_flags = TRUE};

static void show_program(void)
{
	OptionSpec list[G_N_ELEMENTS(globals)];
	size_t n = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(globals); i++) {
		if (!(globals[i].flags & OPT_HIDDEN))
			list[n++] = globals[i];
	}
	help_program(commands, list, n);
}

static char *check_args(const RtCommand *c, guint n)
{
	if (c->min_args == c->max_args && n != (guint)c->min_args)
		return g_strdup_printf(
			PROGRAM ": \"%s\" requires exactly %d argument(s)", c->name, c->min_args);
	if (n < (guint)MAX(c->min_args, 0))
		return g_strdup_printf(PROGRAM ": \"%s\" requires a minimum of %d argument(s)",
			c->name, c->min_args);
	if (c->max_args >= 0 && n > (guint)c->max_args)
		return g_strdup_printf(PROGRAM ": \"%s\" requires a maximum of %d argument(s)",
			c->name, c->max_args);
	return NULL;
}

static int run_command(const Rt *rt, const RtCommand *c, char *const *argv)
{
	OptionSet set = {.options = c->options,
		.n = c->n_options,
		.stop_at_arg = c->stop_at_arg,
		.go_flags = TRUE};
	g_autofree void *options = g_malloc0(MAX(c->options_size, 1));
	g_autofree char **args = NULL;
	g_autofree char *wrong = NULL;
	g_autoptr(GError) error = NULL;
	gboolean help = FALSE;
	int rc = 1;
	if (!options_parse(&set, argv, options, &args, &help, &error)) {
		printf("Incorrect Usage: %s\n\n", error->message);
		help_command(c);
		rt_log_fatal(error->message);
	} else if (help) {
		help_command(c);
		rc = 0;
	} else if ((wrong = check_args(c, g_strv_length(args)))) {
		printf("Incorrect Usage.\n\n");
		help_command(c);
		rt_log_fatal(wrong);
	} else {
		rc = c->run(rt, options, args, &error);
		if (error) {
			if (c->failed)
				g_prefix_error(&error, "%s", c->failed);
			fflush(stdout);
			rt_log_fatal(error->message);
			rc = c->failed_status ? c->failed_status : 1;
		}
	}
	options_clear(c->options, c->n_options, options);
	return rc;
}

static const RtCommand *find(const char *name)
{
	for (const RtCommand *const *c = commands; *c; c++) {
		if (strcmp((*c)->name, name) == 0)
			return *c;
	}
	return NULL;
}

static int no_topic(const char *name)
{
	g_autofree char *text = g_strdup_printf("No help topic for '%s'", name);
	rt_log_fatal(text);
	return 3;
}

/* Of these a process enters a container. */
static gboolean enters(const char *command)
{
	static const char *const those[] = {"create", "run", "exec", NULL};
	return g_strv_contains(those, command);
}

static int dispatch(const Rt *rt, char *const *args)
{
	if (!args[0]) {
		show_program();
		return 0;
	}
	if (strcmp(args[0], "help") == 0 || strcmp(args[0], "h") == 0) {
		const RtCommand *about = args[1] ? find(args[1]) : NULL;
		if (args[1] && !about)
			return no_topic(args[1]);
		if (about)
			help_command(about);
		else
			show_program();
		return 0;
	}
	const RtCommand *c = find(args[0]);
	return c ? run_command(rt, c, args + 1) : no_topic(args[0]);
}

int main(int argc, char **argv)
{
	Rt rt = {0};
	g_autofree char **args = NULL;
	g_autofree char *root = NULL;
	g_autoptr(GError) error = NULL;
	gboolean help = FALSE;
	int rc = 1;
	if (!options_parse(&global_set, argv + MIN(argc, 1), &rt, &args, &help, &error)) {
		printf("Incorrect Usage. %s\n\n", error->message);
		show_program();
		rt_log_fatal(error->message);
		return 1;
	}
	if (!rt.root || !*rt.root)
		rt.root = root = state_default_root();
	if (rt.version) {
		printf(PROGRAM " version " DHOW_VERSION "\nspec: " OCI_VERSION "\n");
		rc = 0;
	} else if (help) {
		show_program();
		rc = 0;
	} else if (!rt_log_open(&rt, &error) ||
		   (args[0] && enters(args[0]) && !dh_seal_self(argv, &error))) {
		rt_log_fatal(error->message);
	} else {
		rc = dispatch(&rt, args);
	}
	if (fflush(stdout) != 0 && rc == 0) {
		rt_log_fatal("write to stdout failed");
		rc = 1;
	}
	return rc;
}

/* SPDX-License-Identifier: MIT */
/* main.c - global options, choice of the command, help, exit codes. */
#include "cli/command.h"

#include "base/error.h"
#include "cli/commands.h"
#include "cli/daemon_start.h"
#include "cli/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 125 };

typedef struct {
	GPtrArray *hosts;
	char *config, *context, *log_level, *tlscacert, *tlscert, *tlskey;
	gboolean debug, version, daemon, tls, tlsverify, trace;
} GlobalOptions;

/* clang-format off */
static const OptionSpec global_specs[] = {
	{0, "config", OPT_STRING, offsetof(GlobalOptions, config), "string",
		"Location of client config files", "\"~/.docker\""},
	{'c', "context", OPT_STRING, offsetof(GlobalOptions, context), "string",
		"Name of the context to use to connect to the daemon (only \"default\" exists)"},
	{'d', "daemon", OPT_BOOL, offsetof(GlobalOptions, daemon), NULL,
		"Run the daemon in the foreground with the arguments that follow"},
	{'D', "debug", OPT_BOOL, offsetof(GlobalOptions, debug), NULL, "Enable debug mode"},
	{'H', "host", OPT_LIST, offsetof(GlobalOptions, hosts), "list",
		"Daemon socket to connect to"},
	{'l', "log-level", OPT_STRING, offsetof(GlobalOptions, log_level), "string",
		"Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")",
		"\"info\""},
	{0, "tls", OPT_BOOL, offsetof(GlobalOptions, tls), NULL, "Use TLS", NULL, OPT_HIDDEN},
	{0, "tlsverify", OPT_BOOL, offsetof(GlobalOptions, tlsverify), NULL, "Use TLS", NULL,
		OPT_HIDDEN},
	{0, "tlscacert", OPT_STRING, offsetof(GlobalOptions, tlscacert), "string", "CA", NULL,
		OPT_HIDDEN},
	{0, "tlscert", OPT_STRING, offsetof(GlobalOptions, tlscert), "string", "Certificate", NULL,
		OPT_HIDDEN},
	{0, "tlskey", OPT_STRING, offsetof(GlobalOptions, tlskey), "string", "Key", NULL,
		OPT_HIDDEN},
	{0, "trace", OPT_BOOL, offsetof(GlobalOptions, trace), NULL,
		"Print where the command's time went, in all processes"},
	{'v', "version", OPT_BOOL, offsetof(GlobalOptions, version), NULL,
		"Print version information and quit"},
};
/* clang-format on */

static const Command root = {
	.name = "",
	.usage = "[OPTIONS] COMMAND [ARG...]",
	.summary = "A self-sufficient runtime for containers",
	.max_args = -1,
	.stop_at_arg = TRUE,
	.options = global_specs,
	.n_options = G_N_ELEMENTS(global_specs),
	.options_size = sizeof(GlobalOptions),
};

static const char *entry_summary(const CommandEntry *e)
{
	return e->command ? e->command->summary : e->summary;
}

static void list_commands(GString *out, const char *family, gboolean common)
{
	for (size_t i = 0; common && commands_nth_common(i); i++) {
		const CommandEntry *e = commands_find("", commands_nth_common(i));
		if (e && e->command)
			g_string_append_printf(out, "  %-11s %s\n", e->name, entry_summary(e));
	}
	for (size_t i = 0; !common && commands_nth(i); i++) {
		const CommandEntry *e = commands_nth(i);
		gboolean is_common = FALSE;
		for (size_t k = 0; !*family && commands_nth_common(k); k++)
			is_common |= strcmp(commands_nth_common(k), e->name) == 0;
		if (strcmp(e->family, family) == 0 && e->command && !e->alias && !is_common)
			g_string_append_printf(out, "  %-11s %s\n", e->name, entry_summary(e));
	}
}

static char *root_help(const char *program)
{
	GString *out = g_string_new(NULL);
	g_string_append_printf(out, "Usage:  %s [OPTIONS] COMMAND\n\n%s\n\nCommon Commands:\n",
		program, root.summary);
	list_commands(out, "", TRUE);
	g_string_append(out, "\nManagement Commands:\n");
	for (size_t i = 0; commands_nth_family(i); i++) {
		const CommandFamily *f = commands_nth_family(i);
		if (f->built)
			g_string_append_printf(out, "  %-11s %s\n", f->name, f->summary);
	}
	g_string_append(out, "\nCommands:\n");
	list_commands(out, "", FALSE);
	g_string_append(out, "\nGlobal Options:\n");
	options_help(global_specs, G_N_ELEMENTS(global_specs), cli_width(), out);
	g_string_append_printf(
		out, "\nRun '%s COMMAND --help' for more information on a command.\n", program);
	return g_string_free(out, FALSE);
}

static char *family_help(const char *program, const CommandFamily *f)
{
	GString *out = g_string_new(NULL);
	g_string_append_printf(
		out, "Usage:  %s %s COMMAND\n\n%s\n\nCommands:\n", program, f->name, f->summary);
	list_commands(out, f->name, FALSE);
	g_string_append_printf(out,
		"\nRun '%s %s COMMAND --help' for more information on a command.\n", program,
		f->name);
	return g_string_free(out, FALSE);
}

/* docker's shape of a usage error: what, the usage line, where to read more. */
static void print_usage_error(
	const char *what, const char *path, const char *usage, const char *verb)
{
	fprintf(stderr, "%s\n\n", what);
	if (usage)
		fprintf(stderr, "Usage:  %s%s%s\n\n", path, *usage ? " " : "", usage);
	fprintf(stderr, "%s '%s --help' for more information\n", verb, path);
}

static int unknown_command(const Cli *cli, const char *parent, const char *name)
{
	g_autofree char *path =
		*parent ? g_strdup_printf("%s %s", cli->program, parent) : g_strdup(cli->program);
	g_autofree char *what =
		g_strdup_printf("%s: unknown command: %s %s", cli->program, path, name);
	print_usage_error(what, path, *parent ? "" : NULL, "Run");
	return 1;
}

static int not_built(const Cli *cli, const char *name)
{
	fprintf(stderr, "%s: '%s' is not built yet\n", cli->program, name);
	return 1;
}

/* path: "container ls"; argv: what follows it. */
static int run_command(Cli *cli, const Command *c, const char *words, char *const *argv)
{
	g_autofree char *path = g_strdup_printf("%s %s", cli->program, words);
	g_autofree void *options = g_malloc0(MAX(c->options_size, 1));
	g_autofree char **args = NULL;
	g_autoptr(GError) error = NULL;
	gboolean help = FALSE;
	int rc = 0;

	if (!command_parse(c, argv, options, &args, &help, &error)) {
		print_usage_error(error->message, path, c->usage, "Run");
		rc = EXIT_USAGE;
	} else if (help) {
		g_autofree char *text = command_help(c, path, cli_width());
		fputs(text, stdout);
	} else {
		g_autofree char *wrong = command_check_args(c, g_strv_length(args));
		if (wrong) {
			g_autofree char *what =
				g_strdup_printf("%s: '%s' %s", cli->program, path, wrong);
			/* docker's own wording depends on which of its checks failed */
			gboolean at_least = c->max_args < 0;
			print_usage_error(what, path, c->usage, at_least ? "See" : "Run");
			rc = 1;
		} else {
			rc = c->run(cli, options, args, &error);
			if (error) {
				fflush(stdout);
				fprintf(stderr, "%s\n", error->message);
				rc = rc ? rc : 1;
			}
		}
	}
	command_clear_options(c, options);
	return rc;
}

static int run_family(Cli *cli, const CommandFamily *f, char *const *argv)
{
	if (!f->built)
		return not_built(cli, f->name);
	const char *name = argv[0];
	if (!name || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		g_autofree char *text = family_help(cli->program, f);
		fputs(text, name ? stdout : stderr);
		return 0;
	}
	if (name[0] == '-' && name[1]) {
		g_autofree char *path = g_strdup_printf("%s %s", cli->program, f->name);
		g_autofree char *what =
			name[1] == '-' ? g_strdup_printf("unknown flag: %.*s",
						 (int)strcspn(name, "="), name)
				       : g_strdup_printf("unknown shorthand flag: '%c' in %s",
						 name[1], name);
		print_usage_error(what, path, "", "Run");
		return EXIT_USAGE;
	}
	const CommandEntry *e = commands_find(f->name, name);
	if (!e)
		return unknown_command(cli, f->name, name);
	g_autofree char *words = g_strdup_printf("%s %s", f->name, name);
	return e->command ? run_command(cli, e->command, words, argv + 1) : not_built(cli, words);
}

/* help [COMMAND...] */
static int run_help(Cli *cli, char *const *argv)
{
	g_autofree char *text = NULL;
	const CommandFamily *f = argv[0] ? commands_find_family(argv[0]) : NULL;
	const CommandEntry *e = argv[0] ? commands_find("", argv[0]) : NULL;
	g_autofree char *words = g_strdup(argv[0]);
	gboolean too_many = argv[0] && argv[1];

	if (argv[0] && strcmp(argv[0], "--help") == 0)
		argv++;
	if (!argv[0]) {
		text = root_help(cli->program);
		fputs(text, stdout);
		return 0;
	}
	if (f && argv[1]) {
		e = commands_find(f->name, argv[1]);
		f = NULL;
		g_free(words);
		words = g_strdup_printf("%s %s", argv[0], argv[1]);
		too_many = argv[2] != NULL;
	}
	if (too_many || (!f && !e)) {
		g_autofree char *topic = g_strjoinv(" ", (char **)argv);
		fprintf(stderr, "unknown help topic: %s\n", topic);
		return 1;
	}
	if (f ? !f->built : !e->command)
		return not_built(cli, words);
	if (f) {
		text = family_help(cli->program, f);
	} else {
		g_autofree char *path = g_strdup_printf("%s %s", cli->program, words);
		text = command_help(e->command, path, cli_width());
	}
	fputs(text, stdout);
	return 0;
}

static int dispatch(Cli *cli, char *const *args)
{
	if (!args[0]) {
		g_autofree char *text = root_help(cli->program);
		fputs(text, stderr);
		return 0;
	}
	if (strcmp(args[0], "help") == 0)
		return run_help(cli, args + 1);
	const CommandFamily *f = commands_find_family(args[0]);
	if (f)
		return run_family(cli, f, args + 1);
	const CommandEntry *e = commands_find("", args[0]);
	if (!e)
		return unknown_command(cli, "", args[0]);
	return e->command ? run_command(cli, e->command, args[0], args + 1)
			  : not_built(cli, args[0]);
}

gboolean cli_set_host(Cli *cli, const char *host, GError **error)
{
	const char *default_host = "unix://" CLI_DEFAULT_SOCKET;
	if (g_str_has_prefix(host, "tcp://") || g_str_has_prefix(host, "http://") ||
		g_str_has_prefix(host, "https://") || g_str_has_prefix(host, "ssh://"))
		return dh_error(error, DH_ERROR_NOT_BUILT,
			"cannot connect to %s: only unix:// sockets are built yet", host);
	if (!g_str_has_prefix(host, "unix://") || (host[7] && host[7] != '/'))
		return dh_error(error, DH_ERROR_INVALID, "unable to parse docker host `%s`", host);
	g_free(cli->host);
	cli->host = g_strdup(host[7] ? host : default_host);
	cli->host_is_default = strcmp(cli->host, default_host) == 0;
	return TRUE;
}

static gboolean apply_globals(Cli *cli, const GlobalOptions *g, GError **error)
{
	static const char *const levels[] = {
		"panic", "fatal", "error", "warn", "warning", "info", "debug", "trace", NULL};
	const char *level = g->log_level ? g->log_level : "info";
	if (!g_strv_contains(levels, level))
		return dh_error(
			error, DH_ERROR_INVALID, "Unable to parse logging level: %s", level);
	if (g->tls || g->tlsverify || g->tlscacert || g->tlscert || g->tlskey)
		return dh_error(error, DH_ERROR_NOT_BUILT,
			"TLS is not built yet: connect to the daemon through its unix:// socket");
	if (g->context && *g->context && strcmp(g->context, "default") != 0)
		return dh_error(error, DH_ERROR_NOT_FOUND,
			"Failed to initialize: unable to resolve docker endpoint: context \"%s\": "
			"context not found",
			g->context);
	cli->debug = g->debug;
	cli->log_level = g_strdup(level);
	const char *config = g->config ? g->config : getenv("DOCKER_CONFIG");
	const char *home = getenv("HOME");
	cli->config_dir = config && *config
				  ? g_strdup(config)
				  : g_build_filename(home ? home : "/root", ".docker", NULL);
	if (g->hosts && g->hosts->len > 1)
		return dh_error(error, DH_ERROR_INVALID,
			"Failed to initialize: unable to resolve docker endpoint: Specify only one "
			"-H");
	const char *host = g->hosts ? g->hosts->pdata[0] : getenv("DHOW_HOST");
	if (!host || !*host)
		host = getenv("DOCKER_HOST");
	return cli_set_host(cli, host && *host ? host : "unix://", error);
}

/* The place of "-d", "--daemon" or "daemon" among the global options, or 0: what follows is the
 * daemon's and not ours to parse. */
static int find_daemon_word(int argc, char *const *argv)
{
	static const char *const words[] = {"-d", "--daemon", "daemon", NULL};
	static const char *const valued[] = {
		"-H", "--host", "-l", "--log-level", "--config", "-c", "--context", NULL};
	for (int i = 1; i < argc; i++) {
		if (g_strv_contains(words, argv[i]))
			return i;
		if (argv[i][0] != '-')
			return 0;
		if (g_strv_contains(valued, argv[i]))
			i++;
	}
	return 0;
}

static int run_daemon(int argc, char **argv, int at)
{
	g_autoptr(GPtrArray) args = g_ptr_array_new();
	g_autoptr(GError) error = NULL;
	for (int i = 1; i < argc; i++) {
		if (i != at)
			g_ptr_array_add(args, argv[i]);
	}
	g_ptr_array_add(args, NULL);
	daemon_exec((char *const *)args->pdata, &error);
	fprintf(stderr, "%s\n", error->message);
	return EXIT_USAGE;
}

int cli_main(int argc, char **argv)
{
	GlobalOptions g = {0};
	g_autofree char **args = NULL;
	g_autoptr(GError) error = NULL;
	gboolean help = FALSE;
	int rc = 0;
	Cli cli = {.program = "dhow"};

	int at = find_daemon_word(argc, argv);
	if (at)
		return run_daemon(argc, argv, at);
	if (!command_parse(&root, argv + MIN(argc, 1), &g, &args, &help, &error)) {
		print_usage_error(error->message, cli.program, root.usage, "Run");
		rc = EXIT_USAGE;
	} else if (g.version) {
		printf("Dhow version %s\n", DHOW_VERSION);
	} else if (help) {
		g_autofree char *text = root_help(cli.program);
		fputs(text, stdout);
	} else if (!apply_globals(&cli, &g, &error)) {
		fprintf(stderr, "%s\n", error->message);
		rc = 1;
	} else {
		if (g.trace)
			trace_begin(&cli);
		rc = dispatch(&cli, args);
		if (g.trace)
			trace_end(&cli);
	}
	command_clear_options(&root, &g);
	if (fflush(stdout) != 0 && rc == 0) {
		perror("write to stdout");
		rc = 1;
	}
	g_free(cli.host);
	g_free(cli.config_dir);
	g_free(cli.log_level);
	return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * command.h - commands and their options as tables: what parses also prints the help.
 *
 * A command's options live in a structure of its own (base/options.h). For commands with
 * stop_at_arg the first plain argument ends them (run, exec, create).
 */
#pragma once

#include "base/options.h"

typedef struct Cli Cli;
typedef struct Command Command;

struct Command {
	const char *name;    /* "run" */
	const char *usage;   /* "[OPTIONS] IMAGE [COMMAND] [ARG...]" */
	const char *summary; /* one line */
	const char *details; /* longer text for help, or NULL */
	const char *aliases; /* "docker container run, docker run": printed under Aliases with the
			      * program's own name, or NULL */
	int min_args, max_args; /* -1: any number */
	gboolean stop_at_arg;
	const OptionSpec *options;
	size_t n_options;
	size_t options_size;             /* of the structure, 0: none */
	void (*defaults)(void *options); /* or NULL: zeroed */
	/* Returns the exit code; errors that come back are printed by the caller ("Error response
	 * from daemon: " is part of the message when the daemon said it) and give exit code 1 (125
	 * for run/create/start -a: they return it themselves). */
	int (*run)(Cli *cli, void *options, char **args, GError **error);
	gboolean hidden;
};

/* Global state of one invocation. */
struct Cli {
	char *host; /* unix:///..., as resolved from -H, DHOW_HOST, DOCKER_HOST, default */
	gboolean host_is_default; /* then the daemon is started on demand */
	char *config_dir;         /* ~/.docker */
	const char *program;      /* "dhow" */
	gboolean debug;
	char *log_level;
	unsigned expected; /* connections to make ahead (client.c) */
};

int cli_main(int argc, char **argv);

/* The environment's or flags' host is checked here once: an absolute socket path, or an error that
 * says what is not built. */
gboolean cli_set_host(Cli *cli, const char *host, GError **error);

/* Fills options (c->options_size bytes, zeroed by the caller; defaults are set here) from argv,
 * whose strings stay referenced. ret_args: the plain arguments, NULL-terminated; free with g_free.
 * *ret_help: --help was among them (the number of arguments is not checked then). Errors are
 * DH_ERROR_INVALID and worded as docker's. */
gboolean command_parse(const Command *c, char *const *argv, void *options, char ***ret_args,
	gboolean *ret_help, GError **error);
/* Frees the lists that command_parse made. */
void command_clear_options(const Command *c, void *options);
/* NULL when n plain arguments suit the command, else "requires 1 argument" ... (caller frees). */
char *command_check_args(const Command *c, guint n);

/* Help text as docker lays it out; path is "dhow container run"; width in columns. Caller frees. */
char *command_help(const Command *c, const char *path, int width);
/* Only the table of options (with its indentation), appended to out. */
void options_help(const OptionSpec *options, size_t n, int width, GString *out);
/* Terminal width of stdout, 80 if it is none. */
int cli_width(void);

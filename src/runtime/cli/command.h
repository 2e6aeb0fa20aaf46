/* SPDX-License-Identifier: MIT */
/*
 * command.h - dhow-runtime's commands as tables (base/options.h): runc's command line, whose words,
 * texts and exit codes those who call a runtime rely on.
 */
#pragma once

#include "base/options.h"

#define PROGRAM "dhow-runtime"
#define OCI_VERSION "1.2.0"

/* Global options of one invocation. */
typedef struct {
	gboolean debug, systemd_cgroup, version;
	char *log, *log_format;
	char *root; /* directory with one directory for each container */
	char *rootless;
	char *criu;
} Rt;

typedef struct {
	const char *name;
	const char *summary;
	const char *usage;     /* what follows the name; NULL: "[command options] <container-id>" */
	const char *arguments; /* text about the arguments, or NULL: "Where <container-id> is" */
	const char *description; /* or NULL */
	int min_args, max_args;  /* -1: any number */
	gboolean stop_at_arg;
	const OptionSpec *options;
	size_t n_options, options_size;
	const char *failed; /* what its errors begin with, or NULL */
	int failed_status;  /* exit code of its errors, 0: 1 */
	/* The exit code; with *error set, the error's. */
	int (*run)(const Rt *rt, void *options, char **args, GError **error);
} RtCommand;

extern const RtCommand cmd_create, cmd_delete, cmd_events, cmd_exec, cmd_features, cmd_kill,
	cmd_list, cmd_pause, cmd_ps, cmd_resume, cmd_run, cmd_spec, cmd_start, cmd_state,
	cmd_update;

/* help.c */
void help_program(const RtCommand *const *commands, const OptionSpec *globals, size_t n_globals);
void help_command(const RtCommand *c);

/* log.c: to the file of --log (else stderr), as text or JSON, one line a message. */
typedef enum { RT_LOG_DEBUG, RT_LOG_INFO, RT_LOG_WARN, RT_LOG_ERROR } RtLogLevel;
gboolean rt_log_open(const Rt *rt, GError **error);
void rt_log(RtLogLevel level, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* An error that ends the program: in the log, and on stderr if the log is elsewhere. */
void rt_log_fatal(const char *message);

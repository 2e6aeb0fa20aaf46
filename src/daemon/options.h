/* SPDX-License-Identifier: MIT */
/* options.h - dhowd's flags and its configuration file (dockerd's names and keys). */
#pragma once

#include "container/engine.h"

#define DEFAULT_DATA_ROOT "/var/lib/dhow"
#define DEFAULT_EXEC_ROOT "/run/dhow"
#define DEFAULT_PIDFILE "/run/dhow.pid"
#define DEFAULT_HOST "unix:///var/run/dhow.sock"
#define DEFAULT_CONFIG_FILE "/etc/dhow/daemon.json"

typedef struct {
	EngineConfig engine;
	EngineSettings *settings;
	char *config_file;
	char **hosts;
	char *pidfile;
	char *group;
	gboolean version;  /* print it and end */
	gboolean validate; /* say whether configuration and state can be used, and end */
	int handover;      /* with it: the protocol by which we would have to take over */
} DaemonOptions;

/* Flags first, then the file for what no flag said; a key given in both is an error, as in dockerd.
 * Can be called again with the same argv, when the file is another. *ret is to be cleared in any
 * case. Exits after --help. */
gboolean daemon_options_parse(char *const *argv, DaemonOptions *ret, GError **error);
void daemon_options_clear(DaemonOptions *o);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DaemonOptions, daemon_options_clear)

/* The file's keys by which they differ, without those of EngineSettings: it takes a new engine to
 * change them. Free with g_strfreev. */
char **daemon_options_differences(const DaemonOptions *a, const DaemonOptions *b);

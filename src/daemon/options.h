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
	char **hosts;
	char *pidfile;
	char *group;
	gboolean version;  /* print it and end */
	gboolean validate; /* say whether configuration and state can be used, and end */
	int handover;      /* with it: the protocol by which we would have to take over */
} DaemonOptions;

/* Flags first, then the file for what no flag said; a key given in both is an error, as in dockerd.
 * Exits after --help. */
gboolean daemon_options_parse(int argc, char **argv, DaemonOptions *ret, GError **error);

/* SPDX-License-Identifier: MIT */
/* daemon_start.h - dhowd on demand, and dhowd in our place. */
#pragma once

#include "cli/command.h"

#define CLI_DEFAULT_SOCKET "/var/run/dhow.sock"

/* Starts dhowd in the background and waits until it says that it listens; when another command is
 * doing so already, waits for that one. connected: asked (with arg) after the lock is ours whether
 * the daemon has come up meanwhile. The error quotes the last line of the daemon's log. */
gboolean daemon_start(gboolean (*connected)(void *arg), void *arg, GError **error);

/* Becomes dhowd with these arguments (without argv[0]); returns only on failure. */
void daemon_exec(char *const *args, GError **error);

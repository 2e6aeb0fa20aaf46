/* SPDX-License-Identifier: MIT */
/* systemd.h - the two protocols between a service and systemd, which need no library. */
#pragma once

#include <glib.h>

/* The listening sockets that systemd opened for us (LISTEN_PID, LISTEN_FDS), O_CLOEXEC; NULL: none.
 * Array of int, in systemd's order; asked for once, as the variables are removed. */
GArray *systemd_sockets(void);

/* "READY=1" and the like to whoever waits at NOTIFY_SOCKET; silent without one. */
void systemd_notify(const char *text);

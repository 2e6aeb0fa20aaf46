/* SPDX-License-Identifier: MIT */
/* listen.h - the sockets that -H asks for: made here, by systemd, or by the daemon before us. */
#pragma once

#include "base/json.h"
#include "daemon/options.h"

typedef struct {
	char *host; /* as -H said */
	int fd;
} Listener;

/* Array of Listener with a clear function that closes nothing. handed: what listeners_export gave,
 * or NULL; those of its sockets that nobody wants any more are closed. */
GArray *listen_all(const DaemonOptions *o, const json_t *handed, GError **error);

/* With the numbers of the descriptors. */
json_t *listeners_export(const GArray *listeners);

/* The files of those that we made. */
void listeners_unlink(const GArray *listeners);

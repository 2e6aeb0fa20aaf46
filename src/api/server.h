/* SPDX-License-Identifier: MIT */
/*
 * server.h - HTTP over unix sockets (libmicrohttpd, a thread per connection), and the route table.
 */
#pragma once

#include "container/engine.h"

#define API_VERSION "1.51"
#define API_MIN_VERSION "1.24"

typedef struct ApiServer ApiServer;

/* Serves on these listening sockets (taken over). */
ApiServer *api_server_start(Engine *e, const int *listeners, guint n, GError **error);
/* Stops accepting, lets running requests end for at most timeout_ms, frees. */
void api_server_stop(ApiServer *s, guint timeout_ms);

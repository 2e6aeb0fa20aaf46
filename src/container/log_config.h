/* SPDX-License-Identifier: MIT */
/* log_config.h - log drivers and their options: what is asked for, checked, and as the shim gets
 * it. */
#pragma once

#include "container/container.h"
#include "shim/protocol.h"

/* Its driver's name. */
const char *log_driver(const Container *c);
/* The youngest file of a driver that has files, or NULL. Caller frees. */
char *log_file_path(const Container *c);
/* How many messages were left out of its log. */
int64_t log_dropped(Container *c);

gboolean log_config_validate(const HostConfig *h, GError **error);

/* Release with log_config_clear. driver is borrowed. */
gboolean log_config_fill(Container *c, ShimLog *ret, GError **error);
void log_config_clear(ShimLog *log);

/* SPDX-License-Identifier: MIT */
/* log_local.h - the log driver "local": see model/log_record.h. As log_json.h otherwise. */
#pragma once

#include "shim/protocol.h"

typedef struct LogLocal LogLocal;

LogLocal *log_local_open(const ShimLog *config, GError **error);
void log_local_write(LogLocal *l, int stream, const char *data, size_t n);
guint64 log_local_take_lost(LogLocal *l);
/* Leaves out all there is to write, for now. */
void log_local_hold_back(LogLocal *l, gboolean on);
void log_local_idle(LogLocal *l);
void log_local_finish(LogLocal *l);
void log_local_close(LogLocal *l);
/* Its descriptor now, or -1. */
int log_local_fd(const LogLocal *l);

/* SPDX-License-Identifier: MIT */
/* log_local.h - the log driver "local": see model/log_record.h. As log_json.h otherwise. */
#pragma once

#include "shim/log_file.h"

typedef struct LogLocal LogLocal;

LogLocal *log_local_open(const ShimLog *config, GError **error);
void log_local_write(LogLocal *l, int stream, const char *data, size_t n);
void log_local_idle(LogLocal *l);
void log_local_finish(LogLocal *l);
void log_local_close(LogLocal *l);
LogFile *log_local_file(LogLocal *l);

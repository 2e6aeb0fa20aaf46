/* SPDX-License-Identifier: MIT */
/* log.h - the daemon's own log: one line a message on stderr. Libraries do not log, programs do. */
#pragma once

#include <glib.h>

typedef enum { DH_LOG_DEBUG, DH_LOG_INFO, DH_LOG_WARN, DH_LOG_ERROR } DhLogLevel;

void dh_log_set_level(DhLogLevel level);
gboolean dh_log_parse_level(const char *name, DhLogLevel *ret);
const char *dh_log_level_name(DhLogLevel level);

/* time="..." level=info msg="..." */
void dh_log(DhLogLevel level, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

#define dh_debug(...) dh_log(DH_LOG_DEBUG, __VA_ARGS__)
#define dh_info(...) dh_log(DH_LOG_INFO, __VA_ARGS__)
#define dh_warn(...) dh_log(DH_LOG_WARN, __VA_ARGS__)
#define dh_log_error(...) dh_log(DH_LOG_ERROR, __VA_ARGS__)

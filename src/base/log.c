/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/timefmt.h"

#include <string.h>
#include <unistd.h>

static DhLogLevel min_level = DH_LOG_INFO;
static const char *const names[] = {"debug", "info", "warn", "error"};

void dh_log_set_level(DhLogLevel level)
{
	min_level = level;
}

gboolean dh_log_parse_level(const char *name, DhLogLevel *ret)
{
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		if (strcmp(name, names[i]) == 0 ||
			(i == DH_LOG_WARN && strcmp(name, "warning") == 0)) {
			*ret = i;
			return TRUE;
		}
	}
	if (strcmp(name, "fatal") == 0) {
		*ret = DH_LOG_ERROR;
		return TRUE;
	}
	return FALSE;
}

void dh_log(DhLogLevel level, const char *fmt, ...)
{
	if (level < min_level)
		return;
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	g_autofree char *escaped = g_strescape(text, NULL);
	g_autofree char *now = dh_time_format(dh_time_now());
	g_autofree char *line =
		g_strdup_printf("time=\"%s\" level=%s msg=\"%s\"\n", now, names[level], escaped);
	ssize_t r = write(STDERR_FILENO, line, strlen(line));
	(void)r; /* nobody left to tell */
}

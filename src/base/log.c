/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/timefmt.h"

#include <string.h>
#include <unistd.h>

static gint min_level = DH_LOG_INFO; /* atomic */
static const char *const names[] = {"debug", "info", "warn", "error"};

void dh_log_set_level(DhLogLevel level)
{
	g_atomic_int_set(&min_level, (gint)level);
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
	/* The ends of dockerd's scale, which ours lacks. */
	gboolean beyond = strcmp(name, "fatal") == 0 || strcmp(name, "panic") == 0;
	gboolean below = strcmp(name, "trace") == 0;
	if (beyond || below)
		*ret = beyond ? DH_LOG_ERROR : DH_LOG_DEBUG;
	return beyond || below;
}

const char *dh_log_level_name(DhLogLevel level)
{
	return names[level];
}

void dh_log(DhLogLevel level, const char *fmt, ...)
{
	if ((gint)level < g_atomic_int_get(&min_level))
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

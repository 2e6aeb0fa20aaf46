/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/timefmt.h"
#include "runtime/cli/command.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"debug", "info", "warning", "error"};

static struct {
	int fd;
	gboolean own, json, debug;
} target = {.fd = STDERR_FILENO};

gboolean rt_log_open(const Rt *rt, GError **error)
{
	const char *format = rt->log_format ? rt->log_format : "text";
	target.debug = rt->debug;
	target.json = strcmp(format, "json") == 0;
	if (!target.json && strcmp(format, "text") != 0)
		return dh_error(error, DH_ERROR_INVALID, "invalid log-format: %s", format);
	if (!rt->log || !*rt->log)
		return TRUE;
	int fd = open(rt->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return rt_error_errno(error, errno, "open %s", rt->log);
	target.fd = fd;
	target.own = TRUE;
	return TRUE;
}

/* Go's %q, as far as messages need it. */
static char *quote(const char *text)
{
	GString *out = g_string_new("\"");
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			g_string_append_printf(out, "\\%c", *p);
		else if (*p == '\n')
			g_string_append(out, "\\n");
		else if (*p == '\t')
			g_string_append(out, "\\t");
		else if ((guchar)*p < 0x20 || *p == 0x7f)
			g_string_append_printf(out, "\\x%02x", (guchar)*p);
		else
			g_string_append_c(out, *p);
	}
	g_string_append_c(out, '"');
	return g_string_free(out, FALSE);
}

static char *format_line(RtLogLevel level, const char *message)
{
	g_autofree char *when = dh_time_format(dh_time_now() / DH_NSEC * DH_NSEC);
	if (!target.json) {
		g_autofree char *quoted = quote(message);
		return g_strdup_printf("time=\"%s\" level=%s msg=%s\n", when, names[level], quoted);
	}
	g_autofree char *valid = g_utf8_make_valid(message, -1);
	g_autoptr(json_t) line =
		json_pack("{s:s, s:s, s:s}", "level", names[level], "msg", valid, "time", when);
	g_autofree char *text = dh_json_dumps(line, 0);
	return g_strconcat(text, "\n", NULL);
}

void rt_log(RtLogLevel level, const char *fmt, ...)
{
	if (level == RT_LOG_DEBUG && !target.debug)
		return;
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *message = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	g_autofree char *line = format_line(level, message);
	(void)dh_write_all(target.fd, line, strlen(line));
}

void rt_log_fatal(const char *message)
{
	/* What was printed before it comes before it, where both go to one place. */
	fflush(stdout);
	rt_log(RT_LOG_ERROR, "%s", message);
	if (target.own)
		fprintf(stderr, "%s\n", message);
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: output is cut into lines; a line becomes one record when its newline is
 * seen, or when it has grown to 16 KiB (a partial record, without "\n" in it). Records are gathered
 * in one buffer and written with one write(2) for each piece of output that was read, so that a
 * record is never torn between two files and never waits. The time is taken once for each piece.
 * Bytes that need no escape, nearly all, are copied in runs.
 */
#include "shim/log_json.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/timefmt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINE = 16 * 1024, FLUSH_AT = 64 * 1024 };

struct LogJson {
	char *path;
	int fd;
	int64_t size, max_size, max_files;
	char *attrs; /* ",\"attrs\":{...}" or "" */
	GString *partial[2];
	GString *out;
	guint64 dropped; /* bytes that could not be written */
};

/* 1: copied as it is. */
static guint8 plain[256];

static void init_plain(void)
{
	for (int c = 0x20; c < 0x7f; c++)
		plain[c] = 1;
	plain['"'] = plain['\\'] = plain['<'] = plain['>'] = plain['&'] = 0;
}

static void append_escaped(GString *out, const char *s, size_t n)
{
	const char *end = s + n;
	while (s < end) {
		const char *run = s;
		while (s < end && plain[(guint8)*s])
			s++;
		g_string_append_len(out, run, s - run);
		if (s == end)
			return;
		guint8 c = (guint8)*s;
		if (c < 0x80) {
			if (c == '"' || c == '\\')
				g_string_append_printf(out, "\\%c", c);
			else if (c == '\n')
				g_string_append(out, "\\n");
			else if (c == '\r')
				g_string_append(out, "\\r");
			else if (c == '\t')
				g_string_append(out, "\\t");
			else
				g_string_append_printf(out, "\\u%04x", c);
			s++;
			continue;
		}
		gunichar u = g_utf8_get_char_validated(s, end - s);
		if (u == (gunichar)-1 || u == (gunichar)-2) {
			g_string_append(out, "\\ufffd");
			s++;
		} else if (u == 0x2028 || u == 0x2029) {
			g_string_append_printf(out, "\\u%04x", u);
			s = g_utf8_next_char(s);
		} else {
			const char *next = g_utf8_next_char(s);
			g_string_append_len(out, s, next - s);
			s = next;
		}
	}
}

static char *rotated_name(const LogJson *l, int64_t i)
{
	return i == 0 ? g_strdup(l->path) : g_strdup_printf("%s.%" G_GINT64_FORMAT, l->path, i);
}

static int open_log(LogJson *l, int flags)
{
	l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0640);
	struct stat st;
	l->size = l->fd >= 0 && fstat(l->fd, &st) == 0 ? st.st_size : 0;
	return l->fd;
}

/* path.1 is the youngest of the old ones; with one file only, it begins anew. */
static void rotate(LogJson *l)
{
	for (int64_t i = l->max_files - 1; i > 0; i--) {
		g_autofree char *from = rotated_name(l, i - 1);
		g_autofree char *to = rotated_name(l, i);
		(void)rename(from, to);
	}
	dh_close(&l->fd);
	(void)open_log(l, l->max_files == 1 ? O_TRUNC : 0);
}

static void flush(LogJson *l)
{
	if (l->out->len == 0)
		return;
	if (l->fd < 0)
		(void)open_log(l, 0);
	if (l->fd < 0 || dh_write_all(l->fd, l->out->str, l->out->len) < 0)
		l->dropped += l->out->len;
	else
		l->size += (int64_t)l->out->len;
	g_string_truncate(l->out, 0);
}

static void record(LogJson *l, int stream, const char *line, size_t n, const char *now)
{
	static const char *const names[] = {"stdout", "stderr"};
	size_t start = l->out->len;
	g_string_append_len(l->out, "{\"log\":\"", 8);
	append_escaped(l->out, line, n);
	g_string_append_len(l->out, "\",\"stream\":\"", 12);
	g_string_append_len(l->out, names[stream], 6);
	g_string_append_c(l->out, '"');
	g_string_append(l->out, l->attrs);
	g_string_append_len(l->out, ",\"time\":\"", 9);
	g_string_append(l->out, now);
	g_string_append_len(l->out, "\"}\n", 3);
	if (l->max_size < 0 || l->size + (int64_t)l->out->len <= l->max_size) {
		if (l->out->len >= FLUSH_AT)
			flush(l);
		return;
	}
	/* This record goes to the next file, what was before it to this one. */
	g_autofree char *last = g_strndup(l->out->str + start, l->out->len - start);
	size_t len = l->out->len - start;
	g_string_truncate(l->out, start);
	flush(l);
	if (l->size > 0)
		rotate(l);
	g_string_append_len(l->out, last, (gssize)len);
}

LogJson *log_json_open(const ShimLog *config, GError **error)
{
	if (g_strcmp0(config->driver, "none") == 0 || !config->path)
		return NULL;
	LogJson *l = g_new0(LogJson, 1);
	init_plain();
	l->path = g_strdup(config->path);
	l->max_size = config->max_size > 0 ? config->max_size : -1;
	l->max_files = MAX(config->max_files, 1);
	for (int i = 0; i < 2; i++)
		l->partial[i] = g_string_new(NULL);
	l->out = g_string_new(NULL);
	if (config->attrs) {
		g_autofree char *text = dh_json_dumps(config->attrs, 0);
		l->attrs = g_strdup_printf(",\"attrs\":%s", text);
	} else {
		l->attrs = g_strdup("");
	}
	if (open_log(l, 0) < 0) {
		dh_error_errno(error, errno, "open log %s", l->path);
		log_json_close(l);
		return NULL;
	}
	return l;
}

void log_json_write(LogJson *l, int stream, const char *data, size_t n)
{
	GString *partial = l->partial[stream];
	const char *end = data + n;
	char now[36];
	dh_time_format_fixed(dh_time_now(), now);
	while (data < end) {
		size_t room = MAX_LINE - partial->len;
		size_t look = MIN(room, (size_t)(end - data));
		const char *nl = memchr(data, '\n', look);
		size_t take = nl ? (size_t)(nl - data) + 1 : look;
		if (!nl && take < room) {
			g_string_append_len(partial, data, (gssize)take);
		} else if (partial->len == 0) {
			record(l, stream, data, take, now);
		} else {
			g_string_append_len(partial, data, (gssize)take);
			record(l, stream, partial->str, partial->len, now);
			g_string_truncate(partial, 0);
		}
		data += take;
	}
	flush(l);
}

void log_json_close(LogJson *l)
{
	if (!l)
		return;
	char now[36];
	dh_time_format_fixed(dh_time_now(), now);
	for (int i = 0; i < 2; i++) {
		if (l->fd >= 0 && l->partial[i]->len > 0)
			record(l, i, l->partial[i]->str, l->partial[i]->len, now);
	}
	flush(l);
	dh_close(&l->fd);
	for (int i = 0; i < 2; i++)
		g_string_free(l->partial[i], TRUE);
	g_string_free(l->out, TRUE);
	g_free(l->attrs);
	g_free(l->path);
	g_free(l);
}

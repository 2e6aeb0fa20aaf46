/* SPDX-License-Identifier: MIT */
#include "shim/log_lines.h"

#include <string.h>

enum { IDLE_SIZE = 64 };

void log_lines_init(LogLines *l)
{
	for (int i = 0; i < 2; i++)
		l->partial[i] = g_string_new(NULL);
}

void log_lines_cut(LogLines *l, int stream, const char *data, size_t n, LogLineFn fn, void *arg)
{
	GString *partial = l->partial[stream];
	const char *end = data + n;
	while (data < end) {
		size_t room = LOG_LINE_MAX - partial->len;
		size_t look = MIN(room, (size_t)(end - data));
		const char *nl = memchr(data, '\n', look);
		size_t take = nl ? (size_t)(nl - data) + 1 : look;
		if (!nl && take < room) {
			g_string_append_len(partial, data, (gssize)take);
		} else if (partial->len == 0) {
			fn(arg, stream, data, take);
		} else {
			g_string_append_len(partial, data, (gssize)take);
			fn(arg, stream, partial->str, partial->len);
			g_string_truncate(partial, 0);
		}
		data += take;
	}
}

void log_lines_finish(LogLines *l, LogLineFn fn, void *arg)
{
	for (int i = 0; i < 2; i++) {
		if (l->partial[i]->len > 0)
			fn(arg, i, l->partial[i]->str, l->partial[i]->len);
		g_string_truncate(l->partial[i], 0);
	}
}

void log_lines_idle(LogLines *l)
{
	for (int i = 0; i < 2; i++) {
		if (l->partial[i]->len == 0 && l->partial[i]->allocated_len > IDLE_SIZE) {
			g_string_free(l->partial[i], TRUE);
			l->partial[i] = g_string_new(NULL);
		}
	}
}

void log_lines_clear(LogLines *l)
{
	for (int i = 0; i < 2; i++)
		g_string_free(l->partial[i], TRUE);
}

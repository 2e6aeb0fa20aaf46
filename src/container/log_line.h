/* SPDX-License-Identifier: MIT */
/*
 * log_line.h - one line of a json-file log,
 * {"log":"...","stream":"stdout","attrs":{...},"time":"..."}, decoded without a JSON library:
 * reading a log is bound by this.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct {
	GString *text;    /* decoded "log"; the caller's buffer, reused from line to line */
	int stream;       /* 1 stdout, 2 stderr */
	const char *time; /* within the line, as it stands; time_len 0: none */
	size_t time_len;
	const char *attrs; /* within the line: the object's JSON text, or NULL */
	size_t attrs_len;
} LogLine;

/* line: without its newline. FALSE: damaged (members are then undefined). Members may come in any
 * order, unknown ones are skipped; leading NUL bytes (what a crash of the machine leaves) are
 * ignored. */
gboolean log_line_decode(const char *line, size_t n, LogLine *l);

/* The same, quickly, for a line as the shim writes nearly all of them: nothing in the text is
 * escaped but the newline at its end, nothing else is in the line. Then l->text is left alone:
 * *text is within the line, and a newline is to follow it. FALSE: try log_line_decode. */
gboolean log_line_plain(
	const char *line, size_t n, LogLine *l, const char **ret_text, size_t *ret_len);

/* "2026-11-22T03:00:00.123456789Z" (any number of decimals, Z or an offset) to ns since 1970. */
gboolean log_line_time(const char *text, size_t n, int64_t *ret);

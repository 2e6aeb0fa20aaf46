/* SPDX-License-Identifier: MIT */
/* log_lines.h - output cut into lines, of which one that is too long becomes several. */
#pragma once

#include <glib.h>

enum { LOG_LINE_MAX = 16 * 1024 }; /* bytes, the newline among them */

typedef struct {
	GString *partial[2]; /* what stdout and stderr have not ended yet */
} LogLines;

/* text ends in a newline unless it is a piece of a long line. */
typedef void (*LogLineFn)(void *arg, int stream, const char *text, size_t n);

void log_lines_init(LogLines *l);
/* Output of a stream (0 stdout, 1 stderr) as it came. */
void log_lines_cut(LogLines *l, int stream, const char *data, size_t n, LogLineFn fn, void *arg);
/* What never got its newline. */
void log_lines_finish(LogLines *l, LogLineFn fn, void *arg);
/* Gives back memory that only long lines need. */
void log_lines_idle(LogLines *l);
void log_lines_clear(LogLines *l);

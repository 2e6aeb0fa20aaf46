/* SPDX-License-Identifier: MIT */
/* progress.h - what a long request says of its parts, shown: a line each on a terminal, redrawn in
 * place; elsewhere one line per change of status. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <stdio.h>

/* How far one part is. All zero: there are no figures (yet). */
typedef struct {
	int64_t current, total;
	const char *units;    /* NULL or "": bytes */
	gboolean hide_counts; /* show the bar alone */
} ProgressFigures;

typedef struct Progress Progress;

/* Draws in place if out is a terminal that can. */
Progress *progress_new(FILE *out);
void progress_free(Progress *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Progress, progress_free)

/* A line that stays ("ID: STATUS", without id "STATUS"). The parts shown so far are left as they
 * are. Texts may hold anything: what could steer a terminal is replaced. */
void progress_say(Progress *p, const char *id, const char *status);

/* The state of part id. Without a terminal a line, unless it is only figures. */
void progress_part(Progress *p, const char *id, const char *status, const ProgressFigures *f);

/* A text as it is, line breaks included; for a terminal with what could steer it replaced. */
void progress_text(Progress *p, const char *text);

/* "[====>     ]  3.1MB/8.2MB  1.5MB/s" for at most `columns` columns: the rate (bytes a second, 0:
 * not known) goes first, then the bar. "" without figures. Caller frees. */
char *progress_figures(const ProgressFigures *f, double rate, size_t columns);

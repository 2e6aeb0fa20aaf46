/* SPDX-License-Identifier: MIT */
/* log_local.h - reading the files of the log driver "local" (model/log_record.h). */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
	guint8 kind;
	int64_t time;
	const char *text; /* within what was decoded */
	size_t len;
} LogRecord;

/* The record that p begins with: its size, 0: not all of it is here, -1: there is none. */
ssize_t log_record_decode(const char *p, size_t n, LogRecord *ret);

/* Backwards from the file's end, over at most *lines lines that are not older than since: where the
 * first of them starts. *lines becomes what is missing. */
off_t log_record_back(int fd, int64_t since, int64_t *lines);

/* The attributes that hold for the file, as JSON; NULL: none. Caller frees. */
char *log_record_attrs(int fd);

/* SPDX-License-Identifier: MIT */
/* logs.h - reading a container's json-file log: backwards for --tail, by time, following. */
#pragma once

#include "container/container.h"

/* Where reading goes on: the line that starts at pos in that file is the next one. */
typedef struct {
	gboolean known; /* in: begin here (tail is without meaning then) */
	dev_t dev;
	ino_t ino;
	off_t pos;
	gboolean unfinished; /* out: the rest is the end of what was read, there is more to come */
} LogsPosition;

typedef struct {
	gboolean use_stdout, use_stderr, follow, timestamps, details;
	int64_t since, until;   /* ns; 0: none */
	int64_t tail;           /* lines; -1: all */
	LogsPosition *position; /* or NULL */
	/* With the sink's argument, when the files are open: the log may be removed now. Or NULL.
	 */
	void (*opened)(void *arg);
} LogsRequest;

/* Writes the log to a sink as Docker's framed stream (or raw for a container with a terminal).
 * Returns when all is written, or, following, when the container has ended, or when cancel_fd hangs
 * up or is readable. sink returns 0, or -1 when the reader is gone, or 1: taken, but no more. */
typedef int (*LogsSink)(void *arg, const void *buf, size_t n);
gboolean container_logs(Container *c, const LogsRequest *r, LogsSink sink, void *arg, int cancel_fd,
	GError **error);

/* What would be refused, before a client is told that a stream follows: a log driver that cannot be
 * read (DH_ERROR_NOT_BUILT), a container that is being removed. */
gboolean container_logs_check(Container *c, GError **error);

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
	guint32 check; /* of what stands before pos, as a file may be emptied, or another get its
			* inode; 0: not known */
	gboolean unfinished; /* out: the rest is the end of what was read, there is more to come */
} LogsPosition;

/* As a word, for clients. FALSE: it is none. */
char *logs_position_text(const LogsPosition *p);
gboolean logs_position_parse(const char *text, LogsPosition *ret);

typedef struct {
	gboolean use_stdout, use_stderr, follow, timestamps, details;
	gboolean tell; /* where it is, in frames of LOGS_POSITION; all else is in frames, too */
	int64_t since, until;   /* ns; 0: none */
	int64_t tail;           /* lines; -1: all */
	LogsPosition *position; /* or NULL */
	/* With the sink's argument, when the files are open: the log may be removed now. Or NULL.
	 */
	void (*opened)(void *arg);
} LogsRequest;

/* The stream of frames with a position, as a word: what came before is before it. The first frame
 * is one. */
enum { LOGS_POSITION = 4 };

/* Writes the log to a sink as Docker's framed stream (or raw for a container with a terminal).
 * Returns when all is written, or, following, when the container has ended, or when cancel_fd hangs
 * up or is readable. sink returns 0, or -1 when the reader is gone, or 1: taken, but no more. */
typedef int (*LogsSink)(void *arg, const void *buf, size_t n);
gboolean container_logs(Container *c, const LogsRequest *r, LogsSink sink, void *arg, int cancel_fd,
	GError **error);

/* What would be refused, before a client is told that a stream follows: a log driver that cannot be
 * read (DH_ERROR_NOT_BUILT), a container that is being removed. */
gboolean container_logs_check(Container *c, GError **error);

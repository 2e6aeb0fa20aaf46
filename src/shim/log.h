/* SPDX-License-Identifier: MIT */
/* log.h - where the container's output is kept, whatever driver keeps it. */
#pragma once

#include "shim/loop.h"
#include "shim/protocol.h"

typedef struct Log Log;

/* NULL (without error) for driver "none". dir: where SHIM_DROPPED_NAME is kept. flow is told when
 * log_is_slow may have changed. A log that cannot be opened is an error: nobody would know. */
Log *log_open(const ShimLog *config, const char *dir, Loop *loop, void (*flow)(void *owner),
	void *owner, GError **error);

/* Output of a stream (0 stdout, 1 stderr) as it came. What cannot be written is left out, in whole
 * lines where the driver can; later output is tried again. */
void log_write(Log *l, int stream, const char *data, size_t n);

/* No more should be written for now. full: more waits than may; else: more than may still wait when
 * all goes on. NULL is accepted, as below. */
gboolean log_is_slow(const Log *l, gboolean full);
/* Gives back memory that only writing needs. */
void log_idle(Log *l);
/* Writes out lines that never got their newline, then closes; waits a few seconds for a driver
 * apart to have written everything. Returns the number of messages that were left out and could not
 * be counted in SHIM_DROPPED_NAME either. */
int64_t log_close(Log *l);

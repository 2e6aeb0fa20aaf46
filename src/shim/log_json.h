/* SPDX-License-Identifier: MIT */
/* log_json.h - the json-file log: one JSON object a line, rotated by size. */
#pragma once

#include "shim/protocol.h"

typedef struct LogJson LogJson;

/* NULL (without error) for driver "none". A log that cannot be opened is an error: nobody would
 * know. */
LogJson *log_json_open(const ShimLog *config, GError **error);

/* Output of a stream (0 stdout, 1 stderr) as it came. What cannot be written (no space) is left
 * out, in whole records; later output is tried again. */
void log_json_write(LogJson *l, int stream, const char *data, size_t n);
/* How many records were left out since it was last asked. */
guint64 log_json_take_lost(LogJson *l);
/* Leaves out all there is to write, for now. */
void log_json_hold_back(LogJson *l, gboolean on);

/* Gives back memory that only writing needs. NULL is accepted. */
void log_json_idle(LogJson *l);

/* Writes out lines that never got their newline. */
void log_json_finish(LogJson *l);
/* Finishes and closes. NULL is accepted. */
void log_json_close(LogJson *l);
/* Its descriptor now, or -1. */
int log_json_fd(const LogJson *l);

/* SPDX-License-Identifier: MIT */
/* log_json.h - the json-file log: one JSON object a line, rotated by size. */
#pragma once

#include "shim/log_file.h"

typedef struct LogJson LogJson;

/* NULL (without error) for driver "none". A log that cannot be opened is an error: nobody would
 * know. */
LogJson *log_json_open(const ShimLog *config, GError **error);

/* Output of a stream (0 stdout, 1 stderr) as it came. What cannot be written (no space) is left
 * out, in whole records; later output is tried again. */
void log_json_write(LogJson *l, int stream, const char *data, size_t n);

/* Gives back memory that only writing needs. NULL is accepted. */
void log_json_idle(LogJson *l);

/* Writes out lines that never got their newline. */
void log_json_finish(LogJson *l);
/* Finishes and closes. NULL is accepted. */
void log_json_close(LogJson *l);
LogFile *log_json_file(LogJson *l);

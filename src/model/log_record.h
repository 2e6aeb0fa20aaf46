/* SPDX-License-Identifier: MIT */
/*
 * log_record.h - the files of the log driver "local", as the shim writes and the daemon reads them.
 *
 * A file is a row of records; each has its length at both ends, so that it can be read from either:
 *   length of the body (u32) | kind (u8) | time, ns since 1970 (i64) | text | length (u32) again
 *
 * Numbers are little-endian. The first record of a file holds the attributes of all that follow, as
 * a JSON object.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

enum {
	LOG_RECORD_ATTRS = 0,
	LOG_RECORD_STDOUT = 1,
	LOG_RECORD_STDERR = 2,
	LOG_RECORD_LENGTH = 4, /* bytes of a length */
	LOG_RECORD_HEAD = 9,   /* kind and time */
	LOG_RECORD_TEXT_MAX = 1024 * 1024,
	LOG_RECORD_MAX = 2 * LOG_RECORD_LENGTH + LOG_RECORD_HEAD + LOG_RECORD_TEXT_MAX,
};

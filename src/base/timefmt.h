/* SPDX-License-Identifier: MIT */
/* timefmt.h - times and durations as Docker writes them. Times are int64 nanoseconds since 1970
 * UTC; DH_TIME_ZERO stands for Go's zero time, 0001-01-01T00:00:00Z. */
#pragma once

#include <glib.h>
#include <stdint.h>

#define DH_TIME_ZERO G_MININT64
#define DH_NSEC INT64_C(1000000000)

int64_t dh_time_now(void); /* CLOCK_REALTIME */

/* RFC 3339 with nanoseconds, trailing zeros dropped, UTC: 2026-11-22T03:00:00.123Z. Caller frees.
 */
char *dh_time_format(int64_t t);
/* The same into buf (at least 36 bytes) with all nine decimals kept; returns the length. */
size_t dh_time_format_fixed(int64_t t, char *buf);

/* RFC 3339 (with offset or Z, with or without fraction), "2006-01-02", "2006-01-02T15:04[:05]"
 * (local time), Unix seconds "1136073600[.000000001]", or a Go duration counted back from now
 * ("10m"). */
gboolean dh_time_parse(const char *text, int64_t now, int64_t *ret, GError **error);

/* Go durations: "1h30m", "1.5s", "300ms", "-10us"; 0 may lack a unit. Result in nanoseconds. */
gboolean dh_duration_parse(const char *text, int64_t *ret, GError **error);

/* As Go prints one: "30s", "1m30s", "1.5s", "300ms", "10µs". Caller frees. */
char *dh_duration_format(int64_t nsec);

/* "Less than a second", "3 minutes", "About an hour", "2 weeks" ... (docker's units). Caller frees.
 */
char *dh_duration_human(int64_t nsec);

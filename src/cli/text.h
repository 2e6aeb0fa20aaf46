/* SPDX-License-Identifier: MIT */
/* text.h - values of flags taken apart the way docker does it, error texts included. */
#pragma once

#include "base/json.h"

/* "..." with escapes, as Go's %q prints it. Caller frees. */
char *text_quote(const char *s);

/* Text from elsewhere, made harmless for a terminal: characters that steer it or turn the writing
 * direction become "?", those in keep excepted; so do bytes that are not UTF-8. Caller frees. */
char *text_printable(const char *s, const char *keep);

/* Splits at the first sep: *ret_before is new (caller frees), the return value points behind sep;
 * without sep *ret_before is all of it and the return value NULL. */
const char *text_cut(const char *s, char sep, char **ret_before);

/* Decimal integers, strict; errors read 'strconv.ParseInt: parsing "x": invalid syntax'. */
gboolean text_int(const char *s, int64_t *ret, GError **error);
gboolean text_uint(const char *s, uint64_t max, uint64_t *ret, GError **error);
/* Sizes as -m takes them: no negative ones. */
gboolean text_size(const char *s, int64_t *ret, GError **error);
gboolean text_bool(const char *s, gboolean *ret);

/* The fields of one line of CSV ("a=b","c=1,2"); error texts as Go's encoding/csv. */
GPtrArray *text_csv(const char *s, GError **error);

/* An IP address in its normal form (caller frees), or NULL. */
char *text_ip(const char *s);

/* New references; NULL and empty lists become JSON null, or [] with text_array. Items are char*. */
json_t *text_array_or_null(const GPtrArray *list);
json_t *text_array(const GPtrArray *list);

/* The JSON string, also for bytes that are not UTF-8 (those are replaced). */
json_t *text_json(const char *s);

/* SPDX-License-Identifier: MIT */
/* listing.h - what the commands that show lists have in common: filters, cells, members of JSON. */
#pragma once

#include "cli/client.h"
#include "cli/format.h"

/* --filter values ("name=value") as the API's `filters` parameter: {"name":{"value":true}}; NULL
 * when there are none. Caller frees. */
char *list_filters(const GPtrArray *filters);

/* Members of an object; "" and 0 where they are absent or of another type. */
const char *list_string(const json_t *object, const char *name);
json_int_t list_int(const json_t *object, const char *name);

/* Keys of an object (or of nothing), sorted; borrowed from it. */
GPtrArray *list_sorted_keys(const json_t *object);

/* All of these are new strings, the caller's. */

/* At most max columns, the last one an ellipsis if something was cut. */
char *list_ellipsis(const char *s, size_t max);
/* The first 12 digits, without "sha256:". */
char *list_short_id(const char *id);
/* "a=b,c=d", sorted; empty for null. */
char *list_labels(const json_t *labels);
/* "3 days ago" of a time in Unix seconds. */
char *list_ago(int64_t seconds);
/* "2006-01-02 15:04:05 -0700 MST", local time. */
char *list_local_time(int64_t seconds);
/* --since and --until as the API takes them: Unix seconds with a fraction; NULL with error. */
char *list_api_time(const char *text, GError **error);

/* The format to use: with -q `quiet`, else the user's, else NULL. */
const char *list_format(const char *format, gboolean quiet_given, const char *quiet);

/* Images here are of one platform, this machine's: asking for it is fine, for another an error.
 * NULL and "" are fine. */
gboolean list_check_platform(const char *platform, GError **error);

/* "y" or "Y" read from stdin after the question; nothing else. */
gboolean list_confirm(const char *warning);

/* FORMAT_HELP lines of docker's help */
#define LIST_FORMAT_TABLE_HELP                                                                     \
	"Format output using a custom template:\n"                                                 \
	"'table':            Print output in table format with column headers (default)\n"         \
	"'table TEMPLATE':   Print output in table format using the given Go template\n"           \
	"'json':             Print in JSON format\n"                                               \
	"'TEMPLATE':         Print output using the given Go template.\n"                          \
	"Refer to https://docs.docker.com/go/formatting/ for more information about formatting "   \
	"output with templates"
#define LIST_FORMAT_HELP                                                                           \
	"Format output using a custom template:\n"                                                 \
	"'json':             Print in JSON format\n"                                               \
	"'TEMPLATE':         Print output using the given Go template.\n"                          \
	"Refer to https://docs.docker.com/go/formatting/ for more information about formatting "   \
	"output with templates"

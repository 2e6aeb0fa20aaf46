/* SPDX-License-Identifier: MIT */
/* subids.h - /etc/subuid and /etc/subgid, whose text is given: which IDs belong to whom. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* What one container gets. */
enum { SUBIDS_RANGE = 65536 };

/* The ranges of the first of these owners (NULL-terminated) that has any: OciIdMap from
 * container_id 0 on; NULL: none. */
GPtrArray *subids_of(const char *text, const char *const *owners);
void subids_add(GPtrArray *list, int64_t inside, int64_t host, int64_t size);
/* The n-th SUBIDS_RANGE of the list, or -1. */
int64_t subids_nth(const GPtrArray *list, int64_t n);
/* Everybody's. */
GPtrArray *subids_all(const char *text);
/* Some of the SUBIDS_RANGE IDs from there on are in the list. */
gboolean subids_taken(const GPtrArray *list, int64_t at);
gboolean subids_overlap(int64_t a, int64_t n, int64_t b, int64_t m);

/* SPDX-License-Identifier: MIT */
/* observe.h - looking at running containers: top, stats, and the filters of ps and events. */
#pragma once

#include "container/container.h"

/* Body of GET /containers/{id}/top: the processes as ps(1) would show them, without running ps: the
 * usual column sets of ps_args ("", "-ef", "aux", "-o pid,comm,...") read from /proc. */
json_t *container_top(Container *c, const char *ps_args, GError **error);

/* One sample of GET /containers/{id}/stats; previous may be NULL (then precpu is zero). A container
 * that does not run has a sample of nothing but its name and ID. */
json_t *container_stats(Container *c, json_t *previous, GError **error);

/* The `filters` query parameter: {"status":["exited"],"label":["a=b"]} or the older map of maps. */
typedef struct Filters Filters;
Filters *filters_parse(const char *json, const char *const *allowed, GError **error);
void filters_free(Filters *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Filters, filters_free)
gboolean filters_any(const Filters *f);
gboolean filters_has(const Filters *f, const char *key);
char **filters_get(const Filters *f, const char *key); /* borrowed strv or NULL */
/* TRUE if key is absent or one of its values equals v. */
gboolean filters_match(const Filters *f, const char *key, const char *v);
/* TRUE if key is absent or all of its "k" / "k=v" values hold in labels. */
gboolean filters_match_labels(const Filters *f, const char *key, GHashTable *labels);
/* TRUE if key is absent or none of its "k" / "k=v" values holds in labels ("label!"). */
gboolean filters_match_no_labels(const Filters *f, const char *key, GHashTable *labels);
/* TRUE if key is absent or v begins with one of its values. */
gboolean filters_match_prefix(const Filters *f, const char *key, const char *v);
/* TRUE if key is absent or one of its values equals v or, as a regular expression, is found in it.
 */
gboolean filters_match_regex(const Filters *f, const char *key, const char *v);
/* A single "1", "true", "0" or "false"; fallback when absent. */
gboolean filters_get_bool(
	const Filters *f, const char *key, gboolean fallback, gboolean *ret, GError **error);

typedef struct {
	gboolean all, size, latest;
	int64_t limit;  /* 0: none */
	char **members; /* of an element, by name: no others are written; NULL: all */
	Filters *filters;
	/* May be NULL. Takes the text in pieces, while more is being written; 0, or -1: no more is
	 * wanted. */
	int (*write)(void *arg, const void *buf, size_t n);
	void *write_arg;
} ListRequest;
/* Body of GET /containers/json, as text: what of it has not gone to `write`; caller frees. Errors
 * come before anything has. */
char *container_list(Engine *e, const ListRequest *r, GError **error);

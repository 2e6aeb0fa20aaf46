/* SPDX-License-Identifier: MIT */
/* observe.h - looking at running containers: top, stats, and the filters of ps and events. */
#pragma once

#include "container/container.h"

/* Body of GET /containers/{id}/top: the processes as ps(1) would show them, without running ps: the
 * usual column sets of ps_args ("", "-ef", "aux", "-o pid,comm,...") read from /proc. */
json_t *container_top(Container *c, const char *ps_args, GError **error);

/* One sample of GET /containers/{id}/stats; previous may be NULL (then precpu is zero). */
json_t *container_stats(Container *c, json_t *previous, GError **error);

/* The `filters` query parameter: {"status":["exited"],"label":["a=b"]} or the older map of maps. */
typedef struct Filters Filters;
Filters *filters_parse(const char *json, const char *const *allowed, GError **error);
void filters_free(Filters *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Filters, filters_free)
gboolean filters_has(const Filters *f, const char *key);
char **filters_get(const Filters *f, const char *key); /* borrowed strv or NULL */
/* TRUE if key is absent or one of its values equals v. */
gboolean filters_match(const Filters *f, const char *key, const char *v);
/* TRUE if key is absent or all of its "k" / "k=v" values hold in labels. */
gboolean filters_match_labels(const Filters *f, const char *key, GHashTable *labels);

typedef struct {
	gboolean all, size, latest;
	int64_t limit; /* 0: none */
	Filters *filters;
} ListRequest;
/* Body of GET /containers/json. */
json_t *container_list(Engine *e, const ListRequest *r, GError **error);

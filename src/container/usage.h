/* SPDX-License-Identifier: MIT */
/* usage.h - every byte below the data root, by what it is there for. */
#pragma once

#include "container/container.h"

typedef enum {
	USAGE_UNIQUE,    /* layers of one image */
	USAGE_SHARED,    /* layers of several */
	USAGE_CONFIGS,   /* images' configurations */
	USAGE_WRITABLE,  /* containers' own layers */
	USAGE_LOGS,      /* containers' */
	USAGE_FILES,     /* containers': hosts, resolv.conf, exit records ... */
	USAGE_VOLUMES,   /* and whatever lies in their directories */
	USAGE_DATABASE,  /* with its log */
	USAGE_EVENTS,    /* the journal */
	USAGE_STAGING,   /* what is being made or deleted */
	USAGE_RESERVE,   /* see base/reserve.h */
	USAGE_STRUCTURE, /* the directories that hold all this, the lock file */
	USAGE_KINDS,
} UsageKind;

/* Something below the data root that belongs to nothing. */
typedef struct {
	char *path; /* below the data root */
	int64_t size;
	gboolean orphan; /* in a place of the engine's own, so it may be deleted; else it may be
			    somebody's data */
} UsageStray;

typedef struct {
	int64_t size[USAGE_KINDS]; /* blocks, as du counts them */
	guint count[USAGE_KINDS];
	int64_t unaccounted; /* of all that belongs to nothing */
	GPtrArray *strays;   /* UsageStray: the first of them */
} Usage;

/* One walk over all of it. */
Usage *usage_of(Engine *e);
void usage_free(Usage *u);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Usage, usage_free)

/* Body of GET /dhow/df: DataRoot, Total, Parts (Kind, Count, Size), Unaccounted, Strays (Path,
 * Size). New reference. */
json_t *engine_usage(Engine *e);

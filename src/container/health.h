/* SPDX-License-Identifier: MIT */
/* health.h - health checks: a command run in the container from time to time, and what it says. */
#pragma once

#include "container/container.h"

/* "Invalid" texts of dockerd for a health check that makes no sense; NULL is fine. */
gboolean health_validate(const HealthConfig *h, GError **error);

/* The container runs (again): forgets what was and begins. */
void health_begin(Container *c);

/* The container is seen running by a new daemon: goes on where the one before it ended, with its
 * results, its streak of failures and the date of the next probe. */
void health_resume(Container *c);

/* One probe: the function of the engine's pool of probes. */
void health_probe(void *container, void *unused);

/* State.Health of inspect, or NULL without a check. With state_lock held. */
json_t *health_json(const Container *c);

typedef enum { HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY } HealthStatus;

typedef struct {
	int64_t start, end, code;
	char *output;
} HealthResult;

/* What a container knows of its health; guarded by its state_lock. */
struct Health {
	HealthStatus status;
	int64_t failing;
	GQueue results; /* HealthResult, oldest first */
};
void health_free(struct Health *h);
void health_result_free(void *result);

/* ---- health_record.c: the same on disk, in the container's directory ---- */

/* With state_lock held; due: monotonic, us. What cannot be written is lost with the daemon. */
char *health_record_text(const Container *c);
void health_record_write(const Container *c, const char *text);
/* Fills c->health and c->probe_due from the record of this run. FALSE: there is none. */
gboolean health_record_read(Container *c);

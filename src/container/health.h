/* SPDX-License-Identifier: MIT */
/* health.h - health checks: a command run in the container from time to time, and what it says. */
#pragma once

#include "container/container.h"

/* "Invalid" texts of dockerd for a health check that makes no sense; NULL is fine. */
gboolean health_validate(const HealthConfig *h, GError **error);

/* The container runs (again), or is seen running by a new daemon: forgets what was and begins. */
void health_begin(Container *c);
/* A container that went on while there was no daemon is asked on; what was known stays known. */
void health_resume(Container *c);

/* One probe: the function of the engine's pool of probes. */
void health_probe(void *container, void *unused);

/* State.Health of inspect, or NULL without a check. With state_lock held. */
json_t *health_json(const Container *c);
/* What health_json said before the daemon was restarted. */
void health_restore(Container *c, const json_t *said);

struct Health;
void health_free(struct Health *h);

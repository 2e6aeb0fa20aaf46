/* SPDX-License-Identifier: MIT */
/* handover.h - from one program to the next in the same process. */
#pragma once

#include "container/engine.h"

/* Of what is handed over: a program says by it whether it can take over from us. */
#define HANDOVER_PROTOCOL 1

/* What the program before us left: members Lock, Roots, Listeners, Api, Engine, Version, Since
 * (monotonic, us), Program and Arguments (of it), Failed (why another one gave up); NULL: we were
 * started in the ordinary way. To be called once, before any thread exists. */
json_t *handover_arrive(void);

/* The directories whose locks are handed over: who takes over must be for the same. */
json_t *handover_roots(const EngineConfig *config);
/* With these in its environment a program says by --validate whether it is. */
char *handover_roots_variable(const EngineConfig *config);
gboolean handover_asked(const EngineConfig *config, GError **error);
/* Whether it still is when it takes over. The one that comes back was: it goes on with them,
 * whatever its configuration file says by now. */
gboolean handover_take_roots(const json_t *state, EngineConfig *config, GError **error);

/* Leaves for another program: state holds the members above, whose descriptors (all integers named
 * Fd, and those of Lock, Shims and Unread) stay open. Returns only if neither it nor, as it then
 * tries, our own program could be executed. */
void handover_leave(const char *binary, char *const *argv, json_t *state, GError **error);

/* Until handover_served, the end of this program by a signal, or its not being ready in time,
 * brings back the one before; handover_give_up does it by decision, and returns only when that
 * fails. */
void handover_guard(json_t *state);
void handover_give_up(json_t *state, const char *why);
void handover_served(json_t *state);

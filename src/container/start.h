/* SPDX-License-Identifier: MIT */
/* start.h - the inside of a start, for restart. */
#pragma once

#include "container/internal.h"

/* With c->op held. by_policy: the state is "restarting", and the count of restarts goes on. */
gboolean container_start_locked(Container *c, gboolean by_policy, GError **error);

/* Hands clients that came while the container was starting to its shim. (attach.c) */
void container_flush_pending(Container *c);

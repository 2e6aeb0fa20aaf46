/* SPDX-License-Identifier: MIT */
/* restart.h - restart policies: when a container that has ended starts again by itself. */
#pragma once

#include "container/internal.h"

/* With state_lock held, when exit_code is known: makes the state "restarting" if the policy wants
 * it. lasted: ns from start to end. TRUE: restart_schedule is to follow once the end is recorded.
 */
gboolean restart_decide(Container *c, int64_t lasted, int64_t finished_at);

/* When the daemon has reconciled: starts, in the background, what its policy does not leave ended;
 * what has begun to wait for its restart under an earlier daemon goes on waiting. */
void restart_after_boot(Engine *e);

/* Starts the container after its delay, in the background. */
void restart_schedule(Container *c);

/* Somebody wants it to stay stopped: no restart until the next start by hand. TRUE: it was waiting
 * for one and is "exited" now. */
gboolean restart_cancel(Container *c);

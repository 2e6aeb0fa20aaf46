/* SPDX-License-Identifier: MIT */
/* console.h - where a container's terminal goes, and waiting for its first process. */
#pragma once

#include "runtime/runtime.h"

/* Sends the master to who listens at the socket (SCM_RIGHTS), as all of a runtime's callers expect.
 */
gboolean console_send(const char *socket_path, int master, GError **error);

/* Waits until the process ends, passing our signals on and, with a master, our standard streams.
 * Its status in shell form. */
int console_wait(const RtProcess *p, int master);

/* The terminal that is to be made gets the size of ours, if it is given none: before the program
 * looks at it. */
void console_fit(OciProcess *process);

/* To be called before the process is made: from here on signals wait for console_wait. */
void console_hold_signals(void);

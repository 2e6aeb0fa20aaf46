/* SPDX-License-Identifier: MIT */
/* signals.h - signals as events of a poll loop, and the ones that must leave the terminal in order.
 */
#pragma once

#include <glib.h>

/* From here on every signal that can be passed on to a container, and SIGWINCH, is kept for
 * signals_next instead of acting on us. A third SIGINT or SIGTERM that nobody has fetched in
 * between (the engine hangs) ends the program with exit code 1. Crashes restore the terminal.
 * SIGPIPE is ignored. */
void signals_catch(void);

/* Readable when a signal is waiting; -1 before signals_catch. */
int signals_fd(void);
/* The next one, or 0. */
int signals_next(void);

/* "HUP", "RTMIN+1": the name that the engine understands. Caller frees. */
char *signals_name(int signo);

/* Dies of it as if it had never been caught. */
void signals_die(int signo) G_GNUC_NORETURN;

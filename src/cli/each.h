/* SPDX-License-Identifier: MIT */
/* each.h - the same request for several containers at once. */
#pragma once

#include "cli/client.h"

/* One container's turn; arg is the caller's. */
typedef gboolean (*EachFn)(Cli *cli, const char *name, const void *arg, GError **error);

enum {
	EACH_IN_TURN = 1,        /* one after the other */
	EACH_FORGIVE_ABSENT = 2, /* a container that does not exist is said but is no failure */
};

/* Calls fn for every name, many at a time (stopping ten containers takes as long as the slowest),
 * and prints each name, or its error, in the order given. Returns the exit code. */
int each_container(Cli *cli, char *const *names, EachFn fn, const void *arg, unsigned flags);

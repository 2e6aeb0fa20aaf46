/* SPDX-License-Identifier: MIT */
/* trace.h - `dhow --trace COMMAND`: where the time of a command went, in all processes. */
#pragma once

#include "cli/command.h"

/* Asks the daemon to mark what it does; a daemon that does not answer is not started for that. */
void trace_begin(Cli *cli);
/* Prints everybody's marks to stderr, in the order of time. */
void trace_end(Cli *cli);

/* SPDX-License-Identifier: MIT */
/* seal.h - a program that enters containers, out of their reach. */
#pragma once

#include <glib.h>

/* Returns TRUE when nobody can write to this process's program by way of /proc/PID/exe. When it is
 * not so yet, the program is executed anew, with the same arguments, from where it is so: call this
 * first thing in main. FALSE: it cannot be had. */
gboolean dh_seal_self(char *const *argv, GError **error);

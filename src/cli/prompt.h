/* SPDX-License-Identifier: MIT */
/* prompt.h - questions to the user on the terminal. */
#pragma once

#include <glib.h>

/* The line typed on stdin after the question (on stdout), without its end and surrounding blanks;
 * "" when nothing was typed. secret: without echo. Signals that end the program restore the
 * terminal. Caller frees. NULL with error. */
char *prompt_line(const char *question, gboolean secret, GError **error);

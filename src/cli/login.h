/* SPDX-License-Identifier: MIT */
/* login.h - asking the user for credentials. */
#pragma once

#include "cli/credentials.h"

/* Fills in what c lacks of username and password by asking on the terminal; usual: the user name
 * taken for an empty answer, or NULL. Errors in docker's words. */
gboolean login_ask(Credentials *c, const char *usual, GError **error);

/* May questions be asked at all? */
gboolean login_interactive(void);

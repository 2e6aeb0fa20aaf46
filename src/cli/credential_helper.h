/* SPDX-License-Identifier: MIT */
/* credential_helper.h - docker-credential-NAME, a program that keeps secrets: one request on its
 * standard input, the answer on its standard output, its standard error is ours. */
#pragma once

#include "cli/credentials.h"

/* Is there such a program in PATH? */
gboolean credential_helper_exists(const char *name);

/* Fills ret (username and password, or the identity token). None stored: TRUE, nothing filled. */
gboolean credential_helper_get(
	const char *name, const char *server, Credentials *ret, GError **error);
gboolean credential_helper_store(const char *name, const Credentials *c, GError **error);
gboolean credential_helper_erase(const char *name, const char *server, GError **error);

/* SPDX-License-Identifier: MIT */
/* pull.h - having the engine fetch images. */
#pragma once

#include "cli/client.h"
#include "cli/credentials.h"

#include <stdio.h>

enum {
	PULL_ALL_TAGS = 1,
	PULL_QUIET = 2, /* no progress */
};

/* Fetches what ref names (its digest, else its tag, else latest; or all tags) with the credentials
 * stored for its registry, showing progress on out. platform: as the user wrote it, or NULL. */
gboolean pull_image(Cli *cli, const Reference *ref, const char *platform, FILE *out, unsigned flags,
	GError **error);

/* "docker.io/library/nginx": the name in full, without tag. Caller frees. */
char *pull_full_name(const Reference *ref);

/* A request with X-Registry-Auth for server. When the engine says that it needs other credentials
 * and a user sits at the terminal, they are asked for ("Login prior to ACTION:") and the request is
 * made again. */
Response *pull_request(
	Cli *cli, const Request *req, const char *server, const char *action, GError **error);

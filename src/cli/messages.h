/* SPDX-License-Identifier: MIT */
/* messages.h - the stream of JSON messages that pull, push, load, import and other long requests
 * answer with. */
#pragma once

#include "cli/client.h"

#include <stdio.h>

enum {
	MESSAGES_STREAM_ONLY = 1, /* only what "stream" says, no progress */
	MESSAGES_SILENT = 2,      /* nothing at all, but errors */
};

/* Shows them on out until the end. An error message in the stream becomes the error. An answer that
 * is not JSON is copied as it is. */
gboolean messages_show(Response *r, FILE *out, unsigned flags, GError **error);

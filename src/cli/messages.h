/* SPDX-License-Identifier: MIT */
/* messages.h - the stream of JSON messages that load, import and other long requests answer with.
 */
#pragma once

#include "cli/client.h"

/* Prints texts and statuses as lines on stdout until the end; quiet: only what "stream" says. An
 * error message in the stream becomes the error. An answer that is not JSON is copied as it is. */
gboolean messages_print(Response *r, gboolean quiet, GError **error);

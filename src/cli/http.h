/* SPDX-License-Identifier: MIT */
/* http.h - the reading half of HTTP/1.1 (client.c writes the requests). */
#pragma once

#include "cli/client.h"

/* Takes the descriptor over. head_only: an answer to HEAD has no body whatever its headers say. */
Response *response_new(int fd, gboolean head_only);

/* Reads status line and headers, past any 1xx but 101. Limits: 64 KiB, 256 headers. */
gboolean response_read_head(Response *r, GError **error);

/* Makes it the answer to the next request on the same connection; FALSE: there is none, as this one
 * was not read to its end or ends the connection. */
gboolean response_again(Response *r);

/* One read(2) from the connection into the buffer: > 0, 0 at end of file, -1 with errno. */
ssize_t response_fill(Response *r);

/* Do the bytes buffered so far start an error answer (status 4xx or 5xx)? For senders. */
gboolean response_refused(const Response *r);

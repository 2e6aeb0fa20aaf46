/* SPDX-License-Identifier: MIT */
/* output.h - archives from the daemon into a file (-o) or to stdout. */
#pragma once

#include "cli/client.h"

/* Can a file be made there? failed: how the refusal begins ("failed to save image"). */
gboolean output_check(const char *path, const char *failed, GError **error);
/* The rest of the body. */
gboolean output_copy(Response *r, int fd, GError **error);
/* The archive appears under its name only when it is whole; devices and pipes are written to. */
gboolean output_to_file(Response *r, const char *path, GError **error);

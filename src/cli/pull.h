/* SPDX-License-Identifier: MIT */
/* pull.h - having the engine fetch an image, its progress on stderr. */
#pragma once

#include "cli/command.h"

/* image as the user wrote it; platform normalized or NULL; quiet: no progress. */
gboolean pull_image(
	Cli *cli, const char *image, const char *platform, gboolean quiet, GError **error);

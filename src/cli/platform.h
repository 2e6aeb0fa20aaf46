/* SPDX-License-Identifier: MIT */
/* platform.h - --platform in its normal form: "linux/amd64", "linux/arm64/v8". */
#pragma once

#include <glib.h>

/* Caller frees. Errors in docker's words. */
char *platform_normalize(const char *text, GError **error);

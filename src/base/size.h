/* SPDX-License-Identifier: MIT */
/* size.h - byte counts as Docker's flags read them and its tables print them. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* "512", "64m", "1.5g", "2GiB", "10kb": powers of 1024 whatever the spelling; -1 accepted as is. */
gboolean dh_size_parse(const char *text, int64_t *ret, GError **error);

/* Decimal units, `digits` significant digits ("4.26MB" with 3, "13.3kB"); caller frees. */
char *dh_size_human(double bytes, int digits);

/* Binary units with 4 significant digits ("1.5MiB", "980KiB"); caller frees. */
char *dh_size_human_binary(double bytes);

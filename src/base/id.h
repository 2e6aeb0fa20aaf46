/* SPDX-License-Identifier: MIT */
/* id.h - 256-bit random identifiers in hex. */
#pragma once

#include <glib.h>

#define DH_ID_LEN 64
#define DH_SHORT_ID_LEN 12

/* 64 lower-case hex digits whose first 12 are not all decimal (such an ID could be taken for a
 * number, e.g. as a host name). Caller frees. getrandom(2). */
char *dh_id_new(void);

gboolean dh_is_hex(const char *s);

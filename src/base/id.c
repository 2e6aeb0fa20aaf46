/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

gboolean dh_is_hex(const char *s)
{
	return *s && strspn(s, "0123456789abcdef") == strlen(s);
}

char *dh_id_new(void)
{
	static const char hex[] = "0123456789abcdef";
	char *id = g_malloc(DH_ID_LEN + 1);
	do {
		guint8 raw[DH_ID_LEN / 2];
		if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
			abort(); /* cannot fail for 32 bytes (getrandom(2)) */
		for (size_t i = 0; i < sizeof raw; i++) {
			id[2 * i] = hex[raw[i] >> 4];
			id[2 * i + 1] = hex[raw[i] & 15];
		}
		id[DH_ID_LEN] = '\0';
	} while (strspn(id, "0123456789") >= DH_SHORT_ID_LEN);
	return id;
}

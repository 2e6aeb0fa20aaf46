/* SPDX-License-Identifier: MIT */
#include "shim/detach.h"

#include <string.h>

gboolean detach_filter(Detach *d, const char *data, size_t n, GString *out)
{
	size_t len = d->keys ? strlen(d->keys) : 0;
	if (len == 0) {
		g_string_append_len(out, data, (gssize)n);
		return FALSE;
	}
	for (size_t i = 0; i < n; i++) {
		if (data[i] != d->keys[d->matched] && d->matched > 0) {
			g_string_append_len(out, d->keys, (gssize)d->matched);
			d->matched = 0;
		}
		if (data[i] != d->keys[d->matched])
			g_string_append_c(out, data[i]);
		else if (++d->matched == len) {
			d->matched = 0;
			return TRUE;
		}
	}
	return FALSE;
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "runtime/cgroup_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *rt_strerror(int errnum)
{
	static _Thread_local char text[128];
	g_strlcpy(text, g_strerror(errnum), sizeof text);
	if (g_ascii_isupper(text[0]) && g_ascii_islower(text[1]))
		text[0] = g_ascii_tolower(text[0]);
	return text;
}

gboolean rt_error_errno(GError **error, int errnum, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	if (errnum == ENOSYS)
		return dh_error(error, DH_ERROR_SYSTEM,
			"%s: %s: this needs Linux 5.12 or newer, and no filter that hides its "
			"system calls",
			text, rt_strerror(errnum));
	return dh_error(error, DH_ERROR_SYSTEM, "%s: %s", text, rt_strerror(errnum));
}

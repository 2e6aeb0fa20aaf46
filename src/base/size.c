/* SPDX-License-Identifier: MIT */
#include "base/size.h"

#include "base/error.h"

#include <string.h>

gboolean dh_size_parse(const char *text, int64_t *ret, GError **error)
{
	char *end;
	if (strcmp(text, "-1") == 0) {
		*ret = -1;
		return TRUE;
	}
	if (!g_ascii_isdigit(*text))
		return dh_error(error, DH_ERROR_INVALID, "invalid size: '%s'", text);
	double n = g_ascii_strtod(text, &end);
	while (*end == ' ')
		end++;
	g_autofree char *unit = g_ascii_strdown(end, -1);
	const char *units = "kmgtp";
	double factor = 1;
	const char *u = unit;
	const char *hit = *u ? strchr(units, *u) : NULL;
	if (hit) {
		for (const char *p = units; p <= hit; p++)
			factor *= 1024;
		u++;
	}
	if (!(*u == '\0' || strcmp(u, "b") == 0 || (hit && strcmp(u, "ib") == 0)) ||
		!(n * factor < 9.2e18))
		return dh_error(error, DH_ERROR_INVALID, "invalid suffix: '%s'", end);
	*ret = (int64_t)(n * factor);
	return TRUE;
}

static char *human(double size, double base, const char *const *units, int digits)
{
	guint i = 0;
	while (size >= base && units[i + 1]) {
		size /= base;
		i++;
	}
	g_autofree char *fmt = g_strdup_printf("%%.%dg%%s", digits);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return g_strdup_printf(fmt, size, units[i]);
#pragma GCC diagnostic pop
}

char *dh_size_human(double bytes, int digits)
{
	static const char *const units[] = {
		"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB", NULL};
	return human(bytes, 1000, units, digits);
}

char *dh_size_human_binary(double bytes)
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB", NULL};
	return human(bytes, 1024, units, 4);
}

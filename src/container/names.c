/* SPDX-License-Identifier: MIT */
#include "container/names.h"

#include "base/error.h"
#include "container/names_data.h"

#include <string.h>
#include <sys/random.h>

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static guint random_below(guint n)
{
	guint32 r;
	if (getrandom(&r, sizeof r, 0) != sizeof r)
		r = g_random_int();
	return r % n;
}

char *name_generate(guint retry)
{
	const char *adjective = name_adjectives[random_below(name_n_adjectives)];
	const char *surname = name_surnames[random_below(name_n_surnames)];
	if (retry > 0)
		return g_strdup_printf("%s_%s%u", adjective, surname, random_below(10));
	return g_strdup_printf("%s_%s", adjective, surname);
}

gboolean name_valid(const char *name, GError **error)
{
	if (*name && strchr(ALNUM, *name) && name[1] &&
		name[1 + strspn(name + 1, ALNUM "_.-")] == '\0')
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID,
		"Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
}

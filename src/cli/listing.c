/* SPDX-License-Identifier: MIT */
#include "cli/listing.h"

#include "base/error.h"
#include "base/id.h"
#include "base/timefmt.h"
#include "cli/platform.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

char *list_filters(const GPtrArray *filters)
{
	if (!filters || !filters->len)
		return NULL;
	g_autoptr(json_t) all = json_object();
	for (guint i = 0; i < filters->len; i++) {
		const char *text = filters->pdata[i];
		const char *equals = strchrnul(text, '=');
		g_autofree char *raw = g_strndup(text, (gsize)(equals - text));
		g_autofree char *name = g_ascii_strdown(g_strstrip(raw), -1);
		g_autofree char *value = g_strstrip(g_strdup(*equals ? equals + 1 : ""));
		json_t *values = json_object_get(all, name);
		if (!values) {
			values = json_object();
			json_object_set_new(all, name, values);
		}
		json_object_set_new(values, value, json_true());
	}
	return dh_json_dumps(all, 0);
}

const char *list_string(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));
	return s ? s : "";
}

json_int_t list_int(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	return json_is_real(v) ? (json_int_t)json_real_value(v) : json_integer_value(v);
}

static size_t columns(gunichar c)
{
	return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

char *list_ellipsis(const char *s, size_t max)
{
	size_t width = 0;
	const char *cut = s;
	for (const char *p = s; *p; p = g_utf8_next_char(p)) {
		width += columns(g_utf8_get_char(p));
		if (width + 1 <= max)
			cut = g_utf8_next_char(p);
		if (width > max)
			return g_strdup_printf("%.*s…", (int)(cut - s), s);
	}
	return g_strdup(s);
}

char *list_short_id(const char *id)
{
	const char *colon = strchr(id, ':');
	return g_strndup(colon ? colon + 1 : id, DH_SHORT_ID_LEN);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *list_sorted_keys(const json_t *object)
{
	GPtrArray *keys = g_ptr_array_new();
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)object, key, value)
		g_ptr_array_add(keys, (gpointer)key);
	g_ptr_array_sort(keys, compare_strings);
	return keys;
}

char *list_labels(const json_t *labels)
{
	g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(g_free);
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)labels, key, value) {
		const char *text = json_string_value(value);
		g_ptr_array_add(pairs, g_strdup_printf("%s=%s", key, text ? text : ""));
	}
	g_ptr_array_sort(pairs, compare_strings);
	g_ptr_array_add(pairs, NULL);
	return g_strjoinv(",", (char **)pairs->pdata);
}

char *list_ago(int64_t seconds)
{
	g_autofree char *duration = dh_duration_human(dh_time_now() - seconds * DH_NSEC);
	return g_strdup_printf("%s ago", duration);
}

char *list_local_time(int64_t seconds)
{
	char buf[64];
	time_t t = (time_t)seconds;
	struct tm tm;
	if (!localtime_r(&t, &tm) || !strftime(buf, sizeof buf, "%Y-%m-%d %H:%M:%S %z %Z", &tm))
		return g_strdup("");
	return g_strdup(buf);
}

char *list_api_time(const char *text, GError **error)
{
	int64_t t;
	if (!dh_time_parse(text, dh_time_now(), &t, NULL)) {
		dh_error(error, DH_ERROR_INVALID,
			"failed to parse value as time or duration: \"%s\"", text);
		return NULL;
	}
	int64_t nsec = t % DH_NSEC;
	int64_t sec = t / DH_NSEC;
	if (nsec < 0) {
		nsec += DH_NSEC;
		sec--;
	}
	return g_strdup_printf(
		"%" G_GINT64_FORMAT ".%09" G_GINT64_FORMAT, (gint64)sec, (gint64)nsec);
}

const char *list_format(const char *format, gboolean quiet_given, const char *quiet)
{
	if (!quiet_given)
		return format;
	if (format && *format)
		fputs("WARNING: Ignoring custom format, because both --format and --quiet are "
		      "set.\n",
			stderr);
	return quiet;
}

gboolean list_check_platform(const char *platform, GError **error)
{
	struct utsname u;
	if (!platform || !*platform)
		return TRUE;
	g_autofree char *wanted = platform_normalize(platform, error);
	if (!wanted)
		return FALSE;
	g_autofree char *machine = uname(&u) == 0 ? g_strdup_printf("linux/%s", u.machine) : NULL;
	g_autofree char *own = machine ? platform_normalize(machine, NULL) : NULL;
	if (g_strcmp0(wanted, own) == 0)
		return TRUE;
	return dh_error(error, DH_ERROR_NOT_BUILT,
		"images for other platforms (%s) are not built yet: this one is %s", wanted,
		own ? own : "linux");
}

gboolean list_confirm(const char *warning)
{
	char line[64];
	printf("%s\nAre you sure you want to continue? [y/N] ", warning);
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		return FALSE;
	g_strstrip(line);
	return g_ascii_strcasecmp(line, "y") == 0;
}

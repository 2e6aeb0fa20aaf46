/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "container/observe.h"

#include <string.h>

#define VALUES_MAX 1024

struct Filters {
	GHashTable *values; /* key -> strv */
};

void filters_free(Filters *f)
{
	if (!f)
		return;
	g_hash_table_unref(f->values);
	g_free(f);
}

static gboolean collect(json_t *values, GPtrArray *out)
{
	if (json_is_array(values)) {
		size_t i;
		json_t *v;
		json_array_foreach (values, i, v) {
			if (!json_is_string(v))
				return FALSE;
			g_ptr_array_add(out, g_strdup(json_string_value(v)));
		}
	} else if (json_is_object(values)) {
		const char *key;
		json_t *v;
		json_object_foreach (values, key, v) {
			if (!json_is_boolean(v))
				return FALSE;
			if (json_is_true(v))
				g_ptr_array_add(out, g_strdup(key));
		}
	} else {
		return FALSE;
	}
	return out->len <= VALUES_MAX;
}

static gboolean parse(Filters *f, json_t *root, const char *const *allowed, GError **error)
{
	const char *key;
	json_t *values;
	json_object_foreach (root, key, values) {
		if (!g_strv_contains(allowed, key))
			return dh_error(error, DH_ERROR_INVALID, "invalid filter '%s'", key);
		g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
		if (!collect(values, list))
			return dh_error(error, DH_ERROR_INVALID, "invalid filter");
		if (list->len == 0)
			continue;
		g_ptr_array_add(list, NULL);
		g_hash_table_insert(
			f->values, g_strdup(key), g_ptr_array_free(g_steal_pointer(&list), FALSE));
	}
	return TRUE;
}

gboolean filters_any(const Filters *f)
{
	return g_hash_table_size(f->values) > 0;
}

Filters *filters_parse(const char *json, const char *const *allowed, GError **error)
{
	g_autoptr(Filters) f = g_new0(Filters, 1);
	f->values =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_strfreev);
	if (!json || !*json)
		return g_steal_pointer(&f);
	g_autoptr(json_t) root = dh_json_loads(json, strlen(json), NULL);
	if (!root || (!json_is_object(root) && !json_is_null(root))) {
		dh_error(error, DH_ERROR_INVALID, "invalid filter");
		return NULL;
	}
	if (json_is_object(root) && !parse(f, root, allowed, error))
		return NULL;
	return g_steal_pointer(&f);
}

char **filters_get(const Filters *f, const char *key)
{
	return f ? g_hash_table_lookup(f->values, key) : NULL;
}

gboolean filters_has(const Filters *f, const char *key)
{
	return filters_get(f, key) != NULL;
}

gboolean filters_match(const Filters *f, const char *key, const char *v)
{
	char **values = filters_get(f, key);
	return !values || (v && g_strv_contains((const char *const *)values, v));
}

gboolean filters_match_prefix(const Filters *f, const char *key, const char *v)
{
	char **values = filters_get(f, key);
	if (!values)
		return TRUE;
	for (; v && *values; values++) {
		if (g_str_has_prefix(v, *values))
			return TRUE;
	}
	return FALSE;
}

gboolean filters_match_regex(const Filters *f, const char *key, const char *v)
{
	char **values = filters_get(f, key);
	if (!values || g_strv_contains((const char *const *)values, v))
		return TRUE;
	for (; *values; values++) {
		/* As in docker, a pattern that does not compile matches nothing. */
		if (g_regex_match_simple(*values, v, 0, 0))
			return TRUE;
	}
	return FALSE;
}

static gboolean label_holds(const char *want, GHashTable *labels)
{
	const char *eq = strchr(want, '=');
	if (!eq)
		return g_hash_table_contains(labels, want);
	g_autofree char *key = g_strndup(want, (gsize)(eq - want));
	const char *have = g_hash_table_lookup(labels, key);
	return have && strcmp(have, eq + 1) == 0;
}

gboolean filters_match_labels(const Filters *f, const char *key, GHashTable *labels)
{
	char **values = filters_get(f, key);
	if (!values)
		return TRUE;
	if (!labels)
		return FALSE;
	for (; *values; values++) {
		if (!label_holds(*values, labels))
			return FALSE;
	}
	return TRUE;
}

gboolean filters_match_no_labels(const Filters *f, const char *key, GHashTable *labels)
{
	char **values = filters_get(f, key);
	if (!values || !labels)
		return TRUE;
	for (; *values; values++) {
		if (label_holds(*values, labels))
			return FALSE;
	}
	return TRUE;
}

gboolean filters_get_bool(
	const Filters *f, const char *key, gboolean fallback, gboolean *ret, GError **error)
{
	static const char *const yes[] = {"1", "true", NULL}, *const no[] = {"0", "false", NULL};
	char **values = filters_get(f, key);
	*ret = fallback;
	if (!values)
		return TRUE;
	if (!values[1] && g_strv_contains(yes, values[0])) {
		*ret = TRUE;
		return TRUE;
	}
	if (!values[1] && g_strv_contains(no, values[0])) {
		*ret = FALSE;
		return TRUE;
	}
	g_autofree char *list = g_strjoinv(" ", values);
	return dh_error(error, DH_ERROR_INVALID, "invalid filter '%s=[%s]'", key, list);
}

/* SPDX-License-Identifier: MIT */
/*
 * json_copy.c - a structure copied by its table. The copy is what parsing the emitted JSON would
 * give: what is not emitted keeps its default, and a string that is emitted is never NULL.
 */
#include "base/json_priv.h"

static GPtrArray *copy_list(const DhJsonTable *t, GPtrArray *list)
{
	GPtrArray *out = dh_json_list_new();
	for (guint i = 0; list && i < list->len; i++)
		g_ptr_array_add(out, dh_json_copy(t, list->pdata[i]));
	return out;
}

static GHashTable *copy_map(const DhJsonField *f, GHashTable *map)
{
	GDestroyNotify value_free = f->type == DH_JSON_STRMAP    ? g_free
				    : f->type == DH_JSON_MAP     ? json_box_free
				    : f->type == DH_JSON_MAPLIST ? json_list_free
								 : NULL;
	GHashTable *out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free);
	GHashTableIter it;
	gpointer key, value;
	if (map)
		g_hash_table_iter_init(&it, map);
	while (map && g_hash_table_iter_next(&it, &key, &value)) {
		char *name = g_strdup(key);
		if (f->type == DH_JSON_SET)
			g_hash_table_add(out, name);
		else if (f->type == DH_JSON_STRMAP)
			g_hash_table_insert(out, name, g_strdup(value ? value : ""));
		else if (f->type == DH_JSON_MAP)
			g_hash_table_insert(out, name,
				value ? dh_json_copy(f->table, value) : json_box_new(f->table));
		else
			g_hash_table_insert(out, name, value ? copy_list(f->table, value) : NULL);
	}
	return out;
}

static void copy_into(const DhJsonTable *t, const void *from, void *to);

static void copy_field(const DhJsonField *f, const void *obj, void *to)
{
	void *place = json_member(f, to);
	gboolean not_null = (f->flags & DH_JSON_NOTNULL) != 0;
	switch (f->type) {
	case DH_JSON_BOOL:
		*(gboolean *)place = AS(gboolean) != 0;
		break;
	case DH_JSON_TRISTATE:
		*(int *)place = AS(int);
		break;
	case DH_JSON_INT:
		*(int64_t *)place = AS(int64_t);
		break;
	case DH_JSON_DOUBLE:
		*(double *)place = AS(double);
		break;
	case DH_JSON_STRING:
		*(char **)place = g_strdup(AS(char *) ? AS(char *) : "");
		break;
	case DH_JSON_STRV:
	case DH_JSON_STRSLICE:
		if (AS(char **) || not_null)
			*(char ***)place = AS(char **) ? g_strdupv(AS(char **)) : g_new0(char *, 1);
		break;
	case DH_JSON_STRMAP:
	case DH_JSON_SET:
	case DH_JSON_MAP:
	case DH_JSON_MAPLIST:
		if (AS(GHashTable *) || not_null)
			*(GHashTable **)place = copy_map(f, AS(GHashTable *));
		break;
	case DH_JSON_OBJECT:
		*(void **)place = dh_json_copy(f->table, AS(void *));
		break;
	case DH_JSON_EMBED:
	case DH_JSON_INLINE:
		copy_into(f->table, json_member(f, obj), place);
		break;
	case DH_JSON_LIST:
		if (AS(GPtrArray *) || not_null)
			*(GPtrArray **)place = copy_list(f->table, AS(GPtrArray *));
		break;
	case DH_JSON_RAW:
		*(json_t **)place = json_incref(AS(json_t *));
		break;
	}
}

static void copy_into(const DhJsonTable *t, const void *from, void *to)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		if (json_emits(&t->fields[i], from))
			copy_field(&t->fields[i], from, to);
	}
}

void *dh_json_copy(const DhJsonTable *t, const void *obj)
{
	if (!obj)
		return NULL;
	void *copy = json_box_new(t);
	copy_into(t, obj, copy);
	return copy;
}

/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "base/error.h"
#include "base/json_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- free ---- */

/* GHashTable and GPtrArray free their elements through these; the element's table travels in a
 * header in front of the structure, because GDestroyNotify takes no second argument. */
typedef struct {
	const DhJsonTable *table;
	gint refs;
	max_align_t obj[];
} Boxed;

static Boxed *box_of(void *obj)
{
	return (Boxed *)((char *)obj - offsetof(Boxed, obj));
}

static void set_defaults(const DhJsonTable *t, void *obj)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		const DhJsonField *f = &t->fields[i];
		if (f->type == DH_JSON_TRISTATE)
			AS(int) = -1;
		else if (f->type == DH_JSON_INT && (f->flags & DH_JSON_MINUS_ONE))
			AS(int64_t) = -1;
		else if (f->type == DH_JSON_EMBED || f->type == DH_JSON_INLINE)
			set_defaults(f->table, json_member(f, obj));
	}
}

void *json_box_new(const DhJsonTable *t)
{
	Boxed *b = g_malloc0(sizeof *b + t->size);
	b->table = t;
	b->refs = 1;
	set_defaults(t, b->obj);
	return b->obj;
}

void json_box_free(void *obj)
{
	Boxed *b = obj ? box_of(obj) : NULL;
	if (!b || !g_atomic_int_dec_and_test(&b->refs))
		return;
	dh_json_clear(b->table, obj);
	g_free(b);
}

void json_list_free(void *list)
{
	if (list)
		g_ptr_array_unref(list);
}

GPtrArray *dh_json_list_new(void)
{
	return g_ptr_array_new_with_free_func(json_box_free);
}

void *dh_json_new(const DhJsonTable *t)
{
	return json_box_new(t);
}

void *dh_json_ref(void *obj)
{
	if (obj)
		g_atomic_int_inc(&box_of(obj)->refs);
	return obj;
}

void dh_json_free(const DhJsonTable *t, void *obj)
{
	(void)t;
	json_box_free(obj);
}

void dh_json_clear(const DhJsonTable *t, void *obj)
{
	if (!obj)
		return;
	for (size_t i = 0; i < t->n_fields; i++) {
		const DhJsonField *f = &t->fields[i];
		switch (f->type) {
		case DH_JSON_BOOL:
		case DH_JSON_TRISTATE:
		case DH_JSON_INT:
		case DH_JSON_DOUBLE:
			break;
		case DH_JSON_STRING:
			g_clear_pointer(&AS(char *), g_free);
			break;
		case DH_JSON_STRV:
		case DH_JSON_STRSLICE:
			g_clear_pointer(&AS(char **), g_strfreev);
			break;
		case DH_JSON_STRMAP:
		case DH_JSON_SET:
		case DH_JSON_MAP:
		case DH_JSON_MAPLIST:
			g_clear_pointer(&AS(GHashTable *), g_hash_table_unref);
			break;
		case DH_JSON_OBJECT:
			g_clear_pointer(&AS(void *), json_box_free);
			break;
		case DH_JSON_EMBED:
		case DH_JSON_INLINE:
			dh_json_clear(f->table, json_member(f, obj));
			break;
		case DH_JSON_LIST:
			g_clear_pointer(&AS(GPtrArray *), g_ptr_array_unref);
			break;
		case DH_JSON_RAW:
			g_clear_pointer(&AS(json_t *), json_decref);
			break;
		}
	}
}

/* ---- parse ---- */

static const char *kind_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "bool";
	case JSON_NULL:
		break;
	}
	return "null";
}

static gboolean mismatch(const DhJsonTable *t, const DhJsonField *f, const json_t *v,
	const char *want, GError **error)
{
	return dh_error(error, DH_ERROR_INVALID,
		"json: cannot unmarshal %s into field %s.%s of type %s", kind_of(v), t->name,
		f->name, want);
}

static char **parse_strv(const DhJsonTable *t, const DhJsonField *f, json_t *v, GError **error)
{
	g_auto(GStrv) out = g_new0(char *, json_array_size(v) + 1);
	size_t i;
	json_t *e;
	json_array_foreach (v, i, e) {
		if (json_is_null(e))
			out[i] = g_strdup("");
		else if (json_is_string(e))
			out[i] = g_strdup(json_string_value(e));
		else {
			mismatch(t, f, e, "string", error);
			return NULL;
		}
	}
	return g_steal_pointer(&out);
}

static GPtrArray *parse_list(const DhJsonTable *t, const DhJsonField *f, json_t *v, GError **error)
{
	if (!json_is_array(v)) {
		mismatch(t, f, v, "array", error);
		return NULL;
	}
	g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func(json_box_free);
	size_t i;
	json_t *e;
	json_array_foreach (v, i, e) {
		void *o = dh_json_parse(f->table, e, error);
		if (!o)
			return NULL;
		g_ptr_array_add(out, o);
	}
	return g_steal_pointer(&out);
}

static GHashTable *parse_map(const DhJsonTable *t, const DhJsonField *f, json_t *v, GError **error)
{
	static const GDestroyNotify value_free[] = {
		[DH_JSON_STRMAP] = g_free,
		[DH_JSON_SET] = NULL,
		[DH_JSON_MAP] = json_box_free,
		[DH_JSON_MAPLIST] = json_list_free,
	};
	if (!json_is_object(v)) {
		mismatch(t, f, v, "object", error);
		return NULL;
	}
	g_autoptr(GHashTable) out =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free[f->type]);
	const char *key;
	json_t *e;
	json_object_foreach (v, key, e) {
		void *value = NULL;
		if (f->type == DH_JSON_SET) {
			g_hash_table_add(out, g_strdup(key));
			continue;
		}
		if (f->type == DH_JSON_STRMAP) {
			if (!json_is_string(e) && !json_is_null(e)) {
				mismatch(t, f, e, "string", error);
				return NULL;
			}
			value = g_strdup(json_is_null(e) ? "" : json_string_value(e));
		} else if (f->type == DH_JSON_MAP && json_is_null(e)) {
			value = json_box_new(f->table);
		} else if (!json_is_null(e)) {
			value = f->type == DH_JSON_MAP ? dh_json_parse(f->table, e, error)
						       : (void *)parse_list(t, f, e, error);
			if (!value)
				return NULL;
		}
		g_hash_table_replace(out, g_strdup(key), value);
	}
	return g_steal_pointer(&out);
}

static gboolean parse_int(
	const DhJsonTable *t, const DhJsonField *f, json_t *v, int64_t *out, GError **error)
{
	if (json_is_integer(v)) {
		*out = json_integer_value(v);
		return TRUE;
	}
	/* A whole number written 1e9 or 5.0 is as good; beyond 2^53 a double is no number to trust.
	 */
	if (json_is_real(v)) {
		double d = json_real_value(v);
		if (d >= -9007199254740992.0 && d <= 9007199254740992.0 &&
			d == (double)(int64_t)d) {
			*out = (int64_t)d;
			return TRUE;
		}
	}
	return mismatch(t, f, v, "int64", error);
}

gboolean json_parse_field(
	const DhJsonTable *t, const DhJsonField *f, json_t *v, void *obj, GError **error)
{
	if (json_is_null(v))
		return TRUE;
	switch (f->type) {
	case DH_JSON_BOOL:
		if (!json_is_boolean(v))
			return mismatch(t, f, v, "bool", error);
		AS(gboolean) = json_is_true(v);
		return TRUE;
	case DH_JSON_TRISTATE:
		if (!json_is_boolean(v))
			return mismatch(t, f, v, "bool", error);
		AS(int) = json_is_true(v);
		return TRUE;
	case DH_JSON_INT:
		return parse_int(t, f, v, &AS(int64_t), error);
	case DH_JSON_DOUBLE:
		if (!json_is_number(v))
			return mismatch(t, f, v, "float64", error);
		AS(double) = json_number_value(v);
		return TRUE;
	case DH_JSON_STRING:
		if (!json_is_string(v))
			return mismatch(t, f, v, "string", error);
		g_free(AS(char *));
		AS(char *) = g_strdup(json_string_value(v));
		return TRUE;
	case DH_JSON_STRSLICE:
		if (json_is_string(v)) {
			g_strfreev(AS(char **));
			AS(char **) = g_new0(char *, 2);
			AS(char **)[0] = g_strdup(json_string_value(v));
			return TRUE;
		}
		G_GNUC_FALLTHROUGH;
	case DH_JSON_STRV: {
		if (!json_is_array(v))
			return mismatch(t, f, v, "array of string", error);
		char **strv = parse_strv(t, f, v, error);
		if (!strv)
			return FALSE;
		g_strfreev(AS(char **));
		AS(char **) = strv;
		return TRUE;
	}
	case DH_JSON_STRMAP:
	case DH_JSON_SET:
	case DH_JSON_MAP:
	case DH_JSON_MAPLIST: {
		GHashTable *map = parse_map(t, f, v, error);
		if (!map)
			return FALSE;
		g_clear_pointer(&AS(GHashTable *), g_hash_table_unref);
		AS(GHashTable *) = map;
		return TRUE;
	}
	case DH_JSON_OBJECT: {
		void *o = dh_json_parse(f->table, v, error);
		if (!o)
			return FALSE;
		json_box_free(AS(void *));
		AS(void *) = o;
		return TRUE;
	}
	case DH_JSON_EMBED:
	case DH_JSON_INLINE:
		return dh_json_parse_into(f->table, v, json_member(f, obj), error);
	case DH_JSON_LIST: {
		GPtrArray *list = parse_list(t, f, v, error);
		if (!list)
			return FALSE;
		g_clear_pointer(&AS(GPtrArray *), g_ptr_array_unref);
		AS(GPtrArray *) = list;
		return TRUE;
	}
	case DH_JSON_RAW:
		g_clear_pointer(&AS(json_t *), json_decref);
		AS(json_t *) = json_incref(v);
		return TRUE;
	}
	return TRUE;
}

static json_t *find_member(json_t *json, const char *name)
{
	json_t *v = json_object_get(json, name);
	if (v)
		return v;
	const char *key;
	json_object_foreach (json, key, v) {
		if (g_ascii_strcasecmp(key, name) == 0)
			return v;
	}
	return NULL;
}

static gboolean is_known(const DhJsonTable *t, const char *key)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		const DhJsonField *f = &t->fields[i];
		if (f->type == DH_JSON_INLINE ? is_known(f->table, key)
					      : g_ascii_strcasecmp(f->name, key) == 0)
			return TRUE;
	}
	return FALSE;
}

gboolean dh_json_parse_into(const DhJsonTable *t, json_t *json, void *obj, GError **error)
{
	if (!json_is_object(json))
		return dh_error(error, DH_ERROR_INVALID,
			"json: cannot unmarshal %s into value of type %s", kind_of(json), t->name);
	for (size_t i = 0; i < t->n_fields; i++) {
		const DhJsonField *f = &t->fields[i];
		if (f->type == DH_JSON_INLINE) {
			if (!dh_json_parse_into(f->table, json, json_member(f, obj), error))
				return FALSE;
			continue;
		}
		json_t *v = find_member(json, f->name);
		if (v) {
			if (!json_parse_field(t, f, v, obj, error))
				return FALSE;
		} else if (f->flags & DH_JSON_REQUIRED) {
			return dh_error(error, DH_ERROR_INVALID, "json: field %s.%s is missing",
				t->name, f->name);
		}
	}
	if (t->strict) {
		const char *key;
		json_t *v;
		json_object_foreach (json, key, v) {
			if (!is_known(t, key))
				return dh_error(error, DH_ERROR_INVALID,
					"json: unknown field %s.%s", t->name, key);
		}
	}
	return TRUE;
}

void *dh_json_parse(const DhJsonTable *t, json_t *json, GError **error)
{
	void *obj = json_box_new(t);
	if (!dh_json_parse_into(t, json, obj, error)) {
		json_box_free(obj);
		return NULL;
	}
	return obj;
}

json_t *dh_json_loads(const char *text, size_t n, GError **error)
{
	json_error_t e;
	json_t *json = json_loadb(text, n, JSON_DECODE_ANY, &e);
	if (!json)
		dh_error(error, DH_ERROR_INVALID, "invalid JSON: %s (line %d, column %d)", e.text,
			e.line, e.column);
	return json;
}

void *dh_json_parse_text(const DhJsonTable *t, const char *text, size_t n, GError **error)
{
	g_autoptr(json_t) json = dh_json_loads(text, n, error);
	return json ? dh_json_parse(t, json, error) : NULL;
}

/* ---- emit ---- */

static gboolean is_empty(const DhJsonField *f, const void *obj)
{
	switch (f->type) {
	case DH_JSON_BOOL:
		return !AS(gboolean);
	case DH_JSON_TRISTATE:
		return AS(int) < 0;
	case DH_JSON_INT:
		return AS(int64_t) == (f->flags & DH_JSON_MINUS_ONE ? -1 : 0);
	case DH_JSON_DOUBLE:
		return AS(double) == 0;
	case DH_JSON_STRING:
		return !AS(char *) || !*AS(char *);
	case DH_JSON_STRV:
	case DH_JSON_STRSLICE:
		return !AS(char **) || !*AS(char **);
	case DH_JSON_STRMAP:
	case DH_JSON_SET:
	case DH_JSON_MAP:
	case DH_JSON_MAPLIST:
		return !AS(GHashTable *) || g_hash_table_size(AS(GHashTable *)) == 0;
	case DH_JSON_OBJECT:
	case DH_JSON_RAW:
		return !AS(void *);
	case DH_JSON_LIST:
		return !AS(GPtrArray *) || AS(GPtrArray *)->len == 0;
	case DH_JSON_EMBED:
	case DH_JSON_INLINE:
		break;
	}
	return FALSE;
}

gboolean json_emits(const DhJsonField *f, const void *obj)
{
	return !(f->flags & DH_JSON_IN_ONLY) &&
	       !((f->flags & DH_JSON_OMITEMPTY) && is_empty(f, obj));
}

/* Strings from outside may not be UTF-8; Go replaces such bytes with U+FFFD, and so do we. */
static json_t *emit_string(const char *s)
{
	json_t *v = json_string(s ? s : "");
	if (!v) {
		g_autofree char *valid = g_utf8_make_valid(s, -1);
		v = json_string(valid);
	}
	return v;
}

static json_t *emit_list(const DhJsonTable *t, GPtrArray *list)
{
	json_t *out = json_array();
	for (guint i = 0; list && i < list->len; i++)
		json_array_append_new(out, dh_json_emit(t, list->pdata[i]));
	return out;
}

static json_t *emit_map(const DhJsonField *f, GHashTable *map)
{
	json_t *out = json_object();
	g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(map), (GCompareFunc)strcmp);
	for (GList *k = keys; k; k = k->next) {
		void *value = g_hash_table_lookup(map, k->data);
		json_t *v = NULL;
		if (f->type == DH_JSON_SET)
			v = json_object();
		else if (f->type == DH_JSON_STRMAP)
			v = emit_string(value);
		else if (!value)
			v = json_null();
		else if (f->type == DH_JSON_MAP)
			v = dh_json_emit(f->table, value);
		else
			v = emit_list(f->table, value);
		json_object_set_new(out, k->data, v);
	}
	return out;
}

static json_t *emit_field(const DhJsonField *f, const void *obj)
{
	gboolean not_null = (f->flags & DH_JSON_NOTNULL) != 0;
	switch (f->type) {
	case DH_JSON_BOOL:
		return json_boolean(AS(gboolean));
	case DH_JSON_TRISTATE:
		return AS(int) < 0 ? json_null() : json_boolean(AS(int));
	case DH_JSON_INT:
		return json_integer(AS(int64_t));
	case DH_JSON_DOUBLE:
		return json_real(AS(double));
	case DH_JSON_STRING:
		return emit_string(AS(char *));
	case DH_JSON_STRV:
	case DH_JSON_STRSLICE: {
		char **strv = AS(char **);
		if (!strv && !not_null)
			return json_null();
		json_t *out = json_array();
		for (; strv && *strv; strv++)
			json_array_append_new(out, emit_string(*strv));
		return out;
	}
	case DH_JSON_STRMAP:
	case DH_JSON_SET:
	case DH_JSON_MAP:
	case DH_JSON_MAPLIST:
		if (!AS(GHashTable *))
			return not_null ? json_object() : json_null();
		return emit_map(f, AS(GHashTable *));
	case DH_JSON_OBJECT:
		return AS(void *) ? dh_json_emit(f->table, AS(void *)) : json_null();
	case DH_JSON_EMBED:
	case DH_JSON_INLINE:
		return dh_json_emit(f->table, json_member(f, obj));
	case DH_JSON_LIST:
		if (!AS(GPtrArray *) && !not_null)
			return json_null();
		return emit_list(f->table, AS(GPtrArray *));
	case DH_JSON_RAW:
		return AS(json_t *) ? json_incref(AS(json_t *)) : json_null();
	}
	return json_null();
}

json_t *dh_json_emit(const DhJsonTable *t, const void *obj)
{
	json_t *out = json_object();
	for (size_t i = 0; i < t->n_fields; i++) {
		const DhJsonField *f = &t->fields[i];
		if (!json_emits(f, obj))
			continue;
		json_t *v = emit_field(f, obj);
		if (f->type == DH_JSON_INLINE) {
			json_object_update(out, v);
			json_decref(v);
		} else {
			json_object_set_new(out, f->name, v);
		}
	}
	return out;
}

char *dh_json_dumps(const json_t *json, size_t indent)
{
	size_t flags = JSON_ENCODE_ANY | (indent ? JSON_INDENT(indent) : JSON_COMPACT);
	char *text = json_dumps(json, flags);
	char *out = g_strdup(text);
	free(text);
	return out;
}

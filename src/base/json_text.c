/* SPDX-License-Identifier: MIT */
/*
 * json_text.c - a structure written as JSON text without a tree in between: rows, messages to
 * shims and lists are written far more often than they are looked at. Byte for byte what jansson's
 * compact form is.
 */
#include "base/json_priv.h"

#include <stdlib.h>
#include <string.h>

static void put_escaped(GString *out, const char *s)
{
	static const char digits[] = "0123456789ABCDEF";
	g_string_append_c(out, '"');
	for (;;) {
		const char *p = s;
		while ((unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
			p++;
		g_string_append_len(out, s, p - s);
		if (!*p)
			break;
		char esc[] = {
			'\\', 'u', '0', '0', digits[(unsigned char)*p >> 4], digits[*p & 15], 0};
		const char *plain = *p == '"'    ? "\\\""
				    : *p == '\\' ? "\\\\"
				    : *p == '\b' ? "\\b"
				    : *p == '\f' ? "\\f"
				    : *p == '\n' ? "\\n"
				    : *p == '\r' ? "\\r"
				    : *p == '\t' ? "\\t"
						 : esc;
		g_string_append(out, plain);
		s = p + 1;
	}
	g_string_append_c(out, '"');
}

/* How much of it stands for itself and is ASCII: as a rule all. */
static size_t plain_length(const char *s)
{
	const char *p = s;
	while ((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return (size_t)(p - s);
}

/* Strings from outside may not be UTF-8; Go replaces such bytes with U+FFFD, and so do we. */
static void put_string(GString *out, const char *s)
{
	s = s ? s : "";
	size_t plain = plain_length(s);
	if (!s[plain]) {
		g_string_append_c(out, '"');
		g_string_append_len(out, s, (gssize)plain);
		g_string_append_c(out, '"');
		return;
	}
	if (g_utf8_validate(s, -1, NULL)) {
		put_escaped(out, s);
		return;
	}
	g_autofree char *valid = g_utf8_make_valid(s, -1);
	put_escaped(out, valid);
}

static void put_int(GString *out, int64_t v)
{
	char digits[24];
	char *p = digits + sizeof digits;
	uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;
	do
		*--p = (char)('0' + rest % 10);
	while (rest /= 10);
	if (v < 0)
		*--p = '-';
	g_string_append_len(out, p, digits + sizeof digits - p);
}

static void put_value(GString *out, json_t *v)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	g_string_append(out, text ? text : "null");
	free(text);
}

static void put_strv(GString *out, char *const *v)
{
	g_string_append_c(out, '[');
	for (char *const *s = v; s && *s; s++) {
		if (s != v)
			g_string_append_c(out, ',');
		put_string(out, *s);
	}
	g_string_append_c(out, ']');
}

static void put_list(GString *out, const DhJsonTable *t, GPtrArray *list)
{
	g_string_append_c(out, '[');
	for (guint i = 0; list && i < list->len; i++) {
		if (i > 0)
			g_string_append_c(out, ',');
		dh_json_append_text(t, list->pdata[i], out);
	}
	g_string_append_c(out, ']');
}

static void put_map(GString *out, const DhJsonField *f, GHashTable *map)
{
	g_autoptr(GList) keys =
		map ? g_list_sort(g_hash_table_get_keys(map), (GCompareFunc)strcmp) : NULL;
	g_string_append_c(out, '{');
	for (GList *k = keys; k; k = k->next) {
		void *value = g_hash_table_lookup(map, k->data);
		if (k != keys)
			g_string_append_c(out, ',');
		put_string(out, k->data);
		g_string_append_c(out, ':');
		if (f->type == DH_JSON_SET)
			g_string_append(out, "{}");
		else if (f->type == DH_JSON_STRMAP)
			put_string(out, value);
		else if (!value)
			g_string_append(out, "null");
		else if (f->type == DH_JSON_MAP)
			dh_json_append_text(f->table, value, out);
		else
			put_list(out, f->table, value);
	}
	g_string_append_c(out, '}');
}

static void put_field(GString *out, const DhJsonField *f, const void *obj)
{
	gboolean not_null = (f->flags & DH_JSON_NOTNULL) != 0;
	gboolean null = FALSE;
	switch (f->type) {
	case DH_JSON_BOOL:
		g_string_append(out, AS(gboolean) ? "true" : "false");
		break;
	case DH_JSON_TRISTATE:
		null = AS(int) < 0;
		if (!null)
			g_string_append(out, AS(int) ? "true" : "false");
		break;
	case DH_JSON_INT:
		put_int(out, AS(int64_t));
		break;
	case DH_JSON_DOUBLE: {
		g_autoptr(json_t) v = json_real(AS(double));
		put_value(out, v);
		break;
	}
	case DH_JSON_STRING:
		put_string(out, AS(char *));
		break;
	case DH_JSON_STRV:
	case DH_JSON_STRSLICE:
		null = !AS(char **) && !not_null;
		if (!null)
			put_strv(out, AS(char **));
		break;
	case DH_JSON_STRMAP:
	case DH_JSON_SET:
	case DH_JSON_MAP:
	case DH_JSON_MAPLIST:
		null = !AS(GHashTable *) && !not_null;
		if (!null)
			put_map(out, f, AS(GHashTable *));
		break;
	case DH_JSON_OBJECT:
		null = !AS(void *);
		if (!null)
			dh_json_append_text(f->table, AS(void *), out);
		break;
	case DH_JSON_EMBED:
	case DH_JSON_INLINE:
		dh_json_append_text(f->table, json_member(f, obj), out);
		break;
	case DH_JSON_LIST:
		null = !AS(GPtrArray *) && !not_null;
		if (!null)
			put_list(out, f->table, AS(GPtrArray *));
		break;
	case DH_JSON_RAW:
		null = !AS(json_t *);
		if (!null)
			put_value(out, AS(json_t *));
		break;
	}
	if (null)
		g_string_append(out, "null");
}

static void put_members(GString *out, const DhJsonTable *t, const void *obj, gboolean *first)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		const DhJsonField *f = &t->fields[i];
		if (!json_emits(f, obj))
			continue;
		if (f->type == DH_JSON_INLINE) {
			put_members(out, f->table, json_member(f, obj), first);
			continue;
		}
		g_string_append(out, *first ? "\"" : ",\"");
		*first = FALSE;
		g_string_append(out, f->name);
		g_string_append(out, "\":");
		put_field(out, f, obj);
	}
}

void dh_json_append_text(const DhJsonTable *t, const void *obj, GString *out)
{
	gboolean first = TRUE;
	g_string_append_c(out, '{');
	put_members(out, t, obj, &first);
	g_string_append_c(out, '}');
}

char *dh_json_emit_text(const DhJsonTable *t, const void *obj)
{
	GString *out = g_string_sized_new(1024);
	dh_json_append_text(t, obj, out);
	return g_string_free(out, FALSE);
}

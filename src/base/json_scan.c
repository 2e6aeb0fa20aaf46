/* SPDX-License-Identifier: MIT */
/*
 * json_scan.c - the objects of a JSON array, one after the other, without a tree of them all: the
 * counterpart of json_text.c. Numbers, plain strings and lists of these are read as they stand;
 * every other value of the table is cut out and goes the way of json.c. What is in no table is only
 * passed over.
 */
#include "base/error.h"
#include "base/json_priv.h"

#include <string.h>

static void skip_space(DhJsonScan *s)
{
	while (s->at < s->end &&
		(*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n'))
		s->at++;
}

static gboolean malformed(const char *what, GError **error)
{
	return dh_error(error, DH_ERROR_INVALID, "invalid JSON: %s", what);
}

/* Past this character, which must come next. */
static gboolean expect(DhJsonScan *s, char c, const char *what, GError **error)
{
	skip_space(s);
	if (s->at >= s->end || *s->at != c)
		return malformed(what, error);
	s->at++;
	skip_space(s);
	return TRUE;
}

static gboolean next_is(const DhJsonScan *s, char c)
{
	return s->at < s->end && *s->at == c;
}

/* Behind the string whose quote is at p; NULL: it has no end. Plain: its bytes stand for
 * themselves. */
static const char *string_end(const char *p, const char *end, gboolean *ret_plain)
{
	/* Bytes of UTF-8 are negative. */
	for (p++; p < end && (signed char)*p >= ' ' && *p != '"' && *p != '\\'; p++)
		;
	*ret_plain = p < end && *p == '"';
	for (; p < end && *p != '"'; p++) {
		if (*p == '\\')
			p++;
	}
	return p < end ? p + 1 : NULL;
}

/* Behind the value at p; NULL: it has no end. */
static const char *value_end(const char *p, const char *end)
{
	size_t depth = 0;
	gboolean plain;
	do {
		if (p >= end)
			return NULL;
		if (*p == '"') {
			p = string_end(p, end, &plain);
			if (!p)
				return NULL;
		} else if (*p == '{' || *p == '[') {
			depth++;
			p++;
		} else if (depth > 0) {
			depth -= *p == '}' || *p == ']';
			p++;
		} else {
			const char *from = p;
			while (p < end && !strchr(",]} \t\r\n", *p))
				p++;
			if (p == from)
				return NULL;
		}
	} while (depth > 0);
	return p;
}

/* NULL: not a plain string. */
static char *plain_string(DhJsonScan *s)
{
	gboolean plain;
	const char *end = next_is(s, '"') ? string_end(s->at, s->end, &plain) : NULL;
	if (!end || !plain)
		return NULL;
	char *text = g_strndup(s->at + 1, (gsize)(end - s->at) - 2);
	s->at = end;
	return text;
}

static char **plain_strings(DhJsonScan *s)
{
	g_autoptr(GStrvBuilder) all = g_strv_builder_new();
	if (!next_is(s, '['))
		return NULL;
	s->at++;
	while (!next_is(s, ']')) {
		g_autofree char *one = plain_string(s);
		if (!one)
			return NULL;
		g_strv_builder_add(all, one);
		if (next_is(s, ',') && s->at + 1 < s->end && s->at[1] == '"')
			s->at++;
		else if (!next_is(s, ']'))
			return NULL;
	}
	s->at++;
	return g_strv_builder_end(all);
}

static gboolean plain_int(DhJsonScan *s, int64_t *ret)
{
	enum { DIGITS = 18 };
	const char *p = s->at;
	gboolean negative = p < s->end && *p == '-';
	int64_t value = 0;
	p += negative;
	const char *first = p;
	for (; p < s->end && p - first < DIGITS && g_ascii_isdigit(*p); p++)
		value = value * 10 + (*p - '0');
	if (p == first || (*first == '0' && p > first + 1) || p >= s->end ||
		!strchr(",} \t\r\n", *p))
		return FALSE;
	*ret = negative ? -value : value;
	s->at = p;
	return TRUE;
}

static gboolean read_plain(DhJsonScan *s, const DhJsonField *f, void *obj)
{
	char *text;
	char **strv;
	switch ((int)f->type) {
	case DH_JSON_INT:
		return plain_int(s, &AS(int64_t));
	case DH_JSON_STRING:
		text = plain_string(s);
		if (!text)
			return FALSE;
		g_free(AS(char *));
		AS(char *) = text;
		return TRUE;
	case DH_JSON_STRV:
		strv = plain_strings(s);
		if (!strv)
			return FALSE;
		g_strfreev(AS(char **));
		AS(char **) = strv;
		return TRUE;
	default:
		return FALSE;
	}
}

/* f NULL: of no table. */
static gboolean read_value(
	DhJsonScan *s, const DhJsonTable *t, const DhJsonField *f, void *obj, GError **error)
{
	const char *from = s->at;
	if (f && read_plain(s, f, obj))
		return TRUE;
	const char *end = value_end(from, s->end);
	if (!end)
		return malformed("the text ends within a value", error);
	s->at = end;
	if (!f)
		return TRUE;
	g_autoptr(json_t) value = dh_json_loads(from, (size_t)(end - from), error);
	return value && json_parse_field(t, f, value, obj, error);
}

static gboolean is_named(const DhJsonField *f, const char *name, size_t n)
{
	return strlen(f->name) == n && memcmp(f->name, name, n) == 0;
}

/* As a rule the members come in the table's order. */
static const DhJsonField *field_of(DhJsonScan *s, const DhJsonTable *t, const char *name, size_t n)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		size_t at = (s->next + i) % t->n_fields;
		if (is_named(&t->fields[at], name, n)) {
			s->next = at + 1;
			return &t->fields[at];
		}
	}
	return NULL;
}

static gboolean read_member(DhJsonScan *s, const DhJsonTable *t, void *obj, GError **error)
{
	gboolean plain;
	const char *name = s->at + 1;
	const char *end = next_is(s, '"') ? string_end(s->at, s->end, &plain) : NULL;
	if (!end)
		return malformed("the name of a member is expected", error);
	s->at = end;
	if (!expect(s, ':', "':' is expected", error))
		return FALSE;
	const DhJsonField *f = field_of(s, t, name, (size_t)(end - name) - 1);
	return read_value(s, t, f, obj, error);
}

static gboolean read_object(DhJsonScan *s, const DhJsonTable *t, void *obj, GError **error)
{
	if (!expect(s, '{', "an object is expected", error))
		return FALSE;
	s->next = 0;
	while (!next_is(s, '}')) {
		if (!read_member(s, t, obj, error))
			return FALSE;
		skip_space(s);
		if (!next_is(s, '}') && !expect(s, ',', "',' or '}' is expected", error))
			return FALSE;
	}
	s->at++;
	skip_space(s);
	return TRUE;
}

void dh_json_scan(DhJsonScan *s, const char *text, size_t n, gboolean whole)
{
	*s = (DhJsonScan){.text = text, .at = text, .end = text + n, .growing = !whole};
}

void dh_json_scan_more(DhJsonScan *s, const char *text, size_t n, gboolean whole)
{
	s->text = text;
	s->at = text + s->done;
	s->end = text + n;
	s->growing = !whole;
}

static gboolean read_next(DhJsonScan *s, const DhJsonTable *t, void *obj, GError **error)
{
	if (!s->begun && !expect(s, '[', "an array is expected", error))
		return FALSE;
	if (next_is(s, ']')) {
		s->at++;
		skip_space(s);
		return s->at == s->end ? FALSE
				       : malformed("the end of the text is expected", error);
	}
	if (s->begun && !expect(s, ',', "',' or ']' is expected", error))
		return FALSE;
	return read_object(s, t, obj, error);
}

gboolean dh_json_scan_next(DhJsonScan *s, const DhJsonTable *t, void *obj, GError **error)
{
	if (s->ended)
		return FALSE;
	/* Whatever is wrong with a text that grows, it may only be short. */
	if (!read_next(s, t, obj, s->growing ? NULL : error)) {
		s->ended = !s->growing;
		dh_json_clear(t, obj);
		s->at = s->text + s->done;
		return FALSE;
	}
	s->begun = TRUE;
	s->done = (size_t)(s->at - s->text);
	return TRUE;
}

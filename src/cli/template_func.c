/* SPDX-License-Identifier: MIT */
#include "cli/template_internal.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

enum { MAX_PAD = 1024 * 1024 };

typedef json_t *(*Function)(json_t *const *args, guint n, GError **error);

static const char *str(json_t *v)
{
	return json_string_value(v);
}

static json_t *take(GString *s)
{
	json_t *v = json_stringn(s->str, s->len);
	g_string_free(s, TRUE);
	return v ? v : json_string("");
}

static json_t *bad(GError **error, const char *text)
{
	dh_error(error, DH_ERROR_INVALID, "%s", text);
	return NULL;
}

/* Text of all values as Go's print joins them: a blank between two that are not strings. */
static void sprint(GString *out, json_t *const *args, guint n, gboolean line)
{
	for (guint i = 0; i < n; i++) {
		if (i && (line || (!json_is_string(args[i]) && !json_is_string(args[i - 1]))))
			g_string_append_c(out, ' ');
		if (args[i])
			template_print_value(out, args[i]);
		else
			g_string_append(out, "<nil>");
	}
	if (line)
		g_string_append_c(out, '\n');
}

static char *text_of(json_t *const *args, guint n)
{
	GString *s = g_string_new(NULL);
	sprint(s, args, n, FALSE);
	return g_string_free(s, FALSE);
}

static json_t *fn_print(json_t *const *args, guint n, GError **error)
{
	GString *s = g_string_new(NULL);
	sprint(s, args, n, FALSE);
	return take(s);
}

static json_t *fn_println(json_t *const *args, guint n, GError **error)
{
	GString *s = g_string_new(NULL);
	sprint(s, args, n, TRUE);
	return take(s);
}

static json_t *fn_printf(json_t *const *args, guint n, GError **error)
{
	GString *s = g_string_new(NULL);
	template_printf(s, str(args[0]), args + 1, n - 1);
	return take(s);
}

static json_t *fn_json(json_t *const *args, guint n, GError **error)
{
	g_autofree char *text =
		template_is_nil(args[0]) ? g_strdup("null") : dh_json_dumps(args[0], 0);
	return json_string(text);
}

static json_t *fn_join(json_t *const *args, guint n, GError **error)
{
	if (!json_is_array(args[0]))
		return bad(error, "can only join a list");
	GString *s = g_string_new(NULL);
	for (size_t i = 0; i < json_array_size(args[0]); i++) {
		if (i)
			g_string_append(s, str(args[1]));
		template_print_value(s, json_array_get(args[0], i));
	}
	return take(s);
}

static json_t *fn_split(json_t *const *args, guint n, GError **error)
{
	json_t *list = json_array();
	const char *separator = str(args[1]);
	if (!*separator) {
		for (const char *p = str(args[0]); *p; p = g_utf8_next_char(p))
			json_array_append_new(
				list, json_stringn(p, (size_t)(g_utf8_next_char(p) - p)));
		return list;
	}
	g_auto(GStrv) parts = g_strsplit(str(args[0]), separator, -1);
	for (guint i = 0; parts[i]; i++)
		json_array_append_new(list, json_string(parts[i]));
	if (!parts[0])
		json_array_append_new(list, json_string(""));
	return list;
}

static json_t *fn_lower(json_t *const *args, guint n, GError **error)
{
	g_autofree char *s = g_utf8_strdown(str(args[0]), -1);
	return json_string(s);
}

static json_t *fn_upper(json_t *const *args, guint n, GError **error)
{
	g_autofree char *s = g_utf8_strup(str(args[0]), -1);
	return json_string(s);
}

static json_t *fn_title(json_t *const *args, guint n, GError **error)
{
	GString *s = g_string_new(NULL);
	gboolean inside = FALSE;
	for (const char *p = str(args[0]); *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);
		g_string_append_unichar(s, inside ? c : g_unichar_totitle(c));
		inside = g_unichar_isalnum(c) || c == '_' || c == '\'';
	}
	return take(s);
}

static json_t *fn_pad(json_t *const *args, guint n, GError **error)
{
	json_int_t before = json_integer_value(args[1]), after = json_integer_value(args[2]);
	if (before < 0 || after < 0 || before > MAX_PAD || after > MAX_PAD)
		return bad(error, "strings: negative Repeat count");
	if (!*str(args[0]))
		return json_string("");
	GString *s = g_string_new(NULL);
	g_string_append_printf(s, "%*s%s%*s", (int)before, "", str(args[0]), (int)after, "");
	return take(s);
}

static json_t *fn_truncate(json_t *const *args, guint n, GError **error)
{
	const char *s = str(args[0]);
	json_int_t max = json_integer_value(args[1]);
	if (max < 0)
		return bad(error, "slice bounds out of range");
	size_t len = MIN(strlen(s), (size_t)max);
	while (len && (s[len] & 0xc0) == 0x80)
		len--;
	return json_stringn(s, len);
}

static json_t *fn_len(json_t *const *args, guint n, GError **error)
{
	if (json_is_string(args[0]))
		return json_integer((json_int_t)json_string_length(args[0]));
	if (json_is_array(args[0]))
		return json_integer((json_int_t)json_array_size(args[0]));
	if (json_is_object(args[0]))
		return json_integer((json_int_t)json_object_size(args[0]));
	if (!args[0] || json_is_null(args[0]))
		return bad(error, "len of nil pointer");
	return bad(error, json_is_boolean(args[0])   ? "len of type bool"
			  : json_is_integer(args[0]) ? "len of type int"
						     : "len of type float64");
}

/* What a missing key of this map yields: the zero value of what its other values are. */
static json_t *zero_like(const json_t *map)
{
	const char *key;
	json_t *value;
	json_type type = JSON_STRING;
	gboolean any = FALSE;
	json_object_foreach ((json_t *)map, key, value) {
		json_type t = json_is_null(value) ? JSON_ARRAY : json_typeof(value);
		if (any && t != type)
			return NULL;
		type = t;
		any = TRUE;
	}
	if (type == JSON_STRING)
		return json_string("");
	return type == JSON_ARRAY ? json_array() : NULL;
}

static json_t *fn_index(json_t *const *args, guint n, GError **error)
{
	json_t *v = args[0];
	json_t *made = NULL;
	if (!v || json_is_null(v))
		return bad(error, "index of untyped nil");
	for (guint i = 1; i < n; i++) {
		json_t *key = args[i];
		if (!v || json_is_null(v)) {
			json_decref(made);
			return bad(error, "index of nil pointer");
		}
		if (json_is_object(v) && json_is_string(key)) {
			json_t *hit = json_object_get(v, str(key));
			json_t *zero = hit ? NULL : zero_like(v);
			json_decref(made);
			v = hit ? hit : zero;
			made = zero;
		} else if ((json_is_array(v) || json_is_string(v)) && json_is_integer(key)) {
			json_int_t at = json_integer_value(key);
			size_t size = json_is_array(v) ? json_array_size(v) : json_string_length(v);
			if (at < 0 || (guint64)at >= size) {
				json_decref(made);
				dh_error(error, DH_ERROR_INVALID,
					"index out of range: %" JSON_INTEGER_FORMAT, at);
				return NULL;
			}
			json_t *item = json_is_array(v) ? json_incref(json_array_get(v, (size_t)at))
							: json_integer((guchar)str(v)[at]);
			json_decref(made);
			v = made = item;
		} else {
			json_decref(made);
			return bad(error,
				json_is_array(v)    ? "cannot index slice/array with type string"
				: json_is_object(v) ? "value has type int; should be string"
						    : "can't index item of this type");
		}
	}
	return made ? made : json_incref(v);
}

static json_t *fn_slice(json_t *const *args, guint n, GError **error)
{
	json_t *v = args[0];
	if (!json_is_string(v) && !json_is_array(v))
		return bad(error, "can't slice item of this type");
	if (n > 4 || (json_is_string(v) && n > 3))
		return bad(
			error, n > 4 ? "too many slice indexes" : "cannot 3-index slice a string");
	json_int_t size =
		(json_int_t)(json_is_string(v) ? json_string_length(v) : json_array_size(v));
	json_int_t at[2] = {0, size};
	for (guint i = 1; i < n; i++) {
		if (!json_is_integer(args[i]))
			return bad(error, "cannot index slice/array with type string");
		json_int_t x = json_integer_value(args[i]);
		if (x < 0 || x > size) {
			dh_error(error, DH_ERROR_INVALID,
				"index out of range: %" JSON_INTEGER_FORMAT, x);
			return NULL;
		}
		if (i < 3)
			at[i - 1] = x;
	}
	if (at[0] > at[1]) {
		dh_error(error, DH_ERROR_INVALID,
			"invalid slice index: %" JSON_INTEGER_FORMAT " > %" JSON_INTEGER_FORMAT,
			at[0], at[1]);
		return NULL;
	}
	if (json_is_string(v)) {
		g_autofree char *valid = g_utf8_make_valid(str(v) + at[0], (gssize)(at[1] - at[0]));
		return json_string(valid);
	}
	json_t *list = json_array();
	for (json_int_t i = at[0]; i < at[1]; i++)
		json_array_append(list, json_array_get(v, (size_t)i));
	return list;
}

static json_t *fn_not(json_t *const *args, guint n, GError **error)
{
	return json_boolean(!template_truth(args[0]));
}

/* Kinds that can be compared with each other. */
static int basic_kind(const json_t *v)
{
	if (!v || json_is_null(v))
		return 0;
	if (json_is_boolean(v))
		return 1;
	if (json_is_integer(v))
		return 2;
	if (json_is_real(v))
		return 3;
	return json_is_string(v) ? 4 : -1;
}

static json_t *fn_eq(json_t *const *args, guint n, GError **error)
{
	int kind = basic_kind(args[0]);
	for (guint i = 1; i < n; i++) {
		int other = basic_kind(args[i]);
		if (kind < 0 && other < 0)
			return bad(error, "non-comparable type");
		if (kind && other && kind != other)
			return bad(error, "incompatible types for comparison");
		if (kind == other && (!kind || json_equal(args[0], args[i])))
			return json_true();
	}
	return json_false();
}

static json_t *fn_ne(json_t *const *args, guint n, GError **error)
{
	json_t *eq = fn_eq(args, n, error);
	return eq ? json_boolean(!json_is_true(eq)) : NULL;
}

/* -1, 0, 1; FALSE with an error. */
static gboolean order(json_t *const *args, int *ret, GError **error)
{
	int kind = basic_kind(args[0]);
	if (kind < 2 || basic_kind(args[1]) < 2)
		return bad(error, "invalid type for comparison") != NULL;
	if (kind != basic_kind(args[1]))
		return bad(error, "incompatible types for comparison") != NULL;
	if (kind == 4) {
		*ret = strcmp(str(args[0]), str(args[1]));
	} else if (kind == 3) {
		double a = json_real_value(args[0]), b = json_real_value(args[1]);
		*ret = a < b ? -1 : a > b;
	} else {
		json_int_t a = json_integer_value(args[0]), b = json_integer_value(args[1]);
		*ret = a < b ? -1 : a > b;
	}
	return TRUE;
}

static json_t *fn_lt(json_t *const *args, guint n, GError **error)
{
	int c;
	return order(args, &c, error) ? json_boolean(c < 0) : NULL;
}

static json_t *fn_le(json_t *const *args, guint n, GError **error)
{
	int c;
	return order(args, &c, error) ? json_boolean(c <= 0) : NULL;
}

static json_t *fn_gt(json_t *const *args, guint n, GError **error)
{
	int c;
	return order(args, &c, error) ? json_boolean(c > 0) : NULL;
}

static json_t *fn_ge(json_t *const *args, guint n, GError **error)
{
	int c;
	return order(args, &c, error) ? json_boolean(c >= 0) : NULL;
}

static json_t *fn_html(json_t *const *args, guint n, GError **error)
{
	static const char from[] = "\"'&<>";
	static const char *const to[] = {"&#34;", "&#39;", "&amp;", "&lt;", "&gt;"};
	g_autofree char *text = text_of(args, n);
	GString *s = g_string_new(NULL);
	for (const char *p = text; *p; p++) {
		const char *hit = strchr(from, *p);
		if (hit)
			g_string_append(s, to[hit - from]);
		else
			g_string_append_c(s, *p);
	}
	return take(s);
}

static json_t *fn_js(json_t *const *args, guint n, GError **error)
{
	g_autofree char *text = text_of(args, n);
	GString *s = g_string_new(NULL);
	for (const char *p = text; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);
		if (c < 128 && strchr("\\'\"", (int)c))
			g_string_append_printf(s, "\\%c", (char)c);
		else if (c < ' ' || (c < 128 && strchr("<>&=", (int)c)) ||
			 (c >= 128 && !g_unichar_isprint(c)))
			g_string_append_printf(s, "\\u%04X", c);
		else
			g_string_append_unichar(s, c);
	}
	return take(s);
}

static json_t *fn_urlquery(json_t *const *args, guint n, GError **error)
{
	g_autofree char *text = text_of(args, n);
	GString *s = g_string_new(NULL);
	for (const char *p = text; *p; p++) {
		if (g_ascii_isalnum(*p) || strchr("-_.~", *p))
			g_string_append_c(s, *p);
		else if (*p == ' ')
			g_string_append_c(s, '+');
		else
			g_string_append_printf(s, "%%%02X", (guchar)*p);
	}
	return take(s);
}

static json_t *fn_call(json_t *const *args, guint n, GError **error)
{
	return bad(error, "non-function of type interface {}");
}

/* types: one letter an argument (s string, i integer, v any value); more may follow if max is -1.
 * and/or are the executor's: they do not evaluate all their arguments. */
static const struct {
	const char *name;
	Function fn;
	const char *types;
	int min, max;
} functions[] = {
	{"and", NULL, "", 1, -1},
	{"call", fn_call, "", 1, -1},
	{"eq", fn_eq, "", 2, -1},
	{"ge", fn_ge, "", 2, 2},
	{"gt", fn_gt, "", 2, 2},
	{"html", fn_html, "", 0, -1},
	{"index", fn_index, "", 1, -1},
	{"join", fn_join, "vs", 2, 2},
	{"js", fn_js, "", 0, -1},
	{"json", fn_json, "", 1, 1},
	{"le", fn_le, "", 2, 2},
	{"len", fn_len, "", 1, 1},
	{"lower", fn_lower, "s", 1, 1},
	{"lt", fn_lt, "", 2, 2},
	{"ne", fn_ne, "", 2, 2},
	{"not", fn_not, "", 1, 1},
	{"or", NULL, "", 1, -1},
	{"pad", fn_pad, "sii", 3, 3},
	{"print", fn_print, "", 0, -1},
	{"printf", fn_printf, "s", 1, -1},
	{"println", fn_println, "", 0, -1},
	{"slice", fn_slice, "", 1, -1},
	{"split", fn_split, "ss", 2, 2},
	{"title", fn_title, "s", 1, 1},
	{"truncate", fn_truncate, "si", 2, 2},
	{"upper", fn_upper, "s", 1, 1},
	{"urlquery", fn_urlquery, "", 0, -1},
};

gboolean template_is_function(const char *name, size_t len)
{
	for (guint i = 0; i < G_N_ELEMENTS(functions); i++) {
		if (strncmp(functions[i].name, name, len) == 0 && !functions[i].name[len])
			return TRUE;
	}
	return FALSE;
}

json_t *template_call(const char *name, json_t *const *args, guint n, gboolean *ok, guint *ret_bad,
	GError **error)
{
	guint f = 0;
	while (f < G_N_ELEMENTS(functions) && strcmp(functions[f].name, name) != 0)
		f++;
	*ok = FALSE;
	*ret_bad = G_MAXUINT;
	if (f == G_N_ELEMENTS(functions) || !functions[f].fn)
		return bad(error, "not a function");
	int min = functions[f].min, max = functions[f].max;
	if ((int)n < min || (max >= 0 && (int)n > max)) {
		dh_error(error, DH_ERROR_INVALID, "wrong number of args for %s: want %s%d got %u",
			name, max < 0 ? "at least " : "", min, n);
		return NULL;
	}
	for (guint i = 0; i < n && functions[f].types[i]; i++) {
		char type = functions[f].types[i];
		if ((type == 's' && !json_is_string(args[i])) ||
			(type == 'i' && !json_is_integer(args[i]))) {
			GString *what = g_string_new(NULL);
			template_print_value(what, args[i]);
			*ret_bad = i;
			dh_error(error, DH_ERROR_INVALID, "expected %s; found %s",
				type == 's' ? "string" : "integer", what->str);
			g_string_free(what, TRUE);
			return NULL;
		}
	}
	g_autoptr(GError) local = NULL;
	json_t *v = functions[f].fn(args, n, &local);
	*ok = !local;
	if (local) {
		dh_error(error, DH_ERROR_INVALID, "error calling %s: %s", name, local->message);
		json_decref(v);
		return NULL;
	}
	return v;
}

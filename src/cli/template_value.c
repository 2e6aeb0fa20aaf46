/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: docker's templates run over Go structures, ours over the JSON they came
 * from. What %v prints differs between a Go structure "{a b}" and a map "map[k:v]", so a JSON
 * object is taken for a structure when all its keys look like exported Go names. GraphDriver's Data
 * is the one map of the API with such keys.
 */
#include "cli/template_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PRINT_DEPTH = 64 };

/* Go tells a list or map that is not there from an empty one only when it writes JSON. */
json_t *template_nil(gboolean map)
{
	static json_t *nil[2];
	if (!nil[map])
		nil[map] = map ? json_object() : json_array();
	return json_incref(nil[map]);
}

gboolean template_is_nil(const json_t *v)
{
	g_autoptr(json_t) list = template_nil(FALSE);
	g_autoptr(json_t) map = template_nil(TRUE);
	return !v || v == list || v == map;
}

gboolean template_truth(const json_t *v)
{
	if (!v)
		return FALSE;
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return json_object_size(v) > 0;
	case JSON_ARRAY:
		return json_array_size(v) > 0;
	case JSON_STRING:
		return json_string_length(v) > 0;
	case JSON_INTEGER:
		return json_integer_value(v) != 0;
	case JSON_REAL:
		return json_real_value(v) != 0;
	case JSON_TRUE:
		return TRUE;
	case JSON_FALSE:
	case JSON_NULL:
		return FALSE;
	}
	return FALSE;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *template_sorted_keys(const json_t *object)
{
	GPtrArray *keys = g_ptr_array_new();
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)object, key, value)
		g_ptr_array_add(keys, (gpointer)key);
	g_ptr_array_sort(keys, compare_names);
	return keys;
}

/* Shortest digits that read back as d; exponent form below 1e-4 and from 1e21 on. */
void template_print_real(GString *out, double d)
{
	char buf[40], digits[40];
	if (isnan(d) || isinf(d)) {
		g_string_append(out, isnan(d) ? "NaN" : d > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int precision = 0; precision < 18; precision++) {
		snprintf(buf, sizeof buf, "%.*e", precision, d);
		if (g_ascii_strtod(buf, NULL) == d)
			break;
	}
	char *e = strchr(buf, 'e');
	int exponent = (int)g_ascii_strtoll(e + 1, NULL, 10);
	if (exponent < -4 || exponent >= 21) {
		g_string_append(out, buf);
		return;
	}
	size_t n = 0;
	for (const char *p = buf; p < e; p++) {
		if (g_ascii_isdigit(*p))
			digits[n++] = *p;
	}
	if (d < 0)
		g_string_append_c(out, '-');
	if (exponent < 0) {
		g_string_append(out, "0.");
		for (int i = -1; i > exponent; i--)
			g_string_append_c(out, '0');
		g_string_append_len(out, digits, (gssize)n);
		return;
	}
	for (size_t i = 0; i < n || i <= (size_t)exponent; i++) {
		if (i == (size_t)exponent + 1)
			g_string_append_c(out, '.');
		g_string_append_c(out, i < n ? digits[i] : '0');
	}
}

static gboolean looks_like_struct(const json_t *object)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)object, key, value) {
		if (!g_ascii_isupper(*key))
			return FALSE;
		for (const char *p = key; *p; p++) {
			if (!g_ascii_isalnum(*p))
				return FALSE;
		}
	}
	return json_object_size(object) > 0 && !json_object_get(object, "LowerDir") &&
	       !json_object_get(object, "MergedDir");
}

static void print(GString *out, const json_t *v, int depth);

/* The one list of structures that docker's users print whole: members that the JSON leaves out are
 * zero values in Go. */
static const char *const mount_members[] = {
	"Type", "Name", "Source", "Destination", "Driver", "Mode", "RW", "Propagation"};

static void print_mount(GString *out, const json_t *v, int depth)
{
	for (guint i = 0; i < G_N_ELEMENTS(mount_members); i++) {
		const json_t *member = json_object_get(v, mount_members[i]);
		g_string_append_c(out, i ? ' ' : '{');
		if (member)
			print(out, member, depth + 1);
	}
	g_string_append_c(out, '}');
}

/* A set is a map to empty structures. */
static gboolean is_set(const json_t *object)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)object, key, value) {
		if (!json_is_object(value) || json_object_size(value) > 0)
			return FALSE;
	}
	return TRUE;
}

static gboolean has_lists(const json_t *object)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)object, key, value) {
		if (json_is_array(value))
			return TRUE;
	}
	return FALSE;
}

static void print_struct(GString *out, const json_t *v, int depth)
{
	const char *key;
	json_t *value;
	gboolean first = TRUE;
	g_string_append_c(out, '{');
	json_object_foreach ((json_t *)v, key, value) {
		if (!first)
			g_string_append_c(out, ' ');
		first = FALSE;
		print(out, value, depth + 1);
	}
	g_string_append_c(out, '}');
}

static void print_map(GString *out, const json_t *v, int depth)
{
	g_autoptr(GPtrArray) keys = template_sorted_keys(v);
	gboolean set = is_set(v), lists = has_lists(v);
	g_string_append(out, "map[");
	for (guint i = 0; i < keys->len; i++) {
		const json_t *value = json_object_get(v, keys->pdata[i]);
		g_string_append_printf(out, "%s%s:", i ? " " : "", (const char *)keys->pdata[i]);
		if (set)
			g_string_append(out, "{}");
		else if (lists && json_is_null(value))
			g_string_append(out, "[]");
		else
			print(out, value, depth + 1);
	}
	g_string_append_c(out, ']');
}

static void print(GString *out, const json_t *v, int depth)
{
	if (depth > MAX_PRINT_DEPTH) {
		g_string_append(out, "...");
		return;
	}
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		if (!looks_like_struct(v))
			print_map(out, v, depth);
		else if (json_object_get(v, "Destination") && json_object_get(v, "RW"))
			print_mount(out, v, depth);
		else
			print_struct(out, v, depth);
		return;
	case JSON_ARRAY:
		g_string_append_c(out, '[');
		for (size_t i = 0; i < json_array_size(v); i++) {
			if (i)
				g_string_append_c(out, ' ');
			print(out, json_array_get(v, i), depth + 1);
		}
		g_string_append_c(out, ']');
		return;
	case JSON_STRING:
		g_string_append(out, json_string_value(v));
		return;
	case JSON_INTEGER:
		g_string_append_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return;
	case JSON_REAL:
		template_print_real(out, json_real_value(v));
		return;
	case JSON_TRUE:
		g_string_append(out, "true");
		return;
	case JSON_FALSE:
		g_string_append(out, "false");
		return;
	case JSON_NULL:
		g_string_append(out, "<nil>");
		return;
	}
}

void template_print_value(GString *out, const json_t *v)
{
	if (v)
		print(out, v, 0);
	else
		g_string_append(out, "<no value>");
}

void template_quote(GString *out, const char *s)
{
	static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
	g_string_append_c(out, '"');
	while (*s) {
		gunichar c = g_utf8_get_char(s);
		const char *hit = c < 128 ? strchr(from, (int)c) : NULL;
		if (hit)
			g_string_append_printf(out, "\\%c", to[hit - from]);
		else if (c < 128 && g_ascii_iscntrl((char)c))
			g_string_append_printf(out, "\\x%02x", c);
		else if (g_unichar_isprint(c) && (c == ' ' || !g_unichar_isspace(c)))
			g_string_append_unichar(out, c);
		else
			g_string_append_printf(out, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
		s = g_utf8_next_char(s);
	}
	g_string_append_c(out, '"');
}

/* printf */

typedef struct {
	gboolean minus, plus, zero, space, sharp;
	int width, precision; /* -1: none */
} Spec;

static const char *type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "map[string]interface {}";
	case JSON_ARRAY:
		return "[]interface {}";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "int";
	case JSON_REAL:
		return "float64";
	case JSON_TRUE:
	case JSON_FALSE:
		return "bool";
	case JSON_NULL:
		return "<nil>";
	}
	return "";
}

/* Digits of an integer in a base, with sign and leading zeros. */
static char *format_integer(const Spec *s, char verb, json_int_t n)
{
	char digits[72];
	guint base = verb == 'x' || verb == 'X' ? 16 : verb == 'o' ? 8 : verb == 'b' ? 2 : 10;
	const char *alphabet = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	guint64 u = n < 0 ? -(guint64)n : (guint64)n;
	size_t at = sizeof digits;
	digits[--at] = '\0';
	do {
		digits[--at] = alphabet[u % base];
		u /= base;
	} while (u);
	int have = (int)(sizeof digits - 1 - at);
	const char *sign = n < 0 ? "-" : s->plus ? "+" : s->space ? " " : "";
	int want = s->precision;
	if (want < 0 && s->zero && !s->minus)
		want = s->width - (int)strlen(sign);
	const char *prefix = s->sharp && base == 16 ? (verb == 'X' ? "0X" : "0x") : "";
	GString *out = g_string_new(sign);
	g_string_append(out, prefix);
	for (int i = have; i < want; i++)
		g_string_append_c(out, '0');
	g_string_append(out, digits + at);
	return g_string_free(out, FALSE);
}

static char *format_real(const Spec *s, char verb, double d)
{
	char fmt[] = {'%', '.', '*', verb == 'F' ? 'f' : verb, '\0'};
	char buf[512];
	if (verb == 'v' || (verb == 'g' && s->precision < 0)) {
		GString *out = g_string_new(s->plus && d >= 0 ? "+" : "");
		template_print_real(out, d);
		return g_string_free(out, FALSE);
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(buf, sizeof buf, fmt, s->precision < 0 ? 6 : MIN(s->precision, 100), d);
#pragma GCC diagnostic pop
	return g_strdup_printf("%s%s", s->plus && d >= 0 ? "+" : "", buf);
}

static char *format_string(const Spec *s, char verb, const char *text)
{
	GString *out = g_string_new(NULL);
	if (verb == 'q') {
		template_quote(out, text);
	} else if (verb == 'x' || verb == 'X') {
		for (const char *p = text; *p; p++)
			g_string_append_printf(out, verb == 'x' ? "%02x" : "%02X", (guchar)*p);
	} else if (s->precision >= 0 && g_utf8_strlen(text, -1) > s->precision) {
		g_string_append_len(out, text, g_utf8_offset_to_pointer(text, s->precision) - text);
	} else {
		g_string_append(out, text);
	}
	return g_string_free(out, FALSE);
}

/* One verb with its value; NULL when they do not go together. */
static char *format_verb(const Spec *s, char verb, const json_t *v)
{
	if (verb == 'T')
		return g_strdup(type_name(v));
	if (verb == 'v' && !json_is_number(v)) {
		GString *out = g_string_new(NULL);
		template_print_value(out, v);
		return g_string_free(out, FALSE);
	}
	if (json_is_string(v) && strchr("sqxX", verb))
		return format_string(s, verb, json_string_value(v));
	if (json_is_integer(v) && strchr("dvxXob", verb))
		return format_integer(s, verb == 'v' ? 'd' : verb, json_integer_value(v));
	if (json_is_integer(v) && verb == 'c') {
		char utf8[8] = "";
		gunichar c = (gunichar)json_integer_value(v);
		g_unichar_to_utf8(g_unichar_validate(c) ? c : 0xfffd, utf8);
		return g_strdup(utf8);
	}
	if (json_is_real(v) && strchr("vgeEfFG", verb))
		return format_real(s, verb, json_real_value(v));
	if (json_is_boolean(v) && verb == 't')
		return g_strdup(json_is_true(v) ? "true" : "false");
	if ((json_is_array(v) || json_is_object(v)) && verb == 's') {
		GString *out = g_string_new(NULL);
		template_print_value(out, v);
		return g_string_free(out, FALSE);
	}
	return NULL;
}

static const char *parse_spec(const char *f, Spec *s)
{
	static const char flags[] = "-+0 #";
	*s = (Spec){.width = 0, .precision = -1};
	gboolean *const set[] = {&s->minus, &s->plus, &s->zero, &s->space, &s->sharp};
	for (const char *hit; *f && (hit = strchr(flags, *f)); f++)
		*set[hit - flags] = TRUE;
	for (; g_ascii_isdigit(*f); f++)
		s->width = MIN(s->width * 10 + (*f - '0'), 10000);
	if (*f == '.') {
		s->precision = 0;
		for (f++; g_ascii_isdigit(*f); f++)
			s->precision = MIN(s->precision * 10 + (*f - '0'), 10000);
	}
	return f;
}

static void append_padded(GString *out, const Spec *s, char verb, const char *text)
{
	glong pad = s->width - g_utf8_strlen(text, -1);
	gboolean zeros = s->zero && !s->minus && strchr("sqtveEfFgG", verb);
	if (!s->minus) {
		for (glong i = 0; i < pad; i++)
			g_string_append_c(out, zeros ? '0' : ' ');
	}
	g_string_append(out, text);
	if (s->minus) {
		for (glong i = 0; i < pad; i++)
			g_string_append_c(out, ' ');
	}
}

void template_printf(GString *out, const char *f, json_t *const *args, guint n)
{
	guint used = 0;
	while (*f) {
		if (*f != '%') {
			g_string_append_c(out, *f++);
			continue;
		}
		Spec s;
		f = parse_spec(f + 1, &s);
		char verb = *f ? *f++ : '\0';
		if (!verb) {
			g_string_append(out, "%!(NOVERB)");
		} else if (verb == '%') {
			g_string_append_c(out, '%');
		} else if (used >= n) {
			g_string_append_printf(out, "%%!%c(MISSING)", verb);
		} else {
			const json_t *v = args[used++];
			g_autofree char *text = v             ? format_verb(&s, verb, v)
						: verb == 'T' ? g_strdup("<nil>")
							      : NULL;
			if (text) {
				append_padded(out, &s, verb, text);
			} else if (!v || json_is_null(v)) {
				g_string_append_printf(out, "%%!%c(<nil>)", verb);
			} else {
				g_string_append_printf(out, "%%!%c(%s=", verb, type_name(v));
				template_print_value(out, v);
				g_string_append_c(out, ')');
			}
		}
	}
	if (used < n)
		g_string_append(out, "%!(EXTRA ");
	for (guint i = used; i < n; i++) {
		g_string_append(out, i > used ? ", " : "");
		if (args[i])
			g_string_append_printf(out, "%s=", type_name(args[i]));
		if (args[i])
			template_print_value(out, args[i]);
		else
			g_string_append(out, "<nil>");
	}
	if (used < n)
		g_string_append_c(out, ')');
}

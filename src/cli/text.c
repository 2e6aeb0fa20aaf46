/* SPDX-License-Identifier: MIT */
#include "cli/text.h"

#include "base/error.h"
#include "base/size.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *text_quote(const char *s)
{
	GString *out = g_string_new("\"");
	while (*s) {
		gunichar c = g_utf8_get_char_validated(s, -1);
		if (c == (gunichar)-1 || c == (gunichar)-2) {
			g_string_append_printf(out, "\\x%02x", (guint8)*s++);
			continue;
		}
		static const char plain[] = "\a\b\f\n\r\t\v\\\"", letters[] = "abfnrtv\\\"";
		const char *hit = c < 0x80 ? strchr(plain, (int)c) : NULL;
		if (hit)
			g_string_append_printf(out, "\\%c", letters[hit - plain]);
		else if (c < ' ' || c == 0x7f)
			g_string_append_printf(out, "\\x%02x", c);
		else if (g_unichar_isprint(c))
			g_string_append_unichar(out, c);
		else
			g_string_append_printf(out, "\\u%04x", c);
		s = g_utf8_next_char(s);
	}
	g_string_append_c(out, '"');
	return g_string_free(out, FALSE);
}

static gboolean steers(gunichar c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

char *text_printable(const char *s, const char *keep)
{
	GString *out = g_string_sized_new(strlen(s));
	while (*s) {
		gunichar c = g_utf8_get_char_validated(s, -1);
		if (c == (gunichar)-1 || c == (gunichar)-2) {
			g_string_append_c(out, '?');
			s++;
			continue;
		}
		if (steers(c) && !(c < 0x80 && strchr(keep, (int)c)))
			g_string_append_c(out, '?');
		else
			g_string_append_unichar(out, c);
		s = g_utf8_next_char(s);
	}
	return g_string_free(out, FALSE);
}

const char *text_cut(const char *s, char sep, char **ret_before)
{
	const char *hit = strchr(s, sep);
	*ret_before = hit ? g_strndup(s, (gsize)(hit - s)) : g_strdup(s);
	return hit ? hit + 1 : NULL;
}

static gboolean int_error(const char *function, const char *s, const char *why, GError **error)
{
	g_autofree char *q = text_quote(s);
	return dh_error(error, DH_ERROR_INVALID, "strconv.%s: parsing %s: %s", function, q, why);
}

gboolean text_int(const char *s, int64_t *ret, GError **error)
{
	const char *digits = *s == '-' || *s == '+' ? s + 1 : s;
	if (!*digits || digits[strspn(digits, "0123456789")])
		return int_error("ParseInt", s, "invalid syntax", error);
	errno = 0;
	int64_t n = g_ascii_strtoll(s, NULL, 10);
	if (errno == ERANGE)
		return int_error("ParseInt", s, "value out of range", error);
	*ret = n;
	return TRUE;
}

gboolean text_uint(const char *s, uint64_t max, uint64_t *ret, GError **error)
{
	if (!*s || s[strspn(s, "0123456789")])
		return int_error("ParseUint", s, "invalid syntax", error);
	errno = 0;
	uint64_t n = g_ascii_strtoull(s, NULL, 10);
	if (errno == ERANGE || n > max)
		return int_error("ParseUint", s, "value out of range", error);
	*ret = n;
	return TRUE;
}

gboolean text_size(const char *s, int64_t *ret, GError **error)
{
	if (*s == '-')
		return dh_error(error, DH_ERROR_INVALID, "invalid size: '%s'", s);
	return dh_size_parse(s, ret, error);
}

gboolean text_bool(const char *s, gboolean *ret)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};
	*ret = g_strv_contains(yes, s);
	return *ret || g_strv_contains(no, s);
}

static gboolean csv_error(size_t column, const char *what, GError **error)
{
	return dh_error(
		error, DH_ERROR_INVALID, "parse error on line 1, column %zu: %s", column, what);
}

/* A field that begins with a quote; *p is behind it and is moved to the separator or the end. */
static gboolean csv_quoted(const char *line, const char **p, GString *field, GError **error)
{
	for (const char *s = *p;; s++) {
		if (!*s)
			return csv_error((size_t)(s - line) + 1,
				"extraneous or missing \" in quoted-field", error);
		if (*s != '"') {
			g_string_append_c(field, *s);
			continue;
		}
		if (s[1] == '"') {
			g_string_append_c(field, *s++);
			continue;
		}
		if (s[1] && s[1] != ',')
			return csv_error((size_t)(s - line) + 1,
				"extraneous or missing \" in quoted-field", error);
		*p = s + 1;
		return TRUE;
	}
}

GPtrArray *text_csv(const char *line, GError **error)
{
	g_autoptr(GPtrArray) fields = g_ptr_array_new_with_free_func(g_free);
	const char *p = line;
	if (!*line) {
		dh_error(error, DH_ERROR_INVALID, "EOF");
		return NULL;
	}
	for (;;) {
		g_autoptr(GString) field = g_string_new(NULL);
		if (*p == '"') {
			p++;
			if (!csv_quoted(line, &p, field, error))
				return NULL;
		} else {
			size_t n = strcspn(p, ",");
			const char *quote = memchr(p, '"', n);
			if (quote) {
				csv_error((size_t)(quote - line) + 1, "bare \" in non-quoted-field",
					error);
				return NULL;
			}
			g_string_append_len(field, p, (gssize)n);
			p += n;
		}
		g_ptr_array_add(fields, g_string_free(g_steal_pointer(&field), FALSE));
		if (!*p)
			return g_steal_pointer(&fields);
		p++;
	}
}

char *text_ip(const char *s)
{
	struct in_addr v4;
	struct in6_addr v6;
	char buf[INET6_ADDRSTRLEN];
	if (inet_pton(AF_INET, s, &v4) == 1)
		return g_strdup(inet_ntop(AF_INET, &v4, buf, sizeof(buf)));
	if (inet_pton(AF_INET6, s, &v6) != 1)
		return NULL;
	if (IN6_IS_ADDR_V4MAPPED(&v6))
		return g_strdup(inet_ntop(AF_INET, &v6.s6_addr[12], buf, sizeof(buf)));
	return g_strdup(inet_ntop(AF_INET6, &v6, buf, sizeof(buf)));
}

json_t *text_json(const char *s)
{
	json_t *j = json_string(s);
	if (j)
		return j;
	g_autofree char *valid = g_utf8_make_valid(s, -1);
	return json_string(valid);
}

json_t *text_array(const GPtrArray *list)
{
	json_t *a = json_array();
	for (guint i = 0; list && i < list->len; i++)
		json_array_append_new(a, text_json(g_ptr_array_index(list, i)));
	return a;
}

json_t *text_array_or_null(const GPtrArray *list)
{
	return list && list->len ? text_array(list) : json_null();
}

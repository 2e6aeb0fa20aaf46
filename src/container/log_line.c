/* SPDX-License-Identifier: MIT */
#include "container/log_line.h"

#include "base/timefmt.h"

#include <string.h>

#define DEPTH_MAX 64

typedef struct {
	const char *p, *end;
} Cursor;

/* First '"' or '\\' at or after p, eight bytes at a time: (v ^ pattern) has a zero byte where the
 * pattern's byte stands. */
static const char *scan_special(const char *p, const char *end)
{
	const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
	while (end - p >= 8) {
		uint64_t v;
		memcpy(&v, p, sizeof v);
		uint64_t q = v ^ (ones * '"'), b = v ^ (ones * '\\');
		if ((((q - ones) & ~q) | ((b - ones) & ~b)) & high)
			break;
		p += 8;
	}
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

static int hex4(const char *p)
{
	int v = 0;
	for (int i = 0; i < 4; i++) {
		int d = g_ascii_xdigit_value(p[i]);
		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

/* The four digits behind "\\u"; a surrogate without its other half is U+FFFD, as in Go. */
static gboolean unescape_unicode(Cursor *c, GString *out)
{
	if (c->end - c->p < 4)
		return FALSE;
	int v = hex4(c->p);
	if (v < 0)
		return FALSE;
	c->p += 4;
	gunichar u = (gunichar)v;
	if (u >= 0xd800 && u < 0xe000) {
		int low = -1;
		if (u < 0xdc00 && c->end - c->p >= 6 && c->p[0] == '\\' && c->p[1] == 'u')
			low = hex4(c->p + 2);
		if (low >= 0xdc00 && low < 0xe000) {
			u = 0x10000 + ((u - 0xd800) << 10) + ((gunichar)low - 0xdc00);
			c->p += 6;
		} else {
			u = 0xfffd;
		}
	}
	char utf8[6];
	g_string_append_len(out, utf8, g_unichar_to_utf8(u, utf8));
	return TRUE;
}

static gboolean unescape(Cursor *c, GString *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (c->p >= c->end)
		return FALSE;
	char e = *c->p++;
	if (e == 'u')
		return unescape_unicode(c, out);
	const char *at = e ? strchr(from, e) : NULL;
	if (!at)
		return FALSE;
	g_string_append_c(out, to[at - from]);
	return TRUE;
}

/* A string from behind its opening quote; decoded into out. */
static gboolean read_string(Cursor *c, GString *out)
{
	for (;;) {
		const char *s = scan_special(c->p, c->end);
		g_string_append_len(out, c->p, s - c->p);
		if (s == c->end)
			return FALSE;
		c->p = s + 1;
		if (*s == '"')
			return TRUE;
		if (!unescape(c, out))
			return FALSE;
	}
}

/* The same without decoding: its raw text. */
static gboolean skip_string(Cursor *c, const char **ret, size_t *ret_len)
{
	const char *start = c->p;
	for (;;) {
		const char *s = scan_special(c->p, c->end);
		if (s == c->end || (*s == '\\' && s + 1 == c->end))
			return FALSE;
		c->p = s + (*s == '\\' ? 2 : 1);
		if (*s == '"') {
			*ret = start;
			*ret_len = (size_t)(s - start);
			return TRUE;
		}
	}
}

static void skip_space(Cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r'))
		c->p++;
}

static gboolean take(Cursor *c, char want)
{
	skip_space(c);
	if (c->p >= c->end || *c->p != want)
		return FALSE;
	c->p++;
	return TRUE;
}

/* Any value: its raw text. Brackets are counted, not paired: what is inside is not ours. */
static gboolean skip_value(Cursor *c, const char **ret, size_t *ret_len)
{
	const char *s;
	size_t n;
	int depth = 0;
	skip_space(c);
	*ret = c->p;
	while (c->p < c->end) {
		char ch = *c->p;
		if (ch == '"') {
			c->p++;
			if (!skip_string(c, &s, &n))
				return FALSE;
		} else if (ch == '{' || ch == '[') {
			if (++depth > DEPTH_MAX)
				return FALSE;
			c->p++;
		} else if (depth > 0 && (ch == '}' || ch == ']')) {
			depth--;
			c->p++;
		} else if (depth == 0 && (ch == ',' || ch == '}')) {
			break;
		} else {
			c->p++;
		}
	}
	*ret_len = (size_t)(c->p - *ret);
	return depth == 0 && *ret_len > 0;
}

static gboolean is(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && memcmp(s, word, n) == 0;
}

static gboolean read_member(Cursor *c, LogLine *l)
{
	const char *key, *s;
	size_t key_len, n;
	if (!take(c, '"') || !skip_string(c, &key, &key_len) || !take(c, ':'))
		return FALSE;
	if (is(key, key_len, "log")) {
		g_string_truncate(l->text, 0);
		return take(c, '"') && read_string(c, l->text);
	}
	if (is(key, key_len, "stream")) {
		if (!take(c, '"') || !skip_string(c, &s, &n))
			return FALSE;
		l->stream = is(s, n, "stderr") ? 2 : is(s, n, "stdout") ? 1 : 0;
		return l->stream != 0;
	}
	if (is(key, key_len, "time"))
		return take(c, '"') && skip_string(c, &l->time, &l->time_len);
	if (is(key, key_len, "attrs"))
		return skip_value(c, &l->attrs, &l->attrs_len);
	return skip_value(c, &s, &n);
}

gboolean log_line_decode(const char *line, size_t n, LogLine *l)
{
	Cursor c = {line, line + n};
	while (c.p < c.end && *c.p == '\0')
		c.p++;
	g_string_truncate(l->text, 0);
	l->stream = 0;
	l->time = l->attrs = NULL;
	l->time_len = l->attrs_len = 0;
	if (!take(&c, '{'))
		return FALSE;
	do {
		if (!read_member(&c, l))
			return FALSE;
	} while (take(&c, ','));
	if (!take(&c, '}'))
		return FALSE;
	skip_space(&c);
	return c.p == c.end && l->stream != 0;
}

/* Looks from both ends: {"log":"TEXT\\n","stream":"stdXXX","time":"TIME"} */
gboolean log_line_plain(
	const char *line, size_t n, LogLine *l, const char **ret_text, size_t *ret_len)
{
	static const char front[] = "{\"log\":\"", back[] = "\"}", time_key[] = "\",\"time\":\"";
	static const char *const streams[] = {
		"\\n\",\"stream\":\"stdout", "\\n\",\"stream\":\"stderr"};
	enum {
		FRONT = sizeof front - 1,
		BACK = 2,
		KEY = sizeof time_key - 1,
		TIME_MAX = 40,
		STREAM = 20
	};
	if (n < FRONT + STREAM + KEY + BACK || memcmp(line, front, FRONT) != 0 ||
		memcmp(line + n - BACK, back, BACK) != 0)
		return FALSE;
	const char *end = line + n - BACK;
	size_t reach = MIN((size_t)(end - line), (size_t)TIME_MAX);
	const char *quote = memrchr(end - reach, '"', reach);
	if (!quote || quote + 1 - line < FRONT + STREAM + KEY ||
		memcmp(quote + 1 - KEY, time_key, KEY) != 0)
		return FALSE;
	const char *stop = quote + 1 - KEY - STREAM, *text = line + FRONT;
	l->stream = memcmp(stop, streams[0], STREAM) == 0   ? 1
		    : memcmp(stop, streams[1], STREAM) == 0 ? 2
							    : 0;
	if (!l->stream || memchr(text, '\\', (size_t)(stop - text)) ||
		memchr(text, '"', (size_t)(stop - text)))
		return FALSE;
	l->time = quote + 1;
	l->time_len = (size_t)(end - l->time);
	l->attrs = NULL;
	l->attrs_len = 0;
	*ret_text = text;
	*ret_len = (size_t)(stop - text);
	return TRUE;
}

static gboolean digits(const char *s, size_t n, int *ret)
{
	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		if (!g_ascii_isdigit(s[i]))
			return FALSE;
		*ret = *ret * 10 + (s[i] - '0');
	}
	return TRUE;
}

/* Days since 1970-01-01 in the Gregorian calendar; the year is counted from March so that the leap
 * day comes last. */
static int64_t days_of(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

gboolean log_line_time(const char *s, size_t n, int64_t *ret)
{
	int year, month, day, hour, minute, second, oh = 0, om = 0;
	if (n < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' ||
		!digits(s, 4, &year) || !digits(s + 5, 2, &month) || !digits(s + 8, 2, &day) ||
		!digits(s + 11, 2, &hour) || !digits(s + 14, 2, &minute) ||
		!digits(s + 17, 2, &second))
		return FALSE;
	if (year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31)
		return FALSE;
	size_t i = 19;
	int64_t nsec = 0;
	if (s[i] == '.') {
		int64_t unit = DH_NSEC;
		for (i++; i < n && g_ascii_isdigit(s[i]); i++) {
			unit /= 10;
			nsec += (s[i] - '0') * unit;
		}
	}
	if (i >= n)
		return FALSE;
	int64_t offset = 0;
	if (s[i] == '+' || s[i] == '-') {
		if (n - i != 6 || !digits(s + i + 1, 2, &oh) || !digits(s + i + 4, 2, &om))
			return FALSE;
		offset = (oh * 60 + om) * 60 * (s[i] == '-' ? -1 : 1);
	} else if (s[i] != 'Z' || i + 1 != n) {
		return FALSE;
	}
	int64_t sec = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	*ret = (sec - offset) * DH_NSEC + nsec;
	return TRUE;
}

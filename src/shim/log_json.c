/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a line becomes one record when its newline is seen, or when it has grown to
 * 16 KiB (a partial record, without "\n" in it). Records are gathered
 * in one buffer and written with one write(2) for each piece of output that was read (more when it
 * is long), so that a record is never torn between two files and never waits. The time, and all
 * that follows the text in a record, is made once for each piece.
 *
 * This is the hot path of a container that talks much. Bytes that need no escape, nearly all, are
 * recognised and copied eight or sixteen at a time. The buffer always has room for the longest
 * record, so nothing is checked on the way.
 */
#include "shim/log_json.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/timefmt.h"
#include "shim/log_lines.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MAX_ESCAPE = 6, /* bytes that one byte can become */
	FLUSH_AT = 256 * 1024,
	SLACK = 16, /* copying several at a time writes past the end */
};

static const char prefix[] = "{\"log\":\"";

struct LogJson {
	LogFile file;
	LogLines lines;
	char *attrs; /* ",\"attrs\":{...}" or "" */
	char *out;   /* NULL while idle */
	size_t len, room;
	char *suffix; /* what follows the text in every record of one piece of output */
	size_t suffix_len;
};

/* ---- encoding ---- */

#define EACH_BYTE(c) (G_GUINT64_CONSTANT(0x0101010101010101) * (c))

/* High bits set where a byte of x is zero; wrong ones only above the lowest that is right. */
static inline guint64 zero_bytes(guint64 x)
{
	return (x - EACH_BYTE(1)) & ~x & EACH_BYTE(0x80);
}

/* High bits set for the bytes that are not copied as they are, with the same restriction. The pairs
 * < > and " & differ in one bit. */
static inline guint64 special_bytes(guint64 x)
{
	return (x & EACH_BYTE(0x80)) | ((x - EACH_BYTE(0x20)) & ~x & EACH_BYTE(0x80)) |
	       zero_bytes((x & EACH_BYTE(0xfd)) ^ EACH_BYTE('<')) |
	       zero_bytes((x & EACH_BYTE(0xfb)) ^ EACH_BYTE('"')) | zero_bytes(x ^ EACH_BYTE('\\'));
}

static gboolean is_special(guint8 c)
{
	return c < 0x20 || c >= 0x80 || c == '"' || c == '&' || c == '<' || c == '>' || c == '\\';
}

static char *put_escape(char *to, guint8 c)
{
	static const char hex[] = "0123456789abcdef";
	*to++ = '\\';
	switch (c) {
	case '"':
	case '\\':
		*to++ = (char)c;
		return to;
	case '\n':
		*to++ = 'n';
		return to;
	case '\r':
		*to++ = 'r';
		return to;
	default:
		memcpy(to, "u00", 3);
		to[3] = hex[c >> 4];
		to[4] = hex[c & 15];
		return to + 5;
	}
}

/* One special character, as Docker encodes it: *s moves behind it. */
static char *put_special(char *to, const char **s, const char *end)
{
	guint8 c = (guint8)*s[0];
	if (c < 0x80) {
		*s += 1;
		return put_escape(to, c);
	}
	gunichar u = g_utf8_get_char_validated(*s, end - *s);
	if (u == (gunichar)-1 || u == (gunichar)-2) {
		memcpy(to, "\\ufffd", 6);
		*s += 1;
		return to + 6;
	}
	size_t n = (size_t)(g_utf8_next_char(*s) - *s);
	if (u == 0x2028 || u == 0x2029) {
		memcpy(to, u == 0x2028 ? "\\u2028" : "\\u2029", 6);
		*s += n;
		return to + 6;
	}
	memcpy(to, *s, n);
	*s += n;
	return to + n;
}

/* Copies a piece of s and says how many of its bytes are plain. */
static inline guint copy_8(char *to, const char *s)
{
	guint64 x;
	memcpy(&x, s, 8);
	memcpy(to, &x, 8);
	guint64 special = special_bytes(GUINT64_FROM_LE(x));
	return special ? (guint)__builtin_ctzll(special) / 8 : 8;
}

#ifdef __SSE2__
static inline guint copy_16(char *to, const char *s)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)s);
	_mm_storeu_si128((__m128i *)(void *)to, x);
	/* As special_bytes; compared as signed, bytes from 0x80 on are less than a space, too. */
	__m128i low = _mm_cmplt_epi8(x, _mm_set1_epi8(' '));
	__m128i angle =
		_mm_cmpeq_epi8(_mm_and_si128(x, _mm_set1_epi8((char)0xfd)), _mm_set1_epi8('<'));
	__m128i quote =
		_mm_cmpeq_epi8(_mm_and_si128(x, _mm_set1_epi8((char)0xfb)), _mm_set1_epi8('"'));
	__m128i slash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
	guint special = (guint)_mm_movemask_epi8(
		_mm_or_si128(_mm_or_si128(low, angle), _mm_or_si128(quote, slash)));
	return special ? (guint)__builtin_ctz(special) : 16;
}
enum { WIDE = 16 };
#else
#define copy_16 copy_8
enum { WIDE = 8 };
#endif

/* to has room for MAX_ESCAPE * n + SLACK bytes. */
static char *put_escaped(char *to, const char *s, size_t n)
{
	const char *end = s + n;
	while (s < end) {
		size_t left = (size_t)(end - s);
		guint width = left >= WIDE ? WIDE : left >= 8 ? 8 : 1;
		guint plain = 1;
		if (width == WIDE)
			plain = copy_16(to, s);
		else if (width == 8)
			plain = copy_8(to, s);
		else if (is_special((guint8)*s))
			plain = 0;
		else
			*to = *s;
		s += plain;
		to += plain;
		if (plain < width)
			to = put_special(to, &s, end);
	}
	return to;
}

/* ---- files ---- */

/* Of what a failed write left in the file, a piece of a record is taken away again. */
static size_t whole_records(LogJson *l, size_t written)
{
	size_t keep = written;
	while (keep > 0 && l->out[keep - 1] != '\n')
		keep--;
	struct stat st;
	if (keep < written && fstat(l->file.fd, &st) == 0 && st.st_size >= (off_t)(written - keep))
		(void)!ftruncate(l->file.fd, st.st_size - (off_t)(written - keep));
	return keep;
}

/* The first n bytes of the buffer, whole records; the rest moves to its beginning. */
static void flush(LogJson *l, size_t n)
{
	if (n == 0)
		return;
	size_t done = log_file_write(&l->file, l->out, n);
	if (done < n) {
		done = whole_records(l, done);
		for (size_t i = done; i < n; i++)
			l->file.lost += l->out[i] == '\n';
	}
	l->file.size += (int64_t)done;
	l->len -= n;
	memmove(l->out, l->out + n, l->len);
}

/* ---- records ---- */

static void make_suffix(LogJson *l, int stream)
{
	static const char *const names[] = {"stdout", "stderr"};
	char now[36];
	dh_time_format_fixed(dh_time_now(), now);
	g_free(l->suffix);
	l->suffix = g_strdup_printf(
		"\",\"stream\":\"%s\"%s,\"time\":\"%s\"}\n", names[stream], l->attrs, now);
	l->suffix_len = strlen(l->suffix);
}

static void make_room(LogJson *l)
{
	size_t longest = sizeof prefix + MAX_ESCAPE * LOG_LINE_MAX + SLACK + l->suffix_len;
	if (l->len >= FLUSH_AT)
		flush(l, l->len);
	if (!l->out || l->room < FLUSH_AT + longest) {
		l->room = FLUSH_AT + longest;
		l->out = g_realloc(l->out, l->room);
	}
}

static void record(void *log, int stream, const char *line, size_t n)
{
	LogJson *l = log;
	(void)stream; /* the suffix says it */
	make_room(l);
	size_t start = l->len;
	char *to = l->out + start;
	memcpy(to, prefix, sizeof prefix - 1);
	to = put_escaped(to + sizeof prefix - 1, line, n);
	memcpy(to, l->suffix, l->suffix_len);
	l->len = (size_t)(to - l->out) + l->suffix_len;
	if (l->file.max_size < 0 || l->file.size + (int64_t)l->len <= l->file.max_size)
		return;
	/* This record goes to the next file, what was before it to this one. */
	flush(l, start);
	if (l->file.size > 0)
		log_file_rotate(&l->file);
}

static void record_late(void *log, int stream, const char *line, size_t n)
{
	make_suffix(log, stream);
	record(log, stream, line, n);
}

void log_json_write(LogJson *l, int stream, const char *data, size_t n)
{
	make_suffix(l, stream);
	log_lines_cut(&l->lines, stream, data, n, record, l);
	flush(l, l->len);
}

/* ---- opening and closing ---- */

LogJson *log_json_open(const ShimLog *config, GError **error)
{
	if (g_strcmp0(config->driver, "none") == 0 || !config->path)
		return NULL;
	LogJson *l = g_new0(LogJson, 1);
	log_lines_init(&l->lines);
	if (config->attrs) {
		g_autofree char *text = dh_json_dumps(config->attrs, 0);
		l->attrs = g_strdup_printf(",\"attrs\":%s", text);
	} else {
		l->attrs = g_strdup("");
	}
	if (!log_file_open(&l->file, config, error)) {
		log_json_close(l);
		return NULL;
	}
	return l;
}

void log_json_idle(LogJson *l)
{
	if (!l)
		return;
	g_clear_pointer(&l->out, g_free);
	g_clear_pointer(&l->suffix, g_free);
	log_lines_idle(&l->lines);
}

void log_json_finish(LogJson *l)
{
	log_lines_finish(&l->lines, record_late, l);
	flush(l, l->len);
}

void log_json_close(LogJson *l)
{
	if (!l)
		return;
	log_json_finish(l);
	log_lines_clear(&l->lines);
	log_file_close(&l->file);
	g_free(l->out);
	g_free(l->suffix);
	g_free(l->attrs);
	g_free(l);
}

LogFile *log_json_file(LogJson *l)
{
	return &l->file;
}

/* SPDX-License-Identifier: MIT */
#include "container/log_local.h"

#include "model/log_record.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 256 * 1024 };

/* A piece of the file in memory, moved towards its beginning as needed. */
typedef struct {
	int fd;
	char *data;
	off_t start;
	size_t len;
} Window;

static guint32 get_length(const char *p)
{
	guint32 n;
	memcpy(&n, p, sizeof n);
	return GUINT32_FROM_LE(n);
}

static gboolean sound_length(guint32 n)
{
	return n >= LOG_RECORD_HEAD && n <= LOG_RECORD_HEAD + LOG_RECORD_TEXT_MAX;
}

ssize_t log_record_decode(const char *p, size_t n, LogRecord *ret)
{
	if (n < LOG_RECORD_LENGTH)
		return 0;
	guint32 body = get_length(p);
	size_t size = (size_t)body + 2 * LOG_RECORD_LENGTH;
	if (!sound_length(body))
		return -1;
	if (n < size)
		return 0;
	if (get_length(p + size - LOG_RECORD_LENGTH) != body)
		return -1;
	gint64 time;
	memcpy(&time, p + LOG_RECORD_LENGTH + 1, sizeof time);
	*ret = (LogRecord){.kind = (guint8)p[LOG_RECORD_LENGTH],
		.time = GINT64_FROM_LE(time),
		.text = p + LOG_RECORD_LENGTH + LOG_RECORD_HEAD,
		.len = body - LOG_RECORD_HEAD};
	return (ssize_t)size;
}

/* n bytes at `at`; a window that lacks them is filled with what lies before their end. */
static const char *look(Window *w, off_t at, size_t n)
{
	if (at < 0 || n > LOG_RECORD_MAX)
		return NULL;
	if (at < w->start || at + (off_t)n > w->start + (off_t)w->len) {
		size_t want = MAX((size_t)WINDOW, n);
		off_t end = at + (off_t)n;
		w->start = MAX(end - (off_t)want, 0);
		w->data = g_realloc(w->data, want);
		ssize_t got = pread(w->fd, w->data, (size_t)(end - w->start), w->start);
		w->len = (size_t)MAX(got, 0);
		if (w->start + (off_t)w->len < end)
			return NULL;
	}
	return w->data + (at - w->start);
}

/* The size of the record that ends there; 0: none does. */
static off_t record_before(Window *w, off_t end, LogRecord *ret)
{
	const char *p = look(w, end - LOG_RECORD_LENGTH, LOG_RECORD_LENGTH);
	guint32 body = p ? get_length(p) : 0;
	size_t size = (size_t)body + 2 * LOG_RECORD_LENGTH;
	if (!sound_length(body) || !(p = look(w, end - (off_t)size, size)))
		return 0;
	return log_record_decode(p, size, ret) == (ssize_t)size ? (off_t)size : 0;
}

/* The end of the last whole record, the slow way: what is behind it is being written just now. */
static off_t end_of_records(int fd, off_t size)
{
	g_autofree char *data = g_malloc(LOG_RECORD_MAX);
	off_t at = 0;
	while (at < size) {
		ssize_t n = pread(fd, data, LOG_RECORD_MAX, at);
		LogRecord r;
		ssize_t used = 0, one;
		while (n > used &&
			(one = log_record_decode(data + used, (size_t)(n - used), &r)) > 0)
			used += one;
		if (used == 0)
			break;
		at += used;
	}
	return at;
}

off_t log_record_back(int fd, int64_t since, int64_t *lines)
{
	Window w = {.fd = fd};
	struct stat st;
	LogRecord r;
	off_t at = fstat(fd, &st) == 0 ? st.st_size : 0, size;
	if (at > 0 && record_before(&w, at, &r) == 0)
		at = end_of_records(fd, at);
	while (at > 0 && *lines > 0 && (size = record_before(&w, at, &r)) > 0) {
		if (r.kind != LOG_RECORD_ATTRS && r.time < since)
			break;
		at -= size;
		if (r.kind != LOG_RECORD_ATTRS)
			--*lines;
	}
	g_free(w.data);
	return at;
}

char *log_record_attrs(int fd)
{
	g_autofree char *data = g_malloc(LOG_RECORD_MAX);
	LogRecord r;
	ssize_t n = pread(fd, data, LOG_RECORD_MAX, 0);
	if (n <= 0 || log_record_decode(data, (size_t)n, &r) <= 0 || r.kind != LOG_RECORD_ATTRS ||
		r.len == 0)
		return NULL;
	return g_strndup(r.text, r.len);
}

/* SPDX-License-Identifier: MIT */
/*
 * Lines are written with one write(2) for each piece of output.
 * What a crash of the machine left of a record at the end is cut off when the file is opened, as
 * nothing behind it could be read backwards.
 */
#include "shim/log_local.h"

#include "base/error.h"
#include "base/timefmt.h"
#include "model/log_record.h"
#include "shim/log_lines.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH_AT = 256 * 1024 };

struct LogLocal {
	LogFile file;
	LogLines lines;
	char *attrs;
	GString *out;
	guint64 waiting; /* messages in out */
	int64_t now;
};

/* ---- files ---- */

static guint32 length_at(int fd, off_t at)
{
	guint32 n;
	return pread(fd, &n, sizeof n, at) == (ssize_t)sizeof n ? GUINT32_FROM_LE(n) : 0;
}

static gboolean sound_length(guint32 n)
{
	return n >= LOG_RECORD_HEAD && n <= LOG_RECORD_HEAD + LOG_RECORD_TEXT_MAX;
}

static void cut_off_torn(LogFile *f)
{
	off_t at = f->size - LOG_RECORD_LENGTH;
	guint32 last = at > 0 ? length_at(f->fd, at) : 0;
	if (f->size == 0 || (sound_length(last) && at - last >= LOG_RECORD_LENGTH &&
				    length_at(f->fd, at - last - LOG_RECORD_LENGTH) == last))
		return;
	off_t whole = 0;
	for (;;) {
		guint32 n = length_at(f->fd, whole);
		off_t end = whole + 2 * LOG_RECORD_LENGTH + n;
		if (!sound_length(n) || end > f->size ||
			length_at(f->fd, end - LOG_RECORD_LENGTH) != n)
			break;
		whole = end;
	}
	if (ftruncate(f->fd, whole) == 0)
		f->size = whole;
}

/* All or nothing: a piece of a record would hide what comes after it. */
static void flush(LogLocal *l, size_t n)
{
	struct stat st;
	if (n == 0)
		return;
	size_t done = log_file_write(&l->file, l->out->str, n);
	if (done == n)
		l->file.size += (int64_t)n;
	else
		l->file.lost += l->waiting;
	l->waiting = 0;
	if (done < n && l->file.fd >= 0 && fstat(l->file.fd, &st) == 0)
		(void)!ftruncate(l->file.fd, MAX(st.st_size - (off_t)done, 0));
	g_string_erase(l->out, 0, (gssize)n);
}

/* ---- records ---- */

static void append(LogLocal *l, guint8 kind, int64_t time, const char *text, size_t n)
{
	guint32 length = GUINT32_TO_LE((guint32)(LOG_RECORD_HEAD + n));
	gint64 when = GINT64_TO_LE(time);
	g_string_append_len(l->out, (const char *)&length, sizeof length);
	g_string_append_c(l->out, (char)kind);
	g_string_append_len(l->out, (const char *)&when, sizeof when);
	g_string_append_len(l->out, text, (gssize)n);
	g_string_append_len(l->out, (const char *)&length, sizeof length);
}

static void record(void *log, int stream, const char *text, size_t n)
{
	LogLocal *l = log;
	size_t need = 2 * LOG_RECORD_LENGTH + LOG_RECORD_HEAD + n;
	if (l->file.max_size >= 0 && l->file.size > 0 &&
		l->file.size + (int64_t)(l->out->len + need) > l->file.max_size) {
		flush(l, l->out->len);
		log_file_rotate(&l->file);
	}
	if (l->file.size == 0 && l->out->len == 0)
		append(l, LOG_RECORD_ATTRS, l->now, l->attrs, strlen(l->attrs));
	append(l, stream == 0 ? LOG_RECORD_STDOUT : LOG_RECORD_STDERR, l->now, text, n);
	l->waiting++;
	if (l->out->len >= FLUSH_AT)
		flush(l, l->out->len);
}

void log_local_write(LogLocal *l, int stream, const char *data, size_t n)
{
	l->now = dh_time_now();
	log_lines_cut(&l->lines, stream, data, n, record, l);
	flush(l, l->out->len);
}

/* ---- opening and closing ---- */

LogLocal *log_local_open(const ShimLog *config, GError **error)
{
	LogLocal *l = g_new0(LogLocal, 1);
	l->attrs = config->attrs ? dh_json_dumps(config->attrs, 0) : g_strdup("");
	if (strlen(l->attrs) > LOG_RECORD_TEXT_MAX)
		*l->attrs = '\0';
	l->out = g_string_new(NULL);
	log_lines_init(&l->lines);
	if (!log_file_open(&l->file, config, error)) {
		log_local_close(l);
		return NULL;
	}
	cut_off_torn(&l->file);
	return l;
}

void log_local_idle(LogLocal *l)
{
	if (l->out->allocated_len > 64) {
		g_string_free(l->out, TRUE);
		l->out = g_string_new(NULL);
	}
	log_lines_idle(&l->lines);
}

void log_local_finish(LogLocal *l)
{
	l->now = dh_time_now();
	log_lines_finish(&l->lines, record, l);
	flush(l, l->out->len);
}

void log_local_close(LogLocal *l)
{
	if (!l)
		return;
	log_local_finish(l);
	log_lines_clear(&l->lines);
	g_string_free(l->out, TRUE);
	log_file_close(&l->file);
	g_free(l->attrs);
	g_free(l);
}

LogFile *log_local_file(LogLocal *l)
{
	return &l->file;
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: DIR/events.log is appended to; when it is full, events.log.1 becomes
 * events.log.2, events.log becomes events.log.1. A line begins with the event's number and time in
 * a fixed form, so that a reader who looks for a time need not parse the rest:
 *
 *   {"n":17,"t":1790000000000000000,"type":"container","action":"start","id":"...","a":{...}}
 *
 * What a crash of the machine left of a last line is cut off when the journal is opened.
 *
 * On a full disk events go on: the file has blocks beyond its end for some hundred lines, and what
 * does not fit there either waits in memory, where readers find it (events.c), until there is room.
 */
#include "container/event_journal.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/timefmt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BLOCK = 64 * 1024,
	LINE_MAX_LEN = 4 * 1024 * 1024,
	AHEAD = 128 * 1024,
	WAITING_MAX = 1 << 20
};

struct EventJournal {
	char *path;
	int fd;
	int64_t size, file_size;
	int64_t blocks;   /* up to here there is room in any case */
	GString *waiting; /* lines that the disk has not taken yet */
};

static char *file_name(const EventJournal *j, int i)
{
	return i == 0 ? g_strdup(j->path) : g_strdup_printf("%s.%d", j->path, i);
}

static void drop_old(EventJournal *j)
{
	int64_t oldest = dh_time_now() / DH_NSEC - (int64_t)EVENT_JOURNAL_DAYS * 86400;
	for (int i = 1; i < EVENT_JOURNAL_FILES; i++) {
		g_autofree char *name = file_name(j, i);
		struct stat st;
		if (stat(name, &st) == 0 && st.st_mtim.tv_sec < oldest)
			(void)unlink(name);
	}
}

/* Behind the last newline. */
static off_t end_of_lines(int fd, off_t size)
{
	char block[4096];
	while (size > 0) {
		size_t n = (size_t)MIN(size, (off_t)sizeof block);
		ssize_t got = pread(fd, block, n, size - (off_t)n);
		const char *nl = got == (ssize_t)n ? memrchr(block, '\n', n) : NULL;
		size -= (off_t)n;
		if (nl)
			return size + (nl - block) + 1;
	}
	return 0;
}

static int open_current(EventJournal *j)
{
	struct stat st;
	j->fd = open(j->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	j->size = 0;
	if (j->fd < 0 || fstat(j->fd, &st) < 0)
		return -1;
	off_t whole = end_of_lines(j->fd, st.st_size);
	if (whole < st.st_size && ftruncate(j->fd, whole) < 0)
		return -1;
	j->size = whole;
	j->blocks = MIN((int64_t)st.st_blocks * 512, j->file_size);
	return 0;
}

static void rotate(EventJournal *j)
{
	for (int i = EVENT_JOURNAL_FILES - 1; i > 0; i--) {
		g_autofree char *from = file_name(j, i - 1);
		g_autofree char *to = file_name(j, i);
		(void)rename(from, to);
	}
	if (j->fd >= 0)
		(void)!ftruncate(j->fd, j->size); /* no more blocks than lines */
	dh_close(&j->fd);
	(void)open_current(j);
	drop_old(j);
}

/* All of it or nothing. */
static gboolean write_lines(EventJournal *j, const char *lines, size_t n)
{
	if (j->size > 0 && j->size + (int64_t)n > j->file_size)
		rotate(j);
	if (j->fd < 0 && open_current(j) < 0)
		return FALSE;
	if (j->size + (int64_t)n + AHEAD / 2 > j->blocks &&
		fallocate(j->fd, FALLOC_FL_KEEP_SIZE, j->size, (off_t)n + AHEAD) == 0)
		j->blocks = j->size + (int64_t)n + AHEAD;
	ssize_t r;
	do
		r = write(j->fd, lines, n);
	while (r < 0 && errno == EINTR);
	if (r == (ssize_t)n) {
		j->size += (int64_t)n;
		return TRUE;
	}
	/* No piece of a line is left; nor are blocks beyond the end, of which there were too few.
	 */
	if (r > 0 && ftruncate(j->fd, j->size) == 0)
		j->blocks = j->size;
	return FALSE;
}

EventJournal *event_journal_open(const char *dir, int64_t file_size, GError **error)
{
	if (!dh_mkdir_p(dir, 0700, error))
		return NULL;
	EventJournal *j = g_new0(EventJournal, 1);
	j->path = g_build_filename(dir, "events.log", NULL);
	j->file_size = file_size;
	j->waiting = g_string_new(NULL);
	if (open_current(j) < 0) {
		dh_error_errno(error, errno, "open %s", j->path);
		event_journal_close(j);
		return NULL;
	}
	drop_old(j);
	return j;
}

void event_journal_close(EventJournal *j)
{
	if (!j)
		return;
	if (j->waiting->len > 0)
		(void)write_lines(j, j->waiting->str, j->waiting->len);
	dh_close(&j->fd);
	g_string_free(j->waiting, TRUE);
	g_free(j->path);
	g_free(j);
}

static json_t *text(const char *s)
{
	json_t *v = json_string(s ? s : "");
	if (v)
		return v;
	g_autofree char *valid = g_utf8_make_valid(s, -1);
	return json_string(valid);
}

static char *line_of(const Event *e)
{
	g_autoptr(json_t) attributes = json_object();
	GHashTableIter it;
	gpointer key, value;
	g_hash_table_iter_init(&it, e->attributes);
	while (g_hash_table_iter_next(&it, &key, &value)) {
		g_autofree char *name = g_utf8_make_valid(key, -1);
		json_object_set_new(attributes, name, text(value));
	}
	g_autoptr(json_t) rest = json_pack("{s:o, s:o, s:o, s:O}", "type", text(e->type), "action",
		text(e->action), "id", text(e->id), "a", attributes);
	g_autofree char *tail = dh_json_dumps(rest, 0);
	return g_strdup_printf("{\"n\":%" G_GUINT64_FORMAT ",\"t\":%" G_GINT64_FORMAT ",%s\n",
		e->seq, e->time, tail + 1);
}

void event_journal_append(EventJournal *j, const Event *e)
{
	g_autofree char *line = line_of(e);
	size_t n = strlen(line);
	if (j->waiting->len == 0 && write_lines(j, line, n))
		return;
	/* In their order, and none lost as long as events.c has them, too. */
	if (j->waiting->len + n <= WAITING_MAX)
		g_string_append_len(j->waiting, line, (gssize)n);
	if (write_lines(j, j->waiting->str, j->waiting->len))
		g_string_truncate(j->waiting, 0);
}

GArray *event_journal_files(EventJournal *j)
{
	GArray *files = g_array_new(FALSE, FALSE, sizeof(int));
	g_array_set_clear_func(files, dh_close_element);
	for (int i = EVENT_JOURNAL_FILES - 1; i >= 0; i--) {
		g_autofree char *name = file_name(j, i);
		int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0)
			g_array_append_val(files, fd);
	}
	return files;
}

/* ---- reading ---- */

static gboolean parse_head(const char *line, uint64_t *seq, int64_t *time)
{
	char *end;
	if (!g_str_has_prefix(line, "{\"n\":"))
		return FALSE;
	*seq = g_ascii_strtoull(line + 5, &end, 10);
	if (!g_str_has_prefix(end, ",\"t\":"))
		return FALSE;
	*time = g_ascii_strtoll(end + 5, &end, 10);
	return *end == ',' && *seq > 0;
}

static Event *parse_line(const char *line, size_t n)
{
	g_autoptr(json_t) o = dh_json_loads(line, n, NULL);
	const char *type = json_string_value(json_object_get(o, "type"));
	const char *action = json_string_value(json_object_get(o, "action"));
	const char *id = json_string_value(json_object_get(o, "id"));
	if (!type || !action || !id)
		return NULL;
	GHashTable *attributes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	const char *key;
	json_t *v;
	json_object_foreach (json_object_get(o, "a"), key, v) {
		if (json_is_string(v))
			g_hash_table_insert(
				attributes, g_strdup(key), g_strdup(json_string_value(v)));
	}
	Event *e = event_new(type, action, id, attributes);
	e->seq = (uint64_t)json_integer_value(json_object_get(o, "n"));
	e->time = json_integer_value(json_object_get(o, "t"));
	return e;
}

typedef struct {
	int64_t since;
	uint64_t before;
	EventFn fn;
	void *arg;
	gboolean reached;
} Reading;

/* A line with a NUL behind it. */
static int take_line(Reading *r, const char *line, size_t n)
{
	uint64_t seq;
	int64_t time;
	if (!parse_head(line, &seq, &time) || time < r->since)
		return 0;
	if (seq >= r->before) {
		r->reached = TRUE;
		return 0;
	}
	g_autoptr(Event) e = parse_line(line, n);
	return e ? r->fn(r->arg, e) : 0;
}

int event_journal_read(int fd, int64_t since, uint64_t before, EventFn fn, void *arg)
{
	Reading r = {.since = since, .before = before, .fn = fn, .arg = arg};
	g_autoptr(GString) buf = g_string_sized_new(BLOCK);
	g_autofree char *block = g_malloc(BLOCK);
	ssize_t n;
	while ((n = read(fd, block, BLOCK)) > 0 && buf->len < LINE_MAX_LEN) {
		g_string_append_len(buf, block, n);
		char *p = buf->str, *nl;
		while ((nl = strchr(p, '\n'))) {
			*nl = '\0';
			int x = take_line(&r, p, (size_t)(nl - p));
			if (x < 0 || r.reached)
				return x;
			p = nl + 1;
		}
		g_string_erase(buf, 0, p - buf->str);
	}
	return 0;
}

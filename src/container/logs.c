/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The shim appends to PATH and rotates by renaming: PATH.1 becomes PATH.2, PATH becomes PATH.1, a
 * new PATH is created (with one file only, PATH is truncated); PATH.1 may then be compressed. All
 * files that exist are opened first, newest to oldest, so that what is renamed meanwhile is still
 * read, once, in order. Only whole lines are consumed: a position is always the start of a line,
 * and a half-written last line is read again when more of it has come. Lines that are not what they
 * should be are skipped, as one torn write must not hide the rest.
 *
 * --tail counts newlines backwards, in blocks, over as many files as it takes. --since is looked
 * for by bisection: the time of a line somewhere in the middle tells in which half to go on.
 *
 * A position is a file (its inode, which a packed one has the number of) and an offset; a sum of
 * what stands before it tells whether that is still the same. A client who asked is told one behind
 * each block, so that lines cost nothing.
 *
 * Following waits on three descriptors: inotify on the log's directory, the engine's events (the
 * container's end), and the client. The watch and the subscription are made before the first read
 * and the container's state is asked before each read to the end, so nothing can fall between.
 */
#include "container/logs.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/timefmt.h"
#include "container/log_config.h"
#include "container/log_line.h"
#include "container/log_local.h"
#include "container/log_source.h"
#include "model/log_record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define BLOCK (64 * 1024)
#define SEEK_BLOCK (256 * 1024) /* holds two of the longest lines that a shim writes */
#define LINE_MAX_LEN (4 * 1024 * 1024)

typedef struct {
	const LogsRequest *req;
	const char *path;
	LogsSink sink;
	void *arg;
	gboolean raw, local;
	char *attrs;   /* of the file that is read, with driver local */
	GArray *files; /* LogSource, oldest first; the last one is followed */
	char *block;
	size_t block_size;
	GString *out;
	LogLine line;
	guint at;          /* the file of them that is being read */
	gboolean gone;     /* the sink wants no more */
	gboolean paused;   /* ... for now, and has taken all until here */
	int64_t when;      /* of the line, with driver local */
	gboolean done;     /* past --until */
	gboolean oversize; /* inside a line longer than LINE_MAX_LEN */
} Reader;

static void reader_clear(Reader *r)
{
	g_clear_pointer(&r->files, g_array_unref);
	g_free(r->block);
	g_free(r->attrs);
	if (r->out)
		g_string_free(r->out, TRUE);
	if (r->line.text)
		g_string_free(r->line.text, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, reader_clear)

/* ---- output ---- */

static void flush(Reader *r)
{
	int taken = r->out->len > 0 && !r->gone ? r->sink(r->arg, r->out->str, r->out->len) : 0;
	r->paused |= taken > 0;
	r->gone |= taken != 0;
	g_string_truncate(r->out, 0);
}

/* Docker's fixed form: nine decimals. */
static void put_timestamp(Reader *r, const LogLine *l)
{
	if (r->local) {
		char fixed[36];
		g_string_append_len(r->out, fixed, (gssize)dh_time_format_fixed(r->when, fixed));
	} else if (l->time_len == 30 && l->time[19] == '.' && l->time[29] == 'Z') {
		g_string_append_len(r->out, l->time, 30);
	} else {
		char buf[36];
		int64_t t;
		if (!log_line_time(l->time, l->time_len, &t))
			t = DH_TIME_ZERO;
		g_string_append_len(r->out, buf, (gssize)dh_time_format_fixed(t, buf));
	}
	g_string_append_c(r->out, ' ');
}

/* url.QueryEscape of Go. */
static void put_escaped(GString *out, const char *s)
{
	for (; *s; s++) {
		if (g_ascii_isalnum(*s) || strchr("-_.~", *s))
			g_string_append_c(out, *s);
		else if (*s == ' ')
			g_string_append_c(out, '+');
		else
			g_string_append_printf(out, "%%%02X", (unsigned char)*s);
	}
}

static void put_details(Reader *r, const LogLine *l)
{
	g_autoptr(json_t) attrs = l->attrs ? dh_json_loads(l->attrs, l->attrs_len, NULL) : NULL;
	g_autoptr(GList) keys = NULL;
	const char *key;
	json_t *v;
	json_object_foreach (attrs, key, v)
		keys = g_list_insert_sorted(keys, (gpointer)key, (GCompareFunc)strcmp);
	for (GList *k = keys; k; k = k->next) {
		const char *value = json_string_value(json_object_get(attrs, k->data));
		if (k != keys)
			g_string_append_c(r->out, ',');
		put_escaped(r->out, k->data);
		g_string_append_c(r->out, '=');
		put_escaped(r->out, value ? value : "");
	}
	g_string_append_c(r->out, ' ');
}

/* text, len, and then end, which is a newline or nothing. */
static void put_line(Reader *r, const LogLine *l, const char *text, size_t len, const char *end)
{
	gsize head = r->out->len;
	if (!r->raw) {
		const char frame[8] = {(char)l->stream};
		g_string_append_len(r->out, frame, sizeof frame);
	}
	gsize body = r->out->len;
	if (r->req->timestamps)
		put_timestamp(r, l);
	if (r->req->details)
		put_details(r, l);
	g_string_append_len(r->out, text, (gssize)len);
	if (*end)
		g_string_append_c(r->out, *end);
	if (!r->raw) {
		guint32 size = GUINT32_TO_BE((guint32)(r->out->len - body));
		memcpy(r->out->str + head + 4, &size, sizeof size);
	}
	if (r->out->len >= BLOCK)
		flush(r);
}

/* ---- positions ---- */

enum { CHECKED = 64 };

/* The time of the last line is in there. 0: it cannot be had. */
static guint32 check_before(int fd, off_t pos)
{
	guint8 last[CHECKED];
	size_t n = (size_t)MIN(pos, (off_t)sizeof last);
	if (n == 0 || pread(fd, last, n, pos - (off_t)n) != (ssize_t)n)
		return 0;
	return (guint32)crc32(0, last, (uInt)n);
}

char *logs_position_text(const LogsPosition *p)
{
	return g_strdup_printf("%" G_GINT64_MODIFIER "x.%" G_GINT64_MODIFIER "x.%" G_GINT64_MODIFIER
			       "x.%x",
		(guint64)p->dev, (guint64)p->ino, (guint64)p->pos, p->check);
}

gboolean logs_position_parse(const char *text, LogsPosition *ret)
{
	g_auto(GStrv) words = g_strsplit(text, ".", 5);
	guint64 n[4];
	if (g_strv_length(words) != G_N_ELEMENTS(n))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(n); i++) {
		guint64 max = i == 3 ? G_MAXUINT32 : i == 2 ? G_MAXINT64 : G_MAXUINT64;
		if (!g_ascii_string_to_unsigned(words[i], 16, 0, max, &n[i], NULL))
			return FALSE;
	}
	*ret = (LogsPosition){.known = TRUE,
		.dev = (dev_t)n[0],
		.ino = (ino_t)n[1],
		.pos = (off_t)n[2],
		.check = (guint32)n[3]};
	return TRUE;
}

static gboolean is_position(const Reader *r, LogSource *f, const LogsPosition *p)
{
	if (f->ino != p->ino || f->dev != p->dev)
		return FALSE;
	/* One that cannot be unpacked is passed over later; it is still the one. */
	return p->check == 0 || !log_source_unpack(f, r->path) ||
	       check_before(f->fd, p->pos) == p->check;
}

/* What was read before is left out; of a file that is gone the rest is lost. */
static void seek_position(Reader *r, const LogsPosition *p)
{
	for (guint i = 0; i < r->files->len; i++) {
		LogSource *f = &g_array_index(r->files, LogSource, i);
		if (!is_position(r, f, p))
			continue;
		f->pos = p->pos;
		if (i > 0)
			g_array_remove_range(r->files, 0, i);
		return;
	}
}

static LogsPosition position_of(const Reader *r)
{
	LogsPosition p = {0};
	if (r->at >= r->files->len)
		return p;
	const LogSource *f = &g_array_index(r->files, LogSource, r->at);
	p.dev = f->dev;
	p.ino = f->ino;
	p.pos = f->pos;
	return p;
}

/* To whoever asked us. */
static void leave_position(const Reader *r, gboolean unfinished)
{
	if (!r->req->position)
		return;
	*r->req->position = position_of(r);
	r->req->position->unfinished = unfinished;
}

/* To the client, between what is before it and what is behind it. */
static void put_position(Reader *r)
{
	LogsPosition p = position_of(r);
	if (r->at < r->files->len)
		p.check = check_before(g_array_index(r->files, LogSource, r->at).fd, p.pos);
	g_autofree char *text = logs_position_text(&p);
	const char head[8] = {LOGS_POSITION, 0, 0, 0, 0, 0, 0, (char)strlen(text)};
	g_string_append_len(r->out, head, sizeof head);
	g_string_append(r->out, text);
}

/* ---- lines ---- */

/* A line that is decoded, in r->line. */
static void give_text(Reader *r, const char *text, size_t len, const char *end)
{
	LogLine *l = &r->line;
	if (r->req->since || r->req->until) {
		int64_t t = r->when;
		if (!r->local && !log_line_time(l->time, l->time_len, &t))
			return;
		if (r->req->until && t > r->req->until) {
			r->done = TRUE;
			return;
		}
		if (t < r->req->since)
			return;
	}
	if (l->stream == 1 ? r->req->use_stdout : r->req->use_stderr)
		put_line(r, l, text, len, end);
}

static void give_line(Reader *r)
{
	give_text(r, r->line.text->str, r->line.text->len, "");
}

static void take_line(Reader *r, const char *text, size_t n)
{
	const char *plain;
	size_t len;
	if (log_line_plain(text, n, &r->line, &plain, &len))
		give_text(r, plain, len, "\n");
	else if (log_line_decode(text, n, &r->line))
		give_line(r);
}

static void take_record(Reader *r, const LogRecord *record)
{
	LogLine *l = &r->line;
	if (record->kind == LOG_RECORD_ATTRS)
		return;
	g_string_truncate(l->text, 0);
	g_string_append_len(l->text, record->text, (gssize)record->len);
	l->stream = record->kind;
	l->time = NULL;
	l->attrs = r->attrs;
	l->attrs_len = r->attrs ? strlen(r->attrs) : 0;
	r->when = record->time;
	give_line(r);
}

/* ---- files ---- */

/* Follows a rotation: opens what was written after the file we have. FALSE: nothing newer. */
static gboolean advance(Reader *r)
{
	LogSource f;
	if (r->files->len == 0) {
		if (!log_source_open(r->path, &f))
			return FALSE;
		g_array_append_val(r->files, f);
		return TRUE;
	}
	const LogSource have = g_array_index(r->files, LogSource, r->files->len - 1);
	g_autoptr(GArray) all = log_sources_open(r->path);
	guint next = 0;
	for (guint i = 0; i < all->len; i++) {
		const LogSource *a = &g_array_index(all, LogSource, i);
		if (a->ino == have.ino && a->dev == have.dev)
			next = i + 1;
	}
	if (next >= all->len)
		return FALSE;
	for (guint i = next; i < all->len; i++) {
		f = g_array_index(all, LogSource, i);
		g_array_index(all, LogSource, i).fd = -1;
		g_array_append_val(r->files, f);
	}
	return TRUE;
}

/* ---- forwards ---- */

/* The same for records. Behind damage nothing can be known. */
static size_t take_records(Reader *r, size_t n)
{
	size_t used = 0;
	while (used < n && !r->gone && !r->done) {
		LogRecord record;
		ssize_t one = log_record_decode(r->block + used, n - used, &record);
		if (one < 0)
			return n;
		if (one == 0)
			break;
		take_record(r, &record);
		used += (size_t)one;
	}
	return used;
}

/* Before the first byte of a file is given out. FALSE: it cannot be read. */
static gboolean begin_file(Reader *r, LogSource *f)
{
	if (!log_source_unpack(f, r->path))
		return FALSE;
	if (r->local && r->req->details && !f->begun) {
		g_free(r->attrs);
		r->attrs = log_record_attrs(f->fd);
		f->begun = r->attrs != NULL;
	}
	return TRUE;
}

/* Consumes the whole lines of a filled block; returns how many bytes that were. */
static size_t take_block(Reader *r, size_t n)
{
	const char *p = r->block, *end = r->block + n;
	while (p < end && !r->gone && !r->done) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			break;
		if (!r->oversize)
			take_line(r, p, (size_t)(nl - p));
		r->oversize = FALSE;
		p = nl + 1;
	}
	return (size_t)(p - r->block);
}

static void read_to_end(Reader *r, LogSource *f)
{
	struct stat st;
	if (!begin_file(r, f))
		return;
	if (fstat(f->fd, &st) == 0 && st.st_size < f->pos)
		f->pos = 0; /* truncated: a rotation with one file */
	while (!r->gone && !r->done) {
		ssize_t n = pread(f->fd, r->block, r->block_size, f->pos);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		size_t used = r->local ? take_records(r, (size_t)n) : take_block(r, (size_t)n);
		if (used == 0 && (size_t)n == r->block_size) {
			if (r->block_size < LINE_MAX_LEN) {
				r->block_size *= 2;
				r->block = g_realloc(r->block, r->block_size);
				continue;
			}
			r->oversize = TRUE;
			used = (size_t)n;
		}
		if (used == 0)
			return;
		f->pos += (off_t)used;
		if (r->req->tell)
			put_position(r);
	}
}

/* From file `first` on, to the end of what there is now; forgets files that are through. */
static void read_all(Reader *r)
{
	for (;;) {
		for (guint i = 0; i < r->files->len && !r->gone && !r->done; i++) {
			r->at = i;
			read_to_end(r, &g_array_index(r->files, LogSource, i));
		}
		if (r->gone || r->done)
			return;
		if (r->files->len > 1)
			g_array_remove_range(r->files, 0, r->files->len - 1);
		r->at = 0;
		if (!r->req->follow)
			return;
		LogSource old = {.fd = -1};
		if (r->files->len > 0)
			old = g_array_index(r->files, LogSource, 0);
		if (!advance(r))
			return;
		/* The last words before the rename came after our last look. */
		if (old.fd >= 0)
			read_to_end(r, &g_array_index(r->files, LogSource, 0));
		if (r->gone || r->done)
			return;
	}
}

/* ---- backwards ---- */

/* The position behind the (n+1)th newline from the end, i.e. where the last n lines start. *n
 * becomes what is missing, 0 when found. */
static off_t scan_back(Reader *r, LogSource *f, int64_t *n)
{
	struct stat st;
	if (!log_source_unpack(f, r->path))
		return 0;
	if (r->local)
		return log_record_back(f->fd, G_MININT64, n);
	off_t at = fstat(f->fd, &st) == 0 ? st.st_size : 0;
	gboolean last = TRUE; /* the newline that ends the last line is no start */
	while (at > 0) {
		size_t len = (size_t)MIN(at, (off_t)r->block_size);
		at -= (off_t)len;
		ssize_t got = pread(f->fd, r->block, len, at);
		const char *end = r->block + (got > 0 ? got : 0);
		const char *nl;
		while ((nl = memrchr(r->block, '\n', (size_t)(end - r->block)))) {
			if (last)
				last = FALSE;
			else
				(*n)--;
			if (*n == 0)
				return at + (nl - r->block) + 1;
			end = nl;
		}
	}
	if (!last)
		(*n)--; /* the first line has no newline in front of it */
	return 0;
}

/* ---- by time ---- */

/* Time of the first whole, sound line that starts behind `at` (at it, if that is 0); *next is where
 * it starts. FALSE: none in reach. */
static gboolean time_behind(Reader *r, const LogSource *f, off_t at, off_t *next, int64_t *ret)
{
	for (int blocks = 0; blocks < 4; blocks++) {
		ssize_t n = pread(f->fd, r->block, r->block_size, at);
		const char *p = r->block, *end = r->block + MAX(n, 0), *nl;
		gboolean whole = at == 0;
		while (p < end && (nl = memchr(p, '\n', (size_t)(end - p)))) {
			if (whole && log_line_decode(p, (size_t)(nl - p), &r->line) &&
				log_line_time(r->line.time, r->line.time_len, ret)) {
				*next = at + (p - r->block);
				return TRUE;
			}
			whole = TRUE;
			p = nl + 1;
		}
		if (n <= 0)
			return FALSE;
		/* From the start of the line that was not whole, or behind a piece of one. */
		at += whole ? p - r->block - 1 : n;
	}
	return FALSE;
}

/* Lines are in the order of their times, but for a clock that was set back: a line not far before
 * the first that is wanted. */
static off_t find_time(Reader *r, const LogSource *f, int64_t since)
{
	struct stat st;
	int64_t all = G_MAXINT64;
	if (r->local)
		return log_record_back(f->fd, since, &all);
	off_t low = 0, high = fstat(f->fd, &st) == 0 ? st.st_size : 0;
	while (high - low > BLOCK) {
		off_t middle = low + (high - low) / 2, next;
		int64_t t;
		if (time_behind(r, f, middle, &next, &t) && next < high && t < since)
			low = next;
		else
			high = middle;
	}
	return low;
}

static void seek_since(Reader *r)
{
	if (r->block_size < SEEK_BLOCK) {
		r->block_size = SEEK_BLOCK;
		r->block = g_realloc(r->block, r->block_size);
	}
	for (guint i = 0; i < r->files->len; i++) {
		LogSource *f = &g_array_index(r->files, LogSource, i);
		struct stat st;
		/* A packed file has the time of its last line. */
		if (f->packed && fstat(f->fd, &st) == 0 &&
			(st.st_mtim.tv_sec + 2) * DH_NSEC < r->req->since)
			dh_close(&f->fd);
		else if (log_source_unpack(f, r->path))
			f->pos = MAX(f->pos, find_time(r, f, r->req->since));
	}
}

static void seek_tail(Reader *r)
{
	int64_t left = r->req->tail;
	guint first = r->files->len;
	while (first > 0 && left > 0) {
		LogSource *f = &g_array_index(r->files, LogSource, --first);
		f->pos = scan_back(r, f, &left);
	}
	if (r->req->tail == 0 && first > 0) {
		LogSource *f = &g_array_index(r->files, LogSource, --first);
		f->pos = scan_back(r, f, &left);
	}
	if (first > 0)
		g_array_remove_range(r->files, 0, first);
}

/* ---- following ---- */

static gboolean has_ended(Container *c)
{
	g_autoptr(ContainerSnapshot) s = container_snapshot(c);
	return !s->state.running && !s->state.restarting;
}

static int until_timeout(const LogsRequest *req)
{
	if (!req->until)
		return -1;
	int64_t ms = (req->until - dh_time_now()) / 1000000 + 1;
	return (int)CLAMP(ms, 0, G_MAXINT);
}

/* Takes what waits; TRUE when something concerned this container (or may have: overflow). */
static gboolean drain_events(EventsSub **sub, Container *c)
{
	gboolean ours = FALSE;
	for (;;) {
		g_autoptr(Event) ev = events_sub_next(*sub);
		if (!ev)
			break;
		if (strcmp(ev->id, c->id) == 0)
			ours = TRUE;
	}
	if (events_sub_overflowed(*sub)) {
		events_unsubscribe(*sub);
		*sub = events_subscribe(c->engine->events);
		ours = TRUE;
	}
	return ours;
}

static void drain_inotify(int fd)
{
	char buf[4096];
	while (read(fd, buf, sizeof buf) > 0)
		;
}

static gboolean follow(Reader *r, Container *c, int cancel_fd, GError **error)
{
	dh_autofd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	g_autofree char *dir = g_path_get_dirname(r->path);
	if (watch < 0 ||
		inotify_add_watch(watch, dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return dh_error_errno(error, errno, "watching %s", dir);
	g_autoptr(EventsSub) sub = events_subscribe(c->engine->events);
	gboolean ended = has_ended(c);
	for (;;) {
		read_all(r);
		flush(r);
		if (ended || r->gone || r->done) {
			leave_position(r, r->paused && !r->done);
			return TRUE;
		}
		struct pollfd p[] = {
			{watch, POLLIN, 0},
			{events_sub_fd(sub), POLLIN, 0},
			{cancel_fd, POLLIN | POLLRDHUP, 0},
		};
		int n = poll(p, G_N_ELEMENTS(p), until_timeout(r->req));
		if (n < 0 && errno != EINTR)
			return dh_error_errno(error, errno, "poll");
		if (n < 0)
			continue;
		/* What has ended is read to its end here: elsewhere its log may be gone. */
		ended = p[2].revents && has_ended(c);
		if (p[2].revents && !ended) {
			leave_position(r, TRUE);
			return TRUE;
		}
		if (p[0].revents)
			drain_inotify(watch);
		if (p[1].revents && drain_events(&sub, c))
			ended = has_ended(c);
		if (n == 0)
			ended = TRUE; /* --until has passed */
	}
}

gboolean container_logs_check(Container *c, GError **error)
{
	const char *driver = log_driver(c);
	if (strcmp(driver, "json-file") != 0 && strcmp(driver, "local") != 0)
		return dh_error(error, DH_ERROR_NOT_BUILT,
			"configured logging driver does not support reading");
	g_autoptr(ContainerSnapshot) s = container_snapshot(c);
	if (s->state.dead || s->state.removing)
		return dh_error(error, DH_ERROR_CONFLICT,
			"can not get logs from container which is dead or marked for removal");
	return TRUE;
}

gboolean container_logs(Container *c, const LogsRequest *req, LogsSink sink, void *arg,
	int cancel_fd, GError **error)
{
	if (!container_logs_check(c, error))
		return FALSE;
	g_autofree char *path = log_file_path(c);
	if (!path)
		return TRUE;
	g_auto(Reader) r = {.req = req,
		.path = path,
		.sink = sink,
		.arg = arg,
		.raw = c->config->tty && !req->tell,
		.local = strcmp(log_driver(c), "local") == 0};
	r.block_size = BLOCK;
	r.block = g_malloc(r.block_size);
	r.out = g_string_sized_new(BLOCK + BLOCK / 4);
	r.line.text = g_string_sized_new(512);
	LogsRequest once = *req;
	if (has_ended(c)) {
		once.follow = FALSE;
		r.req = &once;
	}
	r.files = log_sources_open(path);
	if (req->opened)
		req->opened(arg);
	gboolean resumed = req->position && req->position->known;
	if (resumed)
		seek_position(&r, req->position);
	if (req->tail >= 0 && !resumed)
		seek_tail(&r);
	if (req->since > 0 && !resumed)
		seek_since(&r);
	if (req->tell)
		put_position(&r);
	if (r.req->follow)
		return follow(&r, c, cancel_fd, error);
	read_all(&r);
	flush(&r);
	leave_position(&r, r.paused && !r.done);
	return TRUE;
}

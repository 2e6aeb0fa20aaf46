/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	BUFFER = 64 * 1024,
	FRAME_HEAD = 8,
	POSITION_FRAME = 4, /* the stream of a position, ours */
	POSITION_MAX = 255,
	CHUNK_END = 16 /* what may be left of a chunk that has been read */
};

/* What the daemon calls a stream with positions. */
#define POSITIONED "application/vnd.dhow.positioned-stream"

typedef struct {
	gboolean details, follow, timestamps;
	char *since, *tail, *until;
} LogsOptions;

/* clang-format off */
static const OptionSpec logs_specs[] = {
	{0, "details", OPT_BOOL, offsetof(LogsOptions, details), NULL,
		"Show extra details provided to logs"},
	{'f', "follow", OPT_BOOL, offsetof(LogsOptions, follow), NULL, "Follow log output"},
	{0, "since", OPT_STRING, offsetof(LogsOptions, since), "string",
		"Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. "
		"\"42m\" for 42 minutes)"},
	{'n', "tail", OPT_STRING, offsetof(LogsOptions, tail), "string",
		"Number of lines to show from the end of the logs", "\"all\""},
	{'t', "timestamps", OPT_BOOL, offsetof(LogsOptions, timestamps), NULL, "Show timestamps"},
	{0, "until", OPT_STRING, offsetof(LogsOptions, until), "string",
		"Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative "
		"(e.g. \"42m\" for 42 minutes)"},
};
/* clang-format on */

static gboolean write_out(int fd, const void *buf, size_t n, GError **error)
{
	if (dh_write_all(fd, buf, n) == 0)
		return TRUE;
	return dh_error_errno(error, errno, "write");
}

static gboolean copy_raw(Response *r, GError **error)
{
	g_autofree char *buf = g_malloc(BUFFER);
	for (;;) {
		ssize_t n = response_read(r, buf, BUFFER, error);
		if (n <= 0)
			return n == 0;
		if (!write_out(STDOUT_FILENO, buf, (size_t)n, error))
			return FALSE;
	}
}

/* Payload of neighbouring frames of one stream is written together. A daemon of ours says now and
 * then which position of the log the stream has come to; when it goes, the next one begins there
 * again, and what is known from behind there is left out. */
typedef struct {
	Response *r;
	char *position;      /* or NULL: none has been told */
	gboolean again;      /* ... by this daemon, but we asked for it */
	guint64 seen, known; /* bytes behind it: from this daemon, and written or about to be */
	int fd;              /* where buf goes */
	size_t n;
	char buf[BUFFER];
} Frames;

static Frames *frames_new(Response *r)
{
	Frames *f = g_new(Frames, 1);
	f->r = r;
	f->position = NULL;
	f->again = FALSE;
	f->seen = f->known = 0;
	f->fd = STDOUT_FILENO;
	f->n = 0;
	return f;
}

static void frames_free(Frames *f)
{
	response_free(f->r);
	g_free(f->position);
	g_free(f);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Frames, frames_free)

static gboolean frames_flush(Frames *f, GError **error)
{
	gboolean ok = f->n == 0 || write_out(f->fd, f->buf, f->n, error);
	f->n = 0;
	return ok;
}

/* At most n bytes; what we have is written before we wait for more. As response_read. */
static ssize_t frames_read(Frames *f, void *buf, size_t n, GError **error)
{
	if (response_buffered(f->r) <= CHUNK_END && !frames_flush(f, error))
		return -1;
	return response_read(f->r, buf, n, error);
}

/* 1; the end before the first byte: 0; else -1 with error. */
static int read_head(Frames *f, guint8 head[FRAME_HEAD], GError **error)
{
	for (size_t at = 0; at < FRAME_HEAD;) {
		ssize_t got = frames_read(f, head + at, FRAME_HEAD - at, error);
		if (got < 0)
			return -1;
		if (got == 0 && at > 0)
			dh_error(error, DH_ERROR_SYSTEM, "unexpected EOF");
		if (got == 0)
			return at == 0 ? 0 : -1;
		at += (size_t)got;
	}
	return 1;
}

/* So many of the n bytes that were read are new; they are moved to the front. */
static size_t keep_new(Frames *f, char *p, size_t n)
{
	size_t old = f->known > f->seen ? (size_t)MIN((guint64)n, f->known - f->seen) : 0;
	f->seen += n;
	f->known = MAX(f->known, f->seen);
	if (old > 0)
		memmove(p, p + old, n - old);
	return n - old;
}

static gboolean take_position(Frames *f, guint32 left, GError **error)
{
	char text[POSITION_MAX + 1];
	size_t n = 0;
	if (left > POSITION_MAX)
		return dh_error(error, DH_ERROR_SYSTEM, "the position of the log is too long");
	for (; n < left;) {
		ssize_t got = frames_read(f, text + n, left - n, error);
		if (got == 0)
			dh_error(error, DH_ERROR_SYSTEM, "unexpected EOF");
		if (got <= 0)
			return FALSE;
		n += (size_t)got;
	}
	text[n] = '\0';
	/* The place is gone (rotated away): all that is left of the log is new. */
	if (f->again && g_strcmp0(f->position, text) != 0)
		f->known = 0;
	f->again = FALSE;
	f->known -= MIN(f->known, f->seen);
	f->seen = 0;
	g_free(f->position);
	f->position = g_strdup(text);
	return TRUE;
}

static gboolean take_payload(Frames *f, int stream, guint32 left, GError **error)
{
	int fd = stream == 2 ? STDERR_FILENO : STDOUT_FILENO;
	if ((fd != f->fd || stream == 3) && !frames_flush(f, error))
		return FALSE;
	f->fd = fd;
	while (left) {
		if (f->n == BUFFER && !frames_flush(f, error))
			return FALSE;
		/* Flushing moves the end, so where to read is looked up after it. */
		if (response_buffered(f->r) <= CHUNK_END && !frames_flush(f, error))
			return FALSE;
		ssize_t got =
			response_read(f->r, f->buf + f->n, MIN((size_t)left, BUFFER - f->n), error);
		if (got == 0)
			dh_error(error, DH_ERROR_SYSTEM, "unexpected EOF");
		if (got <= 0)
			return FALSE;
		if (stream == 3)
			return dh_error(error, DH_ERROR_SYSTEM, "error from daemon in stream: %.*s",
				(int)got, f->buf + f->n);
		f->n += keep_new(f, f->buf + f->n, (size_t)got);
		left -= (guint32)got;
	}
	return TRUE;
}

/* Frames: stream, three zeros, the length (big endian), the bytes. */
static gboolean copy_frames(Frames *f, GError **error)
{
	for (;;) {
		guint8 head[FRAME_HEAD];
		int more = read_head(f, head, error);
		if (more < 0) {
			(void)frames_flush(f, NULL);
			return FALSE;
		}
		if (more == 0)
			return frames_flush(f, error);
		if (head[0] > POSITION_FRAME) {
			(void)frames_flush(f, NULL);
			return dh_error(
				error, DH_ERROR_SYSTEM, "Unrecognized input header: %d", head[0]);
		}
		guint32 left = (guint32)head[4] << 24 | (guint32)head[5] << 16 |
			       (guint32)head[6] << 8 | head[7];
		if (head[0] == POSITION_FRAME ? !take_position(f, left, error)
					      : !take_payload(f, head[0], left, error)) {
			(void)frames_flush(f, NULL);
			return FALSE;
		}
	}
}

/* Has the container a terminal, so that its log is one stream? Engines since API 1.42 say so with
 * the answer itself. */
static gboolean is_raw(Cli *cli, const char *name, const Response *r, gboolean *ret, GError **error)
{
	const char *type = response_header(r, "Content-Type");
	if (type && g_str_has_suffix(type, "multiplexed-stream")) {
		*ret = FALSE;
		return TRUE;
	}
	g_autofree char *path = g_strdup_printf("/containers/%s/json", name);
	g_autoptr(json_t) c = cli_call(cli, "GET", path, NULL, NULL, error);
	if (!c)
		return FALSE;
	*ret = json_is_true(json_object_get(json_object_get(c, "Config"), "Tty"));
	return TRUE;
}

typedef struct {
	Cli *cli;
	const LogsOptions *o;
	char *since, *until;
	char *path;
} Logs;

static void logs_clear(Logs *l)
{
	g_free(l->since);
	g_free(l->until);
	g_free(l->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Logs, logs_clear)

static gboolean parse_time(const char *name, const char *text, char **ret, GError **error)
{
	g_autoptr(GError) local = NULL;
	if (!text || !*text || (*ret = list_api_time(text, &local)))
		return TRUE;
	return dh_error(
		error, DH_ERROR_INVALID, "invalid value for \"%s\": %s", name, local->message);
}

/* Who follows asks for positions, to be able to go on after this daemon. */
static char **make_query(const Logs *l, const char *position)
{
	const LogsOptions *o = l->o;
	return cli_query("details", o->details ? "1" : NULL, "follow", o->follow ? "1" : NULL,
		"position", position, "positions", o->follow ? "1" : NULL, "since", l->since,
		"stderr", "1", "stdout", "1", "tail", o->tail ? o->tail : "all", "timestamps",
		o->timestamps ? "1" : NULL, "until", l->until, NULL);
}

static gboolean is_positioned(const Response *r)
{
	return g_strcmp0(response_header(r, "Content-Type"), POSITIONED) == 0;
}

/* Has the daemon gone, and is there another? FALSE without error: no. */
static gboolean ask_again(const Logs *l, Frames *f, GError **error)
{
	if (!response_broken(f->r))
		return FALSE;
	g_auto(GStrv) query = make_query(l, f->position);
	Request req = {.method = "GET", .path = l->path, .query = query};
	Response *next = cli_request_again(l->cli, &req, error);
	/* One that has no positions could only begin from the beginning. */
	if (!next || !is_positioned(next)) {
		response_free(next);
		return FALSE;
	}
	response_free(f->r);
	f->r = next;
	f->again = TRUE;
	f->seen = 0;
	return TRUE;
}

/* A log with positions; takes r over. */
static gboolean copy_positioned(Logs *l, Response *r, GError **error)
{
	g_autoptr(Frames) f = frames_new(r);
	const char *id = response_header(r, "Dhow-Container");
	if (id) {
		g_free(l->path);
		l->path = g_strdup_printf("/containers/%s/logs", id);
	}
	for (;;) {
		g_autoptr(GError) local = NULL, refused = NULL;
		if (copy_frames(f, &local))
			return TRUE;
		if (ask_again(l, f, &refused))
			continue;
		if (refused)
			g_prefix_error(&refused, "%s: ", local->message);
		GError **why = refused ? &refused : &local;
		g_propagate_error(error, g_steal_pointer(why));
		return FALSE;
	}
}

static int logs_run(Cli *cli, void *options, char **args, GError **error)
{
	const LogsOptions *o = options;
	g_auto(Logs) l = {.cli = cli, .o = o};
	if (!parse_time("since", o->since, &l.since, error) ||
		!parse_time("until", o->until, &l.until, error))
		return 1;
	l.path = g_strdup_printf("/containers/%s/logs", args[0]);
	g_auto(GStrv) query = make_query(&l, NULL);
	Request req = {.method = "GET", .path = l.path, .query = query};
	g_autoptr(Response) r = cli_request(cli, &req, error);
	gboolean raw = FALSE;
	if (!r)
		return 1;
	if (is_positioned(r))
		return copy_positioned(&l, g_steal_pointer(&r), error) ? 0 : 1;
	if (!is_raw(cli, args[0], r, &raw, error))
		return 1;
	if (raw)
		return copy_raw(r, error) ? 0 : 1;
	g_autoptr(Frames) f = frames_new(g_steal_pointer(&r));
	return copy_frames(f, error) ? 0 : 1;
}

const Command cmd_logs = {
	.name = "logs",
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Fetch the logs of a container",
	.aliases = "docker container logs, docker logs",
	.min_args = 1,
	.max_args = 1,
	.options = logs_specs,
	.n_options = G_N_ELEMENTS(logs_specs),
	.options_size = sizeof(LogsOptions),
	.run = logs_run,
};

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: one poll(2) loop, two independent directions, one fixed buffer each.
 *
 * Output: connection -> buffer -> stdout or stderr. The engine frames the two (8 bytes: stream
 * number, three zeros, length big-endian; then that many bytes). The buffer holds [run_pos,
 * run_end): bytes ready for one target, and behind it [raw_pos, raw_end): bytes not looked at.
 * Unframing moves payload down over the headers so that neighbouring frames of one stream are
 * written together. The connection is only read when the buffer is empty, which is what passes a
 * slow reader's pressure on.
 *
 * Input: descriptor -> detach filter -> buffer -> connection, the same way.
 *
 * Neither direction may block the other, and the user's descriptors must not be made non-blocking:
 * the setting is shared with every process that has them open. So sockets are used with
 * MSG_DONTWAIT, and pipes and terminals are opened anew through /proc/self/fd; where that is
 * refused, writes stay below PIPE_BUF, which poll(2) has promised to take.
 */
#include "cli/stream.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	BUFFER_SIZE = 64 * 1024,
	HEADER_SIZE = 8,
	MAX_ERROR_TEXT = 64 * 1024,
	STREAM_SYSTEM_ERROR = 3,
};

/* One of the user's output descriptors. */
typedef struct {
	int fd;  /* -1: dropped */
	int own; /* our own non-blocking open of it, or -1 */
	gboolean is_socket;
	gboolean small_writes;
} Sink;

typedef struct {
	guint8 *buf;
	size_t run_pos, run_end, raw_pos, raw_end;
	Sink *run_sink;
	Sink sinks[2];
	guint8 header[HEADER_SIZE];
	guint header_len;
	guint32 frame_left; /* payload of the current frame still to come */
	int frame_stream;
	GString *system_error;
	gboolean eof;
} Output;

typedef struct {
	int fd; /* -1: ended */
	guint8 *buf, *scratch;
	size_t pos, end;
	DetachKeys keys;
	gboolean filtered, detached, half_closed;
} Input;

static void sink_open(Sink *k, int fd)
{
	struct stat st;
	*k = (Sink){.fd = fd, .own = -1};
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	k->is_socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	k->own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	k->small_writes = k->own < 0;
}

/* Bytes written; 0 when it would block; -1 with errno. */
static ssize_t sink_write(Sink *k, const guint8 *p, size_t n)
{
	ssize_t r;
	do {
		if (k->is_socket)
			r = send(k->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			r = write(k->own >= 0 ? k->own : k->fd, p,
				k->small_writes ? MIN(n, (size_t)PIPE_BUF) : n);
	} while (r < 0 && errno == EINTR);
	return r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : r;
}

/* The frame's header is complete. */
static gboolean begin_frame(Output *o, GError **error)
{
	const guint8 *h = o->header;
	o->header_len = 0;
	o->frame_stream = h[0];
	o->frame_left = (guint32)h[4] << 24 | (guint32)h[5] << 16 | (guint32)h[6] << 8 | h[7];
	if (h[0] > STREAM_SYSTEM_ERROR)
		return dh_error(error, DH_ERROR_SYSTEM, "unrecognized stream: %d", h[0]);
	if (h[0] == STREAM_SYSTEM_ERROR && !o->system_error)
		o->system_error = g_string_new(NULL);
	return TRUE;
}

/* Takes up to o->frame_left bytes of payload from the unread part. FALSE when the run belongs to
 * the other sink and must be written first. */
static gboolean take_payload(Output *o)
{
	size_t n = MIN((size_t)o->frame_left, o->raw_end - o->raw_pos);
	if (o->frame_stream == STREAM_SYSTEM_ERROR) {
		size_t room = MAX_ERROR_TEXT - MIN(o->system_error->len, (size_t)MAX_ERROR_TEXT);
		g_string_append_len(
			o->system_error, (const char *)o->buf + o->raw_pos, (gssize)MIN(n, room));
	} else {
		Sink *sink = &o->sinks[o->frame_stream == 2];
		if (o->run_end > o->run_pos && o->run_sink != sink)
			return FALSE;
		if (o->run_end == o->run_pos)
			o->run_pos = o->run_end = 0;
		o->run_sink = sink;
		memmove(o->buf + o->run_end, o->buf + o->raw_pos, n);
		o->run_end += n;
	}
	o->raw_pos += n;
	o->frame_left -= (guint32)n;
	return TRUE;
}

static gboolean unframe(Output *o, GError **error)
{
	while (o->raw_pos < o->raw_end) {
		if (o->frame_left > 0) {
			if (!take_payload(o))
				return TRUE;
			continue;
		}
		o->header[o->header_len++] = o->buf[o->raw_pos++];
		if (o->header_len == HEADER_SIZE && !begin_frame(o, error))
			return FALSE;
	}
	return TRUE;
}

/* New bytes lie in the buffer's beginning: [0, n). */
static void output_add(Output *o, size_t n, gboolean raw)
{
	o->run_pos = o->run_end = o->raw_pos = 0;
	o->raw_end = n;
	if (raw) {
		o->run_sink = &o->sinks[0];
		o->run_end = o->raw_pos = n;
	}
}

/* Writes what it can. FALSE with error, or without one when the reader is gone. */
static gboolean output_flush(Output *o, GError **error)
{
	for (;;) {
		if (!unframe(o, error))
			return FALSE;
		if (o->run_pos == o->run_end)
			return TRUE;
		Sink *k = o->run_sink;
		if (k->fd < 0) {
			o->run_pos = o->run_end;
			continue;
		}
		ssize_t r = sink_write(k, o->buf + o->run_pos, o->run_end - o->run_pos);
		if (r < 0 && errno == EPIPE)
			return FALSE;
		if (r < 0)
			return dh_error_errno(error, errno, "write");
		if (r == 0)
			return TRUE;
		o->run_pos += (size_t)r;
	}
}

static gboolean output_pending(const Output *o)
{
	return o->run_pos < o->run_end || o->raw_pos < o->raw_end;
}

/* Reads from the connection once. */
static gboolean output_read(Output *o, int conn, gboolean raw, GError **error)
{
	ssize_t r;
	do
		r = recv(conn, o->buf, BUFFER_SIZE, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return TRUE;
	if (r < 0 && errno != ECONNRESET)
		return dh_error_errno(error, errno, "read");
	if (r <= 0)
		o->eof = TRUE;
	else
		output_add(o, (size_t)r, raw);
	return TRUE;
}

static void input_end(Input *in, int conn)
{
	in->fd = -1;
	if (in->half_closed)
		return;
	in->half_closed = TRUE;
	shutdown(conn, SHUT_WR);
}

static void input_read(Input *in)
{
	guint8 *to = in->filtered ? in->scratch : in->buf;
	ssize_t r;
	do
		r = read(in->fd, to, BUFFER_SIZE);
	while (r < 0 && errno == EINTR);
	if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	in->pos = in->end = 0;
	if (r <= 0) {
		in->fd = -1;
		/* Half a detach sequence is input after all. */
		memcpy(in->buf, in->keys.keys, in->keys.matched);
		in->end = in->keys.matched;
		in->keys.matched = 0;
		return;
	}
	in->end = (size_t)r;
	if (in->filtered)
		in->end = detach_keys_filter(
			&in->keys, in->scratch, (size_t)r, in->buf, &in->detached);
}

/* A connection that takes no more input is not an error: what is left of the output follows. */
static void input_flush(Input *in, int conn)
{
	while (in->pos < in->end) {
		ssize_t r = send(
			conn, in->buf + in->pos, in->end - in->pos, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (r < 0) {
			in->pos = in->end;
			in->fd = -1;
			in->half_closed = TRUE;
			return;
		}
		in->pos += (size_t)r;
	}
}

enum { AT_CONN, AT_INPUT, AT_SINK, AT_WAKE, N_POLLED };

static void prepare_poll(
	const Stream *s, const Output *o, const Input *in, gboolean has_output, struct pollfd *p)
{
	gboolean sending = in->pos < in->end;
	gboolean pending = output_pending(o);
	short conn_events = 0;
	if (sending)
		conn_events |= POLLOUT;
	if (has_output && !pending)
		conn_events |= POLLIN;
	p[AT_CONN] = (struct pollfd){.fd = conn_events ? s->conn : -1, .events = conn_events};
	p[AT_INPUT] = (struct pollfd){.fd = sending ? -1 : in->fd, .events = POLLIN};
	p[AT_SINK] = (struct pollfd){.fd = pending ? o->run_sink->fd : -1, .events = POLLOUT};
	p[AT_WAKE] = (struct pollfd){.fd = s->wake, .events = POLLIN};
}

static StreamResult finish(const Output *o, GError **error)
{
	if (!o->system_error)
		return STREAM_ENDED;
	dh_error(error, DH_ERROR_SYSTEM, "error from daemon in stream: %s", o->system_error->str);
	return STREAM_FAILED;
}

static StreamResult loop(const Stream *s, Output *o, Input *in, GError **error)
{
	gboolean has_output = s->out >= 0 || s->err >= 0;
	struct pollfd p[N_POLLED];
	g_autoptr(GError) local = NULL;

	for (;;) {
		if (!output_flush(o, &local)) {
			if (!local)
				return STREAM_BROKEN_PIPE;
			g_propagate_error(error, g_steal_pointer(&local));
			return STREAM_FAILED;
		}
		input_flush(in, s->conn);
		if (in->pos == in->end && in->detached)
			return STREAM_DETACHED;
		if (s->in >= 0 && in->pos == in->end && in->fd < 0)
			input_end(in, s->conn);
		if (o->eof && !output_pending(o))
			return finish(o, error);
		if (!has_output && in->fd < 0 && in->pos == in->end)
			return STREAM_ENDED;

		prepare_poll(s, o, in, has_output, p);
		if (poll(p, N_POLLED, -1) < 0 && errno != EINTR) {
			dh_error_errno(error, errno, "poll");
			return STREAM_FAILED;
		}
		if (p[AT_WAKE].revents && !s->on_wake(s->arg))
			return STREAM_STOPPED;
		if (p[AT_CONN].revents & (POLLIN | POLLHUP | POLLERR) && has_output &&
			!output_pending(o) && !output_read(o, s->conn, s->raw, error))
			return STREAM_FAILED;
		if (p[AT_INPUT].revents)
			input_read(in);
	}
}

/* Bytes that came with the response's head may be more than a buffer: they are fed in pieces, and
 * written with waiting, which nothing can object to before the first turn of the loop. */
static StreamResult feed_early(const Stream *s, Output *o, GError **error)
{
	gsize n = 0;
	const guint8 *p = s->early ? g_bytes_get_data(s->early, &n) : NULL;
	g_autoptr(GError) local = NULL;
	while (n > 0) {
		size_t part = MIN(n, (gsize)BUFFER_SIZE);
		memcpy(o->buf, p, part);
		output_add(o, part, s->raw);
		p += part;
		n -= part;
		while (n > 0 && output_pending(o)) {
			if (!output_flush(o, &local)) {
				if (!local)
					return STREAM_BROKEN_PIPE;
				g_propagate_error(error, g_steal_pointer(&local));
				return STREAM_FAILED;
			}
			if (!output_pending(o))
				break;
			struct pollfd w = {.fd = o->run_sink->fd, .events = POLLOUT};
			poll(&w, 1, -1);
		}
	}
	return STREAM_ENDED;
}

StreamResult stream_copy(const Stream *s, GError **error)
{
	g_autofree guint8 *buffers = g_malloc(3 * BUFFER_SIZE + DETACH_KEYS_MAX);
	Output o = {.buf = buffers};
	Input in = {.buf = buffers + BUFFER_SIZE,
		.scratch = buffers + 2 * BUFFER_SIZE + DETACH_KEYS_MAX,
		.fd = s->in,
		.filtered = s->keys != NULL};
	if (s->keys)
		in.keys = *s->keys;
	sink_open(&o.sinks[0], s->out);
	sink_open(&o.sinks[1], s->err);
	StreamResult r = feed_early(s, &o, error);
	if (r == STREAM_ENDED)
		r = loop(s, &o, &in, error);
	dh_close(&o.sinks[0].own);
	dh_close(&o.sinks[1].own);
	if (o.system_error)
		g_string_free(o.system_error, TRUE);
	return r;
}

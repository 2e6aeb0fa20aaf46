/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a client's connection is non-blocking. Output is written at once when
 * nothing is queued; what the socket does not take waits in a queue of bounded length. A client
 * whose queue is full is slow: the session then reads no more output until it has caught up or
 * gone. Input is read only while the process takes it.
 *
 * A connection ends in two halves. A client that has closed its sending side goes on receiving. One
 * that has hung up receives nothing more, but what it sent before is still the process's: as
 * hanging up cannot be masked in epoll, its source is removed and the rest read when there is room.
 * At the end of the output our sending side is closed and the client gets a moment to close its
 * own: closing a connection with unread input would reset it, and could cost the client the last
 * of the output.
 */
#include "shim/detach.h"
#include "shim/session.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	MAX_QUEUE = 512 * 1024,
	RESUME_QUEUE = MAX_QUEUE / 4,
	READ_SIZE = 32 * 1024,
	FRAME_HEADER = 8,
	CLOSE_MSEC = 2 * 1000,      /* for a client to hang up after the end of the output */
	STUCK_MSEC = 5 * 60 * 1000, /* for a client to take a single byte of what is queued then: a
				       pager that waits for its user is not to lose the rest */
};

static void client_ready(void *owner, uint32_t events);

static void update_events(SessionClient *c)
{
	uint32_t events = 0;
	if (!c->source)
		return;
	if (!c->input_ended && !(c->use_stdin && session_input_full(c->session)))
		events |= EPOLLIN;
	if (c->queue.len > 0)
		events |= EPOLLOUT;
	source_set_events(c->source, events);
}

SessionClient *session_client_new(Session *s, const ShimClient *c, int fd)
{
	SessionClient *sc = g_new0(SessionClient, 1);
	sc->session = s;
	sc->fd = fd;
	sc->use_stdin = c->use_stdin;
	sc->use[0] = c->use_stdout;
	sc->use[1] = c->use_stderr;
	sc->raw = c->raw;
	sc->detach_keys = g_strdup(c->detach_keys ? c->detach_keys : "\x10\x11");
	(void)dh_set_nonblock(fd, TRUE);
	sc->source = loop_add(s->loop, fd, EPOLLIN, client_ready, sc);
	if (!sc->source)
		g_clear_pointer(&sc, session_client_free);
	return sc;
}

void session_client_free(void *p)
{
	SessionClient *c = p;
	loop_remove(c->source);
	timer_cancel(c->stuck);
	dh_close(&c->fd);
	queue_clear(&c->queue);
	g_free(c->detach_keys);
	g_free(c);
}

gboolean session_client_is_slow(const SessionClient *c, gboolean full)
{
	return c->queue.len >= (full ? MAX_QUEUE : RESUME_QUEUE);
}

/* ---- the end of the output ---- */

static void out_of_time(void *owner)
{
	SessionClient *c = owner;
	c->stuck = NULL;
	session_drop_client(c);
}

static void wait_at_most(SessionClient *c, guint msec)
{
	timer_cancel(c->stuck);
	c->stuck = loop_timer(c->session->loop, msec, out_of_time, c);
}

/* FALSE: the client can go at once. */
static gboolean shut_output(SessionClient *c)
{
	if (c->input_ended || !c->source)
		return FALSE;
	c->shut = TRUE;
	if (shutdown(c->fd, SHUT_WR) < 0)
		return FALSE;
	wait_at_most(c, CLOSE_MSEC);
	update_events(c);
	return TRUE;
}

void session_client_finish(SessionClient *c)
{
	c->finishing = TRUE;
	c->use[0] = c->use[1] = FALSE;
	if (c->queue.len > 0)
		wait_at_most(c, STUCK_MSEC);
	else if (!shut_output(c))
		session_drop_client(c);
}

/* ---- output ---- */

/* It takes no output any more. FALSE: nor will it send anything. */
static gboolean stop_output(SessionClient *c)
{
	queue_clear(&c->queue);
	c->use[0] = c->use[1] = FALSE;
	return c->use_stdin && !c->input_ended && !c->finishing;
}

/* FALSE: the client is gone. */
static gboolean write_queue(SessionClient *c)
{
	gboolean progress = FALSE;
	while (c->queue.len > 0) {
		ssize_t r = send(
			c->fd, queue_head(&c->queue), c->queue.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno != EAGAIN)
			return stop_output(c);
		if (r < 0)
			break;
		queue_consume(&c->queue, (size_t)r);
		progress = TRUE;
	}
	if (!c->finishing || c->shut)
		return TRUE;
	if (c->queue.len == 0)
		return shut_output(c);
	if (progress)
		wait_at_most(c, STUCK_MSEC);
	return TRUE;
}

void session_client_tell(SessionClient *c, int stream, const char *data, size_t n)
{
	char header[FRAME_HEADER] = {(char)(stream + 1)};
	guint32 size = GUINT32_TO_BE((guint32)n);
	memcpy(header + 4, &size, sizeof size);
	size_t header_len = c->raw ? 0 : FRAME_HEADER;
	size_t sent = 0;
	if (c->queue.len == 0) {
		struct iovec iov[2] = {
			{header, header_len},
			{(void *)data, n},
		};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t r = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0 && errno != EAGAIN && errno != EINTR) {
			if (!stop_output(c))
				session_drop_client(c);
			return;
		}
		sent = r > 0 ? (size_t)r : 0;
	}
	if (sent < header_len)
		queue_append(&c->queue, header + sent, header_len - sent);
	size_t data_sent = sent > header_len ? sent - header_len : 0;
	queue_append(&c->queue, data + data_sent, n - data_sent);
	update_events(c);
}

void session_client_send(SessionClient *c, int stream, const char *data, size_t n)
{
	if (c->use[stream])
		session_client_tell(c, stream, data, n);
}

/* ---- input ---- */

static void end_input(SessionClient *c)
{
	Session *s = c->session;
	if (c->input_ended)
		return;
	c->input_ended = TRUE;
	if (c->use_stdin && (s->stdin_once || s->exec_id))
		session_close_stdin(s);
}

/* FALSE: the client is gone (detached or hung up). */
static gboolean read_input(SessionClient *c)
{
	char *buf = loop_buffer(c->session->loop);
	ssize_t n = recv(c->fd, buf, READ_SIZE, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		end_input(c);
		return !c->shut;
	}
	if (!c->use_stdin)
		return TRUE;
	if (!c->raw) {
		session_input(c->session, buf, (size_t)n);
		return TRUE;
	}
	g_autoptr(GString) pass = g_string_new(NULL);
	Detach d = {.keys = c->detach_keys, .matched = c->detach_matched};
	gboolean detached = detach_filter(&d, buf, (size_t)n, pass);
	c->detach_matched = d.matched;
	if (pass->len > 0)
		session_input(c->session, pass->str, pass->len);
	if (detached) {
		c->input_ended = TRUE; /* but the process's input goes on */
		c->session->owner.detached(c->session->owner.arg, c->session);
	}
	return !detached;
}

/* It hung up: there is nobody to write to; FALSE: and all it sent has been read. */
static gboolean read_rest(SessionClient *c)
{
	g_clear_pointer(&c->source, loop_remove);
	gboolean more = stop_output(c);
	while (more && !c->input_ended && !c->session->ended) {
		if (session_input_full(c->session))
			return TRUE;
		char probe;
		if (recv(c->fd, &probe, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno != EINTR)
			break;
		if (!read_input(c))
			break;
	}
	return FALSE;
}

void session_client_resume_input(SessionClient *c)
{
	if (c->source)
		update_events(c);
	else if (!read_rest(c))
		session_drop_client(c);
}

static void client_ready(void *owner, uint32_t events)
{
	SessionClient *c = owner;
	Session *s = c->session;
	if (((events & EPOLLOUT) && !write_queue(c)) || ((events & EPOLLIN) && !read_input(c)) ||
		((events & (EPOLLHUP | EPOLLERR)) && !read_rest(c))) {
		session_drop_client(c);
		return;
	}
	update_events(c);
	session_update_flow(s);
}

void session_drop_client(SessionClient *c)
{
	Session *s = c->session;
	end_input(c);
	g_ptr_array_remove(s->clients, c);
	if (s->finished && s->clients->len == 0)
		s->owner.clients_flushed(s->owner.arg, s);
	else
		session_update_flow(s);
}

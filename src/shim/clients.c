/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a client's connection is non-blocking. Output is written at once when nothing is
 * queued; what the socket does not take waits in a queue of bounded length. A client whose queue is full is
 * slow: the session then reads no more output until it has caught up or gone. Input is read only while
 * the process takes it.
 */
#include "shim/detach.h"
#include "shim/session.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { MAX_QUEUE = 1 << 20, READ_SIZE = 32 * 1024, FRAME_HEADER = 8 };

static void client_ready(void *owner, uint32_t events);

static void update_events(SessionClient *c)
{
	uint32_t events = 0;
	if (!c->input_ended && !session_input_full(c->session))
		events |= EPOLLIN;
	if (c->queue->len > c->written)
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
	sc->queue = g_string_new(NULL);
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
	dh_close(&c->fd);
	g_string_free(c->queue, TRUE);
	g_free(c->detach_keys);
	g_free(c);
}

gboolean session_client_is_slow(const SessionClient *c)
{
	return c->queue->len - c->written >= MAX_QUEUE;
}

/* ---- output ---- */

/* FALSE: the client is gone. */
static gboolean write_queue(SessionClient *c)
{
	while (c->queue->len > c->written) {
		ssize_t r = send(c->fd, c->queue->str + c->written, c->queue->len - c->written,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN;
		}
		c->written += (size_t)r;
	}
	/* A queue that was long gives its memory back. */
	if (c->queue->allocated_len > READ_SIZE) {
		g_string_free(c->queue, TRUE);
		c->queue = g_string_new(NULL);
	} else {
		g_string_truncate(c->queue, 0);
	}
	c->written = 0;
	return TRUE;
}

void session_client_send(SessionClient *c, int stream, const char *data, size_t n)
{
	if (!c->use[stream] && !(c->raw && c->use[0]))
		return;
	char header[FRAME_HEADER] = {(char)(stream + 1)};
	guint32 size = GUINT32_TO_BE((guint32)n);
	memcpy(header + 4, &size, sizeof size);
	size_t header_len = c->raw ? 0 : FRAME_HEADER;
	size_t sent = 0;
	if (c->queue->len == c->written) {
		struct iovec iov[2] = {{header, header_len}, {(void *)data, n}};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t r = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0 && errno != EAGAIN && errno != EINTR) {
			session_drop_client(c);
			return;
		}
		sent = r > 0 ? (size_t)r : 0;
	}
	if (sent < header_len)
		g_string_append_len(c->queue, header + sent, (gssize)(header_len - sent));
	size_t data_sent = sent > header_len ? sent - header_len : 0;
	g_string_append_len(c->queue, data + data_sent, (gssize)(n - data_sent));
	update_events(c);
}

void session_client_finish(SessionClient *c)
{
	c->finishing = TRUE;
	if (c->queue->len == c->written)
		session_drop_client(c);
}

/* ---- input ---- */

static void input_ended(SessionClient *c)
{
	Session *s = c->session;
	c->input_ended = TRUE;
	if (c->use_stdin && (s->stdin_once || s->exec_id))
		session_close_stdin(s);
}

/* FALSE: the client is gone (detached or hung up). */
static gboolean read_input(SessionClient *c)
{
	char buf[READ_SIZE];
	ssize_t n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		input_ended(c);
		return TRUE;
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
	if (detached)
		c->session->owner.detached(c->session->owner.arg, c->session);
	return !detached;
}

static void client_ready(void *owner, uint32_t events)
{
	SessionClient *c = owner;
	Session *s = c->session;
	if (events & EPOLLOUT) {
		if (!write_queue(c) || (c->finishing && c->queue->len == 0)) {
			session_drop_client(c);
			return;
		}
	}
	if ((events & EPOLLIN) && !read_input(c)) {
		session_drop_client(c);
		return;
	}
	/* Both directions closed, or an error; what it sent before was read above or is lost to it. */
	if ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN)) {
		if (!c->input_ended)
			input_ended(c);
		session_drop_client(c);
		return;
	}
	update_events(c);
	session_update_flow(s);
}

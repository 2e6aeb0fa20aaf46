/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: output flows from the process's pipes or terminal to the log and to every
 * client; input from any client that has stdin to the process. Nothing here blocks. When a client
 * is slow the output is not read ("held"), so that the process waits, as it would for a slow
 * terminal, and nothing is lost. When the process does not take its input, clients are not read.
 *
 * A terminal that nobody has open answers like one that is closed for good; but an init that opens
 * /dev/console for each message comes back. So its end is that of the process, and until then it is
 * watched for changes only (edge-triggered), as it would otherwise be reported for ever.
 *
 * When a process ends, all it wrote is in the pipe: what was there at that moment is read, at most
 * one pipe full, whoever else goes on writing.
 */
#include "shim/session.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	INPUT_LIMIT = 64 * 1024,
	TTY_CAPACITY = 64 * 1024, /* no less than the kernel buffers for one */
	LINGER_MSEC = 2000,
};

static void output_ready(Session *s, int stream);
static void flush_input(Session *s);
static void close_input(Session *s);

static void stdout_ready(void *owner, uint32_t events)
{
	(void)events;
	output_ready(owner, 0);
}

static void stderr_ready(void *owner, uint32_t events)
{
	(void)events;
	output_ready(owner, 1);
}

/* Clients that were not read may be read again. */
static void stdin_ready(void *owner, uint32_t events)
{
	Session *s = owner;
	(void)events;
	flush_input(s);
	for (guint i = s->clients->len; i > 0 && !session_input_full(s); i--)
		session_client_resume_input(s->clients->pdata[i - 1]);
}

Session *session_new(Loop *loop, const SessionOwner *owner, const char *exec_id)
{
	Session *s = g_new0(Session, 1);
	s->loop = loop;
	s->owner = *owner;
	s->exec_id = g_strdup(exec_id);
	s->in = s->out[0] = s->out[1] = s->pidfd = -1;
	s->clients = g_ptr_array_new_with_free_func(session_client_free);
	return s;
}

static gboolean make_pipe(int *reader, int *writer, GError **error)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return dh_error_errno(error, errno, "pipe");
	*reader = p[0];
	*writer = p[1];
	return TRUE;
}

gboolean session_pipes(
	Session *s, gboolean want_stdin, gboolean want_output, int stdio[3], GError **error)
{
	dh_autofd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	stdio[0] = stdio[1] = stdio[2] = -1;
	if (null_fd < 0)
		return dh_error_errno(error, errno, "open /dev/null");
	gboolean ok = TRUE;
	for (int i = 0; i < 3 && ok; i++) {
		if (i == 0 ? !want_stdin : !want_output)
			ok = (stdio[i] = fcntl(null_fd, F_DUPFD_CLOEXEC, 3)) >= 0;
		else if (i == 0)
			ok = make_pipe(&stdio[0], &s->in, error);
		else
			ok = make_pipe(&s->out[i - 1], &stdio[i], error);
	}
	if (!ok) {
		for (int i = 0; i < 3; i++)
			dh_close(&stdio[i]);
		if (error && !*error)
			dh_error_errno(error, errno, "dup");
	}
	return ok;
}

static void watch_output(Session *s)
{
	static const SourceReady ready[] = {stdout_ready, stderr_ready};
	for (int i = 0; i < 2; i++) {
		if (s->out[i] >= 0 && !s->out_source[i])
			s->out_source[i] = loop_add(s->loop, s->out[i], EPOLLIN, ready[i], s);
	}
}

static void unwatch_output(Session *s)
{
	for (int i = 0; i < 2; i++)
		g_clear_pointer(&s->out_source[i], loop_remove);
}

void session_started(Session *s, const RtProcess *p)
{
	s->pid = p->pid;
	s->pidfd = p->pidfd;
	s->exit.pid = p->pid;
	if (p->console >= 0) {
		s->tty = TRUE;
		s->out[0] = p->console;
		s->in = fcntl(p->console, F_DUPFD_CLOEXEC, 3);
		s->in_closing = FALSE;
	}
	for (int i = 0; i < 2; i++) {
		if (s->out[i] >= 0)
			(void)dh_set_nonblock(s->out[i], TRUE);
	}
	if (s->in >= 0)
		(void)dh_set_nonblock(s->in, TRUE);
	watch_output(s);
	if (s->in_queue.len > 0 || s->in_closing)
		flush_input(s);
}

/* ---- output ---- */

static void close_output(Session *s, int stream)
{
	g_clear_pointer(&s->out_source[stream], loop_remove);
	dh_close(&s->out[stream]);
}

/* Bytes read; 0: end (the stream is closed now); -1: nothing there now. */
static ssize_t pump(Session *s, int stream)
{
	char *buf = loop_buffer(s->loop);
	ssize_t n;
	do
		n = read(s->out[stream], buf, LOOP_BUFFER_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -1;
	if (n < 0 && errno == EIO && s->tty && !s->ended) {
		if (s->out_source[stream])
			source_set_events(s->out_source[stream], EPOLLIN | EPOLLET);
		return -1;
	}
	if (n <= 0) {
		close_output(s, stream);
		return 0;
	}
	if (s->tty && s->out_source[stream])
		source_set_events(s->out_source[stream], EPOLLIN);
	if (s->log)
		log_write(s->log, stream, buf, (size_t)n);
	for (guint i = s->clients->len; i > 0; i--)
		session_client_send(s->clients->pdata[i - 1], stream, buf, (size_t)n);
	return n;
}

static void output_ready(Session *s, int stream)
{
	(void)pump(s, stream);
	if (s->lingering && s->out[0] < 0 && s->out[1] < 0)
		session_finish(s);
	else
		session_update_flow(s);
}

void session_update_flow(Session *s)
{
	gboolean slow = log_is_slow(s->log, !s->held);
	for (guint i = 0; i < s->clients->len; i++)
		slow |= session_client_is_slow(s->clients->pdata[i], !s->held);
	if (slow == s->held)
		return;
	s->held = slow;
	if (slow)
		unwatch_output(s);
	else
		watch_output(s);
}

/* ---- the end ---- */

void session_drain(Session *s)
{
	for (int i = 0; i < 2; i++) {
		if (s->out[i] < 0)
			continue;
		int capacity = fcntl(s->out[i], F_GETPIPE_SZ);
		ssize_t left = capacity > 0 ? capacity : TTY_CAPACITY;
		ssize_t n;
		while (left > 0 && (n = pump(s, i)) > 0)
			left -= n;
	}
}

static void linger_over(void *owner)
{
	Session *s = owner;
	s->lingering = NULL;
	session_drain(s);
	session_finish(s);
}

void session_linger(Session *s)
{
	s->ended = TRUE;
	session_drain(s);
	if (s->out[0] < 0 && s->out[1] < 0)
		session_finish(s);
	else
		s->lingering = loop_timer(s->loop, LINGER_MSEC, linger_over, s);
}

void session_finish(Session *s)
{
	if (s->finished)
		return;
	s->ended = s->finished = TRUE;
	g_clear_pointer(&s->lingering, timer_cancel);
	g_clear_pointer(&s->log, log_close);
	close_input(s);
	for (int i = 0; i < 2 && s->pid == 0; i++)
		close_output(s, i); /* it never ran */
	for (guint i = s->clients->len; i > 0; i--) {
		session_client_finish(s->clients->pdata[i - 1]);
	}
}

gboolean session_is_over(const Session *s)
{
	return s->finished && s->clients->len == 0 && s->out[0] < 0 && s->out[1] < 0;
}

/* ---- input ---- */

gboolean session_input_full(const Session *s)
{
	return s->in_queue.len >= INPUT_LIMIT;
}

static void close_input(Session *s)
{
	g_clear_pointer(&s->in_source, loop_remove);
	dh_close(&s->in);
	queue_clear(&s->in_queue);
}

/* Bytes that need not be offered again; 0: not now. */
static size_t write_input(Session *s, const char *data, size_t n)
{
	ssize_t r;
	do
		r = write(s->in, data, n);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return (size_t)r;
	if (errno == EAGAIN)
		return 0;
	/* Nobody reads: a pipe never again; a terminal perhaps, but not this. */
	if (!s->tty)
		close_input(s);
	return n;
}

static void flush_input(Session *s)
{
	while (s->in >= 0 && s->in_queue.len > 0) {
		size_t n = write_input(s, queue_head(&s->in_queue), s->in_queue.len);
		if (n == 0)
			break;
		if (s->in >= 0)
			queue_consume(&s->in_queue, n);
	}
	if (s->in_queue.len == 0) {
		g_clear_pointer(&s->in_source, loop_remove);
		if (s->in_closing)
			close_input(s);
	} else if (s->in >= 0 && !s->in_source) {
		s->in_source = loop_add(s->loop, s->in, EPOLLOUT, stdin_ready, s);
	}
}

void session_input(Session *s, const char *data, size_t n)
{
	gboolean starting = s->pid == 0 && !s->ended;
	if (s->in_closing || (s->in < 0 && !starting))
		return;
	if (!starting && s->in_queue.len == 0) {
		size_t taken = write_input(s, data, n);
		if (s->in < 0)
			return;
		data += taken;
		n -= taken;
	}
	queue_append(&s->in_queue, data, n);
	if (!starting)
		flush_input(s);
}

void session_close_stdin(Session *s)
{
	if (s->tty) /* whoever else is attached to it goes on */
		return;
	s->in_closing = TRUE;
	if (s->pid != 0)
		flush_input(s);
}

/* ---- clients ---- */

static SessionClient *add_client(Session *s, const ShimClient *c, int fd)
{
	SessionClient *sc = session_client_new(s, c, fd);
	if (sc) /* else freed, with its descriptor */
		g_ptr_array_add(s->clients, sc);
	return sc;
}

void session_attach(Session *s, const ShimClient *c, int fd)
{
	SessionClient *sc = add_client(s, c, fd);
	if (!sc)
		return;
	if (c->preface && sc->use_stdin) {
		gsize n;
		g_autofree guchar *early = g_base64_decode(c->preface, &n);
		session_input(s, (const char *)early, n);
	}
	if (s->finished)
		session_client_finish(sc);
}

gboolean session_resize(Session *s, int64_t height, int64_t width, GError **error)
{
	struct winsize ws = {.ws_row = (unsigned short)CLAMP(height, 0, 65535),
		.ws_col = (unsigned short)CLAMP(width, 0, 65535)};
	if (!s->tty || s->out[0] < 0)
		return dh_error(
			error, DH_ERROR_INVALID, "cannot resize: the process has no terminal");
	if (ioctl(s->out[0], TIOCSWINSZ, &ws) < 0)
		return dh_error_errno(error, errno, "resize terminal");
	return TRUE;
}

void session_free(Session *s)
{
	if (!s)
		return;
	timer_cancel(s->lingering);
	g_ptr_array_unref(s->clients);
	unwatch_output(s);
	close_input(s);
	dh_close(&s->out[0]);
	dh_close(&s->out[1]);
	dh_close(&s->pidfd);
	log_close(s->log);
	g_free(s->exec_id);
	g_free(s);
}

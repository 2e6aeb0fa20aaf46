/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a driver is plain code that may block. For files on a disk, with
 * mode=blocking, it runs right here: that costs nothing, and a container that writes faster than
 * the disk waits in its own write(2) because the shim does not read meanwhile.
 *
 * Whatever may block for longer (a log server), and mode=non-blocking, runs "apart": in a child of
 * the shim that takes pieces of output from a socket. What does not fit the socket waits in a
 * queue; when that is full, either the container's output is not read any more (blocking), or
 * pieces are left out and counted (non-blocking). The number is put into the log where they are
 * missing, and the total into a file for everybody else.
 *
 * The child may be stuck in its driver for as long as there is something to count, and be killed
 * there. So both sides count in memory that they share (LogTally): whichever comes to it writes the
 * total, and at the end the shim knows what was given to the child and never got further.
 *
 * What a full disk does not take is left out and counted in both modes: nobody would tell a
 * container that waits that there is room again, and it may be the one that must end for it. The
 * note follows as soon as it can be written; a total that never could be goes into the exit record.
 */
#include "shim/log.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "shim/log_json.h"
#include "shim/log_local.h"
#include "shim/log_remote.h"
#include "shim/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	BLOCKING_BUFFER = 256 * 1024,
	CLOSE_MSEC = 5000, /* for the rest to be written */
	NOTE_USEC = 1000000,
};

typedef struct {
	guint32 n; /* bytes behind this */
	guint8 stream;
	guint64 dropped; /* messages, before this one; in the tally already */
} Frame;

typedef enum { JSON_FILE, LOCAL, REMOTE } Kind;

struct Log {
	Kind kind;
	union {
		LogJson *json;
		LogLocal *local;
		LogRemote *remote;
	} driver;
	LogFile *file; /* the driver's, or NULL */
	char *dir;
	/* apart: the shim's side */
	gboolean apart, non_blocking;
	int sock, pidfd;
	Loop *loop;
	Source *source; /* watched for room */
	Queue queue;
	size_t limit;
	guint64 given;   /* messages, to the child */
	guint64 dropped; /* since the last frame */
	void (*flow)(void *owner);
	void *owner;
	/* where the driver runs */
	gboolean mid_line[2]; /* the last piece ended without a newline */
	guint64 lost;         /* messages that the disk did not take, not noted yet */
	guint64 done;         /* messages from the shim, until the last frame */
	gint64 told_at;
	LogTally *tally, own; /* shared when apart */
};

/* ---- drivers ---- */

static gboolean driver_open(Log *l, const ShimLog *config, GError **error)
{
	if (g_strcmp0(config->driver, "syslog") == 0 ||
		g_strcmp0(config->driver, "journald") == 0) {
		l->kind = REMOTE;
		l->driver.remote = log_remote_open(config, l->tally, error);
		return l->driver.remote != NULL;
	}
	if (g_strcmp0(config->driver, "local") == 0) {
		l->kind = LOCAL;
		l->driver.local = log_local_open(config, error);
		l->file = l->driver.local ? log_local_file(l->driver.local) : NULL;
	} else {
		l->kind = JSON_FILE;
		l->driver.json = log_json_open(config, error);
		l->file = l->driver.json ? log_json_file(l->driver.json) : NULL;
	}
	return l->file != NULL;
}

/* Returns how many messages were left out, as the log itself can tell. */
static guint64 driver_write(Log *l, int stream, const char *data, size_t n)
{
	switch (l->kind) {
	case JSON_FILE:
		log_json_write(l->driver.json, stream, data, n);
		break;
	case LOCAL:
		log_local_write(l->driver.local, stream, data, n);
		break;
	case REMOTE:
		log_remote_write(l->driver.remote, stream, data, n);
		return 0; /* counted there */
	}
	return log_file_take_lost(l->file);
}

static void driver_hold_back(Log *l, gboolean on)
{
	if (l->file)
		l->file->held_back = on;
}

static int driver_fd(const Log *l)
{
	return l->file ? l->file->fd : log_remote_fd(l->driver.remote);
}

static void driver_finish(Log *l)
{
	switch (l->kind) {
	case JSON_FILE:
		log_json_finish(l->driver.json);
		break;
	case LOCAL:
		log_local_finish(l->driver.local);
		break;
	case REMOTE:
		log_remote_finish(l->driver.remote);
		return;
	}
	l->tally->lost += log_file_take_lost(l->file);
}

static void driver_close(Log *l)
{
	switch (l->kind) {
	case JSON_FILE:
		log_json_close(l->driver.json);
		break;
	case LOCAL:
		log_local_close(l->driver.local);
		break;
	case REMOTE:
		log_remote_close(l->driver.remote);
		break;
	}
}

/* ---- what is left out ---- */

static guint64 total(const Log *l)
{
	return l->tally->lost + __atomic_load_n(&l->tally->skipped, __ATOMIC_RELAXED);
}

static void tell_total(Log *l, gboolean now)
{
	guint64 sum = total(l);
	if (sum == l->tally->told || (!now && g_get_monotonic_time() < l->told_at + NOTE_USEC))
		return;
	g_autofree char *path = g_build_filename(l->dir, SHIM_DROPPED_NAME, NULL);
	g_autofree char *before = dh_read_file(AT_FDCWD, path, 64, NULL, NULL);
	guint64 all = sum - l->tally->told + (before ? g_ascii_strtoull(before, NULL, 10) : 0);
	g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT "\n", all);
	/* When it cannot be written it is tried again, with the rest. */
	if (dh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600, NULL))
		l->tally->told = sum;
	l->told_at = g_get_monotonic_time();
}

static void count_lost(Log *l, guint64 n)
{
	l->lost += n;
	l->tally->lost += n;
}

/* What is not the container's. */
static guint64 driver_add(Log *l, int stream, const char *text)
{
	if (l->kind == REMOTE)
		log_remote_uncounted(l->driver.remote, TRUE);
	guint64 lost = driver_write(l, stream, text, strlen(text));
	if (l->kind == REMOTE)
		log_remote_uncounted(l->driver.remote, FALSE);
	return lost;
}

/* In a line of its own, of the stream that is not in the middle of one. */
static void note_lost(Log *l)
{
	g_autofree char *text = g_strdup_printf(
		"[%" G_GUINT64_FORMAT " log messages were dropped here]\n", l->lost);
	int stream = l->mid_line[1] && !l->mid_line[0] ? 0 : 1;
	if (l->mid_line[stream])
		count_lost(l, driver_add(l, stream, "\n"));
	l->mid_line[stream] = FALSE;
	if (driver_add(l, stream, text) == 0)
		l->lost = 0;
}

static void put(Log *l, int stream, const char *data, size_t n)
{
	if (l->lost > 0)
		note_lost(l);
	/* Where the note finds no room a shorter line might, and would stand before it. */
	driver_hold_back(l, l->lost > 0);
	count_lost(l, driver_write(l, stream, data, n));
	driver_hold_back(l, FALSE);
	l->mid_line[stream] = data[n - 1] != '\n';
	tell_total(l, FALSE);
}

/* Pieces of output are missing: what is there of a line ends here. */
static void note_gap_in_output(Log *l, guint64 n)
{
	for (int i = 0; i < 2; i++) {
		if (l->mid_line[i])
			count_lost(l, driver_add(l, i, "\n"));
		l->mid_line[i] = FALSE;
	}
	l->lost += n;
	note_lost(l);
}

static void finish(Log *l)
{
	if (l->lost > 0)
		note_lost(l);
	driver_hold_back(l, l->lost > 0);
	driver_finish(l);
	tell_total(l, TRUE);
}

/* ---- the child ---- */

static guint64 count_lines(const char *data, size_t n)
{
	guint64 lines = 0;
	const char *end = data + n, *nl;
	while (data < end && (nl = memchr(data, '\n', (size_t)(end - data)))) {
		lines++;
		data = nl + 1;
	}
	return lines;
}

/* FALSE: there is no more. What could not be told yet is told when nothing comes. */
static gboolean next_frame(Log *l, int sock, Frame *f)
{
	while (total(l) != l->tally->told) {
		struct pollfd p = {sock, POLLIN, 0};
		int n = poll(&p, 1, NOTE_USEC / 1000);
		if (n == 0)
			tell_total(l, TRUE);
		else if (n > 0 || errno != EINTR)
			break;
	}
	return dh_read_full(sock, f, sizeof *f) == (ssize_t)sizeof *f && f->n <= LOOP_BUFFER_SIZE;
}

static void work(Log *l, int sock)
{
	g_autofree char *data = g_malloc(LOOP_BUFFER_SIZE);
	Frame f;
	while (next_frame(l, sock, &f) && dh_read_full(sock, data, f.n) == (ssize_t)f.n) {
		if (f.dropped > 0)
			note_gap_in_output(l, f.dropped);
		if (f.n > 0 && f.stream < G_N_ELEMENTS(l->mid_line))
			put(l, f.stream, data, f.n);
		else
			tell_total(l, FALSE);
		l->done += count_lines(data, f.n);
		l->tally->done = l->done;
	}
	finish(l);
	driver_close(l);
}

/* Nothing of the shim's may live on in the child: ports, namespaces, clients. */
static void close_all_but(int a, int b)
{
	int low = MIN(a, b), high = MAX(a, b);
	if (low > 3)
		(void)syscall(SYS_close_range, 3U, (unsigned)low - 1, 0);
	if (high > low + 1 && low >= 0)
		(void)syscall(SYS_close_range, (unsigned)low + 1, (unsigned)high - 1, 0);
	(void)syscall(SYS_close_range, (unsigned)high + 1, ~0U, 0);
}

static gboolean start_apart(Log *l, GError **error)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return dh_error_errno(error, errno, "log: socketpair");
	pid_t pid = fork();
	if (pid == 0) {
		int keep = driver_fd(l);
		close_all_but(pair[1], keep >= 0 ? keep : pair[1]);
		prctl(PR_SET_NAME, "dhow-log");
		work(l, pair[1]);
		_exit(0);
	}
	close(pair[1]);
	l->sock = pair[0];
	if (pid < 0)
		return dh_error_errno(error, errno, "log: fork");
	l->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	(void)dh_set_nonblock(l->sock, TRUE);
	return TRUE;
}

/* ---- the shim ---- */

/* FALSE: the child is gone. */
static gboolean send_queue(Log *l)
{
	while (l->queue.len > 0) {
		ssize_t n = send(l->sock, queue_head(&l->queue), l->queue.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		queue_consume(&l->queue, (size_t)n);
	}
	return TRUE;
}

static void room(void *owner, uint32_t events);

static void push(Log *l)
{
	if (!send_queue(l))
		queue_clear(&l->queue);
	if (l->queue.len > 0 && !l->source)
		l->source = loop_add(l->loop, l->sock, EPOLLOUT, room, l);
	else if (l->queue.len == 0)
		g_clear_pointer(&l->source, loop_remove);
}

static void note_gap(Log *l)
{
	Frame f = {.dropped = l->dropped};
	l->dropped = 0;
	queue_append(&l->queue, (const char *)&f, sizeof f);
}

static void room(void *owner, uint32_t events)
{
	Log *l = owner;
	(void)events;
	push(l);
	if (l->queue.len == 0 && l->dropped > 0) {
		note_gap(l);
		push(l);
	}
	l->flow(l->owner);
}

static void write_apart(Log *l, int stream, const char *data, size_t n)
{
	guint64 lines = count_lines(data, n);
	if (l->non_blocking && l->queue.len + sizeof(Frame) + n > l->limit) {
		l->dropped += lines;
		__atomic_fetch_add(&l->tally->skipped, lines, __ATOMIC_RELAXED);
		return;
	}
	l->given += lines;
	Frame f = {.n = (guint32)n, .stream = (guint8)stream, .dropped = l->dropped};
	l->dropped = 0;
	queue_append(&l->queue, (const char *)&f, sizeof f);
	queue_append(&l->queue, data, n);
	push(l);
}

void log_write(Log *l, int stream, const char *data, size_t n)
{
	if (l->apart)
		write_apart(l, stream, data, n);
	else
		put(l, stream, data, n);
}

gboolean log_is_slow(const Log *l, gboolean full)
{
	return l && l->apart && !l->non_blocking && l->queue.len > (full ? l->limit : l->limit / 2);
}

static void log_free(Log *l)
{
	if (l->tally != &l->own)
		(void)munmap(l->tally, sizeof *l->tally);
	dh_close(&l->sock);
	dh_close(&l->pidfd);
	g_free(l->dir);
	g_free(l);
}

Log *log_open(const ShimLog *config, const char *dir, Loop *loop, void (*flow)(void *owner),
	void *owner, GError **error)
{
	if (g_strcmp0(config->driver, "none") == 0 || !config->path)
		return NULL;
	Log *l = g_new0(Log, 1);
	l->sock = l->pidfd = -1;
	l->dir = g_strdup(dir);
	l->loop = loop;
	l->flow = flow;
	l->owner = owner;
	l->non_blocking = config->non_blocking;
	l->limit = config->non_blocking ? (size_t)MAX(config->max_buffer, LOOP_BUFFER_SIZE * 2)
					: BLOCKING_BUFFER;
	l->tally = &l->own;
	if (config->apart) {
		l->tally = mmap(NULL, sizeof *l->tally, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (l->tally == MAP_FAILED) {
			dh_error_errno(error, errno, "log: mmap");
			l->tally = &l->own;
			log_free(l);
			return NULL;
		}
	}
	if (!driver_open(l, config, error)) {
		log_free(l);
		return NULL;
	}
	if (!config->apart)
		return l;
	if (!start_apart(l, error)) {
		log_close(l);
		return NULL;
	}
	l->apart = TRUE;
	/* The child has it now; what is open of it here is closed unwritten. */
	driver_close(l);
	return l;
}

void log_idle(Log *l)
{
	if (l && !l->apart && l->kind == JSON_FILE)
		log_json_idle(l->driver.json);
	else if (l && !l->apart && l->kind == LOCAL)
		log_local_idle(l->driver.local);
}

static void finish_apart(Log *l)
{
	gint64 until = g_get_monotonic_time() + CLOSE_MSEC * 1000;
	g_clear_pointer(&l->source, loop_remove);
	if (l->dropped > 0)
		note_gap(l);
	for (;;) {
		gint64 left = (until - g_get_monotonic_time()) / 1000;
		gboolean sending = send_queue(l) && l->queue.len > 0;
		if (!sending)
			dh_close(&l->sock); /* the child reads to the end, and ends */
		struct pollfd p[] = {
			{sending ? l->sock : -1, POLLOUT, 0},
			{l->pidfd, POLLIN, 0},
		};
		if (left <= 0 || poll(p, G_N_ELEMENTS(p), (int)left) == 0) {
			(void)syscall(SYS_pidfd_send_signal, l->pidfd, SIGKILL, NULL, 0);
			break;
		}
		if (p[1].revents)
			break;
	}
	queue_clear(&l->queue);
}

int64_t log_close(Log *l)
{
	if (!l)
		return 0;
	if (l->apart) {
		finish_apart(l);
	} else {
		finish(l);
		driver_close(l);
	}
	/* The child has ended, or does not come back from where it is. */
	guint64 stuck = l->given - MIN(l->given, l->tally->done);
	int64_t untold = (int64_t)(total(l) - l->tally->told + stuck);
	log_free(l);
	return untold;
}

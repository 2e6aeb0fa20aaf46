/* SPDX-License-Identifier: MIT */
/* Sessions and their clients, with this test as the process at one end and the client at the other.
 */
#include "shim/session.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
	Loop *loop;
	Session *s;
	int proc[3]; /* the process's own ends */
	guint detached, flushed;
} Rig;

static void on_detached(void *arg, Session *s)
{
	(void)s;
	((Rig *)arg)->detached++;
}

static void on_flushed(void *arg, Session *s)
{
	(void)s;
	((Rig *)arg)->flushed++;
}

static void start(Rig *r)
{
	RtProcess p = {.pid = getpid(), .pidfd = -1, .console = -1};
	session_started(r->s, &p);
}

static Rig *rig_new(const char *exec_id)
{
	Rig *r = g_new0(Rig, 1);
	r->loop = loop_new(NULL);
	SessionOwner owner = {.detached = on_detached, .clients_flushed = on_flushed, .arg = r};
	r->s = session_new(r->loop, &owner, exec_id);
	assert_true(session_pipes(r->s, TRUE, TRUE, r->proc, NULL));
	for (int i = 0; i < 3; i++)
		(void)dh_set_nonblock(r->proc[i], TRUE);
	return r;
}

static int setup(void **state)
{
	*state = rig_new(NULL);
	return 0;
}

static int setup_exec(void **state)
{
	*state = rig_new("e");
	return 0;
}

static int teardown(void **state)
{
	Rig *r = *state;
	session_free(r->s);
	loop_free(r->loop);
	for (int i = 0; i < 3; i++)
		dh_close(&r->proc[i]);
	g_free(r);
	return 0;
}

static void stop(void *loop)
{
	loop_quit(loop);
}

static void run(Rig *r, guint msec)
{
	(void)loop_timer(r->loop, msec, stop, r->loop);
	loop_run(r->loop);
}

/* The loop may not turn while nothing happens. */
static void assert_quiet(Rig *r)
{
	struct timespec a, b;
	run(r, 20);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	run(r, 200);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 50);
}

typedef enum { IN = 1, OUT = 2, ERR = 4, RAW = 8 } Use;

static int attach(Rig *r, Use use)
{
	int p[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	ShimClient c = {.fd = -1,
		.use_stdin = (use & IN) != 0,
		.use_stdout = (use & OUT) != 0,
		.use_stderr = (use & ERR) != 0,
		.raw = (use & RAW) != 0};
	session_attach(r->s, &c, p[1]);
	(void)dh_set_nonblock(p[0], TRUE);
	return p[0];
}

/* What is there now, appended; -1: end of file or error (in errno, 0: end). */
static int take(int fd, GString *to)
{
	char buf[65536];
	for (;;) {
		ssize_t n = read(fd, buf, sizeof buf);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0) {
			if (n == 0)
				errno = 0;
			return -1;
		}
		g_string_append_len(to, buf, n);
	}
}

/* A terminal hands on what was written to it some time later: no fixed time is enough for it. */
static void assert_takes(Rig *r, int fd, const char *want, size_t n)
{
	g_autoptr(GString) got = g_string_new(NULL);
	for (guint i = 0; take(fd, got) == 0 && got->len < n && i < 500; i++)
		run(r, 10);
	assert_int_equal(got->len, n);
	assert_memory_equal(got->str, want, n);
}

/* Everything until end of file, without the frames: they must all be of one stream. */
static GString *take_frames(Rig *r, int fd, char stream)
{
	g_autoptr(GString) all = g_string_new(NULL);
	GString *out = g_string_new(NULL);
	for (guint i = 0; take(fd, all) == 0 && i < 500; i++)
		run(r, 10);
	assert_int_equal(errno, 0);
	for (gsize at = 0; at < all->len;) {
		guint32 n;
		assert_int_equal(all->str[at], stream);
		memcpy(&n, all->str + at + 4, 4);
		n = GUINT32_FROM_BE(n);
		g_string_append_len(out, all->str + at + 8, n);
		at += 8 + n;
		assert_true(at <= all->len);
	}
	return out;
}

static char *pattern(size_t n)
{
	char *p = g_malloc(n);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 31 + i / 256);
	return p;
}

static void process_ends(Rig *r)
{
	for (int i = 0; i < 3; i++)
		dh_close(&r->proc[i]);
	r->s->ended = TRUE;
	session_drain(r->s);
	session_finish(r->s);
}

/* ---- output ---- */

static void test_frames(void **state)
{
	Rig *r = *state;
	start(r);
	dh_autofd int both = attach(r, OUT | ERR);
	dh_autofd int err = attach(r, ERR);
	dh_autofd int raw = attach(r, OUT | RAW);
	assert_int_equal(write(r->proc[1], "one", 3), 3);
	run(r, 10);
	assert_int_equal(write(r->proc[2], "two", 3), 3);
	run(r, 10);
	assert_takes(r, both, "\1\0\0\0\0\0\0\3one\2\0\0\0\0\0\0\3two", 22);
	assert_takes(r, err, "\2\0\0\0\0\0\0\3two", 11);
	assert_takes(r, raw, "one", 3);
}

static void test_slow_client(void **state)
{
	Rig *r = *state;
	enum { TOTAL = 10 << 20 };
	g_autofree char *data = pattern(TOTAL);
	start(r);
	dh_autofd int slow = attach(r, OUT);
	dh_autofd int quick = attach(r, OUT | RAW);
	g_autoptr(GString) got_quick = g_string_new(NULL);
	size_t sent = 0;
	/* It does not read at all: the process must soon be stopped. */
	for (guint idle = 0; idle < 10;) {
		ssize_t n = write(r->proc[1], data + sent, MIN(65536, TOTAL - sent));
		idle = n < 0 ? idle + 1 : 0;
		sent += n > 0 ? (size_t)n : 0;
		run(r, 2);
		(void)take(quick, got_quick);
	}
	assert_true(r->s->held);
	assert_true(sent < 2 << 20);
	assert_quiet(r);
	/* It reads in fits and starts. */
	g_autoptr(GString) raw = g_string_new(NULL);
	while (sent < TOTAL) {
		ssize_t n = write(r->proc[1], data + sent, MIN(65536, TOTAL - sent));
		sent += n > 0 ? (size_t)n : 0;
		char buf[100000];
		n = read(slow, buf, sizeof buf);
		if (n > 0)
			g_string_append_len(raw, buf, n);
		run(r, 1);
		(void)take(quick, got_quick);
	}
	process_ends(r);
	for (guint i = 0; i < 500 && take(slow, raw) == 0; i++)
		run(r, 5);
	run(r, 5);
	(void)take(quick, got_quick);
	g_autoptr(GString) got = g_string_new(NULL);
	for (gsize at = 0; at < raw->len;) {
		guint32 n;
		memcpy(&n, raw->str + at + 4, 4);
		g_string_append_len(got, raw->str + at + 8, GUINT32_FROM_BE(n));
		at += 8 + GUINT32_FROM_BE(n);
	}
	assert_int_equal(got->len, TOTAL);
	assert_memory_equal(got->str, data, TOTAL);
	assert_int_equal(got_quick->len, TOTAL);
	assert_memory_equal(got_quick->str, data, TOTAL);
}

/* A stuck client that goes lets the others go on. */
static void test_slow_client_goes(void **state)
{
	Rig *r = *state;
	g_autofree char *data = pattern(65536);
	start(r);
	dh_autofd int slow = attach(r, OUT);
	for (guint i = 0; i < 100 && !r->s->held; i++) {
		(void)!write(r->proc[1], data, 65536);
		run(r, 2);
	}
	assert_true(r->s->held);
	dh_close(&slow);
	run(r, 20);
	assert_false(r->s->held);
	assert_int_equal(r->s->clients->len, 0);
	assert_true(write(r->proc[1], data, 65536) > 0);
	assert_quiet(r);
}

/* What was queued at the end waits for a client that takes its time. */
static void test_end_slow(void **state)
{
	Rig *r = *state;
	enum { TOTAL = 600000 };
	g_autofree char *data = pattern(TOTAL);
	start(r);
	dh_autofd int fd = attach(r, IN | OUT);
	shutdown(fd, SHUT_WR);
	for (size_t sent = 0; sent < TOTAL;) {
		ssize_t n = write(r->proc[1], data + sent, TOTAL - sent);
		sent += n > 0 ? (size_t)n : 0;
		run(r, 5);
	}
	process_ends(r);
	run(r, 2500);
	assert_int_equal(r->flushed, 0);
	assert_quiet(r);
	g_autoptr(GString) got = take_frames(r, fd, 1);
	assert_int_equal(got->len, TOTAL);
	assert_memory_equal(got->str, data, TOTAL);
	assert_int_equal(r->flushed, 1);
}

/* Input that nobody read may not reset the connection under the last output. */
static void test_end_unread_input(void **state)
{
	Rig *r = *state;
	g_autofree char *data = pattern(300000);
	start(r);
	dh_autofd int fd = attach(r, IN | OUT);
	ssize_t sent = write(fd, data, 300000);
	assert_true(sent > 0);
	assert_int_equal(write(r->proc[1], "bye", 3), 3);
	process_ends(r);
	g_autoptr(GString) got = take_frames(r, fd, 1);
	assert_string_equal(got->str, "bye");
	assert_int_equal(r->flushed, 0);
	dh_close(&fd);
	run(r, 20);
	assert_int_equal(r->flushed, 1);
	/* One that never closes its side is not waited for long. */
	dh_autofd int late = attach(r, IN | OUT);
	run(r, 2200);
	assert_int_equal(r->s->clients->len, 0);
	assert_int_equal(r->flushed, 2);
}

/* ---- input ---- */

static void test_half_close(void **state)
{
	Rig *r = *state;
	r->s->stdin_once = TRUE;
	start(r);
	dh_autofd int fd = attach(r, IN | OUT | RAW);
	assert_int_equal(write(fd, "input", 5), 5);
	shutdown(fd, SHUT_WR);
	run(r, 20);
	g_autoptr(GString) got = g_string_new(NULL);
	assert_int_equal(take(r->proc[0], got), -1);
	assert_int_equal(errno, 0);
	assert_string_equal(got->str, "input");
	assert_quiet(r);
	assert_int_equal(write(r->proc[1], "still", 5), 5);
	run(r, 10);
	assert_takes(r, fd, "still", 5);
	dh_close(&fd);
	run(r, 10);
	assert_int_equal(r->s->clients->len, 0);
}

static void test_shut_both_ways(void **state)
{
	Rig *r = *state;
	start(r);
	dh_autofd int fd = attach(r, OUT);
	shutdown(fd, SHUT_RDWR);
	assert_quiet(r);
	assert_int_equal(r->s->clients->len, 0);
	/* Not stdin_once: the next one may go on. */
	dh_autofd int next = attach(r, IN);
	assert_int_equal(write(next, "x", 1), 1);
	dh_close(&next);
	run(r, 10);
	assert_takes(r, r->proc[0], "x", 1);
	assert_true(r->s->in >= 0);
}

/* Gone at once after sending more than fits anywhere; the process reads later. */
static void test_hung_up_with_input(void **state)
{
	Rig *r = *state;
	enum { TOTAL = 180000 };
	r->s->stdin_once = TRUE;
	g_autofree char *data = pattern(TOTAL);
	start(r);
	int fd = attach(r, IN | OUT);
	int size = TOTAL * 2;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	size_t sent = 0;
	for (guint i = 0; i < 100 && sent < TOTAL; i++) {
		ssize_t n = write(fd, data + sent, TOTAL - sent);
		sent += n > 0 ? (size_t)n : 0;
		run(r, 2);
	}
	assert_int_equal(sent, TOTAL);
	close(fd);
	assert_int_equal(write(r->proc[1], "nobody reads this", 17), 17);
	assert_quiet(r);
	g_autoptr(GString) got = g_string_new(NULL);
	for (guint i = 0; i < 200 && take(r->proc[0], got) == 0; i++)
		run(r, 5);
	assert_int_equal(errno, 0);
	assert_int_equal(got->len, TOTAL);
	assert_memory_equal(got->str, data, TOTAL);
	assert_int_equal(r->s->clients->len, 0);
}

static void test_input_backpressure(void **state)
{
	Rig *r = *state;
	enum { TOTAL = 3 << 20 };
	r->s->stdin_once = TRUE;
	g_autofree char *data = pattern(TOTAL);
	start(r);
	dh_autofd int fd = attach(r, IN);
	size_t sent = 0;
	for (guint idle = 0; idle < 10; run(r, 2)) {
		ssize_t n = write(fd, data + sent, TOTAL - sent);
		idle = n < 0 ? idle + 1 : 0;
		sent += n > 0 ? (size_t)n : 0;
	}
	assert_true(sent < 1 << 20);
	assert_quiet(r);
	g_autoptr(GString) got = g_string_new(NULL);
	for (guint i = 0; i < 5000 && take(r->proc[0], got) == 0; i++) {
		ssize_t n = sent < TOTAL ? write(fd, data + sent, TOTAL - sent) : 0;
		sent += n > 0 ? (size_t)n : 0;
		if (sent == TOTAL)
			shutdown(fd, SHUT_WR);
		run(r, 1);
	}
	assert_int_equal(got->len, TOTAL);
	assert_memory_equal(got->str, data, TOTAL);
}

/* A process that does not read its input must not stop its client. */
static void test_stdin_closed_by_process(void **state)
{
	Rig *r = *state;
	g_autofree char *data = pattern(65536);
	start(r);
	dh_autofd int fd = attach(r, IN | OUT | RAW);
	/* First full, then closed. */
	size_t sent = 0;
	for (guint idle = 0; idle < 10; run(r, 2)) {
		ssize_t n = write(fd, data, 65536);
		idle = n < 0 ? idle + 1 : 0;
		sent += n > 0 ? (size_t)n : 0;
	}
	dh_close(&r->proc[0]);
	run(r, 20);
	for (size_t more = 0; more < 4 << 20;) {
		ssize_t n = write(fd, data, 65536);
		assert_true(n > 0 || errno == EAGAIN);
		more += n > 0 ? (size_t)n : 0;
		run(r, 1);
	}
	assert_int_equal(write(r->proc[1], "alive", 5), 5);
	run(r, 10);
	assert_takes(r, fd, "alive", 5);
	assert_quiet(r);
}

static void test_input_not_asked_for(void **state)
{
	Rig *r = *state;
	r->s->stdin_once = TRUE;
	start(r);
	dh_autofd int fd = attach(r, OUT);
	for (guint i = 0; i < 100; i++) {
		assert_int_equal(write(fd, "0123456789", 10), 10);
		run(r, 1);
	}
	shutdown(fd, SHUT_WR);
	assert_quiet(r);
	assert_takes(r, r->proc[0], "", 0);
	assert_true(r->s->in >= 0); /* only one that had stdin closes it */
}

static void test_input_before_start(void **state)
{
	Rig *r = *state;
	int p[2];
	r->s->stdin_once = TRUE;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	ShimClient c = {.use_stdin = TRUE, .preface = (char *)"ZWFybHkg"};
	session_attach(r->s, &c, p[1]);
	assert_int_equal(write(p[0], "and late", 8), 8);
	shutdown(p[0], SHUT_WR);
	run(r, 10);
	assert_takes(r, r->proc[0], "", 0);
	start(r);
	run(r, 10);
	g_autoptr(GString) got = g_string_new(NULL);
	assert_int_equal(take(r->proc[0], got), -1);
	assert_string_equal(got->str, "early and late");
	close(p[0]);
}

static void test_detach(void **state)
{
	Rig *r = *state;
	r->s->stdin_once = TRUE;
	start(r);
	dh_autofd int fd = attach(r, IN | OUT | RAW);
	assert_int_equal(write(fd, "a\x10", 2), 2);
	run(r, 10);
	assert_int_equal(write(fd, "\x11zzz", 4), 4);
	run(r, 10);
	assert_int_equal(r->detached, 1);
	assert_int_equal(r->s->clients->len, 0);
	assert_takes(r, r->proc[0], "a", 1);
	assert_true(r->s->in >= 0);
	/* A framed client has no detach keys. */
	dh_autofd int framed = attach(r, IN);
	assert_int_equal(write(framed, "\x10\x11", 2), 2);
	run(r, 10);
	assert_takes(r, r->proc[0], "\x10\x11", 2);
}

/* ---- terminals ---- */

static void test_terminal(void **state)
{
	Rig *r = *state;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0);
	assert_int_equal(grantpt(master) | unlockpt(master), 0);
	g_autofree char *name = g_strdup(ptsname(master));
	int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;
	assert_int_equal(tcgetattr(slave, &t), 0);
	cfmakeraw(&t);
	assert_int_equal(tcsetattr(slave, TCSANOW, &t), 0);
	for (int i = 0; i < 2; i++)
		dh_close(&r->s->out[i]);
	dh_close(&r->s->in);
	r->s->stdin_once = TRUE;
	RtProcess p = {.pid = getpid(), .pidfd = -1, .console = master};
	session_started(r->s, &p);
	dh_autofd int fd = attach(r, IN | OUT | RAW);
	assert_int_equal(write(slave, "one", 3), 3);
	run(r, 10);
	assert_takes(r, fd, "one", 3);
	/* Nobody has it open for a while. */
	close(slave);
	assert_quiet(r);
	assert_int_equal(write(fd, "lost", 4), 4);
	run(r, 10);
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	assert_int_equal(write(slave, "two", 3), 3);
	run(r, 20);
	assert_takes(r, fd, "two", 3);
	assert_int_equal(write(fd, "in", 2), 2);
	run(r, 10);
	g_autoptr(GString) got = g_string_new(NULL);
	for (guint i = 0; !g_str_has_suffix(got->str, "in") && i < 500; i++) {
		run(r, 10);
		assert_int_equal(take(slave, got), 0);
	}
	assert_true(g_str_has_suffix(got->str, "in"));
	/* Its client's end is not the terminal's. */
	shutdown(fd, SHUT_WR);
	assert_quiet(r);
	dh_autofd int second = attach(r, IN | OUT | RAW);
	assert_int_equal(write(second, "2nd", 3), 3);
	run(r, 10);
	assert_takes(r, slave, "2nd", 3);
	GError *error = NULL;
	assert_true(session_resize(r->s, 10, 20, &error));
	/* The last words of a process. */
	assert_int_equal(write(slave, "end", 3), 3);
	close(slave);
	process_ends(r);
	g_string_truncate(got, 0);
	int more = 0;
	for (guint i = 0; (more = take(fd, got)) == 0 && i < 500; i++)
		run(r, 10);
	assert_int_equal(more, -1);
	assert_string_equal(got->str, "end");
}

/* ---- execs ---- */

static void test_linger(void **state)
{
	Rig *r = *state;
	start(r);
	dh_autofd int fd = attach(r, IN | OUT | RAW);
	assert_int_equal(write(r->proc[1], "one ", 4), 4);
	gint64 begin = g_get_monotonic_time();
	session_linger(r->s); /* what it left behind has proc[1] and proc[2] */
	run(r, 300);
	assert_int_equal(write(r->proc[1], "two", 3), 3);
	g_autoptr(GString) got = g_string_new(NULL);
	for (guint i = 0; i < 400 && take(fd, got) == 0; i++)
		run(r, 10);
	assert_string_equal(got->str, "one two");
	assert_in_range((g_get_monotonic_time() - begin) / 1000, 1900, 20000);
	dh_close(&fd);
	run(r, 10);
	assert_int_equal(r->flushed, 1);
	assert_false(session_is_over(r->s));
	/* It may go on writing. */
	g_autofree char *data = pattern(65536);
	for (guint i = 0; i < 20; i++) {
		assert_true(write(r->proc[1], data, 65536) > 0);
		run(r, 2);
	}
	dh_close(&r->proc[1]);
	dh_close(&r->proc[2]);
	run(r, 10);
	assert_true(session_is_over(r->s));
}

static void test_no_linger(void **state)
{
	Rig *r = *state;
	start(r);
	dh_autofd int fd = attach(r, IN | OUT);
	shutdown(fd, SHUT_WR);
	assert_int_equal(write(r->proc[1], "out", 3), 3);
	for (int i = 0; i < 3; i++)
		dh_close(&r->proc[i]);
	session_linger(r->s);
	run(r, 10);
	assert_int_equal(r->flushed, 1);
	g_autoptr(GString) got = take_frames(r, fd, 1);
	assert_string_equal(got->str, "out");
	assert_true(session_is_over(r->s));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define EXEC_TEST(f) cmocka_unit_test_setup_teardown(f, setup_exec, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_frames),
		TEST(test_slow_client),
		TEST(test_slow_client_goes),
		TEST(test_end_slow),
		TEST(test_end_unread_input),
		TEST(test_half_close),
		TEST(test_shut_both_ways),
		TEST(test_hung_up_with_input),
		TEST(test_input_backpressure),
		TEST(test_stdin_closed_by_process),
		TEST(test_input_not_asked_for),
		TEST(test_input_before_start),
		TEST(test_detach),
		TEST(test_terminal),
		EXEC_TEST(test_linger),
		EXEC_TEST(test_no_linger),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("shim_session", tests, NULL, NULL);
}

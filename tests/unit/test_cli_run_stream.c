/* SPDX-License-Identifier: MIT */
/* The copy between descriptors and a connection, and the keys that leave it. */
#include "base/error.h"
#include "base/fd.h"
#include "cli/stream.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* cmocka wants the four above first */
#include <cmocka.h>

static GByteArray *frame(GByteArray *a, guint8 stream, const char *data, size_t n)
{
	guint8 h[8] = {
		stream, 0, 0, 0, (guint8)(n >> 24), (guint8)(n >> 16), (guint8)(n >> 8), (guint8)n};
	g_byte_array_append(a, h, sizeof(h));
	g_byte_array_append(a, (const guint8 *)data, (guint)n);
	return a;
}

static void detach_filter(
	const char *keys, const char *in, const char *want, gboolean want_detached)
{
	size_t n = strlen(in);
	/* split over two reads at every place */
	for (size_t cut = 0; cut <= n; cut++) {
		DetachKeys k;
		guint8 out[256];
		gboolean detached = FALSE;
		assert_true(detach_keys_parse(keys, &k, NULL));
		size_t o = detach_keys_filter(&k, (const guint8 *)in, cut, out, &detached);
		if (!detached)
			o += detach_keys_filter(
				&k, (const guint8 *)in + cut, n - cut, out + o, &detached);
		assert_int_equal(detached, want_detached);
		assert_int_equal(o, strlen(want));
		assert_memory_equal(out, want, o);
	}
}

static void test_detach_filter(void **state)
{
	detach_filter(NULL, "abc\x10\x11", "abc", TRUE);
	detach_filter("", "a\x10z", "a\x10z", FALSE);
	detach_filter("ctrl-p,ctrl-q", "a\x10\x10\x11more", "a\x10", TRUE);
	detach_filter("a,a,b", "xaaab", "xa", TRUE);
	detach_filter("a,b,a,c", "ababac", "ab", TRUE);
	detach_filter("a,b,a,c", "abab", "ab", FALSE);
	detach_filter("x", "abx", "ab", TRUE);
	detach_filter("ctrl-@", "ab", "ab", FALSE);
}

static void test_detach_parse(void **state)
{
	static const char *const bad[] = {
		"bogus", "ctrl-", "ctrl-pp", "ctrl-1", "ctrl-A", "a,,b", "a,bogus", ",", NULL};
	DetachKeys k;
	assert_true(
		detach_keys_parse("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,ctrl-a,z", &k, NULL));
	const guint8 want[] = {0, 27, 28, 29, 30, 31, 1, 'z'};
	assert_int_equal(k.n, sizeof(want));
	assert_memory_equal(k.keys, want, sizeof(want));
	for (guint i = 0; bad[i]; i++) {
		g_autoptr(GError) error = NULL;
		assert_false(detach_keys_parse(bad[i], &k, &error));
		assert_true(g_str_has_prefix(error->message, "Unknown character: '"));
	}
	g_autofree char *many = g_strnfill(200, 'a');
	for (guint i = 1; i < 200; i += 2)
		many[i] = ',';
	many[199] = '\0';
	assert_false(detach_keys_parse(many, &k, NULL));
}

/* The peer of the connection: says what it has to, then reads until the end. */
typedef struct {
	int fd;
	const guint8 *say;
	size_t n, chunk;
	GByteArray *heard;
	gboolean close_first; /* ends without waiting for our end */
} Peer;

static void *peer_main(void *arg)
{
	Peer *p = arg;
	guint8 buf[65536];
	for (size_t at = 0; at < p->n; at += p->chunk)
		dh_write_all(p->fd, p->say + at, MIN(p->chunk, p->n - at));
	ssize_t r;
	while (!p->close_first && (r = read(p->fd, buf, sizeof(buf))) > 0)
		g_byte_array_append(p->heard, buf, (guint)r);
	close(p->fd);
	return NULL;
}

typedef struct {
	StreamResult result;
	GError *error;
	GByteArray *out, *err, *heard;
} Outcome;

static GByteArray *drain(int fd)
{
	GByteArray *a = g_byte_array_new();
	guint8 buf[4096];
	ssize_t r;
	while ((r = read(fd, buf, sizeof(buf))) > 0)
		g_byte_array_append(a, buf, (guint)r);
	close(fd);
	return a;
}

static void outcome_free(Outcome *o)
{
	g_clear_error(&o->error);
	g_byte_array_unref(o->out);
	g_byte_array_unref(o->err);
	g_byte_array_unref(o->heard);
}

/* Output goes to files, which take everything: sizes are up to the test. */
static int scratch(void)
{
	char path[] = "/tmp/dhow-stream-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static Outcome run(const GByteArray *say, size_t chunk, const char *input, gboolean raw,
	const DetachKeys *keys, size_t early)
{
	Outcome o = {0};
	int sp[2], in[2] = {-1, -1};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp), 0);
	int out = scratch(), err = scratch();
	if (input) {
		assert_int_equal(pipe2(in, O_CLOEXEC), 0);
		dh_write_all(in[1], input, strlen(input));
		close(in[1]);
	}
	o.heard = g_byte_array_new();
	Peer peer = {.fd = sp[1],
		.say = say->data + early,
		.n = say->len - early,
		.chunk = chunk,
		.heard = o.heard,
		.close_first = !input};
	g_autoptr(GBytes) head = g_bytes_new(say->data, early);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, peer_main, &peer), 0);
	Stream s = {.conn = sp[0],
		.early = head,
		.in = in[0],
		.out = out,
		.err = err,
		.raw = raw,
		.keys = keys,
		.wake = -1};
	o.result = stream_copy(&s, &o.error);
	close(sp[0]);
	pthread_join(thread, NULL);
	lseek(out, 0, SEEK_SET);
	lseek(err, 0, SEEK_SET);
	o.out = drain(out);
	o.err = drain(err);
	if (in[0] >= 0)
		close(in[0]);
	return o;
}

static void expect(const GByteArray *a, const char *want)
{
	assert_int_equal(a->len, strlen(want));
	assert_memory_equal(a->data, want, a->len);
}

static void test_frames_at_every_cut(void **state)
{
	g_autoptr(GByteArray) say = g_byte_array_new();
	frame(say, 1, "out one ", 8);
	frame(say, 1, "", 0);
	frame(say, 2, "err one ", 8);
	frame(say, 2, "err two", 7);
	frame(say, 1, "out two", 7);
	for (size_t chunk = 1; chunk <= say->len; chunk++) {
		Outcome o = run(say, chunk, NULL, FALSE, NULL, 0);
		assert_int_equal(o.result, STREAM_ENDED);
		expect(o.out, "out one out two");
		expect(o.err, "err one err two");
		outcome_free(&o);
	}
	for (size_t early = 0; early <= say->len; early++) {
		Outcome o = run(say, 64, NULL, FALSE, NULL, early);
		assert_int_equal(o.result, STREAM_ENDED);
		expect(o.out, "out one out two");
		expect(o.err, "err one err two");
		outcome_free(&o);
	}
}

static void test_big_frames(void **state)
{
	enum { SIZE = 3 << 20 };
	g_autofree char *data = g_malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)(i * 2654435761u >> 24);
	g_autoptr(GByteArray) say = g_byte_array_new();
	frame(say, 1, data, SIZE);
	frame(say, 2, data, SIZE / 2);
	frame(say, 1, data, 100000);
	/* even all of it as what came with the head */
	size_t earlies[] = {0, 100, say->len};
	for (guint i = 0; i < G_N_ELEMENTS(earlies); i++) {
		Outcome o = run(say, 70001, NULL, FALSE, NULL, earlies[i]);
		assert_int_equal(o.result, STREAM_ENDED);
		assert_int_equal(o.out->len, SIZE + 100000);
		assert_memory_equal(o.out->data, data, SIZE);
		assert_memory_equal(o.out->data + SIZE, data, 100000);
		assert_int_equal(o.err->len, SIZE / 2);
		outcome_free(&o);
	}
}

static void test_half_close(void **state)
{
	g_autoptr(GByteArray) say = g_byte_array_new();
	frame(say, 1, "hello", 5);
	/* the peer only closes when it has seen our end */
	Outcome o = run(say, 64, "input to the end", FALSE, NULL, 0);
	assert_int_equal(o.result, STREAM_ENDED);
	expect(o.out, "hello");
	expect(o.heard, "input to the end");
	outcome_free(&o);
}

static void test_detach(void **state)
{
	g_autoptr(GByteArray) say = g_byte_array_new();
	g_byte_array_append(say, (const guint8 *)"raw\r\n", 5);
	DetachKeys keys;
	detach_keys_parse(NULL, &keys, NULL);
	Outcome o = run(say, 5, "ab\x10\x11ignored", TRUE, &keys, 5);
	assert_int_equal(o.result, STREAM_DETACHED);
	expect(o.out, "raw\r\n");
	expect(o.heard, "ab");
	outcome_free(&o);
	/* half a sequence at the end of the input is input */
	o = run(say, 5, "ab\x10", TRUE, &keys, 0);
	assert_int_equal(o.result, STREAM_ENDED);
	expect(o.out, "raw\r\n");
	expect(o.heard, "ab\x10");
	outcome_free(&o);
}

static void test_bad_frames(void **state)
{
	g_autoptr(GByteArray) say = g_byte_array_new();
	frame(say, 1, "before", 6);
	frame(say, 3, "the stream broke", 16);
	Outcome o = run(say, 7, NULL, FALSE, NULL, 0);
	assert_int_equal(o.result, STREAM_FAILED);
	assert_string_equal(o.error->message, "error from daemon in stream: the stream broke");
	expect(o.out, "before");
	outcome_free(&o);

	g_byte_array_set_size(say, 0);
	frame(say, 9, "what", 4);
	o = run(say, 64, NULL, FALSE, NULL, 0);
	assert_int_equal(o.result, STREAM_FAILED);
	assert_string_equal(o.error->message, "unrecognized stream: 9");
	outcome_free(&o);

	/* cut off within a frame */
	g_byte_array_set_size(say, 0);
	frame(say, 1, "whole", 5);
	g_byte_array_set_size(say, say->len - 2);
	o = run(say, 64, NULL, FALSE, NULL, 0);
	assert_int_equal(o.result, STREAM_ENDED);
	expect(o.out, "who");
	outcome_free(&o);
}

static void test_broken_pipe(void **state)
{
	g_autoptr(GByteArray) say = g_byte_array_new();
	frame(say, 1, "nobody reads this", 17);
	int sp[2], out[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	close(out[0]);
	dh_write_all(sp[1], say->data, say->len);
	Stream s = {.conn = sp[0], .in = -1, .out = out[1], .err = -1, .wake = -1};
	assert_int_equal(stream_copy(&s, NULL), STREAM_BROKEN_PIPE);
	close(out[1]);
	close(sp[0]);
	close(sp[1]);
}

/* cat: everything that goes in comes out, more than any buffer holds, and the reader of the output
 * only begins when the writer of the input is stuck. */
enum { CAT_SIZE = 8 << 20 };

static void *cat_main(void *arg)
{
	int fd = *(int *)arg;
	guint8 buf[8 + 10000];
	ssize_t r;
	while ((r = read(fd, buf + 8, sizeof(buf) - 8)) > 0) {
		guint8 h[8] = {1, 0, 0, 0, 0, 0, (guint8)(r >> 8), (guint8)r};
		memcpy(buf, h, sizeof(h));
		dh_write_all(fd, buf, (size_t)r + 8);
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void *feed_main(void *arg)
{
	int fd = *(int *)arg;
	g_autofree guint8 *data = g_malloc(CAT_SIZE);
	for (size_t i = 0; i < CAT_SIZE; i++)
		data[i] = (guint8)(i >> 3 ^ i >> 11);
	dh_write_all(fd, data, CAT_SIZE);
	close(fd);
	return NULL;
}

static void *collect_main(void *arg)
{
	return drain(*(int *)arg);
}

static void test_both_ways(void **state)
{
	int sp[2], in[2], out[2];
	pthread_t cat, feed, collect;
	void *got;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pthread_create(&cat, NULL, cat_main, &sp[1]);
	pthread_create(&feed, NULL, feed_main, &in[1]);
	pthread_create(&collect, NULL, collect_main, &out[0]);
	Stream s = {.conn = sp[0], .in = in[0], .out = out[1], .err = -1, .wake = -1};
	assert_int_equal(stream_copy(&s, NULL), STREAM_ENDED);
	/* our pipe was not made non-blocking under its other users' feet */
	assert_int_equal(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0);
	close(out[1]);
	pthread_join(cat, NULL);
	pthread_join(feed, NULL);
	pthread_join(collect, &got);
	GByteArray *a = got;
	assert_int_equal(a->len, CAT_SIZE);
	for (size_t i = 0; i < CAT_SIZE; i += 977)
		assert_int_equal(a->data[i], (guint8)(i >> 3 ^ i >> 11));
	g_byte_array_unref(a);
	close(sp[0]);
	close(sp[1]);
	close(in[0]);
}

static gboolean on_wake(void *arg)
{
	int *fd = arg;
	char c;
	assert_int_equal(read(*fd, &c, 1), 1);
	return c != 'x';
}

static void test_wake(void **state)
{
	int sp[2], wake[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp), 0);
	assert_int_equal(pipe2(wake, O_CLOEXEC), 0);
	dh_write_all(wake[1], "ax", 2);
	int out = scratch();
	Stream s = {.conn = sp[0],
		.in = -1,
		.out = out,
		.err = -1,
		.wake = wake[0],
		.on_wake = on_wake,
		.arg = &wake[0]};
	assert_int_equal(stream_copy(&s, NULL), STREAM_STOPPED);
	close(out);
	close(sp[0]);
	close(sp[1]);
	close(wake[0]);
	close(wake[1]);
}

static void test_input_alone(void **state)
{
	int sp[2], in[2];
	char buf[16];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	dh_write_all(in[1], "abc", 3);
	close(in[1]);
	Stream s = {.conn = sp[0], .in = in[0], .out = -1, .err = -1, .wake = -1};
	assert_int_equal(stream_copy(&s, NULL), STREAM_ENDED);
	assert_int_equal(dh_read_full(sp[1], buf, sizeof(buf)), 3);
	close(in[0]);
	/* a descriptor that is not open at all is an input that has ended */
	s.in = in[0];
	assert_int_equal(stream_copy(&s, NULL), STREAM_ENDED);
	close(sp[0]);
	close(sp[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detach_filter),
		cmocka_unit_test(test_detach_parse),
		cmocka_unit_test(test_frames_at_every_cut),
		cmocka_unit_test(test_big_frames),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_broken_pipe),
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_input_alone),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

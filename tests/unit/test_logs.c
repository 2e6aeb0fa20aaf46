/* SPDX-License-Identifier: MIT */
/* Reading json-file logs: the decoder against odd lines, tail, times, rotation, following. */
#include "base/timefmt.h"
#include "container/log_line.h"
#include "container/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a container that exists only here ---- */

static struct {
	Engine engine;
	Container c;
	ContainerConfig config;
	HostConfig host;
	gint running;
	char *dir;
} fake;

ContainerSnapshot *container_snapshot(Container *c)
{
	ContainerSnapshot *s = g_new0(ContainerSnapshot, 1);
	s->state.running = g_atomic_int_get(&fake.running);
	return s;
}

void container_snapshot_free(ContainerSnapshot *s)
{
	g_free(s);
}

static int setup(void **state)
{
	memset(&fake, 0, sizeof fake);
	fake.dir = g_dir_make_tmp("dhow-test-logs-XXXXXX", NULL);
	fake.engine.events = events_new();
	fake.c = (Container){.engine = &fake.engine,
		.id = (char *)"c0ffee",
		.config = &fake.config,
		.host_config = &fake.host,
		.log_path = g_build_filename(fake.dir, "log", NULL)};
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < 20; i++) {
		g_autofree char *path = i ? g_strdup_printf("%s.%d", fake.c.log_path, i)
					  : g_strdup(fake.c.log_path);
		g_unlink(path);
	}
	g_rmdir(fake.dir);
	events_free(fake.engine.events);
	g_free(fake.c.log_path);
	g_free(fake.dir);
	return 0;
}

static void append_text(int n, const char *text)
{
	g_autofree char *path =
		n ? g_strdup_printf("%s.%d", fake.c.log_path, n) : g_strdup(fake.c.log_path);
	FILE *f = fopen(path, "ae");
	fputs(text, f);
	fclose(f);
}

static void append_line(int n, const char *text, const char *stream, int second)
{
	g_autofree char *line = g_strdup_printf("{\"log\":\"%s\\n\",\"stream\":\"%s\",\"time\":"
						"\"2026-11-22T03:00:%02d.5Z\"}\n",
		text, stream, second);
	append_text(n, line);
}

static int collect(void *arg, const void *buf, size_t n)
{
	g_string_append_len(arg, buf, (gssize)n);
	return 0;
}

static LogsRequest both(void)
{
	return (LogsRequest){.use_stdout = TRUE, .use_stderr = TRUE, .tail = -1};
}

/* The text alone: frames removed, and checked. */
static char *read_logs(const LogsRequest *r)
{
	g_autoptr(GString) framed = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	assert_true(container_logs(&fake.c, r, collect, framed, -1, &error));
	if (fake.config.tty)
		return g_string_free(g_steal_pointer(&framed), FALSE);
	GString *out = g_string_new(NULL);
	for (gsize i = 0; i < framed->len;) {
		const guint8 *h = (const guint8 *)framed->str + i;
		guint32 n = (guint32)h[4] << 24 | (guint32)h[5] << 16 | (guint32)h[6] << 8 | h[7];
		assert_true((h[0] == 1 || h[0] == 2) && h[1] == 0 && h[2] == 0 && h[3] == 0);
		assert_true(i + 8 + n <= framed->len);
		g_string_append_len(out, framed->str + i + 8, n);
		i += 8 + n;
	}
	return g_string_free(out, FALSE);
}

#define CHECK(r, expect)                                                                           \
	do {                                                                                       \
		g_autofree char *got_ = read_logs(r);                                              \
		assert_string_equal(got_, expect);                                                 \
	} while (0)

/* ---- the decoder ---- */

static void decoder_reads_what_json_means(void **state)
{
	static const struct {
		const char *line, *text;
		int stream;
	} cases[] = {
		{"{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"t\"}", "a\n", 1},
		{"{\"stream\":\"stderr\",\"time\":\"t\",\"log\":\"a\"}", "a", 2},
		{" { \"log\" : \"a\" , \"stream\" : \"stdout\" } ", "a", 1},
		{"{\"log\":\"\",\"stream\":\"stdout\"}", "", 1},
		{"{\"log\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"stream\":\"stdout\"}",
			"\"\\/\b\f\n\r\t", 1},
		{"{\"log\":\"\\u0041\\u00e9\\u20ac\",\"stream\":\"stdout\"}",
			"A\303\251\342\202\254", 1},
		{"{\"log\":\"\\ud83d\\ude00!\",\"stream\":\"stdout\"}", "\360\237\230\200!", 1},
		{"{\"log\":\"\\ud83d!\",\"stream\":\"stdout\"}", "\357\277\275!", 1},
		{"{\"log\":\"\\ude00\\ud83d\",\"stream\":\"stdout\"}", "\357\277\275\357\277\275",
			1},
		{"{\"log\":\"\\ud83d\\ud83d\\ude00\",\"stream\":\"stdout\"}",
			"\357\277\275\360\237\230\200", 1},
		{"{\"log\":\"\\u001b[0m\\u003c\",\"stream\":\"stdout\"}", "\033[0m<", 1},
		{"{\"log\":\"long enough for several words of eight \\\" "
		 "bytes\",\"stream\":\"stdout\"}",
			"long enough for several words of eight \" bytes", 1},
		{"{\"x\":{\"a\":[1,\"}\"]},\"log\":\"a\",\"y\":null,\"stream\":\"stdout\",\"z\":-1."
		 "5e3}",
			"a", 1},
		{"{\"log\":\"a\",\"stream\":\"stdout\",\"attrs\":{\"k\":\"v\"},\"time\":\"t\"}",
			"a", 1},
	};
	LogLine l = {.text = g_string_new(NULL)};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		assert_true(log_line_decode(cases[i].line, strlen(cases[i].line), &l));
		assert_string_equal(l.text->str, cases[i].text);
		assert_int_equal(l.stream, cases[i].stream);
	}
	static const char nuls[] = "\0\0{\"log\":\"a\",\"stream\":\"stdout\"}";
	assert_true(log_line_decode(nuls, sizeof nuls - 1, &l));
	static const char zero[] = "{\"log\":\"a\\u0000b\",\"stream\":\"stdout\"}";
	assert_true(log_line_decode(zero, sizeof zero - 1, &l));
	assert_int_equal(l.text->len, 3);
	g_string_free(l.text, TRUE);
}

static void decoder_refuses_damage(void **state)
{
	static const char *const bad[] = {"", "{", "{}", "x", "[]", "{\"log\":\"a\"}",
		"{\"log\":\"a\",\"stream\":\"stdin\"}", "{\"log\":\"a,\"stream\":\"stdout\"}",
		"{\"log\":\"a\",\"stream\":\"stdout\"", "{\"log\":\"a\",\"stream\":\"stdout\"}}",
		"{\"log\":\"\\x\",\"stream\":\"stdout\"}",
		"{\"log\":\"\\u12\",\"stream\":\"stdout\"}",
		"{\"log\":\"\\u12g4\",\"stream\":\"stdout\"}", "{\"log\":1,\"stream\":\"stdout\"}",
		"{\"log\":\"a\" \"stream\":\"stdout\"}", "{\"log\":\"a\",\"stream\":\"stdout\",}",
		"{\"log\":\"a\\", "{\"x\":[[[\"a\",\"log\":\"a\",\"stream\":\"stdout\"}",
		"{\"log\":\"a\",\"stream\":\"stdout\",\"x\":}"};
	LogLine l = {.text = g_string_new(NULL)};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_false(log_line_decode(bad[i], strlen(bad[i]), &l));
	g_string_free(l.text, TRUE);
}

/* Every cut of a good line, from a buffer that ends there: for the sanitizer's eyes. */
static void decoder_stays_inside(void **state)
{
	static const char line[] =
		"{\"log\":\"\\ud83d\\ude00\\n\",\"stream\":\"stderr\",\"attrs\":{\"a\":[1]},"
		"\"time\":\"2026-11-22T03:00:00Z\"}";
	LogLine l = {.text = g_string_new(NULL)};
	for (size_t n = 0; n < sizeof line - 1; n++) {
		g_autofree char *cut = g_memdup2(line, n);
		assert_false(log_line_decode(cut, n, &l));
	}
	assert_true(log_line_decode(line, sizeof line - 1, &l));
	g_string_free(l.text, TRUE);
}

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t t;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T00:00:01.5Z", 1500000000},
		{"2026-11-22T03:00:00.123456789Z", 1795316400123456789},
		{"2024-02-29T23:59:59.000000001Z", 1709251199000000001},
		{"2026-11-22T05:00:00+02:00", 1795316400000000000},
		{"2000-03-01T00:00:00Z", 951868800000000000},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		int64_t t;
		assert_true(log_line_time(cases[i].text, strlen(cases[i].text), &t));
		assert_int_equal(t, cases[i].t);
	}
	static const char *const bad[] = {"", "2026-11-22T03:00:00", "2026-11-22 03:00:00Z",
		"2026-11-22T03:00:00.5", "2026-13-22T03:00:00Z", "2026-11-22T03:00:00Zx"};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		int64_t t;
		assert_false(log_line_time(bad[i], strlen(bad[i]), &t));
	}
}

/* ---- reading ---- */

static void streams_and_damage(void **state)
{
	LogsRequest r = both();
	CHECK(&r, "");
	append_line(0, "one", "stdout", 1);
	append_text(0, "{\"log\":\"torn\n");
	append_line(0, "two", "stderr", 2);
	append_text(0, "{\"log\":\"half\",\"stream\":\"std");
	CHECK(&r, "one\ntwo\n");
	r.use_stderr = FALSE;
	CHECK(&r, "one\n");
	r.use_stderr = TRUE;
	r.use_stdout = FALSE;
	CHECK(&r, "two\n");
	r = both();
	r.timestamps = TRUE;
	CHECK(&r, "2026-11-22T03:00:01.500000000Z one\n2026-11-22T03:00:02.500000000Z two\n");
	r.details = TRUE;
	append_text(0, "out\",\"attrs\":{\"z\":\"1 "
		       "2\",\"a/b\":\"ü\"},\"time\":\"2026-11-22T03:00:03Z\"}\n");
	r.tail = 1;
	CHECK(&r, "2026-11-22T03:00:03.000000000Z a%2Fb=%C3%BC,z=1+2 half");
	r.timestamps = FALSE;
	fake.config.tty = TRUE;
	CHECK(&r, "a%2Fb=%C3%BC,z=1+2 half");
}

static void tail_and_rotation(void **state)
{
	for (int i = 0; i < 9; i++) {
		g_autofree char *text = g_strdup_printf("line%d", i);
		append_line(2 - i / 3, text, "stdout", i);
	}
	LogsRequest r = both();
	CHECK(&r, "line0\nline1\nline2\nline3\nline4\nline5\nline6\nline7\nline8\n");
	static const char all[] = "line0\nline1\nline2\nline3\nline4\nline5\nline6\nline7\nline8\n";
	for (int n = 0; n <= 12; n++) {
		r.tail = n;
		CHECK(&r, all + 6 * MAX(9 - n, 0));
	}
	append_text(0, "{\"log\":\"unfinished");
	for (int n = 0; n <= 12; n++) {
		r.tail = n;
		CHECK(&r, all + 6 * MAX(9 - n, 0));
	}
	r.tail = -1;
	assert_true(dh_time_parse("2026-11-22T03:00:04Z", 0, &r.since, NULL));
	CHECK(&r, "line4\nline5\nline6\nline7\nline8\n");
	assert_true(dh_time_parse("2026-11-22T03:00:06.5Z", 0, &r.until, NULL));
	CHECK(&r, "line4\nline5\nline6\n");
}

static void long_lines_and_tail_over_blocks(void **state)
{
	g_autofree char *big = g_strnfill(300 * 1024, 'x');
	g_autofree char *huge = g_strnfill(9 * 1024 * 1024, 'y');
	append_line(0, "first", "stdout", 1);
	append_line(0, big, "stdout", 2);
	append_line(0, huge, "stdout", 3);
	append_line(0, "last", "stdout", 4);
	LogsRequest r = both();
	g_autofree char *expect = g_strdup_printf("first\n%s\nlast\n", big);
	CHECK(&r, expect);
	r.tail = 1;
	CHECK(&r, "last\n");
	r.tail = 3;
	CHECK(&r, expect + 6);
}

/* ---- following ---- */

typedef struct {
	GMutex lock;
	GCond grown;
	GString *text;
	int cancel[2];
	LogsRequest req;
	gboolean ok;
} Follower;

static int follow_sink(void *arg, const void *buf, size_t n)
{
	Follower *f = arg;
	g_mutex_lock(&f->lock);
	g_string_append_len(f->text, buf, (gssize)n);
	g_cond_signal(&f->grown);
	g_mutex_unlock(&f->lock);
	return 0;
}

static void *follow_thread(void *arg)
{
	Follower *f = arg;
	f->ok = container_logs(&fake.c, &f->req, follow_sink, f, f->cancel[1], NULL);
	return NULL;
}

static void follower_init(Follower *f)
{
	*f = (Follower){.req = both(), .text = g_string_new(NULL)};
	f->req.follow = TRUE;
	g_mutex_init(&f->lock);
	g_cond_init(&f->grown);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->cancel), 0);
}

static void follower_done(Follower *f)
{
	close(f->cancel[0]);
	close(f->cancel[1]);
	g_string_free(f->text, TRUE);
	g_mutex_clear(&f->lock);
	g_cond_clear(&f->grown);
}

static void expect_soon(Follower *f, const char *text)
{
	gint64 until = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
	g_mutex_lock(&f->lock);
	while (strcmp(f->text->str, text) != 0) {
		if (!g_cond_wait_until(&f->grown, &f->lock, until))
			break;
	}
	g_autofree char *got = g_strdup(f->text->str);
	g_mutex_unlock(&f->lock);
	assert_string_equal(got, text);
}

static void rotate(int n)
{
	for (int i = n; i >= 0; i--) {
		g_autofree char *from = i ? g_strdup_printf("%s.%d", fake.c.log_path, i)
					  : g_strdup(fake.c.log_path);
		g_autofree char *to = g_strdup_printf("%s.%d", fake.c.log_path, i + 1);
		g_rename(from, to);
	}
}

static void following_sees_all_and_ends(void **state)
{
	Follower f;
	fake.config.tty = TRUE;
	g_atomic_int_set(&fake.running, 1);
	follower_init(&f);
	append_line(0, "a", "stdout", 1);
	GThread *t = g_thread_new("follow", follow_thread, &f);
	expect_soon(&f, "a\n");
	append_line(0, "b", "stdout", 2);
	expect_soon(&f, "a\nb\n");
	append_text(0, "{\"log\":\"c\\n\",\"stre");
	append_text(0, "am\":\"stdout\",\"time\":\"2026-11-22T03:00:03Z\"}\n");
	expect_soon(&f, "a\nb\nc\n");
	/* two rotations in one breath */
	append_line(0, "d", "stdout", 4);
	rotate(0);
	append_line(0, "e", "stdout", 5);
	rotate(1);
	append_line(0, "f", "stdout", 6);
	expect_soon(&f, "a\nb\nc\nd\ne\nf\n");
	/* one file only: truncated */
	assert_int_equal(truncate(fake.c.log_path, 0), 0);
	append_text(0, "");
	append_line(0, "", "stdout", 7);
	events_emit(fake.engine.events, "container", "start", "other", NULL);
	/* a file that has grown past where it was read looks as if it had never been cut */
	expect_soon(&f, "a\nb\nc\nd\ne\nf\n\n");
	append_line(0, "end", "stdout", 8);
	g_atomic_int_set(&fake.running, 0);
	events_emit(fake.engine.events, "container", "die", fake.c.id, NULL);
	g_thread_join(t);
	assert_true(f.ok);
	assert_true(g_str_has_suffix(f.text->str, "f\n\nend\n"));
	follower_done(&f);
}

/* Frames as they come: lines' text, "@" for a position, which *ret_last becomes. */
static char *read_positioned(LogsRequest *r, char **ret_last)
{
	g_autoptr(GString) framed = g_string_new(NULL);
	GString *out = g_string_new(NULL);
	r->tell = TRUE;
	assert_true(container_logs(&fake.c, r, collect, framed, -1, NULL));
	for (gsize i = 0; i < framed->len;) {
		const guint8 *h = (const guint8 *)framed->str + i;
		gsize n = (gsize)h[6] << 8 | h[7];
		if (h[0] == LOGS_POSITION) {
			g_free(*ret_last);
			*ret_last = g_strndup(framed->str + i + 8, n);
			g_string_append_c(out, '@');
		} else {
			assert_int_equal(h[0], 1);
			g_string_append_len(out, framed->str + i + 8, (gssize)n);
		}
		i += 8 + n;
	}
	return g_string_free(out, FALSE);
}

static void expect_from(const char *position, const char *text)
{
	LogsRequest r = both();
	LogsPosition at;
	g_autofree char *last = NULL;
	r.tail = 1; /* without meaning */
	r.position = &at;
	assert_true(logs_position_parse(position, &at));
	g_autofree char *got = read_positioned(&r, &last);
	assert_string_equal(got, text);
}

static void positions_survive_rotation_and_notice_another_file(void **state)
{
	LogsRequest r = both();
	g_autofree char *start = NULL, *middle = NULL;
	fake.config.tty = TRUE;
	append_line(0, "a", "stdout", 1);
	append_line(0, "b", "stdout", 2);
	g_autofree char *all = read_positioned(&r, &middle);
	assert_string_equal(all, "@a\nb\n@");
	append_line(0, "c", "stdout", 3);
	expect_from(middle, "@c\n@");
	r.tail = 0;
	g_autofree char *none = read_positioned(&r, &start);
	assert_string_equal(none, "@");
	expect_from(start, "@");
	rotate(0);
	append_line(0, "d", "stdout", 4);
	expect_from(middle, "@c\n@d\n@");
	expect_from(start, "@d\n@");
	/* The same inode, but what stands there now is not what was read. */
	g_autofree char *old = g_strconcat(fake.c.log_path, ".1", NULL);
	assert_int_equal(truncate(old, 0), 0);
	for (int i = 0; i < 5; i++)
		append_line(1, "other", "stdout", 5);
	expect_from(middle, "@other\nother\nother\nother\nother\n@d\n@");
	g_unlink(old);
	expect_from(middle, "@d\n@");
}

static void words_that_are_no_position(void **state)
{
	static const char *const words[] = {"", "1", "1.2.3", "1.2.3.4.5", "1.2.-3.4", "x.2.3.4",
		"1.2.8000000000000000.4", "1.2.3.100000000", "1..3.4", "1.2.3.4 "};
	LogsPosition p;
	for (guint i = 0; i < G_N_ELEMENTS(words); i++)
		assert_false(logs_position_parse(words[i], &p));
	assert_true(logs_position_parse("fd01.2.7fffffffffffffff.ffffffff", &p));
	g_autofree char *text = logs_position_text(&p);
	assert_string_equal(text, "fd01.2.7fffffffffffffff.ffffffff");
}

static void following_ends_when_the_client_goes(void **state)
{
	Follower f;
	g_atomic_int_set(&fake.running, 1);
	follower_init(&f);
	GThread *t = g_thread_new("follow", follow_thread, &f);
	shutdown(f.cancel[0], SHUT_RDWR);
	g_thread_join(t);
	assert_true(f.ok);
	follower_done(&f);

	follower_init(&f);
	f.req.until = dh_time_now() + 50 * 1000000;
	follow_thread(&f);
	assert_true(f.ok);
	follower_done(&f);
	assert_int_equal(events_n_subscribers(fake.engine.events), 0);
}

/* Lines of all lengths up to the longest, in two files; every tenth of a second one. */
static void since_is_found_by_bisection(void **state)
{
	for (int file = 1; file >= 0; file--) {
		g_autoptr(GString) text = g_string_new(NULL);
		for (int i = 0; i < 2000; i++) {
			int at = (1 - file) * 2000 + i;
			g_autofree char *pad = g_strnfill(i % 500 == 7 ? 90000 : i % 97, 'x');
			g_string_append_printf(text,
				"{\"log\":\"%d %s\\n\",\"stream\":\"stdout\",\"time\":"
				"\"2026-11-22T03:%02d:%02d.%dZ\"}\n%s",
				at, pad, at / 600, at / 10 % 60, at % 10,
				i % 50 == 0 ? "damaged\n" : "");
		}
		append_text(file, text->str);
	}
	static const int from[] = {0, 1, 599, 1999, 2000, 2001, 2507, 3998, 3999, 4000};
	for (guint i = 0; i < G_N_ELEMENTS(from); i++) {
		LogsRequest r = both();
		g_autofree char *when = g_strdup_printf("2026-11-22T03:%02d:%02d.%dZ",
			from[i] / 600, from[i] / 10 % 60, from[i] % 10);
		assert_true(log_line_time(when, strlen(when), &r.since));
		g_autofree char *out = read_logs(&r);
		g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
		assert_int_equal(g_strv_length(lines), 4000 - from[i] + (from[i] < 4000));
		if (from[i] < 4000)
			assert_int_equal(atoi(lines[0]), from[i]);
	}
}

static void unreadable_drivers(void **state)
{
	g_autoptr(GError) error = NULL;
	LogsRequest r = both();
	fake.host.log_config.type = (char *)"none";
	assert_false(container_logs(&fake.c, &r, collect, NULL, -1, &error));
	assert_string_equal(error->message, "configured logging driver does not support reading");
}

/* Whatever the quick look takes, the thorough one takes for the same. */
static void test_plain(void **state)
{
	static const struct {
		const char *line;
		gboolean plain;
	} lines[] = {
		{"{\"log\":\"abc\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T03:00:00."
		 "123456789Z\"}",
			TRUE},
		{"{\"log\":\"\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T03:00:00Z\"}", TRUE},
		{"{\"log\":\"a{}:,b\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T03:00:00."
		 "1Z\"}",
			TRUE},
		{"{\"log\":\"no end\",\"stream\":\"stdout\",\"time\":\"2026-11-22T03:00:00Z\"}",
			FALSE},
		{"{\"log\":\"a\\\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T03:00:00Z\"}",
			FALSE},
		{"{\"log\":\"a\\tb\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T03:00:00Z\"}",
			FALSE},
		{"{\"log\":\"a\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},\"time\":\"2026-"
		 "11-22T03:00:00Z\"}",
			FALSE},
		{"{\"log\":\"a\\n\",\"stream\":\"stdmod\",\"time\":\"2026-11-22T03:00:00Z\"}",
			FALSE},
		{"{\"stream\":\"stdout\",\"log\":\"a\\n\",\"time\":\"2026-11-22T03:00:00Z\"}",
			FALSE},
		{"{\"log\":\"\"}", FALSE},
		{"", FALSE},
	};
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		LogLine quick = {0}, thorough = {.text = g_string_new(NULL)};
		const char *text;
		size_t len, n = strlen(lines[i].line);
		assert_int_equal(
			log_line_plain(lines[i].line, n, &quick, &text, &len), lines[i].plain);
		if (lines[i].plain) {
			assert_true(log_line_decode(lines[i].line, n, &thorough));
			assert_int_equal(thorough.text->len, len + 1);
			assert_memory_equal(thorough.text->str, text, len);
			assert_int_equal(thorough.text->str[len], '\n');
			assert_int_equal(quick.stream, thorough.stream);
			assert_ptr_equal(quick.time, thorough.time);
			assert_int_equal(quick.time_len, thorough.time_len);
		}
		g_string_free(thorough.text, TRUE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(decoder_reads_what_json_means),
		cmocka_unit_test(decoder_refuses_damage),
		cmocka_unit_test(decoder_stays_inside),
		cmocka_unit_test(times),
		cmocka_unit_test_setup_teardown(streams_and_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(tail_and_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines_and_tail_over_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(following_sees_all_and_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(
			following_ends_when_the_client_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			positions_survive_rotation_and_notice_another_file, setup, teardown),
		cmocka_unit_test(words_that_are_no_position),
		cmocka_unit_test_setup_teardown(since_is_found_by_bisection, setup, teardown),
		cmocka_unit_test_setup_teardown(unreadable_drivers, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

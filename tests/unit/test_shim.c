/* SPDX-License-Identifier: MIT */
/* The shim's parts that need no container: detach keys, queue, log, protocol tables, client. */
#include "shim/client.h"
#include "shim/detach.h"
#include "shim/log_json.h"
#include "shim/queue.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- detach keys ---- */

static void test_detach(void **state)
{
	(void)state;
	static const struct {
		const char *keys, *in[3], *out;
		gboolean detached;
	} cases[] = {
		{"\x10\x11",
			{"ab\x10\x11"
			 "cd"},
			"ab", TRUE},
		{"\x10\x11", {"ab\x10", "\x11"}, "ab", TRUE},
		{"\x10\x11", {"a\x10", "b\x10", "\x10"},
			"a\x10"
			"b\x10",
			FALSE},
		{"\x10\x11", {"\x10\x10\x11"}, "\x10", TRUE},
		{"", {"\x10\x11"}, "\x10\x11", FALSE},
		{NULL, {"x"}, "x", FALSE},
		{"a", {"bab"}, "b", TRUE},
		{"abc", {"ab", "abc"}, "ab", TRUE},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GString) out = g_string_new(NULL);
		Detach d = {.keys = cases[i].keys};
		gboolean detached = FALSE;
		for (guint k = 0; k < 3 && cases[i].in[k]; k++)
			detached = detach_filter(&d, cases[i].in[k], strlen(cases[i].in[k]), out);
		assert_int_equal(detached, cases[i].detached);
		assert_string_equal(out->str, cases[i].out);
	}
}

/* ---- queue ---- */

static void test_queue(void **state)
{
	(void)state;
	Queue q = {0};
	char in[1000];
	guint8 next_in = 0, next_out = 0;
	size_t room = 0;
	/* Never empty for 20 MB: the memory must not follow. */
	for (guint round = 0; round < 20000; round++) {
		for (guint i = 0; i < sizeof in; i++)
			in[i] = (char)next_in++;
		queue_append(&q, in, sizeof in);
		if (round < 30)
			continue;
		for (guint i = 0; i < sizeof in; i++)
			assert_int_equal((guint8)queue_head(&q)[i], next_out++);
		queue_consume(&q, sizeof in);
		if (round == 1000)
			room = q.room;
		if (round > 1000)
			assert_int_equal(q.room, room);
	}
	assert_int_equal(q.len, 30 * sizeof in);
	assert_true(room <= 4 * q.len);
	queue_consume(&q, q.len);
	assert_null(q.data);
	queue_append(&q, "x", 1);
	queue_clear(&q);
	assert_null(q.data);
}

/* ---- log ---- */

typedef struct {
	char *dir, *path;
	ShimLog config;
} LogRig;

static int log_setup(void **state)
{
	LogRig *r = g_new0(LogRig, 1);
	r->dir = g_dir_make_tmp("dhow-shim-XXXXXX", NULL);
	assert_non_null(r->dir);
	r->path = g_build_filename(r->dir, "log", NULL);
	r->config = (ShimLog){
		.driver = (char *)"json-file", .path = r->path, .max_size = -1, .max_files = 1};
	*state = r;
	return 0;
}

static int log_teardown(void **state)
{
	LogRig *r = *state;
	assert_true(dh_remove_tree(AT_FDCWD, r->dir, NULL));
	g_free(r->path);
	g_free(r->dir);
	g_free(r);
	return 0;
}

static LogJson *log_open(LogRig *r)
{
	GError *error = NULL;
	LogJson *l = log_json_open(&r->config, &error);
	assert_null(error);
	assert_non_null(l);
	return l;
}

static char *contents(const LogRig *r, const char *suffix, gsize *n)
{
	g_autofree char *path = g_strconcat(r->path, suffix, NULL);
	char *text = NULL;
	if (!g_file_get_contents(path, &text, n, NULL))
		return NULL;
	return text;
}

/* All records of a file: every line must be JSON; the texts are put together. */
static char *texts(const LogRig *r, const char *suffix, guint *ret_lines)
{
	g_autofree char *all = contents(r, suffix, NULL);
	assert_non_null(all);
	g_auto(GStrv) lines = g_strsplit(all, "\n", -1);
	g_autoptr(GString) out = g_string_new(NULL);
	guint n = 0;
	for (; lines[n] && *lines[n]; n++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(json_t) o = dh_json_loads(lines[n], strlen(lines[n]), &error);
		assert_null(error);
		g_string_append(out, json_string_value(json_object_get(o, "log")));
	}
	if (ret_lines)
		*ret_lines = n;
	return g_strdup(out->str);
}

/* What the real Docker wrote for a file of all 256 bytes and some difficult UTF-8. */
static void test_log_escapes(void **state)
{
	LogRig *r = *state;
	char in[300];
	gsize n = 0;
	for (int c = 0; c < 256; c++)
		in[n++] = (char)c;
	static const char utf8[] = "\n\xe2\x80\xa8\xe2\x80\xa9\xef\xbf\xbd\xed\xa0\x80\xc0\x80"
				   "\xf4\x90\x80\x80\xf0\x9f\x98\x80\xe2\x82\n";
	memcpy(in + n, utf8, sizeof utf8 - 1);
	n += sizeof utf8 - 1;
	g_autoptr(GString) want = g_string_new(
		"{\"log\":\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\u0008"
		"\\u0009\\n\"\n"
		"{\"log\":\"\\u000b\\u000c\\r\\u000e\\u000f\\u0010\\u0011\\u0012\\u0013\\u0014"
		"\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e\\u001f "
		"!\\\"#$%\\u0026'()*+,-./0123456789:;\\u003c=\\u003e?@ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"[\\\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\x7f");
	for (int i = 0; i < 128; i++)
		g_string_append(want, "\\ufffd");
	g_string_append(want, "\\n\"\n{\"log\":\"\\u2028\\u2029\xef\xbf\xbd");
	for (int i = 0; i < 9; i++)
		g_string_append(want, "\\ufffd");
	g_string_append(want, "\xf0\x9f\x98\x80\\ufffd\\ufffd\\n\"\n");

	/* At every alignment, and in two pieces cut anywhere. */
	for (gsize cut = 0; cut < n; cut += 7) {
		LogJson *l = log_open(r);
		log_json_write(l, 0, in, cut);
		log_json_write(l, 0, in + cut, n - cut);
		log_json_close(l);
		g_autofree char *all = contents(r, "", NULL);
		g_auto(GStrv) lines = g_strsplit(all, "\n", -1);
		g_autoptr(GString) got = g_string_new(NULL);
		for (char **line = lines; *line && **line; line++) {
			char *tail = strstr(*line, ",\"stream\":\"stdout\",\"time\":\"20");
			assert_non_null(tail);
			assert_true(g_str_has_suffix(tail, "Z\"}"));
			g_string_append_len(got, *line, tail - *line);
			g_string_append_c(got, '\n');
		}
		assert_string_equal(got->str, want->str);
		assert_int_equal(unlink(r->path), 0);
	}
}

/* Every escape at every place of the eight bytes that are looked at together. */
static void test_log_alignment(void **state)
{
	LogRig *r = *state;
	static const char specials[] = "\"\\<>&\t\r\x01";
	g_autoptr(GString) all = g_string_new(NULL);
	LogJson *l = log_open(r);
	for (guint i = 0; i < sizeof specials - 1; i++) {
		for (guint before = 0; before < 17; before++) {
			g_autofree char *line = g_strdup_printf("%.*s%c%c%.*s\n", (int)before,
				"abcdefghijklmnopqrstuvwxyz", specials[i], specials[(i + 1) % 8],
				(int)(20 - before), "=?%#![]^~ 0123456789;:,.");
			log_json_write(l, 0, line, strlen(line));
			g_string_append(all, line);
		}
	}
	log_json_close(l);
	g_autofree char *got = texts(r, "", NULL);
	assert_string_equal(got, all->str);
}

static void test_log_long_lines(void **state)
{
	LogRig *r = *state;
	g_autofree char *a = g_strnfill(16384, 'a');
	g_autofree char *b = g_strnfill(40000, '"');
	LogJson *l = log_open(r);
	log_json_write(l, 0, a, 16383); /* not a record yet */
	log_json_write(l, 1, "err", 3);
	log_json_write(l, 0, "\n", 1);
	log_json_write(l, 0, a, 16384);
	log_json_write(l, 0, "\n", 1);
	log_json_write(l, 0, b, 40000);
	log_json_idle(l);
	log_json_write(l, 1, "or\n", 3);
	log_json_close(l); /* the last line without newline */
	g_autofree char *all = contents(r, "", NULL);
	g_auto(GStrv) lines = g_strsplit(all, "\n", -1);
	static const guint lengths[] = {16384, 16384, 1, 16384, 16384, 6, 40000 - 32768};
	assert_int_equal(g_strv_length(lines), G_N_ELEMENTS(lengths) + 1);
	for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
		g_autoptr(json_t) o = dh_json_loads(lines[i], strlen(lines[i]), NULL);
		assert_non_null(o);
		assert_int_equal(json_string_length(json_object_get(o, "log")), lengths[i]);
		assert_string_equal(json_string_value(json_object_get(o, "stream")),
			i == 5 ? "stderr" : "stdout");
	}
}

static void test_log_rotation(void **state)
{
	LogRig *r = *state;
	r->config.max_size = 4096;
	r->config.max_files = 3;
	g_autoptr(GString) all = g_string_new(NULL);
	LogJson *l = log_open(r);
	for (guint i = 0; i < 300; i++) {
		g_autofree char *line = g_strdup_printf("line %u\n", i);
		log_json_write(l, i % 2, line, strlen(line));
		g_string_append(all, line);
	}
	log_json_close(l);
	g_autofree char *old2 = texts(r, ".2", NULL), *old1 = texts(r, ".1", NULL),
			*now = texts(r, "", NULL), *more = contents(r, ".3", NULL);
	assert_null(more);
	g_autofree char *kept = g_strconcat(old2, old1, now, NULL);
	assert_true(g_str_has_suffix(all->str, kept));
	static const char *const names[] = {"", ".1", ".2"};
	for (guint i = 0; i < 3; i++) {
		gsize n;
		g_autofree char *text = contents(r, names[i], &n);
		assert_true(n <= 4096);
		assert_true(i == 0 || n > 3900);
	}
}

/* In one piece, with records that are longer than a file may be, and opened again in between. */
static void test_log_rotation_large(void **state)
{
	LogRig *r = *state;
	r->config.max_size = 1000;
	r->config.max_files = 100;
	g_autoptr(GString) all = g_string_new(NULL);
	for (guint i = 0; i < 40; i++) {
		g_autofree char *line = g_strnfill(i % 5 == 0 ? 3000 : 100, (char)('A' + i % 26));
		g_string_append_printf(all, "%s\n", line);
	}
	LogJson *l = log_open(r);
	log_json_write(l, 0, all->str, all->len / 2);
	log_json_idle(l);
	log_json_write(l, 0, all->str + all->len / 2, all->len - all->len / 2);
	log_json_close(l);
	g_autoptr(GString) got = g_string_new(NULL);
	for (int i = 99; i >= 0; i--) {
		g_autofree char *suffix = i ? g_strdup_printf(".%d", i) : g_strdup("");
		gsize n;
		g_autofree char *file = contents(r, suffix, &n);
		if (!file)
			continue;
		guint lines;
		g_autofree char *text = texts(r, suffix, &lines);
		assert_true(n <= 1000 || lines == 1);
		g_string_append(got, text);
	}
	assert_string_equal(got->str, all->str);
}

static void test_log_one_file(void **state)
{
	LogRig *r = *state;
	r->config.max_size = 500;
	LogJson *l = log_open(r);
	for (guint i = 0; i < 100; i++)
		log_json_write(l, 0, "hello\n", 6);
	log_json_close(l);
	gsize n;
	g_autofree char *now = contents(r, "", &n), *old = contents(r, ".1", NULL);
	assert_true(n > 0 && n <= 500);
	assert_null(old);
}

static void test_log_no_space(void **state)
{
	LogRig *r = *state;
	if (geteuid() != 0 || mount("tmpfs", r->dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k") < 0)
		skip();
	LogJson *l = log_open(r);
	g_autofree char *line = g_strnfill(300, 'x');
	line[299] = '\n';
	for (guint i = 0; i < 1000; i++)
		log_json_write(l, 0, line, 300);
	guint before, after;
	g_autofree char *full = texts(r, "", &before);
	assert_true(before > 100 && before < 1000);
	/* Somebody makes room. */
	assert_int_equal(truncate(r->path, 0), 0);
	log_json_write(l, 0, "and on\n", 7);
	log_json_close(l);
	g_autofree char *rest = texts(r, "", &after);
	assert_string_equal(rest, "and on\n");
	assert_int_equal(umount(r->dir), 0);
}

static void test_log_attrs(void **state)
{
	LogRig *r = *state;
	g_autoptr(json_t) attrs = json_pack("{s:s}", "tag", "t<1");
	r->config.attrs = attrs;
	LogJson *l = log_open(r);
	log_json_write(l, 1, "x\n", 2);
	log_json_close(l);
	g_autofree char *all = contents(r, "", NULL);
	assert_true(g_str_has_prefix(all,
		"{\"log\":\"x\\n\",\"stream\":\"stderr\",\"attrs\":{\"tag\":\"t<1\"},\"time\":\""));
	r->config.driver = (char *)"none";
	GError *error = NULL;
	assert_null(log_json_open(&r->config, &error));
	assert_null(error);
	r->config.driver = (char *)"json-file";
	r->config.path = (char *)"/nonexistent/dir/log";
	assert_null(log_json_open(&r->config, &error));
	assert_non_null(error);
	g_clear_error(&error);
}

/* ---- protocol ---- */

static void round_trip(const DhJsonTable *t, const char *text)
{
	g_autoptr(GError) error = NULL;
	void *o = dh_json_parse_text(t, text, strlen(text), &error);
	assert_null(error);
	g_autofree char *out = dh_json_emit_text(t, o);
	assert_string_equal(out, text);
	dh_json_free(t, o);
}

static void test_protocol(void **state)
{
	(void)state;
	round_trip(&shim_client_table,
		"{\"fd\":-1,\"stdin\":true,\"stdout\":true,\"stderr\":true,\"raw\":true,"
		"\"detachKeys\":\"\\u0010\\u0011\",\"preface\":\"YWJj\"}");
	round_trip(&shim_exit_table,
		"{\"pid\":7,\"status\":137,\"oomKilled\":true,\"startedAt\":1,\"finishedAt\":2}");
	round_trip(&shim_reply_table,
		"{\"ok\":true,\"pid\":7,\"exited\":true,\"exit\":{\"pid\":7,\"status\":1,"
		"\"startedAt\":1,\"finishedAt\":2}}");
	round_trip(&shim_reply_table, "{\"ok\":false,\"code\":5,\"error\":\"no\"}");
	round_trip(&shim_event_table, "{\"event\":\"exec-exit\",\"execId\":\"e\","
				      "\"exit\":{\"pid\":7,\"status\":0,\"startedAt\":1,"
				      "\"finishedAt\":2}}");
	round_trip(&shim_request_table, "{\"op\":\"resize\",\"execId\":\"e\",\"height\":24,"
					"\"width\":80}");
	GError *error = NULL;
	assert_null(dh_json_parse_text(&shim_request_table, "{}", 2, &error));
	assert_non_null(error);
	g_clear_error(&error);
}

/* ---- the daemon's side ---- */

static void test_client_silence(void **state)
{
	(void)state;
	g_autofree char *dir = g_dir_make_tmp("dhow-shim-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, SHIM_SOCKET_NAME, NULL);
	ShimRequest req = {.op = (char *)"status"};
	GError *error = NULL;
	assert_null(shim_request(dir, &req, NULL, 0, &error));
	assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_NOT_FOUND));
	g_clear_error(&error);

	dh_autofd int listener = dh_unix_listen(path, SOCK_SEQPACKET, 0600, NULL);
	assert_true(listener >= 0);
	gint64 before = g_get_monotonic_time();
	assert_null(shim_request(dir, &req, NULL, 0, &error));
	gint64 waited = g_get_monotonic_time() - before;
	assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_UNAVAILABLE));
	assert_in_range(waited / 1000, SHIM_TIMEOUT_MS - 100, SHIM_TIMEOUT_MS + 30000);
	g_clear_error(&error);
	/* One that goes while it is asked. */
	assert_true(dh_remove_tree(AT_FDCWD, dir, NULL));
	assert_int_equal(g_mkdir(dir, 0700), 0);
	assert_int_equal(shim_subscribe(dir, NULL, &error), -1);
	assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_NOT_FOUND));
	g_clear_error(&error);
	assert_true(dh_remove_tree(AT_FDCWD, dir, NULL));
}

static void test_client_events(void **state)
{
	(void)state;
	int p[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p), 0);
	GError *error = NULL;
	assert_int_equal(dh_send_msg(p[1], "{\"event\":\"oom\"}", 15, NULL, 0, 0), 0);
	assert_int_equal(dh_send_msg(p[1], "garbage", 7, NULL, 0, 0), 0);
	ShimEvent *ev = shim_next_event(p[0], &error);
	assert_non_null(ev);
	assert_string_equal(ev->event, "oom");
	dh_json_free(&shim_event_table, ev);
	assert_null(shim_next_event(p[0], &error));
	assert_non_null(error);
	g_clear_error(&error);
	close(p[1]);
	assert_null(shim_next_event(p[0], &error));
	assert_null(error);
	close(p[0]);
}

static void test_exit_record(void **state)
{
	LogRig *r = *state;
	GError *error = NULL;
	assert_null(shim_read_exit(r->dir, &error));
	assert_null(error);
	g_autofree char *path = g_build_filename(r->dir, SHIM_EXIT_NAME, NULL);
	assert_true(g_file_set_contents(path, "{\"status\":3}", -1, NULL));
	ShimExit *x = shim_read_exit(r->dir, &error);
	assert_non_null(x);
	assert_int_equal(x->status, 3);
	dh_json_free(&shim_exit_table, x);
	assert_true(g_file_set_contents(path, "{", -1, NULL));
	assert_null(shim_read_exit(r->dir, &error));
	assert_non_null(error);
	g_clear_error(&error);
	assert_true(shim_forget_exit(r->dir, &error));
	assert_true(shim_forget_exit(r->dir, &error));
}

int main(void)
{
#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, log_setup, log_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_queue),
		LOG_TEST(test_log_escapes),
		LOG_TEST(test_log_alignment),
		LOG_TEST(test_log_long_lines),
		LOG_TEST(test_log_rotation),
		LOG_TEST(test_log_rotation_large),
		LOG_TEST(test_log_one_file),
		LOG_TEST(test_log_no_space),
		LOG_TEST(test_log_attrs),
		cmocka_unit_test(test_protocol),
		cmocka_unit_test(test_client_silence),
		cmocka_unit_test(test_client_events),
		LOG_TEST(test_exit_record),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("shim", tests, NULL, NULL);
}

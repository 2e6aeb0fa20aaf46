/* SPDX-License-Identifier: MIT */
/* The HTTP client against daemons that answer oddly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka wants the four above first */
#include <cmocka.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/client.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ANSWERS = 4 };

typedef struct {
	char *dir, *path;
	int listener;
	pthread_t thread;
	const char *answers[MAX_ANSWERS]; /* one a connection */
	size_t lengths[MAX_ANSWERS];
	int n_answers;
	size_t piece;      /* bytes a write; 0: all at once */
	gboolean deaf;     /* answers without reading the request */
	GString *requests; /* everything received */
} Server;

static gboolean request_complete(const GString *s, size_t from)
{
	const char *head = s->str + from;
	const char *end = strstr(head, "\r\n\r\n");
	if (!end)
		return FALSE;
	if (strstr(head, "Transfer-Encoding: chunked"))
		return strstr(end, "\r\n0\r\n\r\n") != NULL;
	const char *length = strstr(head, "Content-Length: ");
	size_t n = length ? strtoul(length + 16, NULL, 10) : 0;
	return s->len - (size_t)(end + 4 - s->str) >= n;
}

static void answer(Server *s, int fd, int i)
{
	size_t from = s->requests->len;
	char buf[4096];
	while (!s->deaf && !request_complete(s->requests, from)) {
		ssize_t n = read(fd, buf, sizeof buf);
		if (n <= 0)
			return;
		g_string_append_len(s->requests, buf, n);
	}
	size_t left = s->lengths[i], piece = s->piece ? s->piece : left;
	for (const char *p = s->answers[i]; left;) {
		size_t n = MIN(piece, left);
		if (dh_write_all(fd, p, n) < 0)
			return;
		p += n;
		left -= n;
	}
}

static void *serve(void *arg)
{
	Server *s = arg;
	for (int i = 0; i < s->n_answers; i++) {
		int fd = accept(s->listener, NULL, NULL);
		if (fd < 0)
			break;
		answer(s, fd, i);
		close(fd);
	}
	return NULL;
}

static void server_add(Server *s, const char *text, size_t n)
{
	s->answers[s->n_answers] = text;
	s->lengths[s->n_answers++] = n;
}

static void server_start(Server *s, Cli *cli)
{
	s->dir = g_strdup("/tmp/dhow-test-client-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	s->path = g_strdup_printf("%s/s", s->dir);
	s->requests = g_string_new(NULL);
	s->listener = dh_unix_listen(s->path, SOCK_STREAM, 0600, NULL);
	assert_true(s->listener >= 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	*cli = (Cli){.program = "dhow"};
	cli->host = g_strdup_printf("unix://%s", s->path);
}

static void server_stop(Server *s, Cli *cli)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	unlink(s->path);
	rmdir(s->dir);
	g_free(s->path);
	g_free(s->dir);
	g_string_free(s->requests, TRUE);
	g_free(cli->host);
}

/* The body, or "ERR " and the error. Caller frees. */
static char *read_all(Response *r, GError **error)
{
	GString *out = g_string_new(NULL);
	char buf[7];
	ssize_t n;
	while ((n = response_read(r, buf, sizeof buf, error)) > 0)
		g_string_append_len(out, buf, n);
	if (n < 0)
		g_string_printf(out, "ERR %s", (*error)->message);
	return g_string_free(out, FALSE);
}

static char *get(const char *text, size_t n, size_t piece)
{
	Server s = {.piece = piece};
	Cli cli;
	g_autoptr(GError) error = NULL;
	char *body;
	server_add(&s, text, n);
	server_start(&s, &cli);
	Request req = {.method = "GET", .path = "/x"};
	Response *r = cli_request(&cli, &req, &error);
	body = r ? read_all(r, &error) : g_strdup_printf("ERR %s", error->message);
	response_free(r);
	server_stop(&s, &cli);
	return body;
}

#define OK "HTTP/1.1 200 OK\r\n"
#define EOF_TEXT "ERR the daemon closed the connection: unexpected EOF"
#define MALFORMED "ERR the daemon's answer is malformed"

static void test_answers(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{OK "Content-Length: 5\r\n\r\nhello", "hello"},
		{OK "content-length:5\r\n\r\nhello and more", "hello"},
		{OK "\r\nuntil the end", "until the end"},
		{"HTTP/1.0 200 OK\n\nbare newlines", "bare newlines"},
		{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
			"hello world"},
		{OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nTrailer: x\r\n\r\n", "hi"},
		{"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nok", "ok"},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\n", ""},
		{"HTTP/1.1 304 Not Modified\r\n\r\n", ""},
		{OK "Content-Length: 9\r\n\r\nhello", EOF_TEXT},
		{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", EOF_TEXT},
		{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", EOF_TEXT},
		{OK "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", MALFORMED},
		{OK "Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n", MALFORMED},
		{OK "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n", MALFORMED},
		{OK "Transfer-Encoding: gzip\r\n\r\n",
			"ERR the daemon's answer has an unknown transfer encoding"},
		{OK "Content-Length: x\r\n\r\n", MALFORMED},
		{OK "Content-Length: -1\r\n\r\n", MALFORMED},
		{OK "no colon\r\n\r\n", MALFORMED},
		{"", EOF_TEXT},
		{"HTTP/1.1", EOF_TEXT},
		{OK "Content-Type: x\r\n", EOF_TEXT},
		{"SSH-2.0-OpenSSH\r\n", "ERR the daemon's answer is not HTTP/1.1"},
		{"HTTP/2 200\r\n\r\n", "ERR the daemon's answer is not HTTP/1.1"},
		{"HTTP/1.1 2000 OK\r\n\r\n", "ERR the daemon's answer is not HTTP/1.1"},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n{\"message\":\"gone\"}",
			"ERR Error response from daemon: gone"},
		{"HTTP/1.1 500 Oops\r\n\r\nplain text\n",
			"ERR Error response from daemon: plain text"},
		{"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
			"ERR Error response from daemon: the daemon answered GET /x with status "
			"500 "
			"and no message"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		for (size_t piece = 0; piece <= 3; piece += 1 + (piece == 1)) {
			g_autofree char *got = get(cases[i].text, strlen(cases[i].text), piece);
			assert_string_equal(got, cases[i].expected);
		}
	}
	g_autofree char *nul = get(OK "A\0b: c\r\n\r\n", sizeof(OK) - 1 + 11, 0);
	assert_string_equal(nul, MALFORMED);
}

static void test_huge_head(void **state)
{
	g_autoptr(GString) s = g_string_new(OK "X: ");
	for (int i = 0; i < 1024 * 1024; i++)
		g_string_append_c(s, 'a');
	g_autofree char *line = get(s->str, s->len, 0);
	assert_string_equal(line, "ERR the head of the daemon's answer is too large");
	g_string_assign(s, OK);
	for (int i = 0; i < 1000; i++)
		g_string_append(s, "X: y\r\n");
	g_autofree char *many = get(s->str, s->len, 0);
	assert_string_equal(many, "ERR the head of the daemon's answer is too large");
	g_string_assign(s, "");
	for (int i = 0; i < 100; i++)
		g_string_append(s, "HTTP/1.1 100 Continue\r\n\r\n");
	g_autofree char *interim = get(s->str, s->len, 0);
	assert_string_equal(interim, MALFORMED);
}

static void test_codes(void **state)
{
	static const struct {
		int status;
		DhError code;
	} cases[] = {
		{400, DH_ERROR_INVALID},
		{404, DH_ERROR_NOT_FOUND},
		{409, DH_ERROR_CONFLICT},
		{501, DH_ERROR_NOT_BUILT},
		{500, DH_ERROR_SYSTEM},
		{599, DH_ERROR_SYSTEM},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Server s = {0};
		Cli cli;
		g_autoptr(GError) error = NULL;
		g_autofree char *text = g_strdup_printf(
			"HTTP/1.1 %d X\r\nContent-Length: 15\r\n\r\n{\"message\":\"m\"}",
			cases[i].status);
		server_add(&s, text, strlen(text));
		server_start(&s, &cli);
		assert_null(cli_call(&cli, "GET", "/x", NULL, NULL, &error));
		assert_int_equal(error->code, cases[i].code);
		server_stop(&s, &cli);
	}
}

static void test_json_stream(void **state)
{
	static const char text[] = OK "Transfer-Encoding: chunked\r\n\r\n"
				      "9\r\n{\"a\":1}\n{\r\nd\r\n\"b\":[1,2]}  \n\r\n0\r\n\r\n";
	for (size_t piece = 0; piece < 3; piece++) {
		Server s = {.piece = piece};
		Cli cli;
		g_autoptr(GError) error = NULL;
		server_add(&s, text, sizeof text - 1);
		server_start(&s, &cli);
		Request req = {.method = "GET", .path = "/events"};
		Response *r = cli_request(&cli, &req, &error);
		assert_non_null(r);
		g_autoptr(json_t) first = response_next_json(r, &error);
		g_autoptr(json_t) second = response_next_json(r, &error);
		assert_int_equal(json_integer_value(json_object_get(first, "a")), 1);
		assert_int_equal(json_array_size(json_object_get(second, "b")), 2);
		assert_null(response_next_json(r, &error));
		assert_null(error);
		response_free(r);
		server_stop(&s, &cli);
	}
}

/* A loop around poll(2) gets the same values, however the bytes arrive, and never blocks on the
 * newline or the framing behind a value. */
static void test_json_poll(void **state)
{
	static const char text[] = OK "Transfer-Encoding: chunked\r\n\r\n"
				      "9\r\n{\"a\":1}\n{\r\nb\r\n\"b\":[1,2]}\n\r\n0\r\n\r\n";
	for (size_t piece = 0; piece < 5; piece++) {
		Server s = {.piece = piece};
		Cli cli;
		g_autoptr(GError) error = NULL;
		g_autoptr(GString) seen = g_string_new(NULL);
		server_add(&s, text, sizeof text - 1);
		server_start(&s, &cli);
		Request req = {.method = "GET", .path = "/events"};
		Response *r = cli_request(&cli, &req, &error);
		assert_non_null(r);
		gboolean end = FALSE, readable = FALSE;
		while (!end) {
			g_autoptr(json_t) v = response_poll_json(r, readable, &end);
			readable = FALSE;
			if (v) {
				g_autofree char *line = dh_json_dumps(v, 0);
				g_string_append(seen, line);
			} else if (!end) {
				struct pollfd p = {.fd = response_fd(r), .events = POLLIN};
				assert_int_equal(poll(&p, 1, 60000), 1);
				readable = TRUE;
			}
		}
		assert_string_equal(seen->str, "{\"a\":1}{\"b\":[1,2]}");
		response_free(r);
		server_stop(&s, &cli);
	}
}

static void test_json_broken(void **state)
{
	static const struct {
		const char *body, *expected;
	} cases[] = {
		{"{\"a\":", "the daemon closed the connection: unexpected EOF"},
		{"{]", "the daemon's answer is not JSON: "},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Server s = {0};
		Cli cli;
		g_autoptr(GError) error = NULL;
		g_autofree char *text = g_strdup_printf(OK "\r\n%s", cases[i].body);
		server_add(&s, text, strlen(text));
		server_start(&s, &cli);
		Request req = {.method = "GET", .path = "/events"};
		Response *r = cli_request(&cli, &req, &error);
		assert_null(response_next_json(r, &error));
		assert_true(g_str_has_prefix(error->message, cases[i].expected));
		response_free(r);
		server_stop(&s, &cli);
	}
}

static void test_request_text(void **state)
{
	static const char text[] = OK "Content-Length: 2\r\n\r\n{}";
	Server s = {0};
	Cli cli;
	g_autoptr(GError) error = NULL;
	server_add(&s, text, sizeof text - 1);
	server_start(&s, &cli);
	g_auto(GStrv) query = cli_query("all", "1", "no", NULL, "f", "{\"a b\":[\"é&=\"]}", NULL);
	g_autoptr(json_t) body = json_pack("{s:s}", "k", "v");
	g_autoptr(json_t) done =
		cli_call(&cli, "POST", "/containers/a b?c#d%e/../x/start", query, body, &error);
	assert_non_null(done);
	assert_true(g_str_has_prefix(s.requests->str,
		"POST /v1.51/containers/a%20b%3Fc%23d%25e/../x/start"
		"?all=1&f=%7B%22a%20b%22%3A%5B%22%C3%A9%26%3D%22%5D%7D HTTP/1.1\r\nHost: "));
	assert_true(g_str_has_suffix(s.requests->str, "Content-Length: 9\r\n\r\n{\"k\":\"v\"}"));
	server_stop(&s, &cli);
}

static void test_hijack(void **state)
{
	static const char text[] = "HTTP/1.1 101 UPGRADED\r\nContent-Type: x\r\nConnection: "
				   "Upgrade\r\nUpgrade: tcp\r\n\r\nearly";
	Server s = {0};
	Cli cli;
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) early = NULL;
	server_add(&s, text, sizeof text - 1);
	server_start(&s, &cli);
	Request req = {.method = "POST", .path = "/containers/x/attach", .hijack = TRUE};
	Response *r = cli_request(&cli, &req, &error);
	assert_int_equal(response_status(r), 101);
	int fd = response_hijack(r, &early);
	assert_true(fd >= 0);
	assert_memory_equal(g_bytes_get_data(early, NULL), "early", g_bytes_get_size(early));
	assert_non_null(strstr(s.requests->str, "Connection: Upgrade\r\nUpgrade: tcp\r\n"));
	close(fd);
	response_free(r);
	server_stop(&s, &cli);
}

/* A body from a descriptor goes out in chunks, after the daemon's version has been asked for; a
 * daemon that refuses in the middle is listened to. */
static void test_streamed_body(void **state)
{
	static const char pong[] = OK "Api-Version: 1.51\r\nContent-Length: 2\r\n\r\n";
	static const char done[] = OK "Content-Length: 2\r\n\r\n{}";
	Server s = {0};
	Cli cli;
	g_autoptr(GError) error = NULL;
	dh_autofd int fd = dh_memfd("body", "archive", 7, NULL);
	server_add(&s, pong, sizeof pong - 1);
	server_add(&s, done, sizeof done - 1);
	server_start(&s, &cli);
	Request req = {.method = "POST", .path = "/images/load", .body_fd = fd};
	Response *r = cli_request(&cli, &req, &error);
	assert_non_null(r);
	assert_true(g_str_has_prefix(s.requests->str, "HEAD /_ping HTTP/1.1\r\n"));
	assert_non_null(strstr(s.requests->str, "\r\n\r\n7\r\narchive\r\n0\r\n\r\n"));
	response_free(r);
	server_stop(&s, &cli);
}

static void test_refused_body(void **state)
{
	static const char refusal[] = "HTTP/1.1 413 Too large\r\nContent-Length: 22\r\n\r\n"
				      "{\"message\":\"too much\"}";
	Server s = {.deaf = TRUE};
	Cli cli;
	g_autoptr(GError) error = NULL;
	dh_autofd int endless = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	server_add(&s, refusal, sizeof refusal - 1);
	server_start(&s, &cli);
	Request req = {.method = "POST", .path = "/images/load", .body_fd = endless};
	assert_null(cli_request(&cli, &req, &error));
	assert_string_equal(error->message, "Error response from daemon: too much");
	assert_int_equal(error->code, DH_ERROR_TOO_LARGE);
	server_stop(&s, &cli);
}

/* Runs in a process of its own: what it learns about the version stays. */
static void test_older_daemon(void **state)
{
	static const char too_new[] = "HTTP/1.1 400 Bad Request\r\n\r\n{\"message\":\"client "
				      "version 1.51 is too new. Maximum "
				      "supported API version is 1.41\"}";
	static const char ok[] = OK "Content-Length: 2\r\n\r\n{}";
	Server s = {0};
	Cli cli;
	g_autoptr(GError) error = NULL;
	server_add(&s, too_new, sizeof too_new - 1);
	server_add(&s, ok, sizeof ok - 1);
	server_add(&s, ok, sizeof ok - 1);
	server_start(&s, &cli);
	g_autoptr(json_t) first = cli_call(&cli, "GET", "/info", NULL, NULL, &error);
	assert_non_null(first);
	assert_string_equal(cli_api_version(), "1.41");
	g_autoptr(json_t) second = cli_call(&cli, "GET", "/info", NULL, NULL, &error);
	assert_non_null(second);
	assert_non_null(strstr(s.requests->str, "GET /v1.51/info"));
	assert_non_null(strstr(s.requests->str, "GET /v1.41/info"));
	server_stop(&s, &cli);
}

#define NOT_FOUND "HTTP/1.1 404 Not Found\r\nContent-Length: 14\r\n\r\n{\"message\":\"\"}"

/* Two connections each time: the first is to see whether somebody is there. */
static void test_again(void **state)
{
	static const char half[] = OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
	static const char *const next[] = {OK "Content-Length: 1\r\n\r\nd", NOT_FOUND};
	for (size_t i = 0; i < G_N_ELEMENTS(next); i++) {
		Server s = {0};
		Cli cli;
		g_autoptr(GError) error = NULL;
		server_add(&s, half, sizeof half - 1);
		server_add(&s, "", 0);
		server_add(&s, next[i], strlen(next[i]));
		server_start(&s, &cli);
		Request req = {.method = "GET", .path = "/events"};
		g_autoptr(Response) r = cli_request(&cli, &req, &error);
		assert_false(response_broken(r));
		g_autofree char *body = read_all(r, &error);
		assert_string_equal(body, EOF_TEXT);
		assert_true(response_broken(r));
		g_clear_error(&error);
		g_autoptr(Response) again = cli_request_again(&cli, &req, &error);
		assert_int_equal(again != NULL, i == 0);
		assert_int_equal(error != NULL, i == 1);
		server_stop(&s, &cli);
	}
}

static void test_nobody(void **state)
{
	g_autoptr(GError) error = NULL;
	Cli cli = {.host = (char *)"unix:///nonexistent/dhow.sock", .program = "dhow"};
	assert_null(cli_call(&cli, "GET", "/info", NULL, NULL, &error));
	assert_string_equal(error->message, "Cannot connect to the Docker daemon at "
					    "unix:///nonexistent/dhow.sock. Is the docker "
					    "daemon running?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_huge_head),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_json_stream),
		cmocka_unit_test(test_json_poll),
		cmocka_unit_test(test_json_broken),
		cmocka_unit_test(test_request_text),
		cmocka_unit_test(test_hijack),
		cmocka_unit_test(test_streamed_body),
		cmocka_unit_test(test_refused_body),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_nobody),
	};
	const struct CMUnitTest alone[] = {cmocka_unit_test(test_older_daemon)};
	pid_t pid = fork();
	int status = 1;
	if (pid == 0)
		exit(cmocka_run_group_tests(alone, NULL, NULL));
	if (waitpid(pid, &status, 0) < 0 || status)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What the client needs for registries: credentials, the configuration they are in, progress. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka wants the four above first */
#include <cmocka.h>

#include "base/fs.h"
#include "cli/config_file.h"
#include "cli/credentials.h"
#include "cli/progress.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	char *dir;
	Cli cli;
} Home;

static int make_home(void **state)
{
	Home *h = g_new0(Home, 1);
	h->dir = g_dir_make_tmp("dhow-cli-XXXXXX", NULL);
	/* not there yet: the client makes it */
	h->cli.config_dir = g_build_filename(h->dir, "config", NULL);
	h->cli.program = "dhow";
	/* no helper of this machine's */
	g_autofree char *old = g_strdup(getenv("PATH"));
	g_setenv("SAVED_PATH", old ? old : "", TRUE);
	g_setenv("PATH", h->dir, TRUE);
	*state = h;
	return h->dir ? 0 : -1;
}

static int remove_home(void **state)
{
	Home *h = *state;
	g_setenv("PATH", getenv("SAVED_PATH"), TRUE);
	dh_remove_tree(AT_FDCWD, h->dir, NULL);
	g_free(h->cli.config_dir);
	g_free(h->dir);
	g_free(h);
	return 0;
}

static void write_config(const Home *h, const char *text)
{
	g_autofree char *path = config_file_path(&h->cli);
	assert_true(dh_mkdir_p(h->cli.config_dir, 0700, NULL));
	assert_true(dh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0644, NULL));
}

static char *read_config(const Home *h)
{
	g_autofree char *path = config_file_path(&h->cli);
	return dh_read_file(AT_FDCWD, path, 1 << 20, NULL, NULL);
}

/* docker-credential-NAME; what it is asked goes to the file NAME.log */
static void write_helper(const Home *h, const char *name, const char *script)
{
	g_autofree char *path = g_strdup_printf("%s/docker-credential-%s", h->dir, name);
	g_autofree char *text = g_strdup_printf(
		"#!/bin/sh\nIFS= read -r in\nprintf '%%s %%s\\n' \"$1\" \"$in\" >>%s/%s.log\n%s\n",
		h->dir, name, script);
	assert_true(dh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0755, NULL));
}

static char *helper_log(const Home *h, const char *name)
{
	g_autofree char *path = g_strdup_printf("%s/%s.log", h->dir, name);
	return dh_read_file(AT_FDCWD, path, 1 << 20, NULL, NULL);
}

static char *header_of(const char *header)
{
	gsize n;
	g_autofree char *plain = g_strdup(header);
	g_strdelimit(plain, "-", '+');
	g_strdelimit(plain, "_", '/');
	g_autofree guchar *bytes = g_base64_decode(plain, &n);
	return g_strndup((const char *)bytes, n);
}

static void test_servers(void **state)
{
	static const char *const hosts[][2] = {
		{"https://index.docker.io/v1/", "index.docker.io"},
		{"http://h:5000/v2/", "h:5000"},
		{"h:5000", "h:5000"},
		{"h/x/y", "h"},
		{"[::1]:5000", "[::1]:5000"},
	};
	static const char *const terms[][2] = {
		{"busybox", CREDENTIALS_HUB},
		{"user/app", CREDENTIALS_HUB},
		{"docker.io/x", CREDENTIALS_HUB},
		{"h.test/x", "h.test"},
		{"h:5000/x", "h:5000"},
		{"localhost/x", "localhost"},
		{"127.0.0.1:1/a/b", "127.0.0.1:1"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(hosts); i++) {
		g_autofree char *host = credentials_host(hosts[i][0]);
		assert_string_equal(host, hosts[i][1]);
	}
	for (guint i = 0; i < G_N_ELEMENTS(terms); i++) {
		g_autofree char *server = credentials_server_of_term(terms[i][0]);
		assert_string_equal(server, terms[i][1]);
	}
}

static void test_file(void **state)
{
	Home *h = *state;
	g_autoptr(GError) error = NULL;
	gboolean plain = FALSE;
	struct stat st;
	const Credentials mine = {.server = (char *)"h:5000",
		.username = (char *)"user",
		.password = (char *)"pass:w\xc3\xb6rd"};

	/* from nothing */
	assert_true(credentials_store(&h->cli, &mine, &plain, &error));
	assert_true(plain);
	g_autofree char *path = config_file_path(&h->cli);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(h->cli.config_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	g_autofree char *text = read_config(h);
	assert_string_equal(text,
		"{\n\t\"auths\": {\n\t\t\"h:5000\": {\n\t\t\t\"auth\": \"dXNlcjpwYXNzOnfDtnJk\"\n"
		"\t\t}\n\t}\n}\n");

	/* what is there already is not worth a warning */
	assert_true(credentials_store(&h->cli, &mine, &plain, &error));
	assert_false(plain);

	g_auto(Credentials) got = {0};
	assert_true(credentials_get(&h->cli, "h:5000", &got, &error));
	assert_string_equal(got.username, "user");
	assert_string_equal(got.password, "pass:w\xc3\xb6rd");
	g_autofree char *header = credentials_stored_header(&h->cli, "h:5000");
	g_autofree char *json = header_of(header);
	assert_string_equal(json, "{\"username\":\"user\",\"password\":\"pass:w\xc3\xb6rd\","
				  "\"serveraddress\":\"h:5000\"}");
	g_autofree char *none = credentials_stored_header(&h->cli, "other:5000");
	assert_string_equal(none, "e30=");

	assert_true(credentials_erase(&h->cli, "h:5000", &error));
	g_autofree char *erased = read_config(h);
	assert_string_equal(erased, "{\n\t\"auths\": {}\n}\n");
}

static void test_foreign_members(void **state)
{
	Home *h = *state;
	g_autoptr(GError) error = NULL;
	gboolean plain;
	const Credentials token = {.server = (char *)"a.test",
		.username = (char *)"u",
		.identity_token = (char *)"secret"};
	write_config(h,
		"{\"zzz\":[1,{\"y\":\"a\\nb\"}],\"auths\":{\"a.test\":{\"auth\":\"dTpw\","
		"\"theirs\":true},\"b.test\":{\"auth\":\"!!!\"}},\"psFormat\":\"{{.ID}}\"}");
	assert_true(credentials_store(&h->cli, &token, &plain, &error));
	assert_false(plain);
	g_autoptr(json_t) config = config_file_load(&h->cli);
	g_autofree char *text = dh_json_dumps(config, 0);
	assert_string_equal(text,
		"{\"zzz\":[1,{\"y\":\"a\\nb\"}],\"auths\":{\"a.test\":{\"theirs\":true,"
		"\"auth\":\"dTo=\",\"identitytoken\":\"secret\"},\"b.test\":{\"auth\":\"!!!\"}},"
		"\"psFormat\":\"{{.ID}}\"}");
	g_autofree char *header = credentials_stored_header(&h->cli, "a.test");
	g_autofree char *json = header_of(header);
	assert_string_equal(json, "{\"username\":\"u\",\"serveraddress\":\"a.test\","
				  "\"identitytoken\":\"secret\"}");
}

static void test_old_spellings(void **state)
{
	Home *h = *state;
	write_config(h, "{\"auths\":{\"https://h.test/v1/\":{\"auth\":\"dTpw\"},"
			"\"i.test\":{\"username\":\"x\",\"password\":\"y\"}}}");
	g_auto(Credentials) a = {0}, b = {0};
	assert_true(credentials_get(&h->cli, "h.test", &a, NULL));
	assert_string_equal(a.password, "p");
	assert_true(credentials_get(&h->cli, "i.test", &b, NULL));
	assert_string_equal(b.username, "x");
}

/* Nothing of a file that we do not understand is thrown away. */
static void test_broken_file(void **state)
{
	static const char *const broken[] = {"{bad", "[]", "{\"a\":1}x", "\"auths\""};
	Home *h = *state;
	const Credentials mine = {
		.server = (char *)"h", .username = (char *)"u", .password = (char *)"p"};
	for (guint i = 0; i < G_N_ELEMENTS(broken); i++) {
		g_autoptr(GError) error = NULL;
		gboolean plain;
		write_config(h, broken[i]);
		assert_false(credentials_store(&h->cli, &mine, &plain, &error));
		assert_non_null(error);
		g_autofree char *text = read_config(h);
		assert_string_equal(text, broken[i]);
	}
	/* members of another type are no reason to fail */
	write_config(h, "{\"auths\":[],\"credsStore\":1,\"credHelpers\":\"x\"}");
	g_auto(Credentials) none = {0};
	assert_true(credentials_get(&h->cli, "h", &none, NULL));
	assert_null(none.username);
	write_config(h, "{\"auths\":{\"h\":{\"auth\":\"dTpw\\u0000\"}}}");
	g_auto(Credentials) odd = {0};
	(void)credentials_get(&h->cli, "h", &odd, NULL);
}

static void test_link(void **state)
{
	Home *h = *state;
	struct stat st;
	gboolean plain;
	const Credentials mine = {
		.server = (char *)"h", .username = (char *)"u", .password = (char *)"p"};
	g_autofree char *target = g_build_filename(h->dir, "real.json", NULL);
	g_autofree char *path = config_file_path(&h->cli);
	assert_true(dh_mkdir_p(h->cli.config_dir, 0700, NULL));
	assert_true(dh_write_file_atomic(AT_FDCWD, target, "{}", 2, 0644, NULL));
	assert_int_equal(symlink(target, path), 0);
	assert_true(credentials_store(&h->cli, &mine, &plain, NULL));
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_helper(void **state)
{
	Home *h = *state;
	g_autoptr(GError) error = NULL;
	gboolean plain = TRUE;
	const Credentials mine = {
		.server = (char *)"h.test", .username = (char *)"u", .password = (char *)"p\"\n"};
	const Credentials token = {.server = (char *)"h.test",
		.username = (char *)"u",
		.identity_token = (char *)"tok"};
	write_helper(h, "one",
		"[ $1 != get ] || echo '{\"ServerURL\":\"h.test\",\"Username\":\"u\",\"Secret\":"
		"\"p\"}'");
	write_helper(
		h, "two", "[ $1 != get ] || echo '{\"Username\":\"<token>\",\"Secret\":\"tok\"}'");
	write_config(h, "{\"credsStore\":\"one\",\"credHelpers\":{\"i.test\":\"two\"}}");

	assert_true(credentials_store(&h->cli, &mine, &plain, &error));
	assert_false(plain);
	assert_true(credentials_store(&h->cli, &token, &plain, &error));
	g_auto(Credentials) a = {0}, b = {0};
	assert_true(credentials_get(&h->cli, "h.test", &a, &error));
	assert_string_equal(a.password, "p");
	assert_true(credentials_get(&h->cli, "i.test", &b, &error));
	assert_string_equal(b.identity_token, "tok");
	assert_null(b.username);
	assert_true(credentials_erase(&h->cli, "h.test", &error));
	g_autofree char *log = helper_log(h, "one");
	assert_string_equal(log,
		"store {\"ServerURL\":\"h.test\",\"Username\":\"u\",\"Secret\":\"p\\\"\\n\"}\n"
		"store {\"ServerURL\":\"h.test\",\"Username\":\"<token>\",\"Secret\":\"tok\"}\n"
		"get h.test\nerase h.test\n");
	g_autofree char *text = read_config(h);
	assert_null(strstr(text, "dTpw"));
}

static void test_helper_failures(void **state)
{
	Home *h = *state;
	static const struct {
		const char *script;
		const char *error; /* NULL: no credentials, no error */
	} cases[] = {
		{"echo 'credentials not found in native keychain'; exit 1", NULL},
		{"echo locked; exit 2",
			"error getting credentials - err: exit status 2, out: `locked`"},
		{"echo '{nonsense'", "error getting credentials - err: invalid JSON"},
		{"kill -9 $$", "error getting credentials - err: signal: Killed, out: ``"},
		{"exec /bin/dd if=/dev/zero bs=1M count=2 2>/dev/null",
			"error getting credentials - err: "},
	};
	write_config(h, "{\"credsStore\":\"bad\"}");
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_auto(Credentials) got = {0};
		write_helper(h, "bad", cases[i].script);
		gboolean ok = credentials_get(&h->cli, "h", &got, &error);
		assert_int_equal(ok, !cases[i].error);
		assert_null(got.password);
		if (cases[i].error)
			assert_true(g_str_has_prefix(error->message, cases[i].error));
		g_autofree char *header = credentials_stored_header(&h->cli, "h");
		assert_string_equal(header, "e30=");
	}
	g_autoptr(GError) error = NULL;
	write_config(h, "{\"credsStore\":\"../missing\"}");
	assert_false(credentials_erase(&h->cli, "h", &error));
	assert_non_null(strstr(error->message, "executable file not found in $PATH"));
}

/* As docker: where nothing is configured but the usual helper is installed, it is used. */
static void test_usual_helper(void **state)
{
	Home *h = *state;
	gboolean plain = TRUE;
	const Credentials mine = {
		.server = (char *)"h", .username = (char *)"u", .password = (char *)"p"};
	write_helper(h, "secretservice", "");
	assert_true(credentials_store(&h->cli, &mine, &plain, NULL));
	assert_false(plain);
	g_autoptr(json_t) config = config_file_load(&h->cli);
	g_autofree char *text = dh_json_dumps(config, 0);
	assert_string_equal(text, "{\"credsStore\":\"secretservice\",\"auths\":{\"h\":{}}}");
}

static void check_figures(
	int64_t current, int64_t total, double rate, size_t columns, const char *want)
{
	const ProgressFigures f = {.current = current, .total = total};
	g_autofree char *got = progress_figures(&f, rate, columns);
	assert_string_equal(got, want);
	assert_true(strlen(got) <= columns || columns < 8);
}

static void test_figures(void **state)
{
	check_figures(0, 0, 0, 80, "");
	check_figures(1000, 0, 0, 80, "     1kB");
	check_figures(3100000, 8200000, 0, 80,
		"[==================>                                ]    3.1MB/8.2MB");
	check_figures(8200000, 8200000, 0, 80,
		"[==================================================>]    8.2MB/8.2MB");
	check_figures(3100000, 8200000, 1500000, 80,
		"[==================>                                ]    3.1MB/8.2MB  1.5MB/s");
	check_figures(3100000, 8200000, 1500000, 40, "[====>         ]    3.1MB/8.2MB  1.5MB/s");
	check_figures(3100000, 8200000, 1500000, 30, "[====>        ]    3.1MB/8.2MB");
	check_figures(3100000, 8200000, 1500000, 20, "   3.1MB/8.2MB");
	check_figures(3100000, 8200000, 1500000, 12, "3.1MB/8.2MB");
	check_figures(3100000, 8200000, 1500000, 9, "38%");
	/* more than was announced */
	check_figures(300, 200, 0, 12, "    300B");
	/* figures that make no sense are no reason to write beyond */
	check_figures(-5, 200, 0, 40, "[>                       ]      -5B/200B");
	const ProgressFigures units = {.current = 3, .total = 7, .units = "steps"};
	g_autofree char *steps = progress_figures(&units, 0, 12);
	assert_string_equal(steps, "3/7 steps");
	const ProgressFigures hidden = {.current = 5, .total = 10, .hide_counts = TRUE};
	g_autofree char *bar = progress_figures(&hidden, 0, 20);
	assert_string_equal(bar, "[========>        ] ");
}

static void test_printable(void **state)
{
	static const char *const cases[][3] = {
		{"plain \xc3\xa9 \xe4\xb8\xad", "", "plain \xc3\xa9 \xe4\xb8\xad"},
		{"a\033[2Jb\a\r\n\tc\x7f", "", "a?[2Jb????c?"},
		{"a\nb\tc\r\033", "\n\t", "a\nb\tc??"},
		{"csi \xc2\x9b"
		 "2J",
			"", "csi ?2J"},
		{"rtl \xe2\x80\xae"
		 "fdp",
			"", "rtl ?fdp"},
		{"bad \xff\xfe\xc3", "", "bad ???"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *got = text_printable(cases[i][0], cases[i][1]);
		assert_string_equal(got, cases[i][2]);
	}
}

int main(void)
{
#define WITH_HOME(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),
		WITH_HOME(test_file),
		WITH_HOME(test_foreign_members),
		WITH_HOME(test_old_spellings),
		WITH_HOME(test_broken_file),
		WITH_HOME(test_link),
		WITH_HOME(test_helper),
		WITH_HOME(test_helper_failures),
		WITH_HOME(test_usual_helper),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_printable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

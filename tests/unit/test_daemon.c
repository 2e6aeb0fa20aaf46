/* SPDX-License-Identifier: MIT */
/* dhowd's flags and its configuration file: what becomes of them together, and again later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka wants the four above first */
#include <cmocka.h>

#include "container/runtimes.h"
#include "daemon/options.h"

#include <glib/gstdio.h>
#include <string.h>

static char *file;

static int make_file(void **state)
{
	(void)state;
	int fd = g_file_open_tmp("daemon-XXXXXX.json", &file, NULL);
	return fd < 0 || !g_close(fd, NULL);
}

static int remove_file(void **state)
{
	(void)state;
	int r = g_unlink(file);
	g_free(file);
	return r;
}

static gboolean parse(
	const char *text, const char *const *flags, DaemonOptions *ret, GError **error)
{
	const char *argv[16] = {"dhowd", "--config-file", file};
	for (guint i = 0; flags && flags[i]; i++)
		argv[3 + i] = flags[i];
	assert_true(g_file_set_contents(file, text, -1, NULL));
	return daemon_options_parse((char *const *)argv, ret, error);
}

#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void flags_and_file_add_up(void **state)
{
	(void)state;
	g_auto(DaemonOptions) o = {0};
	assert_true(parse("{\"labels\": [\"b=2\", \"a=1\", \"a=1\"], \"debug\": true,"
			  " \"runtimes\": {\"r\": {\"path\": \"/r\", \"runtimeArgs\": [\"-x\"]}},"
			  " \"default-runtime\": \"r\", \"max-concurrent-uploads\": 9}",
		FLAGS("--max-concurrent-downloads", "7", "--log-level", "warn", "--registry-mirror",
			"http://m:5000"),
		&o, NULL));
	const EngineSettings *s = o.settings;
	g_auto(GStrv) labels = settings_labels(s);
	g_autofree char *all = g_strjoinv(" ", labels);
	assert_string_equal(all, "a=1 b=2");
	assert_int_equal(s->log_level, DH_LOG_WARN);
	assert_int_equal(settings_log_level(s), DH_LOG_DEBUG);
	assert_string_equal(settings_default_runtime(s), "r");
	const RuntimeProgram *r = g_hash_table_lookup(s->runtimes, "r");
	assert_string_equal(r->path, "/r");
	assert_string_equal(r->args[0], "-x");
	assert_int_equal(s->registry.max_downloads, 7);
	assert_int_equal(s->registry.max_uploads, 9);
	assert_string_equal(s->registry.mirrors[0], "http://m:5000");
	assert_int_equal(s->shutdown_timeout, 15);
	assert_string_equal(o.config_file, file);
}

static void bad_files_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *flag, *value, *error;
	} cases[] = {
		{"{\"labels\": [", NULL, NULL, "unable to configure the daemon with file"},
		{"{\"nosuch\": 1}", NULL, NULL, "nosuch"},
		{"{\"labels\": [\"a=1\", \"a=2\"]}", NULL, NULL, "conflict labels for a=2 and a=1"},
		{"{\"labels\": [\"a\"]}", NULL, NULL, "not KEY=VALUE"},
		{"{\"log-level\": \"loud\"}", NULL, NULL, "unable to parse logging level: loud"},
		{"{\"default-runtime\": \"x\"}", NULL, NULL,
			"specified default runtime 'x' does not exist"},
		{"{\"max-concurrent-downloads\": -1}", NULL, NULL,
			"invalid max concurrent downloads: -1"},
		{"{\"registry-mirrors\": [\"m\"]}", NULL, NULL, "unsupported scheme"},
		{"{\"labels\": [\"b=1\"]}", "--label", "a=1", "configuration file: labels"},
		{"{\"bip\": \"10.0.0.1/24\"}", "--bip", "10.0.0.1/24", "configuration file: bip"},
		{"{\"mtu\": 1400}", "--mtu", "1300", "configuration file: mtu"},
		{"{\"icc\": false}", "--icc", "true", "configuration file: icc"},
		{"{\"debug\": false}", "-D", NULL, "configuration file: debug"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(DaemonOptions) o = {0};
		g_autoptr(GError) error = NULL;
		assert_false(
			parse(cases[i].text, FLAGS(cases[i].flag, cases[i].value), &o, &error));
		if (!strstr(error->message, cases[i].error))
			fail_msg("%s: %s", cases[i].text, error->message);
	}
}

static void differences_name_what_cannot_change(void **state)
{
	(void)state;
	static const struct {
		const char *text, *names;
	} cases[] = {
		{"{\"dns\": [\"1.1.1.1\"], \"log-opts\": {\"max-size\": \"1m\"}}", ""},
		{"{\"dns\": [\"1.1.1.1\"], \"log-opts\": {\"max-size\": \"1m\"}, \"icc\": true,"
		 " \"debug\": true, \"labels\": [\"a=1\"], \"shutdown-timeout\": 3}",
			""},
		{"{\"dns\": [\"1.1.1.1\", \"1.1.1.2\"], \"log-opts\": {\"max-size\": \"2m\"}}",
			"log-opts dns"},
		{"{}", "log-opts dns"},
		{"{\"dns\": [\"1.1.1.1\"], \"log-opts\": {\"max-size\": \"1m\"}, \"icc\": false,"
		 " \"data-root\": \"/nowhere\", \"mtu\": 1400, \"hosts\": [\"unix:///x\"]}",
			"data-root hosts mtu icc cgroup-parent"},
	};
	g_auto(DaemonOptions) first = {0};
	assert_true(parse(cases[0].text, NULL, &first, NULL));
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(DaemonOptions) o = {0};
		assert_true(parse(cases[i].text, NULL, &o, NULL));
		g_auto(GStrv) names = daemon_options_differences(&first, &o);
		g_autofree char *all = g_strjoinv(" ", names);
		assert_string_equal(all, cases[i].names);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_and_file_add_up),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(differences_name_what_cannot_change),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}

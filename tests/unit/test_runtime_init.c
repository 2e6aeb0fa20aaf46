/* SPDX-License-Identifier: MIT */
/* dhow-init by its exit codes, signals and orphans; started as an ordinary process (a subreaper).
 */
#include "base/fd.h"
#include "base/spawn.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *init_path;

static int run(const char *const *args, char **ret_out, pid_t *ret_pid, int *ret_pidfd)
{
	int out[2];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	g_autofree char **argv = g_new0(char *, g_strv_length((char **)args) + 2);
	argv[0] = (char *)init_path;
	for (guint i = 0; args[i]; i++)
		argv[i + 1] = (char *)args[i];
	char *env[] = {"PATH=/usr/bin:/bin", NULL};
	DhSpawn s = {.path = init_path,
		.argv = argv,
		.envp = env,
		.stdio = {-1, out[1], out[1]},
		.setsid = TRUE};
	pid_t pid;
	int pidfd;
	assert_true(dh_spawn(&s, &pid, &pidfd, NULL));
	close(out[1]);
	if (ret_pid) {
		*ret_pid = pid;
		*ret_pidfd = pidfd;
		return out[0];
	}
	dh_autofd int reader = out[0];
	g_autofree char *text = dh_read_to_end(reader, 65536, NULL, NULL);
	int status = dh_reap(pidfd);
	close(pidfd);
	if (ret_out)
		*ret_out = g_steal_pointer(&text);
	return status;
}

static void exit_codes(void **state)
{
	static const struct {
		const char *args[5];
		int code;
	} cases[] = {
		{{"sh", "-c", "exit 7"}, 7},
		{{"--", "sh", "-c", "kill -9 $$"}, 128 + SIGKILL},
		{{"/no/such"}, 127},
		{{"no-such"}, 127},
		{{"/etc/passwd"}, 126},
		{{"-x"}, 1},
		{{NULL}, 1},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
		assert_int_equal(run(cases[i].args, NULL, NULL, NULL), cases[i].code);
}

static void forwards_signals(void **state)
{
	static const char *const args[] = {"sh", "-c",
		"trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.01; done", NULL};
	pid_t pid;
	int pidfd;
	dh_autofd int out = run(args, NULL, &pid, &pidfd);
	char buf[16];
	assert_int_equal(dh_read_full(out, buf, 3), 3);
	assert_int_equal(kill(pid, SIGTERM), 0);
	g_autofree char *text = dh_read_to_end(out, 100, NULL, NULL);
	assert_string_equal(text, "got\n");
	assert_int_equal(dh_reap(pidfd), 3);
	close(pidfd);
}

static void reaps_orphans(void **state)
{
	/* The orphan's parent goes at once; its new one says so, at verbosity 2, when it has ended.
	 */
	static const char *const args[] = {
		"-vv", "--", "sh", "-c", "(sleep 0.05 & echo orphan $!); sleep 0.3", NULL};
	g_autofree char *out = NULL;
	assert_int_equal(run(args, &out, NULL, NULL), 0);
	const char *at = strstr(out, "orphan ");
	assert_non_null(at);
	g_autofree char *want = g_strdup_printf("reaped %d\n", atoi(at + 7));
	assert_non_null(strstr(out, want));
}

int main(int argc, char **argv)
{
	init_path = argc > 1 ? argv[1] : "src/init/dhow-init";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes),
		cmocka_unit_test(forwards_signals),
		cmocka_unit_test(reaps_orphans),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

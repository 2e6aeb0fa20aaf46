/* SPDX-License-Identifier: MIT */
/* What a shim costs: throughput of its log, memory while idle, time of an exit. Not a test; run as
 * test_shim_bench DHOW-SHIM [megabytes]. */
#include "test_runtime.h"

#include "shim/client.h"

#include "base/fd.h"
#include "base/spawn.h"
#include "base/timefmt.h"

#include <glib/gstdio.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static ShimPool *pool;

typedef struct {
	int events, pidfd;
	pid_t pid;
	int64_t main_pid;
} Shim;

static Shim start(Rig *r, const char *log, const char *script, int client)
{
	g_autofree char *dir = g_build_filename(r->dir, "container", NULL);
	g_autofree char *run_dir = g_build_filename(r->dir, "run", NULL);
	(void)g_mkdir(dir, 0700);
	ShimClient c = {.fd = SHIM_PLACE_FIRST, .use_stdout = TRUE, .use_stderr = TRUE};
	ShimConfig config = {
		.id = (char *)"bench",
		.dir = dir,
		.run_dir = run_dir,
		.rootfs = &r->rootfs,
		.oci = r->spec,
		.netns_fd = -1,
		.seccomp_fd = -1,
		.log = {.driver = (char *)(log ? "json-file" : "none"),
			.path = (char *)log,
			.max_size = -1,
			.max_files = 1},
	};
	if (client >= 0) {
		config.clients = g_ptr_array_new();
		g_ptr_array_add(config.clients, &c);
	}
	g_strfreev(r->spec->process->args);
	r->spec->process->args = g_strdupv((char *[]){"sh", "-c", (char *)script, NULL});
	Shim s;
	GError *error = NULL;
	if (!shim_start(pool, &config, &client, client >= 0, NULL, &s.events, &s.main_pid, &s.pid,
		    &s.pidfd, &error)) {
		fprintf(stderr, "%s\n", error->message);
		exit(1);
	}
	if (config.clients)
		g_ptr_array_unref(config.clients);
	return s;
}

static void finish(Shim *s, int64_t *ret_finished)
{
	ShimEvent *ev;
	while ((ev = shim_next_event(s->events, NULL))) {
		if (ev->exit && ret_finished)
			*ret_finished = dh_time_now() - ev->exit->finished_at;
		dh_json_free(&shim_event_table, ev);
	}
	close(s->events);
	(void)dh_reap(s->pidfd);
	close(s->pidfd);
}

static void *swallow(void *arg)
{
	static char buf[1 << 20];
	while (read(*(int *)arg, buf, sizeof buf) > 0)
		;
	close(*(int *)arg);
	return NULL;
}

static void throughput(Rig *r, const char *name, gboolean with_log, gboolean with_client, long mb)
{
	int p[2] = {-1, -1};
	pthread_t thread;
	g_autofree char *log = g_build_filename(r->dir, "log", NULL);
	/* The lines come from memory, so that making them costs little. */
	g_autofree char *script = g_strdup_printf("exec cat %s", "/lines");
	if (with_client) {
		g_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) == 0);
		pthread_create(&thread, NULL, swallow, &p[0]);
	}
	gint64 begin = g_get_monotonic_time();
	Shim s = start(r, with_log ? log : NULL, script, p[1]);
	if (with_client)
		close(p[1]);
	finish(&s, NULL);
	double sec = (double)(g_get_monotonic_time() - begin) / 1e6;
	if (with_client)
		pthread_join(thread, NULL);
	printf("%-28s %7.0f MB/s\n", name, (double)mb / sec);
	(void)unlink(log);
}

static void make_lines(Rig *r, long mb)
{
	g_autofree char *path = g_build_filename(r->dir, "top", "lines", NULL);
	g_autoptr(GString) block = g_string_new(NULL);
	for (guint i = 0; block->len < 1 << 20; i++)
		g_string_append_printf(block,
			"%08u the quick brown fox jumps over the lazy dog, as it did before, and "
			"so on\n",
			i);
	FILE *f = fopen(path, "we");
	for (long i = 0; i < mb; i++)
		(void)!fwrite(block->str, 1 << 20, 1, f);
	fclose(f);
}

static void memory(Rig *r)
{
	g_autofree char *log = g_build_filename(r->dir, "log", NULL);
	Shim s = start(r, log, "echo hello; sleep 100", -1);
	sync();
	g_usleep(2500 * 1000);
	g_autofree char *path = g_strdup_printf("/proc/%d/smaps_rollup", s.pid);
	g_autofree char *text = NULL;
	(void)g_file_get_contents(path, &text, NULL, NULL);
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
	for (char **l = lines; *l; l++) {
		if (g_str_has_prefix(*l, "Rss") || g_str_has_prefix(*l, "Pss") ||
			g_str_has_prefix(*l, "Private"))
			puts(*l);
	}
	if (getenv("BENCH_WAIT")) {
		printf("shim %d\n", s.pid);
		fflush(stdout);
		(void)getchar();
	}
	(void)kill((pid_t)s.main_pid, SIGKILL);
	finish(&s, NULL);
}

static void latency(Rig *r)
{
	enum { N = 50 };
	int64_t event = 0, gone = 0, launch = 0;
	for (guint i = 0; i < N; i++) {
		g_autofree char *log = g_build_filename(r->dir, "log", NULL);
		int64_t a = dh_time_now();
		Shim s = start(r, log, "exec sleep 100", -1);
		launch += dh_time_now() - a;
		g_usleep(2000);
		int64_t begin = dh_time_now();
		(void)kill((pid_t)s.main_pid, SIGKILL);
		ShimEvent *ev = shim_next_event(s.events, NULL);
		event += dh_time_now() - begin;
		dh_json_free(&shim_event_table, ev);
		finish(&s, NULL);
		gone += dh_time_now() - begin;
	}
	printf("start to started event       %7.0f us\n", (double)launch / N / 1e3);
	printf("kill to exit event           %7.0f us\n", (double)event / N / 1e3);
	printf("kill to shim reaped          %7.0f us\n", (double)gone / N / 1e3);
}

int main(int argc, char **argv)
{
	void *state;
	if (argc < 2 || !rig_usable())
		return 2;
	long mb = argc > 2 ? atol(argv[2]) : 200;
	pool = shim_pool_new(argv[1], 2);
	shim_pool_refill(pool);
	signal(SIGPIPE, SIG_IGN);
	rig_setup(&state);
	Rig *r = state;
	make_lines(r, mb);
	for (guint i = 0; i < 2; i++) {
		throughput(r, "nothing (pipe only)", FALSE, FALSE, mb);
		throughput(r, "log", TRUE, FALSE, mb);
		throughput(r, "client", FALSE, TRUE, mb);
		throughput(r, "log and client", TRUE, TRUE, mb);
	}
	latency(r);
	memory(r);
	rig_teardown(&state);
	return 0;
}

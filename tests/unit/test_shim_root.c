/* SPDX-License-Identifier: MIT */
/* The real dhow-shim (its path is our argument) with a busybox container, as the daemon uses it. */
#include "test_runtime.h"

#include "shim/client.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static ShimPool *pool;

typedef struct {
	Rig *rig;
	ShimConfig config;
	ShimClient client;
	char *dir, *run_dir, *log;
	int events, pidfd, held[2];
	int64_t pid;
	pid_t shim;
} Box;

static int setup(void **state)
{
	Box *b = g_new0(Box, 1);
	rig_setup((void **)&b->rig);
	*state = b;
	b->events = b->pidfd = b->held[0] = b->held[1] = -1;
	if (!b->rig->dir)
		return 0;
	b->dir = g_build_filename(b->rig->dir, "container", NULL);
	b->run_dir = g_build_filename(b->rig->dir, "run", NULL);
	b->log = g_build_filename(b->dir, "log", NULL);
	assert_int_equal(mkdir(b->dir, 0700), 0);
	b->config = (ShimConfig){
		.id = (char *)"testbox",
		.dir = b->dir,
		.run_dir = b->run_dir,
		.rootfs = &b->rig->rootfs,
		.oci = b->rig->spec,
		.netns_fd = -1,
		.seccomp_fd = -1,
		.log = {.driver = (char *)"json-file",
			.path = b->log,
			.max_size = -1,
			.max_files = 1},
	};
	return 0;
}

/* The shim has ended and left nothing. */
static void assert_gone(Box *b)
{
	struct pollfd p = {.fd = b->pidfd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 60000), 1);
	assert_int_equal(dh_reap(b->pidfd), 0);
	dh_close(&b->pidfd);
	assert_int_equal(access(b->run_dir, F_OK), -1);
	g_autoptr(GArray) pids = rt_cgroup_pids(b->rig->spec->linux_->cgroups_path, NULL);
	assert_true(!pids || pids->len == 0);
	g_autofree char *parent = g_path_get_dirname(b->rig->spec->linux_->cgroups_path);
	g_auto(GStrv) left = rt_cgroup_children(parent);
	assert_int_equal(left ? g_strv_length(left) : 0, 0);
}

static int teardown(void **state)
{
	Box *b = *state;
	if (b->pidfd >= 0) {
		(void)rt_cgroup_kill(b->rig->spec->linux_->cgroups_path, NULL);
		(void)dh_reap(b->pidfd);
	}
	dh_close(&b->pidfd);
	dh_close(&b->events);
	dh_close(&b->held[0]);
	dh_close(&b->held[1]);
	rig_teardown((void **)&b->rig);
	if (b->config.clients)
		g_ptr_array_unref(b->config.clients);
	g_free(b->log);
	g_free(b->run_dir);
	g_free(b->dir);
	g_free(b);
	return 0;
}

static void need_root(const Box *b)
{
	if (!b->rig->dir)
		skip();
}

static gboolean try_start(Box *b, const char *const *args, const int *fds, guint n, GError **error)
{
	g_strfreev(b->rig->spec->process->args);
	b->rig->spec->process->args = g_strdupv((char **)args);
	return shim_start(
		pool, &b->config, fds, n, NULL, &b->events, &b->pid, &b->shim, &b->pidfd, error);
}

static void start_with(Box *b, const char *script, const int *fds, guint n)
{
	g_autoptr(GError) error = NULL;
	const char *const args[] = {"sh", "-c", script, NULL};
	if (!try_start(b, args, fds, n, &error))
		fail_msg("%s", error->message);
}

static void start(Box *b, const char *script)
{
	start_with(b, script, NULL, 0);
}

typedef enum { IN = 1, OUT = 2, ERR = 4, RAW = 8 } Use;

static ShimClient client_of(Use use)
{
	return (ShimClient){.fd = -1,
		.use_stdin = (use & IN) != 0,
		.use_stdout = (use & OUT) != 0,
		.use_stderr = (use & ERR) != 0,
		.raw = (use & RAW) != 0};
}

/* Starts with one client from the first byte on; returns its connection. */
static int start_attached(Box *b, Use use, const char *script)
{
	int p[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	b->client = client_of(use);
	b->client.fd = SHIM_PLACE_FIRST;
	b->config.clients = g_ptr_array_new();
	g_ptr_array_add(b->config.clients, &b->client);
	start_with(b, script, &p[1], 1);
	close(p[1]);
	return p[0];
}

/* The next event of a kind; others are passed over. */
static ShimEvent *await(Box *b, const char *kind)
{
	for (;;) {
		g_autoptr(GError) error = NULL;
		struct pollfd p = {.fd = b->events, .events = POLLIN};
		if (poll(&p, 1, 60000) != 1)
			fail_msg("no %s event", kind);
		ShimEvent *ev = shim_next_event(b->events, &error);
		if (!ev)
			fail_msg("end of events instead of %s", kind);
		if (strcmp(ev->event, kind) == 0)
			return ev;
		dh_json_free(&shim_event_table, ev);
	}
}

/* The exit event, and what must be true when it comes; returns the status. */
static int await_exit(Box *b)
{
	ShimEvent *ev = await(b, "exit");
	assert_non_null(ev->exit);
	int status = (int)ev->exit->status;
	assert_int_equal(ev->exit->pid, b->pid);
	assert_true(ev->exit->finished_at >= ev->exit->started_at);
	ShimExit *x = shim_read_exit(b->dir, NULL);
	assert_non_null(x);
	assert_int_equal(x->status, status);
	dh_json_free(&shim_exit_table, x);
	g_autofree char *parent = g_path_get_dirname(b->rig->spec->linux_->cgroups_path);
	g_auto(GStrv) left = rt_cgroup_children(parent);
	assert_int_equal(left ? g_strv_length(left) : 0, 0);
	dh_json_free(&shim_event_table, ev);
	return status;
}

static ShimReply *request(Box *b, const ShimRequest *req, const int *fds, guint n)
{
	GError *error = NULL;
	ShimReply *reply = shim_request(b->run_dir, req, fds, n, &error);
	if (!reply)
		fail_msg("%s: %s", req->op, error->message);
	return reply;
}

static void simple(Box *b, const ShimRequest *req)
{
	dh_json_free(&shim_reply_table, request(b, req, NULL, 0));
}

static void kill_it(Box *b)
{
	ShimRequest req = {.op = (char *)"kill", .signal = SIGKILL};
	simple(b, &req);
}

/* Until end of file. */
static GString *read_all(int fd)
{
	GString *out = g_string_new(NULL);
	char buf[65536];
	ssize_t n;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	for (;;) {
		if (poll(&p, 1, 60000) != 1)
			fail_msg("no end of file; so far: %.200s", out->str);
		n = read(fd, buf, sizeof buf);
		if (n <= 0)
			break;
		g_string_append_len(out, buf, n);
	}
	assert_int_equal(n, 0);
	return out;
}

/* Until text has come. */
static void read_until(int fd, const char *text)
{
	g_autoptr(GString) got = g_string_new(NULL);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	while (!memmem(got->str, got->len, text, strlen(text))) {
		char buf[4096];
		ssize_t n = poll(&p, 1, 60000) == 1 ? read(fd, buf, sizeof buf) : 0;
		if (n <= 0)
			fail_msg("no \"%s\" in \"%s\"", text, got->str);
		g_string_append_len(got, buf, n);
	}
}

static GString *unframe(const GString *all, int stream)
{
	GString *out = g_string_new(NULL);
	for (gsize at = 0; at < all->len;) {
		guint32 n;
		assert_true(at + 8 <= all->len);
		memcpy(&n, all->str + at + 4, 4);
		n = GUINT32_FROM_BE(n);
		assert_true(at + 8 + n <= all->len);
		if (all->str[at] == stream)
			g_string_append_len(out, all->str + at + 8, n);
		at += 8 + n;
	}
	return out;
}

static char *log_text(Box *b, const char *suffix)
{
	g_autofree char *path = g_strconcat(b->log, suffix, NULL);
	char *text = NULL;
	(void)g_file_get_contents(path, &text, NULL, NULL);
	return text;
}

/* ---- the main process ---- */

static void test_output(void **state)
{
	Box *b = *state;
	need_root(b);
	dh_autofd int fd = start_attached(b, OUT | ERR, "echo out; echo err >&2; exit 7");
	g_autoptr(GString) all = read_all(fd);
	g_autoptr(GString) out = unframe(all, 1);
	g_autoptr(GString) err = unframe(all, 2);
	assert_string_equal(out->str, "out\n");
	assert_string_equal(err->str, "err\n");
	/* By the time the client is done everything else is. */
	ShimExit *x = shim_read_exit(b->dir, NULL);
	assert_non_null(x);
	dh_json_free(&shim_exit_table, x);
	g_autofree char *log = log_text(b, "");
	assert_non_null(strstr(log, "{\"log\":\"out\\n\",\"stream\":\"stdout\""));
	assert_non_null(strstr(log, "{\"log\":\"err\\n\",\"stream\":\"stderr\""));
	assert_int_equal(await_exit(b), 7);
	assert_gone(b);
}

static void test_stdin(void **state)
{
	Box *b = *state;
	need_root(b);
	b->config.open_stdin = b->config.stdin_once = TRUE;
	dh_autofd int fd = start_attached(b, IN | OUT, "cat; echo end");
	assert_int_equal(write(fd, "hello", 5), 5);
	read_until(fd, "hello");
	assert_int_equal(write(fd, "more", 4), 4);
	shutdown(fd, SHUT_WR);
	g_autoptr(GString) all = read_all(fd);
	g_autoptr(GString) out = unframe(all, 1);
	assert_string_equal(out->str, "moreend\n");
	assert_int_equal(await_exit(b), 0);
	assert_gone(b);
}

static void test_terminal(void **state)
{
	Box *b = *state;
	need_root(b);
	b->rig->spec->process->terminal = TRUE;
	b->config.open_stdin = TRUE;
	dh_autofd int fd = start_attached(
		b, IN | OUT | RAW, "echo ready; read x; stty size; echo got $x; read y; echo bye");
	read_until(fd, "ready");
	ShimRequest resize = {.op = (char *)"resize", .height = 33, .width = 77};
	simple(b, &resize);
	assert_int_equal(write(fd, "word\n", 5), 5);
	read_until(fd, "33 77\r\ngot word");
	assert_int_equal(write(fd, "\x10\x11", 2), 2);
	g_autoptr(GString) rest = read_all(fd);
	dh_json_free(&shim_event_table, await(b, "detach"));
	/* Another one finds it as it was. */
	int p[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	ShimClient client = client_of(IN | OUT | RAW);
	ShimRequest attach = {.op = (char *)"attach", .client = &client};
	dh_json_free(&shim_reply_table, request(b, &attach, &p[1], 1));
	close(p[1]);
	assert_int_equal(write(p[0], "\n", 1), 1);
	g_autoptr(GString) last = read_all(p[0]);
	assert_non_null(strstr(last->str, "bye\r\n"));
	close(p[0]);
	assert_int_equal(await_exit(b), 0);
	assert_gone(b);
}

static void test_not_started(void **state)
{
	Box *b = *state;
	need_root(b);
	static const struct {
		const char *args[2];
		DhError code;
		const char *text;
	} cases[] = {
		{{"nonexistent"}, DH_ERROR_EXEC_NOT_FOUND,
			"exec: \"nonexistent\": executable file not found in $PATH"},
		{{"/etc/passwd"}, DH_ERROR_EXEC_NOT_RUNNABLE, "permission denied"},
		{{"/bin/garbage"}, DH_ERROR_EXEC_NOT_RUNNABLE, "exec format error"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		assert_false(try_start(b, cases[i].args, NULL, 0, &error));
		assert_int_equal(error->code, cases[i].code);
		assert_non_null(strstr(error->message, cases[i].text));
		assert_int_equal(access(b->run_dir, F_OK), -1);
		g_autofree char *parent = g_path_get_dirname(b->rig->spec->linux_->cgroups_path);
		g_auto(GStrv) left = rt_cgroup_children(parent);
		assert_int_equal(left ? g_strv_length(left) : 0, 0);
	}
}

static void test_held_descriptors(void **state)
{
	Box *b = *state;
	need_root(b);
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	b->config.hold_fds = json_pack("[i]", SHIM_PLACE_FIRST);
	start_with(b, "read x < /dev/null; sleep 100", &p[1], 1);
	close(p[1]);
	struct pollfd poll_in = {.fd = p[0], .events = POLLIN};
	assert_int_equal(poll(&poll_in, 1, 100), 0);
	kill_it(b);
	assert_int_equal(await_exit(b), 137);
	assert_int_equal(poll(&poll_in, 1, 0), 1); /* closed before the event */
	close(p[0]);
	json_decref(g_steal_pointer(&b->config.hold_fds));
	assert_gone(b);
}

static void test_signals_ignored(void **state)
{
	Box *b = *state;
	need_root(b);
	start(b, "sleep 100");
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE, SIGALRM};
	for (guint i = 0; i < G_N_ELEMENTS(signals); i++)
		assert_int_equal(kill(b->shim, signals[i]), 0);
	ShimRequest req = {.op = (char *)"status"};
	ShimReply *reply = request(b, &req, NULL, 0);
	assert_int_equal(reply->pid, b->pid);
	assert_false(reply->exited);
	dh_json_free(&shim_reply_table, reply);
	kill_it(b);
	assert_int_equal(await_exit(b), 137);
	assert_gone(b);
}

/* The daemon goes and comes back; and goes for good. */
static void test_resubscribe(void **state)
{
	Box *b = *state;
	need_root(b);
	b->config.open_stdin = b->config.stdin_once = TRUE;
	dh_autofd int fd = start_attached(b, IN | OUT, "read x; echo $x; read y; exit 9");
	dh_close(&b->events);
	assert_int_equal(write(fd, "line\n", 5), 5);
	read_until(fd, "line");
	int64_t pid = 0;
	GError *error = NULL;
	b->events = shim_subscribe(b->run_dir, &pid, &error);
	assert_true(b->events >= 0);
	assert_int_equal(pid, b->pid);
	dh_autofd int second = shim_subscribe(b->run_dir, &pid, &error);
	assert_int_equal(write(fd, "line\n", 5), 5);
	assert_int_equal(await_exit(b), 9);
	assert_null(shim_next_event(b->events, &error));
	assert_null(error);
	ShimEvent *ev = shim_next_event(second, &error);
	assert_non_null(ev);
	assert_string_equal(ev->event, "exit");
	dh_json_free(&shim_event_table, ev);
	dh_close(&fd);
	assert_gone(b);
	ShimRequest req = {.op = (char *)"status"};
	assert_null(shim_request(b->run_dir, &req, NULL, 0, &error));
	assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_NOT_FOUND));
	g_clear_error(&error);
}

static void test_nobody_listens(void **state)
{
	Box *b = *state;
	need_root(b);
	start(b, "echo alone; exit 3");
	dh_close(&b->events);
	assert_gone(b);
	ShimExit *x = shim_read_exit(b->dir, NULL);
	assert_non_null(x);
	assert_int_equal(x->status, 3);
	dh_json_free(&shim_exit_table, x);
	g_autofree char *log = log_text(b, "");
	assert_non_null(strstr(log, "alone"));
}

/* Writers outside of a PID namespace end with PID 1. */
static void test_shared_pid_namespace(void **state)
{
	Box *b = *state;
	need_root(b);
	GPtrArray *list = b->rig->spec->linux_->namespaces;
	for (guint i = list->len; i > 0; i--) {
		if (strcmp(((OciNamespace *)list->pdata[i - 1])->type, "pid") == 0)
			g_ptr_array_remove_index(list, i - 1);
	}
	dh_autofd int fd = start_attached(b, OUT, "busybox yes & sleep 0.1; exit 4");
	g_autoptr(GString) all = read_all(fd);
	assert_true(all->len > 1000);
	assert_int_equal(await_exit(b), 4);
	assert_gone(b);
}

/* ---- amounts ---- */

static void test_slow_client(void **state)
{
	Box *b = *state;
	need_root(b);
	dh_autofd int fd = start_attached(b, OUT,
		"i=0; while [ $i -lt 160 ]; do i=$((i+1)); dd if=/dev/zero bs=65536 count=1 "
		"2>/dev/null | tr '\\0' x; done; echo; echo end");
	GString *all = g_string_new(NULL);
	char buf[30000];
	ssize_t n;
	g_usleep(300 * 1000);
	for (guint i = 0; (n = read(fd, buf, sizeof buf)) > 0; i++) {
		g_string_append_len(all, buf, n);
		if (i % 20 == 0)
			g_usleep(5000);
	}
	assert_int_equal(n, 0);
	g_autoptr(GString) out = unframe(all, 1);
	g_string_free(all, TRUE);
	assert_int_equal(out->len, 160 * 65536 + 5);
	assert_true(g_str_has_suffix(out->str, "xxx\nend\n"));
	assert_int_equal(await_exit(b), 0);
	assert_gone(b);
}

static void test_rotation(void **state)
{
	Box *b = *state;
	need_root(b);
	b->config.log.max_size = 10 << 20;
	b->config.log.max_files = 3;
	start(b, "busybox yes 1234567890123456789012345678901234567890 | head -c 50000000");
	assert_int_equal(await_exit(b), 0);
	assert_gone(b);
	static const char *const names[] = {"", ".1", ".2"};
	for (guint i = 0; i < 3; i++) {
		g_autofree char *path = g_strconcat(b->log, names[i], NULL);
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_size <= 10 << 20);
		assert_true(i == 0 || st.st_size > (10 << 20) - 200);
	}
	g_autofree char *third = log_text(b, ".3");
	assert_null(third);
	g_autofree char *last = log_text(b, "");
	for (char *line = last, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		*end = '\0';
		assert_true(g_str_has_prefix(line, "{\"log\":\"12345"));
		assert_true(g_str_has_suffix(line, "Z\"}"));
	}
}

/* ---- execs ---- */

static int exec_it(Box *b, const char *id, Use use, const char *const *args, GError **error)
{
	int p[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	OciProcess *process = dh_json_copy(&oci_process_table, b->rig->spec->process);
	g_strfreev(process->args);
	process->args = g_strdupv((char **)args);
	process->terminal = (use & RAW) != 0;
	ShimClient client = client_of(use);
	ShimRequest req = {.op = (char *)"exec",
		.exec_id = (char *)id,
		.process = process,
		.client = &client,
		.open_stdin = (use & IN) != 0};
	ShimReply *reply = shim_request(b->run_dir, &req, &p[1], 1, error);
	if (reply)
		assert_true(reply->pid > 0);
	dh_json_free(&shim_reply_table, reply);
	dh_json_free(&oci_process_table, process);
	close(p[1]);
	return p[0];
}

static int exec_sh(Box *b, const char *id, Use use, const char *script)
{
	const char *const args[] = {"sh", "-c", script, NULL};
	GError *error = NULL;
	int fd = exec_it(b, id, use, args, &error);
	if (error)
		fail_msg("%s", error->message);
	return fd;
}

/* -1: still runs. */
static int exec_status(Box *b, const char *id)
{
	ShimRequest req = {.op = (char *)"exec-status", .exec_id = (char *)id};
	ShimReply *reply = request(b, &req, NULL, 0);
	int status = reply->exited ? (int)reply->exit->status : -1;
	dh_json_free(&shim_reply_table, reply);
	return status;
}

static void test_exec(void **state)
{
	Box *b = *state;
	need_root(b);
	start(b, "sleep 100");
	dh_autofd int fd = exec_sh(b, "one", IN | OUT | ERR, "cat; echo err >&2; exit 5");
	assert_int_equal(write(fd, "in", 2), 2);
	read_until(fd, "in");
	assert_int_equal(exec_status(b, "one"), -1);
	shutdown(fd, SHUT_WR);
	g_autoptr(GString) all = read_all(fd);
	assert_int_equal(exec_status(b, "one"), 5);
	g_autoptr(GString) err = unframe(all, 2);
	assert_string_equal(err->str, "err\n");
	ShimEvent *ev = await(b, "exec-exit");
	assert_string_equal(ev->exec_id, "one");
	assert_int_equal(ev->exit->status, 5);
	dh_json_free(&shim_event_table, ev);

	dh_autofd int tty = exec_sh(b, "two", IN | OUT | RAW, "read x; stty size; tty");
	ShimRequest resize = {
		.op = (char *)"resize", .exec_id = (char *)"two", .height = 11, .width = 22};
	simple(b, &resize);
	assert_int_equal(write(tty, "\n", 1), 1);
	g_autoptr(GString) screen = read_all(tty);
	assert_non_null(strstr(screen->str, "11 22\r\n/dev/"));
	assert_int_equal(exec_status(b, "two"), 0);

	dh_autofd int killed = exec_sh(b, "three", OUT, "sleep 100");
	ShimRequest kill_req = {
		.op = (char *)"exec-kill", .exec_id = (char *)"three", .signal = SIGTERM};
	simple(b, &kill_req);
	g_autoptr(GString) nothing = read_all(killed);
	assert_int_equal(exec_status(b, "three"), 143);
	kill_it(b);
	assert_int_equal(await_exit(b), 137);
	assert_gone(b);
}

static void test_exec_fails(void **state)
{
	Box *b = *state;
	need_root(b);
	start(b, "sleep 100");
	static const struct {
		const char *args[2];
		DhError code;
		int status;
		const char *text;
	} cases[] = {
		{{"nonexistent"}, DH_ERROR_EXEC_NOT_FOUND, 127,
			"OCI runtime exec failed: exec failed: unable to start container process: "
			"exec: "
			"\"nonexistent\": executable file not found in $PATH"},
		{{"/etc/passwd"}, DH_ERROR_EXEC_NOT_RUNNABLE, 126, "permission denied"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *id = g_strdup_printf("e%u", i);
		dh_autofd int fd = exec_it(b, id, OUT | ERR, cases[i].args, &error);
		assert_true(g_error_matches(error, DH_ERROR, (gint)cases[i].code));
		shutdown(fd, SHUT_WR);
		g_autoptr(GString) all = read_all(fd);
		assert_string_equal(all->str, "");
		assert_non_null(strstr(error->message, cases[i].text));
		assert_int_equal(exec_status(b, id), cases[i].status);
	}
	kill_it(b);
	assert_int_equal(await_exit(b), 137);
	assert_gone(b);
}

static void test_exec_background(void **state)
{
	Box *b = *state;
	need_root(b);
	start(b, "sleep 100");
	gint64 begin = g_get_monotonic_time();
	dh_autofd int fd = exec_sh(b, "bg", OUT,
		"(sleep 0.5; echo one; sleep 7; echo two; echo done > /tmp/done; sleep 100) & echo "
		"hi");
	shutdown(fd, SHUT_WR);
	g_autoptr(GString) all = read_all(fd);
	assert_in_range((g_get_monotonic_time() - begin) / 1000, 1900, 7000);
	g_autoptr(GString) out = unframe(all, 1);
	assert_string_equal(out->str, "hi\none\n");
	assert_int_equal(exec_status(b, "bg"), 0);
	/* What is left in the background has not lost its output's reader. */
	dh_autofd int look = exec_sh(b, "look", OUT,
		"i=0; while [ ! -e /tmp/done ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done; "
		"cat /tmp/done");
	shutdown(look, SHUT_WR);
	g_autoptr(GString) found = read_all(look);
	g_autoptr(GString) text = unframe(found, 1);
	assert_string_equal(text->str, "done\n");
	kill_it(b);
	assert_int_equal(await_exit(b), 137);
	assert_gone(b);
}

/* Execs end before the container does, and their clients get what they wrote. */
static void test_exec_at_the_end(void **state)
{
	Box *b = *state;
	need_root(b);
	b->config.open_stdin = TRUE;
	start(b, "sleep 100");
	dh_autofd int fd = exec_sh(b, "e", OUT,
		"busybox yes | head -c 400000; echo; echo end; : > /tmp/end; sleep 100");
	/* Until all of it is on the way to a client that does not read. */
	dh_autofd int look =
		exec_sh(b, "look", OUT, "until [ -e /tmp/end ]; do sleep 0.05; done; echo there");
	shutdown(look, SHUT_WR);
	g_autoptr(GString) there = read_all(look);
	ShimEvent *ev = await(b, "exec-exit");
	assert_string_equal(ev->exec_id, "look");
	dh_json_free(&shim_event_table, ev);
	kill_it(b);
	ev = await(b, "exec-exit");
	assert_int_equal(ev->exit->status, 137);
	dh_json_free(&shim_event_table, ev);
	assert_int_equal(await_exit(b), 137);
	shutdown(fd, SHUT_WR);
	g_autoptr(GString) all = read_all(fd);
	g_autoptr(GString) out = unframe(all, 1);
	assert_int_equal(out->len, 400005);
	assert_gone(b);
}

/* ---- unfriendly peers ---- */

static int raw_connect(Box *b)
{
	g_autofree char *path = g_build_filename(b->run_dir, SHIM_SOCKET_NAME, NULL);
	int fd = dh_unix_connect(path, SOCK_SEQPACKET, NULL);
	assert_true(fd >= 0);
	return fd;
}

static guint open_descriptors(const Box *b)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/fd", b->shim);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	guint n = 0;
	while (g_dir_read_name(dir))
		n++;
	return n;
}

/* Once connections that were just given up are gone. */
static guint settled_descriptors(const Box *b)
{
	guint n = open_descriptors(b), next;
	for (g_usleep(50000); (next = open_descriptors(b)) < n; g_usleep(50000))
		n = next;
	return n;
}

static void status_works(Box *b)
{
	ShimRequest req = {.op = (char *)"status"};
	simple(b, &req);
}

static void test_garbage(void **state)
{
	Box *b = *state;
	need_root(b);
	start(b, "sleep 100");
	status_works(b);
	guint before = settled_descriptors(b);
	static const char *const messages[] = {"", "x", "{", "[]", "null", "{}", "{\"op\":null}",
		"{\"op\":7}", "{\"op\":\"nonsense\"}", "{\"op\":\"attach\"}",
		"{\"op\":\"attach\",\"client\":{}}", "{\"op\":\"exec\"}",
		"{\"op\":\"exec\",\"execId\":\"x\",\"process\":{}}",
		"{\"op\":\"exec\",\"execId\":\"x\",\"process\":{\"args\":[]}}",
		"{\"op\":\"exec\",\"execId\":\"x\",\"process\":{\"args\":[null]}}",
		"{\"op\":\"exec\",\"execId\":\"y\",\"process\":{\"args\":[\"true\"]}}",
		"{\"op\":\"exec\",\"execId\":\"z\",\"process\":{\"args\":[\"true\"],\"cwd\":\"/\"},"
		"\"client\":{\"stdout\":true}}",
		"{\"op\":\"exec\",\"execId\":\"w\",\"process\":{\"args\":[\"true\"],\"cwd\":\"/\"},"
		"\"hasSeccomp\":true}",
		"{\"op\":\"exec-status\"}", "{\"op\":\"exec-kill\",\"execId\":\"x\"}",
		"{\"op\":\"kill\",\"signal\":-1}", "{\"op\":\"kill\",\"signal\":99999999999}",
		"{\"op\":\"kill\",\"signal\":0}", "{\"op\":\"resize\",\"height\":-5}",
		"{\"op\":\"close-stdin\"}"};
	for (guint i = 0; i < G_N_ELEMENTS(messages); i++) {
		dh_autofd int fd = raw_connect(b);
		(void)dh_send_msg(fd, messages[i], strlen(messages[i]), NULL, 0, 0);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, 60000), 1);
	}
	/* Descriptors that nobody asked for, and too many of them. */
	int fds[16];
	for (guint i = 0; i < 16; i++)
		fds[i] = b->events;
	for (guint n = 1; n <= 16; n++) {
		dh_autofd int fd = raw_connect(b);
		assert_int_equal(dh_send_msg(fd, "{\"op\":\"status\"}", 15, fds, n, 0), 0);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, 60000), 1);
	}
	/* The longest message, and a longer one. */
	g_autofree char *big = g_strnfill(SHIM_MSG_MAX + 1, 'x');
	for (guint i = 0; i < 2; i++) {
		dh_autofd int fd = raw_connect(b);
		int size = SHIM_MSG_MAX * 2;
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
		assert_int_equal(dh_send_msg(fd, big, SHIM_MSG_MAX + i, NULL, 0, 0), 0);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, 60000), 1);
	}
	status_works(b);
	assert_int_equal(settled_descriptors(b), before);
	kill_it(b);
	assert_int_equal(await_exit(b), 137);
	assert_gone(b);
}

static void test_many_connections(void **state)
{
	Box *b = *state;
	need_root(b);
	start(b, "sleep 100");
	int fds[200];
	for (guint i = 0; i < 200; i++)
		fds[i] = raw_connect(b);
	/* One that asks and asks and never reads. */
	for (guint i = 0; i < 5000; i++)
		(void)dh_send_msg(fds[0], "{\"op\":\"subscribe\"}", 18, NULL, 0, MSG_DONTWAIT);
	for (guint i = 0; i < 200; i++)
		close(fds[i]);
	status_works(b);
	kill_it(b);
	assert_int_equal(await_exit(b), 137);
	assert_gone(b);
}

/* Of user and system time. */
static int ticks(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_auto(GStrv) fields = g_strsplit(strrchr(text, ')') + 2, " ", -1);
	return atoi(fields[11]) + atoi(fields[12]);
}

/* As few descriptors as there can be: nothing spins, and it recovers. */
static void test_no_descriptors(void **state)
{
	Box *b = *state;
	need_root(b);
	start(b, "sleep 100");
	status_works(b);
	struct rlimit old, few;
	assert_int_equal(prlimit(b->shim, RLIMIT_NOFILE, NULL, &old), 0);
	few = old;
	few.rlim_cur = settled_descriptors(b);
	assert_int_equal(prlimit(b->shim, RLIMIT_NOFILE, &few, NULL), 0);
	int fds[20];
	for (guint i = 0; i < 20; i++)
		fds[i] = raw_connect(b);
	int before = ticks(b->shim);
	g_usleep(200 * 1000);
	assert_true(ticks(b->shim) - before < 5);
	for (guint i = 0; i < 20; i++)
		close(fds[i]);
	assert_int_equal(prlimit(b->shim, RLIMIT_NOFILE, &old, NULL), 0);
	status_works(b);
	kill_it(b);
	assert_int_equal(await_exit(b), 137);
	assert_gone(b);
}

/* An exec with an environment of 200 KB fits into a message. */
static void test_large_request(void **state)
{
	Box *b = *state;
	need_root(b);
	start(b, "sleep 100");
	g_autofree char *value = g_strnfill(100000, 'v');
	g_autofree char *a = g_strconcat("A=", value, NULL), *c = g_strconcat("C=", value, NULL);
	char **old = b->rig->spec->process->env;
	b->rig->spec->process->env = g_strdupv((char *[]){(char *)"PATH=/bin", a, c, NULL});
	g_strfreev(old);
	dh_autofd int fd = exec_sh(b, "big", OUT, "echo ${#A} ${#C}");
	shutdown(fd, SHUT_WR);
	g_autoptr(GString) all = read_all(fd);
	g_autoptr(GString) out = unframe(all, 1);
	assert_string_equal(out->str, "100000 100000\n");
	kill_it(b);
	assert_int_equal(await_exit(b), 137);
	assert_gone(b);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_output),
		TEST(test_stdin),
		TEST(test_terminal),
		TEST(test_not_started),
		TEST(test_held_descriptors),
		TEST(test_signals_ignored),
		TEST(test_resubscribe),
		TEST(test_nobody_listens),
		TEST(test_shared_pid_namespace),
		TEST(test_slow_client),
		TEST(test_rotation),
		TEST(test_exec),
		TEST(test_exec_fails),
		TEST(test_exec_background),
		TEST(test_exec_at_the_end),
		TEST(test_garbage),
		TEST(test_many_connections),
		TEST(test_no_descriptors),
		TEST(test_large_request),
	};
	if (argc < 2) {
		print_message("usage: %s DHOW-SHIM\n", argv[0]);
		return 2;
	}
	pool = shim_pool_new(argv[1], 1);
	shim_pool_refill(pool);
	signal(SIGPIPE, SIG_IGN);
	int failed = cmocka_run_group_tests_name("shim_root", tests, NULL, NULL);
	shim_pool_free(pool);
	return failed;
}

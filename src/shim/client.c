/* SPDX-License-Identifier: MIT */
#include "shim/client.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/trace.h"
#include "runtime/cgroup.h"
#include "shim/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A start on a loaded machine may take long; a shim that is stuck for a minute will not come back.
 */
enum { START_TIMEOUT_MS = 60000, MAX_EXIT_RECORD = 4096 };

/* One message as text, or NULL: *error is set unless the peer closed the connection. */
static char *receive(int sock, int timeout_ms, size_t *ret_len, GError **error)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	int r;
	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r == 0) {
		dh_error(error, DH_ERROR_UNAVAILABLE, "the container's shim does not answer");
		return NULL;
	}
	/* MSG_TRUNC tells the length before anything is allocated. */
	char probe;
	ssize_t n;
	do
		n = recv(sock, &probe, 1, MSG_PEEK | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return NULL;
	if (n < 0 || n > SHIM_MSG_MAX) {
		dh_error_errno(error, n < 0 ? errno : EMSGSIZE, "receive from shim");
		return NULL;
	}
	g_autofree char *buf = g_malloc((size_t)n + 1);
	n = dh_recv_msg(sock, buf, (size_t)n, NULL, NULL, 0);
	if (n <= 0) {
		if (n < 0)
			dh_error_errno(error, errno, "receive from shim");
		return NULL;
	}
	buf[n] = '\0';
	*ret_len = (size_t)n;
	return g_steal_pointer(&buf);
}

ShimEvent *shim_next_event(int events, GError **error)
{
	size_t n;
	g_autofree char *text = receive(events, -1, &n, error);
	return text ? dh_json_parse_text(&shim_event_table, text, n, error) : NULL;
}

/* ---- starting ---- */

/* The row of descriptors that says what to run. */
static gboolean hand_over(
	int sock, const ShimConfig *config, const int *fds, guint n_fds, GError **error)
{
	g_autofree char *text = dh_json_emit_text(&shim_config_table, config);
	dh_autofd int memfd = dh_memfd("shim-config", text, strlen(text), error);
	if (memfd < 0)
		return FALSE;
	if (n_fds >= SHIM_MAX_FDS)
		return dh_error(error, DH_ERROR_INVALID, "too many descriptors to pass on");
	g_autofree int *row = g_new(int, n_fds + 1);
	row[0] = memfd;
	for (guint i = 0; i < n_fds; i++)
		row[SHIM_PLACE_FIRST + i] = fds[i];
	for (guint at = 0, n; at <= n_fds; at += n) {
		char left[16];
		n = MIN(n_fds + 1 - at, DH_MSG_MAX_FDS);
		snprintf(left, sizeof left, "%u", n_fds + 1 - at - n);
		if (dh_send_msg(sock, left, strlen(left), row + at, n, 0) < 0)
			return dh_error_errno(error, errno, "send to shim");
	}
	return TRUE;
}

/* A shim that says "failed" has tidied up; one that says nothing may have come any distance. */
static void end_by_force(const ShimConfig *config, int pidfd)
{
	const char *cgroup = config->oci->linux_ ? config->oci->linux_->cgroups_path : NULL;
	(void)rt_kill(pidfd, SIGKILL, NULL);
	if (cgroup && *cgroup)
		(void)rt_cgroup_end(cgroup, NULL);
	(void)dh_remove_tree(AT_FDCWD, config->run_dir, NULL);
}

/* The answer to a start: TRUE when the container runs. *ret_told: when not, the shim said why. */
static gboolean await_start(int sock, int64_t *ret_pid, gboolean *ret_told, GError **error)
{
	size_t n;
	g_autofree char *text = receive(sock, START_TIMEOUT_MS, &n, error);
	if (!text)
		return (error && *error) ? FALSE
					 : dh_error(error, DH_ERROR_SYSTEM,
						   "the container's shim ended without a word");
	ShimEvent *ev = dh_json_parse_text(&shim_event_table, text, n, error);
	if (!ev)
		return FALSE;
	gboolean ok = g_strcmp0(ev->event, "started") == 0;
	dh_trace_adopt(g_steal_pointer(&ev->trace));
	*ret_told = g_strcmp0(ev->event, "failed") == 0;
	if (ok)
		*ret_pid = ev->pid;
	else
		dh_error(error,
			ev->code >= 0 && ev->code < DH_ERROR_N_CODES ? (DhError)ev->code
								     : DH_ERROR_SYSTEM,
			"%s", ev->error ? ev->error : "the container could not be started");
	dh_json_free(&shim_event_table, ev);
	return ok;
}

gboolean shim_start(ShimPool *pool, const ShimConfig *config, const int *fds, guint n_fds,
	const ShimMeanwhile *meanwhile, int *ret_events, int64_t *ret_pid, pid_t *ret_shim_pid,
	int *ret_shim_pidfd, GError **error)
{
	g_auto(ShimIdle) s = SHIM_IDLE_NONE;
	gboolean told = FALSE;
	GError *failed = NULL;
	gboolean handed = FALSE;
	/* One that has died while it waited is passed over: it has seen nothing of the container.
	 */
	while (!handed) {
		gboolean waited;
		dh_trace("daemon: take a shim");
		if (!shim_pool_take(pool, &s, &waited, error))
			return FALSE;
		handed = hand_over(s.sock, config, fds, n_fds, waited ? NULL : error);
		if (!handed)
			shim_idle_end(&s);
		if (!handed && !waited)
			return FALSE;
	}
	dh_trace("daemon: configuration sent to the shim");
	if (meanwhile && meanwhile->fn)
		meanwhile->fn(meanwhile->arg);
	gboolean ok = await_start(s.sock, ret_pid, &told, &failed);
	dh_trace("daemon: the shim has answered");
	shim_pool_refill(pool);
	if (!ok) {
		if (!told)
			end_by_force(config, s.pidfd);
		(void)dh_reap(s.pidfd);
		g_propagate_error(error, failed);
		return FALSE;
	}
	*ret_events = dh_steal_fd(&s.sock);
	if (ret_shim_pid)
		*ret_shim_pid = s.pid;
	if (ret_shim_pidfd)
		*ret_shim_pidfd = dh_steal_fd(&s.pidfd);
	return TRUE;
}

/* ---- requests ---- */

static int connect_to(const char *run_dir, int flags, GError **error)
{
	g_autofree char *path = g_build_filename(run_dir, SHIM_SOCKET_NAME, NULL);
	g_autoptr(GError) failed = NULL;
	int sock = dh_unix_connect(path, SOCK_SEQPACKET | flags, &failed);
	/* A shim takes its socket away just before it says that its container has ended. */
	if (sock < 0 && access(path, F_OK) < 0)
		dh_error(error, DH_ERROR_NOT_FOUND, "the container has ended");
	else if (sock < 0)
		g_propagate_error(error, g_steal_pointer(&failed));
	return sock;
}

/* The answer to a request; an error of the shim's becomes ours. */
static ShimReply *take_reply(int sock, int timeout_ms, GError **error)
{
	size_t n;
	g_autoptr(GError) failed = NULL;
	g_autofree char *answer = receive(sock, timeout_ms, &n, &failed);
	if (!answer) {
		if (failed)
			g_propagate_error(error, g_steal_pointer(&failed));
		else
			dh_error(error, DH_ERROR_NOT_FOUND, "the container has ended");
		return NULL;
	}
	ShimReply *reply = dh_json_parse_text(&shim_reply_table, answer, n, error);
	if (reply && !reply->ok) {
		dh_error(error,
			reply->code >= 0 && reply->code < DH_ERROR_N_CODES ? (DhError)reply->code
									   : DH_ERROR_SYSTEM,
			"%s", reply->error ? reply->error : "the container's shim refused");
		dh_json_free(&shim_reply_table, reply);
		return NULL;
	}
	return reply;
}

static ShimReply *exchange(
	int sock, const ShimRequest *req, const int *fds, guint n_fds, GError **error)
{
	g_autofree char *text = dh_json_emit_text(&shim_request_table, req);
	size_t n = strlen(text);
	if (n > SHIM_MSG_MAX) {
		dh_error(error, DH_ERROR_INVALID, "request to the container's shim is too long");
		return NULL;
	}
	int size = SHIM_MSG_MAX * 2; /* room for one message of the greatest length */
	if (n > SHIM_MSG_MAX / 2)
		(void)setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (dh_send_msg(sock, text, n, fds, n_fds, 0) < 0) {
		if (errno == EPIPE || errno == ECONNRESET)
			dh_error(error, DH_ERROR_NOT_FOUND, "the container has ended");
		else
			dh_error_errno(error, errno, "send to shim");
		return NULL;
	}
	return take_reply(sock, SHIM_TIMEOUT_MS, error);
}

ShimReply *shim_request(
	const char *run_dir, const ShimRequest *req, const int *fds, guint n_fds, GError **error)
{
	dh_autofd int sock = connect_to(run_dir, 0, error);
	return sock < 0 ? NULL : exchange(sock, req, fds, n_fds, error);
}

/* ---- subscribing ---- */

/* A shim whose queue of connections is full is stuck: nobody waits for it here. */
static void ask_to_subscribe(ShimSubscription *s, int epoll, const char *text)
{
	dh_autofd int sock = connect_to(s->run_dir, SOCK_NONBLOCK, &s->error);
	if (sock < 0)
		return;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
	if (dh_send_msg(sock, text, strlen(text), NULL, 0, MSG_DONTWAIT) < 0)
		dh_error(&s->error, DH_ERROR_NOT_FOUND, "the container has ended");
	else if (epoll_ctl(epoll, EPOLL_CTL_ADD, sock, &ev) < 0)
		dh_error_errno(&s->error, errno, "epoll");
	else
		s->events = dh_steal_fd(&sock);
}

static void take_subscription(ShimSubscription *s, int epoll)
{
	(void)epoll_ctl(epoll, EPOLL_CTL_DEL, s->events, NULL);
	dh_set_nonblock(s->events, FALSE);
	ShimReply *reply = take_reply(s->events, 0, &s->error);
	if (reply)
		s->pid = reply->pid;
	else
		dh_close(&s->events);
	dh_json_free(&shim_reply_table, reply);
	s->answered = TRUE;
}

void shim_subscribe_all(ShimSubscription *subs, guint n)
{
	ShimRequest req = {.op = (char *)"subscribe"};
	g_autofree char *text = dh_json_emit_text(&shim_request_table, &req);
	dh_autofd int epoll = epoll_create1(EPOLL_CLOEXEC);
	guint missing = 0;
	for (guint i = 0; i < n; i++) {
		subs[i].events = -1;
		ask_to_subscribe(&subs[i], epoll, text);
		missing += subs[i].events >= 0;
	}
	gint64 until = g_get_monotonic_time() / 1000 + SHIM_TIMEOUT_MS;
	while (missing > 0) {
		struct epoll_event events[64];
		gint64 left = until - g_get_monotonic_time() / 1000;
		int r = left > 0 ? epoll_wait(epoll, events, G_N_ELEMENTS(events), (int)left) : 0;
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		for (int i = 0; i < r; i++)
			take_subscription(events[i].data.ptr, epoll);
		missing -= (guint)r;
	}
	for (guint i = 0; i < n && missing > 0; i++) {
		if (subs[i].events >= 0 && !subs[i].answered)
			(void)dh_set_nonblock(subs[i].events, FALSE);
	}
}

int shim_subscribe(const char *run_dir, int64_t *ret_pid, GError **error)
{
	ShimSubscription s = {.run_dir = run_dir};
	shim_subscribe_all(&s, 1);
	if (s.events >= 0 && !s.answered) {
		dh_close(&s.events);
		dh_error(&s.error, DH_ERROR_UNAVAILABLE, "the container's shim does not answer");
	}
	if (s.error)
		g_propagate_error(error, s.error);
	else if (ret_pid)
		*ret_pid = s.pid;
	return s.events;
}

/* ---- exit record ---- */

ShimExit *shim_read_exit(const char *dir, GError **error)
{
	g_autofree char *path = g_build_filename(dir, SHIM_EXIT_NAME, NULL);
	g_autoptr(GError) failed = NULL;
	size_t n;
	g_autofree char *text = dh_read_file(AT_FDCWD, path, MAX_EXIT_RECORD, &n, &failed);
	if (text)
		return dh_json_parse_text(&shim_exit_table, text, n, error);
	if (!g_error_matches(failed, DH_ERROR, DH_ERROR_NOT_FOUND))
		g_propagate_error(error, g_steal_pointer(&failed));
	return NULL;
}

gboolean shim_forget_exit(const char *dir, GError **error)
{
	g_autofree char *path = g_build_filename(dir, SHIM_EXIT_NAME, NULL);
	if (unlink(path) < 0 && errno != ENOENT)
		return dh_error_errno(error, errno, "remove %s", path);
	return TRUE;
}

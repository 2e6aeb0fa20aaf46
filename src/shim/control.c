/* SPDX-License-Identifier: MIT */
/*
 * control.c - theory of operation: requests come as single messages on SOCK_SEQPACKET connections
 * and are answered before the next is read; nothing a peer sends can end the shim. Only root may
 * connect. Events go to the connections that subscribed; a subscriber that does not read loses
 * events, not the shim its time: what matters is on disk and in "status".
 */
#include "shim/foreign.h"
#include "shim/shim.h"

#include "base/error.h"
#include "base/fd.h"
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CONTROLS = 64, MAX_FDS = 4 };

typedef struct {
	Shim *sh;
	int fd;
	Source *source;
	gboolean subscribed;
} Control;

typedef struct {
	const ShimRequest *req;
	int *fds; /* taken over by setting to -1 */
	size_t n_fds;
	Control *control;
} Call;

typedef gboolean (*Op)(Shim *sh, Call *call, ShimReply *reply, GError **error);

void control_free(void *p)
{
	Control *c = p;
	loop_remove(c->source);
	dh_close(&c->fd);
	g_free(c);
}

static int take_fd(Call *call, size_t i)
{
	return i < call->n_fds ? dh_steal_fd(&call->fds[i]) : -1;
}

/* ---- operations ---- */

static gboolean op_subscribe(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	(void)error;
	call->control->subscribed = TRUE;
	reply->pid = sh->main->pid;
	return TRUE;
}

static gboolean op_status(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	(void)call;
	(void)error;
	reply->pid = sh->main->pid;
	reply->exited = sh->ended;
	reply->exit = sh->ended ? &sh->main->exit : NULL;
	return TRUE;
}

static gboolean op_attach(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	(void)reply;
	dh_autofd int fd = take_fd(call, 0);
	if (!call->req->client || fd < 0)
		return dh_error(
			error, DH_ERROR_INVALID, "attach needs a client and its connection");
	session_attach(sh->main, call->req->client, dh_steal_fd(&fd));
	return TRUE;
}

static gboolean op_resize(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	(void)reply;
	Session *s = call->req->exec_id ? exec_lookup(sh, call->req->exec_id, error) : sh->main;
	return s && session_resize(s, call->req->height, call->req->width, error);
}

static gboolean kill_session(Session *s, int64_t signal, GError **error)
{
	if (s->ended)
		return dh_error(error, DH_ERROR_NOT_FOUND, "the process has ended");
	if (signal < 1 || signal > 64)
		return dh_error(
			error, DH_ERROR_INVALID, "Invalid signal: %" G_GINT64_FORMAT, signal);
	return rt_kill(s->pidfd, (int)signal, error);
}

static gboolean op_kill(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	(void)reply;
	if (is_foreign(sh) && !sh->main->ended && call->req->signal >= 1 && call->req->signal <= 64)
		return foreign_kill(sh, (int)call->req->signal, error);
	return kill_session(sh->main, call->req->signal, error);
}

static gboolean op_exec(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	int client = call->req->client ? take_fd(call, 0) : -1;
	dh_autofd int seccomp =
		call->req->has_seccomp ? take_fd(call, call->req->client ? 1 : 0) : -1;
	return exec_run(sh, call->req, client, seccomp, &reply->pid, error);
}

static gboolean op_exec_status(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	Session *s = exec_lookup(sh, call->req->exec_id, error);
	if (!s)
		return FALSE;
	reply->pid = s->pid;
	reply->exited = s->ended;
	reply->exit = s->ended ? &s->exit : NULL;
	return TRUE;
}

static gboolean op_exec_kill(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	(void)reply;
	Session *s = exec_lookup(sh, call->req->exec_id, error);
	return s && kill_session(s, call->req->signal, error);
}

static gboolean op_close_stdin(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	(void)call;
	(void)reply;
	(void)error;
	session_close_stdin(sh->main);
	return TRUE;
}

static gboolean freeze(Shim *sh, gboolean frozen, GError **error)
{
	if (sh->main->ended)
		return dh_error(error, DH_ERROR_NOT_FOUND, "the container has ended");
	return is_foreign(sh)
		       ? foreign_freeze(sh, frozen, error)
		       : rt_cgroup_freeze(sh->config->oci->linux_->cgroups_path, frozen, error);
}

static gboolean op_pause(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	(void)call;
	(void)reply;
	return freeze(sh, TRUE, error);
}

static gboolean op_resume(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	(void)call;
	(void)reply;
	return freeze(sh, FALSE, error);
}

static gboolean op_update(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	(void)reply;
	if (!call->req->resources)
		return dh_error(error, DH_ERROR_INVALID, "update needs resources");
	if (sh->main->ended)
		return dh_error(error, DH_ERROR_NOT_FOUND, "the container has ended");
	gboolean ok = is_foreign(sh) ? foreign_update(sh, call->req->resources, error)
				     : rt_cgroup_update(sh->config->oci->linux_->cgroups_path,
					       call->req->resources, error);
	if (!ok)
		return FALSE;
	oom_watch(sh, call->req->resources);
	return TRUE;
}

static const struct {
	const char *name;
	Op fn;
} ops[] = {
	{"subscribe", op_subscribe},
	{"status", op_status},
	{"attach", op_attach},
	{"resize", op_resize},
	{"kill", op_kill},
	{"exec", op_exec},
	{"exec-status", op_exec_status},
	{"exec-kill", op_exec_kill},
	{"close-stdin", op_close_stdin},
	{"pause", op_pause},
	{"resume", op_resume},
	{"update", op_update},
};

/* ---- messages ---- */

static gboolean dispatch(Shim *sh, Call *call, ShimReply *reply, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(ops); i++) {
		if (g_strcmp0(ops[i].name, call->req->op) == 0)
			return ops[i].fn(sh, call, reply, error);
	}
	return dh_error(
		error, DH_ERROR_INVALID, "unknown request %s", call->req->op ? call->req->op : "");
}

static gboolean send_text(Control *c, const char *text)
{
	return dh_send_msg(c->fd, text, strlen(text), NULL, 0, MSG_DONTWAIT) == 0;
}

static void answer(Control *c, const char *text, size_t n, int *fds, size_t n_fds)
{
	g_autoptr(GError) error = NULL;
	ShimReply reply = {0};
	ShimRequest *req = dh_json_parse_text(&shim_request_table, text, n, &error);
	Call call = {.req = req, .fds = fds, .n_fds = n_fds, .control = c};
	reply.ok = req && dispatch(c->sh, &call, &reply, &error);
	if (!reply.ok) {
		reply.code = error->domain == DH_ERROR ? error->code : DH_ERROR_SYSTEM;
		reply.error = error->message;
	}
	g_autofree char *out = dh_json_emit_text(&shim_reply_table, &reply);
	(void)send_text(c, out);
	dh_json_free(&shim_request_table, req);
}

static void control_ready(void *owner, uint32_t events)
{
	Control *c = owner;
	Shim *sh = c->sh;
	(void)events;
	int fds[MAX_FDS];
	size_t n_fds = MAX_FDS;
	char probe;
	ssize_t n = recv(c->fd, &probe, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	g_autofree char *buf = n > 0 && n <= SHIM_MSG_MAX ? g_malloc((size_t)n) : NULL;
	if (buf)
		n = dh_recv_msg(c->fd, buf, (size_t)n, fds, &n_fds, MSG_DONTWAIT);
	if (!buf || n <= 0) {
		g_ptr_array_remove(sh->controls, c);
		return;
	}
	answer(c, buf, (size_t)n, fds, n_fds);
	for (size_t i = 0; i < n_fds; i++)
		dh_close(&fds[i]);
}

void control_end(Shim *sh)
{
	g_clear_pointer(&sh->listener, loop_remove);
	dh_close(&sh->listen_fd);
	g_ptr_array_set_size(sh->controls, 0);
}

void control_event(Shim *sh, const ShimEvent *ev)
{
	g_autofree char *text = dh_json_emit_text(&shim_event_table, ev);
	for (guint i = 0; i < sh->controls->len; i++) {
		Control *c = sh->controls->pdata[i];
		if (c->subscribed)
			(void)send_text(c, text);
	}
}

/* ---- connections ---- */

void control_add(Shim *sh, int fd, gboolean subscribed)
{
	Control *c = g_new0(Control, 1);
	*c = (Control){.sh = sh, .fd = fd, .subscribed = subscribed};
	c->source = loop_add(sh->loop, fd, EPOLLIN, control_ready, c);
	if (c->source)
		g_ptr_array_add(sh->controls, c);
	else
		control_free(c);
}

/* No descriptor is free: a connection that stayed in the queue would be reported without end. */
static void refuse_connection(Shim *sh)
{
	dh_close(&sh->spare_fd);
	int fd = accept4(sh->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	dh_close(&fd);
	sh->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_ready(void *owner, uint32_t events)
{
	Shim *sh = owner;
	(void)events;
	dh_autofd int fd = accept4(sh->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t n = sizeof peer;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		refuse_connection(sh);
		return;
	}
	if (fd < 0 || sh->controls->len >= MAX_CONTROLS ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 || peer.uid != 0)
		return;
	control_add(sh, dh_steal_fd(&fd), FALSE);
}

gboolean control_listen(Shim *sh, GError **error)
{
	g_autofree char *path = g_build_filename(sh->config->run_dir, SHIM_SOCKET_NAME, NULL);
	sh->listen_fd = dh_unix_listen(path, SOCK_SEQPACKET | SOCK_NONBLOCK, 0600, error);
	if (sh->listen_fd < 0)
		return FALSE;
	sh->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sh->listener = loop_add(sh->loop, sh->listen_fd, EPOLLIN, listener_ready, sh);
	return sh->listener || dh_error_errno(error, errno, "epoll");
}

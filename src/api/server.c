/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * One libmicrohttpd daemon a listening socket, one thread a connection, blocking handlers. A
 * request passes here thus: its URI is noted (on_uri); its head is complete (the first call of
 * on_request: route and body policy, refusals of bodies); its body comes (further calls); it is
 * complete (the last call: the handler runs). A recorded answer goes back through libmicrohttpd,
 * which keeps the connection alive. A stream is written to the socket directly and ends the
 * connection: libmicrohttpd pulls content from a callback, while logs, events and archives are
 * pushed, and must be on the wire at once.
 *
 * An upgrade (handover.c) first ends the accepting. A connection that was accepted in that moment
 * is taken away from libmicrohttpd unread, one accepted before may still send its first request.
 *
 * Idle connections are closed after IDLE_SECONDS; the limit is lifted while a request is handled,
 * since libmicrohttpd would count the handler's time as idleness.
 */
#include "api/internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREAD_STACK (1024 * 1024) /* address space: what is not touched costs nothing */
#define CONNECTION_MEMORY (64 * 1024)
#define CONNECTIONS_MAX 16384
/* A connection is a descriptor, and a stream has three more; what is left is the containers'. */
#define FILES_PER_CONNECTION 4
#define IDLE_SECONDS 300u

static void set_idle_limit(struct MHD_Connection *c, unsigned seconds)
{
	MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	dh_trace("daemon: request comes");
	return request_new(cls, uri);
}

void request_enter(ApiRequest *r)
{
	ApiServer *s = r->server;
	g_mutex_lock(&s->lock);
	g_ptr_array_add(s->active, r);
	r->active = TRUE;
	g_mutex_unlock(&s->lock);
}

/* ---- cancelling ---- */

static void watch_for(int epoll, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events};
	(void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}

static int cancel_fd(ApiRequest *r, gboolean resumable)
{
	ApiServer *s = r->server;
	if (r->cancel_fd < 0) {
		r->cancel_fd = epoll_create1(EPOLL_CLOEXEC);
		watch_for(r->cancel_fd, r->fd, EPOLLRDHUP);
		watch_for(r->cancel_fd, s->stop_fd, EPOLLIN);
	}
	if (resumable && !r->resumable)
		watch_for(r->cancel_fd, s->yield_fd, EPOLLIN);
	g_mutex_lock(&s->lock);
	r->cancellable = TRUE;
	r->resumable |= resumable;
	g_cond_broadcast(&s->changed);
	g_mutex_unlock(&s->lock);
	return r->cancel_fd;
}

int api_cancel_fd(ApiRequest *r)
{
	return cancel_fd(r, FALSE);
}

int api_resumable_fd(ApiRequest *r)
{
	return cancel_fd(r, TRUE);
}

gboolean api_yields(const ApiRequest *r)
{
	return r->resumable && g_atomic_int_get(&r->server->yielding);
}

void request_leave(ApiRequest *r)
{
	ApiServer *s = r->server;
	g_mutex_lock(&s->lock);
	if (r->active)
		g_ptr_array_remove_fast(s->active, r);
	r->active = FALSE;
	g_cond_broadcast(&s->changed);
	g_mutex_unlock(&s->lock);
}

/* ---- connections ---- */

typedef struct {
	gboolean fresh;
} Connection;

/* Accepted when nobody is accepted any more. */
static gboolean leave_unread(ApiServer *s, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	int fd = change_places(info->connect_fd, NULL);
	if (fd >= 0)
		handover_keep_unread(s, fd);
	return fd >= 0;
}

static void on_connection(void *cls, struct MHD_Connection *c, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	ApiServer *s = cls;
	Connection *x = *context;
	g_mutex_lock(&s->lock);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		x = *context = g_new0(Connection, 1);
		x->fresh = !s->draining || !leave_unread(s, c);
		s->fresh += x->fresh;
	} else if (x) {
		s->fresh -= x->fresh;
		g_cond_broadcast(&s->changed);
		*context = NULL;
		g_free(x);
	}
	g_mutex_unlock(&s->lock);
}

static void note_request(ApiServer *s, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	Connection *x = info ? info->socket_context : NULL;
	g_mutex_lock(&s->lock);
	if (x && x->fresh) {
		x->fresh = FALSE;
		s->fresh--;
		g_cond_broadcast(&s->changed);
	}
	g_mutex_unlock(&s->lock);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **req_cls,
	enum MHD_RequestTerminationCode code)
{
	ApiRequest *r = *req_cls;
	*req_cls = NULL;
	if (!r)
		return;
	request_leave(r);
	set_idle_limit(connection, IDLE_SECONDS);
	request_free(r);
}

void request_run(ApiRequest *r)
{
	g_autoptr(GError) error = NULL;
	dh_trace(r->route->pattern);
	gboolean ok = r->route->handler(r, &error);
	dh_trace("daemon: handled");
	if (ok && r->reply == REPLY_NONE)
		api_reply_status(r, 200);
	if (ok || !error)
		return;
	if (r->reply == REPLY_STREAM)
		r->stream_aborted =
			TRUE; /* the status has been sent: all that is left is to break off */
	else
		reply_error(r, error);
}

static enum MHD_Result answer(ApiRequest *r)
{
	switch (r->reply) {
	case REPLY_STREAM:
		reply_stream_end(r);
		return MHD_NO;
	case REPLY_UPGRADE:
		request_leave(r);
		return upgrade_start(r);
	case REPLY_HANDED_OVER:
		handover_keep(r);
		return MHD_NO;
	case REPLY_RECORDED:
		return reply_send(r);
	case REPLY_NONE:
		break;
	}
	return MHD_NO;
}

static enum MHD_Result refuse_now(ApiRequest *r, const GError *error)
{
	if (error && (r->reply == REPLY_NONE || error->code == DH_ERROR_TOO_LARGE))
		reply_error(r, error);
	reply_send_early(r);
	return MHD_NO;
}

/* A body that is not worth waiting for. */
static gboolean announces_much(ApiRequest *r)
{
	const char *length = api_header(r, "Content-Length");
	return api_header(r, "Transfer-Encoding") ||
	       (length && g_ascii_strtoull(length, NULL, 10) > API_IGNORED_BODY_MAX);
}

/* The head has come. */
static enum MHD_Result begin(
	ApiRequest *r, struct MHD_Connection *c, const char *method, const char *version)
{
	g_autoptr(GError) error = NULL;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	r->begun = TRUE;
	r->connection = c;
	r->fd = info->connect_fd;
	r->http10 = strcmp(version, "HTTP/1.1") != 0;
	set_idle_limit(c, 0);
	request_enter(r);
	note_request(r->server, c);
	if (request_route(r, method, &error)) {
		if (!r->route->handler)
			dh_error(&error, DH_ERROR_NOT_BUILT, "%s %s is not built yet", method,
				r->route->pattern);
		else if (body_begin(r, &error))
			return MHD_YES;
	}
	if (announces_much(r))
		return refuse_now(r, error);
	reply_error(r, error);
	return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **req_cls)
{
	g_autoptr(GError) error = NULL;
	ApiRequest *r = *req_cls;
	if (!r)
		return MHD_NO;
	if (!r->begun)
		return begin(r, c, method, version);
	if (*size > 0) {
		size_t n = *size;
		*size = 0;
		if (body_take(r, data, n, &error))
			return MHD_YES;
		if (r->queue && !error)
			g_thread_join(g_steal_pointer(&r->queue->thread));
		return refuse_now(r, error);
	}
	if (r->queue || r->reply == REPLY_NONE) {
		if (!body_end(r, &error))
			reply_error(r, error);
		else if (!r->queue)
			request_run(r);
	}
	return answer(r);
}

static unsigned connections_max(void)
{
	struct rlimit files = {0};
	(void)getrlimit(RLIMIT_NOFILE, &files);
	return (unsigned)CLAMP(files.rlim_cur / FILES_PER_CONNECTION, 256, CONNECTIONS_MAX);
}

static struct MHD_Daemon *start_on(ApiServer *s, int fd)
{
	return MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
					MHD_USE_POLL | MHD_USE_ITC | MHD_ALLOW_UPGRADE,
		0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_LIMIT, connections_max(), MHD_OPTION_CONNECTION_TIMEOUT,
		IDLE_SECONDS, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
}

/* Never our own socket: when libmicrohttpd cannot start, it has closed what it was given, or not.
 */
static gboolean listen_on(ApiServer *s, int listener)
{
	struct stat ours, lent;
	int fd = fcntl(listener, F_DUPFD_CLOEXEC, 3);
	struct MHD_Daemon *d = fd >= 0 ? start_on(s, fd) : NULL;
	if (d) {
		g_ptr_array_add(s->daemons, d);
		g_array_append_val(s->lent, fd);
	} else if (fd >= 0 && fstat(listener, &ours) == 0 && fstat(fd, &lent) == 0 &&
		   ours.st_ino == lent.st_ino && ours.st_dev == lent.st_dev) {
		close(fd);
	}
	return d != NULL;
}

gboolean server_accept(ApiServer *s, GError **error)
{
	for (; s->accepting < s->listeners->len; s->accepting++) {
		if (!listen_on(s, g_array_index(s->listeners, int, s->accepting)))
			return dh_error(error, DH_ERROR_SYSTEM, "starting the HTTP server failed");
	}
	return TRUE;
}

void server_take(ApiServer *s, int fd)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof a;
	struct MHD_Daemon *last = s->daemons->pdata[s->daemons->len - 1];
	if (getpeername(fd, (struct sockaddr *)&a, &n) < 0 ||
		MHD_add_connection(last, fd, (struct sockaddr *)&a, n) != MHD_YES)
		dh_warn("a connection was lost in an upgrade: %s", g_strerror(errno));
}

void server_quiesce(ApiServer *s)
{
	for (guint i = 0; i < s->daemons->len; i++)
		(void)MHD_quiesce_daemon(s->daemons->pdata[i]);
	s->accepting = 0;
}

ApiServer *api_server_start(
	Engine *e, const int *listeners, guint n, const ApiHooks *hooks, GError **error)
{
	ApiServer *s = g_new0(ApiServer, 1);
	s->engine = e;
	s->hooks = hooks;
	s->daemons = g_ptr_array_new();
	s->active = g_ptr_array_new();
	s->unread = g_array_new(FALSE, FALSE, sizeof(int));
	s->handed = json_array();
	s->lent = g_array_new(FALSE, FALSE, sizeof(int));
	s->listeners = g_array_new(FALSE, FALSE, sizeof(int));
	g_array_append_vals(s->listeners, listeners, n);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	s->yield_fd = eventfd(0, EFD_CLOEXEC);
	g_mutex_init(&s->lock);
	g_cond_init(&s->changed);
	if (s->stop_fd >= 0 && s->yield_fd >= 0 && server_accept(s, error))
		return s;
	if (error && !*error)
		dh_error_errno(error, errno, "eventfd");
	api_server_stop(s, 0);
	return NULL;
}

void server_end_connections(ApiServer *s)
{
	for (guint i = 0; i < s->daemons->len; i++)
		MHD_stop_daemon(s->daemons->pdata[i]);
	g_ptr_array_set_size(s->daemons, 0);
	for (guint i = 0; i < s->lent->len; i++)
		close(g_array_index(s->lent, int, i));
	g_array_set_size(s->lent, 0);
}

void server_free(ApiServer *s)
{
	for (guint i = 0; i < s->unread->len; i++)
		close(g_array_index(s->unread, int, i));
	g_ptr_array_unref(s->daemons);
	g_ptr_array_unref(s->active);
	g_array_unref(s->unread);
	g_array_unref(s->lent);
	g_array_unref(s->listeners);
	json_decref(s->handed);
	dh_close(&s->stop_fd);
	dh_close(&s->yield_fd);
	g_mutex_clear(&s->lock);
	g_cond_clear(&s->changed);
	g_free(s);
}

/* Their threads are their own, so that libmicrohttpd neither breaks them off nor waits for them. */
static void end_resumed(ApiServer *s)
{
	g_mutex_lock(&s->lock);
	for (guint i = 0; i < s->active->len; i++) {
		const ApiRequest *r = s->active->pdata[i];
		if (r->resumed)
			shutdown(r->fd, SHUT_RDWR);
	}
	while (s->active->len > 0)
		g_cond_wait(&s->changed, &s->lock);
	g_mutex_unlock(&s->lock);
}

void api_server_stop(ApiServer *s, guint timeout_ms)
{
	if (!s)
		return;
	server_quiesce(s);
	gint64 until = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
	g_mutex_lock(&s->lock);
	/* Whoever waits for something to happen takes this for a client that went away. */
	g_atomic_int_set(&s->stopping, TRUE);
	eventfd_write(s->stop_fd, 1);
	while (s->active->len > 0 && g_cond_wait_until(&s->changed, &s->lock, until))
		;
	g_mutex_unlock(&s->lock);
	server_end_connections(s);
	end_resumed(s);
	for (guint i = 0; i < s->listeners->len; i++)
		close(g_array_index(s->listeners, int, i));
	server_free(s);
}

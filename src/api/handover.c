/* SPDX-License-Identifier: MIT */
/*
 * handover.c - theory of operation: a daemon is replaced by executing another program in its
 * process. What a client is waiting for then goes on there, on the same connection:
 *
 *   - who connects meanwhile waits in the queue of the listening socket, which stays open;
 *   - a connection that was accepted too late to be read is passed on as it is;
 *   - requests that are short are waited for;
 *   - those that may last for ever (logs, events, stats, wait) leave, at the moment when they would
 *     sleep, what they need to go on: where in the log, after which event; and what the client did
 *     not take yet. The next daemon calls the same handler with it.
 *
 * Whatever else lasts (a pull, a build, a stop with a long grace) is neither: the upgrade is
 * refused and says what it is, unless it is forced. Attached terminals are no requests any more:
 * their connections are the shim's.
 */
#include "api/internal.h"

#include "api/handlers.h"
#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRESH_MS = 1000, YIELD_MS = 3000, SETTLE_MS = 5000 };

/* ---- leaving ---- */

gboolean api_hand_over(ApiRequest *r, json_t *state)
{
	json_decref(r->state);
	r->state = state;
	r->reply = REPLY_HANDED_OVER;
	return TRUE;
}

void handover_keep_unread(ApiServer *s, int fd)
{
	g_array_append_val(s->unread, fd);
}

void handover_keep(ApiRequest *r)
{
	ApiServer *s = r->server;
	/* Without a connection the descriptor is already ours alone. */
	int fd = r->connection ? change_places(r->fd, NULL) : dh_steal_fd(&r->fd);
	if (fd < 0)
		return;
	g_autofree char *unsent =
		r->unsent ? g_base64_encode(r->unsent->data, r->unsent->len) : NULL;
	json_t *item = json_pack("{s:s, s:s, s:i, s:b, s:b, s:o}", "Method", r->route->method,
		"Uri", r->uri, "Fd", fd, "Http10", r->http10, "Begun", r->stream_begun, "State",
		g_steal_pointer(&r->state));
	if (unsent)
		json_object_set_new(item, "Unsent", json_string(unsent));
	g_mutex_lock(&s->lock);
	json_array_append_new(s->handed, item);
	g_mutex_unlock(&s->lock);
}

/* With the lock held: one that has to be waited for, or NULL. */
static const ApiRequest *find_busy(const ApiServer *s)
{
	for (guint i = 0; i < s->active->len; i++) {
		const ApiRequest *r = s->active->pdata[i];
		if (!r->resumable)
			return r;
	}
	return NULL;
}

/* Everybody, who came meanwhile included. */
static gboolean accept_again(ApiServer *s, GError **error)
{
	if (!server_accept(s, error))
		return FALSE;
	g_mutex_lock(&s->lock);
	g_autoptr(GArray) unread = s->unread;
	s->unread = g_array_new(FALSE, FALSE, sizeof(int));
	g_mutex_unlock(&s->lock);
	for (guint i = 0; i < unread->len; i++)
		server_take(s, g_array_index(unread, int, i));
	return TRUE;
}

static void end_drain(ApiServer *s)
{
	g_autoptr(GError) error = NULL;
	g_mutex_lock(&s->lock);
	s->draining = FALSE;
	g_mutex_unlock(&s->lock);
	if (!accept_again(s, &error))
		dh_log_error("nobody is accepted after the upgrade that was refused, trying again: "
			     "%s",
			error->message);
}

gboolean api_server_accepts(ApiServer *s)
{
	if (s->accepting == s->listeners->len)
		return TRUE;
	if (!accept_again(s, NULL))
		return FALSE;
	dh_info("accepting again");
	return TRUE;
}

gboolean api_server_drain(ApiServer *s, guint timeout_ms, gboolean force, GError **error)
{
	gint64 now = g_get_monotonic_time();
	gint64 until = now + (gint64)timeout_ms * 1000, fresh_until = now + FRESH_MS * 1000;
	g_autofree char *busy = NULL;
	g_mutex_lock(&s->lock);
	s->draining = TRUE;
	g_mutex_unlock(&s->lock);
	server_quiesce(s);
	g_mutex_lock(&s->lock);
	for (;;) {
		const ApiRequest *r = find_busy(s);
		now = g_get_monotonic_time();
		gboolean fresh = s->fresh > 0 && now < fresh_until;
		if (!r && !fresh)
			break;
		if (r && now >= until) {
			busy = g_strdup_printf(
				"%s %s", r->route ? r->route->method : "", r->uri ? r->uri : "");
			break;
		}
		g_cond_wait_until(&s->changed, &s->lock, r ? until : fresh_until);
	}
	g_mutex_unlock(&s->lock);
	if (!busy || force)
		return TRUE;
	end_drain(s);
	return dh_error(error, DH_ERROR_CONFLICT,
		"the daemon is busy with a request that cannot be handed over: %s", busy);
}

json_t *api_server_hand_over(ApiServer *s, gboolean *ret_quiet)
{
	gint64 until = g_get_monotonic_time() + YIELD_MS * 1000;
	g_atomic_int_set(&s->yielding, TRUE);
	eventfd_write(s->yield_fd, 1);
	g_mutex_lock(&s->lock);
	while (s->active->len > 0 && g_cond_wait_until(&s->changed, &s->lock, until))
		;
	gboolean all = s->active->len == 0;
	g_mutex_unlock(&s->lock);
	/* A thread that is stuck would be waited for: what it serves ends with the program. */
	if (all)
		server_end_connections(s);
	g_mutex_lock(&s->lock);
	json_t *unread = json_array();
	for (guint i = 0; i < s->unread->len; i++)
		json_array_append_new(unread, json_integer(g_array_index(s->unread, int, i)));
	g_array_set_size(s->unread, 0);
	/* Not shared with a thread that is late: it would add to it while others read it. */
	json_t *requests = s->handed;
	s->handed = json_array();
	g_mutex_unlock(&s->lock);
	json_t *state = json_pack("{s:o, s:o}", "Requests", requests, "Unread", unread);
	if (all)
		server_free(s);
	*ret_quiet = all;
	return state;
}

/* ---- arriving ---- */

const json_t *api_resumed(const ApiRequest *r)
{
	return r->resumed ? r->state : NULL;
}

void api_settled(void *request)
{
	ApiRequest *r = request;
	ApiServer *s = r->server;
	g_mutex_lock(&s->lock);
	s->settling -= r->settling;
	r->settling = FALSE;
	g_cond_broadcast(&s->changed);
	g_mutex_unlock(&s->lock);
}

static void await_settled(ApiServer *s)
{
	gint64 until = g_get_monotonic_time() + SETTLE_MS * 1000;
	g_mutex_lock(&s->lock);
	while (s->settling > 0 && g_cond_wait_until(&s->changed, &s->lock, until))
		;
	g_mutex_unlock(&s->lock);
}

/* What the client did not take from the daemon before. FALSE: it is gone, or still takes nothing
 * and the next daemon comes. */
static gboolean send_unsent(ApiRequest *r, const char *text)
{
	gsize n;
	if (!text)
		return TRUE;
	g_autofree guchar *bytes = g_base64_decode(text, &n);
	(void)api_resumable_fd(r);
	int left = reply_stream_send(r, bytes, n);
	if (left > 0)
		api_hand_over(r, json_incref(r->state));
	return left == 0;
}

/* When the daemon before has sent the head, an error can only be said by breaking off. */
static void answer_resumed(ApiRequest *r)
{
	if (r->reply == REPLY_HANDED_OVER) {
		handover_keep(r);
	} else if (r->stream_begun) {
		r->stream_aborted |= r->reply != REPLY_STREAM;
		reply_stream_end(r);
	} else if (r->reply == REPLY_RECORDED) {
		reply_send_early(r);
	}
}

/* The whole of a request that has no libmicrohttpd around it. */
static void *go_on(void *arg)
{
	ApiRequest *r = arg;
	g_autoptr(GError) error = NULL;
	const json_t *item = json_object_get(r->state, "Item");
	g_autofree char *unsent = g_strdup(json_string_value(json_object_get(item, "Unsent")));
	g_autofree char *method = g_strdup(json_string_value(json_object_get(item, "Method")));
	json_t *state = json_incref(json_object_get(item, "State"));
	json_decref(r->state);
	r->state = state;
	gboolean routed = request_route(r, method, &error);
	/* Of all that is waited for only a log goes with its container; and nobody waits for a
	 * client who has not taken what he was sent. */
	if (!routed || r->route->handler != api_container_logs || unsent)
		api_settled(r);
	if (!routed)
		reply_error(r, error);
	else if (send_unsent(r, unsent))
		request_run(r);
	api_settled(r);
	answer_resumed(r);
	/* After it nothing of the server, of which this thread holds up the end, is touched. */
	request_leave(r);
	dh_close(&r->fd);
	request_free(r);
	return NULL;
}

static void resume_one(ApiServer *s, const json_t *item)
{
	ApiRequest *r = request_new(s, json_string_value(json_object_get(item, "Uri")));
	r->fd = (int)json_integer_value(json_object_get(item, "Fd"));
	r->http10 = json_is_true(json_object_get(item, "Http10"));
	r->stream_begun = json_is_true(json_object_get(item, "Begun"));
	r->begun = r->resumed = r->settling = TRUE;
	r->state = json_pack("{s:O}", "Item", item);
	request_enter(r);
	g_mutex_lock(&s->lock);
	s->settling++;
	g_mutex_unlock(&s->lock);
	GThread *t = g_thread_try_new("resumed", go_on, r, NULL);
	if (t) {
		g_thread_unref(t);
		return;
	}
	api_settled(r);
	dh_close(&r->fd);
	request_leave(r);
	request_free(r);
}

void api_server_resume(ApiServer *s, const json_t *state)
{
	size_t i;
	json_t *item;
	json_array_foreach (json_object_get(state, "Requests"), i, item)
		resume_one(s, item);
	json_array_foreach (json_object_get(state, "Unread"), i, item)
		server_take(s, (int)json_integer_value(item));
	await_settled(s);
}

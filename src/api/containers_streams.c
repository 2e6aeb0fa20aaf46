/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

#include "base/fd.h"
#include "base/timefmt.h"
#include "container/logs.h"
#include "container/observe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* ---- attach ---- */

typedef struct {
	Container *container;
	AttachRequest attach;
	char *detach_keys;
	gboolean framed;
} Attach;

static void attach_free(void *arg)
{
	Attach *a = arg;
	container_unref(a->container);
	g_free(a->detach_keys);
	g_free(a);
}

static void attached(void *arg, int fd, const char *head, const void *preface, size_t n)
{
	Attach *a = arg;
	g_autoptr(GError) error = NULL;
	a->attach.head = head;
	a->attach.preface = preface;
	a->attach.preface_len = n;
	if (container_attach(a->container, &a->attach, fd, &error))
		return;
	g_autofree char *text = g_strdup_printf(
		"Error attaching: %s", error ? error->message : "container has ended");
	api_upgraded_tell(fd, a->framed ? 2 : 0, text);
}

gboolean api_container_attach(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	if (!c)
		return FALSE;
	Attach *a = g_new0(Attach, 1);
	a->detach_keys = g_strdup(api_query(r, "detachKeys"));
	a->container = container_ref(c);
	a->framed = !c->config->tty;
	a->attach = (AttachRequest){.use_stdin = api_query_bool(r, "stdin", FALSE),
		.use_stdout = api_query_bool(r, "stdout", FALSE),
		.use_stderr = api_query_bool(r, "stderr", FALSE),
		.stream = api_query_bool(r, "stream", FALSE),
		.logs = api_query_bool(r, "logs", FALSE),
		.detach_keys = a->detach_keys};
	if (!container_attach_check(c, &a->attach, error)) {
		attach_free(a);
		return FALSE;
	}
	api_upgrade(r, api_stream_type(r, c->config->tty), attached, a, attach_free);
	return TRUE;
}

/* ---- logs ---- */

static gboolean parse_time(ApiRequest *r, const char *name, int64_t *ret, GError **error)
{
	const char *v = api_query(r, name);
	*ret = 0;
	return !v || !*v || strcmp(v, "0") == 0 || dh_time_parse(v, dh_time_now(), ret, error);
}

/* Ours: positions=1 asks for positions, position=WORD goes on at one of them. */
static gboolean parse_positions(ApiRequest *r, LogsRequest *logs, LogsPosition *at, GError **error)
{
	const char *v = api_query(r, "position");
	*at = (LogsPosition){0};
	logs->tell = api_query_bool(r, "positions", FALSE);
	if (v && *v && !logs_position_parse(v, at))
		return dh_error(error, DH_ERROR_INVALID, "invalid position of a log: %s", v);
	return TRUE;
}

gboolean api_container_logs(ApiRequest *r, GError **error)
{
	LogsRequest logs = {.use_stdout = api_query_bool(r, "stdout", FALSE),
		.use_stderr = api_query_bool(r, "stderr", FALSE),
		.follow = api_query_bool(r, "follow", FALSE),
		.timestamps = api_query_bool(r, "timestamps", FALSE),
		.details = api_query_bool(r, "details", FALSE),
		.tail = -1};
	if (!logs.use_stdout && !logs.use_stderr)
		return dh_error(error, DH_ERROR_INVALID,
			"Bad parameters: you must choose at least one stream");
	if (!parse_time(r, "since", &logs.since, error) ||
		!parse_time(r, "until", &logs.until, error))
		return FALSE;
	LogsPosition at;
	if (!parse_positions(r, &logs, &at, error))
		return FALSE;
	/* Anything that is no number means all, as docker has it. */
	int64_t tail;
	if (api_query_int(r, "tail", -1, &tail, NULL) && tail >= 0)
		logs.tail = tail;
	g_autoptr(Container) c = api_container(r, error);
	if (!c || !container_logs_check(c, error))
		return FALSE;
	const json_t *before = api_resumed(r);
	if (before)
		at = (LogsPosition){
			.known = TRUE,
			.dev = (dev_t)json_integer_value(json_object_get(before, "Device")),
			.ino = (ino_t)json_integer_value(json_object_get(before, "Inode")),
			.pos = json_integer_value(json_object_get(before, "Position")),
		};
	logs.position = &at;
	logs.opened = api_settled;
	/* The name may be another's by the time when somebody goes on with it. */
	if (logs.tell)
		api_reply_header(r, "Dhow-Container", c->id);
	api_stream_begin(
		r, 200, logs.tell ? API_POSITIONED_STREAM : api_stream_type(r, c->config->tty));
	if (!container_logs(c, &logs, api_stream_write, r, api_resumable_fd(r), error))
		return FALSE;
	if (api_yields(r) && at.unfinished)
		return api_hand_over(
			r, json_pack("{s:I,s:I,s:I}", "Device", (json_int_t)at.dev, "Inode",
				   (json_int_t)at.ino, "Position", (json_int_t)at.pos));
	return TRUE;
}

/* ---- stats and top ---- */

/* Waits for the next full interval; FALSE: the client is gone. */
static gboolean wait_sample(ApiRequest *r, gint64 *next)
{
	for (;;) {
		gint64 left = *next - g_get_monotonic_time();
		struct pollfd p = {api_resumable_fd(r), POLLIN, 0};
		int n = left > 0 ? poll(&p, 1, (int)(left / 1000) + 1) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		*next += G_USEC_PER_SEC;
		return n == 0;
	}
}

static gboolean is_removed(Container *c)
{
	g_mutex_lock(&c->state_lock);
	gboolean removed = c->removed;
	g_mutex_unlock(&c->state_lock);
	return removed;
}

static gboolean stream_stats(ApiRequest *r, Container *c)
{
	gint64 next = g_get_monotonic_time() + G_USEC_PER_SEC;
	g_autoptr(json_t) previous = json_incref((json_t *)api_resumed(r));
	api_stream_begin(r, 200, "application/json");
	/* Who comes from another daemon got his sample there less than an interval ago. */
	if (previous && !wait_sample(r, &next))
		return api_yields(r) ? api_hand_over(r, g_steal_pointer(&previous)) : TRUE;
	do {
		/* A sample that fails is of a container that ends just now: the next one is empty.
		 */
		json_t *sample = container_stats(c, previous, NULL);
		if (!sample)
			continue;
		json_decref(previous);
		previous = json_incref(sample);
		if (api_stream_json(r, sample, "\n") != 0)
			break;
	} while (wait_sample(r, &next) && !is_removed(c));
	if (api_yields(r) && previous)
		return api_hand_over(r, g_steal_pointer(&previous));
	return TRUE;
}

gboolean api_container_stats(ApiRequest *r, GError **error)
{
	gboolean stream = api_query_bool(r, "stream", TRUE);
	gboolean one_shot = api_query_bool(r, "one-shot", FALSE);
	if (stream && one_shot)
		return dh_error(
			error, DH_ERROR_INVALID, "cannot have stream=true and one-shot=true");
	g_autoptr(Container) c = api_container(r, error);
	if (!c && stream && api_resumed(r)) { /* removed while daemons changed */
		g_clear_error(error);
		api_stream_begin(r, 200, "application/json");
		return TRUE;
	}
	if (!c)
		return FALSE;
	if (stream)
		return stream_stats(r, c);
	g_autoptr(json_t) sample = container_stats(c, NULL, error);
	/* Two samples, so that the client can compute a rate; one that does not run has none. */
	if (sample && !one_shot &&
		json_object_get(json_object_get(sample, "cpu_stats"), "system_cpu_usage")) {
		gint64 next = g_get_monotonic_time() + G_USEC_PER_SEC;
		if (!wait_sample(r, &next))
			return api_yields(r) ? api_hand_over(r, json_object()) : TRUE;
		json_t *second = container_stats(c, sample, error);
		json_decref(sample);
		sample = second;
	}
	if (!sample)
		return FALSE;
	api_reply_json(r, 200, json_incref(sample));
	return TRUE;
}

gboolean api_container_top(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	if (!c)
		return FALSE;
	json_t *body = container_top(c, api_query(r, "ps_args"), error);
	if (!body)
		return FALSE;
	api_reply_json(r, 200, body);
	return TRUE;
}

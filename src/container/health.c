/* SPDX-License-Identifier: MIT */
/*
 * health.c - theory of operation: a probe is an exec whose client is the daemon itself, at the
 * other end of a socket pair. A timer of the supervisor begins each probe; the probe waits, in a
 * thread of its own pool, for the stream's end, the time-out or the engine's closing, records the
 * result and sets the next timer. A probe belongs to one run of the container: one that outlives it
 * (the count of exits has changed) says nothing and is followed by none. While the container is
 * paused nothing is asked. With each date that is set, what is known is written to the container's
 * directory: a daemon that comes after this one goes on from there. What an unhealthy container is
 * to suffer (OnFailure) happens in the thread of the probe that found it so.
 *
 * Numbers and rules are dockerd's (HEALTHCHECK in the Dockerfile reference): within the start
 * period failures do not count as long as there was no success; the first one ends it.
 */
#include "container/health.h"
#include "container/internal.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timefmt.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_RESULTS = 5, MAX_OUTPUT = 4096, FRAME_HEADER = 8, DEFAULT_RETRIES = 3 };

#define DEFAULT_INTERVAL (30 * (int64_t)DH_NSEC)
#define DEFAULT_TIMEOUT (30 * (int64_t)DH_NSEC)
#define DEFAULT_START_INTERVAL (5 * (int64_t)DH_NSEC)
#define MS ((int64_t)1000000) /* ns */

static const char *const names[] = {"starting", "healthy", "unhealthy"};

void health_result_free(void *p)
{
	HealthResult *r = p;
	g_free(r->output);
	g_free(r);
}

void health_free(struct Health *h)
{
	if (!h)
		return;
	g_queue_clear_full(&h->results, health_result_free);
	g_free(h);
}

static int64_t or_default(int64_t value, int64_t fallback)
{
	return value > 0 ? value : fallback;
}

static gboolean has_check(const Container *c)
{
	const HealthConfig *h = c->config->healthcheck;
	return h && h->test && h->test[0] && strcmp(h->test[0], "NONE") != 0;
}

/* ---- configuration ---- */

gboolean health_validate(const HealthConfig *h, GError **error)
{
	if (!h)
		return TRUE;
	const struct {
		const char *name;
		int64_t value;
	} times[] = {
		{"Interval", h->interval},
		{"Timeout", h->timeout},
		{"StartPeriod", h->start_period},
		{"StartInterval", h->start_interval},
	};
	for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
		if (times[i].value != 0 && times[i].value < MS)
			return dh_error(error, DH_ERROR_INVALID,
				"%s in Healthcheck cannot be less than 1ms", times[i].name);
	}
	if (h->retries < 0)
		return dh_error(
			error, DH_ERROR_INVALID, "Retries in Healthcheck cannot be negative");
	if (h->test && h->test[0] && strcmp(h->test[0], "NONE") != 0 &&
		strcmp(h->test[0], "CMD") != 0 && strcmp(h->test[0], "CMD-SHELL") != 0)
		return dh_error(error, DH_ERROR_INVALID,
			"Unknown healthcheck type '%s' (expected 'CMD')", h->test[0]);
	static const char *const deeds[] = {"", "none", "restart", "stop", "kill", NULL};
	if (h->on_failure && !g_strv_contains(deeds, h->on_failure))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid OnFailure in Healthcheck: '%s' (expected none, restart, stop or "
			"kill)",
			h->on_failure);
	return TRUE;
}

/* The program and its arguments. Caller frees. */
static char **probe_command(const Container *c)
{
	const HealthConfig *h = c->config->healthcheck;
	if (strcmp(h->test[0], "CMD-SHELL") != 0)
		return g_strdupv(h->test + 1);
	static const char *const sh[] = {"/bin/sh", "-c", NULL};
	g_autoptr(GStrvBuilder) b = g_strv_builder_new();
	const char *const *shell = c->config->shell && c->config->shell[0]
					   ? (const char *const *)c->config->shell
					   : sh;
	for (; *shell; shell++)
		g_strv_builder_add(b, *shell);
	for (char **a = h->test + 1; *a; a++)
		g_strv_builder_add(b, *a);
	return g_strv_builder_end(b);
}

/* ---- what is known ---- */

json_t *health_json(const Container *c)
{
	if (!c->health)
		return NULL;
	json_t *log = json_array();
	for (GList *l = c->health->results.head; l; l = l->next) {
		const HealthResult *r = l->data;
		g_autofree char *start = dh_time_format(r->start);
		g_autofree char *end = dh_time_format(r->end);
		json_array_append_new(
			log, json_pack("{s:s, s:s, s:I, s:s}", "Start", start, "End", end,
				     "ExitCode", (json_int_t)r->code, "Output", r->output));
	}
	return json_pack("{s:s, s:I, s:o}", "Status", names[c->health->status], "FailingStreak",
		(json_int_t)c->health->failing, "Log", log);
}

/* Takes the result over. Returns the new status when it has changed, else NULL. */
static const char *note_result(Container *c, guint run, HealthResult *r)
{
	const HealthConfig *config = c->config->healthcheck;
	const char *changed = NULL;
	g_mutex_lock(&c->state_lock);
	struct Health *h = c->health;
	if (!h || c->exits != run || !c->state.running) {
		g_mutex_unlock(&c->state_lock);
		health_result_free(r);
		return NULL;
	}
	HealthStatus before = h->status;
	g_queue_push_tail(&h->results, r);
	if (h->results.length > MAX_RESULTS)
		health_result_free(g_queue_pop_head(&h->results));
	gboolean excused =
		before == HEALTH_STARTING && r->start - c->state.started_at < config->start_period;
	if (r->code == 0) {
		h->failing = 0;
		h->status = HEALTH_HEALTHY;
	} else if (!excused) {
		h->failing++;
		if (h->failing >= or_default(config->retries, DEFAULT_RETRIES))
			h->status = HEALTH_UNHEALTHY;
	}
	if (h->status != before)
		changed = c->state.health = names[h->status];
	g_mutex_unlock(&c->state_lock);
	return changed;
}

/* ---- a probe ---- */

/* Payload of docker's frames, up to MAX_OUTPUT bytes of it. */
typedef struct {
	GString *out;
	unsigned char header[FRAME_HEADER];
	guint have;
	guint32 left;
} Unframe;

static void unframe(Unframe *u, const char *p, size_t n)
{
	while (n > 0) {
		if (u->left == 0) {
			u->header[u->have++] = (unsigned char)*p++;
			n--;
			if (u->have == FRAME_HEADER) {
				guint32 size;
				memcpy(&size, u->header + 4, sizeof size);
				u->left = GUINT32_FROM_BE(size);
				u->have = 0;
			}
			continue;
		}
		size_t take = MIN(n, u->left);
		size_t room = u->out->len < MAX_OUTPUT ? MAX_OUTPUT - u->out->len : 0;
		g_string_append_len(u->out, p, (gssize)MIN(take, room));
		p += take;
		n -= take;
		u->left -= (guint32)take;
	}
}

/* Reads until the end; FALSE: out of time, or the engine closes. */
static gboolean collect(Container *c, int fd, gint64 until, GString *out)
{
	Unframe u = {.out = out};
	for (;;) {
		gint64 left = (until - g_get_monotonic_time() + 999) / 1000;
		struct pollfd p[2] = {
			{.fd = fd, .events = POLLIN},
			{.fd = c->engine->closing, .events = POLLIN},
		};
		if (left <= 0 || poll(p, 2, (int)MIN(left, G_MAXINT)) == 0 || p[1].revents)
			return FALSE;
		char buf[4096];
		ssize_t n = read(fd, buf, sizeof buf);
		if (n <= 0)
			return TRUE;
		unframe(&u, buf, (size_t)n);
	}
}

static HealthResult *run_probe(Container *c)
{
	const HealthConfig *config = c->config->healthcheck;
	int64_t timeout = or_default(config->timeout, DEFAULT_TIMEOUT);
	gint64 until = g_get_monotonic_time() + timeout / 1000;
	g_auto(GStrv) command = probe_command(c);
	ExecConfig exec = {.attach_stdout = TRUE, .attach_stderr = TRUE, .cmd = command};
	g_autoptr(GError) error = NULL;
	g_autoptr(GString) out = g_string_new(NULL);
	HealthResult *r = g_new0(HealthResult, 1);
	r->start = dh_time_now();
	r->code = -1;

	dh_autofd int ours = -1;
	dh_autofd int theirs = -1;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
		ours = pair[0];
		theirs = pair[1];
	}
	g_autofree char *id = exec_create(c, &exec, &error);
	g_autoptr(Exec) x = id ? exec_find(c->engine, id, &error) : NULL;
	gboolean ok = x && exec_start(x, theirs, 0, 0, NULL, 0, &error);
	dh_close(&theirs);
	if (ok && collect(c, ours, until, out) && exec_wait(x, until, &r->code)) {
		r->output = g_utf8_make_valid(out->str, (gssize)out->len);
	} else if (ok) {
		exec_kill(x);
		g_autofree char *limit = dh_duration_format(timeout);
		r->output = g_strdup_printf("Health check exceeded timeout (%s)", limit);
	} else {
		r->output = g_strdup(error ? error->message : "");
	}
	if (x)
		exec_forget(x);
	r->end = dh_time_now();
	return r;
}

/* Its run has become unhealthy and somebody wants that to have consequences. */
static void act_on_failure(Container *c)
{
	const char *deed = c->config->healthcheck->on_failure;
	g_autoptr(GError) error = NULL;
	gboolean ok = TRUE;
	if (g_strcmp0(deed, "restart") == 0)
		ok = container_restart(c, NULL, INT64_MIN, &error);
	else if (g_strcmp0(deed, "stop") == 0)
		ok = container_stop(c, NULL, INT64_MIN, &error);
	else if (g_strcmp0(deed, "kill") == 0)
		ok = container_kill_hard(c, &error);
	if (!ok && !g_error_matches(error, DH_ERROR, DH_ERROR_NOT_MODIFIED))
		dh_warn("container %s: unhealthy: %s", c->id, error->message);
}

static void schedule(Container *c);

static gboolean is_closing(Engine *e)
{
	struct pollfd p = {.fd = e->closing, .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

/* In the pool of probes; the reference is the caller's. */
void health_probe(void *container, void *unused)
{
	(void)unused;
	g_autoptr(Container) c = container;
	g_mutex_lock(&c->state_lock);
	guint run = c->exits;
	gboolean running = c->state.running;
	gboolean paused = c->state.paused;
	g_mutex_unlock(&c->state_lock);
	HealthResult *result = running && !paused ? run_probe(c) : NULL;
	if (is_closing(c->engine)) {
		/* Cut off: the next daemon probes again, as the date on record has passed. */
		if (result)
			health_result_free(result);
		return;
	}
	if (result) {
		const char *status = note_result(c, run, result);
		if (status) {
			g_autofree char *action = g_strdup_printf("health_status: %s", status);
			container_event(c, action, NULL);
			if (status == names[HEALTH_UNHEALTHY])
				act_on_failure(c);
		}
	}
	g_mutex_lock(&c->state_lock);
	gboolean goes_on = running && c->exits == run && c->state.running;
	g_mutex_unlock(&c->state_lock);
	if (goes_on)
		schedule(c);
}

/* A timer of an earlier run may come in addition to this run's: whoever finds the date passed first
 * takes it. */
static void begin_probe(Container *c)
{
	g_mutex_lock(&c->state_lock);
	gboolean due = g_get_monotonic_time() >= c->probe_due;
	if (due)
		c->probe_due = G_MAXINT64;
	g_mutex_unlock(&c->state_lock);
	if (due && !engine_push(c->engine, &c->engine->probes, container_ref(c)))
		container_unref(c);
}

/* Until the date that the next probe has. */
static void arm(Container *c)
{
	g_mutex_lock(&c->state_lock);
	int64_t left = (c->probe_due - g_get_monotonic_time()) / 1000;
	g_mutex_unlock(&c->state_lock);
	supervisor_after(c->engine->supervisor, c, MAX(left + 1, 1), begin_probe);
}

static void schedule(Container *c)
{
	const HealthConfig *config = c->config->healthcheck;
	int64_t interval = or_default(config->interval, DEFAULT_INTERVAL);
	g_mutex_lock(&c->state_lock);
	if (c->health->status == HEALTH_STARTING &&
		dh_time_now() - c->state.started_at < config->start_period)
		interval =
			MIN(interval, or_default(config->start_interval, DEFAULT_START_INTERVAL));
	c->probe_due = g_get_monotonic_time() + MAX(interval / 1000, 1000);
	g_autofree char *record = health_record_text(c);
	g_mutex_unlock(&c->state_lock);
	health_record_write(c, record);
	arm(c);
}

void health_begin(Container *c)
{
	if (!has_check(c))
		return;
	g_mutex_lock(&c->state_lock);
	health_free(c->health);
	c->health = g_new0(struct Health, 1);
	c->state.health = names[HEALTH_STARTING];
	g_mutex_unlock(&c->state_lock);
	schedule(c);
}

void health_resume(Container *c)
{
	if (!has_check(c))
		return;
	g_mutex_lock(&c->state_lock);
	gboolean known = health_record_read(c);
	if (known)
		c->state.health = names[c->health->status];
	g_mutex_unlock(&c->state_lock);
	if (known)
		arm(c);
	else
		health_begin(c);
}

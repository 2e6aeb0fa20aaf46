/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: one thread listens to all shims. For every running container it holds the
 * subscribed control connection and, for shims that this daemon started, a pidfd to reap them by.
 * The thread only hears and records (container_exited is short); what takes time is done in the
 * background. End of file without an exit event means that the shim died: then the container is
 * ended as lost.
 */
#include "container/internal.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/trace.h"
#include "shim/client.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct Supervisor {
	int epoll;
	int stop; /* eventfd */
	GThread *thread;
	GMutex lock;
	GHashTable *watches; /* set of Watch */
};

typedef struct {
	Container *c; /* NULL for the reaping of a shim */
	int fd;
	gboolean exited;            /* the exit event was seen */
	void (*timer)(Container *); /* fd is a timer */
} Watch;

/* Takes the descriptor over, whatever comes of it. */
static gboolean watch_add(
	Supervisor *s, Container *c, int fd, void (*timer)(Container *), GError **error)
{
	Watch *w = g_new0(Watch, 1);
	w->c = c ? container_ref(c) : NULL;
	w->fd = fd;
	w->timer = timer;
	g_mutex_lock(&s->lock);
	g_hash_table_add(s->watches, w);
	g_mutex_unlock(&s->lock);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = w};
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) == 0)
		return TRUE;
	dh_error_errno(error, errno, "supervise");
	g_mutex_lock(&s->lock);
	g_hash_table_remove(s->watches, w);
	g_mutex_unlock(&s->lock);
	return FALSE;
}

static void watch_free(void *p)
{
	Watch *w = p;
	dh_close(&w->fd);
	container_unref(w->c);
	g_free(w);
}

static void watch_remove(Supervisor *s, Watch *w)
{
	epoll_ctl(s->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	g_mutex_lock(&s->lock);
	g_hash_table_remove(s->watches, w);
	g_mutex_unlock(&s->lock);
}

static void exec_ended(Container *c, const ShimEvent *ev)
{
	g_autofree char *code =
		g_strdup_printf("%" G_GINT64_FORMAT, ev->exit ? ev->exit->status : (int64_t)-1);
	if (ev->exec_id)
		exec_note_end(c->engine, ev->exec_id, ev->exit ? ev->exit->status : 137);
	container_event(c, "exec_die", "execID", ev->exec_id, "exitCode", code, NULL);
}

static void set_unmounting(Container *c, gboolean on)
{
	g_mutex_lock(&c->state_lock);
	c->unmounting = on;
	container_changed(c);
	g_mutex_unlock(&c->state_lock);
}

static void shim_spoke(Supervisor *s, Watch *w)
{
	g_autoptr(GError) error = NULL;
	ShimEvent *ev = shim_next_event(w->fd, &error);
	if (!ev) {
		if (!w->exited) {
			if (error)
				dh_warn("container %s: %s", w->c->id, error->message);
			container_lost(w->c);
		} else {
			container_shim_gone(w->c);
		}
		set_unmounting(w->c, FALSE);
		watch_remove(s, w);
		return;
	}
	dh_trace_adopt(g_steal_pointer(&ev->trace));
	if (g_strcmp0(ev->event, "exit") == 0 && ev->exit && !w->exited) {
		dh_trace("daemon: exit heard");
		w->exited = TRUE;
		set_unmounting(w->c, TRUE);
		container_exited(w->c, ev->exit);
	} else if (g_strcmp0(ev->event, "oom") == 0) {
		container_event(w->c, "oom", NULL);
	} else if (g_strcmp0(ev->event, "exec-exit") == 0) {
		exec_ended(w->c, ev);
	} else if (g_strcmp0(ev->event, "detach") == 0) {
		container_event(
			w->c, ev->exec_id ? "exec_detach" : "detach", "execID", ev->exec_id, NULL);
	}
	dh_json_free(&shim_event_table, ev);
}

static void *supervise(void *arg)
{
	Supervisor *s = arg;
	for (;;) {
		struct epoll_event events[32];
		int n = epoll_wait(s->epoll, events, G_N_ELEMENTS(events), -1);
		for (int i = 0; i < n; i++) {
			Watch *w = events[i].data.ptr;
			if (!w)
				return NULL;
			if (w->timer) {
				container_background(w->c, w->timer);
				watch_remove(s, w);
			} else if (w->c) {
				shim_spoke(s, w);
			} else {
				(void)dh_reap(w->fd);
				watch_remove(s, w);
			}
		}
	}
}

Supervisor *supervisor_new(GError **error)
{
	Supervisor *s = g_new0(Supervisor, 1);
	g_mutex_init(&s->lock);
	s->watches = g_hash_table_new_full(NULL, NULL, watch_free, NULL);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->stop = eventfd(0, EFD_CLOEXEC);
	struct epoll_event ev = {.events = EPOLLIN};
	if (s->epoll < 0 || s->stop < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->stop, &ev) < 0) {
		dh_error_errno(error, errno, "epoll");
		supervisor_free(s);
		return NULL;
	}
	s->thread = g_thread_new("supervisor", supervise, s);
	return s;
}

void supervisor_stop(Supervisor *s)
{
	if (!s->thread)
		return;
	eventfd_write(s->stop, 1);
	g_thread_join(g_steal_pointer(&s->thread));
}

void supervisor_free(Supervisor *s)
{
	if (!s)
		return;
	supervisor_stop(s);
	g_hash_table_unref(s->watches);
	dh_close(&s->epoll);
	dh_close(&s->stop);
	g_mutex_clear(&s->lock);
	g_free(s);
}

void supervisor_add_child(Supervisor *s, int pidfd)
{
	g_autoptr(GError) error = NULL;
	if (!watch_add(s, NULL, pidfd, NULL, &error))
		dh_warn("a shim will not be reaped: %s", error->message);
}

json_t *supervisor_export(Supervisor *s)
{
	json_t *list = json_array();
	GHashTableIter it;
	gpointer key;
	g_mutex_lock(&s->lock);
	g_hash_table_iter_init(&it, s->watches);
	while (g_hash_table_iter_next(&it, &key, NULL)) {
		Watch *w = key;
		int fd = w->c ? -1 : fcntl(w->fd, F_DUPFD_CLOEXEC, 3);
		if (fd >= 0)
			json_array_append_new(list, json_integer(fd));
	}
	g_mutex_unlock(&s->lock);
	return list;
}

gboolean supervisor_add(Supervisor *s, Container *c, int events, int shim_pidfd, GError **error)
{
	g_autoptr(GError) failed = NULL;
	if (shim_pidfd >= 0 && !watch_add(s, NULL, shim_pidfd, NULL, &failed))
		dh_warn("container %s: its shim will not be reaped: %s", c->id, failed->message);
	return watch_add(s, c, events, NULL, error);
}

void supervisor_after(Supervisor *s, Container *c, int64_t ms, void (*fn)(Container *c))
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct itimerspec when = {
		.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000},
	};
	if (fd < 0 || timerfd_settime(fd, 0, &when, NULL) < 0) {
		dh_log_error("supervisor: timer: %s", g_strerror(errno));
		dh_close(&fd);
		return;
	}
	g_autoptr(GError) error = NULL;
	if (!watch_add(s, c, fd, fn, &error))
		dh_log_error("container %s: timer: %s", c->id, error->message);
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: one epoll descriptor, level-triggered. A source that is removed while its
 * event is already in hand is only marked, and freed when no collected event can point at it.
 * There are few timers, so they are a list. When the loop has been busy and then sees nothing for
 * half a second, memory that only activity needs is given back, once.
 */
#include "shim/loop.h"

#include "base/error.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

enum { IDLE_MSEC = 500 };

struct Source {
	Loop *loop;
	int fd;
	uint32_t events;
	SourceReady ready; /* NULL: removed */
	void *owner;
};

struct Timer {
	Loop *loop;
	gint64 when; /* monotonic, us */
	TimerFired fired;
	void *owner;
};

struct Loop {
	int epoll;
	gboolean quit, busy;
	GSList *removed;
	GSList *timers;
	char *buffer;
	TimerFired idle;
	void *idle_owner;
};

Loop *loop_new(GError **error)
{
	Loop *l = g_new0(Loop, 1);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		dh_error_errno(error, errno, "epoll_create");
		g_clear_pointer(&l, g_free);
	}
	return l;
}

Source *loop_add(Loop *l, int fd, uint32_t events, SourceReady ready, void *owner)
{
	Source *s = g_new0(Source, 1);
	*s = (Source){.loop = l, .fd = fd, .events = events, .ready = ready, .owner = owner};
	struct epoll_event ev = {.events = events, .data.ptr = s};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		g_clear_pointer(&s, g_free);
	return s;
}

void source_set_events(Source *s, uint32_t events)
{
	if (s->events == events)
		return;
	struct epoll_event ev = {.events = events, .data.ptr = s};
	s->events = events;
	epoll_ctl(s->loop->epoll, EPOLL_CTL_MOD, s->fd, &ev);
}

void loop_remove(Source *s)
{
	if (!s)
		return;
	epoll_ctl(s->loop->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	s->ready = NULL;
	s->loop->removed = g_slist_prepend(s->loop->removed, s);
}

static void free_removed(Loop *l)
{
	g_slist_free_full(g_steal_pointer(&l->removed), g_free);
}

/* ---- timers ---- */

Timer *loop_timer(Loop *l, guint msec, TimerFired fired, void *owner)
{
	Timer *t = g_new(Timer, 1);
	*t = (Timer){.loop = l,
		.when = g_get_monotonic_time() + (gint64)msec * 1000,
		.fired = fired,
		.owner = owner};
	l->timers = g_slist_prepend(l->timers, t);
	return t;
}

void timer_cancel(Timer *t)
{
	if (!t)
		return;
	t->loop->timers = g_slist_remove(t->loop->timers, t);
	g_free(t);
}

static Timer *next_timer(const Loop *l)
{
	Timer *first = NULL;
	for (GSList *i = l->timers; i; i = i->next) {
		Timer *t = i->data;
		if (!first || t->when < first->when)
			first = t;
	}
	return first;
}

/* TRUE: some did. */
static gboolean fire_timers(Loop *l)
{
	gint64 now = l->timers ? g_get_monotonic_time() : 0;
	gboolean any = FALSE;
	Timer *t;
	while (!l->quit && (t = next_timer(l)) && t->when <= now) {
		TimerFired fired = t->fired;
		void *owner = t->owner;
		timer_cancel(t);
		fired(owner);
		any = TRUE;
	}
	return any;
}

static int timeout(const Loop *l)
{
	const Timer *t = next_timer(l);
	gint64 left = l->busy ? IDLE_MSEC : -1;
	if (t) {
		gint64 until = MAX((t->when - g_get_monotonic_time() + 999) / 1000, 0);
		left = left < 0 ? until : MIN(left, until);
	}
	return (int)left;
}

/* ---- idling ---- */

char *loop_buffer(Loop *l)
{
	if (!l->buffer) {
		l->buffer = mmap(NULL, LOOP_BUFFER_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (l->buffer == MAP_FAILED)
			g_error("no memory");
	}
	return l->buffer;
}

void loop_on_idle(Loop *l, TimerFired idle, void *owner)
{
	l->idle = idle;
	l->idle_owner = owner;
}

static void go_idle(Loop *l)
{
	l->busy = FALSE;
	if (l->buffer)
		(void)madvise(l->buffer, LOOP_BUFFER_SIZE, MADV_DONTNEED);
	if (l->idle)
		l->idle(l->idle_owner);
}

/* ---- running ---- */

void loop_run(Loop *l)
{
	l->busy = TRUE;
	l->quit = FALSE;
	while (!l->quit) {
		struct epoll_event events[16];
		int n = epoll_wait(l->epoll, events, G_N_ELEMENTS(events), timeout(l));
		for (int i = 0; i < n && !l->quit; i++) {
			Source *s = events[i].data.ptr;
			if (s->ready)
				s->ready(s->owner, events[i].events);
		}
		gboolean fired = fire_timers(l);
		free_removed(l);
		if (n > 0 || fired)
			l->busy = TRUE;
		else if (n == 0 && l->busy)
			go_idle(l);
	}
}

void loop_quit(Loop *l)
{
	l->quit = TRUE;
}

void loop_free(Loop *l)
{
	if (!l)
		return;
	free_removed(l);
	g_slist_free_full(l->timers, g_free);
	if (l->buffer)
		munmap(l->buffer, LOOP_BUFFER_SIZE);
	close(l->epoll);
	g_free(l);
}

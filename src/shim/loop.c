/* SPDX-License-Identifier: MIT */
#include "shim/loop.h"

#include "base/error.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

struct Source {
	Loop *loop;
	int fd;
	uint32_t events;
	SourceReady ready; /* NULL: removed */
	void *owner;
};

struct Loop {
	int epoll;
	gboolean quit;
	GSList *removed; /* freed once no collected event can point at them */
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

uint32_t source_events(const Source *s)
{
	return s->events;
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

void loop_run(Loop *l)
{
	while (!l->quit) {
		struct epoll_event events[16];
		int n = epoll_wait(l->epoll, events, G_N_ELEMENTS(events), -1);
		for (int i = 0; i < n && !l->quit; i++) {
			Source *s = events[i].data.ptr;
			if (s->ready)
				s->ready(s->owner, events[i].events);
		}
		free_removed(l);
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
	close(l->epoll);
	g_free(l);
}

/* SPDX-License-Identifier: MIT */
/* loop.h - the shim's event loop: descriptors and who is told when they are ready, and timers. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct Loop Loop;
typedef struct Source Source;
typedef struct Timer Timer;
typedef void (*SourceReady)(void *owner, uint32_t events);
typedef void (*TimerFired)(void *owner);

enum { LOOP_BUFFER_SIZE = 128 * 1024 };

Loop *loop_new(GError **error);
/* events: EPOLLIN etc.; 0 still reports hang-ups. NULL only for descriptors that cannot be polled.
 */
Source *loop_add(Loop *l, int fd, uint32_t events, SourceReady ready, void *owner);
void source_set_events(Source *s, uint32_t events);
/* No more calls for it, also not for events that were already collected. Does not close. */
void loop_remove(Source *s);

/* Fires once; it is gone then, as after timer_cancel (NULL is accepted). */
Timer *loop_timer(Loop *l, guint msec, TimerFired fired, void *owner);
void timer_cancel(Timer *t);

/* LOOP_BUFFER_SIZE bytes to read into, for use until the callback returns: one for everybody, so
 * that a shim does not keep one for each thing it may have to read. */
char *loop_buffer(Loop *l);
/* Told when nothing has happened for half a second since something did. */
void loop_on_idle(Loop *l, TimerFired idle, void *owner);

/* Runs until loop_quit. */
void loop_run(Loop *l);
void loop_quit(Loop *l);
void loop_free(Loop *l);

/* SPDX-License-Identifier: MIT */
/* loop.h - the shim's event loop: descriptors and who is told when they are ready. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct Loop Loop;
typedef struct Source Source;
typedef void (*SourceReady)(void *owner, uint32_t events);

Loop *loop_new(GError **error);
/* events: EPOLLIN etc.; 0 still reports hang-ups. NULL only for descriptors that cannot be polled. */
Source *loop_add(Loop *l, int fd, uint32_t events, SourceReady ready, void *owner);
void source_set_events(Source *s, uint32_t events);
uint32_t source_events(const Source *s);
/* No more calls for it, also not for events that were already collected. Does not close. */
void loop_remove(Source *s);
/* Runs until loop_quit. */
void loop_run(Loop *l);
void loop_quit(Loop *l);
void loop_free(Loop *l);

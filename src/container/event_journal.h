/* SPDX-License-Identifier: MIT */
/*
 * event_journal.h - events on disk: append-only files of one line an event, the oldest of which are
 * thrown away. Survives the daemon; is not synced (a power cut may take the last seconds). The
 * caller locks all but reading.
 */
#pragma once

#include "container/events.h"

typedef struct EventJournal EventJournal;

enum { EVENT_JOURNAL_FILES = 4, EVENT_JOURNAL_DAYS = 30 };

/* dir is made if it is missing. file_size: bytes from which on a new file is begun; of those there
 * are EVENT_JOURNAL_FILES, and none is kept that was last written to EVENT_JOURNAL_DAYS ago. */
EventJournal *event_journal_open(const char *dir, int64_t file_size, GError **error);
void event_journal_close(EventJournal *j);

/* One write. What fails (no space) leaves a gap in the numbers, which is how readers know. */
void event_journal_append(EventJournal *j, const Event *e);

/* The files as they are now, oldest first: GArray of int with a clear function. Reading them needs
 * no lock. */
GArray *event_journal_files(EventJournal *j);

/* fn for each event with since <= time in one of these, oldest first, until fn returns < 0 (then
 * that is returned) or `before` (a number) is reached. */
typedef int (*EventFn)(void *arg, Event *e);
int event_journal_read(int fd, int64_t since, uint64_t before, EventFn fn, void *arg);

/* SPDX-License-Identifier: MIT */
/*
 * spool.h - an image archive read to its end, so that its members can be had in any order.
 *
 * A stream cannot go back, and manifest.json comes last. The members' bytes go to one unlinked file
 * in tmp/ (a small archive is gone again before the kernel has written it); names and
 * positions stay in memory.
 */
#pragma once

#include "store/internal.h"

#define SPOOL_MAX_MEMBERS 65536

typedef struct Spool Spool;

Spool *spool_read(Store *s, StoreRead read, void *arg, GError **error);
void spool_free(Spool *sp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spool, spool_free)

gboolean spool_has(Spool *sp, const char *name);
/* A whole member of at most CONFIG_MAX bytes, NUL-terminated; caller frees. */
char *spool_text(Spool *sp, const char *name, size_t *ret_len, GError **error);

/* Reads a member as a stream. */
typedef struct {
	int fd; /* the spool's */
	int64_t offset, left;
	Digest *digest; /* of what has been read; may be NULL */
} SpoolReader;
gboolean spool_open(Spool *sp, const char *name, SpoolReader *ret, GError **error);
/* StoreRead */
ssize_t spool_reader_read(void *reader, void *buf, size_t n);

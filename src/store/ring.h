/* SPDX-License-Identifier: MIT */
/*
 * ring.h - blocks of bytes on their way from one thread to another.
 *
 * The producer fills the block at the head while the consumer uses the one at the tail. Each waits
 * for the other, so that no more than RING_BLOCKS blocks are ever in memory.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#define RING_BLOCK (256 * 1024)
#define RING_BLOCKS 8

typedef struct Ring Ring;

Ring *ring_new(void);
/* When neither side uses it any more. */
void ring_free(Ring *r);

/* The producer: a block to fill, RING_BLOCK bytes; NULL: nobody wants it any more. Then how many
 * bytes (not 0) are in it. At the end, with or without an error, which is taken over. */
char *ring_room(Ring *r);
void ring_put(Ring *r, size_t n);
void ring_end(Ring *r, GError *error);

/* The consumer: the next bytes, valid until the next call: their number, 0 at the end, -1 with
 * error. Or it wants no more. */
ssize_t ring_next(Ring *r, const void **ret_buf, GError **error);
void ring_stop(Ring *r);

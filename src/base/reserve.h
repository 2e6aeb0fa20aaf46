/* SPDX-License-Identifier: MIT */
/*
 * reserve.h - space set aside on a file system, to be given up when it is full: a full disk must
 * not keep anybody from removing what fills it, nor the end of a container from being recorded.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct DhReserve DhReserve;

/* A file of this path that holds what the file system's size suggests (1 to 4 MiB), or as much of
 * it as there is room for. enabled FALSE: none, and one that is there is deleted. Never NULL: where
 * nothing can be set aside there is nothing to spend. */
DhReserve *dh_reserve_open(const char *path, gboolean enabled);
/* The space stays set aside. */
void dh_reserve_close(DhReserve *r);

/* Gives up a part of it; FALSE: nothing is left. In parts, because whoever fills the disk takes
 * what is given up, too. */
gboolean dh_reserve_spend(DhReserve *r);
/* The file system has less room left than a part of the reserve. */
gboolean dh_reserve_needed(const DhReserve *r);
/* Sets aside again what was given up, as far as there is room; after a failure not before a second
 * has passed, so that it may be called often. */
void dh_reserve_refill(DhReserve *r);
/* Bytes set aside now. */
int64_t dh_reserve_held(DhReserve *r);

/* SPDX-License-Identifier: MIT */
/*
 * pack.h - gzip, the same bytes for the same input: what is pushed twice has one digest. Input is
 * cut into blocks of one size before it is compressed, so that the writes' sizes do not matter.
 */
#pragma once

#include "store/store.h"

typedef struct Pack Pack;

/* Compressed bytes go to write. */
Pack *pack_new(StoreWrite write, void *arg);
void pack_free(Pack *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pack, pack_free)

/* A StoreWrite: 0, or -1 with the errno of write. */
int pack_write(void *pack, const void *buf, size_t n);
/* The end of the input. */
int pack_finish(Pack *p);

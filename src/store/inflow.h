/* SPDX-License-Identifier: MIT */
/* inflow.h - a byte stream from outside, decompressed (gzip, zstd, xz, bzip2 or as it is). */
#pragma once

#include "store/store.h"

typedef struct Inflow Inflow;

/* Reads from read/arg as far as needed; takes nothing over. ahead: a thread of its own reads and
 * decompresses up to INFLOW_AHEAD bytes ahead of inflow_next; only for a source whose read() ends
 * by itself in bounded time, since inflow_close waits for it. */
Inflow *inflow_open(StoreRead read, void *arg, gboolean ahead, GError **error);
void inflow_close(Inflow *in);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Inflow, inflow_close)

#define INFLOW_AHEAD (2 * 1024 * 1024)

/* The next bytes, valid until the next call: their number, 0 at the end, -1 with error. */
ssize_t inflow_next(Inflow *in, const void **ret_buf, GError **error);

/* SPDX-License-Identifier: MIT */
/* inflow.h - a byte stream from outside, decompressed (gzip, zstd, xz, bzip2 or as it is). */
#pragma once

#include "store/store.h"

typedef struct Inflow Inflow;

/* Reads from read/arg as far as needed; takes nothing over. ahead: a thread of its own reads and
 * decompresses a ring's blocks ahead of inflow_next; only for a source whose read() ends
 * by itself in bounded time, since inflow_close waits for it. */
Inflow *inflow_open(StoreRead read, void *arg, gboolean ahead, GError **error);
void inflow_close(Inflow *in);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Inflow, inflow_close)

/* The next bytes, valid until the next call: their number, 0 at the end, -1 with error. */
ssize_t inflow_next(Inflow *in, const void **ret_buf, GError **error);

/* sha256 of all that was given out; once, and only after inflow_next has told the end. */
char *inflow_digest(Inflow *in);

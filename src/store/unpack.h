/* SPDX-License-Identifier: MIT */
/*
 * unpack.h - decompression of a byte stream: gzip (ISA-L), zstd, or none. The formats of layers are
 * these three; xz and bzip2, which only `import` and `load` meet, go through libarchive.
 */
#pragma once

#include "store/store.h"

#define UNPACK_MAGIC 6 /* bytes that tell the formats apart */

typedef enum { UNPACK_PLAIN, UNPACK_GZIP, UNPACK_ZSTD, UNPACK_OTHER } UnpackKind;

/* From the first bytes of a stream; n < UNPACK_MAGIC only for a shorter stream. */
UnpackKind unpack_kind(const void *head, size_t n);

typedef struct Unpack Unpack;

/* kind is UNPACK_PLAIN, UNPACK_GZIP or UNPACK_ZSTD. */
Unpack *unpack_new(UnpackKind kind);
void unpack_free(Unpack *u);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Unpack, unpack_free)

/* Takes *n_in bytes at most and gives up to *n_out; both are set to what was done. eof: no input
 * follows what is given. Call it again while it gives output; FALSE with error for damaged data. */
gboolean unpack_step(Unpack *u, const void *in, size_t *n_in, gboolean eof, void *out,
	size_t *n_out, GError **error);

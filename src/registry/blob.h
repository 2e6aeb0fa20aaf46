/* SPDX-License-Identifier: MIT */
/*
 * blob.h - a blob of a registry as a stream of bytes, whatever happens to the connection.
 *
 * A broken download goes on where it stopped (Range), after a growing pause; a registry that cannot
 * do that is read from the start, and what is known already is skipped. The digest of all bytes is
 * compared at the end, and no byte beyond the announced size is taken.
 */
#pragma once

#include "registry/manifest.h"
#include "registry/session.h"

typedef struct Blob Blob;

/* Told of what has come, and of a pause before another attempt (seconds, 0 when it is over). */
typedef void (*BlobTell)(void *arg, int64_t offset, guint retry_seconds);

Blob *blob_new(Session *s, const char *path, const Descriptor *d, const HttpCancel *cancel,
	BlobTell tell, void *arg);
void blob_free(Blob *b);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Blob, blob_free)

/* A StoreRead: bytes, 0 at the verified end, -1 with errno; then blob_finish has the reason. */
ssize_t blob_read(void *blob, void *buf, size_t n);

/* Reads what is left and tells whether all of it was right. */
gboolean blob_finish(Blob *b, GError **error);
/* A small blob at once, NUL-terminated; caller frees. */
char *blob_text(Session *s, const char *path, const Descriptor *d, const HttpCancel *cancel,
	GError **error);

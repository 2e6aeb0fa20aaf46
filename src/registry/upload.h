/* SPDX-License-Identifier: MIT */
/* upload.h - blobs on their way to a registry. */
#pragma once

#include "registry/manifest.h"
#include "registry/session.h"
#include "store/internal.h"

/* HEAD: whether the repository has the blob. A failure to find out counts as no, unless it was
 * cancelled or the registry refuses us (then error is set). */
gboolean upload_exists(Session *s, const char *path, const char *digest, const HttpCancel *cancel,
	SessionError *fault, GError **error);

/* Begins an upload; with mount and from: asks for the blob of another repository. *ret_mounted:
 * nothing is left to do. Else the URL to send to; caller frees. NULL with error. */
char *upload_begin(Session *s, const char *path, const char *mount, const char *from,
	const HttpCancel *cancel, gboolean *ret_mounted, SessionError *fault, GError **error);

/* A small blob, in one request after the beginning. */
gboolean upload_text(Session *s, const char *path, const char *digest, const void *text, size_t n,
	const HttpCancel *cancel, SessionError *fault, GError **error);

/* Told of the uncompressed bytes sent. */
typedef void (*UploadTell)(void *arg, int64_t done);

/* Compresses a layer and sends it to an upload's URL, in one stream. *ret: digest, size, type. */
gboolean upload_layer(Session *s, Store *store, const Layer *l, const char *url,
	const HttpCancel *cancel, UploadTell tell, void *arg, Descriptor **ret, SessionError *fault,
	GError **error);

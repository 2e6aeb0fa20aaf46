/* SPDX-License-Identifier: MIT */
/* untar.h - one layer's tar stream becomes a directory and a recipe. */
#pragma once

#include "store/store.h"

#define UNTAR_MAX_ENTRIES 4000000
#define UNTAR_MAX_BYTES (1LL << 40) /* unpacked, and of the tar stream itself */
#define UNTAR_RESERVE (64LL << 20)  /* free space that a layer must leave */

typedef struct {
	char *diff_id;    /* sha256 of the uncompressed stream */
	int64_t size;     /* bytes in its files */
	int64_t tar_size; /* of the uncompressed stream */
} Untarred;

enum {
	UNTAR_LOWEST = 1 << 0, /* there is no layer below, whiteouts mean nothing */
	UNTAR_AHEAD = 1 << 1,  /* read and decompress in a thread of its own, see inflow_open */
};

/* Unpacks the stream (maybe compressed) into the empty directory dirfd: diff, recipe, extra.
 * Whatever fails leaves parts: the caller removes them. */
gboolean untar_layer(
	int dirfd, StoreRead read, void *arg, unsigned how, Untarred *ret, GError **error);

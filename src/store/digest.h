/* SPDX-License-Identifier: MIT */
/* digest.h - sha256 in the spelling of images: "sha256:<64 lower-case hex digits>". */
#pragma once

#include <glib.h>

#define DIGEST_PREFIX "sha256:"
#define DIGEST_LEN (7 + 64)

typedef struct Digest Digest;

Digest *digest_new(void);
void digest_free(Digest *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Digest, digest_free)
void digest_update(Digest *d, const void *buf, size_t n);
/* Ends it; caller frees the string. */
char *digest_finish(Digest *d);

char *digest_of(const void *buf, size_t n);

/* "sha256:" and 64 lower-case hex digits. */
gboolean digest_valid(const char *digest);
/* The 64 digits of a valid digest. */
static inline const char *digest_hex(const char *digest)
{
	return digest + 7;
}

/* Chain ID of a layer on top of another (NULL or "" for the lowest). Caller frees. */
char *digest_chain(const char *parent_chain, const char *diff_id);

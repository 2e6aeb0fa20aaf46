/* SPDX-License-Identifier: MIT */
#include "store/digest.h"

#include <string.h>

/* OpenSSL's SHA-256 itself, not EVP: with it the linker takes some 10 KB of the static libcrypto,
 * where EVP brings every algorithm and half a megabyte of tables into each daemon. */
#define OPENSSL_API_COMPAT 10100
#include <openssl/sha.h>

struct Digest {
	SHA256_CTX ctx;
};

Digest *digest_new(void)
{
	Digest *d = g_new(Digest, 1);
	SHA256_Init(&d->ctx);
	return d;
}

void digest_free(Digest *d)
{
	g_free(d);
}

void digest_update(Digest *d, const void *buf, size_t n)
{
	SHA256_Update(&d->ctx, buf, n);
}

char *digest_finish(Digest *d)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char md[SHA256_DIGEST_LENGTH];
	SHA256_Final(md, &d->ctx);
	char *out = g_malloc(DIGEST_LEN + 1);
	memcpy(out, DIGEST_PREFIX, 7);
	for (unsigned i = 0; i < sizeof md; i++) {
		out[7 + 2 * i] = digits[md[i] >> 4];
		out[8 + 2 * i] = digits[md[i] & 15];
	}
	out[DIGEST_LEN] = '\0';
	return out;
}

char *digest_of(const void *buf, size_t n)
{
	g_autoptr(Digest) d = digest_new();
	digest_update(d, buf, n);
	return digest_finish(d);
}

gboolean digest_valid(const char *digest)
{
	return strlen(digest) == DIGEST_LEN && strncmp(digest, DIGEST_PREFIX, 7) == 0 &&
	       strspn(digest_hex(digest), "0123456789abcdef") == 64;
}

char *digest_chain(const char *parent_chain, const char *diff_id)
{
	if (!parent_chain || !*parent_chain)
		return g_strdup(diff_id);
	g_autofree char *text = g_strconcat(parent_chain, " ", diff_id, NULL);
	return digest_of(text, strlen(text));
}

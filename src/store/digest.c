/* SPDX-License-Identifier: MIT */
#include "store/digest.h"

#include <openssl/evp.h>
#include <string.h>

struct Digest {
	EVP_MD_CTX *ctx;
};

Digest *digest_new(void)
{
	Digest *d = g_new0(Digest, 1);
	d->ctx = EVP_MD_CTX_new();
	/* Both fail only without memory, which GLib treats as the end as well. */
	if (!d->ctx || !EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL))
		g_error("sha256 cannot be set up");
	return d;
}

void digest_free(Digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	g_free(d);
}

void digest_update(Digest *d, const void *buf, size_t n)
{
	if (!EVP_DigestUpdate(d->ctx, buf, n))
		g_error("sha256 failed");
}

char *digest_finish(Digest *d)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (!EVP_DigestFinal_ex(d->ctx, md, &n))
		g_error("sha256 failed");
	char *out = g_malloc(DIGEST_LEN + 1);
	memcpy(out, DIGEST_PREFIX, 7);
	for (unsigned i = 0; i < n; i++) {
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

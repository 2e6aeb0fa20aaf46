/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fs.h"
#include "store/internal.h"

#include <string.h>
#include <unistd.h>

gboolean blob_put(Store *s, const char *digest, const char *text, size_t n, GError **error)
{
	return dh_write_file_atomic(s->blobs_fd, digest_hex(digest), text, n, 0600, error);
}

char *blob_get(Store *s, const char *digest, size_t *ret_len, GError **error)
{
	size_t n = 0;
	g_autofree char *text =
		dh_read_file(s->blobs_fd, digest_hex(digest), CONFIG_MAX, &n, error);
	if (!text)
		return NULL;
	g_autofree char *is = digest_of(text, n);
	if (strcmp(is, digest) != 0) {
		dh_error(error, DH_ERROR_INVALID, "blob %s is damaged", digest);
		return NULL;
	}
	*ret_len = n;
	return g_steal_pointer(&text);
}

void blob_delete(Store *s, const char *digest)
{
	(void)unlinkat(s->blobs_fd, digest_hex(digest), 0);
}

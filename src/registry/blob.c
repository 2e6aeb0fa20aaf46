/* SPDX-License-Identifier: MIT */
#include "registry/blob.h"

#include "base/error.h"
#include "store/digest.h"

#include <errno.h>
#include <string.h>

struct Blob {
	Session *session;
	char *url, *digest;
	int64_t size, offset;
	int64_t skip; /* bytes of the answer that are known already */
	HttpCancel cancel;
	BlobTell tell;
	void *arg;
	Digest *sum;
	SessionReply reply;
	guint failures; /* in a row, without a byte in between */
	gboolean verified;
	GError *error;
};

Blob *blob_new(Session *s, const char *path, const Descriptor *d, const HttpCancel *cancel,
	BlobTell tell, void *arg)
{
	Blob *b = g_new0(Blob, 1);
	b->session = session_ref(s);
	b->url = g_strdup_printf("/v2/%s/blobs/%s", path, d->digest);
	b->digest = g_strdup(d->digest);
	b->size = d->size;
	b->cancel = *cancel;
	b->tell = tell;
	b->arg = arg;
	b->sum = digest_new();
	return b;
}

void blob_free(Blob *b)
{
	if (!b)
		return;
	session_close(&b->reply);
	session_unref(b->session);
	digest_free(b->sum);
	g_clear_error(&b->error);
	g_free(b->url);
	g_free(b->digest);
	g_free(b);
}

/* "bytes 100-200/201": where it starts, or -1. */
static int64_t range_start(const HttpReply *h)
{
	const char *v = http_header(h, "content-range");
	if (!v || g_ascii_strncasecmp(v, "bytes ", 6) != 0 || !g_ascii_isdigit(v[6]))
		return -1;
	return g_ascii_strtoll(v + 6, NULL, 10);
}

static gboolean open_at_offset(Blob *b, SessionError *fault, GError **error)
{
	g_autofree char *range =
		b->offset ? g_strdup_printf("Range: bytes=%" G_GINT64_FORMAT "-", b->offset) : NULL;
	char *const headers[] = {range, NULL};
	const HttpRequest q = {
		.method = "GET", .url = b->url, .headers = headers, .cancel = b->cancel};
	if (!session_open(b->session, &q, &b->reply, fault, error))
		return FALSE;
	gboolean partial = http_status(b->reply.http) == 206;
	b->skip = partial ? 0 : b->offset;
	if (partial && range_start(b->reply.http) != b->offset) {
		session_close(&b->reply);
		fault->fault = SESSION_FAILED;
		return dh_error(error, DH_ERROR_SYSTEM,
			"the registry sent another range of %s than was asked for", b->digest);
	}
	return TRUE;
}

/* Decides on another attempt; FALSE: b->error is final. Takes e over. */
static gboolean try_again(Blob *b, const SessionError *fault, GError *e)
{
	gboolean passing = fault->fault == SESSION_BROKEN || fault->fault == SESSION_UNREACHABLE;
	session_close(&b->reply);
	b->failures++;
	if (!passing || b->failures >= session_max_attempts(b->session)) {
		b->error = e;
		return FALSE;
	}
	g_error_free(e);
	guint ms = session_backoff_ms(b->failures, fault->retry_after);
	if (b->tell)
		b->tell(b->arg, b->offset, (ms + 999) / 1000);
	if (!http_pause(&b->cancel, ms, &b->error))
		return FALSE;
	if (b->tell)
		b->tell(b->arg, b->offset, 0);
	return TRUE;
}

static gboolean at_end(Blob *b)
{
	g_autofree char *is = digest_finish(b->sum);
	b->verified = strcmp(is, b->digest) == 0;
	session_close(&b->reply);
	if (!b->verified)
		dh_error(&b->error, DH_ERROR_SYSTEM,
			"filesystem layer verification failed for digest %s", b->digest);
	return b->verified;
}

/* One read of the answer. Bytes, 0: nothing yet or the end, -1: the attempt failed. */
static ssize_t receive(Blob *b, void *buf, size_t n, SessionError *fault, GError **error)
{
	ssize_t got = http_read(b->reply.http, buf, n, error);
	if (got < 0) {
		HttpFault f = http_fault(b->reply.client);
		fault->fault = f == HTTP_FAULT_CANCELLED ? SESSION_CANCELLED : SESSION_BROKEN;
		return -1;
	}
	if (got == 0) {
		fault->fault = SESSION_BROKEN;
		dh_error(error, DH_ERROR_SYSTEM, "unexpected EOF");
		return -1;
	}
	if (b->skip > 0) {
		int64_t drop = MIN(b->skip, (int64_t)got);
		b->skip -= drop;
		got -= drop;
		memmove(buf, (char *)buf + drop, (size_t)got);
	}
	if ((int64_t)got > b->size - b->offset) {
		fault->fault = SESSION_FAILED;
		dh_error(error, DH_ERROR_SYSTEM,
			"%s is longer than the %" G_GINT64_FORMAT " bytes that the manifest says",
			b->digest, b->size);
		return -1;
	}
	return got;
}

ssize_t blob_read(void *blob, void *buf, size_t n)
{
	Blob *b = blob;
	while (!b->error && !b->verified) {
		SessionError fault = {.retry_after = -1};
		GError *e = NULL;
		if (b->offset == b->size) {
			if (at_end(b))
				return 0;
			break;
		}
		ssize_t got = -1;
		if (b->reply.http || open_at_offset(b, &fault, &e))
			got = receive(b, buf, n, &fault, &e);
		if (got < 0) {
			if (!try_again(b, &fault, e))
				break;
			continue;
		}
		if (got == 0)
			continue;
		digest_update(b->sum, buf, (size_t)got);
		b->offset += got;
		b->failures = 0;
		if (b->tell)
			b->tell(b->arg, b->offset, 0);
		return got;
	}
	if (b->verified)
		return 0;
	errno = EIO;
	return -1;
}

gboolean blob_finish(Blob *b, GError **error)
{
	g_autofree char *rest = g_malloc(64 * 1024);
	while (blob_read(b, rest, 64 * 1024) > 0)
		;
	if (b->verified)
		return TRUE;
	g_propagate_error(error, g_error_copy(b->error));
	return FALSE;
}

char *blob_text(
	Session *s, const char *path, const Descriptor *d, const HttpCancel *cancel, GError **error)
{
	if (d->size > SESSION_BODY_MAX) {
		dh_error(error, DH_ERROR_SYSTEM, "%s is larger than %d bytes", d->digest,
			SESSION_BODY_MAX);
		return NULL;
	}
	g_autoptr(Blob) b = blob_new(s, path, d, cancel, NULL, NULL);
	g_autofree char *text = g_malloc((gsize)d->size + 1);
	size_t have = 0;
	ssize_t n;
	while ((n = blob_read(b, text + have, (size_t)d->size - have + 1)) > 0)
		have += (size_t)n;
	if (!blob_finish(b, error))
		return NULL;
	text[have] = '\0';
	return g_steal_pointer(&text);
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Layers are gzip, zstd or plain tar: these are decompressed here. The first bytes tell which; a
 * stream of another kind (xz, bzip2) is left to libarchive, which sees it from its start.
 *
 * Reading ahead is a thread that fills the blocks of a ring. Reading, inflating and hashing on one
 * side, parsing and writing on the other are the two halves of the work of a pull, and take about
 * as long.
 */
#include "store/inflow.h"

#include "base/error.h"
#include "store/digest.h"
#include "store/ring.h"
#include "store/unpack.h"

#include <archive.h>
#include <errno.h>
#include <string.h>

#define CHUNK RING_BLOCK

struct Inflow {
	StoreRead read;
	void *arg;
	int read_errno; /* of the source, told from a fault in the data */

	char in[CHUNK];
	size_t in_pos, in_len;
	gboolean in_eof;
	Unpack *unpack;    /* or: */
	struct archive *a; /* xz, bzip2 */
	gboolean handed;   /* libarchive has had `in` */

	Digest *digest;  /* of what is given out */
	GThread *thread; /* NULL: not ahead */
	Ring *ring;      /* with a thread; or: */
	char *block;
};

/* ---- the source ---- */

static gboolean more_input(Inflow *in, GError **error)
{
	ssize_t n;
	do
		n = in->read(in->arg, in->in, sizeof in->in);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		in->read_errno = errno ? errno : EIO;
		return dh_error_errno(error, in->read_errno, "read archive");
	}
	in->in_pos = 0;
	in->in_len = (size_t)n;
	in->in_eof = n == 0;
	return TRUE;
}

/* Enough bytes to tell the format by. */
static gboolean first_input(Inflow *in, GError **error)
{
	while (in->in_len < UNPACK_MAGIC) {
		ssize_t n = in->read(in->arg, in->in + in->in_len, sizeof in->in - in->in_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dh_error_errno(error, errno, "read archive");
		if (n == 0) {
			in->in_eof = TRUE;
			break;
		}
		in->in_len += (size_t)n;
	}
	return TRUE;
}

/* ---- libarchive ---- */

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret_buf)
{
	(void)a;
	Inflow *in = arg;
	*ret_buf = in->in;
	if (!in->handed) {
		in->handed = TRUE;
		return (la_ssize_t)in->in_len;
	}
	if (!in->in_eof && !more_input(in, NULL))
		return -1;
	return (la_ssize_t)(in->in_eof ? 0 : in->in_len);
}

static gboolean archive_fault(Inflow *in, GError **error)
{
	if (in->read_errno)
		return dh_error_errno(error, in->read_errno, "read archive");
	const char *text = archive_error_string(in->a);
	return dh_error(error, DH_ERROR_INVALID, "invalid archive: %s",
		text ? text : "it cannot be decompressed");
}

static gboolean open_archive(Inflow *in, GError **error)
{
	struct archive_entry *entry;
	in->a = archive_read_new();
	archive_read_support_filter_xz(in->a);
	archive_read_support_filter_bzip2(in->a);
	archive_read_support_format_raw(in->a);
	if (archive_read_open(in->a, in, NULL, on_read, NULL) != ARCHIVE_OK)
		return archive_fault(in, error);
	int r = archive_read_next_header(in->a, &entry);
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN && r != ARCHIVE_EOF)
		return archive_fault(in, error);
	return TRUE;
}

static ssize_t fill_archive(Inflow *in, char *out, size_t room, GError **error)
{
	la_ssize_t n = archive_read_data(in->a, out, room);
	if (n < 0) {
		archive_fault(in, error);
		return -1;
	}
	return n;
}

/* ---- decompression ---- */

/* Up to room bytes of plain data; 0 at the end, -1 with error. */
static ssize_t fill(Inflow *in, char *out, size_t room, GError **error)
{
	if (in->a)
		return fill_archive(in, out, room, error);
	size_t got = 0;
	while (got < room) {
		if (in->in_pos == in->in_len && !in->in_eof && !more_input(in, error))
			return -1;
		size_t n_in = in->in_len - in->in_pos, n_out = room - got;
		if (!unpack_step(in->unpack, in->in + in->in_pos, &n_in, in->in_eof, out + got,
			    &n_out, error))
			return -1;
		in->in_pos += n_in;
		got += n_out;
		if (n_in == 0 && n_out == 0) {
			if (in->in_eof)
				break;
			in->in_pos = in->in_len; /* padding behind the data */
		}
	}
	return (ssize_t)got;
}

/* ---- reading ahead ---- */

static void *produce(void *arg)
{
	Inflow *in = arg;
	GError *e = NULL;
	char *block;
	ssize_t n;
	while ((block = ring_room(in->ring)) && (n = fill(in, block, CHUNK, &e)) > 0) {
		digest_update(in->digest, block, (size_t)n);
		ring_put(in->ring, (size_t)n);
	}
	ring_end(in->ring, e);
	return NULL;
}

/* ---- both ---- */

Inflow *inflow_open(StoreRead read, void *arg, gboolean ahead, GError **error)
{
	g_autoptr(Inflow) in = g_new0(Inflow, 1);
	in->digest = digest_new();
	in->read = read;
	in->arg = arg;
	if (!first_input(in, error))
		return NULL;
	UnpackKind kind = unpack_kind(in->in, in->in_len);
	if (kind == UNPACK_OTHER) {
		if (!open_archive(in, error))
			return NULL;
	} else {
		in->unpack = unpack_new(kind);
	}
	if (ahead) {
		in->ring = ring_new();
		in->thread = g_thread_try_new("inflate", produce, in, error);
		if (!in->thread)
			return NULL;
	}
	return g_steal_pointer(&in);
}

void inflow_close(Inflow *in)
{
	if (!in)
		return;
	if (in->thread) {
		ring_stop(in->ring);
		g_thread_join(in->thread);
	}
	unpack_free(in->unpack);
	archive_read_free(in->a);
	ring_free(in->ring);
	digest_free(in->digest);
	g_free(in->block);
	g_free(in);
}

ssize_t inflow_next(Inflow *in, const void **ret_buf, GError **error)
{
	if (in->thread)
		return ring_next(in->ring, ret_buf, error);
	if (!in->block)
		in->block = g_malloc(CHUNK);
	ssize_t n = fill(in, in->block, CHUNK, error);
	if (n > 0)
		digest_update(in->digest, in->block, (size_t)n);
	*ret_buf = in->block;
	return n;
}

char *inflow_digest(Inflow *in)
{
	return digest_finish(in->digest);
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Layers are gzip, zstd or plain tar: these are decompressed here. The first bytes tell which; a
 * stream of another kind (xz, bzip2) is left to libarchive, which sees it from its start.
 *
 * Reading ahead is a ring of blocks between two threads. The producer fills the block at `head`
 * while the consumer uses the one at `tail`; both indexes only grow. Inflating and unpacking, the
 * two halves of the work of a pull, thus run side by side.
 */
#include "store/inflow.h"

#include "base/error.h"
#include "store/unpack.h"

#include <archive.h>
#include <errno.h>
#include <string.h>

#define CHUNK (256 * 1024)
#define BLOCKS (INFLOW_AHEAD / CHUNK)

typedef struct {
	char *bytes; /* CHUNK */
	size_t n;
} Block;

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

	GThread *thread; /* NULL: not ahead */
	GMutex lock;
	GCond changed;
	Block blocks[BLOCKS];
	guint head, tail;
	gboolean in_use; /* the consumer holds blocks[tail] */
	gboolean end, stop;
	GError *error;
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
	g_mutex_lock(&in->lock);
	while (!in->stop && !in->end) {
		if (in->head - in->tail == BLOCKS) {
			g_cond_wait(&in->changed, &in->lock);
			continue;
		}
		Block *b = &in->blocks[in->head % BLOCKS];
		g_mutex_unlock(&in->lock);
		if (!b->bytes)
			b->bytes = g_malloc(CHUNK);
		GError *e = NULL;
		ssize_t n = fill(in, b->bytes, CHUNK, &e);
		g_mutex_lock(&in->lock);
		if (n > 0) {
			b->n = (size_t)n;
			in->head++;
		} else {
			in->error = e;
			in->end = TRUE;
		}
		g_cond_broadcast(&in->changed);
	}
	g_mutex_unlock(&in->lock);
	return NULL;
}

static ssize_t consume(Inflow *in, const void **ret_buf, GError **error)
{
	ssize_t n = 0;
	g_mutex_lock(&in->lock);
	if (in->in_use) {
		in->in_use = FALSE;
		in->tail++;
		g_cond_broadcast(&in->changed);
	}
	while (in->head == in->tail && !in->end)
		g_cond_wait(&in->changed, &in->lock);
	if (in->head != in->tail) {
		const Block *b = &in->blocks[in->tail % BLOCKS];
		*ret_buf = b->bytes;
		n = (ssize_t)b->n;
		in->in_use = TRUE;
	} else if (in->error) {
		g_propagate_error(error, g_error_copy(in->error));
		n = -1;
	}
	g_mutex_unlock(&in->lock);
	return n;
}

/* ---- both ---- */

Inflow *inflow_open(StoreRead read, void *arg, gboolean ahead, GError **error)
{
	g_autoptr(Inflow) in = g_new0(Inflow, 1);
	g_mutex_init(&in->lock);
	g_cond_init(&in->changed);
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
		g_mutex_lock(&in->lock);
		in->stop = TRUE;
		g_cond_broadcast(&in->changed);
		g_mutex_unlock(&in->lock);
		g_thread_join(in->thread);
	}
	unpack_free(in->unpack);
	archive_read_free(in->a);
	for (guint i = 0; i < BLOCKS; i++)
		g_free(in->blocks[i].bytes);
	g_clear_error(&in->error);
	g_mutex_clear(&in->lock);
	g_cond_clear(&in->changed);
	g_free(in);
}

ssize_t inflow_next(Inflow *in, const void **ret_buf, GError **error)
{
	if (in->thread)
		return consume(in, ret_buf, error);
	Block *b = &in->blocks[0];
	if (!b->bytes)
		b->bytes = g_malloc(CHUNK);
	*ret_buf = b->bytes;
	return fill(in, b->bytes, CHUNK, error);
}

/* SPDX-License-Identifier: MIT */
#include "store/inflow.h"

#include "base/error.h"

#include <archive.h>
#include <errno.h>
#include <string.h>

#define CHUNK (256 * 1024)

struct Inflow {
	struct archive *a;
	StoreRead read;
	void *arg;
	int read_errno; /* of the source, told from a fault in the data */
	gboolean empty;
	char buf[CHUNK];
};

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret_buf)
{
	(void)a;
	Inflow *in = arg;
	*ret_buf = in->buf;
	ssize_t n;
	do
		n = in->read(in->arg, in->buf, sizeof in->buf);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		in->read_errno = errno ? errno : EIO;
	return n;
}

static gboolean fail(Inflow *in, GError **error)
{
	if (in->read_errno)
		return dh_error_errno(error, in->read_errno, "read archive");
	const char *text = archive_error_string(in->a);
	return dh_error(error, DH_ERROR_INVALID, "invalid archive: %s",
		text ? text : "it cannot be decompressed");
}

Inflow *inflow_open(StoreRead read, void *arg, GError **error)
{
	g_autoptr(Inflow) in = g_new0(Inflow, 1);
	in->read = read;
	in->arg = arg;
	in->a = archive_read_new();
	archive_read_support_filter_gzip(in->a);
	archive_read_support_filter_zstd(in->a);
	archive_read_support_filter_xz(in->a);
	archive_read_support_filter_bzip2(in->a);
	archive_read_support_format_raw(in->a);
	archive_read_support_format_empty(in->a);

	struct archive_entry *entry;
	if (archive_read_open(in->a, in, NULL, on_read, NULL) != ARCHIVE_OK) {
		fail(in, error);
		return NULL;
	}
	int r = archive_read_next_header(in->a, &entry);
	if (r == ARCHIVE_EOF) {
		in->empty = TRUE;
	} else if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
		fail(in, error);
		return NULL;
	}
	return g_steal_pointer(&in);
}

void inflow_close(Inflow *in)
{
	if (!in)
		return;
	archive_read_free(in->a);
	g_free(in);
}

ssize_t inflow_next(Inflow *in, const void **ret_buf, GError **error)
{
	if (in->empty)
		return 0;
	for (;;) {
		size_t n = 0;
		la_int64_t offset;
		int r = archive_read_data_block(in->a, ret_buf, &n, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
			fail(in, error);
			return -1;
		}
		if (n > 0)
			return (ssize_t)n;
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a file that is full is renamed and, if so wanted, compressed by a child of
 * the shim, so that the container need not wait for it; only the next rotation does. The compressed
 * file carries the inode number of the one it was made from as its gzip name: that is how a reader
 * who has the old file open knows that it is the same.
 */
#include "shim/log_file.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16, BLOCK = 64 * 1024 };

static char *name_of(const LogFile *f, int64_t i, const char *suffix)
{
	return i == 0 ? g_strdup(f->path)
		      : g_strdup_printf("%s.%" G_GINT64_FORMAT "%s", f->path, i, suffix);
}

static int open_current(LogFile *f, int flags)
{
	f->fd = open(f->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0640);
	struct stat st;
	f->size = f->fd >= 0 && fstat(f->fd, &st) == 0 ? st.st_size : 0;
	return f->fd;
}

gboolean log_file_open(LogFile *f, const ShimLog *config, GError **error)
{
	*f = (LogFile){.path = g_strdup(config->path),
		.max_size = config->max_size > 0 ? config->max_size : -1,
		.max_files = MAX(config->max_files, 1),
		.compress = config->compress,
		.compressor = -1};
	if (open_current(f, 0) >= 0)
		return TRUE;
	return dh_error_errno(error, errno, "open log %s", f->path);
}

/* ---- compressing, in the child ---- */

static int deflate_block(z_stream *z, int flush, unsigned char *out, int to)
{
	int r;
	do {
		z->next_out = out;
		z->avail_out = BLOCK;
		r = deflate(z, flush);
		if (dh_write_all(to, out, BLOCK - z->avail_out) < 0)
			return -1;
	} while (z->avail_out == 0 || (flush == Z_FINISH && r != Z_STREAM_END));
	return 0;
}

static int deflate_file(int from, int to, const struct stat *st)
{
	unsigned char in[BLOCK], out[BLOCK];
	char name[24];
	z_stream z = {0};
	gz_header head = {.name = (Bytef *)name, .time = (uLong)st->st_mtim.tv_sec, .os = 3};
	(void)g_snprintf(name, sizeof name, "%" G_GUINT64_FORMAT, (guint64)st->st_ino);
	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	(void)deflateSetHeader(&z, &head);
	ssize_t n;
	int r = 0;
	do {
		n = dh_read_full(from, in, sizeof in);
		z.next_in = in;
		z.avail_in = (uInt)MAX(n, 0);
		if (n < 0 || deflate_block(&z, n > 0 ? Z_NO_FLUSH : Z_FINISH, out, to) < 0)
			r = -1;
	} while (n > 0 && r == 0);
	(void)deflateEnd(&z);
	return r;
}

/* Under another name until it is whole; what goes wrong leaves the file as it was. */
static void compress_file(const LogFile *f, int from)
{
	g_autofree char *plain = name_of(f, 1, "");
	g_autofree char *partial = name_of(f, 1, ".gz.tmp");
	g_autofree char *whole = name_of(f, 1, ".gz");
	struct stat st;
	int to = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (to < 0 || fstat(from, &st) < 0)
		return;
	const struct timespec times[2] = {st.st_mtim, st.st_mtim};
	if (deflate_file(from, to, &st) == 0 && futimens(to, times) == 0 &&
		rename(partial, whole) == 0)
		(void)unlink(plain);
	else
		(void)unlink(partial);
}

static void wait_for_compressor(LogFile *f)
{
	struct pollfd p = {f->compressor, POLLIN, 0};
	while (f->compressor >= 0 && poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	dh_close(&f->compressor);
}

static void start_compressor(LogFile *f)
{
	g_autofree char *plain = name_of(f, 1, "");
	dh_autofd int from = open(plain, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0)
		return;
	pid_t pid = fork();
	if (pid > 0)
		f->compressor = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pid != 0)
		return;
	(void)dup2(from, 3);
	(void)syscall(SYS_close_range, 4U, ~0U, 0);
	prctl(PR_SET_NAME, "dhow-log-gzip");
	(void)setpriority(PRIO_PROCESS, 0, 10);
	compress_file(f, 3);
	_exit(0);
}

/* ---- writing ---- */

void log_file_rotate(LogFile *f)
{
	wait_for_compressor(f);
	for (int64_t i = f->max_files - 1; i > 0; i--) {
		/* Whatever was at this place, in either form, is gone. */
		g_autofree char *packed_from = name_of(f, i - 1, ".gz");
		g_autofree char *packed_to = name_of(f, i, ".gz");
		g_autofree char *from = name_of(f, i - 1, "");
		g_autofree char *to = name_of(f, i, "");
		if (rename(from, to) == 0)
			(void)unlink(packed_to);
		else if (i > 1 && rename(packed_from, packed_to) == 0)
			(void)unlink(to);
	}
	dh_close(&f->fd);
	(void)open_current(f, f->max_files == 1 ? O_TRUNC : 0);
	if (f->compress && f->max_files > 1)
		start_compressor(f);
}

size_t log_file_write(LogFile *f, const char *data, size_t n)
{
	size_t done = 0;
	if (f->held_back)
		return 0;
	if (f->fd < 0)
		(void)open_current(f, 0);
	while (f->fd >= 0 && done < n) {
		ssize_t r = write(f->fd, data + done, n - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			break;
		done += (size_t)r;
	}
	return done;
}

guint64 log_file_take_lost(LogFile *f)
{
	guint64 lost = f->lost;
	f->lost = 0;
	return lost;
}

void log_file_close(LogFile *f)
{
	dh_close(&f->fd);
	dh_close(&f->compressor);
	g_clear_pointer(&f->path, g_free);
}

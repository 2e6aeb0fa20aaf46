/* SPDX-License-Identifier: MIT */
#include "container/log_source.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { FILES_MAX = 1000, BLOCK = 64 * 1024, GZIP_WINDOW = 15 + 16, GZIP_HEAD = 10, GZIP_NAME = 8 };

static void clear_source(gpointer s)
{
	dh_close(&((LogSource *)s)->fd);
}

/* A packed file's name in its header is the number of the inode that it was made from. */
static ino_t packed_inode(int fd)
{
	char head[64] = "";
	ssize_t n = pread(fd, head, sizeof head - 1, 0);
	if (n <= GZIP_HEAD || memcmp(head, "\x1f\x8b", 2) != 0 || !(head[3] & GZIP_NAME))
		return 0;
	return (ino_t)g_ascii_strtoull(head + GZIP_HEAD, NULL, 10);
}

static gboolean open_file(const char *name, gboolean packed, LogSource *ret)
{
	struct stat st;
	dh_autofd int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return FALSE;
	*ret = (LogSource){
		.packed = packed,
		.dev = st.st_dev,
		.ino = packed ? packed_inode(fd) : st.st_ino,
	};
	ret->fd = dh_steal_fd(&fd);
	return TRUE;
}

static gboolean open_numbered(const char *path, int n, LogSource *ret)
{
	g_autofree char *plain = n > 0 ? g_strdup_printf("%s.%d", path, n) : g_strdup(path);
	g_autofree char *packed = g_strconcat(plain, ".gz", NULL);
	/* Once more: it may have been packed between the two looks. */
	return open_file(plain, FALSE, ret) || (n > 0 && open_file(packed, TRUE, ret)) ||
	       (n > 0 && open_file(plain, FALSE, ret));
}

gboolean log_source_open(const char *path, LogSource *ret)
{
	return open_numbered(path, 0, ret);
}

/* A file met twice, or another at the first place than before, means that a rotation went on
 * meanwhile: once more. */
GArray *log_sources_open(const char *path)
{
	for (int attempt = 0;; attempt++) {
		GArray *files = g_array_new(FALSE, TRUE, sizeof(LogSource));
		g_array_set_clear_func(files, clear_source);
		gboolean moved = FALSE;
		for (int n = 0; n < FILES_MAX && !moved; n++) {
			LogSource s;
			if (!open_numbered(path, n, &s)) {
				if (n == 0)
					continue;
				break;
			}
			const LogSource *last =
				files->len ? &g_array_index(files, LogSource, 0) : NULL;
			moved = last && last->ino == s.ino && last->dev == s.dev;
			g_array_prepend_val(files, s);
		}
		struct stat st;
		if (files->len > 0 && stat(path, &st) == 0)
			moved |= st.st_ino != g_array_index(files, LogSource, files->len - 1).ino;
		if (!moved || attempt == 10)
			return files;
		g_array_unref(files);
	}
}

/* ---- packed ones ---- */

static int temporary_file(const char *path)
{
	g_autofree char *dir = g_path_get_dirname(path);
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd >= 0 ? fd : memfd_create("log", MFD_CLOEXEC);
}

static gboolean inflate_all(int from, int to)
{
	g_autofree unsigned char *in = g_malloc(BLOCK), *out = g_malloc(BLOCK);
	z_stream z = {0};
	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return FALSE;
	int r = Z_OK;
	gboolean ok = TRUE;
	while (ok && r == Z_OK) {
		if (z.avail_in == 0) {
			ssize_t n = read(from, in, BLOCK);
			if (n <= 0)
				break;
			z.next_in = in;
			z.avail_in = (uInt)n;
		}
		z.next_out = out;
		z.avail_out = BLOCK;
		r = inflate(&z, Z_NO_FLUSH);
		ok = (r == Z_OK || r == Z_STREAM_END) &&
		     dh_write_all(to, out, BLOCK - z.avail_out) == 0;
	}
	(void)inflateEnd(&z);
	return ok && r == Z_STREAM_END;
}

gboolean log_source_unpack(LogSource *s, const char *path)
{
	if (!s->packed || s->fd < 0)
		return s->fd >= 0;
	dh_autofd int to = temporary_file(path);
	gboolean ok = to >= 0 && inflate_all(s->fd, to);
	dh_close(&s->fd);
	s->packed = FALSE;
	if (ok)
		s->fd = dh_steal_fd(&to);
	return ok;
}

/* SPDX-License-Identifier: MIT */
/* test_store_tar.h - tar streams made byte by byte, so that they can lie. */
#pragma once

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The header says `size`, whatever follows. */
static inline void tar_put_header(
	GByteArray *t, const char *name, char type, guint mode, gint64 size, const char *link)
{
	char h[512] = {0};
	g_strlcpy(h, name, 101);
	g_snprintf(h + 100, 8, "%07o", mode);
	g_snprintf(h + 108, 8, "%07o", 0);
	g_snprintf(h + 116, 8, "%07o", 0);
	if (size < 077777777777LL) {
		g_snprintf(h + 124, 12, "%011" G_GINT64_MODIFIER "o", (guint64)size);
	} else {
		for (int i = 0; i < 8; i++)
			h[135 - i] = (char)(size >> (8 * i));
		h[124] = (char)0x80;
	}
	g_snprintf(h + 136, 12, "%011o", 1000000000);
	h[156] = type;
	g_strlcpy(h + 157, link ? link : "", 101);
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	unsigned sum = 0;
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	g_snprintf(h + 148, 8, "%06o", sum);
	g_byte_array_append(t, (const guint8 *)h, sizeof h);
}

static inline void tar_put_data(GByteArray *t, const char *data, gsize n)
{
	static const guint8 zeros[512];
	g_byte_array_append(t, (const guint8 *)data, (guint)n);
	g_byte_array_append(t, zeros, (guint)(-n & 511));
}

static inline void tar_put_file(GByteArray *t, const char *name, const char *text)
{
	tar_put_header(t, name, '0', 0644, (gint64)strlen(text), NULL);
	tar_put_data(t, text, strlen(text));
}

static inline void tar_put_dir(GByteArray *t, const char *name)
{
	tar_put_header(t, name, '5', 0755, 0, NULL);
}

static inline void tar_put_link(GByteArray *t, const char *name, char type, const char *to)
{
	tar_put_header(t, name, type, 0777, 0, to);
}

static inline void tar_put_end(GByteArray *t)
{
	static const guint8 zeros[1024];
	g_byte_array_append(t, zeros, sizeof zeros);
}

/* StoreRead from memory, in odd pieces. */
typedef struct {
	const guint8 *data;
	gsize left;
} Memory;

static inline ssize_t memory_read(void *arg, void *buf, size_t n)
{
	Memory *m = arg;
	n = MIN(MIN(n, m->left), 3001);
	if (n == 0)
		return 0;
	memcpy(buf, m->data, n);
	m->data += n;
	m->left -= n;
	return (ssize_t)n;
}

static inline int array_write(void *arg, const void *buf, size_t n)
{
	g_byte_array_append(arg, buf, (guint)n);
	return 0;
}

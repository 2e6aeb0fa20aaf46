/* SPDX-License-Identifier: MIT */
#include "store/tarwrite.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512

typedef struct {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
	char pad[12];
} Header;
G_STATIC_ASSERT(sizeof(Header) == BLOCK);

static const char zeros[2 * BLOCK];

static gboolean emit(TarWriter *t, const void *buf, size_t n, GError **error)
{
	if (n > 0 && t->write(t->arg, buf, n) < 0)
		return dh_error_errno(error, errno, "write archive");
	return TRUE;
}

/* Octal digits and a NUL; sizes of 8 GiB and more in base 256, as GNU tar has it. */
static void number(char *field, size_t width, uint64_t value)
{
	if (value >> (3 * (width - 1)) == 0) {
		char digits[24];
		g_snprintf(
			digits, sizeof digits, "%0*" G_GINT64_MODIFIER "o", (int)width - 1, value);
		memcpy(field, digits, width);
		return;
	}
	for (size_t i = width; i-- > 0; value >>= 8)
		field[i] = (char)(value & 0xff);
	field[0] |= (char)0x80;
}

static gboolean header(
	TarWriter *t, const char *name, char type, guint mode, int64_t size, GError **error)
{
	Header h = {
		.type = type,
		.magic = "ustar",
		.version = {'0', '0'},
	};
	g_strlcpy(h.name, name, sizeof h.name);
	number(h.mode, sizeof h.mode, mode);
	number(h.uid, sizeof h.uid, 0);
	number(h.gid, sizeof h.gid, 0);
	number(h.size, sizeof h.size, (uint64_t)size);
	number(h.mtime, sizeof h.mtime, (uint64_t)MAX(t->mtime, 0));
	number(h.major, sizeof h.major, 0);
	number(h.minor, sizeof h.minor, 0);
	memset(h.checksum, ' ', sizeof h.checksum);
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof h; i++)
		sum += ((const unsigned char *)&h)[i];
	number(h.checksum, sizeof h.checksum - 1, sum);
	return emit(t, &h, sizeof h, error);
}

gboolean tar_directory(TarWriter *t, const char *name, GError **error)
{
	return header(t, name, '5', 0755, 0, error);
}

gboolean tar_header(TarWriter *t, const char *name, int64_t size, GError **error)
{
	return header(t, name, '0', 0644, size, error);
}

gboolean tar_pad(TarWriter *t, int64_t size, GError **error)
{
	return emit(t, zeros, (size_t)(-size & (BLOCK - 1)), error);
}

gboolean tar_member(TarWriter *t, const char *name, const void *buf, size_t n, GError **error)
{
	return tar_header(t, name, (int64_t)n, error) && emit(t, buf, n, error) &&
	       tar_pad(t, (int64_t)n, error);
}

gboolean tar_end(TarWriter *t, GError **error)
{
	return emit(t, zeros, 2 * BLOCK, error);
}

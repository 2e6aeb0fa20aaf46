/* SPDX-License-Identifier: MIT */
#include "store/unpack.h"

#include "base/error.h"

#include <isa-l/igzip_lib.h>
#include <string.h>
#include <zstd.h>

struct Unpack {
	UnpackKind kind;
	gboolean between; /* at the border of two gzip members or zstd frames */
	gboolean ended;   /* what still comes is not ours */
	ZSTD_DCtx *zstd;
	struct inflate_state *gzip;
};

UnpackKind unpack_kind(const void *head, size_t n)
{
	static const struct {
		const char *magic;
		size_t n;
		UnpackKind kind;
	} known[] = {
		{"\x1f\x8b\x08", 3, UNPACK_GZIP},
		{"\x28\xb5\x2f\xfd", 4, UNPACK_ZSTD},
		{"\xfd"
		 "7zXZ",
			6, UNPACK_OTHER},
		{"BZh", 3, UNPACK_OTHER},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
		if (n >= known[i].n && memcmp(head, known[i].magic, known[i].n) == 0)
			return known[i].kind;
	/* A skippable zstd frame: 50 2a 4d 18 to 5f 2a 4d 18. */
	const unsigned char *p = head;
	if (n >= 4 && (p[0] & 0xf0) == 0x50 && memcmp(p + 1, "\x2a\x4d\x18", 3) == 0)
		return UNPACK_ZSTD;
	return UNPACK_PLAIN;
}

Unpack *unpack_new(UnpackKind kind)
{
	Unpack *u = g_new0(Unpack, 1);
	u->kind = kind;
	u->between = TRUE;
	if (kind == UNPACK_ZSTD) {
		u->zstd = ZSTD_createDCtx();
		/* The format's recommended maximum: what a stranger can make us allocate. */
		ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, 27);
	} else if (kind == UNPACK_GZIP) {
		u->gzip = g_new(struct inflate_state, 1);
		isal_inflate_init(u->gzip);
		u->gzip->crc_flag = ISAL_GZIP;
	}
	return u;
}

void unpack_free(Unpack *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->zstd);
	g_free(u->gzip);
	g_free(u);
}

static gboolean damaged(const char *what, GError **error)
{
	return dh_error(error, DH_ERROR_INVALID, "invalid archive: %s", what);
}

static gboolean step_plain(const void *in, size_t *n_in, void *out, size_t *n_out)
{
	size_t n = MIN(*n_in, *n_out);
	memcpy(out, in, n);
	*n_in = *n_out = n;
	return TRUE;
}

static gboolean step_zstd(Unpack *u, const void *in, size_t *n_in, gboolean eof, void *out,
	size_t *n_out, GError **error)
{
	ZSTD_inBuffer i = {in, *n_in, 0};
	ZSTD_outBuffer o = {out, *n_out, 0};
	if (i.size > 0 || !u->between) {
		size_t left = ZSTD_decompressStream(u->zstd, &o, &i);
		if (ZSTD_isError(left))
			return damaged(ZSTD_getErrorName(left), error);
		u->between = left == 0;
	}
	if (eof && i.pos == i.size && o.pos == 0 && !u->between)
		return damaged("truncated zstd data", error);
	*n_in = i.pos;
	*n_out = o.pos;
	return TRUE;
}

static const char *gzip_fault(int r)
{
	switch (r) {
	case ISAL_INVALID_WRAPPER:
	case ISAL_UNSUPPORTED_METHOD:
		return "gzip header is damaged";
	case ISAL_INCORRECT_CHECKSUM:
		return "gzip checksum is wrong";
	default:
		return "gzip data is damaged";
	}
}

static gboolean step_gzip(Unpack *u, const void *in, size_t *n_in, gboolean eof, void *out,
	size_t *n_out, GError **error)
{
	struct inflate_state *z = u->gzip;
	const unsigned char *p = in;
	if (z->block_state == ISAL_BLOCK_FINISH) {
		/* Another member follows, or padding that gzip itself ignores, too. */
		if (*n_in > 0 && p[0] == 0x1f && !u->ended) {
			isal_inflate_reset(z);
			z->crc_flag = ISAL_GZIP;
			u->between = TRUE;
		} else {
			u->ended |= *n_in > 0;
			*n_out = 0;
			return TRUE;
		}
	}
	size_t give = MIN(*n_in, G_MAXINT32), room = MIN(*n_out, G_MAXINT32);
	z->next_in = (uint8_t *)p;
	z->avail_in = (uint32_t)give;
	z->next_out = out;
	z->avail_out = (uint32_t)room;
	int r = isal_inflate(z);
	if (r < 0)
		return damaged(gzip_fault(r), error);
	*n_in = give - z->avail_in;
	*n_out = room - z->avail_out;
	if (*n_in > 0)
		u->between = FALSE;
	if (eof && *n_out == 0 && *n_in == 0 && z->block_state != ISAL_BLOCK_FINISH)
		return damaged("truncated gzip data", error);
	return TRUE;
}

gboolean unpack_step(Unpack *u, const void *in, size_t *n_in, gboolean eof, void *out,
	size_t *n_out, GError **error)
{
	switch (u->kind) {
	case UNPACK_GZIP:
		return step_gzip(u, in, n_in, eof, out, n_out, error);
	case UNPACK_ZSTD:
		return step_zstd(u, in, n_in, eof, out, n_out, error);
	case UNPACK_PLAIN:
	case UNPACK_OTHER:
		break;
	}
	return step_plain(in, n_in, out, n_out);
}

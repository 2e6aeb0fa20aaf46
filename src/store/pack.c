/* SPDX-License-Identifier: MIT */
#include "store/pack.h"

#include <isa-l/igzip_lib.h>
#include <string.h>

#define BLOCK (256 * 1024)
#define LEVEL 2 /* of 3: nearly as small as the last, and the fastest on layers */

struct Pack {
	StoreWrite write;
	void *arg;
	size_t n;
	unsigned char in[BLOCK], out[BLOCK];
	unsigned char level[ISAL_DEF_LVL2_DEFAULT];
	struct isal_zstream z;
};

Pack *pack_new(StoreWrite write, void *arg)
{
	Pack *p = g_new(Pack, 1);
	p->write = write;
	p->arg = arg;
	p->n = 0;
	isal_deflate_init(&p->z);
	p->z.gzip_flag = IGZIP_GZIP;
	p->z.level = LEVEL;
	p->z.level_buf = p->level;
	p->z.level_buf_size = sizeof p->level;
	memset(p->level, 0, sizeof p->level);
	return p;
}

void pack_free(Pack *p)
{
	g_free(p);
}

static int flush(Pack *p, gboolean end)
{
	p->z.next_in = p->in;
	p->z.avail_in = (uint32_t)p->n;
	p->z.end_of_stream = end;
	p->n = 0;
	do {
		p->z.next_out = p->out;
		p->z.avail_out = BLOCK;
		isal_deflate(&p->z);
		size_t made = BLOCK - p->z.avail_out;
		if (made > 0 && p->write(p->arg, p->out, made) < 0)
			return -1;
	} while (p->z.avail_out == 0);
	return 0;
}

int pack_write(void *pack, const void *buf, size_t n)
{
	Pack *p = pack;
	const unsigned char *from = buf;
	while (n > 0) {
		size_t take = MIN(n, BLOCK - p->n);
		memcpy(p->in + p->n, from, take);
		p->n += take;
		from += take;
		n -= take;
		if (p->n == BLOCK && flush(p, FALSE) < 0)
			return -1;
	}
	return 0;
}

int pack_finish(Pack *p)
{
	return flush(p, TRUE);
}

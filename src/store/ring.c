/* SPDX-License-Identifier: MIT */
#include "store/ring.h"

typedef struct {
	char *bytes; /* RING_BLOCK, made when it is first needed */
	size_t n;
} Block;

struct Ring {
	GMutex lock;
	GCond changed;
	Block blocks[RING_BLOCKS];
	guint head, tail; /* only grow */
	gboolean in_use;  /* the consumer holds blocks[tail] */
	gboolean end, stop;
	GError *error;
};

Ring *ring_new(void)
{
	Ring *r = g_new0(Ring, 1);
	g_mutex_init(&r->lock);
	g_cond_init(&r->changed);
	return r;
}

void ring_free(Ring *r)
{
	if (!r)
		return;
	for (guint i = 0; i < RING_BLOCKS; i++)
		g_free(r->blocks[i].bytes);
	g_clear_error(&r->error);
	g_mutex_clear(&r->lock);
	g_cond_clear(&r->changed);
	g_free(r);
}

char *ring_room(Ring *r)
{
	g_mutex_lock(&r->lock);
	while (!r->stop && r->head - r->tail == RING_BLOCKS)
		g_cond_wait(&r->changed, &r->lock);
	Block *b = r->stop ? NULL : &r->blocks[r->head % RING_BLOCKS];
	g_mutex_unlock(&r->lock);
	if (b && !b->bytes)
		b->bytes = g_malloc(RING_BLOCK);
	return b ? b->bytes : NULL;
}

void ring_put(Ring *r, size_t n)
{
	g_mutex_lock(&r->lock);
	r->blocks[r->head % RING_BLOCKS].n = n;
	r->head++;
	g_cond_broadcast(&r->changed);
	g_mutex_unlock(&r->lock);
}

void ring_end(Ring *r, GError *error)
{
	g_mutex_lock(&r->lock);
	r->error = error;
	r->end = TRUE;
	g_cond_broadcast(&r->changed);
	g_mutex_unlock(&r->lock);
}

ssize_t ring_next(Ring *r, const void **ret_buf, GError **error)
{
	ssize_t n = 0;
	g_mutex_lock(&r->lock);
	if (r->in_use) {
		r->in_use = FALSE;
		r->tail++;
		g_cond_broadcast(&r->changed);
	}
	while (r->head == r->tail && !r->end)
		g_cond_wait(&r->changed, &r->lock);
	if (r->head != r->tail) {
		const Block *b = &r->blocks[r->tail % RING_BLOCKS];
		*ret_buf = b->bytes;
		n = (ssize_t)b->n;
		r->in_use = TRUE;
	} else if (r->error) {
		g_propagate_error(error, g_error_copy(r->error));
		n = -1;
	}
	g_mutex_unlock(&r->lock);
	return n;
}

void ring_stop(Ring *r)
{
	g_mutex_lock(&r->lock);
	r->stop = TRUE;
	g_cond_broadcast(&r->changed);
	g_mutex_unlock(&r->lock);
}

/* SPDX-License-Identifier: MIT */
#include "shim/queue.h"

#include <string.h>

enum { MIN_ROOM = 4096 };

void queue_append(Queue *q, const char *data, size_t n)
{
	if (n == 0)
		return;
	/* Moving pays when it at least halves what is there: so each byte is moved once or so,
	 * however long the queue never runs empty. */
	if (q->start + q->len + n > q->room && q->start > 0 && q->start >= q->len) {
		memmove(q->data, q->data + q->start, q->len);
		q->start = 0;
	}
	if (q->start + q->len + n > q->room) {
		q->room = MAX(MAX(q->room * 2, MIN_ROOM), q->start + q->len + n);
		q->data = g_realloc(q->data, q->room);
	}
	memcpy(q->data + q->start + q->len, data, n);
	q->len += n;
}

void queue_consume(Queue *q, size_t n)
{
	q->start += n;
	q->len -= n;
	if (q->len == 0)
		queue_clear(q);
}

void queue_clear(Queue *q)
{
	g_free(q->data);
	*q = (Queue){0};
}

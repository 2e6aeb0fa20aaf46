/* SPDX-License-Identifier: MIT */
/* queue.h - bytes that wait to be written. A zeroed one is empty; an empty one holds no memory. */
#pragma once

#include <glib.h>
#include <stddef.h>

typedef struct {
	char *data;
	size_t start, len, room; /* len bytes at data + start */
} Queue;

static inline const char *queue_head(const Queue *q)
{
	return q->data + q->start;
}

void queue_append(Queue *q, const char *data, size_t n);
/* The first n bytes have been written. */
void queue_consume(Queue *q, size_t n);
void queue_clear(Queue *q);

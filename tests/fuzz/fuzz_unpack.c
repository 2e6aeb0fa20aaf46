/* SPDX-License-Identifier: MIT */
#include "store/inflow.h"
#include "tests/fuzz/fuzz.h"

typedef struct {
	const uint8_t *p;
	size_t left;
} Source;

static ssize_t read_source(void *arg, void *buf, size_t n)
{
	Source *s = arg;
	size_t take = MIN(MIN(n, s->left), (size_t)1 + s->left / 3);
	memcpy(buf, s->p, take);
	s->p += take;
	s->left -= take;
	return (ssize_t)take;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Source s = {data, size};
	g_autoptr(Inflow) in = inflow_open(read_source, &s, size % 2, NULL);
	const void *buf;
	size_t total = 0;
	ssize_t n;
	while (in && total < 16 * 1024 * 1024 && (n = inflow_next(in, &buf, NULL)) > 0)
		total += (size_t)n;
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "store/inflow.h"
#include "store/pack.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <zstd.h>

#include <cmocka.h>

typedef struct {
	const GByteArray *from;
	size_t pos, step;
	gboolean fails;
} Source;

static ssize_t read_source(void *arg, void *buf, size_t n)
{
	Source *s = arg;
	if (s->fails && s->pos == s->from->len) {
		errno = ECONNRESET;
		return -1;
	}
	size_t take = MIN(MIN(n, s->step), s->from->len - s->pos);
	memcpy(buf, s->from->data + s->pos, take);
	s->pos += take;
	return (ssize_t)take;
}

static int append(void *arg, const void *buf, size_t n)
{
	g_byte_array_append(arg, buf, (guint)n);
	return 0;
}

static GByteArray *some_bytes(size_t n)
{
	GByteArray *out = g_byte_array_new();
	g_autoptr(GRand) r = g_rand_new_with_seed(7);
	while (out->len < n) {
		char word[32];
		int len = g_snprintf(word, sizeof word, "%u ", g_rand_int(r) % 5000);
		g_byte_array_append(out, (const guint8 *)word, (guint)len);
	}
	g_byte_array_set_size(out, (guint)n);
	return out;
}

static GByteArray *packed(const GByteArray *plain, size_t step)
{
	GByteArray *out = g_byte_array_new();
	g_autoptr(Pack) p = pack_new(append, out);
	for (size_t i = 0; i < plain->len; i += step)
		assert_int_equal(pack_write(p, plain->data + i, MIN(step, plain->len - i)), 0);
	assert_int_equal(pack_finish(p), 0);
	return out;
}

static GByteArray *unpacked(
	const GByteArray *from, size_t step, gboolean ahead, gboolean fails, GError **error)
{
	Source s = {from, 0, step, fails};
	g_autoptr(Inflow) in = inflow_open(read_source, &s, ahead, error);
	if (!in)
		return NULL;
	g_autoptr(GByteArray) out = g_byte_array_new();
	const void *buf;
	ssize_t n;
	while ((n = inflow_next(in, &buf, error)) > 0)
		g_byte_array_append(out, buf, (guint)n);
	return n < 0 ? NULL : g_steal_pointer(&out);
}

static void assert_same(const GByteArray *a, const GByteArray *b)
{
	assert_non_null(a);
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, b->len);
}

/* However it is cut on the way in and out. */
static void gzip_round_trip(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 1000, 262144, 262145, 3000000};
	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autoptr(GByteArray) plain = some_bytes(sizes[i]);
		g_autoptr(GByteArray) one = packed(plain, 1 << 20);
		g_autoptr(GByteArray) two = packed(plain, 777);
		assert_same(one, two);
		for (int ahead = 0; ahead < 2; ahead++) {
			g_autoptr(GByteArray) back = unpacked(one, 4093, ahead, FALSE, NULL);
			assert_same(back, plain);
		}
	}
}

static void members_and_padding(void **state)
{
	(void)state;
	g_autoptr(GByteArray) a = some_bytes(5000);
	g_autoptr(GByteArray) z = packed(a, 5000);
	g_autoptr(GByteArray) both = g_byte_array_new();
	g_autoptr(GByteArray) plain = g_byte_array_new();
	for (int i = 0; i < 3; i++) {
		g_byte_array_append(both, z->data, z->len);
		g_byte_array_append(plain, a->data, a->len);
	}
	guint8 zeros[600] = {0};
	g_byte_array_append(both, zeros, sizeof zeros);
	for (size_t step = 1; step < 5000; step = step * 3 + 1) {
		g_autoptr(GByteArray) back = unpacked(both, step, FALSE, FALSE, NULL);
		assert_same(back, plain);
	}
}

static void zstd_and_plain(void **state)
{
	(void)state;
	g_autoptr(GByteArray) a = some_bytes(1500000);
	g_autoptr(GByteArray) z = g_byte_array_new();
	g_byte_array_set_size(z, (guint)ZSTD_compressBound(a->len));
	g_byte_array_set_size(z, (guint)ZSTD_compress(z->data, z->len, a->data, a->len, 1));
	g_autoptr(GByteArray) twice = g_byte_array_new();
	g_byte_array_append(twice, z->data, z->len);
	g_byte_array_append(twice, z->data, z->len);
	g_autoptr(GByteArray) plain = g_byte_array_new();
	g_byte_array_append(plain, a->data, a->len);
	g_byte_array_append(plain, a->data, a->len);
	g_autoptr(GByteArray) back = unpacked(twice, 1001, TRUE, FALSE, NULL);
	assert_same(back, plain);
	g_autoptr(GByteArray) same = unpacked(a, 5, FALSE, FALSE, NULL);
	assert_same(same, a);
}

static void damage(void **state)
{
	(void)state;
	g_autoptr(GByteArray) a = some_bytes(400000);
	g_autoptr(GByteArray) z = packed(a, 400000);
	for (guint cut = 1; cut < z->len; cut += z->len / 7) {
		g_autoptr(GByteArray) part = g_byte_array_new();
		g_byte_array_append(part, z->data, z->len - cut);
		for (int ahead = 0; ahead < 2; ahead++) {
			g_autoptr(GError) error = NULL;
			assert_null(unpacked(part, 10000, ahead, FALSE, &error));
			assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_INVALID));
		}
	}
	z->data[z->len / 2] ^= 0x55;
	g_autoptr(GError) error = NULL;
	assert_null(unpacked(z, 10000, TRUE, FALSE, &error));
	z->data[z->len / 2] ^= 0x55;
	g_clear_error(&error);
	g_byte_array_set_size(z, z->len - 100);
	assert_null(unpacked(z, 10000, TRUE, TRUE, &error));
	assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_SYSTEM));
}

/* Closing before the end must not hang. */
static void closed_early(void **state)
{
	(void)state;
	g_autoptr(GByteArray) a = some_bytes(9000000);
	Source s = {a, 0, 100000, FALSE};
	g_autoptr(Inflow) in = inflow_open(read_source, &s, TRUE, NULL);
	const void *buf;
	assert_true(inflow_next(in, &buf, NULL) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_round_trip),
		cmocka_unit_test(members_and_padding),
		cmocka_unit_test(zstd_and_plain),
		cmocka_unit_test(damage),
		cmocka_unit_test(closed_early),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

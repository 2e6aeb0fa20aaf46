/* SPDX-License-Identifier: MIT */
/* What carries a layer's bytes between threads, and where on the disk its files are put. */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "store/digest.h"
#include "store/inflow.h"
#include "store/place.h"
#include "store/ring.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the ring ---- */

enum { TOTAL = 5 * RING_BLOCK * RING_BLOCKS + 12345 };

typedef struct {
	Ring *ring;
	size_t put;
	gboolean fails, endless, refused;
} Source;

static guint8 byte_at(size_t i)
{
	return (guint8)((i * 2654435761u) >> 13);
}

static void *produce(void *arg)
{
	Source *s = arg;
	while (s->put < TOTAL || s->endless) {
		char *room = ring_room(s->ring);
		if (!room) {
			s->refused = TRUE;
			break;
		}
		/* Blocks of all sizes. */
		size_t n = s->endless ? 1 : MIN(1 + s->put % RING_BLOCK, TOTAL - s->put);
		for (size_t i = 0; i < n; i++)
			room[i] = (char)byte_at(s->put + i);
		s->put += n;
		ring_put(s->ring, n);
	}
	GError *e = NULL;
	if (s->fails)
		dh_error(&e, DH_ERROR_SYSTEM, "it broke");
	ring_end(s->ring, e);
	return NULL;
}

/* All bytes in their order, then the end or the error. */
static void carry(gboolean fails)
{
	Source s = {ring_new(), 0, fails, FALSE, FALSE};
	GThread *t = g_thread_new("source", produce, &s);
	g_autoptr(GError) error = NULL;
	const void *buf;
	size_t got = 0;
	ssize_t n;
	while ((n = ring_next(s.ring, &buf, &error)) > 0) {
		const guint8 *p = buf;
		for (size_t i = 0; i < (size_t)n; i++, got++)
			if (p[i] != byte_at(got))
				fail_msg("byte %zu is wrong", got);
	}
	assert_int_equal(n, fails ? -1 : 0);
	assert_int_equal(got, TOTAL);
	assert_true(fails == (error != NULL));
	/* And it stays the end. */
	assert_int_equal(ring_next(s.ring, &buf, NULL), fails ? -1 : 0);
	g_thread_join(t);
	ring_free(s.ring);
}

static void a_ring_carries_all_bytes(void **state)
{
	(void)state;
	carry(FALSE);
}

static void a_ring_tells_an_error_behind_the_bytes(void **state)
{
	(void)state;
	carry(TRUE);
}

static void a_reader_that_stops_lets_the_producer_go(void **state)
{
	(void)state;
	Source s = {ring_new(), 0, FALSE, TRUE, FALSE};
	GThread *t = g_thread_new("source", produce, &s);
	const void *buf;
	assert_int_equal(ring_next(s.ring, &buf, NULL), 1);
	ring_stop(s.ring);
	g_thread_join(t);
	assert_true(s.refused);
	ring_free(s.ring);
}

/* ---- what comes in ---- */

static ssize_t zeros(void *arg, void *buf, size_t n)
{
	size_t *left = arg;
	n = MIN(n, *left);
	memset(buf, 0, n);
	*left -= n;
	return (ssize_t)n;
}

static void what_is_given_out_is_hashed(void **state)
{
	(void)state;
	for (int ahead = 0; ahead < 2; ahead++) {
		size_t left = 3000000;
		g_autofree char *all = g_malloc0(left);
		g_autofree char *want = digest_of(all, left);
		g_autoptr(Inflow) in = inflow_open(zeros, &left, ahead, NULL);
		const void *buf;
		while (inflow_next(in, &buf, NULL) > 0)
			;
		g_autofree char *is = inflow_digest(in);
		assert_string_equal(is, want);
	}
}

/* ---- places ---- */

typedef struct {
	char *root;
	int fd;
	Places *places;
} Fixture;

static int setup(void **state)
{
	Fixture *f = g_new0(Fixture, 1);
	/* Not in /tmp, which may be a filesystem that takes no hints. */
	f->root = g_strdup("dhow-place-XXXXXX");
	if (!g_mkdtemp(f->root) || (f->fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	f->places = places_new(f->fd);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	Fixture *f = *state;
	places_free(f->places);
	dh_close(&f->fd);
	dh_remove_tree(AT_FDCWD, f->root, NULL);
	g_free(f->root);
	g_free(f);
	return 0;
}

static guint entries(int dirfd, const char *path)
{
	guint n = 0;
	DIR *d = fdopendir(openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	assert_non_null(d);
	const struct dirent *e;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* However many places were removed: one that is made is empty, and the only thing that is made. */
static void places_leave_nothing_beside_them(void **state)
{
	Fixture *f = *state;
	for (int i = 0; i < 400; i++) {
		struct stat st;
		assert_true(place_make(f->places, "layer", NULL));
		assert_int_equal(entries(f->fd, "."), 1);
		assert_int_equal(entries(f->fd, "layer"), 0);
		assert_int_equal(fstatat(f->fd, "layer", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
		assert_int_equal(mkdirat(f->fd, "layer/sub", 0700), 0);
		place_remove(f->places, "layer");
		assert_int_equal(entries(f->fd, "."), 0);
	}
}

static void a_place_is_not_made_over_another(void **state)
{
	Fixture *f = *state;
	g_autoptr(GError) error = NULL;
	assert_true(place_make(f->places, "layer", NULL));
	assert_int_equal(mkdirat(f->fd, "layer/sub", 0700), 0);
	assert_false(place_make(f->places, "layer", &error));
	assert_non_null(error);
	assert_int_equal(entries(f->fd, "layer"), 1);
	place_remove(f->places, "never there");
}

static void places_are_asked_to_lie_apart(void **state)
{
	Fixture *f = *state;
	int flags = 0;
	/* A filesystem that knows the flag has it now. */
	if (ioctl(f->fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL)) {
		flags |= FS_TOPDIR_FL;
		assert_true(ioctl(f->fd, FS_IOC_SETFLAGS, &flags) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_carries_all_bytes),
		cmocka_unit_test(a_ring_tells_an_error_behind_the_bytes),
		cmocka_unit_test(a_reader_that_stops_lets_the_producer_go),
		cmocka_unit_test(what_is_given_out_is_hashed),
		cmocka_unit_test_setup_teardown(places_leave_nothing_beside_them, setup, teardown),
		cmocka_unit_test_setup_teardown(a_place_is_not_made_over_another, setup, teardown),
		cmocka_unit_test_setup_teardown(places_are_asked_to_lie_apart, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

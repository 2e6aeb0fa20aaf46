/* SPDX-License-Identifier: MIT */
/* Where on the disk a layer's files are put. */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "store/place.h"

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
		cmocka_unit_test_setup_teardown(places_leave_nothing_beside_them, setup, teardown),
		cmocka_unit_test_setup_teardown(a_place_is_not_made_over_another, setup, teardown),
		cmocka_unit_test_setup_teardown(places_are_asked_to_lie_apart, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

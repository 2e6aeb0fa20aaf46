/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fs.h"
#include "volume/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
	char *dir, *root, *image;
	DhDb *db;
	Volumes *vs;
	char **notes;
} Rig;

static char *in(const char *dir, const char *name)
{
	return g_build_filename(dir, name, NULL);
}

static void open_rig(Rig *r)
{
	const char *const schema[] = {volume_schema};
	g_autofree char *db = in(r->dir, "state.db");
	r->db = dh_db_open(db, schema, 1, NULL);
	assert_non_null(r->db);
	r->vs = volumes_open(r->dir, r->db, &r->notes, NULL);
	assert_non_null(r->vs);
}

static void close_rig(Rig *r)
{
	g_clear_pointer(&r->notes, g_strfreev);
	g_clear_pointer(&r->vs, volumes_close);
	g_clear_pointer(&r->db, dh_db_close);
}

static void reopen(Rig *r)
{
	close_rig(r);
	open_rig(r);
}

static int setup(void **state)
{
	Rig *r = g_new0(Rig, 1);
	r->dir = g_dir_make_tmp("test-volume-XXXXXX", NULL);
	r->root = in(r->dir, "volumes");
	r->image = in(r->dir, "image");
	assert_int_equal(mkdir(r->image, 0755), 0);
	open_rig(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	Rig *r = *state;
	close_rig(r);
	assert_true(dh_remove_tree(AT_FDCWD, r->dir, NULL));
	g_free(r->dir);
	g_free(r->root);
	g_free(r->image);
	g_free(r);
	return 0;
}

static Volume *acquire(Rig *r, const char *name, const char *holder, gboolean *created)
{
	VolumeRequest req = {.name = name};
	Volume *v = volumes_acquire(r->vs, &req, holder, created, NULL);
	assert_non_null(v);
	return v;
}

static void refused(Rig *r, const VolumeRequest *req, const char *text)
{
	g_autoptr(GError) error = NULL;
	assert_null(volumes_acquire(r->vs, req, NULL, NULL, &error));
	assert_non_null(strstr(error->message, text));
}

static gboolean there(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static void put(const char *dir, const char *name, const char *text)
{
	g_autofree char *path = in(dir, name);
	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *get(const char *dir, const char *name)
{
	g_autofree char *path = in(dir, name);
	char *text = NULL;
	g_file_get_contents(path, &text, NULL, NULL);
	return text;
}

static void test_names(void **state)
{
	Rig *r = *state;
	static const char *const bad[] = {
		"foo/bar", "../x", "..", "-x", ".x", "a b", "ab/", "a\nb"};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
		refused(r, &(VolumeRequest){.name = bad[i]},
			"includes invalid characters for a local volume name");
	refused(r, &(VolumeRequest){.name = "a"}, "volume name is too short");
	g_autofree char *longest = g_strnfill(256, 'a');
	refused(r, &(VolumeRequest){.name = longest}, "too long");
	refused(r, &(VolumeRequest){.name = "ok", .driver = "nosuch"},
		"create ok: error looking up volume plugin nosuch: plugin \"nosuch\" not found");
	g_autoptr(GPtrArray) all = volumes_all(r->vs);
	assert_int_equal(all->len, 0);
}

static void test_options(void **state)
{
	Rig *r = *state;
	g_autoptr(GHashTable) o = g_hash_table_new(g_str_hash, g_str_equal);
	VolumeRequest req = {.name = "opts", .options = o};
	g_hash_table_insert(o, "foo", "bar");
	refused(r, &req, "create opts: invalid option: \"foo\"");
	g_hash_table_remove_all(o);
	g_hash_table_insert(o, "type", "none");
	refused(r, &req, "missing required option: \"device\"");
	g_hash_table_insert(o, "device", r->image);
	g_autoptr(Volume) v = volumes_acquire(r->vs, &req, NULL, NULL, NULL);
	assert_non_null(v);
	reopen(r);
	g_autoptr(Volume) again = volumes_find(r->vs, "opts", NULL);
	assert_string_equal(g_hash_table_lookup(again->options, "device"), r->image);
	g_auto(VolumeMount) m = {0};
	assert_true(volume_mount(again, &m, NULL));
	assert_string_equal(m.type, "bind");
	assert_string_equal(m.source, r->image);
}

static void test_life(void **state)
{
	Rig *r = *state;
	gboolean created;
	g_autoptr(Volume) a = acquire(r, "vol", "c1", &created);
	assert_true(created);
	assert_true(there(a->mountpoint));
	g_autoptr(Volume) b = acquire(r, "vol", "c2", &created);
	assert_false(created);
	assert_ptr_equal(a, b);

	g_autoptr(GError) error = NULL;
	assert_false(volumes_remove(r->vs, "vol", &error));
	assert_string_equal(error->message, "remove vol: volume is in use - [c1, c2]");
	assert_int_equal(error->code, DH_ERROR_CONFLICT);
	g_clear_error(&error);
	volumes_release(r->vs, "vol", "c1");
	assert_false(volumes_remove(r->vs, "vol", NULL));
	volumes_release(r->vs, "vol", "c2");
	volumes_release(r->vs, "vol", "c2");
	assert_true(volumes_remove(r->vs, "vol", NULL));
	assert_false(there(a->dir));
	assert_false(volumes_remove(r->vs, "vol", &error));
	assert_string_equal(error->message, "get vol: no such volume");
}

static void test_anonymous(void **state)
{
	Rig *r = *state;
	g_autoptr(Volume) v = acquire(r, "", NULL, NULL);
	g_autoptr(Volume) named = acquire(r, "named", NULL, NULL);
	assert_int_equal(strlen(v->name), 64);
	assert_true(volume_is_anonymous(v));
	assert_false(volume_is_anonymous(named));
	g_autofree char *name = g_strdup(v->name);
	reopen(r);
	g_autoptr(Volume) again = volumes_find(r->vs, name, NULL);
	assert_true(volume_is_anonymous(again));
}

static void *create_many(void *arg)
{
	Rig *r = arg;
	guint made = 0;
	for (guint i = 0; i < 100; i++) {
		g_autofree char *name = g_strdup_printf("vol%u", i);
		gboolean created;
		g_autoptr(Volume) v = acquire(r, name, NULL, &created);
		made += created;
		assert_true(there(v->mountpoint));
	}
	return GUINT_TO_POINTER(made);
}

/* Each is made by exactly one of them. */
static void test_two_creators(void **state)
{
	Rig *r = *state;
	GThread *a = g_thread_new("a", create_many, r), *b = g_thread_new("b", create_many, r);
	guint made = GPOINTER_TO_UINT(g_thread_join(a));
	made += GPOINTER_TO_UINT(g_thread_join(b));
	assert_int_equal(made, 100);
}

static void *create_and_remove(void *arg)
{
	Rig *r = arg;
	for (guint i = 0; i < 200; i++) {
		g_autofree char *holder = g_strdup_printf("%p-%u", (void *)g_thread_self(), i);
		g_autoptr(Volume) v = acquire(r, "shared", holder, NULL);
		/* Held: nobody can take it away. */
		assert_true(there(v->mountpoint));
		assert_false(volumes_remove(r->vs, "shared", NULL));
		volumes_release(r->vs, "shared", holder);
		(void)volumes_remove(r->vs, "shared", NULL);
	}
	return NULL;
}

static void test_holding_against_removal(void **state)
{
	GThread *a = g_thread_new("a", create_and_remove, *state);
	create_and_remove(*state);
	g_thread_join(a);
}

/* What a crash can leave, and what somebody's hand can. */
static void test_sweep(void **state)
{
	Rig *r = *state;
	g_autoptr(Volume) gone = acquire(r, "gone", NULL, NULL);
	g_autoptr(Volume) kept = acquire(r, "kept", NULL, NULL);
	g_autofree char *fill = in(kept->dir, ".fill");
	g_autofree char *staging = in(r->root, ".new-1-1/_data");
	g_autofree char *trash = in(r->root, ".gone-1-2/_data");
	g_autofree char *empty = in(r->root, "empty/_data");
	g_autofree char *full = in(r->root, "full/_data");
	g_autofree char *foreign = in(r->root, "lost+found");
	assert_int_equal(g_mkdir_with_parents(fill, 0755), 0);
	assert_int_equal(g_mkdir_with_parents(staging, 0755), 0);
	assert_int_equal(g_mkdir_with_parents(trash, 0755), 0);
	assert_int_equal(g_mkdir_with_parents(empty, 0755), 0);
	assert_int_equal(g_mkdir_with_parents(full, 0755), 0);
	assert_int_equal(g_mkdir_with_parents(foreign, 0755), 0);
	put(trash, "file", "old");
	put(full, "file", "precious");
	put(kept->mountpoint, "file", "mine");
	assert_true(dh_remove_tree(AT_FDCWD, gone->dir, NULL));

	reopen(r);
	assert_null(volumes_find(r->vs, "gone", NULL));
	assert_null(volumes_find(r->vs, "empty", NULL));
	assert_false(there(fill));
	assert_false(there(staging));
	assert_false(there(trash));
	assert_true(there(foreign));
	g_autoptr(Volume) adopted = volumes_find(r->vs, "full", NULL);
	assert_non_null(adopted);
	assert_int_equal(g_strv_length(r->notes), 2);
	g_autofree char *precious = get(adopted->mountpoint, "file");
	assert_string_equal(precious, "precious");
	g_autofree char *mine = get(kept->mountpoint, "file");
	assert_string_equal(mine, "mine");

	reopen(r);
	assert_int_equal(g_strv_length(r->notes), 0);
}

/* ---- filling ---- */

static gboolean fill(Rig *r, Volume *v, const char *path, GError **error)
{
	int root = open(r->image, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	gboolean ok = volume_fill(r->vs, v, root, path, error);
	close(root);
	return ok;
}

static struct stat stat_of(const char *dir, const char *name)
{
	struct stat st;
	g_autofree char *path = in(dir, name);
	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static void make_image(Rig *r)
{
	g_autofree char *d = in(r->image, "d"), *sub = in(d, "sub"), *f = in(d, "f");
	g_autofree char *hard = in(sub, "hard"), *link = in(d, "link"), *out = in(d, "out");
	g_autofree char *fifo = in(d, "fifo"), *sparse = in(d, "sparse");
	g_autofree char *door = in(r->image, "door"), *outside = in(r->dir, "outside");
	assert_int_equal(g_mkdir_with_parents(sub, 0700), 0);
	put(d, "f", "hello");
	assert_int_equal(linkat(AT_FDCWD, f, AT_FDCWD, hard, 0), 0);
	assert_int_equal(symlink("f", link), 0);
	assert_int_equal(symlink("/etc/passwd", out), 0);
	assert_int_equal(mkfifo(fifo, 0620), 0);
	int fd = open(sparse, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	assert_int_equal(pwrite(fd, "end", 3, (1 << 30) - 3), 3);
	close(fd);
	assert_int_equal(chmod(f, 04755), 0);
	assert_int_equal(chmod(d, 02751), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(d, 33, 34), 0);
		assert_int_equal(chmod(d, 02751), 0);
	}
	/* A link that leaves the image: resolved within it, where there is nothing. */
	assert_int_equal(g_mkdir_with_parents(outside, 0755), 0);
	put(outside, "secret", "secret");
	assert_int_equal(symlink(outside, door), 0);
}

static void test_fill(void **state)
{
	Rig *r = *state;
	make_image(r);
	g_autoptr(Volume) v = acquire(r, "vol", "c1", NULL);
	assert_true(fill(r, v, "/d", NULL));
	const char *m = v->mountpoint;
	struct stat d = stat_of(m, ""), f = stat_of(m, "f"), hard = stat_of(m, "sub/hard");
	assert_int_equal(d.st_mode & 07777, 02751);
	if (geteuid() == 0)
		assert_int_equal(d.st_gid, 34);
	assert_int_equal(f.st_mode & 07777, 04755);
	assert_int_equal(f.st_ino, hard.st_ino);
	assert_true(S_ISLNK(stat_of(m, "out").st_mode));
	assert_true(S_ISFIFO(stat_of(m, "fifo").st_mode));
	struct stat sparse = stat_of(m, "sparse");
	assert_int_equal(sparse.st_size, 1 << 30);
	assert_true(sparse.st_blocks < 1024);
	g_autofree char *text = get(m, "link");
	assert_string_equal(text, "hello");
	g_autofree char *staging = in(v->dir, ".fill");
	assert_false(there(staging));
	assert_true(volume_size(v) > 1 << 30);

	/* Only once. */
	put(m, "f", "changed");
	assert_true(fill(r, v, "/d", NULL));
	g_autofree char *changed = get(m, "f");
	assert_string_equal(changed, "changed");
}

static void test_fill_stays_inside(void **state)
{
	Rig *r = *state;
	make_image(r);
	static const char *const paths[] = {"/door", "/../outside", "/nothing"};
	for (guint i = 0; i < 3; i++) {
		g_autofree char *name = g_strdup_printf("vol%u", i);
		g_autoptr(Volume) v = acquire(r, name, "c1", NULL);
		assert_true(fill(r, v, paths[i], NULL));
		g_autofree char *secret = in(v->mountpoint, "secret");
		assert_false(there(secret));
	}
	g_autoptr(Volume) v = acquire(r, "file", "c1", NULL);
	g_autoptr(GError) error = NULL;
	assert_false(fill(r, v, "/d/f", &error));
	assert_non_null(strstr(error->message, "cannot mount volume over existing file"));
}

/* One that another container holds keeps its directory: it may be mounted there. */
static void test_fill_in_place(void **state)
{
	Rig *r = *state;
	make_image(r);
	g_autoptr(Volume) v = acquire(r, "vol", "c1", NULL);
	g_autoptr(Volume) same = acquire(r, "vol", "c2", NULL);
	ino_t before = stat_of(v->mountpoint, "").st_ino;
	assert_true(fill(r, v, "/d", NULL));
	assert_int_equal(stat_of(v->mountpoint, "").st_ino, before);
	assert_true(S_ISREG(stat_of(v->mountpoint, "sub/hard").st_mode));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_anonymous, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_creators, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holding_against_removal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fill_stays_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fill_in_place, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Layers: what is unpacked, what is refused, and that the tar comes back byte for byte. */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "store/digest.h"
#include "store/recipe.h"
#include "store/untar.h"
#include "test_store_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cmocka.h>

typedef struct {
	char *root; /* holds the layer's directory "l" and a file outside of it */
	int fd;     /* of the layer's directory */
	GByteArray *tar;
	Untarred got;
	GError *error;
} Fixture;

static int setup(void **state)
{
	Fixture *f = g_new0(Fixture, 1);
	f->root = g_dir_make_tmp("dhow-untar-XXXXXX", NULL);
	g_autofree char *layer = g_build_filename(f->root, "l", NULL);
	g_autofree char *outside = g_build_filename(f->root, "outside", NULL);
	if (mkdir(layer, 0700) < 0 || !g_file_set_contents(outside, "untouched", -1, NULL))
		return -1;
	f->fd = open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->tar = g_byte_array_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	Fixture *f = *state;
	dh_close(&f->fd);
	dh_remove_tree(AT_FDCWD, f->root, NULL);
	g_byte_array_unref(f->tar);
	g_free(f->got.diff_id);
	g_clear_error(&f->error);
	g_free(f->root);
	g_free(f);
	return 0;
}

static gboolean sink(void *arg, const void *buf, size_t n, GError **error)
{
	(void)error;
	g_byte_array_append(arg, buf, (guint)n);
	return TRUE;
}

static gboolean unpack(Fixture *f, gboolean lowest)
{
	Memory m = {f->tar->data, f->tar->len};
	return untar_layer(f->fd, memory_read, &m, lowest, &f->got, &f->error);
}

/* The header that was put last belongs to this group. */
static void tar_give(GByteArray *t, guint gid)
{
	char *h = (char *)t->data + t->len - 512;
	unsigned sum = 0;
	g_snprintf(h + 116, 8, "%07o", gid);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	g_snprintf(h + 148, 8, "%06o", sum);
}

/* The recipe gives back these very bytes. */
static void comes_back(Fixture *f, const GByteArray *tar)
{
	g_autoptr(GByteArray) back = g_byte_array_new();
	gboolean ok = recipe_replay(f->fd, sink, back, &f->error);
	if (!ok)
		fail_msg("%s", f->error->message);
	assert_int_equal(back->len, tar->len);
	assert_memory_equal(back->data, tar->data, tar->len);
	g_autofree char *id = digest_of(tar->data, tar->len);
	assert_string_equal(f->got.diff_id, id);
	assert_int_equal(f->got.tar_size, tar->len);
}

static void works(Fixture *f, gboolean lowest)
{
	tar_put_end(f->tar);
	if (!unpack(f, lowest))
		fail_msg("%s", f->error->message);
	comes_back(f, f->tar);
}

static void is_refused(Fixture *f, const char *why)
{
	assert_false(unpack(f, TRUE));
	assert_non_null(f->error);
	if (!strstr(f->error->message, why))
		fail_msg("%s instead of %s", f->error->message, why);
	g_autofree char *outside = g_build_filename(f->root, "outside", NULL);
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents(outside, &text, NULL, NULL));
	assert_string_equal(text, "untouched");
}

static void has(Fixture *f, const char *path, const char *text)
{
	g_autofree char *full = g_strconcat("diff/", path, NULL);
	g_autofree char *is = dh_read_file(f->fd, full, 1 << 20, NULL, NULL);
	if (!is)
		fail_msg("no %s", path);
	assert_string_equal(is, text);
}

static gboolean stat_of(Fixture *f, const char *path, struct stat *st)
{
	g_autofree char *full = g_strconcat("diff/", path, NULL);
	return fstatat(f->fd, full, st, AT_SYMLINK_NOFOLLOW) == 0;
}

static gboolean is_opaque(Fixture *f, const char *path)
{
	g_autofree char *full = g_strdup_printf("%s/l/diff/%s", f->root, path);
	char y = 0;
	return getxattr(full, "trusted.overlay.opaque", &y, 1) == 1 && y == 'y';
}

/* ---- names ---- */

static void absolute_names_stay_inside(void **state)
{
	Fixture *f = *state;
	tar_put_file(f->tar, "/etc/a", "a");
	tar_put_file(f->tar, "//x/../etc/./b", "b");
	tar_put_file(f->tar, "/../../c", "c");
	works(f, TRUE);
	has(f, "etc/a", "a");
	has(f, "etc/b", "b");
	has(f, "c", "c");
}

static void climbing_names_are_refused(void **state)
{
	Fixture *f = *state;
	tar_put_file(f->tar, "../outside", "evil");
	is_refused(f, "\"../outside\" leads outside");
}

static void climbing_inside_a_name_is_refused(void **state)
{
	Fixture *f = *state;
	tar_put_dir(f->tar, "a");
	tar_put_file(f->tar, "a/../../outside", "evil");
	is_refused(f, "leads outside");
}

static void symlinks_lead_nowhere(void **state)
{
	Fixture *f = *state;
	g_autofree char *up = g_build_filename(f->root, NULL);
	tar_put_link(f->tar, "abs", '2', up);
	tar_put_link(f->tar, "rel", '2', "../..");
	tar_put_link(f->tar, "file", '2', "../../outside");
	tar_put_file(f->tar, "rel/outside", "inside");
	tar_put_file(f->tar, "file", "replaced");
	works(f, TRUE);
	/* ".." ends at the layer's root */
	has(f, "outside", "inside");
	has(f, "file", "replaced");
	g_autofree char *outside = g_build_filename(f->root, "outside", NULL);
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents(outside, &text, NULL, NULL));
	assert_string_equal(text, "untouched");
}

static void write_through_absolute_symlink_is_refused(void **state)
{
	Fixture *f = *state;
	tar_put_link(f->tar, "abs", '2', f->root);
	tar_put_file(f->tar, "abs/outside", "evil");
	/* the link's target does not exist inside of the layer */
	is_refused(f, "abs/outside");
}

static void layer_symlinks_are_followed(void **state)
{
	Fixture *f = *state;
	tar_put_dir(f->tar, "usr/lib");
	tar_put_link(f->tar, "lib", '2', "usr/lib");
	tar_put_file(f->tar, "lib/x", "first");
	tar_put_file(f->tar, "usr/lib/x", "second");
	works(f, TRUE);
	has(f, "usr/lib/x", "second");
}

static void swapped_symlink_keeps_the_recipe_right(void **state)
{
	Fixture *f = *state;
	tar_put_dir(f->tar, "a");
	tar_put_dir(f->tar, "b");
	tar_put_link(f->tar, "l", '2', "a");
	tar_put_file(f->tar, "l/x", "in a");
	tar_put_link(f->tar, "l", '2', "b");
	tar_put_file(f->tar, "l/x", "in b");
	works(f, TRUE);
	has(f, "a/x", "in a");
	has(f, "b/x", "in b");
}

/* ---- links ---- */

static void hard_link_out_is_refused(void **state)
{
	Fixture *f = *state;
	tar_put_link(f->tar, "x", '1', "../../outside");
	is_refused(f, "leads outside");
}

static void hard_link_through_symlink_stays_inside(void **state)
{
	Fixture *f = *state;
	tar_put_link(f->tar, "up", '2', "../..");
	tar_put_link(f->tar, "x", '1', "up/outside");
	is_refused(f, "hard link x");
}

static void hard_links(void **state)
{
	Fixture *f = *state;
	struct stat a, b;
	tar_put_file(f->tar, "a", "same");
	tar_put_link(f->tar, "d/b", '1', "/a");
	tar_put_link(f->tar, "a", '1', "a");
	works(f, TRUE);
	assert_true(stat_of(f, "a", &a) && stat_of(f, "d/b", &b));
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(f->got.size, 4);
}

static void hard_link_to_directory_is_refused(void **state)
{
	Fixture *f = *state;
	tar_put_dir(f->tar, "d");
	tar_put_link(f->tar, "x", '1', "d");
	is_refused(f, "hard link x to a directory");
}

/* ---- odd entries ---- */

static void special_files(void **state)
{
	Fixture *f = *state;
	struct stat st;
	tar_put_header(f->tar, "null", '3', 0666, 0, NULL);
	tar_put_header(f->tar, "disk", '4', 0666, 0, NULL);
	tar_put_header(f->tar, "pipe", '6', 0666, 0, NULL);
	tar_put_link(f->tar, "zero", '1', "null");
	tar_put_file(f->tar, "after", "after");
	works(f, TRUE);
	/* Device 0/0 would be a whiteout. */
	assert_false(stat_of(f, "null", &st) || stat_of(f, "zero", &st));
	assert_true(stat_of(f, "disk", &st) && S_ISBLK(st.st_mode));
	assert_true(stat_of(f, "pipe", &st) && S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0666);
	has(f, "after", "after");
}

static void root_cannot_be_replaced(void **state)
{
	Fixture *f = *state;
	tar_put_link(f->tar, "./", '2', "/etc");
	is_refused(f, "would replace the root directory");
}

static void duplicates_replace(void **state)
{
	Fixture *f = *state;
	tar_put_file(f->tar, "x", "one");
	tar_put_file(f->tar, "x", "second");
	tar_put_file(f->tar, "d/deep/er", "was below a directory");
	tar_put_file(f->tar, "d/deep/er", "twice");
	tar_put_file(f->tar, "d", "now a file");
	tar_put_link(f->tar, "l", '1', "x");
	tar_put_file(f->tar, "l", "no link");
	tar_put_file(f->tar, "x", "3");
	tar_put_file(f->tar, "empty", "");
	tar_put_file(f->tar, "empty", "not empty");
	works(f, TRUE);
	has(f, "x", "3");
	has(f, "l", "no link");
	has(f, "d", "now a file");
	has(f, "empty", "not empty");
	assert_int_equal(f->got.size, 1 + 7 + 10 + 9);
}

static void metadata(void **state)
{
	Fixture *f = *state;
	struct stat st;
	umask(077);
	tar_put_header(f->tar, "d", '5', 01777, 0, NULL);
	tar_put_header(f->tar, "d/su", '0', 04755, 2, NULL);
	tar_put_data(f->tar, "su", 2);
	tar_put_file(f->tar, "implied/x", "x");
	works(f, TRUE);
	umask(022);
	assert_true(stat_of(f, "d", &st));
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(st.st_mtime, 1000000000);
	assert_true(stat_of(f, "d/su", &st));
	assert_int_equal(st.st_mode & 07777, 04755);
	assert_true(stat_of(f, "implied", &st));
	assert_int_equal(st.st_mode & 07777, 0755);
}

/* ---- whiteouts ---- */

static void whiteouts(void **state)
{
	Fixture *f = *state;
	struct stat st;
	tar_put_dir(f->tar, "d");
	tar_put_file(f->tar, "d/.wh.gone", "");
	tar_put_dir(f->tar, "o");
	tar_put_file(f->tar, "o/.wh..wh..opq", "");
	tar_put_file(f->tar, ".wh..wh.aufs", "");
	tar_put_dir(f->tar, ".wh..wh.plnk");
	tar_put_file(f->tar, ".wh..wh.plnk/1.2", "bookkeeping");
	tar_put_file(f->tar, "mine", "mine");
	tar_put_file(f->tar, ".wh.mine", "");
	tar_put_file(f->tar, ".wh.newdir", "");
	tar_put_dir(f->tar, "newdir");
	works(f, FALSE);
	assert_true(stat_of(f, "d/gone", &st));
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(st.st_rdev, makedev(0, 0));
	assert_true(is_opaque(f, "o"));
	assert_false(stat_of(f, ".wh..wh.aufs", &st) || stat_of(f, ".wh..wh.plnk", &st));
	has(f, "mine", "mine");
	assert_true(is_opaque(f, "newdir"));
}

static void whiteouts_of_the_lowest_layer(void **state)
{
	Fixture *f = *state;
	struct stat st;
	tar_put_file(f->tar, "d/.wh.gone", "");
	tar_put_file(f->tar, "d/.wh..wh..opq", "");
	works(f, TRUE);
	assert_false(stat_of(f, "d/gone", &st));
	assert_false(is_opaque(f, "d"));
}

static void whiteout_of_parent_is_refused(void **state)
{
	Fixture *f = *state;
	tar_put_file(f->tar, "d/.wh...", "");
	is_refused(f, "whiteout");
}

/* ---- broken and huge ---- */

static void truncated_is_refused(void **state)
{
	Fixture *f = *state;
	tar_put_header(f->tar, "x", '0', 0644, 100000, NULL);
	tar_put_data(f->tar, "short", 5);
	is_refused(f, "runcated");
}

static void huge_is_refused(void **state)
{
	Fixture *f = *state;
	tar_put_header(f->tar, "x", '0', 0644, 1LL << 61, NULL);
	tar_put_data(f->tar, "x", 1);
	is_refused(f, "no space left");
}

static void garbage_is_refused(void **state)
{
	Fixture *f = *state;
	for (int i = 0; i < 2000; i++)
		g_byte_array_append(f->tar, (const guint8 *)"no archive", 10);
	is_refused(f, "invalid");
}

static void deep_names_are_refused(void **state)
{
	Fixture *f = *state;
	g_autoptr(GString) name = g_string_new(NULL);
	for (int i = 0; i < 300; i++)
		g_string_append(name, "d/");
	tar_put_header(f->tar, "././@LongLink", 'L', 0, (gint64)name->len + 1, NULL);
	tar_put_data(f->tar, name->str, name->len + 1);
	tar_put_dir(f->tar, "x");
	is_refused(f, "file name too long");
}

static void symlinks_do_not_deepen_for_ever(void **state)
{
	Fixture *f = *state;
	g_autoptr(GString) name = g_string_new("l");
	for (int i = 0; i < 40; i++)
		g_string_append(name, "/d");
	for (int k = 0; k < 20; k++) {
		tar_put_dir(f->tar, name->str);
		tar_put_link(f->tar, "l", '2', k ? "l" : "d");
		g_autofree char *to = g_strdup_printf("d%d", k);
		tar_put_dir(f->tar, to);
	}
	/* whatever comes of it, it ends and can be removed */
	(void)unpack(f, TRUE);
}

static void trailing_bytes_belong_to_the_layer(void **state)
{
	Fixture *f = *state;
	tar_put_file(f->tar, "x", "x");
	tar_put_end(f->tar);
	for (int i = 0; i < 30000; i++)
		g_byte_array_append(f->tar, (const guint8 *)"trailing garbage", 16);
	assert_true(unpack(f, TRUE));
	comes_back(f, f->tar);
}

static void empty_streams(void **state)
{
	Fixture *f = *state;
	assert_true(unpack(f, TRUE));
	comes_back(f, f->tar);
}

static void only_an_end(void **state)
{
	Fixture *f = *state;
	works(f, TRUE);
	assert_string_equal(f->got.diff_id,
		"sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
}

/* ---- round trips of what libarchive writes ---- */

static void add_file(struct archive *a, const char *name, gsize size, gboolean sparse)
{
	struct archive_entry *e = archive_entry_new();
	g_autofree char *data = g_malloc0(size + 1);
	for (gsize i = 0; i < size; i += 7)
		data[i] = (char)('a' + i % 23);
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0640);
	archive_entry_set_size(e, (la_int64_t)size);
	archive_entry_set_mtime(e, 1234567890, 123456789);
	archive_entry_xattr_add_entry(e, "user.note", "text", 4);
	archive_entry_xattr_add_entry(e, "trusted.evil", "x", 1);
	if (sparse) {
		memset(data, 0, size / 2);
		archive_entry_sparse_add_entry(e, (la_int64_t)(size / 2), (la_int64_t)(size / 4));
	}
	archive_write_header(a, e);
	archive_write_data(a, data, size);
	archive_entry_free(e);
}

static la_ssize_t on_write(struct archive *a, void *arg, const void *buf, size_t n)
{
	(void)a;
	g_byte_array_append(arg, buf, (guint)n);
	return (la_ssize_t)n;
}

/* The filter's output for these bytes, without the zeros that libarchive pads its blocks with. */
static void compress(const GByteArray *plain, int filter, GByteArray *out)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	archive_write_set_format_raw(a);
	archive_write_add_filter(a, filter);
	archive_write_set_bytes_in_last_block(a, 1);
	archive_write_open(a, out, NULL, on_write, NULL);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_write_header(a, e);
	archive_write_data(a, plain->data, plain->len);
	archive_write_close(a);
	archive_write_free(a);
	archive_entry_free(e);
}

static void round_trip(void **state, int format, int filter, gboolean sparse)
{
	Fixture *f = *state;
	g_autofree char *longname = g_strdup_printf("%0120d/%0120d/file", 1, 2);
	g_autoptr(GByteArray) plain = g_byte_array_new();
	struct archive *a = archive_write_new();
	archive_write_set_format(a, format);
	archive_write_open(a, plain, NULL, on_write, NULL);
	add_file(a, "small", 3, FALSE);
	if (format != ARCHIVE_FORMAT_TAR_USTAR)
		add_file(a, longname, 70000, FALSE);
	add_file(a, "sparse", 3 << 20, sparse);
	add_file(a, "large", 5 << 20, FALSE);
	add_file(a, "last", 512, FALSE);
	archive_write_close(a);
	archive_write_free(a);
	compress(plain, filter, f->tar);
	if (!unpack(f, TRUE))
		fail_msg("%s", f->error->message);
	comes_back(f, plain);
	struct stat st;
	assert_true(stat_of(f, "sparse", &st));
	assert_int_equal(st.st_size, 3 << 20);
	if (format == ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE) {
		char text[8] = {0};
		g_autofree char *small = g_strdup_printf("%s/l/diff/small", f->root);
		assert_true(stat_of(f, "small", &st));
		assert_int_equal(st.st_mtim.tv_nsec, 123456789);
		assert_int_equal(getxattr(small, "trusted.evil", text, sizeof text), -1);
		if (getxattr(small, "user.note", text, sizeof text) >= 0)
			assert_string_equal(text, "text");
	}
}

static void pax_gzip(void **state)
{
	round_trip(state, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_GZIP, FALSE);
}

static void pax_sparse_zstd(void **state)
{
	round_trip(state, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_ZSTD, TRUE);
}

static void gnu_xz(void **state)
{
	round_trip(state, ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_XZ, FALSE);
}

static void ustar_bzip2(void **state)
{
	round_trip(state, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_BZIP2, FALSE);
}

/* Old GNU sparse: typeflag S, the map in the header. */
static void oldgnu_sparse(void **state)
{
	Fixture *f = *state;
	tar_put_header(f->tar, "s", 'S', 0644, 512, NULL);
	guint8 *h = f->tar->data;
	memcpy(h + 257, "ustar  ", 8);
	memset(h + 345, 0, 167);
	memcpy(h + 386, "00000010000", 12);
	memcpy(h + 398, "00000001000", 12);
	memcpy(h + 483, "00000020000", 12);
	memset(h + 148, ' ', 8);
	unsigned sum = 0;
	for (int i = 0; i < 512; i++)
		sum += h[i];
	g_snprintf((char *)h + 148, 8, "%06o", sum);
	char data[512];
	memset(data, 'z', sizeof data);
	tar_put_data(f->tar, data, sizeof data);
	tar_put_file(f->tar, "after", "after");
	works(f, TRUE);
	struct stat st;
	assert_true(stat_of(f, "s", &st));
	assert_int_equal(st.st_size, 8192);
	has(f, "after", "after");
}

static void truncated_gzip_is_refused(void **state)
{
	Fixture *f = *state;
	g_autoptr(GByteArray) plain = g_byte_array_new();
	tar_put_file(plain, "x", "some text");
	tar_put_end(plain);
	compress(plain, ARCHIVE_FILTER_GZIP, f->tar);
	g_byte_array_set_size(f->tar, f->tar->len / 2);
	is_refused(f, "runcated");
}

static void tampering_is_noticed(void **state)
{
	Fixture *f = *state;
	g_autoptr(GByteArray) back = g_byte_array_new();
	tar_put_file(f->tar, "x", "text");
	works(f, TRUE);
	assert_true(dh_write_file_atomic(f->fd, "diff/x", "longer", 6, 0644, NULL));
	assert_false(recipe_replay(f->fd, sink, back, &f->error));
	g_clear_error(&f->error);
	assert_int_equal(unlinkat(f->fd, "diff/x", 0), 0);
	assert_false(recipe_replay(f->fd, sink, back, &f->error));
	g_clear_error(&f->error);
	assert_true(dh_write_file_atomic(f->fd, "recipe", "junk", 4, 0600, NULL));
	assert_false(recipe_replay(f->fd, sink, back, &f->error));
	assert_string_equal(f->error->message, "the layer's recipe is damaged");
}

/* A directory that gives its group to what is made in it gives it to nothing of an archive. */
static void owners_are_the_archives(void **state)
{
	static const char *const dirs[] = {"./", "d/", "d/sub/"};
	static const char *const made[] = {"in-root", "d/file", "d/link", "d/sub", "d/sub/file",
		"d/sub/link", "d/plain", "d/plain/file"};
	Fixture *f = *state;
	struct stat st;
	tar_put_file(
		f->tar, "first", "x"); /* the root is the parent already when its entry comes */
	for (gsize i = 0; i < G_N_ELEMENTS(dirs); i++) {
		tar_put_header(f->tar, dirs[i], '5', 02775, 0, NULL);
		tar_give(f->tar, i < 2 ? 50 : 0);
	}
	tar_put_file(f->tar, "in-root", "x");
	tar_put_file(f->tar, "d/file", "x");
	tar_put_link(f->tar, "d/link", '2', "file");
	tar_put_dir(f->tar, "d/plain");
	tar_put_file(f->tar, "d/plain/file", "x");
	tar_put_file(f->tar, "d/sub/file", "x");
	tar_put_link(f->tar, "d/sub/link", '2', "file");
	tar_put_header(f->tar, "d/theirs", '0', 0644, 0, NULL);
	tar_give(f->tar, 7);
	works(f, TRUE);
	for (gsize i = 0; i < G_N_ELEMENTS(made); i++) {
		assert_true(stat_of(f, made[i], &st));
		if (st.st_uid != 0 || st.st_gid != 0)
			fail_msg("%s belongs to %u:%u", made[i], st.st_uid, st.st_gid);
	}
	assert_true(stat_of(f, "d", &st) && st.st_gid == 50 && (st.st_mode & 07777) == 02775);
	assert_true(stat_of(f, "", &st) && st.st_gid == 50 && (st.st_mode & 07777) == 02775);
	assert_true(stat_of(f, "d/plain", &st) && (st.st_mode & 07777) == 0755);
	assert_true(stat_of(f, "d/theirs", &st) && st.st_gid == 7);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(absolute_names_stay_inside),
		T(owners_are_the_archives),
		T(climbing_names_are_refused),
		T(climbing_inside_a_name_is_refused),
		T(symlinks_lead_nowhere),
		T(write_through_absolute_symlink_is_refused),
		T(layer_symlinks_are_followed),
		T(swapped_symlink_keeps_the_recipe_right),
		T(hard_link_out_is_refused),
		T(hard_link_through_symlink_stays_inside),
		T(hard_links),
		T(hard_link_to_directory_is_refused),
		T(special_files),
		T(root_cannot_be_replaced),
		T(duplicates_replace),
		T(metadata),
		T(whiteouts),
		T(whiteouts_of_the_lowest_layer),
		T(whiteout_of_parent_is_refused),
		T(truncated_is_refused),
		T(huge_is_refused),
		T(garbage_is_refused),
		T(deep_names_are_refused),
		T(symlinks_do_not_deepen_for_ever),
		T(trailing_bytes_belong_to_the_layer),
		T(empty_streams),
		T(only_an_end),
		T(pax_gzip),
		T(pax_sparse_zstd),
		T(gnu_xz),
		T(ustar_bzip2),
		T(oldgnu_sparse),
		T(truncated_gzip_is_refused),
		T(tampering_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

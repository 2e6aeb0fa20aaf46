/* SPDX-License-Identifier: MIT */
#include "base/db.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/json.h"
#include "base/size.h"
#include "base/spawn.h"
#include "base/timefmt.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
	int64_t n;
	char *text;
} Inner;
static const DhJsonField inner_fields[] = {
	DH_F(INT, Inner, n, "N", DH_JSON_REQUIRED),
	DH_F(STRING, Inner, text, "Text", DH_JSON_OMITEMPTY),
};
static DH_JSON_TABLE(inner_table, Inner, inner_fields, TRUE);

typedef struct {
	int64_t n;
	int tri;
} Unset;
typedef struct {
	int64_t n;
	Unset embedded;
} UnsetOuter;
static const DhJsonField unset_fields[] = {
	DH_F(INT, Unset, n, "N", DH_JSON_OMITEMPTY | DH_JSON_MINUS_ONE),
	DH_F(TRISTATE, Unset, tri, "Tri", DH_JSON_OMITEMPTY),
};
static DH_JSON_TABLE(unset_table, Unset, unset_fields, FALSE);
static const DhJsonField unset_outer_fields[] = {
	DH_F(INT, UnsetOuter, n, "N", DH_JSON_OMITEMPTY | DH_JSON_MINUS_ONE),
	DH_F(EMBED, UnsetOuter, embedded, "E", 0, &unset_table),
};
static DH_JSON_TABLE(unset_outer_table, UnsetOuter, unset_outer_fields, FALSE);

typedef struct {
	gboolean b;
	int tri;
	char **list, **slice;
	GHashTable *map, *set, *objects, *lists;
	Inner *object, embedded;
	GPtrArray *inners;
	json_t *raw;
} Outer;
static const DhJsonField outer_fields[] = {
	DH_F(BOOL, Outer, b, "B", 0),
	DH_F(TRISTATE, Outer, tri, "Tri", 0),
	DH_F(STRV, Outer, list, "List", 0),
	DH_F(STRSLICE, Outer, slice, "Slice", 0),
	DH_F(STRMAP, Outer, map, "Map", DH_JSON_NOTNULL),
	DH_F(SET, Outer, set, "Set", DH_JSON_OMITEMPTY),
	DH_F(MAP, Outer, objects, "Objects", DH_JSON_OMITEMPTY, &inner_table),
	DH_F(MAPLIST, Outer, lists, "Lists", DH_JSON_OMITEMPTY, &inner_table),
	DH_F(OBJECT, Outer, object, "Object", 0, &inner_table),
	DH_F(EMBED, Outer, embedded, "Embedded", 0, &inner_table),
	DH_F(LIST, Outer, inners, "Inners", DH_JSON_OMITEMPTY, &inner_table),
	DH_F(RAW, Outer, raw, "Raw", DH_JSON_OMITEMPTY),
};
static DH_JSON_TABLE(outer_table, Outer, outer_fields, FALSE);

static void json_round_trip(void **state)
{
	static const char text[] =
		"{\"B\":true,\"Tri\":false,\"List\":[\"a\",\"b\"],\"Slice\":[\"one\"],\"Map\":{"
		"\"k\":\"v\"},"
		"\"Set\":{\"80/"
		"tcp\":{}},\"Objects\":{\"x\":{\"N\":1}},\"Lists\":{\"p\":[{\"N\":2}],\"q\":null},"
		"\"Object\":{\"N\":3,\"Text\":\"t\"},\"Embedded\":{\"N\":4},\"Inners\":[{\"N\":5}],"
		"\"Raw\":[1]}";
	g_autoptr(GError) error = NULL;
	Outer *o = dh_json_parse_text(&outer_table, text, strlen(text), &error);
	assert_non_null(o);
	assert_int_equal(o->tri, 0);
	g_autofree char *out = dh_json_emit_text(&outer_table, o);
	assert_string_equal(out, text);
	Outer *copy = dh_json_copy(&outer_table, o);
	g_autofree char *again = dh_json_emit_text(&outer_table, copy);
	assert_string_equal(again, text);
	dh_json_free(&outer_table, copy);
	dh_json_free(&outer_table, o);
}

/* The text written at once is the text of the tree. */
static void json_text_is_the_trees(void **state)
{
	(void)state;
	char every[0x100 + 16];
	size_t n = 0;
	for (int c = 1; c < 0x80; c++)
		every[n++] = (char)c;
	strcpy(every + n, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	static const char *const broken = "a\xff\xc3(b";
	for (int i = 0; i < 2; i++) {
		Outer *o = dh_json_new(&outer_table);
		const char *text = i == 0 ? every : broken;
		for (size_t f = 0; f < outer_table.n_fields; f++) {
			const DhJsonField *field = &outer_table.fields[f];
			char *place = (char *)o + field->offset;
			if (field->type == DH_JSON_STRING)
				*(char **)(void *)place = g_strdup(text);
			else if (field->type == DH_JSON_STRV)
				*(char ***)(void *)place =
					g_strdupv((char *[]){(char *)text, (char *)"", NULL});
		}
		g_autoptr(json_t) tree = dh_json_emit(&outer_table, o);
		g_autofree char *of_tree = dh_json_dumps(tree, 0);
		g_autofree char *at_once = dh_json_emit_text(&outer_table, o);
		assert_string_equal(at_once, of_tree);
		dh_json_free(&outer_table, o);
	}
}

static void json_defaults_and_errors(void **state)
{
	static const char slice[] = "{\"slice\":\"word\",\"unknown\":1,\"Embedded\":{\"N\":0}}";
	Outer *o = dh_json_parse_text(&outer_table, slice, strlen(slice), NULL);
	assert_non_null(o);
	assert_int_equal(o->tri, -1);
	assert_string_equal(o->slice[0], "word");
	dh_json_free(&outer_table, o);

	static const struct {
		const char *text, *message;
	} bad[] = {
		{"{\"B\":\"yes\"}",
			"json: cannot unmarshal string into field Outer.B of type bool"},
		{"{\"Object\":{}}", "json: field Inner.N is missing"},
		{"{\"Object\":{\"N\":1,\"M\":2}}", "json: unknown field Inner.M"},
		{"{\"Object\":{\"N\":1.5}}",
			"json: cannot unmarshal number into field Inner.N of type int64"},
		{"{\"List\":[1]}",
			"json: cannot unmarshal number into field Outer.List of type string"},
		{"[]", "json: cannot unmarshal array into value of type Outer"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		assert_null(
			dh_json_parse_text(&outer_table, bad[i].text, strlen(bad[i].text), &error));
		assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_INVALID));
		assert_string_equal(error->message, bad[i].message);
	}
}

typedef struct {
	int64_t i;
	char *s, **list;
	GHashTable *map;
	GPtrArray *inners;
	json_t *raw;
} Scanned;
static const DhJsonField scanned_fields[] = {
	DH_F(INT, Scanned, i, "I", 0),
	DH_F(STRING, Scanned, s, "S", 0),
	DH_F(STRV, Scanned, list, "List", 0),
	DH_F(STRMAP, Scanned, map, "Map", 0),
	DH_F(LIST, Scanned, inners, "Inners", 0, &inner_table),
	DH_F(RAW, Scanned, raw, "Raw", 0),
};
static DH_JSON_TABLE(scanned_table, Scanned, scanned_fields, FALSE);

/* Each as the tree has it, then the end. */
static void json_scanned_is_the_trees(void **state)
{
	static const char text[] =
		" [ {\"I\":-12,\"S\":\"plain\",\"List\":[\"a\",\"b\"]} ,\n"
		"{\"S\":\"q\\\"\\u00e9\\\\\",\"List\":[],\"Else\":{\"x\":[\"}]\\\"\",{}]},\"I\":7},"
		"{\"List\":[\"a, "
		"b\",\"\\n\"],\"Raw\":{\"k\":[1,{\"l\":null}]},\"S\":null,\"I\":5.0},"
		"{\"Inners\":[{\"N\":1,\"Text\":\"]\"}],\"Map\":{\"a\":\"b\"},\"List\":null},{} ] ";
	g_autoptr(json_t) tree = dh_json_loads(text, strlen(text), NULL);
	g_autoptr(GError) error = NULL;
	DhJsonScan scan;
	dh_json_scan(&scan, text, strlen(text), TRUE);
	for (size_t i = 0; i < json_array_size(tree); i++) {
		Scanned from_text = {0}, from_tree = {0};
		assert_true(dh_json_scan_next(&scan, &scanned_table, &from_text, &error));
		assert_true(dh_json_parse_into(
			&scanned_table, json_array_get(tree, i), &from_tree, &error));
		g_autofree char *a = dh_json_emit_text(&scanned_table, &from_text);
		g_autofree char *b = dh_json_emit_text(&scanned_table, &from_tree);
		assert_string_equal(a, b);
		dh_json_clear(&scanned_table, &from_text);
		dh_json_clear(&scanned_table, &from_tree);
	}
	Scanned none = {0};
	assert_false(dh_json_scan_next(&scan, &scanned_table, &none, &error));
	assert_null(error);
}

/* Byte by byte, at another place each time, it is the same. */
static void json_scan_waits_for_more(void **state)
{
	static const char text[] = " [{\"I\":123,\"S\":\"a\\\"b\",\"List\":[\"x\",\"y\"]},"
				   "{\"Raw\":{\"k\":[1,2]},\"Else\":12.5},{\"I\":4}]\n";
	GString *all = g_string_new(NULL);
	DhJsonScan scan;
	dh_json_scan(&scan, "", 0, FALSE);
	for (size_t n = 1, whole = FALSE; !whole; n++) {
		g_autofree char *part = g_strndup(text, n);
		whole = n == strlen(text);
		dh_json_scan_more(&scan, part, n, whole != 0);
		for (gboolean more = TRUE; more;) {
			g_autoptr(GError) error = NULL;
			Scanned o = {0};
			more = dh_json_scan_next(&scan, &scanned_table, &o, &error);
			assert_null(error);
			if (more)
				dh_json_append_text(&scanned_table, &o, all);
			dh_json_clear(&scanned_table, &o);
		}
	}
	assert_string_equal(all->str,
		"{\"I\":123,\"S\":\"a\\\"b\",\"List\":[\"x\",\"y\"],\"Map\":null,\"Inners\":null,"
		"\"Raw\":null}{\"I\":0,\"S\":\"\",\"List\":null,\"Map\":null,\"Inners\":null,"
		"\"Raw\":"
		"{\"k\":[1,2]}}{\"I\":4,\"S\":\"\",\"List\":null,\"Map\":null,\"Inners\":null,"
		"\"Raw\":null}");
	g_string_free(all, TRUE);
}

static void json_scan_refuses(void **state)
{
	static const char *const bad[] = {"", "{}", "[", "[{}", "[{},]", "[{} {}]", "[{}] x", "[1]",
		"[{\"S\"}]", "[{\"S\":}]", "[{\"S\":\"x}]", "[{\"S\":\"\x01\"}]",
		"[{\"S\":\"\xff\"}]", "[{\"I\":01}]", "[{\"I\":\"1\"}]", "[{\"List\":[\"a\",]}]",
		"[{\"Raw\":[}]", "[{\"Else\":[1}", "[{\"I\":1,,}]", "[{\"S\":\"a\\"};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		gboolean more = TRUE;
		DhJsonScan scan;
		dh_json_scan(&scan, bad[i], strlen(bad[i]), TRUE);
		while (more) {
			Scanned o = {0};
			more = dh_json_scan_next(&scan, &scanned_table, &o, &error);
			dh_json_clear(&scanned_table, &o);
		}
		if (!error)
			fail_msg("taken: %s", bad[i]);
	}
}

static gpointer remove_it(gpointer path)
{
	g_autoptr(GError) error = NULL;
	(void)dh_remove_tree(AT_FDCWD, path, &error);
	return g_steal_pointer(&error);
}

static void tree_may_be_removed_by_two(void **state)
{
	g_autofree char *top = g_dir_make_tmp("dhow-two-XXXXXX", NULL);
	for (guint round = 0; round < 300; round++) {
		g_autofree char *tree = g_build_filename(top, "tree", NULL);
		for (guint i = 0; i < 8; i++) {
			g_autofree char *sub = g_strdup_printf("%s/%u/a/b", tree, i);
			g_autofree char *file = g_strdup_printf("%s/%u/file", tree, i);
			assert_int_equal(g_mkdir_with_parents(sub, 0700), 0);
			assert_true(g_file_set_contents(file, "x", 1, NULL));
		}
		GThread *other = g_thread_new("other", remove_it, tree);
		g_autoptr(GError) ours = remove_it(tree);
		g_autoptr(GError) others = g_thread_join(other);
		if (ours || others)
			fail_msg("%s", ours ? ours->message : others->message);
		assert_false(g_file_test(tree, G_FILE_TEST_EXISTS));
	}
	assert_int_equal(rmdir(top), 0);
}

static void json_absent_is_minus_one(void **state)
{
	UnsetOuter *o = dh_json_parse_text(&unset_outer_table, "{}", 2, NULL);
	assert_non_null(o);
	assert_int_equal(o->n, -1);
	assert_int_equal(o->embedded.n, -1);
	assert_int_equal(o->embedded.tri, -1);
	o->n = 0;
	g_autofree char *text = dh_json_emit_text(&unset_outer_table, o);
	assert_string_equal(text, "{\"N\":0,\"E\":{}}");
	dh_json_free(&unset_outer_table, o);
}

static void durations_and_times(void **state)
{
	static const struct {
		const char *text;
		int64_t nsec;
	} good[] = {
		{"1h30m", 5400 * DH_NSEC},
		{"1.5s", 1500000000},
		{"300ms", 300000000},
		{"-10us", -10000},
		{"0", 0},
	};
	int64_t t;
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		assert_true(dh_duration_parse(good[i].text, &t, NULL));
		assert_int_equal(t, good[i].nsec);
	}
	assert_false(dh_duration_parse("5", &t, NULL));
	assert_false(dh_duration_parse("", &t, NULL));
	assert_false(dh_duration_parse("5 s", &t, NULL));

	g_autofree char *a = dh_time_format(1136073600 * DH_NSEC + 120000000);
	assert_string_equal(a, "2006-01-01T00:00:00.12Z");
	g_autofree char *zero = dh_time_format(DH_TIME_ZERO);
	assert_string_equal(zero, "0001-01-01T00:00:00Z");
	assert_true(dh_time_parse("2006-01-01T01:00:00.12+01:00", 0, &t, NULL));
	assert_int_equal(t, 1136073600 * DH_NSEC + 120000000);
	assert_true(dh_time_parse("1136073600.5", 0, &t, NULL));
	assert_int_equal(t, 1136073600 * DH_NSEC + 500000000);
	assert_true(dh_time_parse("10s", 60 * DH_NSEC, &t, NULL));
	assert_int_equal(t, 50 * DH_NSEC);
	assert_true(dh_time_parse("0001-01-01T00:00:00Z", 0, &t, NULL));
	assert_true(t == DH_TIME_ZERO);
	assert_false(dh_time_parse("4048-01-01T00:00:00Z", 0, &t, NULL));
	assert_false(dh_time_parse("9223372036.9", 0, &t, NULL));
	assert_false(dh_time_parse("yesterday", 0, &t, NULL));

	static const struct {
		int64_t seconds;
		const char *text;
	} human[] = {
		{0, "Less than a second"},
		{1, "1 second"},
		{59, "59 seconds"},
		{60, "About a minute"},
		{3599, "59 minutes"},
		{3600, "About an hour"},
		{7200, "2 hours"},
		{86400 * 3, "3 days"},
		{86400 * 20, "2 weeks"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(human); i++) {
		g_autofree char *h = dh_duration_human(human[i].seconds * DH_NSEC);
		assert_string_equal(h, human[i].text);
	}
}

static void sizes(void **state)
{
	int64_t n;
	assert_true(dh_size_parse("64m", &n, NULL));
	assert_int_equal(n, 64 << 20);
	assert_true(dh_size_parse("1.5GiB", &n, NULL));
	assert_int_equal(n, 1610612736);
	assert_true(dh_size_parse("10b", &n, NULL));
	assert_int_equal(n, 10);
	assert_true(dh_size_parse("-1", &n, NULL));
	assert_int_equal(n, -1);
	assert_false(dh_size_parse("", &n, NULL));
	assert_false(dh_size_parse("x", &n, NULL));
	assert_false(dh_size_parse("10q", &n, NULL));
	g_autofree char *a = dh_size_human(4261550, 3);
	assert_string_equal(a, "4.26MB");
	g_autofree char *b = dh_size_human(0, 3);
	assert_string_equal(b, "0B");
	g_autofree char *c = dh_size_human_binary(1572864);
	assert_string_equal(c, "1.5MiB");
}

static void paths_stay_in_root(void **state)
{
	char dir[] = "/tmp/dhow-test-XXXXXX";
	assert_non_null(mkdtemp(dir));
	dh_autofd int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Links that lead to nothing yet: made where they lead within the root. */
	assert_int_equal(symlinkat("/far/away", root, "absolute"), 0);
	assert_int_equal(symlinkat("../../../near", root, "relative"), 0);
	assert_int_equal(symlinkat("around", root, "around"), 0);
	dh_autofd int far = dh_mkdir_in_root(root, "/absolute/below", 0755);
	assert_true(far >= 0);
	assert_int_equal(faccessat(root, "far/away/below", F_OK, 0), 0);
	dh_autofd int near = dh_mkdir_in_root(root, "relative", 0755);
	assert_true(near >= 0);
	assert_int_equal(faccessat(root, "near", F_OK, 0), 0);
	assert_int_equal(dh_mkdir_in_root(root, "around/x", 0755), -1);
	assert_int_equal(errno, ELOOP);
	dh_autofd int sub = dh_mkdir_in_root(root, "/a/../../b/c", 0755);
	assert_true(sub >= 0);
	g_autofree char *made = g_strdup_printf("%s/b/c", dir);
	assert_true(g_file_test(made, G_FILE_TEST_IS_DIR));
	assert_int_equal(symlinkat("/etc", root, "out"), 0);
	assert_int_equal(dh_open_in_root(root, "out/passwd", O_RDONLY, 0), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(dh_open_in_root(root, "../../etc/passwd", O_RDONLY, 0), -1);
	g_autoptr(GError) error = NULL;
	assert_true(dh_write_file_atomic(sub, "f", "text", 4, 0600, &error));
	g_autofree char *back = dh_read_file(sub, "f", 4, NULL, &error);
	assert_string_equal(back, "text");
	assert_null(dh_read_file(sub, "f", 3, NULL, &error));
	assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_TOO_LARGE));
	assert_true(dh_remove_tree(AT_FDCWD, dir, NULL));
	assert_false(g_file_test(dir, G_FILE_TEST_EXISTS));
	assert_true(g_file_test("/etc/passwd", G_FILE_TEST_EXISTS));
}

/* The walk that replaces openat2 opens what openat2 opens, and fails as it fails. */
static void both_ways_into_a_root_agree(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		int flags;
	} tries[] = {{"", O_PATH}, {"/", O_RDONLY}, {".", O_PATH}, {"..", O_PATH},
		{"../../..", O_PATH}, {"a", O_PATH}, {"a/", O_PATH}, {"/a/b/../b/./f", O_RDONLY},
		{"a/b/f/", O_RDONLY}, {"a/b/f/x", O_RDONLY}, {"a/b/f/..", O_PATH},
		{"none", O_RDONLY}, {"none/f", O_RDONLY}, {"up", O_PATH}, {"up/a/b/f", O_RDONLY},
		{"abs", O_RDONLY}, {"abs", O_PATH | O_NOFOLLOW}, {"dir/f", O_RDONLY},
		{"dir", O_PATH | O_DIRECTORY}, {"dir/", O_PATH}, {"dir/../f", O_RDONLY},
		{"dir/../b/f", O_RDONLY}, {"loop", O_PATH}, {"loop/x", O_PATH},
		{"loop", O_PATH | O_NOFOLLOW}, {"dangling", O_RDONLY},
		{"a/b/f", O_PATH | O_DIRECTORY}, {"a/new1", O_WRONLY | O_CREAT | O_EXCL},
		{"abs", O_WRONLY | O_CREAT | O_EXCL}, {"abs", O_WRONLY | O_CREAT},
		{"a", O_WRONLY | O_CREAT}, {"../a/b/../../../a", O_RDONLY | O_DIRECTORY}};
	g_autofree char *dir = g_dir_make_tmp("dhow-test-XXXXXX", NULL);
	int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	assert_int_equal(mkdirat(root, "a", 0755) | mkdirat(root, "a/b", 0755), 0);
	close(openat(root, "a/b/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	assert_int_equal(symlinkat("../../../..", root, "up"), 0);
	assert_int_equal(symlinkat("/a/b/f", root, "abs"), 0);
	assert_int_equal(symlinkat("/../a/b", root, "dir"), 0);
	assert_int_equal(symlinkat("loop", root, "loop"), 0);
	assert_int_equal(symlinkat("/nowhere", root, "dangling"), 0);
	for (guint links = 0; links < 2; links++) {
		for (guint i = 0; i < G_N_ELEMENTS(tries); i++) {
			struct stat a = {0}, b = {0};
			int flags = tries[i].flags;
			const char *path = tries[i].path;
			if (links && (flags & O_CREAT))
				continue;
			(void)unlinkat(root, "a/new1", 0);
			errno = 0;
			int x = links ? dh_open_plain_in_root(root, path, flags)
				      : dh_open_in_root(root, path, flags, 0644);
			int why = x < 0 ? errno : 0;
			(void)unlinkat(root, "a/new1", 0);
			int y = dh_walk_in_root(root, path, flags, 0644, links), why2 = errno;
			if (x < 0 && (y >= 0 || why != why2))
				fail_msg("%u \"%s\" %o: %s, but %s", links, path, flags,
					g_strerror(why), y < 0 ? g_strerror(why2) : "opened");
			if (x >= 0 && y < 0)
				fail_msg("%u \"%s\" %o: %s", links, path, flags, g_strerror(why2));
			if (x < 0)
				continue;
			assert_int_equal(fstat(x, &a) | fstat(y, &b), 0);
			if (!(flags & O_EXCL))
				assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
			close(x);
			close(y);
		}
	}
	close(root);
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(dh_walk_in_root(proc, "self/exe", O_RDONLY, 0, FALSE), -1);
	assert_int_equal(errno, ELOOP);
	close(proc);
	g_autofree char *parent = g_path_get_dirname(dir), *name = g_path_get_basename(dir);
	int at = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dh_remove_tree(at, name, NULL));
	close(at);
}

static void messages_carry_descriptors(void **state)
{
	int pair[2], fds[2], got[4];
	size_t n = 4;
	char buf[8];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(dh_send_msg(pair[0], "hi", 2, fds, 2, 0), 0);
	assert_int_equal(dh_recv_msg(pair[1], buf, sizeof buf, got, &n, 0), 2);
	assert_int_equal(n, 2);
	assert_int_equal(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	close(got[0]);
	close(got[1]);
	/* too long, and with nowhere to put a descriptor: an error, and nothing kept */
	assert_int_equal(dh_send_msg(pair[0], "much too long", 13, NULL, 0, 0), 0);
	assert_int_equal(dh_recv_msg(pair[1], buf, sizeof buf, NULL, NULL, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	n = 0;
	assert_int_equal(dh_send_msg(pair[0], "x", 1, fds, 1, 0), 0);
	assert_int_equal(dh_recv_msg(pair[1], buf, sizeof buf, got, &n, 0), -1);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(pair[i]);
	}
}

static void spawn_passes_only_what_is_named(void **state)
{
	int out[2];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	char *argv[] = {"sh", "-c",
		"for i in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i; done; "
		"exit 7",
		NULL};
	char *envp[] = {"PATH=/usr/bin:/bin", NULL};
	int extra = open("/dev/null", O_RDONLY); /* deliberately without O_CLOEXEC */
	DhSpawn s = {.path = "/bin/sh",
		.argv = argv,
		.envp = envp,
		.stdio = {-1, out[1], -1},
		.fds = &out[1],
		.n_fds = 1};
	pid_t pid;
	int pidfd;
	g_autoptr(GError) error = NULL;
	assert_true(dh_spawn(&s, &pid, &pidfd, &error));
	close(out[1]);
	g_autofree char *text = dh_read_to_end(out[0], 4096, NULL, NULL);
	assert_int_equal(dh_reap(pidfd), 7);
	g_strstrip(text);
	assert_string_equal(text, "0 1 2 3");
	close(pidfd);
	close(out[0]);
	close(extra);

	s.path = "/nonexistent/program";
	assert_false(dh_spawn(&s, &pid, NULL, &error));
	assert_non_null(strstr(error->message, "No such file"));
}

static gboolean collect(void *arg, int n, const char *const *columns, GError **error)
{
	g_string_append_printf(arg, "%s;", columns[0] ? columns[0] : "NULL");
	return TRUE;
}

static void database(void **state)
{
	static const char *const schema[] = {"CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER);",
		"ALTER TABLE t ADD COLUMN w TEXT;"};
	char dir[] = "/tmp/dhow-test-XXXXXX";
	assert_non_null(mkdtemp(dir));
	g_autofree char *path = g_strdup_printf("%s/state.db", dir);
	g_autoptr(GError) error = NULL;
	DhDb *db = dh_db_open(path, schema, 1, &error);
	assert_non_null(db);
	assert_true(dh_db_exec(db, &error, "INSERT INTO t VALUES (?,?)", "si", "a", (int64_t)1));
	dh_db_close(db);

	db = dh_db_open(path, schema, 2, &error); /* migrates */
	assert_non_null(db);
	g_autoptr(GString) rows = g_string_new(NULL);
	assert_true(dh_db_begin(db, &error));
	assert_true(dh_db_begin(db, &error));
	assert_true(dh_db_exec(db, &error, "INSERT INTO t VALUES (?,2,NULL)", "s", "b"));
	dh_db_rollback(db);
	assert_false(dh_db_commit(db, NULL)); /* the inner rollback dooms the outer */
	assert_true(dh_db_query(db, &error, collect, rows, "SELECT k FROM t ORDER BY k", ""));
	assert_string_equal(rows->str, "a;");
	assert_false(dh_db_exec(db, &error, "INSERT INTO t VALUES (?,3,NULL)", "s", "a"));
	assert_non_null(error);
	dh_db_close(db);
	g_clear_error(&error);
	assert_null(dh_db_open(path, schema, 1, &error)); /* from the future */
	assert_true(dh_remove_tree(AT_FDCWD, dir, NULL));
}

static void ids(void **state)
{
	g_autofree char *id = dh_id_new();
	assert_int_equal(strlen(id), DH_ID_LEN);
	assert_true(dh_is_hex(id));
	assert_false(dh_is_hex(""));
	assert_false(dh_is_hex("12G"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_round_trip),
		cmocka_unit_test(json_text_is_the_trees),
		cmocka_unit_test(json_defaults_and_errors),
		cmocka_unit_test(json_scanned_is_the_trees),
		cmocka_unit_test(json_scan_waits_for_more),
		cmocka_unit_test(json_scan_refuses),
		cmocka_unit_test(tree_may_be_removed_by_two),
		cmocka_unit_test(json_absent_is_minus_one),
		cmocka_unit_test(durations_and_times),
		cmocka_unit_test(sizes),
		cmocka_unit_test(paths_stay_in_root),
		cmocka_unit_test(both_ways_into_a_root_agree),
		cmocka_unit_test(messages_carry_descriptors),
		cmocka_unit_test(spawn_passes_only_what_is_named),
		cmocka_unit_test(database),
		cmocka_unit_test(ids),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Images: import, load, save, tags, removal, restart; and that failures leave nothing behind. */
#include "base/error.h"
#include "base/fs.h"
#include "base/timefmt.h"
#include "store/digest.h"
#include "store/store.h"
#include "test_store_tar.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

typedef struct {
	char *root;
	DhDb *db;
	Store *s;
	GString *status;
	GError *error;
	/* what in_use() answers */
	const char *used_image;
	gboolean running;
} Fixture;

static void open_store(Fixture *f)
{
	const char *const schema[] = {store_schema};
	g_autofree char *path = g_build_filename(f->root, "state.db", NULL);
	f->db = dh_db_open(path, schema, 1, &f->error);
	f->s = f->db ? store_open(f->root, f->db, &f->error) : NULL;
	if (!f->s)
		fail_msg("%s", f->error->message);
}

static void close_store(Fixture *f)
{
	store_close(f->s);
	dh_db_close(f->db);
}

static int setup(void **state)
{
	Fixture *f = g_new0(Fixture, 1);
	f->root = g_dir_make_tmp("dhow-store-XXXXXX", NULL);
	f->status = g_string_new(NULL);
	open_store(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	Fixture *f = *state;
	close_store(f);
	dh_remove_tree(AT_FDCWD, f->root, NULL);
	g_string_free(f->status, TRUE);
	g_clear_error(&f->error);
	g_free(f->root);
	g_free(f);
	return 0;
}

static void on_status(void *arg, const char *status)
{
	Fixture *f = arg;
	g_string_append_printf(f->status, "%s\n", status);
}

static gboolean in_use(void *arg, const char *id, char **ret_container, gboolean *ret_running)
{
	Fixture *f = arg;
	if (!f->used_image || strcmp(id, f->used_image) != 0)
		return FALSE;
	*ret_container = g_strdup("0123456789abcdef");
	*ret_running = f->running;
	return TRUE;
}

static guint entries(Fixture *f, const char *dir)
{
	g_autofree char *path = g_build_filename(f->root, dir, NULL);
	GDir *d = g_dir_open(path, 0, NULL);
	guint n = 0;
	while (d && g_dir_read_name(d))
		n++;
	g_dir_close(d);
	return n;
}

static void holds(Fixture *f, guint images, guint layers)
{
	StoreUsage u;
	store_usage(f->s, &u);
	assert_int_equal(u.n_images, images);
	assert_int_equal(u.n_layers, layers);
	assert_int_equal(entries(f, "layers"), layers);
	assert_int_equal(entries(f, "tmp"), 0);
}

static char *import(
	Fixture *f, const char *text, const char *repo, const char *tag, const char *change)
{
	g_autoptr(GByteArray) tar = g_byte_array_new();
	tar_put_file(tar, "file", text);
	tar_put_end(tar);
	Memory m = {tar->data, tar->len};
	char *const changes[] = {(char *)change, NULL};
	return store_import(f->s, memory_read, &m, changes, NULL, repo, tag, NULL, NULL, &f->error);
}

static gboolean load(Fixture *f, const GByteArray *tar)
{
	Memory m = {tar->data, tar->len};
	g_string_truncate(f->status, 0);
	return store_load(f->s, memory_read, &m, on_status, f, &f->error);
}

static GByteArray *save(Fixture *f, const char *a, const char *b)
{
	GByteArray *tar = g_byte_array_new();
	char *const names[] = {(char *)a, (char *)b, NULL};
	if (!store_save(f->s, names, array_write, tar, &f->error))
		fail_msg("%s", f->error->message);
	return tar;
}

static char *remove_image(Fixture *f, const char *name, gboolean force)
{
	g_autoptr(GPtrArray) list =
		store_image_remove(f->s, name, NULL, force, FALSE, in_use, f, &f->error);
	if (!list)
		return NULL;
	GString *out = g_string_new(NULL);
	for (guint i = 0; i < list->len; i++) {
		const StoreDeleted *d = g_ptr_array_index(list, i);
		g_string_append_printf(out, "%s %.19s\n", d->untagged ? "-" : "x",
			d->untagged ? d->untagged : d->deleted);
	}
	return g_string_free(out, FALSE);
}

static void fails_with(Fixture *f, const char *text, DhError code)
{
	assert_non_null(f->error);
	assert_string_equal(f->error->message, text);
	assert_int_equal(f->error->code, code);
	g_clear_error(&f->error);
}

static char **tags_of(Fixture *f, const char *id)
{
	g_autoptr(Image) i = store_image_find(f->s, id, NULL);
	return i ? g_strdupv(i->repo_tags) : NULL;
}

/* ---- import, find, tag ---- */

static void imports(void **state)
{
	Fixture *f = *state;
	g_autofree char *id = import(f, "text", "site", "v1", "CMD [\"/bin/x\"]");
	assert_true(digest_valid(id));
	static const char *const names[] = {"site:v1", "docker.io/library/site:v1"};
	for (size_t k = 0; k < G_N_ELEMENTS(names); k++) {
		g_autoptr(Image) i = store_image_find(f->s, names[k], &f->error);
		assert_non_null(i);
		assert_string_equal(i->id, id);
	}
	g_autofree char *prefix = g_strndup(digest_hex(id), 12);
	g_autofree char *long_prefix = g_strndup(id, 20);
	g_autoptr(Image) i = store_image_find(f->s, prefix, &f->error);
	g_autoptr(Image) j = store_image_find(f->s, long_prefix, &f->error);
	g_autoptr(Image) k = store_image_find(f->s, digest_hex(id), &f->error);
	assert_ptr_equal(i, j);
	assert_ptr_equal(i, k);
	assert_string_equal(i->comment, "Imported from -");
	assert_string_equal(i->os, "linux");
	assert_string_equal(i->config->cmd[0], "/bin/x");
	assert_int_equal(i->size, 4);
	assert_string_equal(i->repo_tags[0], "site:v1");
	g_auto(GStrv) lower = store_image_lower(f->s, i);
	g_autofree char *file = g_build_filename(lower[0], "file", NULL);
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents(file, &text, NULL, NULL));
	assert_string_equal(text, "text");
	assert_null(lower[1]);

	g_autoptr(GPtrArray) history = store_image_history(f->s, i, &f->error);
	assert_int_equal(history->len, 1);
	assert_string_equal(((StoreHistory *)g_ptr_array_index(history, 0))->id, id);
	holds(f, 1, 1);
}

static void import_failures(void **state)
{
	Fixture *f = *state;
	assert_null(import(f, "x", "Site", "v1", NULL));
	fails_with(f, "invalid reference format: repository name (library/Site) must be lowercase",
		DH_ERROR_INVALID);
	assert_null(import(f, "x", "site", "-v", NULL));
	fails_with(f, "invalid tag format", DH_ERROR_INVALID);
	assert_null(import(f, "x", "site", NULL, "FROM x"));
	fails_with(f, "FROM is not a valid change command", DH_ERROR_INVALID);
	Memory m = {(const guint8 *)"no tar at all", 13};
	assert_null(store_import(
		f->s, memory_read, &m, NULL, NULL, "site", NULL, NULL, NULL, &f->error));
	assert_int_equal(f->error->code, DH_ERROR_INVALID);
	holds(f, 0, 0);
	assert_int_equal(entries(f, "blobs/sha256"), 0);
}

static void not_found(void **state)
{
	Fixture *f = *state;
	static const struct {
		const char *name, *text;
		DhError code;
	} cases[] = {
		{"nginx", "No such image: nginx:latest", DH_ERROR_NOT_FOUND},
		{"nginx:1", "No such image: nginx:1", DH_ERROR_NOT_FOUND},
		{"sha256:abc", "No such image: sha256:abc", DH_ERROR_NOT_FOUND},
		{"a b", "invalid reference format", DH_ERROR_INVALID},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		assert_null(store_image_find(f->s, cases[i].name, &f->error));
		fails_with(f, cases[i].text, cases[i].code);
	}
}

static void tags(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "a", "a", NULL, NULL);
	g_autofree char *b = import(f, "b", "b", NULL, NULL);
	assert_true(store_tag(f->s, "a", "reg.example.com:5000/x/y", "1.0", &f->error));
	assert_true(store_tag(f->s, a, "z:t", NULL, &f->error));
	g_auto(GStrv) of_a = tags_of(f, a);
	g_autofree char *joined = g_strjoinv(" ", of_a);
	assert_string_equal(joined, "a:latest reg.example.com:5000/x/y:1.0 z:t");

	g_autoptr(Image) before = store_image_find(f->s, b, NULL);
	assert_true(store_tag(f->s, b, "a", "latest", &f->error));
	g_auto(GStrv) of_b = tags_of(f, b);
	g_autofree char *joined_b = g_strjoinv(" ", of_b);
	assert_string_equal(joined_b, "a:latest b:latest");
	g_auto(GStrv) left = tags_of(f, a);
	assert_int_equal(g_strv_length(left), 2);
	/* a snapshot does not change */
	assert_int_equal(g_strv_length(before->repo_tags), 1);

	assert_false(store_tag(f->s, "nope", "x", NULL, &f->error));
	fails_with(f, "No such image: nope:latest", DH_ERROR_NOT_FOUND);
	assert_false(store_tag(f->s, "a", "x", "a b", &f->error));
	fails_with(f, "invalid tag format", DH_ERROR_INVALID);
	assert_false(store_tag(f->s, "a", "sha256", "abc", &f->error));
	fails_with(f, "refusing to create an ambiguous tag using digest algorithm as name",
		DH_ERROR_INVALID);
}

/* ---- save and load ---- */

static void cycles(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "text", "site", "v1", "ENV A=b");
	assert_true(store_tag(f->s, "site:v1", "site:v2", NULL, &f->error));
	g_autoptr(GByteArray) first = save(f, "site", NULL);
	g_autofree char *gone = remove_image(f, a, TRUE);
	assert_non_null(gone);
	holds(f, 0, 0);
	assert_true(load(f, first));
	assert_string_equal(f->status->str, "Loaded image: site:v1\nLoaded image: site:v2\n");
	holds(f, 1, 1);
	g_autoptr(GByteArray) second = save(f, "site", NULL);
	assert_int_equal(first->len, second->len);
	assert_memory_equal(first->data, second->data, first->len);
	assert_true(load(f, second));
	holds(f, 1, 1);

	/* without a name: by ID */
	g_autoptr(GByteArray) nameless = save(f, a, NULL);
	gone = (g_free(gone), remove_image(f, a, TRUE));
	assert_true(load(f, nameless));
	g_autofree char *line = g_strdup_printf("Loaded image ID: %s\n", a);
	assert_string_equal(f->status->str, line);

	assert_false(store_save(
		f->s, (char *[]){(char *)"nope", NULL}, array_write, nameless, &f->error));
	fails_with(f, "No such image: nope:latest", DH_ERROR_NOT_FOUND);
}

static void moved_tag(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "a", "site", NULL, NULL);
	g_autoptr(GByteArray) tar = save(f, "site", NULL);
	g_autofree char *b = import(f, "b", "site", NULL, NULL);
	g_auto(GStrv) none = tags_of(f, a);
	assert_null(none[0]);
	assert_true(load(f, tar));
	g_autofree char *lines = g_strdup_printf("The image site:latest already exists, renaming "
						 "the old one with ID %s to empty string\n"
						 "Loaded image: site:latest\n",
		b);
	assert_string_equal(f->status->str, lines);
}

static void half_an_archive(void **state)
{
	Fixture *f = *state;
	g_autofree char *big = g_strnfill(200000, 'x');
	g_autofree char *a = import(f, big, "site", NULL, NULL);
	g_autoptr(GByteArray) tar = save(f, "site", NULL);
	g_autofree char *gone = remove_image(f, "site", FALSE);
	guint whole = tar->len;
	for (guint part = 0; part < 10; part++) {
		tar->len = whole / 10 * part;
		assert_false(load(f, tar));
		assert_int_equal(f->error->code, DH_ERROR_INVALID);
		g_clear_error(&f->error);
		holds(f, 0, 0);
		assert_int_equal(entries(f, "blobs/sha256"), 0);
	}
	tar->len = whole;
	/* one bit of the layer's payload */
	for (guint i = 0; i < whole; i++) {
		if (memcmp(tar->data + i, "xxxxxxxx", 8) == 0) {
			tar->data[i + 4] ^= 1;
			break;
		}
	}
	assert_false(load(f, tar));
	assert_non_null(
		strstr(f->error->message, "invalid diffID for layer 0: expected \"sha256:"));
	g_clear_error(&f->error);
	holds(f, 0, 0);
}

#define ZERO_DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static void lying_archives(void **state)
{
	Fixture *f = *state;
	static const struct {
		const char *manifest, *config, *text;
	} cases[] = {
		{NULL, NULL, "invalid archive: it has neither manifest.json nor index.json"},
		{"{}", NULL, "invalid archive: manifest.json is no array"},
		{"[{\"Config\":5}]", NULL,
			"json: cannot unmarshal number into field DockerEntry.Config of type "
			"string"},
		{"[{\"Config\":null}]", NULL, "invalid archive: manifest.json has no Config"},
		{"[{\"Config\":\"c.json\"}]", NULL, "invalid archive: c.json: no such file"},
		{"[{\"Config\":\"../../etc/passwd\"}]", NULL,
			"invalid archive: ../../etc/passwd: no such file"},
		{"[{\"Config\":\"c.json\",\"Layers\":[\"l.tar\"]}]",
			"{\"rootfs\":{\"diff_ids\":[]}}",
			"invalid manifest, layers length mismatch: expected 1, got 0"},
		{"[{\"Config\":\"c.json\",\"Layers\":[\"l.tar\"]}]",
			"{\"rootfs\":{\"diff_ids\":[\"" ZERO_DIGEST "\"]}}",
			"invalid archive: l.tar: no such file"},
		{"[{\"Config\":\"c.json\"}]", "{\"rootfs\":{\"diff_ids\":[\"../../x\"]}}",
			"invalid image JSON, \"../../x\" is no diffID"},
		{"[{\"Config\":\"c.json\"}]", "{}", "invalid image JSON, no RootFS key"},
		{"[{\"Config\":\"c.json\"}]", "{\"os\":\"windows\",\"rootfs\":{}}",
			"cannot load windows image on linux"},
		{"[{\"Config\":\"c.json\",\"RepoTags\":[\"notag\"]}]", "{\"rootfs\":{}}",
			"invalid tag \"notag\""},
		{"[{\"Config\":\"c.json\",\"RepoTags\":[\"Bad:x\"]}]", "{\"rootfs\":{}}",
			"invalid reference format: repository name (library/Bad) must be "
			"lowercase"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GByteArray) tar = g_byte_array_new();
		if (cases[i].manifest)
			tar_put_file(tar, "manifest.json", cases[i].manifest);
		if (cases[i].config)
			tar_put_file(tar, "c.json", cases[i].config);
		tar_put_end(tar);
		assert_false(load(f, tar));
		fails_with(f, cases[i].text, DH_ERROR_INVALID);
		holds(f, 0, 0);
		assert_int_equal(entries(f, "blobs/sha256"), 0);
	}
}

static void hostile_members(void **state)
{
	Fixture *f = *state;
	g_autoptr(GByteArray) climbing = g_byte_array_new();
	tar_put_file(climbing, "../manifest.json", "[]");
	tar_put_end(climbing);
	assert_false(load(f, climbing));
	fails_with(f, "invalid archive: \"../manifest.json\" leads outside", DH_ERROR_INVALID);

	g_autoptr(GByteArray) loop = g_byte_array_new();
	tar_put_link(loop, "manifest.json", '2', "manifest.json");
	tar_put_end(loop);
	assert_false(load(f, loop));
	g_clear_error(&f->error);

	g_autoptr(GByteArray) absurd = g_byte_array_new();
	g_autofree char *text = g_strnfill(5 << 20, ' ');
	tar_put_file(absurd, "manifest.json", text);
	tar_put_end(absurd);
	assert_false(load(f, absurd));
	fails_with(
		f, "invalid archive: manifest.json is larger than 4194304 bytes", DH_ERROR_INVALID);
	holds(f, 0, 0);
}

/* The old layout: <id>/layer.tar, the second a link to the first one's directory's file. */
static void old_layout(void **state)
{
	Fixture *f = *state;
	g_autoptr(GByteArray) layer = g_byte_array_new();
	tar_put_file(layer, "x", "text");
	tar_put_end(layer);
	g_autofree char *diff = digest_of(layer->data, layer->len);
	g_autofree char *config = g_strdup_printf(
		"{\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\",\"%s\"]},"
		"\"history\":[{\"created_by\":\"one\"},{\"created_by\":\"none\",\"empty_layer\":"
		"true},"
		"{\"created_by\":\"two\"}]}",
		diff, diff);
	g_autofree char *id = digest_of(config, strlen(config));
	g_autofree char *name = g_strconcat(digest_hex(id), ".json", NULL);
	g_autofree char *manifest =
		g_strdup_printf("[{\"Config\":\"%s\",\"RepoTags\":[\"old:1\"],\"Layers\":[\"a/"
				"layer.tar\",\"b/layer.tar\"]}]",
			name);
	g_autoptr(GByteArray) tar = g_byte_array_new();
	tar_put_dir(tar, "a/");
	tar_put_header(tar, "a/layer.tar", '0', 0644, layer->len, NULL);
	tar_put_data(tar, (const char *)layer->data, layer->len);
	tar_put_link(tar, "b/layer.tar", '2', "../a/layer.tar");
	tar_put_file(tar, name, config);
	tar_put_file(tar, "manifest.json", manifest);
	tar_put_end(tar);
	if (!load(f, tar))
		fail_msg("%s", f->error->message);
	holds(f, 1, 2);
	g_autoptr(Image) i = store_image_find(f->s, "old:1", &f->error);
	assert_string_equal(i->id, id);
	g_auto(GStrv) lower = store_image_lower(f->s, i);
	assert_int_equal(g_strv_length(lower), 2);
	assert_non_null(strstr(lower[1], digest_hex(diff)));
	g_autoptr(GPtrArray) history = store_image_history(f->s, i, &f->error);
	assert_int_equal(history->len, 3);
	const StoreHistory *h = g_ptr_array_index(history, 1);
	assert_string_equal(h->id, "<missing>");
	assert_int_equal(h->size, 0);
	h = g_ptr_array_index(history, 2);
	assert_string_equal(h->created_by, "one");
	assert_int_equal(h->size, 4);
	/* saved, the one blob is written once */
	g_autoptr(GByteArray) saved = save(f, "old:1", NULL);
	assert_true(saved->len < 3 * layer->len + 12000);

	/* a configuration that is not what its name says */
	GByteArray *bad = g_byte_array_new();
	tar_put_file(bad, name, "{\"rootfs\":{}}");
	tar_put_file(bad, "manifest.json", manifest);
	tar_put_end(bad);
	assert_false(load(f, bad));
	assert_non_null(strstr(f->error->message, "wrong digest: expected sha256:"));
	g_byte_array_unref(bad);
}

static char *put_blob(GByteArray *tar, const char *text)
{
	char *digest = digest_of(text, strlen(text));
	g_autofree char *name = g_strconcat("blobs/sha256/", digest_hex(digest), NULL);
	tar_put_file(tar, name, text);
	return digest;
}

static void oci_index(void **state)
{
	Fixture *f = *state;
	g_autoptr(GByteArray) tar = g_byte_array_new();
	g_autofree char *ours =
		put_blob(tar, "{\"os\":\"linux\",\"author\":\"us\",\"rootfs\":{\"diff_ids\":[]}}");
	g_autofree char *theirs = put_blob(
		tar, "{\"os\":\"linux\",\"author\":\"them\",\"rootfs\":{\"diff_ids\":[]}}");
	g_autofree char *m1 =
		g_strdup_printf("{\"config\":{\"digest\":\"%s\"},\"layers\":[]}", ours);
	g_autofree char *m2 =
		g_strdup_printf("{\"config\":{\"digest\":\"%s\"},\"layers\":[]}", theirs);
	g_autofree char *d1 = put_blob(tar, m1);
	g_autofree char *d2 = put_blob(tar, m2);
	g_autofree char *arch = NULL;
	{
		g_autofree char *probe = import(f, "x", NULL, NULL, NULL);
		g_autoptr(Image) i = store_image_find(f->s, probe, NULL);
		arch = g_strdup(i->architecture);
	}
	g_autofree char *list = g_strdup_printf(
		"{\"manifests\":["
		"{\"digest\":\"%s\",\"platform\":{\"os\":\"linux\",\"architecture\":\"vax\"}},"
		"{\"digest\":\"%s\",\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}},"
		"{\"digest\":\"%s\",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}}"
		"]}",
		d2, d1, arch, d2);
	g_autofree char *dl = put_blob(tar, list);
	g_autofree char *index = g_strdup_printf(
		"{\"manifests\":[{\"digest\":\"%s\",\"annotations\":{\"org.opencontainers.image."
		"ref.name\":"
		"\"multi:1\"}},{\"digest\":\"%s\",\"annotations\":{\"io.containerd.image.name\":"
		"\"docker.io/library/other:2\",\"org.opencontainers.image.ref.name\":\"2\"}}]}",
		dl, d2);
	tar_put_file(tar, "index.json", index);
	tar_put_end(tar);
	if (!load(f, tar))
		fail_msg("%s", f->error->message);
	assert_string_equal(f->status->str, "Loaded image: multi:1\nLoaded image: other:2\n");
	g_autoptr(Image) i = store_image_find(f->s, "multi:1", NULL);
	assert_string_equal(i->author, "us");
}

/* ---- removal ---- */

static void removes_by_name(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "a", "site", "1", NULL);
	assert_true(store_tag(f->s, "site:1", "site:2", NULL, &f->error));
	g_autofree char *one = remove_image(f, "site:1", FALSE);
	assert_string_equal(one, "- site:1\n");
	g_autofree char *two = remove_image(f, "site:2", FALSE);
	assert_true(g_str_has_prefix(two, "- site:2\nx sha256:"));
	holds(f, 0, 0);
	assert_null(remove_image(f, "site:2", FALSE));
	fails_with(f, "No such image: site:2", DH_ERROR_NOT_FOUND);
}

static void refusals(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "a", "site", "1", NULL);
	g_autofree char *short_id = g_strndup(digest_hex(a), 12);
	g_autofree char *text = g_strdup_printf("conflict: unable to remove repository reference "
						"\"site:1\" (must force) - container "
						"0123456789ab is using its referenced image %s",
		short_id);
	f->used_image = a;
	assert_null(remove_image(f, "site:1", FALSE));
	fails_with(f, text, DH_ERROR_CONFLICT);

	g_autofree char *stopped =
		g_strdup_printf("conflict: unable to delete %s (must be forced) - "
				"image is being used by stopped container 0123456789ab",
			short_id);
	assert_null(remove_image(f, short_id, FALSE));
	fails_with(f, stopped, DH_ERROR_CONFLICT);

	f->running = TRUE;
	g_autofree char *running =
		g_strdup_printf("conflict: unable to delete %s (cannot be forced) - "
				"image is being used by running container 0123456789ab",
			short_id);
	assert_null(remove_image(f, a, TRUE));
	fails_with(f, running, DH_ERROR_CONFLICT);

	f->used_image = NULL;
	assert_true(store_tag(f->s, "site:1", "other", NULL, &f->error));
	g_autofree char *names = g_strdup_printf("conflict: unable to delete %s (must be forced) - "
						 "image is referenced in multiple repositories",
		short_id);
	assert_null(remove_image(f, short_id, FALSE));
	fails_with(f, names, DH_ERROR_CONFLICT);
	g_autofree char *gone = remove_image(f, short_id, TRUE);
	assert_true(g_str_has_prefix(gone, "- other:latest\n- site:1\nx sha256:"));
	holds(f, 0, 0);
}

static void forced_under_a_stopped_container(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "a", "site", NULL, NULL);
	f->used_image = a;
	g_autofree char *gone = remove_image(f, "site", TRUE);
	assert_non_null(gone);
	assert_null(store_image_find(f->s, a, NULL));
	g_autoptr(Image) held = store_image_held(f->s, a);
	assert_non_null(held);
	holds(f, 0, 1);

	/* the container outlives the daemon */
	close_store(f);
	open_store(f);
	store_gc(f->s, in_use, f);
	holds(f, 0, 1);
	g_autoptr(Image) still = store_image_held(f->s, a);
	assert_non_null(still);
	f->used_image = NULL;
	store_gc(f->s, in_use, f);
	holds(f, 0, 0);
	assert_null(store_image_held(f->s, a));
}

static void held_images_come_back(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "a", "site", NULL, NULL);
	g_autoptr(GByteArray) tar = save(f, "site", NULL);
	f->used_image = a;
	g_autofree char *gone = remove_image(f, "site", TRUE);
	assert_true(load(f, tar));
	holds(f, 1, 1);
	f->used_image = NULL;
	store_gc(f->s, in_use, f);
	holds(f, 1, 1);
	g_autofree char *again = remove_image(f, "site", FALSE);
	holds(f, 0, 0);
}

static void shared_layers_stay(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "same", "a", NULL, "ENV A=1");
	g_autofree char *b = import(f, "same", "b", NULL, "ENV A=2");
	holds(f, 2, 1);
	g_autoptr(GByteArray) both = save(f, "a", "b");
	g_autofree char *gone = remove_image(f, "a", FALSE);
	holds(f, 1, 1);
	gone = (g_free(gone), remove_image(f, "b", FALSE));
	holds(f, 0, 0);
	assert_true(load(f, both));
	holds(f, 2, 1);
}

/* ---- restart ---- */

static void survives_restart(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "a", "site", NULL, NULL);
	assert_true(store_tag(f->s, "site", "site:2", NULL, &f->error));
	close_store(f);
	open_store(f);
	g_autoptr(Image) i = store_image_find(f->s, "site:2", &f->error);
	assert_string_equal(i->id, a);
	assert_int_equal(g_strv_length(i->repo_tags), 2);
	assert_int_equal(i->size, 1);
	assert_true(i->last_tagged > 0);
	holds(f, 1, 1);
}

static void sweeps(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "a", "keep", NULL, NULL);
	g_autofree char *b = import(f, "b", "lost", NULL, NULL);
	g_autoptr(Image) lost = store_image_find(f->s, "lost", NULL);
	g_auto(GStrv) lower = store_image_lower(f->s, lost);
	close_store(f);

	g_autofree char *layer = g_path_get_dirname(lower[0]);
	assert_true(dh_remove_tree(AT_FDCWD, layer, NULL));
	g_autofree char *orphan = g_build_filename(f->root, "layers/00ff/diff", NULL);
	g_autofree char *staged = g_build_filename(f->root, "tmp/layer-1-1/diff", NULL);
	g_autofree char *blob = g_build_filename(f->root, "blobs/sha256/abc", NULL);
	assert_true(dh_mkdir_p(orphan, 0700, NULL) && dh_mkdir_p(staged, 0700, NULL));
	assert_true(g_file_set_contents(blob, "x", 1, NULL));
	open_store(f);
	holds(f, 1, 1);
	assert_int_equal(entries(f, "blobs/sha256"), 1);
	assert_non_null(store_lost(f->s)[0]);
	assert_null(store_image_find(f->s, "lost", NULL));
	g_autoptr(Image) kept = store_image_find(f->s, "keep", NULL);
	assert_string_equal(kept->id, a);
}

static void tampered_layers_are_not_saved(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "text", "site", NULL, NULL);
	g_autoptr(Image) i = store_image_find(f->s, "site", NULL);
	g_auto(GStrv) lower = store_image_lower(f->s, i);
	g_autofree char *file = g_build_filename(lower[0], "file", NULL);
	assert_true(g_file_set_contents(file, "evil", 4, NULL));
	g_autoptr(GByteArray) tar = g_byte_array_new();
	assert_false(
		store_save(f->s, (char *[]){(char *)"site", NULL}, array_write, tar, &f->error));
	assert_non_null(strstr(f->error->message, "was changed behind the engine's back"));
}

/* ---- changes ---- */

static void changes(void **state)
{
	Fixture *f = *state;
	static const struct {
		const char *line, *json;
	} good[] = {
		{"CMD echo \"hi\"", "\"Cmd\":[\"/bin/sh\",\"-c\",\"echo \\\"hi\\\"\"]"},
		{"cmd [\"a\", \"b c\"]", "\"Cmd\":[\"a\",\"b c\"]"},
		{"CMD [\"a\", b]", "\"Cmd\":[\"/bin/sh\",\"-c\",\"[\\\"a\\\", b]\"]"},
		{"ENTRYPOINT [\"x\"]", "\"Entrypoint\":[\"x\"]"},
		{"ENTRYPOINT []", "\"Entrypoint\":null"},
		{"ENV A=b C=\"d e\" D=f\\ g", "\"Env\":[\"A=b\",\"C=d e\",\"D=f g\"]"},
		{"ENV A   b  c \"d\"", "\"Env\":[\"A=b  c d\"]"},
		{"ENV A=1\nENV B=$A", "\"Env\":[\"A=1\",\"B=1\"]"},
		{"ENV A=1\nENV A=2 B=${A:-x}${C:-y}'$A'", "\"Env\":[\"A=2\",\"B=1y$A\"]"},
		{"EXPOSE 53/udp", "\"ExposedPorts\":{\"53/udp\":{}}"},
		{"EXPOSE 127.0.0.1:80:8000-8001",
			"\"ExposedPorts\":{\"8000/tcp\":{},\"8001/tcp\":{}}"},
		{"LABEL \"c d\"=\"e f\"", "\"Labels\":{\"c d\":\"e f\"}"},
		{"ONBUILD RUN x y", "\"OnBuild\":[\"RUN x y\"]"},
		{"STOPSIGNAL SIGQUIT", "\"StopSignal\":\"SIGQUIT\""},
		{"USER a:b", "\"User\":\"a:b\""},
		{"VOLUME [\"/c d\"]", "\"Volumes\":{\"/c d\":{}}"},
		{"WORKDIR a\nWORKDIR b/../c", "\"WorkingDir\":\"/a/c\""},
		{"HEALTHCHECK NONE", "\"Test\":[\"NONE\"]"},
		{"HEALTHCHECK --interval=5s --retries=3 CMD x y",
			"\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x "
			"y\"],\"Interval\":5000000000,\"Retries\":3}"},
		{"USER a \\\n b", "\"User\":\"a  b\""},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		ContainerConfig *c = dh_json_new(&container_config_table);
		char *const lines[] = {(char *)good[i].line, NULL};
		if (!store_apply_changes(c, lines, &f->error))
			fail_msg("%s: %s", good[i].line, f->error->message);
		g_autofree char *json = dh_json_emit_text(&container_config_table, c);
		if (!strstr(json, good[i].json))
			fail_msg("%s: %s", good[i].line, json);
		dh_json_free(&container_config_table, c);
	}
}

static void bad_changes(void **state)
{
	Fixture *f = *state;
	static const struct {
		const char *line, *text;
	} bad[] = {
		{"FROM x", "FROM is not a valid change command"},
		{"foo", "foo is not a valid change command"},
		{"# nothing", "file with no instructions"},
		{"ENV A", "ENV must have two arguments"},
		{"ENV", "ENV requires at least one argument"},
		{"ENV A=b c",
			"Syntax error - can't find = in \"c\". Must be of the form: name=value"},
		{"ENV =x", "ENV names can not be blank"},
		{"EXPOSE 99999", "Invalid containerPort: 99999"},
		{"EXPOSE 90-80", "Invalid containerPort: 90-80"},
		{"EXPOSE 80/foo", "Invalid proto: foo"},
		{"USER", "USER requires exactly one argument"},
		{"VOLUME", "VOLUME requires at least one argument"},
		{"VOLUME [\"a\", \"\"]", "VOLUME specified can not be an empty string"},
		{"ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"},
		{"HEALTHCHECK FOO", "Unknown type \"FOO\" in HEALTHCHECK (try CMD)"},
		{"HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"},
		{"HEALTHCHECK --interval=0.1ms CMD x",
			"Interval \"interval\" cannot be less than 1ms"},
		{"HEALTHCHECK --x=1 CMD x", "Unknown flag: x"},
		{"LABEL a=\"b", "failed to process \"\\\"b\": unexpected end of statement while "
				"looking for "
				"matching double-quote"},
		{"ENV A=${B", "failed to process \"${B\": syntax error: missing '}'"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		ContainerConfig *c = dh_json_new(&container_config_table);
		char *const lines[] = {(char *)bad[i].line, NULL};
		assert_false(store_apply_changes(c, lines, &f->error));
		fails_with(f, bad[i].text, DH_ERROR_INVALID);
		dh_json_free(&container_config_table, c);
	}
}

/* ---- at the same time ---- */

typedef struct {
	Store *s;
	const GByteArray *tar;
} Job;

static gpointer load_and_remove(gpointer arg)
{
	const Job *j = arg;
	for (int i = 0; i < 20; i++) {
		Memory m = {j->tar->data, j->tar->len};
		g_autoptr(GError) error = NULL;
		if (!store_load(j->s, memory_read, &m, NULL, NULL, &error))
			return g_strdup(error->message);
		g_autoptr(GPtrArray) gone =
			store_image_remove(j->s, "site", NULL, TRUE, FALSE, NULL, NULL, NULL);
		g_autoptr(Image) found = store_image_find(j->s, "site", NULL);
	}
	return NULL;
}

static void threads(void **state)
{
	Fixture *f = *state;
	g_autofree char *a = import(f, "text", "site", NULL, NULL);
	g_autoptr(GByteArray) tar = save(f, "site", NULL);
	const Job job = {f->s, tar};
	GThread *t[4];
	for (size_t i = 0; i < G_N_ELEMENTS(t); i++)
		t[i] = g_thread_new("load", load_and_remove, (gpointer)&job);
	for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
		g_autofree char *error = g_thread_join(t[i]);
		if (error)
			fail_msg("%s", error);
	}
	holds(f, 0, 0);
	assert_true(load(f, tar));
	close_store(f);
	open_store(f);
	assert_null(store_lost(f->s)[0]);
	holds(f, 1, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(imports),
		T(import_failures),
		T(not_found),
		T(tags),
		T(cycles),
		T(moved_tag),
		T(half_an_archive),
		T(lying_archives),
		T(hostile_members),
		T(old_layout),
		T(oci_index),
		T(removes_by_name),
		T(refusals),
		T(forced_under_a_stopped_container),
		T(held_images_come_back),
		T(shared_layers_stay),
		T(survives_restart),
		T(sweeps),
		T(tampered_layers_are_not_saved),
		T(changes),
		T(bad_changes),
		T(threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

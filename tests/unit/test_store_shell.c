/* SPDX-License-Identifier: MIT */
/* The store from the shell, without a daemon: test_store_shell ROOT VERB [ARGUMENTS]. */
#include "base/db.h"
#include "base/fs.h"
#include "base/timefmt.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static ssize_t on_read(void *arg, void *buf, size_t n)
{
	(void)arg;
	return read(0, buf, n);
}

static int on_write(void *arg, const void *buf, size_t n)
{
	(void)arg;
	return fwrite(buf, 1, n, stdout) == n ? 0 : -1;
}

static void on_status(void *arg, const char *status)
{
	(void)arg;
	puts(status);
}

static gboolean do_load(Store *s, char **argv, GError **error)
{
	(void)argv;
	return store_load(s, on_read, NULL, on_status, NULL, error);
}

static gboolean do_save(Store *s, char **argv, GError **error)
{
	return store_save(s, argv, on_write, NULL, error);
}

static gboolean do_import(Store *s, char **argv, GError **error)
{
	g_autofree char *id = store_import(s, on_read, NULL, argv[0] ? argv + 1 : NULL, NULL,
		argv[0], NULL, NULL, NULL, error);
	if (id)
		puts(id);
	return id != NULL;
}

static gboolean do_images(Store *s, char **argv, GError **error)
{
	(void)argv;
	(void)error;
	g_autoptr(GPtrArray) list = store_images(s);
	for (guint k = 0; k < list->len; k++) {
		const Image *i = g_ptr_array_index(list, k);
		g_autofree char *tags = g_strjoinv(",", i->repo_tags);
		g_autofree char *created = dh_time_format(i->created);
		printf("%s %lld %s %s\n", i->id, (long long)i->size, created, tags);
	}
	return TRUE;
}

static gboolean do_lower(Store *s, char **argv, GError **error)
{
	g_autoptr(Image) i = store_image_find(s, argv[0], error);
	g_auto(GStrv) dirs = i ? store_image_lower(s, i) : NULL;
	for (char **d = dirs; d && *d; d++)
		puts(*d);
	return i != NULL;
}

static gboolean do_inspect(Store *s, char **argv, GError **error)
{
	g_autoptr(Image) i = store_image_find(s, argv[0], error);
	if (!i)
		return FALSE;
	g_autofree char *text = dh_json_dumps(i->raw, 2);
	puts(text);
	return TRUE;
}

static gboolean do_history(Store *s, char **argv, GError **error)
{
	g_autoptr(Image) i = store_image_find(s, argv[0], error);
	g_autoptr(GPtrArray) list = i ? store_image_history(s, i, error) : NULL;
	for (guint k = 0; list && k < list->len; k++) {
		const StoreHistory *h = g_ptr_array_index(list, k);
		printf("%s %lld %s %s\n", h->id, (long long)h->size, h->created_by, h->comment);
	}
	return list != NULL;
}

static gboolean do_tag(Store *s, char **argv, GError **error)
{
	return store_tag(s, argv[0], argv[1], NULL, error);
}

static gboolean do_rmi(Store *s, char **argv, GError **error)
{
	gboolean force = strcmp(argv[0], "-f") == 0;
	g_autoptr(GPtrArray) list =
		store_image_remove(s, argv[force], NULL, force, FALSE, NULL, NULL, error);
	for (guint k = 0; list && k < list->len; k++) {
		const StoreDeleted *d = g_ptr_array_index(list, k);
		printf("%s: %s\n", d->untagged ? "Untagged" : "Deleted",
			d->untagged ? d->untagged : d->deleted);
	}
	return list != NULL;
}

static const struct {
	const char *name;
	int n_args;
	gboolean (*run)(Store *s, char **argv, GError **error);
} verbs[] = {
	{"load", 0, do_load},
	{"save", 1, do_save},
	{"import", 0, do_import},
	{"images", 0, do_images},
	{"lower", 1, do_lower},
	{"inspect", 1, do_inspect},
	{"history", 1, do_history},
	{"tag", 2, do_tag},
	{"rmi", 1, do_rmi},
};

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	const char *const schema[] = {store_schema};
	gboolean ok = FALSE;
	if (argc < 3 || !dh_mkdir_p(argv[1], 0700, &error)) {
		fprintf(stderr, "usage: %s ROOT VERB [ARGUMENTS]\n", argv[0]);
		return 2;
	}
	g_autofree char *path = g_build_filename(argv[1], "state.db", NULL);
	g_autoptr(DhDb) db = dh_db_open(path, schema, 1, &error);
	Store *s = db ? store_open(argv[1], db, &error) : NULL;
	for (size_t i = 0; s && i < G_N_ELEMENTS(verbs); i++)
		if (strcmp(argv[2], verbs[i].name) == 0 && argc - 3 >= verbs[i].n_args)
			ok = verbs[i].run(s, argv + 3, &error);
	store_close(s);
	if (!ok)
		fprintf(stderr, "Error: %s\n", error ? error->message : "unknown verb");
	return ok ? 0 : 1;
}

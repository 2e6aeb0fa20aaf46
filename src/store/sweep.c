/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef gboolean (*Wanted)(Store *s, const char *name);

static gboolean wanted_layer(Store *s, const char *name)
{
	g_autofree char *id = g_strconcat(DIGEST_PREFIX, name, NULL);
	return g_hash_table_contains(s->layers, id);
}

static gboolean wanted_blob(Store *s, const char *name)
{
	g_autofree char *id = g_strconcat(DIGEST_PREFIX, name, NULL);
	return g_hash_table_contains(s->images, id) || g_hash_table_contains(s->held, id);
}

static gboolean wanted_never(Store *s, const char *name)
{
	(void)s;
	(void)name;
	return FALSE;
}

/* Removes from a directory what is not wanted. What cannot be removed is left for the next time. */
static gboolean sweep_dir(Store *s, int dirfd, Wanted wanted, GError **error)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		dh_error_errno(error, errno, "open store");
		dh_close(&fd);
		return FALSE;
	}
	struct dirent *e;
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			wanted(s, e->d_name))
			continue;
		(void)dh_remove_tree(dirfd, e->d_name, NULL);
	}
	closedir(d);
	return TRUE;
}

static gboolean on_layer(void *arg, int n, const char *const *c, GError **error)
{
	(void)n;
	(void)error;
	Store *s = arg;
	struct stat st;
	if (!digest_valid(c[0]) ||
		fstatat(s->layers_fd, digest_hex(c[0]), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return TRUE;
	Layer *l = g_new0(Layer, 1);
	l->chain_id = g_strdup(c[0]);
	l->diff_id = g_strdup(c[1]);
	l->parent = g_strdup(c[2]);
	l->size = g_ascii_strtoll(c[3], NULL, 10);
	l->tar_size = g_ascii_strtoll(c[4], NULL, 10);
	g_hash_table_insert(s->layers, l->chain_id, l);
	return TRUE;
}

static gboolean on_tag(void *arg, int n, const char *const *c, GError **error)
{
	(void)n;
	(void)error;
	GHashTable *tags = arg;
	GPtrArray *names = g_hash_table_lookup(tags, c[1]);
	if (!names) {
		names = g_ptr_array_new_with_free_func(g_free);
		g_hash_table_insert(tags, g_strdup(c[1]), names);
	}
	g_ptr_array_add(names, g_strdup(c[0]));
	return TRUE;
}

typedef struct {
	Store *s;
	GHashTable *tags;   /* image ID -> names, sorted */
	GPtrArray *dropped; /* image IDs */
} Filling;

/* Counts the image in at its layers; FALSE if one is missing. */
static gboolean count_layers(Store *s, ImageCore *core)
{
	for (char **c = core->chain_ids; *c; c++)
		if (!g_hash_table_contains(s->layers, *c))
			return FALSE;
	for (char **c = core->chain_ids; *c; c++) {
		Layer *l = g_hash_table_lookup(s->layers, *c);
		l->refs++;
		core->size += l->size;
	}
	return TRUE;
}

static gboolean drop(Filling *f, const char *id, const char *why)
{
	g_ptr_array_add(f->s->lost, g_strdup_printf("image %s is lost: %s", id, why));
	g_ptr_array_add(f->dropped, g_strdup(id));
	return TRUE;
}

static gboolean on_image(void *arg, int n, const char *const *c, GError **error)
{
	(void)n;
	Filling *f = arg;
	Store *s = f->s;
	const char *id = c[0];
	if (!digest_valid(id))
		return drop(f, id, "its ID is damaged");

	size_t len = 0;
	GError *e = NULL;
	g_autofree char *text = blob_get(s, id, &len, &e);
	g_autoptr(ImageCore) core = text ? image_parse(text, len, &e) : NULL;
	if (!core) {
		if (g_error_matches(e, DH_ERROR, DH_ERROR_SYSTEM)) {
			g_propagate_error(error, e); /* the disk: nothing may be concluded */
			return FALSE;
		}
		drop(f, id, e->message);
		g_error_free(e);
		return TRUE;
	}
	if (!count_layers(s, core))
		return drop(f, id, "a layer is missing");
	g_free(core->parent);
	core->parent = g_strdup(c[1]);

	GPtrArray *names = g_hash_table_lookup(f->tags, id);
	if (names && (names->len == 0 || g_ptr_array_index(names, names->len - 1)))
		g_ptr_array_add(names, NULL);
	gboolean held = strcmp(c[3], "0") != 0;
	Image *i = index_snapshot(
		core, names ? (char *const *)names->pdata : NULL, g_ascii_strtoll(c[2], NULL, 10));
	g_hash_table_insert(held ? s->held : s->images, i->id, i);
	for (guint k = 0; names && g_ptr_array_index(names, k); k++)
		g_hash_table_replace(s->names, g_strdup(g_ptr_array_index(names, k)), g_strdup(id));
	return TRUE;
}

static gboolean on_chain(void *arg, int n, const char *const *c, GError **error)
{
	(void)n;
	(void)error;
	g_ptr_array_add(arg, g_strdup(c[0]));
	return TRUE;
}

/* Layers that no image refers to leave the index, rows without a layer in the index the table. */
static gboolean drop_layers(Store *s, GError **error)
{
	GHashTableIter it;
	gpointer layer;
	g_hash_table_iter_init(&it, s->layers);
	while (g_hash_table_iter_next(&it, NULL, &layer))
		if (((const Layer *)layer)->refs == 0)
			g_hash_table_iter_remove(&it);

	g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(g_free);
	if (!dh_db_query(s->db, error, on_chain, rows, "SELECT chain_id FROM layers", ""))
		return FALSE;
	for (guint i = 0; i < rows->len; i++) {
		const char *id = g_ptr_array_index(rows, i);
		if (!g_hash_table_contains(s->layers, id) &&
			!dh_db_exec(s->db, error, "DELETE FROM layers WHERE chain_id = ?", "s", id))
			return FALSE;
	}
	return TRUE;
}

static gboolean fill(Store *s, GError **error)
{
	g_autoptr(GHashTable) tags = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
	g_autoptr(GPtrArray) dropped = g_ptr_array_new_with_free_func(g_free);
	Filling f = {s, tags, dropped};
	if (!dh_db_query(s->db, error, on_layer, s,
		    "SELECT chain_id, diff_id, parent, size, tar_size FROM layers", "") ||
		!dh_db_query(s->db, error, on_tag, tags,
			"SELECT name, image FROM image_tags ORDER BY name", "") ||
		!dh_db_query(s->db, error, on_image, &f,
			"SELECT id, parent, last_tagged, held FROM images", ""))
		return FALSE;
	for (guint i = 0; i < dropped->len; i++)
		if (!dh_db_exec(s->db, error, "DELETE FROM images WHERE id = ?", "s",
			    g_ptr_array_index(dropped, i)))
			return FALSE;
	return drop_layers(s, error);
}

gboolean store_sweep(Store *s, GError **error)
{
	if (!dh_db_begin_vital(s->db, error))
		return FALSE;
	if (!fill(s, error)) {
		dh_db_rollback(s->db);
		return FALSE;
	}
	return dh_db_commit(s->db, error) && sweep_dir(s, s->tmp_fd, wanted_never, error) &&
	       sweep_dir(s, s->layers_fd, wanted_layer, error) &&
	       sweep_dir(s, s->blobs_fd, wanted_blob, error);
}

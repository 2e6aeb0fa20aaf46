/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/timefmt.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An image's size and layers follow from its configuration and the layers' rows; reference counts
 * are derived when the index is filled. Times are ns. */
const char store_schema[] =
	"CREATE TABLE layers ("
	" chain_id TEXT PRIMARY KEY NOT NULL,"
	" diff_id TEXT NOT NULL,"
	" parent TEXT NOT NULL," /* chain ID or '' */
	" size INTEGER NOT NULL,"
	" tar_size INTEGER NOT NULL"
	") WITHOUT ROWID;"
	"CREATE TABLE images ("
	" id TEXT PRIMARY KEY NOT NULL,"
	" parent TEXT NOT NULL," /* image ID or '' */
	" last_tagged INTEGER NOT NULL,"
	" held INTEGER NOT NULL DEFAULT 0" /* removed by force, a container uses it */
	") WITHOUT ROWID;"
	"CREATE TABLE image_tags ("
	" name TEXT PRIMARY KEY NOT NULL," /* docker.io/library/nginx:latest, .../nginx@sha256:...
					    */
	" image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE"
	") WITHOUT ROWID;"
	"CREATE INDEX image_tags_image ON image_tags(image);";

static int open_dir(Store *s, const char *name, GError **error)
{
	g_autofree char *path = g_build_filename(s->root, name, NULL);
	if (!dh_mkdir_p(path, 0700, error))
		return -1;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		dh_error_errno(error, errno, "open %s", path);
	return fd;
}

Store *store_open(const char *data_root, DhDb *db, GError **error)
{
	Store *s = g_new0(Store, 1);
	s->db = db;
	s->root = g_strdup(data_root);
	s->root_fd = s->blobs_fd = s->layers_fd = s->tmp_fd = -1;
	g_mutex_init(&s->write);
	g_mutex_init(&s->lock);
	s->images =
		g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)image_unref);
	s->held = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)image_unref);
	s->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	s->layers =
		g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)layer_free);
	s->lost = g_ptr_array_new_with_free_func(g_free);
	if ((s->root_fd = open_dir(s, ".", error)) < 0 ||
		(s->blobs_fd = open_dir(s, "blobs/sha256", error)) < 0 ||
		(s->layers_fd = open_dir(s, "layers", error)) < 0 ||
		(s->tmp_fd = open_dir(s, "tmp", error)) < 0 || !store_sweep(s, error)) {
		store_close(s);
		return NULL;
	}
	s->places = places_new(s->tmp_fd);
	g_ptr_array_add(s->lost, NULL);
	return s;
}

void store_close(Store *s)
{
	if (!s)
		return;
	g_hash_table_unref(s->images);
	g_hash_table_unref(s->held);
	g_hash_table_unref(s->names);
	g_hash_table_unref(s->layers);
	g_ptr_array_unref(s->lost);
	places_free(s->places);
	dh_close(&s->root_fd);
	dh_close(&s->blobs_fd);
	dh_close(&s->layers_fd);
	dh_close(&s->tmp_fd);
	g_mutex_clear(&s->write);
	g_mutex_clear(&s->lock);
	g_free(s->root);
	g_free(s);
}

char *const *store_lost(const Store *s)
{
	return (char *const *)s->lost->pdata;
}

char *store_tmp_name(Store *s, const char *kind)
{
	return g_strdup_printf(
		"%s-%d-%u", kind, (int)getpid(), (guint)g_atomic_int_add((gint *)&s->serial, 1));
}

/* ---- adoption ---- */

typedef struct {
	Store *s;
	const NewImage *n;
	gboolean known;        /* the image is there, perhaps held */
	GPtrArray *new_layers; /* Layer */
	GPtrArray *attached;   /* chain IDs, borrowed */
	int64_t now;
} Adoption;

static gboolean layer_known(Store *s, const char *chain_id)
{
	g_mutex_lock(&s->lock);
	gboolean known = g_hash_table_contains(s->layers, chain_id);
	g_mutex_unlock(&s->lock);
	return known;
}

static gboolean adopt_layers(Adoption *a, GError **error)
{
	const NewImage *n = a->n;
	for (guint i = 0; n->core->diff_ids[i]; i++) {
		StagedLayer *staged = g_ptr_array_index(n->staged, i);
		const char *chain = n->core->chain_ids[i];
		gboolean known = layer_known(a->s, chain);
		if (!staged && !known)
			return dh_error(error, DH_ERROR_CONFLICT, "layer %s is gone", chain);
		if (known)
			continue;
		Layer *l = g_new0(Layer, 1);
		g_ptr_array_add(a->new_layers, l);
		l->chain_id = g_strdup(chain);
		l->diff_id = g_strdup(n->core->diff_ids[i]);
		l->parent = g_strdup(i ? n->core->chain_ids[i - 1] : "");
		l->size = staged->got.size;
		l->tar_size = staged->got.tar_size;
		if (!dh_db_exec(a->s->db, error,
			    "INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?, ?)", "sssii",
			    l->chain_id, l->diff_id, l->parent, l->size, l->tar_size) ||
			!layer_attach(a->s, staged, chain, error))
			return FALSE;
		g_ptr_array_add(a->attached, l->chain_id);
	}
	return TRUE;
}

static gboolean adopt_rows(Adoption *a, GError **error)
{
	const NewImage *n = a->n;
	if (!dh_db_exec(a->s->db, error,
		    "INSERT INTO images VALUES (?, ?, ?, 0) ON CONFLICT (id) DO UPDATE SET held = "
		    "0",
		    "ssi", n->core->id, n->core->parent, n->names ? a->now : DH_TIME_ZERO))
		return FALSE;
	for (char *const *name = n->names; name && *name; name++)
		if (!tag_write(a->s, *name, n->core->id, error))
			return FALSE;
	if (n->names &&
		!dh_db_exec(a->s->db, error, "UPDATE images SET last_tagged = ? WHERE id = ?", "is",
			a->now, n->core->id))
		return FALSE;
	return a->known || adopt_layers(a, error);
}

/* With s->lock held: the image appears, with its layers. */
static void adopt_index(Adoption *a)
{
	Store *s = a->s;
	ImageCore *core = a->n->core;
	for (guint i = 0; i < a->new_layers->len; i++) {
		Layer *l = g_ptr_array_index(a->new_layers, i);
		g_hash_table_insert(s->layers, l->chain_id, l);
	}
	g_ptr_array_set_free_func(a->new_layers, NULL);

	Image *held = g_hash_table_lookup(s->held, core->id);
	if (held) {
		g_hash_table_steal(s->held, core->id);
		g_hash_table_insert(s->images, held->id, held);
	} else if (!a->known) {
		for (char **c = core->chain_ids; *c; c++) {
			Layer *l = g_hash_table_lookup(s->layers, *c);
			l->refs++;
			core->size += l->size;
		}
		Image *i = index_snapshot(core, NULL, DH_TIME_ZERO);
		g_hash_table_insert(s->images, i->id, i);
	}
}

static void adopt_names(Adoption *a, char **moved)
{
	Store *s = a->s;
	const char *id = a->n->core->id;
	for (guint i = 0; a->n->names && a->n->names[i]; i++) {
		const char *name = a->n->names[i];
		const char *old = g_hash_table_lookup(s->names, name);
		gboolean moves = old && strcmp(old, id) != 0;
		g_autofree char *old_id = g_strdup(moves ? old : "");
		g_hash_table_replace(s->names, g_strdup(name), g_strdup(id));
		if (moves)
			index_refresh(s, old_id, 0);
		moved[i] = g_steal_pointer(&old_id);
	}
	index_refresh(s, id, a->n->names ? a->now : 0);
}

static gboolean adopt_commit(Adoption *a, GError **error)
{
	Store *s = a->s;
	if (!a->known && !blob_put(s, a->n->core->id, a->n->text, a->n->len, error))
		return FALSE;
	gboolean ok = dh_db_begin(s->db, error);
	if (ok && !adopt_rows(a, error)) {
		dh_db_rollback(s->db);
		ok = FALSE;
	} else if (ok) {
		ok = dh_db_commit(s->db, error);
	}
	if (!ok && !a->known)
		blob_delete(s, a->n->core->id);
	return ok;
}

gboolean store_adopt(Store *s, const NewImage *n, char ***ret_moved, GError **error)
{
	g_autoptr(GPtrArray) layers = g_ptr_array_new_with_free_func((GDestroyNotify)layer_free);
	g_autoptr(GPtrArray) attached = g_ptr_array_new();
	g_autoptr(GPtrArray) detached = g_ptr_array_new();
	g_auto(GStrv) moved = g_new0(char *, (n->names ? g_strv_length((char **)n->names) : 0) + 1);
	Adoption a = {s, n, FALSE, layers, attached, dh_time_now()};

	g_mutex_lock(&s->write);
	g_mutex_lock(&s->lock);
	a.known = g_hash_table_contains(s->images, n->core->id) ||
		  g_hash_table_contains(s->held, n->core->id);
	if (!a.known && n->parent && g_hash_table_contains(s->images, n->parent)) {
		g_free(n->core->parent);
		n->core->parent = g_strdup(n->parent);
	}
	g_mutex_unlock(&s->lock);

	gboolean ok = adopt_commit(&a, error);
	if (ok) {
		g_mutex_lock(&s->lock);
		adopt_index(&a);
		adopt_names(&a, moved);
		g_mutex_unlock(&s->lock);
	} else {
		for (guint i = 0; i < attached->len; i++)
			g_ptr_array_add(detached, layer_detach(s, g_ptr_array_index(attached, i)));
	}
	g_mutex_unlock(&s->write);

	for (guint i = 0; i < detached->len; i++)
		layer_destroy(s, g_ptr_array_index(detached, i));
	if (ok && ret_moved)
		*ret_moved = g_steal_pointer(&moved);
	return ok;
}

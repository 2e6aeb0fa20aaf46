/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "store/internal.h"
#include "store/recipe.h"
#include "store/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- directories ---- */

void staged_layer_free(StagedLayer *l)
{
	if (!l)
		return;
	if (l->name)
		place_remove(l->store->places, l->name);
	g_free(l->name);
	g_free(l->got.diff_id);
	g_free(l);
}

StagedLayer *layer_stage(
	Store *s, StoreRead read, void *arg, unsigned how, const char *diff_id, GError **error)
{
	g_autoptr(StagedLayer) l = g_new0(StagedLayer, 1);
	l->store = s;
	l->name = store_tmp_name(s, "layer");
	if (!place_make(s->places, l->name, error))
		return NULL;
	dh_autofd int dir = openat(s->tmp_fd, l->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		dh_error_errno(error, errno, "create layer");
		return NULL;
	}
	if (!untar_layer(dir, read, arg, how, &l->got, error))
		return NULL;
	if (diff_id && strcmp(diff_id, l->got.diff_id) != 0) {
		dh_error(error, DH_ERROR_INVALID, "invalid diffID: expected \"%s\", got \"%s\"",
			diff_id, l->got.diff_id);
		return NULL;
	}
	return g_steal_pointer(&l);
}

/* ---- the tar of a layer: one thread reads it together, the caller's hashes and sends it ---- */

typedef struct {
	int dir;
	Ring *ring;
} Reader;

/* Copies: a block of the ring is filled by several calls, and one of these by several reads. */
static gboolean to_ring(void *arg, const void *buf, size_t n, GError **error)
{
	const Reader *r = arg;
	char *room = ring_room(r->ring);
	if (!room)
		return dh_error(error, DH_ERROR_SYSTEM, "nobody reads the layer");
	memcpy(room, buf, n);
	ring_put(r->ring, n);
	return TRUE;
}

static void *read_layer(void *arg)
{
	Reader *r = arg;
	GError *e = NULL;
	(void)recipe_replay(r->dir, to_ring, r, &e);
	ring_end(r->ring, e);
	return NULL;
}

static gboolean send_layer(Ring *ring, const Layer *l, StoreWrite write, void *arg, GError **error)
{
	g_autoptr(Digest) digest = digest_new();
	int64_t left = l->tar_size;
	const void *buf;
	ssize_t n;
	while ((n = ring_next(ring, &buf, error)) > 0) {
		if (n > left)
			return dh_error(error, DH_ERROR_SYSTEM, "the layer is longer than it was");
		left -= n;
		digest_update(digest, buf, (size_t)n);
		if (write(arg, buf, (size_t)n) < 0)
			return dh_error_errno(error, errno, "write archive");
	}
	if (n < 0)
		return FALSE;
	g_autofree char *is = digest_finish(digest);
	return (left == 0 && strcmp(is, l->diff_id) == 0) ||
	       dh_error(error, DH_ERROR_SYSTEM,
		       "it was changed behind the engine's back: its digest is now %s", is);
}

gboolean layer_write_tar(Store *s, const Layer *l, StoreWrite write, void *arg, GError **error)
{
	dh_autofd int dir =
		openat(s->layers_fd, digest_hex(l->chain_id), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return dh_error_errno(error, errno, "open layer %s", l->chain_id);
	Reader r = {dir, ring_new()};
	GThread *t = g_thread_try_new("layer", read_layer, &r, error);
	gboolean ok = FALSE;
	if (t) {
		ok = send_layer(r.ring, l, write, arg, error);
		ring_stop(r.ring);
		g_thread_join(t);
	}
	ring_free(r.ring);
	if (!ok)
		g_prefix_error(error, "layer %s: ", l->diff_id);
	return ok;
}

char *layer_mount_dir(Store *s, const char *chain_id)
{
	return g_strconcat(s->root, "/layers/", digest_hex(chain_id), "/diff", NULL);
}

char *layer_detach(Store *s, const char *chain_id)
{
	g_autofree char *name = store_tmp_name(s, "gone");
	if (renameat(s->layers_fd, digest_hex(chain_id), s->tmp_fd, name) < 0)
		return NULL;
	return g_steal_pointer(&name);
}

void layer_destroy(Store *s, char *detached)
{
	if (!detached)
		return;
	place_remove(s->places, detached);
	g_free(detached);
}

gboolean layer_attach(Store *s, StagedLayer *staged, const char *chain_id, GError **error)
{
	const char *hex = digest_hex(chain_id);
	if (renameat(s->tmp_fd, staged->name, s->layers_fd, hex) < 0) {
		/* What is there has no row: a removal that could not finish. */
		layer_destroy(s, layer_detach(s, chain_id));
		if (renameat(s->tmp_fd, staged->name, s->layers_fd, hex) < 0)
			return dh_error_errno(error, errno, "adopt layer %s", chain_id);
	}
	g_clear_pointer(&staged->name, g_free);
	return TRUE;
}

static gboolean write_row(Store *s, const Layer *l, GError **error)
{
	return dh_db_exec(s->db, error, "INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?, ?)",
		"sssii", l->chain_id, l->diff_id, l->parent, l->size, l->tar_size);
}

gboolean layer_adopt(
	Store *s, StagedLayer *staged, const char *chain_id, const char *parent, GError **error)
{
	Layer *l = g_new0(Layer, 1);
	l->chain_id = g_strdup(chain_id);
	l->diff_id = g_strdup(staged->got.diff_id);
	l->parent = g_strdup(parent ? parent : "");
	l->size = staged->got.size;
	l->tar_size = staged->got.tar_size;
	l->refs = 1;

	g_mutex_lock(&s->write);
	gboolean ok = layer_pin(s, chain_id), known = ok;
	if (!known && dh_db_begin(s->db, error)) {
		ok = write_row(s, l, error) && layer_attach(s, staged, chain_id, error);
		if (ok)
			ok = dh_db_commit(s->db, error);
		else
			dh_db_rollback(s->db);
	}
	if (ok && !known) {
		g_mutex_lock(&s->lock);
		g_hash_table_insert(s->layers, l->chain_id, l);
		g_mutex_unlock(&s->lock);
		l = NULL;
	}
	g_mutex_unlock(&s->write);
	if (l)
		layer_free(l);
	return ok;
}

/* ---- index ---- */

void layer_free(Layer *l)
{
	g_free(l->chain_id);
	g_free(l->diff_id);
	g_free(l->parent);
	g_free(l);
}

gboolean layer_pin(Store *s, const char *chain_id)
{
	g_mutex_lock(&s->lock);
	Layer *l = g_hash_table_lookup(s->layers, chain_id);
	if (l)
		l->refs++;
	g_mutex_unlock(&s->lock);
	return l != NULL;
}

Layer *layer_lookup(Store *s, const char *chain_id)
{
	Layer *copy = NULL;
	g_mutex_lock(&s->lock);
	const Layer *l = g_hash_table_lookup(s->layers, chain_id);
	if (l) {
		copy = g_new0(Layer, 1);
		copy->chain_id = g_strdup(l->chain_id);
		copy->diff_id = g_strdup(l->diff_id);
		copy->parent = g_strdup(l->parent);
		copy->size = l->size;
		copy->tar_size = l->tar_size;
	}
	g_mutex_unlock(&s->lock);
	return copy;
}

void layers_release(Store *s, char *const *chain_ids, GPtrArray *ret_freed)
{
	for (guint i = g_strv_length((char **)chain_ids); i-- > 0;) {
		Layer *l = g_hash_table_lookup(s->layers, chain_ids[i]);
		if (!l || --l->refs > 0)
			continue;
		g_hash_table_steal(s->layers, l->chain_id);
		g_ptr_array_add(ret_freed, l);
	}
}

gboolean layers_forget(Store *s, GPtrArray *freed, GError **error)
{
	for (guint i = 0; i < freed->len; i++) {
		const Layer *l = g_ptr_array_index(freed, i);
		if (!dh_db_exec(s->db, error, "DELETE FROM layers WHERE chain_id = ?", "s",
			    l->chain_id))
			return FALSE;
	}
	return TRUE;
}

void layers_detach(Store *s, GPtrArray *freed, GPtrArray *ret_detached)
{
	for (guint i = 0; i < freed->len; i++) {
		const Layer *l = g_ptr_array_index(freed, i);
		char *name = layer_detach(s, l->chain_id);
		if (name)
			g_ptr_array_add(ret_detached, name);
	}
}

void layer_unpin(Store *s, const char *chain_id)
{
	g_autoptr(GPtrArray) freed = g_ptr_array_new_with_free_func((GDestroyNotify)layer_free);
	g_autoptr(GPtrArray) detached = g_ptr_array_new();
	char *const ids[] = {(char *)chain_id, NULL};

	g_mutex_lock(&s->write);
	g_mutex_lock(&s->lock);
	layers_release(s, ids, freed);
	g_mutex_unlock(&s->lock);
	/* Its image was removed while a load counted on it. A row that cannot be deleted now is
	 * deleted by the sweep, which finds no directory for it. */
	if (freed->len > 0) {
		(void)layers_forget(s, freed, NULL);
		layers_detach(s, freed, detached);
	}
	g_mutex_unlock(&s->write);
	for (guint i = 0; i < detached->len; i++)
		layer_destroy(s, g_ptr_array_index(detached, i));
}

/* SPDX-License-Identifier: MIT */
/*
 * docker rmi. What happens depends on how the image was named:
 *
 *   by a name   that name goes; if it was the last one the image goes too, quietly staying where a
 *container or a child needs it. by its ID   all its names go if they are one repository's;
 *otherwise the removal must be forced.
 *
 * Then parents that nobody needs any more go (unless no_prune). Conflicts are hard (running
 *container, child image) or soft (stopped container, names), which force overrides.
 */
#include "base/error.h"
#include "store/internal.h"

#include <string.h>

typedef struct {
	Store *s;
	gboolean force, prune;
	StoreInUse in_use;
	void *arg;
	GPtrArray *records;  /* StoreDeleted */
	GPtrArray *detached; /* layer directories to delete when the lock is free */
} Removal;

enum {
	CONFLICT_CHILD = 1 << 0,
	CONFLICT_RUNNING = 1 << 1,
	CONFLICT_NAMES = 1 << 2,
	CONFLICT_STOPPED = 1 << 3,
	CONFLICT_HARD = CONFLICT_CHILD | CONFLICT_RUNNING,
	CONFLICT_SOFT = CONFLICT_NAMES | CONFLICT_STOPPED,
};

void store_deleted_free(StoreDeleted *d)
{
	if (!d)
		return;
	g_free(d->untagged);
	g_free(d->deleted);
	g_free(d);
}

static void record(Removal *r, char *untagged, char *deleted)
{
	StoreDeleted *d = g_new0(StoreDeleted, 1);
	d->untagged = untagged;
	d->deleted = deleted;
	g_ptr_array_add(r->records, d);
}

/* ---- questions ---- */

static char **names_of(Store *s, const char *id)
{
	g_mutex_lock(&s->lock);
	char **names = index_names_of(s, id);
	g_mutex_unlock(&s->lock);
	return names;
}

static gboolean has_children(Store *s, const char *id)
{
	gboolean found = FALSE;
	GHashTableIter it;
	gpointer image;
	g_mutex_lock(&s->lock);
	g_hash_table_iter_init(&it, s->images);
	while (!found && g_hash_table_iter_next(&it, NULL, &image))
		found = strcmp(((const Image *)image)->parent, id) == 0;
	g_mutex_unlock(&s->lock);
	return found;
}

static gboolean used(const Removal *r, const char *id, char **ret_container, gboolean *ret_running)
{
	*ret_container = NULL;
	*ret_running = FALSE;
	return r->in_use && r->in_use(r->arg, id, ret_container, ret_running);
}

/* The length of a canonical name's repository. */
static size_t repo_len(const char *name)
{
	const char *at = strchr(name, '@');
	return at ? (size_t)(at - name) : (size_t)(strrchr(name, ':') - name);
}

static gboolean same_repo(const char *a, const char *b)
{
	size_t n = repo_len(a);
	return n == repo_len(b) && strncmp(a, b, n) == 0;
}

/* At most one tag, and digests only of that tag's repository. */
static gboolean is_single(char *const *names)
{
	if (!names[0] || !names[1])
		return TRUE;
	const char *tag = NULL;
	for (char *const *n = names; *n; n++) {
		if (strchr(*n, '@'))
			continue;
		if (tag)
			return FALSE;
		tag = *n;
	}
	const char *repo = tag ? tag : names[0];
	for (char *const *n = names; *n; n++)
		if (!same_repo(repo, *n))
			return FALSE;
	return TRUE;
}

static gboolean is_id_prefix(const char *id, const char *name)
{
	return g_str_has_prefix(id, name) || g_str_has_prefix(digest_hex(id), name);
}

static gboolean conflict(
	GError **error, const char *id, gboolean hard, const char *fmt, const char *arg)
{
	/* The texts of fmt are below. */
	g_autofree char *why = arg ? g_strdup_printf("%s %.12s", fmt, arg) : g_strdup(fmt);
	return dh_error(error, DH_ERROR_CONFLICT, "conflict: unable to delete %.12s (%s) - %s",
		digest_hex(id), hard ? "cannot be forced" : "must be forced", why);
}

/* FALSE with error if one of the conflicts in mask exists. *ret_used: it is a container's. */
static gboolean check(Removal *r, const char *id, int mask, gboolean *ret_used, GError **error)
{
	*ret_used = FALSE;
	if ((mask & CONFLICT_CHILD) && has_children(r->s, id))
		return conflict(error, id, TRUE, "image has dependent child images", NULL);
	g_autofree char *container = NULL;
	gboolean running;
	gboolean in_use = used(r, id, &container, &running);
	if ((mask & CONFLICT_RUNNING) && in_use && running) {
		*ret_used = TRUE;
		return conflict(
			error, id, TRUE, "image is being used by running container", container);
	}
	g_auto(GStrv) names = names_of(r->s, id);
	if ((mask & CONFLICT_NAMES) && names[0])
		return conflict(
			error, id, FALSE, "image is referenced in multiple repositories", NULL);
	if ((mask & CONFLICT_STOPPED) && in_use && !running) {
		*ret_used = TRUE;
		return conflict(
			error, id, FALSE, "image is being used by stopped container", container);
	}
	return TRUE;
}

/* ---- deeds ---- */

static gboolean untag(Removal *r, const char *name, GError **error)
{
	Store *s = r->s;
	if (!dh_db_exec(s->db, error, "DELETE FROM image_tags WHERE name = ?", "s", name))
		return FALSE;
	g_mutex_lock(&s->lock);
	g_autofree char *id = g_strdup(g_hash_table_lookup(s->names, name));
	g_hash_table_remove(s->names, name);
	if (id)
		index_refresh(s, id, 0);
	g_mutex_unlock(&s->lock);
	record(r, tag_familiar(name), NULL);
	return TRUE;
}

static gboolean untag_all(Removal *r, char *const *names, GError **error)
{
	for (; *names; names++)
		if (!untag(r, *names, error))
			return FALSE;
	return TRUE;
}

/* Takes the image out of the index, with the layers that nobody else needs: from here on no load
 * can count on them. */
static Image *leave_index(Store *s, GHashTable *from, const char *id, GPtrArray *ret_freed)
{
	g_mutex_lock(&s->lock);
	Image *i = g_hash_table_lookup(from, id);
	if (i) {
		image_ref(i);
		layers_release(s, i->chain_ids, ret_freed);
		g_hash_table_remove(from, id);
	}
	g_mutex_unlock(&s->lock);
	return i;
}

static void return_to_index(Store *s, GHashTable *to, Image *i, GPtrArray *freed)
{
	g_ptr_array_set_free_func(freed, NULL);
	g_mutex_lock(&s->lock);
	for (guint k = 0; k < freed->len; k++) {
		Layer *l = g_ptr_array_index(freed, k);
		g_hash_table_insert(s->layers, l->chain_id, l);
	}
	for (char **c = i->chain_ids; *c; c++)
		((Layer *)g_hash_table_lookup(s->layers, *c))->refs++;
	g_hash_table_insert(to, i->id, image_ref(i));
	g_mutex_unlock(&s->lock);
}

static gboolean delete_rows(Store *s, const char *id, GPtrArray *freed, GError **error)
{
	if (!dh_db_begin_vital(s->db, error))
		return FALSE;
	if (!dh_db_exec(s->db, error, "DELETE FROM images WHERE id = ?", "s", id) ||
		!layers_forget(s, freed, error)) {
		dh_db_rollback(s->db);
		return FALSE;
	}
	return dh_db_commit(s->db, error);
}

/* Removes image and layers; the names are gone already. Deleted layers are listed, top first. */
static gboolean destroy(Removal *r, GHashTable *from, const char *id, GError **error)
{
	Store *s = r->s;
	g_autoptr(GPtrArray) freed = g_ptr_array_new_with_free_func((GDestroyNotify)layer_free);
	g_autoptr(Image) i = leave_index(s, from, id, freed);
	if (!i)
		return TRUE;
	if (!delete_rows(s, id, freed, error)) {
		return_to_index(s, from, i, freed);
		return FALSE;
	}
	blob_delete(s, id);
	layers_detach(s, freed, r->detached);
	record(r, NULL, g_strdup(id));
	for (guint k = 0; k < freed->len; k++) {
		const Layer *l = g_ptr_array_index(freed, k);
		record(r, NULL, g_strdup(l->chain_id));
		((StoreDeleted *)g_ptr_array_index(r->records, r->records->len - 1))->size =
			l->size;
	}
	return TRUE;
}

/* A stopped container still needs the layers: the image only goes out of sight. */
static gboolean hold(Removal *r, const char *id, GError **error)
{
	Store *s = r->s;
	if (!dh_db_exec_vital(s->db, error, "UPDATE images SET held = 1 WHERE id = ?", "s", id))
		return FALSE;
	g_mutex_lock(&s->lock);
	Image *i = g_hash_table_lookup(s->images, id);
	if (i) {
		g_hash_table_steal(s->images, id);
		g_hash_table_insert(s->held, i->id, i);
	}
	g_mutex_unlock(&s->lock);
	record(r, NULL, g_strdup(id));
	return TRUE;
}

static char *parent_of(Store *s, const char *id)
{
	g_mutex_lock(&s->lock);
	const Image *i = g_hash_table_lookup(s->images, id);
	const Image *p = i && *i->parent ? g_hash_table_lookup(s->images, i->parent) : NULL;
	char *parent = p ? g_strdup(p->id) : NULL;
	g_mutex_unlock(&s->lock);
	return parent;
}

static gboolean delete_one(Removal *r, const char *id, gboolean force, gboolean quiet,
	gboolean *ret_gone, GError **error)
{
	gboolean by_container = FALSE;
	GError *e = NULL;
	*ret_gone = FALSE;
	if (!check(r, id, CONFLICT_HARD | (force ? 0 : CONFLICT_SOFT), &by_container, &e)) {
		g_auto(GStrv) names = names_of(r->s, id);
		gboolean dangling = !names[0] && !has_children(r->s, id);
		if (quiet && (!dangling || by_container)) {
			g_error_free(e);
			return TRUE;
		}
		g_propagate_error(error, e);
		return FALSE;
	}
	g_auto(GStrv) names = names_of(r->s, id);
	if (!untag_all(r, names, error))
		return FALSE;
	g_autofree char *container = NULL;
	gboolean running;
	*ret_gone = TRUE;
	if (used(r, id, &container, &running))
		return hold(r, id, error);
	return destroy(r, r->s->images, id, error);
}

static gboolean delete_with_parents(Removal *r, const char *image, gboolean quiet, GError **error)
{
	g_autofree char *id = g_strdup(image);
	gboolean force = r->force;
	while (id) {
		g_autofree char *parent = parent_of(r->s, id);
		gboolean gone;
		if (!delete_one(r, id, force, quiet, &gone, error))
			return FALSE;
		if (!gone || !r->prune)
			return TRUE;
		/* Parents go only if nothing at all speaks against it. */
		force = FALSE;
		quiet = TRUE;
		g_free(id);
		id = g_steal_pointer(&parent);
	}
	return TRUE;
}

/* Digests of a repository whose last tag of this image went are of no use any more. */
static gboolean untag_digests(Removal *r, const char *name, const char *id, GError **error)
{
	g_auto(GStrv) names = names_of(r->s, id);
	for (char **n = names; *n; n++)
		if (!strchr(*n, '@') && same_repo(*n, name))
			return TRUE;
	for (char **n = names; *n; n++)
		if (same_repo(*n, name) && !untag(r, *n, error))
			return FALSE;
	return TRUE;
}

static gboolean remove_by_name(Removal *r, const char *name, const char *id, GError **error)
{
	g_auto(GStrv) names = names_of(r->s, id);
	g_autofree char *container = NULL;
	gboolean running;
	if (!r->force && is_single(names) && used(r, id, &container, &running))
		return dh_error(error, DH_ERROR_CONFLICT,
			"conflict: unable to remove repository reference \"%s\" (must force) - "
			"container %.12s is using its referenced image %.12s",
			name, container ? container : "", digest_hex(id));

	g_autoptr(Reference) ref = reference_parse(name, error);
	if (!ref)
		return FALSE;
	g_autofree char *full = index_name(ref);
	if (!untag(r, full, error) || (!ref->digest && !untag_digests(r, full, id, error)))
		return FALSE;
	g_auto(GStrv) left = names_of(r->s, id);
	return left[0] || delete_with_parents(r, id, TRUE, error);
}

static gboolean remove_by_id(Removal *r, const char *id, GError **error)
{
	g_auto(GStrv) names = names_of(r->s, id);
	gboolean by_container;
	if (is_single(names) && (!check(r, id, CONFLICT_HARD | (r->force ? 0 : CONFLICT_STOPPED),
					 &by_container, error) ||
					!untag_all(r, names, error)))
		return FALSE;
	return delete_with_parents(r, id, FALSE, error);
}

static void finish(Removal *r)
{
	g_mutex_unlock(&r->s->write);
	for (guint i = 0; i < r->detached->len; i++)
		layer_destroy(r->s, g_ptr_array_index(r->detached, i));
}

/* Whether i is still what a prune has chosen: the name was not given to another image, and one that
 * had no name has got none. */
static gboolean still_is(const Image *i, const Image *seen)
{
	gboolean had_name = *seen->repo_tags || *seen->repo_digests;
	return strcmp(i->id, seen->id) == 0 && (had_name || (!*i->repo_tags && !*i->repo_digests));
}

GPtrArray *store_image_remove(Store *s, const char *name, const Image *seen, gboolean force,
	gboolean no_prune, StoreInUse in_use, void *arg, GError **error)
{
	g_autoptr(GPtrArray) records =
		g_ptr_array_new_with_free_func((GDestroyNotify)store_deleted_free);
	g_autoptr(GPtrArray) detached = g_ptr_array_new();
	Removal r = {s, force, !no_prune, in_use, arg, records, detached};

	g_mutex_lock(&s->write);
	g_mutex_lock(&s->lock);
	const Image *i = index_find(s, name);
	if (i && seen && !still_is(i, seen))
		i = NULL;
	g_autofree char *id = i ? g_strdup(i->id) : NULL;
	g_mutex_unlock(&s->lock);
	gboolean ok = id ? is_id_prefix(id, name) ? remove_by_id(&r, id, error)
						  : remove_by_name(&r, name, id, error)
			 : not_found_image(name, error);
	finish(&r);
	return ok ? g_steal_pointer(&records) : NULL;
}

void store_gc(Store *s, StoreInUse in_use, void *arg)
{
	g_mutex_lock(&s->lock);
	guint n = g_hash_table_size(s->held);
	g_mutex_unlock(&s->lock);
	if (n == 0)
		return;

	g_autoptr(GPtrArray) records =
		g_ptr_array_new_with_free_func((GDestroyNotify)store_deleted_free);
	g_autoptr(GPtrArray) detached = g_ptr_array_new();
	g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
	Removal r = {s, FALSE, FALSE, in_use, arg, records, detached};
	GHashTableIter it;
	gpointer id;

	g_mutex_lock(&s->write);
	g_mutex_lock(&s->lock);
	g_hash_table_iter_init(&it, s->held);
	while (g_hash_table_iter_next(&it, &id, NULL))
		g_ptr_array_add(ids, g_strdup(id));
	g_mutex_unlock(&s->lock);
	for (guint k = 0; k < ids->len; k++) {
		g_autofree char *container = NULL;
		gboolean running;
		/* What fails now is tried again the next time. */
		if (!used(&r, g_ptr_array_index(ids, k), &container, &running))
			(void)destroy(&r, s->held, g_ptr_array_index(ids, k), NULL);
	}
	finish(&r);
}

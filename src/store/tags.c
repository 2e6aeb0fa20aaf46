/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/timefmt.h"
#include "store/internal.h"

#include <string.h>

char *tag_familiar(const char *canonical)
{
	g_autoptr(Reference) r = reference_parse(canonical, NULL);
	return r ? reference_familiar(r) : g_strdup(canonical);
}

gboolean tag_write(Store *s, const char *name, const char *id, GError **error)
{
	return dh_db_exec(s->db, error,
		"INSERT INTO image_tags VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET image = "
		"excluded.image",
		"ss", name, id);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

GPtrArray *store_names_with_prefix(Store *s, const char *prefix)
{
	GPtrArray *out = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter it;
	gpointer name;
	g_mutex_lock(&s->lock);
	g_hash_table_iter_init(&it, s->names);
	while (g_hash_table_iter_next(&it, &name, NULL))
		if (g_str_has_prefix(name, prefix))
			g_ptr_array_add(out, g_strdup(name));
	g_mutex_unlock(&s->lock);
	if (out->len > 1)
		qsort(out->pdata, out->len, sizeof(char *), by_name);
	return out;
}

char **index_names_of(Store *s, const char *id)
{
	g_autoptr(GPtrArray) out = g_ptr_array_new();
	GHashTableIter it;
	gpointer name, image;
	g_hash_table_iter_init(&it, s->names);
	while (g_hash_table_iter_next(&it, &name, &image))
		if (strcmp(image, id) == 0)
			g_ptr_array_add(out, g_strdup(name));
	if (out->len > 1)
		qsort(out->pdata, out->len, sizeof(char *), by_name);
	g_ptr_array_add(out, NULL);
	return (char **)g_ptr_array_steal(out, NULL);
}

Image *index_snapshot(ImageCore *core, char *const *names, int64_t last_tagged)
{
	g_autoptr(GPtrArray) tags = g_ptr_array_new();
	g_autoptr(GPtrArray) digests = g_ptr_array_new();
	for (; names && *names; names++)
		g_ptr_array_add(strchr(*names, '@') ? digests : tags, tag_familiar(*names));
	g_ptr_array_add(tags, NULL);
	g_ptr_array_add(digests, NULL);
	qsort(tags->pdata, tags->len - 1, sizeof(char *), by_name);
	qsort(digests->pdata, digests->len - 1, sizeof(char *), by_name);
	return image_snapshot(core, (char **)g_ptr_array_steal(tags, NULL),
		(char **)g_ptr_array_steal(digests, NULL), last_tagged);
}

void index_refresh(Store *s, const char *id, int64_t last_tagged)
{
	Image *old = g_hash_table_lookup(s->images, id);
	if (!old)
		return;
	g_auto(GStrv) names = index_names_of(s, id);
	/* The key of the table lies in the core, which lives on in the new snapshot. */
	Image *i = index_snapshot(
		((Snapshot *)old)->core, names, last_tagged ? last_tagged : old->last_tagged);
	g_hash_table_replace(s->images, i->id, i);
}

/* The canonical name that repo and tag ask for. */
char *tag_new_name(const char *repo, const char *tag, GError **error)
{
	g_autoptr(Reference) r = reference_parse(repo, error);
	if (!r)
		return NULL;
	if (tag && *tag) {
		if (!reference_valid_tag(tag)) {
			dh_error(error, DH_ERROR_INVALID, "invalid tag format");
			return NULL;
		}
		g_free(r->tag);
		r->tag = g_strdup(tag);
		g_clear_pointer(&r->digest, g_free);
	}
	if (r->digest) {
		dh_error(error, DH_ERROR_INVALID,
			"refusing to create a tag with a digest reference");
		return NULL;
	}
	g_autofree char *familiar = reference_familiar_name(r);
	if (strcmp(familiar, "sha256") == 0) {
		dh_error(error, DH_ERROR_INVALID,
			"refusing to create an ambiguous tag using digest algorithm as name");
		return NULL;
	}
	return index_name(r);
}

static gboolean commit_tag(Store *s, const char *name, const char *id, int64_t now, GError **error)
{
	if (!dh_db_begin(s->db, error))
		return FALSE;
	if (!tag_write(s, name, id, error) ||
		!dh_db_exec(s->db, error, "UPDATE images SET last_tagged = ? WHERE id = ?", "is",
			now, id)) {
		dh_db_rollback(s->db);
		return FALSE;
	}
	return dh_db_commit(s->db, error);
}

gboolean store_tag(Store *s, const char *image, const char *repo, const char *tag, GError **error)
{
	int64_t now = dh_time_now();
	g_mutex_lock(&s->write);
	g_mutex_lock(&s->lock);
	const Image *i = index_find(s, image);
	g_autofree char *id = i ? g_strdup(i->id) : NULL;
	g_mutex_unlock(&s->lock);

	if (!id)
		(void)not_found_image(image, error);
	g_autofree char *name = id ? tag_new_name(repo, tag, error) : NULL;
	gboolean ok = name && commit_tag(s, name, id, now, error);
	if (ok) {
		g_mutex_lock(&s->lock);
		g_autofree char *old = g_strdup(g_hash_table_lookup(s->names, name));
		g_hash_table_replace(s->names, g_strdup(name), g_strdup(id));
		if (old && strcmp(old, id) != 0)
			index_refresh(s, old, 0);
		index_refresh(s, id, now);
		g_mutex_unlock(&s->lock);
	}
	g_mutex_unlock(&s->write);
	return ok;
}

gboolean name_image(Store *s, const char *id, const char *name, GError **error)
{
	g_mutex_lock(&s->write);
	g_mutex_lock(&s->lock);
	gboolean ok = g_hash_table_contains(s->images, id);
	g_mutex_unlock(&s->lock);
	ok = (ok || not_found_image(id, error)) && tag_write(s, name, id, error);
	if (ok) {
		g_mutex_lock(&s->lock);
		g_autofree char *old = g_strdup(g_hash_table_lookup(s->names, name));
		g_hash_table_replace(s->names, g_strdup(name), g_strdup(id));
		if (old && strcmp(old, id) != 0)
			index_refresh(s, old, 0);
		index_refresh(s, id, 0);
		g_mutex_unlock(&s->lock);
	}
	g_mutex_unlock(&s->write);
	return ok;
}

/* SPDX-License-Identifier: MIT */
/*
 * The archive is an OCI image layout (blobs/sha256/..., index.json, oci-layout) and a `docker save`
 * archive (manifest.json, repositories) over the same blobs at once, as docker >= 25 writes it.
 * Layers are uncompressed, so that a blob's digest is the layer's diff ID.
 */
#include "base/error.h"
#include "base/timefmt.h"
#include "store/internal.h"
#include "store/tarwrite.h"

#include <string.h>

#define MEDIA_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_INDEX "application/vnd.oci.image.index.v1+json"

/* One image of the archive, with the names under which it was asked for. */
typedef struct {
	Store *store;
	Image *image;
	GPtrArray *names; /* canonical name:tag */
	char *config;
	size_t config_len;
	char *manifest;
	guint n_pinned;
} Saved;

typedef struct {
	Store *s;
	GPtrArray *images; /* Saved */
	GHashTable *seen;  /* digests of blobs written */
	TarWriter tar;
} Saving;

static void saved_free(Saved *i)
{
	for (guint k = 0; k < i->n_pinned; k++)
		layer_unpin(i->store, i->image->chain_ids[k]);
	image_unref(i->image);
	g_ptr_array_unref(i->names);
	g_free(i->config);
	g_free(i->manifest);
	g_free(i);
}

static char *blob_path(const char *digest)
{
	return g_strconcat("blobs/sha256/", digest_hex(digest), NULL);
}

/* ---- what is asked for ---- */

static gboolean add(Saving *v, Image *image, const char *name, GError **error)
{
	Saved *i = NULL;
	for (guint k = 0; k < v->images->len && !i; k++) {
		Saved *other = g_ptr_array_index(v->images, k);
		if (strcmp(other->image->id, image->id) == 0)
			i = other;
	}
	if (!i) {
		i = g_new0(Saved, 1);
		i->store = v->s;
		i->image = image_ref(image);
		i->names = g_ptr_array_new_with_free_func(g_free);
		g_ptr_array_add(v->images, i);
		for (char **c = image->chain_ids; *c; c++, i->n_pinned++)
			if (!layer_pin(v->s, *c))
				return not_found_image(image->id, error);
	}
	for (guint k = 0; name && k < i->names->len; k++)
		if (strcmp(g_ptr_array_index(i->names, k), name) == 0)
			return TRUE;
	if (name)
		g_ptr_array_add(i->names, g_strdup(name));
	return TRUE;
}

static gboolean resolve(Saving *v, const char *name, GError **error)
{
	g_autoptr(Reference) r = digest_valid(name) ? NULL : reference_parse(name, NULL);
	if (r && !r->tag && !r->digest) {
		g_autofree char *prefix = g_strconcat(r->domain, "/", r->path, ":", NULL);
		g_autoptr(GPtrArray) tags = store_names_with_prefix(v->s, prefix);
		for (guint i = 0; i < tags->len; i++) {
			const char *t = g_ptr_array_index(tags, i);
			g_autoptr(Image) image = store_image_find(v->s, t, NULL);
			if (image && !add(v, image, t, error))
				return FALSE;
		}
		if (tags->len > 0)
			return TRUE;
	}
	g_autoptr(Image) image = store_image_find(v->s, name, error);
	if (!image)
		return FALSE;
	/* The name counts only if it is one of the image's: not an ID, nor a digest. */
	g_autofree char *full = r && r->tag && !r->digest ? index_name(r) : NULL;
	g_autofree char *familiar = full ? tag_familiar(full) : NULL;
	gboolean is_tag =
		familiar && g_strv_contains((const char *const *)image->repo_tags, familiar);
	return add(v, image, is_tag ? full : NULL, error);
}

/* ---- JSON ---- */

static json_t *descriptor(const char *media_type, const char *digest, int64_t size)
{
	return json_pack("{s:s, s:s, s:I}", "mediaType", media_type, "digest", digest, "size",
		(json_int_t)size);
}

static gboolean prepare(Saving *v, Saved *i, GError **error)
{
	i->config = blob_get(v->s, i->image->id, &i->config_len, error);
	if (!i->config)
		return FALSE;
	json_t *layers = json_array();
	for (guint k = 0; i->image->chain_ids[k]; k++) {
		Layer *l = layer_lookup(v->s, i->image->chain_ids[k]);
		json_array_append_new(layers, descriptor(MEDIA_LAYER, l->diff_id, l->tar_size));
		layer_free(l);
	}
	g_autoptr(json_t) manifest = json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2,
		"mediaType", MEDIA_MANIFEST, "config",
		descriptor(MEDIA_CONFIG, i->image->id, (int64_t)i->config_len), "layers", layers);
	i->manifest = dh_json_dumps(manifest, 0);
	return TRUE;
}

static json_t *docker_entry(const Saving *v, const Saved *i)
{
	g_autofree char *config = blob_path(i->image->id);
	json_t *tags = json_array(), *layers = json_array();
	for (guint k = 0; k < i->names->len; k++) {
		g_autofree char *tag = tag_familiar(g_ptr_array_index(i->names, k));
		json_array_append_new(tags, json_string(tag));
	}
	for (char **d = i->image->diff_ids; *d; d++) {
		g_autofree char *path = blob_path(*d);
		json_array_append_new(layers, json_string(path));
	}
	if (json_array_size(tags) == 0) {
		json_decref(tags);
		tags = json_null();
	}
	json_t *entry =
		json_pack("{s:s, s:o, s:o}", "Config", config, "RepoTags", tags, "Layers", layers);
	for (guint k = 0; *i->image->parent && k < v->images->len; k++) {
		const Saved *other = g_ptr_array_index(v->images, k);
		if (strcmp(other->image->id, i->image->parent) == 0)
			json_object_set_new(entry, "Parent", json_string(i->image->parent));
	}
	return entry;
}

static void oci_entries(const Saved *i, json_t *manifests)
{
	g_autofree char *digest = digest_of(i->manifest, strlen(i->manifest));
	for (guint k = 0; k == 0 || k < i->names->len; k++) {
		json_t *d = descriptor(MEDIA_MANIFEST, digest, (int64_t)strlen(i->manifest));
		if (i->names->len > 0) {
			const char *name = g_ptr_array_index(i->names, k);
			json_object_set_new(d, "annotations",
				json_pack("{s:s, s:s}", "io.containerd.image.name", name,
					"org.opencontainers.image.ref.name",
					strrchr(name, ':') + 1));
		}
		json_array_append_new(manifests, d);
	}
}

static void repository_entries(const Saved *i, json_t *repositories)
{
	guint n = g_strv_length(i->image->diff_ids);
	const char *top = digest_hex(n ? i->image->diff_ids[n - 1] : i->image->id);
	for (guint k = 0; k < i->names->len; k++) {
		g_autofree char *tag = tag_familiar(g_ptr_array_index(i->names, k));
		char *colon = strrchr(tag, ':');
		*colon = '\0';
		if (!json_object_get(repositories, tag))
			json_object_set_new(repositories, tag, json_object());
		json_object_set_new(
			json_object_get(repositories, tag), colon + 1, json_string(top));
	}
}

/* ---- writing ---- */

static gboolean write_blob(
	Saving *v, const char *digest, const char *text, size_t n, GError **error)
{
	if (!g_hash_table_add(v->seen, g_strdup(digest)))
		return TRUE;
	g_autofree char *path = blob_path(digest);
	return tar_member(&v->tar, path, text, n, error);
}

static gboolean write_layer(Saving *v, const char *chain_id, GError **error)
{
	Layer *l = layer_lookup(v->s, chain_id);
	g_autofree char *path = blob_path(l->diff_id);
	gboolean ok = !g_hash_table_add(v->seen, g_strdup(l->diff_id)) ||
		      (tar_header(&v->tar, path, l->tar_size, error) &&
			      layer_write_tar(v->s, l, v->tar.write, v->tar.arg, error) &&
			      tar_pad(&v->tar, l->tar_size, error));
	layer_free(l);
	return ok;
}

static gboolean write_image(Saving *v, const Saved *i, GError **error)
{
	v->tar.mtime = i->image->created / DH_NSEC;
	if (!write_blob(v, i->image->id, i->config, i->config_len, error))
		return FALSE;
	for (char **c = i->image->chain_ids; *c; c++)
		if (!write_layer(v, *c, error))
			return FALSE;
	g_autofree char *digest = digest_of(i->manifest, strlen(i->manifest));
	return write_blob(v, digest, i->manifest, strlen(i->manifest), error);
}

static gboolean write_json(Saving *v, const char *name, json_t *json, GError **error)
{
	g_autofree char *text = dh_json_dumps(json, 0);
	json_decref(json);
	return tar_member(&v->tar, name, text, strlen(text), error);
}

static gboolean write_indexes(Saving *v, GError **error)
{
	json_t *manifests = json_array(), *docker = json_array(), *repositories = json_object();
	for (guint k = 0; k < v->images->len; k++) {
		const Saved *i = g_ptr_array_index(v->images, k);
		oci_entries(i, manifests);
		json_array_append_new(docker, docker_entry(v, i));
		repository_entries(i, repositories);
	}
	json_t *index = json_pack("{s:i, s:s, s:o}", "schemaVersion", 2, "mediaType", MEDIA_INDEX,
		"manifests", manifests);
	v->tar.mtime = 0;
	gboolean ok = write_json(v, "index.json", index, error);
	if (ok)
		ok = write_json(v, "manifest.json", docker, error);
	else
		json_decref(docker);
	if (ok)
		ok = write_json(
			v, "oci-layout", json_pack("{s:s}", "imageLayoutVersion", "1.0.0"), error);
	if (ok && json_object_size(repositories) > 0)
		return write_json(v, "repositories", repositories, error);
	json_decref(repositories);
	return ok;
}

gboolean store_save(Store *s, char *const *names, StoreWrite write, void *arg, GError **error)
{
	g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)saved_free);
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	Saving v = {
		s,
		images,
		seen,
		{write, arg, 0},
	};

	/* Nothing is written before every name is known to be right. */
	for (char *const *n = names; n && *n; n++)
		if (!resolve(&v, *n, error))
			return FALSE;
	for (guint k = 0; k < images->len; k++)
		if (!prepare(&v, g_ptr_array_index(images, k), error))
			return FALSE;
	if (!tar_directory(&v.tar, "blobs/", error) ||
		!tar_directory(&v.tar, "blobs/sha256/", error))
		return FALSE;
	for (guint k = 0; k < images->len; k++)
		if (!write_image(&v, g_ptr_array_index(images, k), error))
			return FALSE;
	return write_indexes(&v, error) && tar_end(&v.tar, error);
}

/* SPDX-License-Identifier: MIT */
#include "registry/manifest.h"

#include "base/error.h"
#include "base/json.h"
#include "store/digest.h"

#include <string.h>

#define LAYERS_MAX 1024
#define ENTRIES_MAX 4096
#define BLOB_MAX (1LL << 42)

char *const manifest_accept[] = {
	(char *)"Accept: " MEDIA_DOCKER_MANIFEST,
	(char *)"Accept: " MEDIA_DOCKER_LIST,
	(char *)"Accept: " MEDIA_OCI_MANIFEST,
	(char *)"Accept: " MEDIA_OCI_INDEX,
	(char *)"Accept: application/vnd.docker.distribution.manifest.v1+prettyjws",
	(char *)"Accept: application/json",
	NULL,
};

/* ---- parsing ---- */

void descriptor_free(Descriptor *d)
{
	if (!d)
		return;
	g_free(d->digest);
	g_free(d->media_type);
	platform_clear(&d->platform);
	g_free(d);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Descriptor, descriptor_free)

void manifest_free(Manifest *m)
{
	if (!m)
		return;
	g_free(m->media_type);
	descriptor_free(m->config);
	if (m->layers)
		g_ptr_array_unref(m->layers);
	if (m->manifests)
		g_ptr_array_unref(m->manifests);
	g_free(m);
}

static const char *text_at(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static gboolean invalid(GError **error, const char *what)
{
	return dh_error(error, DH_ERROR_SYSTEM, "invalid manifest: %s", what);
}

static Descriptor *parse_descriptor(const json_t *o, GError **error)
{
	g_autoptr(Descriptor) d = g_new0(Descriptor, 1);
	d->digest = g_strdup(text_at(o, "digest"));
	d->media_type = g_strdup(text_at(o, "mediaType"));
	d->size = json_integer_value(json_object_get(o, "size"));
	if (!digest_valid(d->digest)) {
		dh_error(error, DH_ERROR_SYSTEM, "invalid manifest: \"%.100s\" is no sha256 digest",
			d->digest);
		return NULL;
	}
	if (d->size <= 0 || d->size > BLOB_MAX) {
		dh_error(error, DH_ERROR_SYSTEM, "invalid manifest: size of %s", d->digest);
		return NULL;
	}
	platform_read(json_object_get(o, "platform"), &d->platform);
	d->attachment =
		*text_at(json_object_get(o, "annotations"), "vnd.docker.reference.type") != '\0' ||
		strcmp(d->platform.os, "unknown") == 0;
	return g_steal_pointer(&d);
}

static GPtrArray *parse_list(const json_t *list, guint max, GError **error)
{
	g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func((GDestroyNotify)descriptor_free);
	if (!json_is_array(list) || json_array_size(list) > max) {
		invalid(error, "its list is missing or too long");
		return NULL;
	}
	size_t i;
	const json_t *o;
	json_array_foreach (list, i, o) {
		Descriptor *d = parse_descriptor(o, error);
		if (!d)
			return NULL;
		g_ptr_array_add(out, d);
	}
	return g_steal_pointer(&out);
}

static gboolean check_config(const Descriptor *d, GError **error)
{
	static const char *const known[] = {
		MEDIA_DOCKER_CONFIG, MEDIA_OCI_CONFIG, "application/octet-stream", "", NULL};
	if (g_strv_contains(known, d->media_type))
		return TRUE;
	gboolean plugin = strcmp(d->media_type, "application/vnd.docker.plugin.v1+json") == 0;
	return dh_error(error, DH_ERROR_SYSTEM, "Encountered remote \"%.200s\"(%s) when fetching",
		d->media_type, plugin ? "plugin" : "unknown");
}

/* What the layers' media types may be: tar, with gzip or zstd or nothing. */
static gboolean check_layers(const GPtrArray *layers, GError **error)
{
	for (guint i = 0; i < layers->len; i++) {
		const Descriptor *d = layers->pdata[i];
		if (!*d->media_type || g_str_has_suffix(d->media_type, ".tar") ||
			g_str_has_suffix(d->media_type, ".tar.gzip") ||
			g_str_has_suffix(d->media_type, ".tar.zstd") ||
			g_str_has_suffix(d->media_type, "+gzip") ||
			g_str_has_suffix(d->media_type, "+zstd"))
			continue;
		return dh_error(error, DH_ERROR_SYSTEM, "unsupported layer media type: %.200s",
			d->media_type);
	}
	return TRUE;
}

Manifest *manifest_parse(const char *text, size_t n, const char *content_type, GError **error)
{
	g_autoptr(json_t) json = dh_json_loads(text, n, error);
	if (!json) {
		g_prefix_error(error, "invalid manifest: ");
		return NULL;
	}
	g_autoptr(Manifest) m = g_new0(Manifest, 1);
	const char *said = text_at(json, "mediaType");
	m->media_type = g_strdup(*said ? said : content_type ? content_type : "");
	m->media_type[strcspn(m->media_type, "; ")] = '\0';
	gint64 version = json_integer_value(json_object_get(json, "schemaVersion"));
	if (version == 1) {
		dh_error(error, DH_ERROR_SYSTEM,
			"docker image manifest version 2, schema 1 is not supported: the image "
			"must be pushed again in the OCI format or as schema 2");
		return NULL;
	}
	if (version != 2) {
		invalid(error, "its schemaVersion is not 2");
		return NULL;
	}
	const json_t *manifests = json_object_get(json, "manifests");
	const json_t *config = json_object_get(json, "config");
	/* Both at once is the trick of a manifest that means different things to different readers.
	 */
	if ((manifests != NULL) == (config != NULL)) {
		invalid(error, "it is neither an image's nor an index, or both");
		return NULL;
	}
	if (manifests) {
		m->manifests = parse_list(manifests, ENTRIES_MAX, error);
		return m->manifests ? g_steal_pointer(&m) : NULL;
	}
	m->config = parse_descriptor(config, error);
	m->layers = m->config && check_config(m->config, error)
			    ? parse_list(json_object_get(json, "layers"), LAYERS_MAX, error)
			    : NULL;
	if (!m->layers || !check_layers(m->layers, error))
		return NULL;
	return g_steal_pointer(&m);
}

const Descriptor *manifest_choose(const Manifest *m, const Platform *want, GError **error)
{
	const Descriptor *best = NULL;
	int best_match = 0;
	for (guint i = 0; i < m->manifests->len; i++) {
		const Descriptor *d = m->manifests->pdata[i];
		int how = d->attachment ? 0 : platform_match(&d->platform, want);
		if (how > best_match) {
			best = d;
			best_match = how;
		}
	}
	if (!best) {
		g_autofree char *text = platform_text(want);
		dh_error(error, DH_ERROR_NOT_FOUND,
			"no matching manifest for %s in the manifest list entries", text);
	}
	return best;
}

/* ---- building ---- */

static json_t *build_descriptor(const Descriptor *d, const char *fallback)
{
	return json_pack("{s:s, s:I, s:s}", "mediaType", *d->media_type ? d->media_type : fallback,
		"size", (json_int_t)d->size, "digest", d->digest);
}

char *manifest_build(const Descriptor *config, const GPtrArray *layers)
{
	json_t *list = json_array();
	for (guint i = 0; i < layers->len; i++)
		json_array_append_new(list, build_descriptor(layers->pdata[i], MEDIA_DOCKER_LAYER));
	g_autoptr(json_t) m = json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType",
		MEDIA_DOCKER_MANIFEST, "config", build_descriptor(config, MEDIA_DOCKER_CONFIG),
		"layers", list);
	char *text = json_dumps(m, JSON_INDENT(3));
	char *out = g_strdup(text);
	free(text);
	return out;
}

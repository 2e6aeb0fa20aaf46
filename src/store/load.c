/* SPDX-License-Identifier: MIT */
/*
 * Two descriptions of the same thing: docker's manifest.json (old archives with <id>/layer.tar, new
 * ones with blobs/sha256/...), and an OCI layout's index.json. Both become a Plan: configuration,
 * layers and names; the rest is common.
 */
#include "base/error.h"
#include "base/timefmt.h"
#include "store/internal.h"
#include "store/spool.h"

#include <string.h>

#define BLOBS "blobs/sha256/"
#define MAX_IMAGES 4096
#define MAX_INDEX_DEPTH 4

typedef struct {
	Store *s;
	Spool *sp;
	StoreProgress progress;
	void *arg;
	GString *ids; /* "Loaded image ID" lines, told only if no image had a name */
	guint n_names;
	GHashTable *loaded; /* image IDs of this archive */
} Load;

/* One image to be loaded. */
typedef struct {
	char *config;      /* member */
	GPtrArray *layers; /* members, lowest first */
	GPtrArray *names;  /* canonical */
	char *parent;      /* image ID or NULL */
} Plan;

static Plan *plan_new(const char *config)
{
	Plan *p = g_new0(Plan, 1);
	p->config = g_strdup(config);
	p->layers = g_ptr_array_new_with_free_func(g_free);
	p->names = g_ptr_array_new_with_free_func(g_free);
	return p;
}

static void plan_free(Plan *p)
{
	g_free(p->config);
	g_ptr_array_unref(p->layers);
	g_ptr_array_unref(p->names);
	g_free(p->parent);
	g_free(p);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

static void tell(Load *l, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static void tell(Load *l, const char *fmt, ...)
{
	if (!l->progress)
		return;
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *line = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	l->progress(l->arg, line);
}

/* ---- members that say their own digest ---- */

/* The digest in a member's name: blobs/sha256/<hex>, <hex>.json; NULL if it says none. */
static char *claimed_digest(const char *member)
{
	const char *hex = g_str_has_prefix(member, BLOBS) ? member + strlen(BLOBS) : member;
	size_t n = strspn(hex, "0123456789abcdef");
	if (n != 64 || (hex[n] && strcmp(hex + n, ".json") != 0))
		return NULL;
	return g_strdup_printf(DIGEST_PREFIX "%.64s", hex);
}

static gboolean digest_mismatch(
	const char *member, const char *want, const char *is, GError **error)
{
	return dh_error(error, DH_ERROR_INVALID,
		"invalid archive: %s: wrong digest: expected %s, got %s", member, want, is);
}

static char *read_verified(Load *l, const char *member, size_t *ret_len, GError **error)
{
	g_autofree char *text = spool_text(l->sp, member, ret_len, error);
	g_autofree char *want = text ? claimed_digest(member) : NULL;
	if (want) {
		g_autofree char *is = digest_of(text, *ret_len);
		if (strcmp(want, is) != 0) {
			digest_mismatch(member, want, is, error);
			return NULL;
		}
	}
	return g_steal_pointer(&text);
}

static json_t *read_json(Load *l, const char *member, GError **error)
{
	size_t n = 0;
	g_autofree char *text = read_verified(l, member, &n, error);
	json_t *json = text ? dh_json_loads(text, n, error) : NULL;
	if (text && !json)
		g_prefix_error(error, "invalid archive: %s: ", member);
	return json;
}

/* ---- layers ---- */

static StagedLayer *stage(
	Load *l, const char *member, guint index, const char *diff_id, GError **error)
{
	SpoolReader r = {0};
	if (!spool_open(l->sp, member, &r, error))
		return NULL;
	g_autofree char *want = claimed_digest(member);
	/* An uncompressed blob is named by its diff ID, which is verified anyway. */
	g_autoptr(Digest) digest = want && strcmp(want, diff_id) != 0 ? digest_new() : NULL;
	r.digest = digest;
	g_autoptr(StagedLayer) staged = layer_stage(l->s, spool_reader_read, &r,
		(index == 0 ? UNTAR_LOWEST : 0) | UNTAR_AHEAD, NULL, error);
	if (!staged) {
		g_prefix_error(error, "layer %u (%s): ", index, member);
		return NULL;
	}
	if (digest) {
		char rest[4096];
		while (spool_reader_read(&r, rest, sizeof rest) > 0)
			;
		g_autofree char *is = digest_finish(digest);
		if (strcmp(want, is) != 0) {
			digest_mismatch(member, want, is, error);
			return NULL;
		}
	}
	if (strcmp(diff_id, staged->got.diff_id) != 0) {
		dh_error(error, DH_ERROR_INVALID,
			"invalid diffID for layer %u: expected \"%s\", got \"%s\"", index, diff_id,
			staged->got.diff_id);
		return NULL;
	}
	return g_steal_pointer(&staged);
}

/* Layers that are there are pinned (their number goes to ret_pinned as chain IDs), others unpacked.
 */
static gboolean stage_all(Load *l, const Plan *p, const ImageCore *core, GPtrArray *staged,
	GPtrArray *pinned, GError **error)
{
	for (guint i = 0; i < p->layers->len; i++) {
		const char *member = g_ptr_array_index(p->layers, i);
		StagedLayer *layer = NULL;
		if (layer_pin(l->s, core->chain_ids[i])) {
			g_ptr_array_add(pinned, core->chain_ids[i]);
		} else {
			layer = stage(l, member, i, core->diff_ids[i], error);
			if (!layer)
				return FALSE;
		}
		g_ptr_array_add(staged, layer);
	}
	return TRUE;
}

/* ---- one image ---- */

static void report(Load *l, const Plan *p, const char *id, char *const *moved)
{
	for (guint i = 0; i < p->names->len; i++) {
		g_autofree char *name = tag_familiar(g_ptr_array_index(p->names, i));
		if (*moved[i])
			tell(l,
				"The image %s already exists, renaming the old one with ID %s to "
				"empty string",
				name, moved[i]);
		tell(l, "Loaded image: %s", name);
	}
	l->n_names += p->names->len;
	g_string_append_printf(l->ids, "Loaded image ID: %s\n", id);
	g_hash_table_add(l->loaded, g_strdup(id));
}

static void staged_free(void *layer)
{
	staged_layer_free(layer);
}

static gboolean load_image(Load *l, const Plan *p, GError **error)
{
	size_t n = 0;
	g_autofree char *text = read_verified(l, p->config, &n, error);
	g_autoptr(ImageCore) core = text ? image_parse(text, n, error) : NULL;
	if (!core || !image_check_platform(core, error))
		return FALSE;
	guint want = g_strv_length(core->diff_ids);
	if (want != p->layers->len)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid manifest, layers length mismatch: expected %u, got %u",
			p->layers->len, want);

	g_autoptr(GPtrArray) staged = g_ptr_array_new_with_free_func(staged_free);
	g_autoptr(GPtrArray) pinned = g_ptr_array_new();
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (guint i = 0; i < p->names->len; i++)
		g_ptr_array_add(names, g_ptr_array_index(p->names, i));
	g_ptr_array_add(names, NULL);
	const char *parent =
		p->parent && g_hash_table_contains(l->loaded, p->parent) ? p->parent : NULL;
	const NewImage image = {core, text, n, staged, parent,
		p->names->len > 0 ? (char *const *)names->pdata : NULL};
	g_auto(GStrv) moved = NULL;
	gboolean ok = stage_all(l, p, core, staged, pinned, error) &&
		      store_adopt(l->s, &image, &moved, error);
	for (guint i = 0; i < pinned->len; i++)
		layer_unpin(l->s, g_ptr_array_index(pinned, i));
	if (ok)
		report(l, p, core->id, moved);
	return ok;
}

/* ---- docker's manifest.json ---- */

typedef struct {
	char *config, *parent;
	char **repo_tags, **layers;
} DockerEntry;

static const DhJsonField docker_entry_fields[] = {
	DH_F(STRING, DockerEntry, config, "Config", DH_JSON_REQUIRED),
	DH_F(STRV, DockerEntry, repo_tags, "RepoTags", 0),
	DH_F(STRV, DockerEntry, layers, "Layers", 0),
	DH_F(STRING, DockerEntry, parent, "Parent", 0),
};
static DH_JSON_TABLE(docker_entry_table, DockerEntry, docker_entry_fields, FALSE);

static Plan *docker_plan(const DockerEntry *e, GError **error)
{
	if (!e->config) {
		dh_error(error, DH_ERROR_INVALID, "invalid archive: manifest.json has no Config");
		return NULL;
	}
	g_autoptr(Plan) p = plan_new(e->config);
	p->parent = g_strdup(e->parent);
	for (char **layer = e->layers; layer && *layer; layer++)
		g_ptr_array_add(p->layers, g_strdup(*layer));
	for (char **tag = e->repo_tags; tag && *tag; tag++) {
		g_autoptr(Reference) r = reference_parse(*tag, error);
		if (!r)
			return NULL;
		if (!r->tag || r->digest) {
			dh_error(error, DH_ERROR_INVALID, "invalid tag \"%s\"", *tag);
			return NULL;
		}
		g_ptr_array_add(p->names, index_name(r));
	}
	return g_steal_pointer(&p);
}

static gboolean too_many(size_t n, GError **error)
{
	return n > MAX_IMAGES && !dh_error(error, DH_ERROR_INVALID,
					 "invalid archive: more than %d images", MAX_IMAGES);
}

static gboolean load_docker(Load *l, GError **error)
{
	g_autoptr(json_t) list = read_json(l, "manifest.json", error);
	if (!list || too_many(json_array_size(list), error))
		return FALSE;
	if (!json_is_array(list))
		return dh_error(
			error, DH_ERROR_INVALID, "invalid archive: manifest.json is no array");
	size_t i;
	json_t *entry;
	json_array_foreach (list, i, entry) {
		DockerEntry *e = dh_json_parse(&docker_entry_table, entry, error);
		g_autoptr(Plan) p = e ? docker_plan(e, error) : NULL;
		dh_json_free(&docker_entry_table, e);
		if (!p || !load_image(l, p, error))
			return FALSE;
	}
	return TRUE;
}

/* ---- OCI ---- */

static const char *text_at(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

/* The member that a descriptor means; NULL with error. */
static char *member_of(const json_t *descriptor, GError **error)
{
	const char *digest = text_at(descriptor, "digest");
	if (!digest || !digest_valid(digest)) {
		dh_error(error, DH_ERROR_INVALID, "invalid archive: \"%s\" is no digest",
			digest ? digest : "");
		return NULL;
	}
	return g_strconcat(BLOBS, digest_hex(digest), NULL);
}

typedef enum { PLATFORM_OTHER, PLATFORM_UNSAID, PLATFORM_OURS } PlatformMatch;

static PlatformMatch match_platform(const json_t *descriptor)
{
	const json_t *platform = json_object_get(descriptor, "platform");
	const char *os = text_at(platform, "os"), *arch = text_at(platform, "architecture");
	if (!os || !arch)
		return PLATFORM_UNSAID;
	return strcmp(os, "linux") == 0 && strcmp(arch, image_host_arch()) == 0 ? PLATFORM_OURS
										: PLATFORM_OTHER;
}

/* Descriptions of other things (signatures, provenance) travel as manifests, too. */
static gboolean is_attachment(const json_t *descriptor)
{
	const json_t *annotations = json_object_get(descriptor, "annotations");
	const char *os = text_at(json_object_get(descriptor, "platform"), "os");
	return text_at(annotations, "vnd.docker.reference.type") ||
	       (os && strcmp(os, "unknown") == 0);
}

/* containerd's annotation is a whole name; the standard's may be one or just a tag, which names
 * nothing. */
static char *oci_name(const json_t *descriptor)
{
	const json_t *annotations = json_object_get(descriptor, "annotations");
	const char *text = text_at(annotations, "io.containerd.image.name");
	if (!text) {
		text = text_at(annotations, "org.opencontainers.image.ref.name");
		if (!text || !strpbrk(text, ":/"))
			return NULL;
	}
	g_autoptr(Reference) r = reference_parse(text, NULL);
	return r && !r->digest ? index_name(r) : NULL;
}

static const json_t *choose(const json_t *index, GError **error)
{
	const json_t *best = NULL;
	PlatformMatch best_match = PLATFORM_OTHER;
	size_t i;
	const json_t *d;
	json_array_foreach (json_object_get(index, "manifests"), i, d) {
		PlatformMatch match = match_platform(d);
		if (!is_attachment(d) && match > best_match) {
			best = d;
			best_match = match;
		}
	}
	if (!best)
		dh_error(error, DH_ERROR_INVALID,
			"no matching manifest for linux/%s in the manifest list entries",
			image_host_arch());
	return best;
}

/* The manifest of an image; an index is followed to this machine's. New reference. */
static json_t *find_manifest(Load *l, const json_t *descriptor, GError **error)
{
	g_autoptr(json_t) json = NULL;
	for (int depth = 0; depth < MAX_INDEX_DEPTH; depth++) {
		g_autofree char *member = member_of(descriptor, error);
		json_t *next = member ? read_json(l, member, error) : NULL;
		json_decref(json);
		json = next;
		if (!json)
			return NULL;
		if (!json_object_get(json, "manifests"))
			return g_steal_pointer(&json);
		descriptor = choose(json, error);
		if (!descriptor)
			return NULL;
	}
	dh_error(error, DH_ERROR_INVALID, "invalid archive: indexes are nested too deeply");
	return NULL;
}

static Plan *oci_plan(Load *l, const json_t *descriptor, GError **error)
{
	g_autoptr(json_t) manifest = find_manifest(l, descriptor, error);
	if (!manifest)
		return NULL;
	g_autofree char *config = member_of(json_object_get(manifest, "config"), error);
	if (!config)
		return NULL;
	g_autoptr(Plan) p = plan_new(config);
	size_t i;
	const json_t *layer;
	json_array_foreach (json_object_get(manifest, "layers"), i, layer) {
		char *member = member_of(layer, error);
		if (!member)
			return NULL;
		g_ptr_array_add(p->layers, member);
	}
	char *name = oci_name(descriptor);
	if (name)
		g_ptr_array_add(p->names, name);
	return g_steal_pointer(&p);
}

static gboolean load_oci(Load *l, GError **error)
{
	g_autoptr(json_t) index = read_json(l, "index.json", error);
	const json_t *list = json_object_get(index, "manifests");
	if (!index || too_many(json_array_size(list), error))
		return FALSE;
	if (!json_is_array(list))
		return dh_error(
			error, DH_ERROR_INVALID, "invalid archive: index.json has no manifests");
	size_t i;
	const json_t *d;
	json_array_foreach (list, i, d) {
		gboolean foreign = match_platform(d) == PLATFORM_OTHER && json_array_size(list) > 1;
		if (is_attachment(d) || foreign)
			continue;
		g_autoptr(Plan) p = oci_plan(l, d, error);
		if (!p || !load_image(l, p, error))
			return FALSE;
	}
	if (g_hash_table_size(l->loaded) == 0)
		return dh_error(error, DH_ERROR_INVALID,
			"no matching manifest for linux/%s in the archive", image_host_arch());
	return TRUE;
}

gboolean store_load(
	Store *s, StoreRead read, void *read_arg, StoreProgress progress, void *arg, GError **error)
{
	g_autoptr(Spool) sp = spool_read(s, read, read_arg, error);
	if (!sp)
		return FALSE;
	g_autoptr(GString) ids = g_string_new(NULL);
	g_autoptr(GHashTable) loaded = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	Load l = {s, sp, progress, arg, ids, 0, loaded};
	gboolean ok;
	if (spool_has(sp, "manifest.json"))
		ok = load_docker(&l, error);
	else if (spool_has(sp, "index.json"))
		ok = load_oci(&l, error);
	else
		ok = dh_error(error, DH_ERROR_INVALID,
			"invalid archive: it has neither manifest.json nor index.json");
	if (ok && l.n_names == 0) {
		g_auto(GStrv) lines = g_strsplit(ids->str, "\n", -1);
		for (char **line = lines; *line && **line; line++)
			tell(&l, "%s", *line);
	}
	return ok;
}

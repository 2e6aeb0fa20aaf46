/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/timefmt.h"
#include "store/internal.h"

#include <string.h>
#include <sys/utsname.h>

/* ---- parsing ---- */

void image_core_unref(ImageCore *c)
{
	if (!c || !g_atomic_int_dec_and_test(&c->refs))
		return;
	g_free(c->id);
	g_free(c->parent);
	g_free(c->os);
	g_free(c->architecture);
	g_free(c->variant);
	g_free(c->author);
	g_free(c->comment);
	g_free(c->docker_version);
	dh_json_free(&container_config_table, c->config);
	g_strfreev(c->diff_ids);
	g_strfreev(c->chain_ids);
	json_decref(c->raw);
	g_free(c);
}

typedef struct {
	char *os, *architecture, *variant, *author, *created, *docker_version, *comment;
	json_t *config, *rootfs, *history;
} RawImage;

static const DhJsonField raw_image_fields[] = {
	DH_F(STRING, RawImage, os, "os", 0),
	DH_F(STRING, RawImage, architecture, "architecture", 0),
	DH_F(STRING, RawImage, variant, "variant", 0),
	DH_F(STRING, RawImage, author, "author", 0),
	DH_F(STRING, RawImage, created, "created", 0),
	DH_F(STRING, RawImage, docker_version, "docker_version", 0),
	DH_F(STRING, RawImage, comment, "comment", 0),
	DH_F(RAW, RawImage, config, "config", 0),
	DH_F(RAW, RawImage, rootfs, "rootfs", 0),
	DH_F(RAW, RawImage, history, "history", 0),
};
static DH_JSON_TABLE(raw_image_table, RawImage, raw_image_fields, FALSE);

static char *own(char **text)
{
	return *text ? g_steal_pointer(text) : g_strdup("");
}

static gboolean parse_rootfs(ImageCore *c, const json_t *rootfs, GError **error)
{
	const json_t *ids = json_object_get(rootfs, "diff_ids");
	if (ids && !json_is_array(ids) && !json_is_null(ids))
		return dh_error(
			error, DH_ERROR_INVALID, "invalid image JSON, diff_ids is no array");
	size_t n = json_array_size(ids);
	if (!json_is_object(rootfs))
		return dh_error(error, DH_ERROR_INVALID, "invalid image JSON, no RootFS key");
	if (n > LAYERS_MAX)
		return dh_error(error, DH_ERROR_INVALID, "invalid image JSON, more than %d layers",
			LAYERS_MAX);
	c->diff_ids = g_new0(char *, n + 1);
	c->chain_ids = g_new0(char *, n + 1);
	for (size_t i = 0; i < n; i++) {
		const char *id = json_string_value(json_array_get(ids, i));
		if (!id || !digest_valid(id))
			return dh_error(error, DH_ERROR_INVALID,
				"invalid image JSON, \"%s\" is no diffID", id ? id : "");
		c->diff_ids[i] = g_strdup(id);
		c->chain_ids[i] = digest_chain(i ? c->chain_ids[i - 1] : NULL, id);
	}
	return TRUE;
}

ImageCore *image_parse(const char *text, size_t n, GError **error)
{
	g_autoptr(ImageCore) c = g_new0(ImageCore, 1);
	c->refs = 1;
	c->id = digest_of(text, n);
	c->parent = g_strdup("");
	c->created = DH_TIME_ZERO;
	c->raw = dh_json_loads(text, n, error);
	RawImage *r = c->raw ? dh_json_parse(&raw_image_table, c->raw, error) : NULL;
	if (!r) {
		g_prefix_error(error, "invalid image JSON: ");
		return NULL;
	}

	gboolean ok = parse_rootfs(c, r->rootfs, error);
	c->os = own(&r->os);
	c->architecture = own(&r->architecture);
	c->variant = own(&r->variant);
	c->author = own(&r->author);
	c->comment = own(&r->comment);
	c->docker_version = own(&r->docker_version);
	if (r->created && !dh_time_parse(r->created, 0, &c->created, NULL))
		c->created = DH_TIME_ZERO;
	if (ok) {
		c->config = r->config ? dh_json_parse(&container_config_table, r->config, error)
				      : dh_json_new(&container_config_table);
		ok = c->config != NULL;
	}
	dh_json_free(&raw_image_table, r);
	return ok ? g_steal_pointer(&c) : NULL;
}

const char *image_host_arch(void)
{
	static const struct {
		const char *machine, *arch;
	} names[] = {
		{"x86_64", "amd64"},
		{"aarch64", "arm64"},
		{"armv7l", "arm"},
		{"armv6l", "arm"},
		{"i686", "386"},
		{"ppc64le", "ppc64le"},
		{"s390x", "s390x"},
		{"riscv64", "riscv64"},
	};
	struct utsname u;
	if (uname(&u) == 0)
		for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
			if (strcmp(u.machine, names[i].machine) == 0)
				return names[i].arch;
	return "amd64";
}

gboolean image_check_platform(const ImageCore *c, GError **error)
{
	if (*c->os && strcmp(c->os, "linux") != 0)
		return dh_error(error, DH_ERROR_INVALID, "cannot load %s image on linux", c->os);
	return TRUE;
}

/* ---- snapshots ---- */

Image *image_snapshot(ImageCore *core, char **repo_tags, char **repo_digests, int64_t last_tagged)
{
	Snapshot *s = g_new0(Snapshot, 1);
	g_atomic_int_inc(&core->refs);
	s->core = core;
	s->pub = (Image){
		.refs = 1,
		.id = core->id,
		.parent = core->parent,
		.repo_tags = repo_tags,
		.repo_digests = repo_digests,
		.created = core->created,
		.size = core->size,
		.last_tagged = last_tagged,
		.os = core->os,
		.architecture = core->architecture,
		.variant = core->variant,
		.author = core->author,
		.comment = core->comment,
		.docker_version = core->docker_version,
		.config = core->config,
		.diff_ids = core->diff_ids,
		.chain_ids = core->chain_ids,
		.raw = core->raw,
	};
	return &s->pub;
}

Image *image_ref(Image *i)
{
	g_atomic_int_inc(&i->refs);
	return i;
}

void image_unref(Image *i)
{
	if (!i || !g_atomic_int_dec_and_test(&i->refs))
		return;
	g_strfreev(i->repo_tags);
	g_strfreev(i->repo_digests);
	image_core_unref(((Snapshot *)i)->core);
	g_free(i);
}

/* ---- finding ---- */

char *index_name(const Reference *r)
{
	gboolean by_digest = r->digest != NULL;
	return g_strconcat(r->domain, "/", r->path, by_digest ? "@" : ":",
		by_digest ? r->digest
		: r->tag  ? r->tag
			  : "latest",
		NULL);
}

/* The one image whose ID starts with these digits; NULL if there is none or more than one. */
static Image *find_prefix(Store *s, const char *digits)
{
	size_t n = strlen(digits);
	if (n == 0 || n > 64 || strspn(digits, "0123456789abcdef") != n)
		return NULL;
	Image *found = NULL;
	GHashTableIter it;
	gpointer id, image;
	g_hash_table_iter_init(&it, s->images);
	while (g_hash_table_iter_next(&it, &id, &image)) {
		if (strncmp(digest_hex(id), digits, n) != 0)
			continue;
		if (found)
			return NULL;
		found = image;
	}
	return found;
}

Image *index_find(Store *s, const char *name)
{
	if (digest_valid(name))
		return g_hash_table_lookup(s->images, name);
	g_autoptr(Reference) r = reference_parse(name, NULL);
	if (r) {
		g_autofree char *full = index_name(r);
		const char *id = g_hash_table_lookup(s->names, full);
		if (id)
			return g_hash_table_lookup(s->images, id);
	}
	return find_prefix(s, g_str_has_prefix(name, DIGEST_PREFIX) ? digest_hex(name) : name);
}

gboolean not_found_image(const char *name, GError **error)
{
	if (digest_valid(name))
		return dh_error(error, DH_ERROR_NOT_FOUND, "No such image: %s", name);
	if (strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64)
		return dh_error(error, DH_ERROR_NOT_FOUND, "No such image: sha256:%s", name);
	g_autoptr(Reference) r = reference_parse(name, error);
	if (!r)
		return FALSE;
	g_autofree char *familiar = reference_familiar(r);
	return dh_error(error, DH_ERROR_NOT_FOUND, "No such image: %s", familiar);
}

Image *store_image_find(Store *s, const char *name, GError **error)
{
	g_mutex_lock(&s->lock);
	Image *i = index_find(s, name);
	if (i)
		image_ref(i);
	g_mutex_unlock(&s->lock);
	if (!i)
		not_found_image(name, error);
	return i;
}

Image *store_image_held(Store *s, const char *id)
{
	g_mutex_lock(&s->lock);
	Image *i = g_hash_table_lookup(s->images, id);
	if (!i)
		i = g_hash_table_lookup(s->held, id);
	if (i)
		image_ref(i);
	g_mutex_unlock(&s->lock);
	return i;
}

gboolean store_image_stays(Store *s, const char *id, GError **error)
{
	g_mutex_lock(&s->write);
	g_autoptr(Image) i = store_image_held(s, id);
	g_mutex_unlock(&s->write);
	return i || not_found_image(id, error);
}

static gint newest_first(gconstpointer a, gconstpointer b)
{
	const Image *x = *(Image *const *)a, *y = *(Image *const *)b;
	if (x->created != y->created)
		return x->created < y->created ? 1 : -1;
	return strcmp(x->id, y->id);
}

GPtrArray *store_images(Store *s)
{
	GPtrArray *out = g_ptr_array_new_with_free_func((GDestroyNotify)image_unref);
	GHashTableIter it;
	gpointer image;
	g_mutex_lock(&s->lock);
	g_hash_table_iter_init(&it, s->images);
	while (g_hash_table_iter_next(&it, NULL, &image))
		g_ptr_array_add(out, image_ref(image));
	g_mutex_unlock(&s->lock);
	g_ptr_array_sort(out, newest_first);
	return out;
}

char **store_image_lower(Store *s, const Image *i)
{
	guint n = g_strv_length(i->chain_ids);
	char **out = g_new0(char *, n + 1);
	for (guint k = 0; k < n; k++)
		out[k] = layer_mount_dir(s, i->chain_ids[n - 1 - k]);
	return out;
}

int64_t store_layer_refs(Store *s, const char *hex)
{
	g_autofree char *id = g_strconcat(DIGEST_PREFIX, hex, NULL);
	g_mutex_lock(&s->lock);
	const Layer *l = g_hash_table_lookup(s->layers, id);
	int64_t refs = l ? (int64_t)l->refs : -1;
	g_mutex_unlock(&s->lock);
	return refs;
}

gboolean store_has_blob(Store *s, const char *hex)
{
	g_autofree char *id = g_strconcat(DIGEST_PREFIX, hex, NULL);
	g_mutex_lock(&s->lock);
	gboolean has = g_hash_table_contains(s->images, id) || g_hash_table_contains(s->held, id);
	g_mutex_unlock(&s->lock);
	return has;
}

void store_usage(Store *s, StoreUsage *ret)
{
	*ret = (StoreUsage){0};
	GHashTableIter it;
	gpointer layer;
	g_mutex_lock(&s->lock);
	ret->n_images = g_hash_table_size(s->images);
	ret->n_layers = g_hash_table_size(s->layers);
	g_hash_table_iter_init(&it, s->layers);
	while (g_hash_table_iter_next(&it, NULL, &layer))
		ret->layers_size += ((const Layer *)layer)->size;
	g_mutex_unlock(&s->lock);
}

int64_t store_shared_size(Store *s, const Image *i)
{
	int64_t shared = 0;
	g_mutex_lock(&s->lock);
	for (char **c = i->chain_ids; *c; c++) {
		const Layer *l = g_hash_table_lookup(s->layers, *c);
		shared += l && l->refs > 1 ? l->size : 0;
	}
	g_mutex_unlock(&s->lock);
	return shared;
}

/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

#include "base/error.h"
#include "base/timefmt.h"
#include "container/observe.h"
#include "registry/platform.h"

#include <fnmatch.h>
#include <string.h>

static json_t *labels_of(const Image *i)
{
	json_t *out = json_object();
	GHashTableIter it;
	gpointer key, value;
	if (!i->config->labels)
		return out;
	g_hash_table_iter_init(&it, i->config->labels);
	while (g_hash_table_iter_next(&it, &key, &value))
		json_object_set_new(out, key, api_string(value));
	return out;
}

static json_t *names_or_none(char **names, const char *none, gboolean old_client)
{
	json_t *out = api_strv(names);
	if (old_client && json_array_size(out) == 0)
		json_array_append_new(out, json_string(none));
	return out;
}

static json_int_t n_containers(Engine *e, const Image *i)
{
	json_int_t n = 0;
	g_autoptr(GPtrArray) all = container_all(e);
	for (guint k = 0; k < all->len; k++)
		n += strcmp(((const Container *)all->pdata[k])->image_id, i->id) == 0;
	return n;
}

/* What costs a look at more than the image. */
enum { WITH_SHARED = 1 << 0, WITH_CONTAINERS = 1 << 1 };

static json_t *summary(ApiRequest *r, const Image *i, char **tags, char **digests, int with)
{
	Engine *e = api_engine(r);
	json_t *o = json_object();
	gboolean old_client = api_minor(r) < 43 && !(tags && *tags) && !(digests && *digests);
	api_set(o, "Containers", json_integer(with & WITH_CONTAINERS ? n_containers(e, i) : -1));
	api_set(o, "Created", json_integer(i->created / DH_NSEC));
	api_set(o, "Id", api_string(i->id));
	api_set(o, "Labels", labels_of(i));
	api_set(o, "ParentId", api_string(i->parent));
	api_set(o, "RepoDigests", names_or_none(digests, "<none>@<none>", old_client));
	api_set(o, "RepoTags", names_or_none(tags, "<none>:<none>", old_client));
	api_set(o, "SharedSize",
		json_integer(with & WITH_SHARED ? store_shared_size(e->store, i) : -1));
	api_set(o, "Size", json_integer(i->size));
	if (api_minor(r) < 44)
		api_set(o, "VirtualSize", json_integer(i->size));
	return o;
}

json_t *api_image_usage(ApiRequest *r, const Image *i)
{
	return summary(r, i, i->repo_tags, i->repo_digests, WITH_SHARED | WITH_CONTAINERS);
}

/* ---- filters of the list ---- */

typedef struct {
	Filters *filters;
	gboolean all, dangling;
	int64_t before, since, until; /* creation times */
	GHashTable *parents;          /* set: images that others are made from */
} Query;

/* Patterns like "nginx", "ngin?", "nginx:1.*", with or without the tag; a star stops at a slash. */
static char **matching(const Query *q, char **names)
{
	char **patterns = filters_get(q->filters, "reference");
	GPtrArray *out = g_ptr_array_new();
	for (; names && *names; names++) {
		const char *slash = strrchr(*names, '/');
		const char *sep = strpbrk(slash ? slash : *names, "@:");
		g_autofree char *bare =
			sep ? g_strndup(*names, (gsize)(sep - *names)) : g_strdup(*names);
		gboolean take = patterns == NULL;
		for (char **p = patterns; p && *p && !take; p++)
			take = fnmatch(*p, *names, FNM_PATHNAME) == 0 ||
			       fnmatch(*p, bare, FNM_PATHNAME) == 0;
		if (take)
			g_ptr_array_add(out, *names);
	}
	g_ptr_array_add(out, NULL);
	return (char **)g_ptr_array_free(out, FALSE); /* strings stay the image's */
}

static gboolean created_of(
	Store *s, const Filters *f, const char *key, int64_t *ret, GError **error)
{
	for (char **v = filters_get(f, key); v && *v; v++) {
		g_autoptr(Image) i = store_image_find(s, *v, error);
		if (!i)
			return FALSE;
		*ret = i->created;
	}
	return TRUE;
}

static gboolean prepare(Query *q, Engine *e, GError **error)
{
	const Filters *f = q->filters;
	q->before = q->until = G_MAXINT64;
	q->since = G_MININT64;
	char **until = filters_get(f, "until");
	return filters_get_bool(f, "dangling", FALSE, &q->dangling, error) &&
	       created_of(e->store, f, "before", &q->before, error) &&
	       created_of(e->store, f, "since", &q->since, error) &&
	       (!until || dh_time_parse(until[0], dh_time_now(), &q->until, error));
}

static gboolean matches(const Query *q, const Image *i)
{
	const Filters *f = q->filters;
	gboolean has_tag = i->repo_tags && *i->repo_tags;
	gboolean has_name = has_tag || (i->repo_digests && *i->repo_digests);
	gboolean is_parent = g_hash_table_contains(q->parents, i->id);
	if (filters_has(f, "dangling") && q->dangling == (has_tag || (is_parent && !q->all)))
		return FALSE;
	if (!has_name && is_parent && !q->all)
		return FALSE;
	return filters_match_labels(f, "label", i->config->labels) && i->created < q->before &&
	       i->created > q->since && i->created < q->until;
}

static json_t *list(ApiRequest *r, const Query *q, GPtrArray *images)
{
	json_t *out = json_array();
	int with = api_query_bool(r, "shared-size", FALSE) ? WITH_SHARED : 0;
	for (guint k = 0; k < images->len; k++) {
		const Image *i = images->pdata[k];
		if (!matches(q, i))
			continue;
		g_autofree char **tags = matching(q, i->repo_tags);
		g_autofree char **digests = matching(q, i->repo_digests);
		if (filters_has(q->filters, "reference") && !*tags && !*digests)
			continue;
		json_array_append_new(out, summary(r, i, tags, digests, with));
	}
	return out;
}

gboolean api_images_list(ApiRequest *r, GError **error)
{
	static const char *const allowed[] = {
		"before", "dangling", "label", "reference", "since", "until", NULL};
	Engine *e = api_engine(r);
	g_autoptr(Filters) filters = filters_parse(api_query(r, "filters"), allowed, error);
	Query q = {.filters = filters, .all = api_query_bool(r, "all", FALSE)};
	if (!filters || !prepare(&q, e, error))
		return FALSE;
	g_autoptr(GPtrArray) images = store_images(e->store);
	g_autoptr(GHashTable) parents = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint k = 0; k < images->len; k++) {
		Image *i = images->pdata[k];
		if (i->parent && *i->parent)
			g_hash_table_add(parents, i->parent);
	}
	q.parents = parents;
	api_reply_json(r, 200, list(r, &q, images));
	return TRUE;
}

/* ---- one image ---- */

/* As the overlay2 driver names them: the top layer and those below it. */
static json_t *graph_driver(Store *s, const Image *i)
{
	json_t *data = json_object();
	g_auto(GStrv) lower = store_image_lower(s, i);
	if (lower && lower[0]) {
		api_set(data, "UpperDir", api_string(lower[0]));
		if (lower[1]) {
			g_autofree char *rest = g_strjoinv(":", lower + 1);
			api_set(data, "LowerDir", api_string(rest));
		}
	}
	return json_pack("{s:s,s:o}", "Name", "overlay2", "Data", data);
}

/* Clients may ask for one platform's image only, since 1.49. */
static gboolean check_platform(ApiRequest *r, const Image *i, GError **error)
{
	const char *text = api_query(r, "platform");
	g_auto(Platform) want = {0};
	if (!text || !*text || api_minor(r) < 49)
		return TRUE;
	if (!platform_decode(text, &want, error))
		return FALSE;
	if (platform_serves(i->os, i->architecture, i->variant, &want))
		return TRUE;
	g_autofree char *wanted = platform_text(&want);
	return dh_error(error, DH_ERROR_NOT_FOUND,
		"image with reference %s was found but its platform (%s/%s%s%s) does not match "
		"the specified platform (%s)",
		api_param(r, 0), i->os, i->architecture, i->variant && *i->variant ? "/" : "",
		i->variant ? i->variant : "", wanted);
}

gboolean api_image_inspect(ApiRequest *r, GError **error)
{
	Store *s = api_engine(r)->store;
	g_autoptr(Image) i = store_image_find(s, api_param(r, 0), error);
	if (!i || !check_platform(r, i, error))
		return FALSE;
	json_t *o = json_object();
	api_set(o, "Id", api_string(i->id));
	api_set(o, "RepoTags", api_strv(i->repo_tags));
	api_set(o, "RepoDigests", api_strv(i->repo_digests));
	api_set(o, "Parent", api_string(i->parent));
	api_set(o, "Comment", api_string(i->comment));
	api_set(o, "Created", api_time(i->created));
	if (api_minor(r) < 45) {
		json_t *container = json_object_get(i->raw, "container");
		json_t *config = json_object_get(i->raw, "container_config");
		api_set(o, "Container", container ? json_incref(container) : json_string(""));
		api_set(o, "ContainerConfig", config ? json_incref(config) : json_null());
	}
	api_set(o, "DockerVersion", api_string(i->docker_version));
	api_set(o, "Author", api_string(i->author));
	json_t *config = dh_json_emit(&container_config_table, i->config);
	/* An image without labels has none, a container without has an empty map. */
	if (!i->config->labels || g_hash_table_size(i->config->labels) == 0)
		api_set(config, "Labels", json_null());
	api_set(o, "Config", config);
	api_set(o, "Architecture", api_string(i->architecture));
	if (i->variant && *i->variant)
		api_set(o, "Variant", api_string(i->variant));
	api_set(o, "Os", api_string(i->os));
	api_set(o, "Size", json_integer(i->size));
	if (api_minor(r) < 44)
		api_set(o, "VirtualSize", json_integer(i->size));
	api_set(o, "GraphDriver", graph_driver(s, i));
	json_t *root = json_pack("{s:s}", "Type", "layers");
	if (i->diff_ids && *i->diff_ids)
		api_set(root, "Layers", api_strv(i->diff_ids));
	api_set(o, "RootFS", root);
	api_set(o, "Metadata", json_pack("{s:o}", "LastTagTime", api_time(i->last_tagged)));
	api_reply_json(r, 200, o);
	return TRUE;
}

gboolean api_image_history(ApiRequest *r, GError **error)
{
	Store *s = api_engine(r)->store;
	g_autoptr(Image) i = store_image_find(s, api_param(r, 0), error);
	g_autoptr(GPtrArray) history = i ? store_image_history(s, i, error) : NULL;
	if (!history)
		return FALSE;
	json_t *out = json_array();
	for (guint k = 0; k < history->len; k++) {
		const StoreHistory *h = history->pdata[k];
		json_t *o = json_object();
		api_set(o, "Id", api_string(h->id));
		api_set(o, "Created",
			json_integer(h->created == DH_TIME_ZERO ? 0 : h->created / DH_NSEC));
		api_set(o, "CreatedBy", api_string(h->created_by));
		api_set(o, "Tags", h->tags && *h->tags ? api_strv(h->tags) : json_null());
		api_set(o, "Size", json_integer(h->size));
		api_set(o, "Comment", api_string(h->comment));
		json_array_append_new(out, o);
	}
	api_reply_json(r, 200, out);
	return TRUE;
}

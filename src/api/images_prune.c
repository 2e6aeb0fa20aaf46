/* SPDX-License-Identifier: MIT */
/* Space: what it is used for, and how images give it back. */
#include "api/handlers.h"

#include <string.h>

typedef struct {
	Filters *filters;
	int64_t until;
	gboolean dangling; /* only those without a name */
} Prune;

static gboolean is_parent(GPtrArray *images, const char *id)
{
	for (guint i = 0; i < images->len; i++)
		if (strcmp(((const Image *)images->pdata[i])->parent, id) == 0)
			return TRUE;
	return FALSE;
}

static gboolean wanted(const Prune *p, GPtrArray *images, const Image *i)
{
	gboolean tag = *i->repo_tags != NULL, name = tag || *i->repo_digests;
	if (p->dangling && name)
		return FALSE;
	/* Intermediate images go with what is made from them. */
	if (!name && is_parent(images, i->id))
		return FALSE;
	return i->created < p->until &&
	       filters_match_labels(p->filters, "label", i->config->labels) &&
	       filters_match_no_labels(p->filters, "label!", i->config->labels);
}

/* Removes by one name (or ID); what stands against it is no failure of the prune. */
static void remove_one(
	Engine *e, const Image *i, const char *name, json_t *deleted, int64_t *reclaimed)
{
	g_autoptr(GPtrArray) gone =
		store_image_remove(e->store, name, i, FALSE, FALSE, container_uses_image, e, NULL);
	for (guint k = 0; gone && k < gone->len; k++) {
		const StoreDeleted *d = gone->pdata[k];
		*reclaimed += d->size;
		json_array_append_new(deleted,
			d->untagged ? json_pack("{s:o}", "Untagged", api_string(d->untagged))
				    : json_pack("{s:o}", "Deleted", api_string(d->deleted)));
		if (d->untagged)
			api_image_event(e, "untag", i, i->id);
		else if (strcmp(d->deleted, i->id) == 0)
			api_image_event(e, "delete", i, i->id);
	}
}

static void prune_image(Engine *e, const Image *i, json_t *deleted, int64_t *reclaimed)
{
	g_autofree char *container = NULL;
	gboolean running;
	if (container_uses_image(e, i->id, &container, &running))
		return;
	gboolean named = FALSE;
	for (char **list = i->repo_tags, **end = NULL; list; list = end) {
		for (char **name = list; *name; name++) {
			remove_one(e, i, *name, deleted, reclaimed);
			named = TRUE;
		}
		end = list == i->repo_tags ? i->repo_digests : NULL;
	}
	if (!named)
		remove_one(e, i, i->id, deleted, reclaimed);
}

gboolean api_images_prune(ApiRequest *r, GError **error)
{
	static const char *const allowed[] = {"dangling", "label", "label!", "until", NULL};
	Engine *e = api_engine(r);
	g_autoptr(Filters) filters = filters_parse(api_query(r, "filters"), allowed, error);
	Prune p = {.filters = filters};
	if (!filters || !api_prune_until(filters, &p.until, error) ||
		!filters_get_bool(filters, "dangling", TRUE, &p.dangling, error))
		return FALSE;
	int64_t reclaimed = 0;
	g_autoptr(json_t) deleted = json_array();
	g_autoptr(GPtrArray) images = store_images(e->store);
	for (guint i = 0; i < images->len; i++)
		if (wanted(&p, images, images->pdata[i]))
			prune_image(e, images->pdata[i], deleted, &reclaimed);
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, reclaimed);
	events_emit(e->events, "image", "prune", "", "reclaimed", text, NULL);
	json_t *body = json_object();
	api_set(body, "ImagesDeleted",
		json_array_size(deleted) ? json_incref(deleted) : json_null());
	api_set(body, "SpaceReclaimed", json_integer(reclaimed));
	api_reply_json(r, 200, body);
	return TRUE;
}

/* ---- GET /system/df ---- */

static json_t *images_usage(ApiRequest *r, GError **error)
{
	(void)error;
	json_t *out = json_array();
	g_autoptr(GPtrArray) images = store_images(api_engine(r)->store);
	for (guint i = 0; i < images->len; i++) {
		const Image *image = images->pdata[i];
		if (!*image->repo_tags && !*image->repo_digests && is_parent(images, image->id))
			continue;
		json_array_append_new(out, api_image_usage(r, image));
	}
	return out;
}

static json_t *containers_usage(ApiRequest *r, GError **error)
{
	g_autoptr(Filters) none = filters_parse(NULL, NULL, NULL);
	const ListRequest list = {.all = TRUE, .size = TRUE, .filters = none};
	g_autofree char *text = container_list(api_engine(r), &list, error);
	return text ? dh_json_loads(text, strlen(text), error) : NULL;
}

static json_t *volumes_usage(ApiRequest *r, GError **error)
{
	(void)error;
	return api_volumes_usage(api_engine(r));
}

static json_t *nothing(ApiRequest *r, GError **error)
{
	(void)r;
	(void)error;
	return json_array();
}

gboolean api_system_df(ApiRequest *r, GError **error)
{
	static const struct {
		const char *type, *member;
		json_t *(*usage)(ApiRequest *r, GError **error);
	} parts[] = {
		{"image", "Images", images_usage},
		{"container", "Containers", containers_usage},
		{"volume", "Volumes", volumes_usage},
		{"build-cache", "BuildCache", nothing},
	};
	g_autofree const char **types = api_query_all(r, "type");
	for (const char **t = types; *t; t++) {
		gboolean known = FALSE;
		for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
			known |= strcmp(parts[i].type, *t) == 0;
		if (!known)
			return dh_error(error, DH_ERROR_INVALID, "unknown object type: %s", *t);
	}
	g_autoptr(json_t) body = json_object();
	for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
		gboolean asked = !*types || g_strv_contains(types, parts[i].type);
		json_t *part = asked ? parts[i].usage(r, error) : json_null();
		if (!part)
			return FALSE;
		api_set(body, parts[i].member, part);
	}
	StoreUsage usage = {0};
	if (!*types || g_strv_contains(types, "image"))
		store_usage(api_engine(r)->store, &usage);
	api_set(body, "LayersSize", json_integer(usage.layers_size));
	if (api_minor(r) < 42)
		api_set(body, "BuilderSize", json_integer(0));
	api_reply_json(r, 200, json_incref(body));
	return TRUE;
}

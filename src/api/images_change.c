/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

#include "registry/reference.h"

#include <string.h>

void api_image_event(Engine *e, const char *action, const Image *i, const char *name)
{
	GHashTable *attributes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	GHashTableIter it;
	gpointer key, value;
	if (i->config->labels) {
		g_hash_table_iter_init(&it, i->config->labels);
		while (g_hash_table_iter_next(&it, &key, &value))
			g_hash_table_insert(attributes, g_strdup(key), g_strdup(value));
	}
	g_hash_table_insert(attributes, g_strdup("name"), g_strdup(name));
	events_emit_table(e->events, "image", action, i->id, attributes);
}

gboolean api_image_tag(ApiRequest *r, GError **error)
{
	Engine *e = api_engine(r);
	const char *repo = api_query(r, "repo"), *tag = api_query(r, "tag");
	if (!repo || !*repo)
		return dh_error(error, DH_ERROR_INVALID,
			"repository name must have at least one component");
	if (!store_tag(e->store, api_param(r, 0), repo, tag, error))
		return FALSE;
	g_autofree char *name = tag && *tag ? g_strdup_printf("%s:%s", repo, tag) : g_strdup(repo);
	g_autoptr(Reference) ref = reference_parse(name, NULL);
	g_autofree char *familiar = ref ? reference_familiar(ref) : g_strdup(name);
	g_autoptr(Image) i = store_image_find(e->store, familiar, NULL);
	if (i)
		api_image_event(e, "tag", i, familiar);
	api_reply_status(r, 201);
	return TRUE;
}

gboolean api_image_delete(ApiRequest *r, GError **error)
{
	Engine *e = api_engine(r);
	const char *name = api_param(r, 0);
	g_autoptr(Image) image = store_image_find(e->store, name, error);
	if (!image)
		return FALSE;
	g_autoptr(GPtrArray) gone =
		store_image_remove(e->store, name, NULL, api_query_bool(r, "force", FALSE),
			api_query_bool(r, "noprune", FALSE), container_uses_image, e, error);
	if (!gone)
		return FALSE;
	json_t *body = json_array();
	for (guint i = 0; i < gone->len; i++) {
		const StoreDeleted *d = gone->pdata[i];
		json_array_append_new(
			body, d->untagged ? json_pack("{s:o}", "Untagged", api_string(d->untagged))
					  : json_pack("{s:o}", "Deleted", api_string(d->deleted)));
		if (d->untagged)
			api_image_event(e, "untag", image, image->id);
		else if (strcmp(d->deleted, image->id) == 0)
			api_image_event(e, "delete", image, image->id);
	}
	api_reply_json(r, 200, body);
	return TRUE;
}

/* ---- archives ---- */

static void loaded(void *arg, const char *status)
{
	ApiRequest *r = arg;
	Engine *e = api_engine(r);
	g_autofree char *line = g_strconcat(status, "\n", NULL);
	api_stream_begin(r, 200, "application/json");
	api_stream_json(r, json_pack("{s:o}", "stream", api_string(line)), "\r\n");
	const char *name = g_str_has_prefix(status, "Loaded image") ? strstr(status, ": ") : NULL;
	g_autoptr(Image) i = name ? store_image_find(e->store, name + 2, NULL) : NULL;
	if (i)
		api_image_event(e, "load", i, i->id);
}

gboolean api_images_load(ApiRequest *r, GError **error)
{
	gboolean ok = store_load(api_engine(r)->store, api_body_read, r, loaded, r, error);
	return api_stream_end(r, ok, error);
}

gboolean api_images_get(ApiRequest *r, GError **error)
{
	Engine *e = api_engine(r);
	const char *one[] = {api_param(r, 0), NULL};
	g_autofree const char **names = *one[0] ? NULL : api_query_all(r, "names");
	const char **which = names ? names : one;
	if (!which[0])
		return dh_error(error, DH_ERROR_INVALID, "no image names given");
	if (!store_save(e->store, (char *const *)which, api_stream_tar, r, error))
		return FALSE;
	for (; *which; which++) {
		g_autoptr(Image) i = store_image_find(e->store, *which, NULL);
		if (i)
			api_image_event(e, "save", i, i->id);
	}
	return TRUE;
}

/* POST /images/create: a pull, or an import from the body. */
gboolean api_images_create(ApiRequest *r, GError **error)
{
	Engine *e = api_engine(r);
	const char *from = api_query(r, "fromSrc"), *image = api_query(r, "fromImage");
	if (image && *image)
		return api_image_pull(r, error);
	if (!from || !*from)
		return dh_error(error, DH_ERROR_INVALID, "fromImage or fromSrc must be given");
	if (strcmp(from, "-") != 0)
		return dh_error(error, DH_ERROR_NOT_BUILT,
			"importing from a URL is not built yet (%s)", from);
	const char *repo = api_query(r, "repo"), *tag = api_query(r, "tag");
	const char *platform = api_query(r, "platform");
	g_autofree const char **changes = api_query_all(r, "changes");
	g_autofree char *id = store_import(e->store, api_body_read, r, (char *const *)changes,
		api_query(r, "message"), repo && *repo ? repo : NULL, tag && *tag ? tag : NULL,
		from, platform && *platform ? platform : NULL, error);
	if (!id)
		return FALSE;
	g_autoptr(Image) i = store_image_find(e->store, id, NULL);
	if (i)
		api_image_event(e, "import", i, id);
	api_stream_begin(r, 200, "application/json");
	api_stream_json(r, json_pack("{s:s}", "status", id), "\r\n");
	return TRUE;
}

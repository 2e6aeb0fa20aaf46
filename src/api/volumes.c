/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

#include "base/timefmt.h"
#include "container/observe.h"
#include "volume/volume.h"

#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static json_t *map_json(GHashTable *map)
{
	if (!map)
		return json_null();
	guint n;
	g_autofree char **keys = (char **)g_hash_table_get_keys_as_array(map, &n);
	qsort(keys, n, sizeof *keys, by_text);
	json_t *o = json_object();
	for (guint i = 0; i < n; i++)
		api_set(o, keys[i], api_string(g_hash_table_lookup(map, keys[i])));
	return o;
}

/* To the second, as docker tells it. */
static json_t *created_json(const Volume *v)
{
	g_autofree char *text = dh_time_format(v->created / DH_NSEC * DH_NSEC);
	return json_string(text);
}

static json_t *volume_json(const Volume *v)
{
	json_t *o = json_object();
	api_set(o, "CreatedAt", created_json(v));
	api_set(o, "Driver", json_string(VOLUME_DRIVER));
	api_set(o, "Labels", map_json(v->labels));
	api_set(o, "Mountpoint", api_string(v->mountpoint));
	api_set(o, "Name", json_string(v->name));
	api_set(o, "Options", map_json(v->options));
	api_set(o, "Scope", json_string("local"));
	return o;
}

static gboolean is_held(Engine *e, Volume *v)
{
	g_auto(GStrv) holders = volumes_holders(e->volumes, v);
	return *holders != NULL;
}

/* A part of the name will do. */
static gboolean name_matches(const Filters *f, const char *name)
{
	char **values = filters_get(f, "name");
	gboolean any = values == NULL;
	for (; !any && *values; values++)
		any = strstr(name, *values) != NULL;
	return any || filters_match_regex(f, "name", name);
}

gboolean api_volumes_list(ApiRequest *r, GError **error)
{
	static const char *const allowed[] = {"dangling", "driver", "label", "name", NULL};
	Engine *e = api_engine(r);
	gboolean dangling = FALSE;
	g_autoptr(Filters) f = filters_parse(api_query(r, "filters"), allowed, error);
	if (!f || !filters_get_bool(f, "dangling", FALSE, &dangling, error))
		return FALSE;
	json_t *list = json_array();
	g_autoptr(GPtrArray) all = volumes_all(e->volumes);
	for (guint i = 0; i < all->len; i++) {
		Volume *v = all->pdata[i];
		if (name_matches(f, v->name) && filters_match(f, "driver", VOLUME_DRIVER) &&
			filters_match_labels(f, "label", v->labels) &&
			(!filters_has(f, "dangling") || is_held(e, v) != dangling))
			json_array_append_new(list, volume_json(v));
	}
	json_t *body = json_object();
	api_set(body, "Volumes", list);
	api_set(body, "Warnings", json_null());
	api_reply_json(r, 200, body);
	return TRUE;
}

json_t *api_volumes_usage(Engine *e)
{
	json_t *list = json_array();
	g_autoptr(GPtrArray) all = volumes_all(e->volumes);
	for (guint i = 0; i < all->len; i++) {
		Volume *v = all->pdata[i];
		g_auto(GStrv) holders = volumes_holders(e->volumes, v);
		json_t *o = volume_json(v);
		api_set(o, "UsageData",
			json_pack("{s:i, s:I}", "RefCount", (int)g_strv_length(holders), "Size",
				(json_int_t)volume_size(v)));
		json_array_append_new(list, o);
	}
	return list;
}

typedef struct {
	char *name, *driver;
	GHashTable *driver_opts, *labels;
} VolumeBody;
static const DhJsonField volume_body_fields[] = {
	DH_F(STRING, VolumeBody, name, "Name", 0),
	DH_F(STRING, VolumeBody, driver, "Driver", 0),
	DH_F(STRMAP, VolumeBody, driver_opts, "DriverOpts", 0),
	DH_F(STRMAP, VolumeBody, labels, "Labels", 0),
};
static DH_JSON_TABLE(volume_body_table, VolumeBody, volume_body_fields, FALSE);

gboolean api_volume_create(ApiRequest *r, GError **error)
{
	Engine *e = api_engine(r);
	VolumeBody *body =
		api_body_parse(r, &volume_body_table, "got EOF while reading request body", error);
	if (!body)
		return FALSE;
	VolumeRequest req = {.name = body->name,
		.driver = body->driver,
		.labels = body->labels,
		.options = body->driver_opts};
	gboolean created;
	g_autoptr(Volume) v = volumes_acquire(e->volumes, &req, NULL, &created, error);
	dh_json_free(&volume_body_table, body);
	if (!v)
		return FALSE;
	if (created)
		events_emit(e->events, "volume", "create", v->name, "driver", VOLUME_DRIVER, NULL);
	api_reply_json(r, 201, volume_json(v));
	return TRUE;
}

gboolean api_volume_inspect(ApiRequest *r, GError **error)
{
	g_autoptr(Volume) v = volumes_find(api_engine(r)->volumes, api_param(r, 0), error);
	if (!v)
		return FALSE;
	api_reply_json(r, 200, volume_json(v));
	return TRUE;
}

static gboolean remove_volume(Engine *e, const char *name, GError **error)
{
	if (!volumes_remove(e->volumes, name, error))
		return FALSE;
	events_emit(e->events, "volume", "destroy", name, "driver", VOLUME_DRIVER, NULL);
	return TRUE;
}

gboolean api_volume_delete(ApiRequest *r, GError **error)
{
	g_autoptr(GError) failed = NULL;
	if (!remove_volume(api_engine(r), api_param(r, 0), &failed)) {
		gboolean absent = g_error_matches(failed, DH_ERROR, DH_ERROR_NOT_FOUND);
		if (!absent || !api_query_bool(r, "force", FALSE)) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
	}
	api_reply_status(r, 204);
	return TRUE;
}

/* Since API 1.42 only volumes without a name go, unless all are asked for. */
static gboolean prune_all(ApiRequest *r, const Filters *f, gboolean *ret, GError **error)
{
	*ret = TRUE;
	return api_minor(r) < 42 || filters_get_bool(f, "all", FALSE, ret, error);
}

gboolean api_volumes_prune(ApiRequest *r, GError **error)
{
	static const char *const allowed[] = {"all", "label", "label!", NULL};
	Engine *e = api_engine(r);
	gboolean every;
	int64_t reclaimed = 0;
	g_autoptr(Filters) f = filters_parse(api_query(r, "filters"), allowed, error);
	if (!f || !prune_all(r, f, &every, error))
		return FALSE;
	json_t *deleted = json_array();
	g_autoptr(GPtrArray) all = volumes_all(e->volumes);
	for (guint i = 0; i < all->len; i++) {
		Volume *v = all->pdata[i];
		if (is_held(e, v) || (!every && !volume_is_anonymous(v)) ||
			!filters_match_labels(f, "label", v->labels) ||
			!filters_match_no_labels(f, "label!", v->labels))
			continue;
		int64_t size = volume_size(v);
		/* One that was taken up meanwhile is no failure of the others. */
		if (!remove_volume(e, v->name, NULL))
			continue;
		reclaimed += size;
		json_array_append_new(deleted, json_string(v->name));
	}
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, reclaimed);
	events_emit(e->events, "volume", "prune", "", "reclaimed", text, NULL);
	json_t *body = json_object();
	api_set(body, "VolumesDeleted", deleted);
	api_set(body, "SpaceReclaimed", json_integer(reclaimed));
	api_reply_json(r, 200, body);
	return TRUE;
}

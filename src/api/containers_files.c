/* SPDX-License-Identifier: MIT */
/* What a container changed, its root as an archive, files in and out, and commit. */
#include "api/handlers.h"

#include "base/timefmt.h"
#include "container/changes.h"
#include "container/copy.h"

#include <string.h>

gboolean api_container_changes(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	g_autoptr(GPtrArray) changes = c ? container_changes(c, error) : NULL;
	if (!changes)
		return FALSE;
	json_t *out = json_array();
	for (guint i = 0; i < changes->len; i++) {
		const Change *change = changes->pdata[i];
		json_array_append_new(out, json_pack("{s:o, s:i}", "Path", api_string(change->path),
						   "Kind", (int)change->kind));
	}
	/* docker says null where nothing changed */
	api_reply_json(r, 200, changes->len ? json_incref(out) : json_null());
	json_decref(out);
	return TRUE;
}

gboolean api_container_export(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	return c && container_export(c, api_stream_tar, r, error);
}

/* ---- docker cp ---- */

static ContainerPath *open_path(ApiRequest *r, gboolean dir, GError **error)
{
	const char *path = api_query(r, "path");
	if (!path || !*path) {
		dh_error(error, DH_ERROR_INVALID, "missing path parameter in request");
		return NULL;
	}
	g_autoptr(Container) c = api_container(r, error);
	if (!c)
		return NULL;
	return dir ? container_path_open_dir(c, api_param(r, 0), path, error)
		   : container_path_open(c, api_param(r, 0), path, error);
}

static void reply_stat(ApiRequest *r, const PathStat *s)
{
	g_autofree char *mtime = dh_time_format(s->mtime);
	g_autoptr(json_t) o = json_object();
	api_set(o, "name", api_string(s->name));
	api_set(o, "size", json_integer(s->size));
	api_set(o, "mode", json_integer(s->mode));
	api_set(o, "mtime", json_string(mtime));
	api_set(o, "linkTarget", api_string(s->link_target));
	g_autofree char *text = dh_json_dumps(o, 0);
	g_autofree char *coded = g_base64_encode((const guchar *)text, strlen(text));
	api_reply_header(r, "X-Docker-Container-Path-Stat", coded);
}

gboolean api_container_archive_stat(ApiRequest *r, GError **error)
{
	g_autoptr(ContainerPath) p = open_path(r, FALSE, error);
	if (!p)
		return FALSE;
	reply_stat(r, container_path_stat(p));
	api_reply_status(r, 200);
	return TRUE;
}

gboolean api_container_archive_get(ApiRequest *r, GError **error)
{
	g_autoptr(ContainerPath) p = open_path(r, FALSE, error);
	if (!p)
		return FALSE;
	reply_stat(r, container_path_stat(p));
	return container_path_tar(p, api_stream_tar, r, error);
}

gboolean api_container_archive_put(ApiRequest *r, GError **error)
{
	g_autoptr(ContainerPath) p = open_path(r, TRUE, error);
	if (!p || !container_path_extract(p, api_body_read, r,
			  api_query_bool(r, "noOverwriteDirNonDir", FALSE), error))
		return FALSE;
	api_reply_status(r, 200);
	return TRUE;
}

/* ---- commit ---- */

gboolean api_commit(ApiRequest *r, GError **error)
{
	const char *name = api_query(r, "container");
	if (!name || !*name)
		return dh_error(error, DH_ERROR_INVALID, "no container given");
	g_autoptr(Container) c = container_find(api_engine(r), name, error);
	if (!c)
		return FALSE;
	ContainerConfig *config = NULL;
	if (json_is_object(api_body(r)) &&
		!(config = dh_json_parse(&container_config_table, api_body(r), error)))
		return FALSE;
	g_autofree const char **changes = api_query_all(r, "changes");
	const CommitRequest req = {.repo = api_query(r, "repo"),
		.tag = api_query(r, "tag"),
		.author = api_query(r, "author"),
		.comment = api_query(r, "comment"),
		.pause = api_query_bool(r, "pause", TRUE),
		.changes = (char *const *)changes,
		.config = config};
	g_autofree char *id = container_commit(c, &req, error);
	dh_json_free(&container_config_table, config);
	if (!id)
		return FALSE;
	api_reply_json(r, 201, json_pack("{s:s}", "Id", id));
	return TRUE;
}

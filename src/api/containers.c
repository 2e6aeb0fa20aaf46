/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

#include "base/timefmt.h"
#include "container/observe.h"

#include <string.h>

/* A piece of a list that is long. */
static int write_list(void *request, const void *buf, size_t n)
{
	(void)api_cancel_fd(request); /* the server need not wait for a reader who does not read */
	api_stream_begin(request, 200, "application/json");
	return api_stream_write(request, buf, n);
}

gboolean api_containers_list(ApiRequest *r, GError **error)
{
	static const char *const allowed[] = {"ancestor", "before", "exited", "expose", "health",
		"id", "is-task", "isolation", "label", "name", "network", "publish", "since",
		"status", "volume", NULL};
	g_autoptr(Filters) filters = filters_parse(api_query(r, "filters"), allowed, error);
	/* Dhow's own: a client that shows three members of a thousand containers asks for three. */
	const char *members = api_query(r, "members");
	g_auto(GStrv) some = members && *members ? g_strsplit(members, ",", -1) : NULL;
	ListRequest list = {.all = api_query_bool(r, "all", FALSE),
		.size = api_query_bool(r, "size", FALSE),
		.members = some,
		.filters = filters,
		.write = write_list,
		.write_arg = r};
	if (!filters || !api_query_int(r, "limit", 0, &list.limit, error))
		return FALSE;
	char *body = container_list(api_engine(r), &list, error);
	if (!body)
		return FALSE;
	if (!api_stream_has_begun(r)) {
		api_reply_take(r, 200, "application/json", body);
		return TRUE;
	}
	(void)api_stream_write(r, body, strlen(body));
	g_free(body);
	return TRUE;
}

gboolean api_containers_create(ApiRequest *r, GError **error)
{
	CreateRequest *req = api_body_parse(r, &create_request_table,
		"config cannot be empty in order to create a container", error);
	if (!req)
		return FALSE;
	req->platform = api_query(r, "platform");
	g_auto(GStrv) warnings = NULL;
	g_autoptr(Container) c =
		container_create(api_engine(r), api_query(r, "name"), req, &warnings, error);
	dh_json_free(&create_request_table, req);
	if (!c)
		return FALSE;
	api_reply_json(r, 201, json_pack("{s:s,s:o}", "Id", c->id, "Warnings", api_strv(warnings)));
	return TRUE;
}

gboolean api_container_inspect(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	if (!c)
		return FALSE;
	api_reply_json(r, 200, container_inspect(c, api_query_bool(r, "size", FALSE)));
	return TRUE;
}

gboolean api_container_delete(ApiRequest *r, GError **error)
{
	if (api_query_bool(r, "link", FALSE)) {
		if (!container_unlink(api_engine(r), api_param(r, 0), error))
			return FALSE;
		api_reply_status(r, 204);
		return TRUE;
	}
	g_autoptr(Container) c = api_container(r, error);
	if (!c || !container_remove(c, api_query_bool(r, "force", FALSE),
			  api_query_bool(r, "v", FALSE), error))
		return FALSE;
	api_reply_status(r, 204);
	return TRUE;
}

gboolean api_prune_until(const Filters *f, int64_t *ret, GError **error)
{
	char **values = filters_get(f, "until");
	*ret = G_MAXINT64;
	if (!values)
		return TRUE;
	if (values[1])
		return dh_error(error, DH_ERROR_INVALID, "more than one until filter specified");
	return dh_time_parse(values[0], dh_time_now(), ret, error);
}

static int64_t size_of(Container *c)
{
	int64_t rw, root_fs;
	container_sizes(c, &rw, &root_fs);
	return rw;
}

gboolean api_containers_prune(ApiRequest *r, GError **error)
{
	static const char *const allowed[] = {"label", "label!", "until", NULL};
	Engine *e = api_engine(r);
	g_autoptr(Filters) filters = filters_parse(api_query(r, "filters"), allowed, error);
	int64_t until, reclaimed = 0;
	if (!filters || !api_prune_until(filters, &until, error))
		return FALSE;
	json_t *deleted = json_array();
	g_autoptr(GPtrArray) all = container_all(e);
	for (guint i = 0; i < all->len; i++) {
		Container *c = all->pdata[i];
		g_autoptr(ContainerSnapshot) s = container_snapshot(c);
		if (s->state.running || s->state.restarting || s->state.removing ||
			c->created >= until ||
			!filters_match_labels(filters, "label", c->config->labels) ||
			!filters_match_no_labels(filters, "label!", c->config->labels))
			continue;
		int64_t size = size_of(c);
		/* One that was started or removed meanwhile is no failure of the others. */
		if (!container_remove(c, FALSE, FALSE, NULL))
			continue;
		reclaimed += size;
		json_array_append_new(deleted, json_string(c->id));
	}
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, reclaimed);
	events_emit(e->events, "container", "prune", "", "reclaimed", text, NULL);
	json_t *body = json_object();
	api_set(body, "ContainersDeleted",
		json_array_size(deleted) ? json_incref(deleted) : json_null());
	api_set(body, "SpaceReclaimed", json_integer(reclaimed));
	json_decref(deleted);
	api_reply_json(r, 200, body);
	return TRUE;
}

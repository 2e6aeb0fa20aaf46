/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

#include <string.h>

/* The answer of an operation that has nothing to say: 204, or what went wrong. */
static gboolean done(ApiRequest *r, gboolean ok)
{
	if (ok)
		api_reply_status(r, 204);
	return ok;
}

gboolean api_container_start(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	return c && done(r, container_start(c, error));
}

gboolean api_container_stop(ApiRequest *r, GError **error)
{
	int64_t timeout;
	g_autoptr(Container) c = api_container(r, error);
	return c && api_query_int(r, "t", G_MININT64, &timeout, error) &&
	       done(r, container_stop(c, api_query(r, "signal"), timeout, error));
}

gboolean api_container_restart(ApiRequest *r, GError **error)
{
	int64_t timeout;
	g_autoptr(Container) c = api_container(r, error);
	return c && api_query_int(r, "t", G_MININT64, &timeout, error) &&
	       done(r, container_restart(c, api_query(r, "signal"), timeout, error));
}

gboolean api_container_kill(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	if (c)
		return done(r, container_kill(c, api_query(r, "signal"), error));
	g_prefix_error(error, "cannot kill container: %s: ", api_param(r, 0));
	return FALSE;
}

gboolean api_container_pause(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	return c && done(r, container_pause(c, error));
}

gboolean api_container_unpause(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	return c && done(r, container_unpause(c, error));
}

gboolean api_container_rename(ApiRequest *r, GError **error)
{
	const char *name = api_query(r, "name");
	g_autoptr(Container) c = api_container(r, error);
	if (!c)
		return FALSE;
	if (!name || !*name || strcmp(name, "/") == 0)
		return dh_error(error, DH_ERROR_INVALID, "Neither old nor new names may be empty");
	return done(r, container_rename(c, name, error));
}

gboolean api_container_update(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	/* Limits and RestartPolicy, at the top level; what else there is in it, dockerd ignores. */
	HostConfig *asked = c ? api_body_parse(r, &host_config_table, "EOF", error) : NULL;
	if (!asked)
		return FALSE;
	g_auto(GStrv) warnings = NULL;
	gboolean ok = container_update(c, asked, &warnings, error);
	dh_json_free(&host_config_table, asked);
	if (ok)
		api_reply_json(r, 200, json_pack("{s:o}", "Warnings", api_strv(warnings)));
	return ok;
}

gboolean api_container_resize(ApiRequest *r, GError **error)
{
	int64_t height, width;
	g_autoptr(Container) c = api_container(r, error);
	if (!c || !api_query_int(r, "h", 0, &height, error) ||
		!api_query_int(r, "w", 0, &width, error) ||
		!container_resize(c, height, width, error))
		return FALSE;
	api_reply_status(r, 200);
	return TRUE;
}

static gboolean parse_condition(ApiRequest *r, WaitCondition *ret, GError **error)
{
	static const struct {
		const char *name;
		WaitCondition condition;
	} known[] = {
		{"", WAIT_NOT_RUNNING},
		{"not-running", WAIT_NOT_RUNNING},
		{"next-exit", WAIT_NEXT_EXIT},
		{"removed", WAIT_REMOVED},
	};
	const char *v = api_query(r, "condition");
	for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
		if (strcmp(known[i].name, v ? v : "") == 0) {
			*ret = known[i].condition;
			return TRUE;
		}
	}
	return dh_error(error, DH_ERROR_INVALID, "invalid condition: \"%s\"", v);
}

/* The head goes out before the waiting begins: clients send "start" only after they have seen it,
 * so that they cannot miss the end. */
gboolean api_container_wait(ApiRequest *r, GError **error)
{
	WaitCondition condition = WAIT_NOT_RUNNING;
	if (!parse_condition(r, &condition, error))
		return FALSE;
	int64_t status = 0;
	const json_t *before = api_resumed(r);
	g_autoptr(Container) c = container_find(api_engine(r), api_param(r, 0), error);
	if (!c && (before || condition == WAIT_REMOVED) &&
		container_departed(api_engine(r), api_param(r, 0), &status)) {
		g_clear_error(error);
		json_t *body = json_pack("{s:I}", "StatusCode", (json_int_t)status);
		if (!before) {
			api_reply_json(r, 200, body);
			return TRUE;
		}
		api_stream_begin(r, 200, "application/json");
		api_stream_json(r, body, "\n");
		return TRUE;
	}
	if (!c)
		return FALSE;
	ContainerWait *w = container_wait_begin(c, condition);
	if (before)
		container_wait_resume(w, json_integer_value(json_object_get(before, "FinishedAt")));
	int64_t since = container_wait_since(w);
	api_stream_begin(r, 200, "application/json");
	g_autofree char *text = NULL;
	if (!container_wait_end(w, api_resumable_fd(r), &status, &text)) {
		if (api_yields(r))
			return api_hand_over(
				r, json_pack("{s:I}", "FinishedAt", (json_int_t)since));
		api_stream_abort(r);
		return TRUE;
	}
	json_t *body = json_object();
	api_set(body, "StatusCode", json_integer(status));
	if (text && *text)
		api_set(body, "Error", json_pack("{s:o}", "Message", api_string(text)));
	api_stream_json(r, body, "\n");
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

#include "base/fd.h"

#include <string.h>

typedef struct {
	gboolean detach, tty;
	json_t *console_size; /* [height, width] */
} ExecStart;

static const DhJsonField exec_start_fields[] = {
	DH_F(BOOL, ExecStart, detach, "Detach", 0),
	DH_F(BOOL, ExecStart, tty, "Tty", 0),
	DH_F(RAW, ExecStart, console_size, "ConsoleSize", 0),
};
static DH_JSON_TABLE(exec_start_table, ExecStart, exec_start_fields, FALSE);

typedef struct {
	Exec *exec;
	int64_t height, width;
} Start;

static void start_free(void *arg)
{
	Start *s = arg;
	exec_unref(s->exec);
	g_free(s);
}

gboolean api_exec_create(ApiRequest *r, GError **error)
{
	g_autoptr(Container) c = api_container(r, error);
	if (!c)
		return FALSE;
	ExecConfig *config =
		api_body_parse(r, &exec_config_table, "No exec command specified", error);
	if (!config)
		return FALSE;
	g_autofree char *id = exec_create(c, config, error);
	dh_json_free(&exec_config_table, config);
	if (!id)
		return FALSE;
	api_reply_json(r, 201, json_pack("{s:s}", "Id", id));
	return TRUE;
}

static void started(void *arg, int fd, const char *head, const void *preface, size_t n)
{
	Start *s = arg;
	g_autoptr(GError) error = NULL;
	if (dh_write_all(fd, head, strlen(head)) < 0)
		return;
	if (!exec_start(s->exec, fd, s->height, s->width, preface, n, &error))
		api_upgraded_tell(fd, exec_is_tty(s->exec) ? 0 : 1, error->message);
}

gboolean api_exec_start(ApiRequest *r, GError **error)
{
	ExecStart body = {0};
	g_autoptr(Exec) x = exec_find(api_engine(r), api_param(r, 0), error);
	if (!x)
		return FALSE;
	if (api_body(r) && !json_is_null(api_body(r)) &&
		!dh_json_parse_into(&exec_start_table, api_body(r), &body, error)) {
		dh_json_clear(&exec_start_table, &body);
		return FALSE;
	}
	int64_t height = json_integer_value(json_array_get(body.console_size, 0));
	int64_t width = json_integer_value(json_array_get(body.console_size, 1));
	dh_json_clear(&exec_start_table, &body);
	if (!exec_check_start(x, error))
		return FALSE;
	if (body.detach) {
		if (!exec_start(x, -1, height, width, NULL, 0, error))
			return FALSE;
		api_reply_status(r, 200);
		return TRUE;
	}
	Start *s = g_new0(Start, 1);
	*s = (Start){exec_ref(x), height, width};
	api_upgrade(r, api_stream_type(r, body.tty), started, s, start_free);
	return TRUE;
}

gboolean api_exec_resize(ApiRequest *r, GError **error)
{
	int64_t height, width;
	g_autoptr(Exec) x = exec_find(api_engine(r), api_param(r, 0), error);
	if (!x || !api_query_int(r, "h", 0, &height, error) ||
		!api_query_int(r, "w", 0, &width, error) || !exec_resize(x, height, width, error))
		return FALSE;
	api_reply_status(r, 200);
	return TRUE;
}

gboolean api_exec_inspect(ApiRequest *r, GError **error)
{
	g_autoptr(Exec) x = exec_find(api_engine(r), api_param(r, 0), error);
	json_t *body = x ? exec_inspect(x, error) : NULL;
	if (!body)
		return FALSE;
	api_reply_json(r, 200, body);
	return TRUE;
}

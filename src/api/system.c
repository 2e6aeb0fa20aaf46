/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

#include "base/error.h"
#include "base/trace.h"
#include "container/check.h"
#include "container/usage.h"

#include <sys/utsname.h>

enum { UPGRADE_TIMEOUT = 15, UPGRADE_TIMEOUT_MAX = 3600 }; /* s */

gboolean api_dhow_df(ApiRequest *r, GError **error)
{
	(void)error;
	api_reply_json(r, 200, engine_usage(api_engine(r)));
	return TRUE;
}

static gboolean check(ApiRequest *r, gboolean repair, GError **error)
{
	int64_t age;
	if (!api_query_int(r, "minage", CHECK_MIN_AGE, &age, error))
		return FALSE;
	api_reply_json(r, 200, engine_check(api_engine(r), repair, age));
	return TRUE;
}

gboolean api_dhow_check(ApiRequest *r, GError **error)
{
	return check(r, FALSE, error);
}

gboolean api_dhow_repair(ApiRequest *r, GError **error)
{
	return check(r, TRUE, error);
}

/* One timeline for the whole daemon: that of the last who asked. */
gboolean api_dhow_trace_start(ApiRequest *r, GError **error)
{
	if (!dh_trace_start())
		return dh_error(error, DH_ERROR_SYSTEM, "no memory for a trace");
	api_reply_status(r, 204);
	return TRUE;
}

/* What was marked since then, and the end of it. */
gboolean api_dhow_trace(ApiRequest *r, GError **error)
{
	json_t *marks = dh_trace_take();
	dh_trace_stop();
	api_reply_json(r, 200, marks ? marks : json_array());
	return TRUE;
}

/* POST /dhow/upgrade?binary=PATH&timeout=SECONDS&force=1. The answer comes from the new daemon. */
gboolean api_dhow_upgrade(ApiRequest *r, GError **error)
{
	const ApiHooks *hooks = api_hooks(r);
	ApiUpgrade u = {.force = api_query_bool(r, "force", FALSE)};
	if (!hooks)
		return dh_error(error, DH_ERROR_NOT_BUILT, "this server cannot be upgraded");
	if (api_resumed(r)) {
		json_t *body = hooks->upgraded(hooks->arg, error);
		if (!body)
			return FALSE;
		api_reply_json(r, 200, body);
		return TRUE;
	}
	u.binary = api_query(r, "binary");
	if (u.binary && !*u.binary)
		u.binary = NULL;
	if (!api_query_int(r, "timeout", UPGRADE_TIMEOUT, &u.timeout, error))
		return FALSE;
	u.timeout = CLAMP(u.timeout, 0, UPGRADE_TIMEOUT_MAX);
	if (!hooks->upgrade(hooks->arg, &u, api_resumable_fd(r), error))
		return FALSE;
	if (api_yields(r))
		return api_hand_over(r, json_object());
	return dh_error(error, DH_ERROR_CONFLICT, "the daemon is ending");
}

gboolean api_ping(ApiRequest *r, GError **error)
{
	api_reply_header(r, "Builder-Version", "1");
	api_reply_header(r, "Swarm", "inactive");
	api_reply_header(r, "Cache-Control", "no-cache, no-store, must-revalidate");
	api_reply_header(r, "Pragma", "no-cache");
	api_reply_text(r, 200, "text/plain; charset=utf-8", "OK");
	return TRUE;
}

static const char *go_arch(const char *machine)
{
	static const char *const names[][2] = {
		{"x86_64", "amd64"},
		{"aarch64", "arm64"},
		{"armv7l", "arm"},
		{"i686", "386"},
		{"loongarch64", "loong64"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		if (g_str_equal(names[i][0], machine))
			return names[i][1];
	}
	return machine;
}

gboolean api_version(ApiRequest *r, GError **error)
{
	struct utsname u;
	uname(&u);
	const char *arch = go_arch(u.machine);
	static const char language[] = "none (C)";
	json_t *details = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "ApiVersion",
		API_VERSION, "Arch", arch, "BuildTime", "", "Experimental", "false", "GitCommit",
		"", "GoVersion", language, "KernelVersion", u.release, "MinAPIVersion",
		API_MIN_VERSION, "Os", "linux");
	json_t *body = json_pack("{s:{s:s},s:[{s:s,s:s,s:o}],s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}",
		"Platform", "Name", "Dhow", "Components", "Name", "Engine", "Version", DHOW_VERSION,
		"Details", details, "Version", DHOW_VERSION, "ApiVersion", API_VERSION,
		"MinAPIVersion", API_MIN_VERSION, "GitCommit", "", "GoVersion", language, "Os",
		"linux", "Arch", arch, "KernelVersion", u.release, "BuildTime", "");
	api_reply_json(r, 200, body);
	return TRUE;
}

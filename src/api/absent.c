/* SPDX-License-Identifier: MIT */
/*
 * absent.c - the truth about what this engine does not have: it is in no swarm, it has no plugins
 * and no build cache. Clients ask for them in passing ("docker inspect NAME" tries every kind of
 * object, "docker system prune" prunes every kind) and go on when they hear what dockerd would say.
 */
#include "api/handlers.h"

#include "base/error.h"

gboolean api_no_swarm(ApiRequest *r, GError **error)
{
	(void)r;
	return dh_error(error, DH_ERROR_UNAVAILABLE,
		"This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm "
		"join\" to "
		"connect this node to swarm and try again.");
}

gboolean api_no_swarm_to_leave(ApiRequest *r, GError **error)
{
	(void)r;
	return dh_error(error, DH_ERROR_UNAVAILABLE, "This node is not part of a swarm");
}

gboolean api_no_build_cache(ApiRequest *r, GError **error)
{
	(void)error;
	api_reply_json(r, 200, json_pack("{s:n, s:i}", "CachesDeleted", "SpaceReclaimed", 0));
	return TRUE;
}

gboolean api_plugins_list(ApiRequest *r, GError **error)
{
	(void)error;
	api_reply_json(r, 200, json_array());
	return TRUE;
}

gboolean api_no_plugin(ApiRequest *r, GError **error)
{
	return dh_error(error, DH_ERROR_NOT_FOUND, "plugin \"%s\" not found", api_param(r, 0));
}

/* SPDX-License-Identifier: MIT */
/*
 * The three built-in networks: "bridge" is the engine's own, "host" and "none" have no addresses.
 * Networks of the user's making are another room's work.
 */
#include "api/handlers.h"

#include "base/timefmt.h"
#include "container/observe.h"

#include <string.h>

typedef struct {
	const char *name, *driver;
} BuiltIn;

static const BuiltIn built_in[] = {
	{"bridge", "bridge"},
	{"host", "host"},
	{"none", "null"},
};

static json_t *bridge_options(const Engine *e, const NetInfo *info)
{
	const NetConfig *n = &e->config.net;
	g_autofree char *mtu = g_strdup_printf("%" G_GINT64_FORMAT, info->mtu);
	json_t *o = json_object();
	api_set(o, "com.docker.network.bridge.default_bridge", json_string("true"));
	api_set(o, "com.docker.network.bridge.enable_icc", json_string(n->icc ? "true" : "false"));
	api_set(o, "com.docker.network.bridge.enable_ip_masquerade",
		json_string(n->ip_masq ? "true" : "false"));
	api_set(o, "com.docker.network.bridge.host_binding_ipv4",
		api_string(n->default_host_ip ? n->default_host_ip : "0.0.0.0"));
	api_set(o, "com.docker.network.bridge.name", api_string(info->bridge));
	api_set(o, "com.docker.network.driver.mtu", api_string(mtu));
	return o;
}

static json_t *endpoint(const ContainerSnapshot *s)
{
	json_t *o = json_object();
	api_set(o, "Name", api_string(s->name));
	api_set(o, "EndpointID", api_string(s->endpoint_id));
	g_autofree char *address = s->endpoint ? g_strdup_printf("%s/%" G_GINT64_FORMAT,
							 s->endpoint->ip, s->endpoint->prefix_len)
					       : NULL;
	api_set(o, "MacAddress", api_string(s->endpoint ? s->endpoint->mac : NULL));
	api_set(o, "IPv4Address", api_string(address));
	api_set(o, "IPv6Address", json_string(""));
	return o;
}

/* The running containers that are on it. */
static json_t *members(Engine *e, const BuiltIn *b)
{
	json_t *out = json_object();
	g_autoptr(GPtrArray) all = container_all(e);
	for (guint i = 0; i < all->len; i++) {
		Container *c = all->pdata[i];
		const char *mode = c->host_config->network_mode;
		if (!mode || !*mode || strcmp(mode, "default") == 0)
			mode = "bridge";
		g_autoptr(ContainerSnapshot) s = container_snapshot(c);
		if (s->state.running && strcmp(mode, b->name) == 0)
			json_object_set_new(out, c->id, endpoint(s));
	}
	return out;
}

static json_t *network(Engine *e, const BuiltIn *b, gboolean with_members)
{
	g_autofree char *id = container_network_id(e, b->name);
	const NetInfo *info = strcmp(b->name, "bridge") == 0 ? net_engine_info(e->net) : NULL;
	json_t *o = json_object(), *ipam = json_object(), *config = json_array();
	if (info)
		json_array_append_new(config,
			json_pack("{s:s,s:s}", "Subnet", info->subnet, "Gateway", info->gateway));
	api_set(ipam, "Driver", json_string("default"));
	api_set(ipam, "Options", json_null());
	api_set(ipam, "Config", config);
	api_set(o, "Name", json_string(b->name));
	api_set(o, "Id", json_string(id));
	api_set(o, "Created", api_time(e->started_at));
	api_set(o, "Scope", json_string("local"));
	api_set(o, "Driver", json_string(b->driver));
	api_set(o, "EnableIPv4", json_true());
	api_set(o, "EnableIPv6", json_false());
	api_set(o, "IPAM", ipam);
	api_set(o, "Internal", json_false());
	api_set(o, "Attachable", json_false());
	api_set(o, "Ingress", json_false());
	api_set(o, "ConfigFrom", json_pack("{s:s}", "Network", ""));
	api_set(o, "ConfigOnly", json_false());
	api_set(o, "Containers", with_members ? members(e, b) : json_object());
	api_set(o, "Options", info ? bridge_options(e, info) : json_object());
	api_set(o, "Labels", json_object());
	return o;
}

gboolean api_networks_list(ApiRequest *r, GError **error)
{
	static const char *const allowed[] = {
		"dangling", "driver", "id", "label", "name", "scope", "type", NULL};
	Engine *e = api_engine(r);
	gboolean dangling;
	g_autoptr(Filters) f = filters_parse(api_query(r, "filters"), allowed, error);
	if (!f || !filters_get_bool(f, "dangling", FALSE, &dangling, error))
		return FALSE;
	json_t *out = json_array();
	for (guint i = 0; i < G_N_ELEMENTS(built_in) && !dangling; i++) {
		const BuiltIn *b = &built_in[i];
		g_autofree char *id = container_network_id(e, b->name);
		if (filters_match_regex(f, "name", b->name) && filters_match_prefix(f, "id", id) &&
			filters_match(f, "driver", b->driver) &&
			filters_match(f, "scope", "local") && filters_match(f, "type", "builtin") &&
			!filters_has(f, "label"))
			json_array_append_new(out, network(e, b, FALSE));
	}
	api_reply_json(r, 200, out);
	return TRUE;
}

gboolean api_network_inspect(ApiRequest *r, GError **error)
{
	Engine *e = api_engine(r);
	const char *name = api_param(r, 0);
	for (guint i = 0; i < G_N_ELEMENTS(built_in); i++) {
		g_autofree char *id = container_network_id(e, built_in[i].name);
		if (strcmp(name, built_in[i].name) == 0 || g_str_has_prefix(id, name)) {
			api_reply_json(r, 200, network(e, &built_in[i], TRUE));
			return TRUE;
		}
	}
	return dh_error(error, DH_ERROR_NOT_FOUND, "network %s not found", name);
}

/* There are only the built-in networks, which are never pruned. */
gboolean api_networks_prune(ApiRequest *r, GError **error)
{
	static const char *const allowed[] = {"label", "label!", "until", NULL};
	g_autoptr(Filters) f = filters_parse(api_query(r, "filters"), allowed, error);
	if (!f)
		return FALSE;
	api_reply_json(r, 200, json_pack("{s:n}", "NetworksDeleted"));
	return TRUE;
}

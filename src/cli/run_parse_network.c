/* SPDX-License-Identifier: MIT */
/*
 * --network and its companions. The old flags (--network-alias, --ip, ...) describe the first
 * network; the long form of --network (name=..., alias=..., ip=...) describes each by itself.
 */
#include "base/error.h"
#include "cli/run_parse.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

/* An attachment under way is a JSON object: Target, Aliases [], Links [], IPv4Address, IPv6Address,
 * MacAddress, LinkLocalIPs [], DriverOpts {}, GwPriority; absent where not given. */

static gboolean is_long_form(const char *v)
{
	for (const char *eq = strchr(v, '='); eq; eq = strchr(eq + 1, '=')) {
		if (eq > v && (g_ascii_isalnum(eq[-1]) || eq[-1] == '_') &&
			(g_ascii_isalnum(eq[1]) || eq[1] == '_'))
			return TRUE;
	}
	return FALSE;
}

static void append_to(json_t *object, const char *name, const char *value)
{
	if (!json_object_get(object, name))
		json_object_set_new(object, name, json_array());
	json_array_append_new(json_object_get(object, name), text_json(value));
}

static gboolean set_driver_option(json_t *net, const char *value, GError **error)
{
	g_autofree char *name = NULL;
	const char *v = text_cut(value, '=', &name);
	if (!v || !*name)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid key value pair format in driver options");
	if (!json_object_get(net, "DriverOpts"))
		json_object_set_new(net, "DriverOpts", json_object());
	g_autofree char *trimmed = g_strstrip(g_strdup(v));
	json_object_set_new(
		json_object_get(net, "DriverOpts"), g_strstrip(name), text_json(trimmed));
	return TRUE;
}

static gboolean set_priority(json_t *net, const char *value, GError **error)
{
	int64_t n;
	g_autoptr(GError) local = NULL;
	if (!text_int(value, &n, &local)) {
		const char *why = strrchr(local->message, ':');
		return dh_error(error, DH_ERROR_INVALID, "invalid gw-priority (%s)%s", value, why);
	}
	json_object_set_new(net, "GwPriority", json_integer(n));
	return TRUE;
}

static gboolean set_key(json_t *net, const char *key, const char *value, GError **error)
{
	static const struct {
		const char *key, *member;
		gboolean list;
	} keys[] = {
		{"name", "Target", FALSE},
		{"alias", "Aliases", TRUE},
		{"ip", "IPv4Address", FALSE},
		{"ip6", "IPv6Address", FALSE},
		{"mac-address", "MacAddress", FALSE},
		{"link-local-ip", "LinkLocalIPs", TRUE},
	};
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
		if (strcmp(keys[i].key, key) != 0)
			continue;
		if (keys[i].list)
			append_to(net, keys[i].member, value);
		else
			json_object_set_new(net, keys[i].member, text_json(value));
		return TRUE;
	}
	if (strcmp(key, "driver-opt") == 0)
		return set_driver_option(net, value, error);
	if (strcmp(key, "gw-priority") == 0)
		return set_priority(net, value, error);
	return dh_error(error, DH_ERROR_INVALID, "invalid field key %s", key);
}

gboolean parse_network(const char *v, json_t *into, GError **error)
{
	g_autoptr(json_t) net = json_object();
	if (!is_long_form(v)) {
		json_object_set_new(net, "Target", text_json(v));
		json_array_append(into, net);
		return TRUE;
	}
	g_autoptr(GPtrArray) fields = text_csv(v, error);
	if (!fields)
		return FALSE;
	for (guint i = 0; i < fields->len; i++) {
		const char *field = g_ptr_array_index(fields, i);
		g_autofree char *key = NULL;
		const char *value = text_cut(field, '=', &key);
		if (!value || !*key)
			return dh_error(error, DH_ERROR_INVALID, "invalid field %s", field);
		g_autofree char *trimmed = g_strstrip(g_strdup(value));
		if (!set_key(net, g_strstrip(key), trimmed, error))
			return FALSE;
	}
	const char *target = json_string_value(json_object_get(net, "Target"));
	if (!target || !*target)
		return dh_error(error, DH_ERROR_INVALID, "network name/id is not specified");
	json_array_append(into, net);
	return TRUE;
}

static gboolean is_user_defined(const char *name)
{
	static const char *const own[] = {"default", "bridge", "host", "none", NULL};
	return !g_strv_contains(own, name) && !g_str_has_prefix(name, "container:");
}

gboolean parse_mac(const char *v)
{
	g_autofree char *s = g_strstrip(g_strdup(v));
	/* Two digits between ':' or '-', or four between '.': 6, 8 or 20 bytes in all. */
	size_t n = strlen(s);
	char sep = n > 4 && s[4] == '.' ? '.' : n > 2 ? s[2] : '\0';
	size_t group = sep == '.' ? 4 : 2;
	if (sep != '.' && sep != ':' && sep != '-')
		return FALSE;
	for (size_t i = 0; i < n; i++) {
		gboolean at_sep = i % (group + 1) == group;
		if (at_sep ? s[i] != sep : !g_ascii_isxdigit(s[i]))
			return FALSE;
	}
	size_t bytes = (n + 1) / (group + 1) * (group / 2);
	return (n + 1) % (group + 1) == 0 && (bytes == 6 || bytes == 8 || bytes == 20);
}

static gboolean conflict(
	json_t *net, const char *member, gboolean given, const char *what, GError **error)
{
	if (!given || !json_object_get(net, member))
		return TRUE;
	return dh_error(
		error, DH_ERROR_INVALID, "conflicting options: cannot specify both %s", what);
}

static gboolean given(const GPtrArray *list)
{
	return list && list->len > 0;
}

static gboolean given_text(const char *s)
{
	return s && *s;
}

/* The old flags describe this, the first network. */
static gboolean apply_flags(json_t *net, const RunOptions *o, GError **error)
{
	if (!conflict(net, "Aliases", given(o->network_alias),
		    "--network-alias and per-network alias", error) ||
		!conflict(net, "Links", given(o->link), "--link and per-network links", error) ||
		!conflict(net, "IPv4Address", given_text(o->ip),
			"--ip and per-network IPv4 address", error) ||
		!conflict(net, "IPv6Address", given_text(o->ip6),
			"--ip6 and per-network IPv6 address", error) ||
		!conflict(net, "MacAddress", given_text(o->mac_address),
			"--mac-address and per-network MAC address", error) ||
		!conflict(net, "LinkLocalIPs", given(o->link_local_ip),
			"--link-local-ip and per-network link-local IP addresses", error))
		return FALSE;
	if (given(o->network_alias))
		json_object_set_new(net, "Aliases", text_array(o->network_alias));
	/* On a network of the user's own a link is an alias; on the default bridge it is a link. */
	if (given(o->link) && is_user_defined(json_string_value(json_object_get(net, "Target"))))
		json_object_set_new(net, "Links", text_array(o->link));
	if (given(o->link_local_ip))
		json_object_set_new(net, "LinkLocalIPs", text_array(o->link_local_ip));
	const struct {
		const char *member, *value;
	} texts[] = {
		{"IPv4Address", o->ip},
		{"IPv6Address", o->ip6},
		{"MacAddress", o->mac_address},
	};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		if (given_text(texts[i].value))
			json_object_set_new(net, texts[i].member, text_json(texts[i].value));
	}
	return TRUE;
}

static void copy_or(json_t *to, const char *name, json_t *from, const char *member, json_t *other)
{
	json_t *v = json_object_get(from, member);
	if (v)
		json_object_set(to, name, v);
	else
		json_object_set(to, name, other);
}

static json_t *endpoint_ipam(json_t *net)
{
	static const char *const members[] = {"IPv4Address", "IPv6Address", "LinkLocalIPs"};
	json_t *ipam = json_object();
	for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
		json_t *v = json_object_get(net, members[i]);
		if (v)
			json_object_set(ipam, members[i], v);
	}
	if (json_object_size(ipam))
		return ipam;
	json_decref(ipam);
	return json_null();
}

/* The endpoint as the API has it, or NULL with error. */
static json_t *make_endpoint(json_t *net, GError **error)
{
	static const char *const texts[] = {"NetworkID", "EndpointID", "Gateway", "IPAddress",
		"IPv6Gateway", "GlobalIPv6Address"};
	const char *target = json_string_value(json_object_get(net, "Target"));
	if (!target[strspn(target, " \t\n\v\f\r")]) {
		dh_error(error, DH_ERROR_INVALID, "no name set for network");
		return NULL;
	}
	if (!is_user_defined(target) && json_object_get(net, "Aliases")) {
		dh_error(error, DH_ERROR_INVALID,
			"network-scoped aliases are only supported for user-defined networks");
		return NULL;
	}
	const char *mac = json_string_value(json_object_get(net, "MacAddress"));
	if (mac && !parse_mac(mac)) {
		dh_error(error, DH_ERROR_INVALID, "%s is not a valid mac address", mac);
		return NULL;
	}
	g_autoptr(json_t) empty = json_string("");
	g_autoptr(json_t) zero = json_integer(0);
	json_t *e = json_object();
	json_object_set_new(e, "IPAMConfig", endpoint_ipam(net));
	copy_or(e, "Links", net, "Links", json_null());
	copy_or(e, "Aliases", net, "Aliases", json_null());
	copy_or(e, "MacAddress", net, "MacAddress", empty);
	copy_or(e, "DriverOpts", net, "DriverOpts", json_null());
	copy_or(e, "GwPriority", net, "GwPriority", zero);
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
		json_object_set(e, texts[i], empty);
	json_object_set(e, "IPPrefixLen", zero);
	json_object_set(e, "GlobalIPv6PrefixLen", zero);
	json_object_set_new(e, "DNSNames", json_null());
	return e;
}

/* Says nothing that the daemon would not do by itself. */
static gboolean is_bare(json_t *net)
{
	json_t *priority = json_object_get(net, "GwPriority");
	return json_object_size(net) == 1 ||
	       (json_object_size(net) == 2 && priority && json_integer_value(priority) == 0);
}

gboolean parse_networking(RunParse *p, GError **error)
{
	g_autoptr(json_t) endpoints = json_object();
	json_t *list = json_object_get(p->values, "network");
	gboolean own = FALSE, other = FALSE;
	gboolean implicit = json_array_size(list) == 0;
	if (implicit)
		json_array_append_new(list, json_pack("{s:s}", "Target", "default"));
	json_t *net;
	size_t i;
	json_array_foreach (list, i, net) {
		const char *target = json_string_value(json_object_get(net, "Target"));
		if (is_user_defined(target))
			own = TRUE;
		else
			other = TRUE;
		if (i == 0 && !apply_flags(net, p->o, error))
			return FALSE;
		g_autoptr(json_t) endpoint = make_endpoint(net, error);
		if (!endpoint)
			return FALSE;
		if (json_object_get(endpoints, target)) {
			g_autofree char *q = text_quote(target);
			return dh_error(error, DH_ERROR_INVALID,
				"network %s is specified multiple times", q);
		}
		if (json_array_size(list) > 1 || implicit || !is_bare(net))
			json_object_set(endpoints, target, endpoint);
	}
	if (own && other)
		return dh_error(error, DH_ERROR_INVALID,
			"conflicting options: cannot attach both user-defined and "
			"non-user-defined network-modes");
	json_object_set(p->host, "NetworkMode", json_object_get(json_array_get(list, 0), "Target"));
	json_object_set_new(
		p->config, "NetworkingConfig", json_pack("{s:O}", "EndpointsConfig", endpoints));
	return TRUE;
}

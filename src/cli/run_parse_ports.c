/* SPDX-License-Identifier: MIT */
/*
 * -p and --expose. A publication is [[IP:][HOSTPORT]:]PORT[/PROTO] where both ports may be ranges
 * of the same length, or the host's a range to choose one port from; or a list
 * target=,published=,protocol=.
 */
#include "base/error.h"
#include "cli/run_parse.h"
#include "cli/text.h"

#include <string.h>

enum { MAX_PORT = 65535 };

typedef struct {
	unsigned first, last;
} PortRange;

static gboolean parse_port(const char *s, unsigned *ret, GError **error)
{
	uint64_t n;
	if (!text_uint(s, MAX_PORT, &n, error))
		return FALSE;
	*ret = (unsigned)n;
	return TRUE;
}

/* "80" or "80-90"; what follows a second dash is not looked at. */
static gboolean parse_range(const char *s, PortRange *ret, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(s, "-", -1);
	if (!*s)
		return dh_error(error, DH_ERROR_INVALID, "empty string specified for ports");
	if (!parse_port(parts[0], &ret->first, error))
		return FALSE;
	ret->last = ret->first;
	if (parts[1] && !parse_port(parts[1], &ret->last, error))
		return FALSE;
	if (ret->last < ret->first)
		return dh_error(error, DH_ERROR_INVALID, "invalid range specified for port: %s", s);
	return TRUE;
}

/* "80/udp" -> "80", "udp"; "tcp" when there is none. A second slash ends the protocol. */
static void split_proto(const char *s, char **ret_port, char **ret_proto)
{
	g_autofree char *proto = NULL;
	const char *rest = text_cut(s, '/', ret_port);
	text_cut(rest ? rest : "", '/', &proto);
	*ret_proto = *proto ? g_strdup(proto) : g_strdup("tcp");
}

static char *port_key(unsigned port, const char *proto)
{
	return g_strdup_printf("%u/%s", port, proto);
}

/* Takes the brackets off an IPv6 address and checks it. "" is all addresses. */
static char *parse_host_ip(const char *s, GError **error)
{
	size_t n = strlen(s);
	if (*s == '[' && s[n - 1] != ']') {
		dh_error(error, DH_ERROR_INVALID,
			"invalid IP address %s: address %s:: missing ']' in address", s, s);
		return NULL;
	}
	g_autofree char *bare = *s == '[' ? g_strndup(s + 1, n - 2) : g_strdup(s);
	g_autofree char *ip = text_ip(bare);
	if (*bare && !ip) {
		dh_error(error, DH_ERROR_INVALID, "invalid IP address: %s", bare);
		return NULL;
	}
	return g_steal_pointer(&bare);
}

static void add_binding(
	RunParse *p, unsigned port, const char *proto, const char *ip, const char *host_port)
{
	g_autofree char *key = port_key(port, proto);
	json_t *all = json_object_get(p->host, "PortBindings");
	json_t *list = json_object_get(all, key);
	if (!list) {
		list = json_array();
		json_object_set_new(all, key, list);
	}
	json_array_append_new(list, json_pack("{s:s, s:s}", "HostIp", ip, "HostPort", host_port));
	json_object_set_new(json_object_get(p->config, "ExposedPorts"), key, json_object());
}

/* target=80,published=8080,protocol=udp in the short form; NULL with error. Caller frees. */
static char *long_to_short(const char *v, GError **error)
{
	g_auto(GStrv) fields = g_strsplit(v, ",", -1);
	const char *target = "", *published = "", *protocol = "tcp";
	for (char **f = fields; *f; f++) {
		char *eq = strchr(*f, '=');
		if (!eq || eq == *f) {
			dh_error(error, DH_ERROR_INVALID,
				"invalid publish opts format (should be name=value but got '%s')",
				*f);
			return NULL;
		}
		*eq = '\0';
		if (strcmp(*f, "target") == 0)
			target = eq + 1;
		else if (strcmp(*f, "published") == 0)
			published = eq + 1;
		else if (strcmp(*f, "protocol") == 0)
			protocol = eq + 1;
	}
	return g_strdup_printf("%s:%s/%s", published, target, protocol);
}

/* The last colon parts the container's port off, the one before it the host's; the rest is the IP.
 */
static void split_publish(const char *v, char **ip, char **host, char **inside)
{
	g_autofree char *rest = g_strdup(v);
	char *colon = strrchr(rest, ':');
	*inside = g_strdup(colon ? colon + 1 : rest);
	if (colon)
		*colon = '\0';
	char *second = colon ? strrchr(rest, ':') : NULL;
	*host = g_strdup(!colon ? "" : second ? second + 1 : rest);
	if (second)
		*second = '\0';
	*ip = g_strdup(second ? rest : "");
}

static gboolean add_publish(RunParse *p, const char *v, GError **error)
{
	static const char *const protos[] = {"tcp", "udp", "sctp", NULL};
	g_autofree char *raw_ip = NULL, *host = NULL, *inside = NULL, *port = NULL, *proto = NULL;
	PortRange in, out = {0, 0};

	split_publish(v, &raw_ip, &host, &inside);
	split_proto(inside, &port, &proto);
	g_autofree char *ip = parse_host_ip(raw_ip, error);
	if (!ip)
		return FALSE;
	if (!*port)
		return dh_error(error, DH_ERROR_INVALID, "no port specified: %s<empty>", v);
	if (!parse_range(port, &in, NULL))
		return dh_error(error, DH_ERROR_INVALID, "invalid containerPort: %s", port);
	if (*host && !parse_range(host, &out, NULL))
		return dh_error(error, DH_ERROR_INVALID, "invalid hostPort: %s", host);
	gboolean choose = in.first == in.last && out.first != out.last;
	if (*host && !choose && in.last - in.first != out.last - out.first)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid ranges specified for container and host Ports: %s and %s", port,
			host);
	g_autofree char *lower = g_ascii_strdown(proto, -1);
	if (!g_strv_contains(protos, lower))
		return dh_error(error, DH_ERROR_INVALID, "invalid proto: %s", proto);
	for (unsigned i = 0; i <= in.last - in.first; i++) {
		g_autofree char *host_port = !*host ? g_strdup("")
					     : choose
						     ? g_strdup_printf("%u-%u", out.first, out.last)
						     : g_strdup_printf("%u", out.first + i);
		add_binding(p, in.first + i, lower, ip, host_port);
	}
	return TRUE;
}

static gboolean add_expose(RunParse *p, const char *v, GError **error)
{
	g_autofree char *port = NULL, *proto = NULL;
	g_autoptr(GError) local = NULL;
	PortRange r;
	if (strchr(v, ':'))
		return dh_error(error, DH_ERROR_INVALID, "invalid port format for --expose: %s", v);
	split_proto(v, &port, &proto);
	if (!parse_range(port, &r, &local))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid range format for --expose: %s, error: %s", v, local->message);
	for (unsigned i = r.first; i <= r.last; i++) {
		g_autofree char *key = port_key(i, proto);
		json_object_set_new(json_object_get(p->config, "ExposedPorts"), key, json_object());
	}
	return TRUE;
}

gboolean parse_ports(RunParse *p, GError **error)
{
	const GPtrArray *publish = p->o->publish, *expose = p->o->expose;
	json_object_set_new(p->config, "ExposedPorts", json_object());
	json_object_set_new(p->host, "PortBindings", json_object());
	g_autoptr(GPtrArray) specs = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; publish && i < publish->len; i++) {
		const char *v = g_ptr_array_index(publish, i);
		char *spec = strchr(v, '=') ? long_to_short(v, error) : g_strdup(v);
		if (!spec)
			return FALSE;
		g_ptr_array_add(specs, spec);
	}
	for (guint i = 0; i < specs->len; i++) {
		if (!add_publish(p, g_ptr_array_index(specs, i), error))
			return FALSE;
	}
	for (guint i = 0; expose && i < expose->len; i++) {
		if (!add_expose(p, g_ptr_array_index(expose, i), error))
			return FALSE;
	}
	if (json_object_size(json_object_get(p->config, "ExposedPorts")) == 0)
		json_object_del(p->config, "ExposedPorts");
	return TRUE;
}

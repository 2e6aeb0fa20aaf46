/* SPDX-License-Identifier: MIT */
/* ports.c - "80/tcp" and its bindings: from the request to the network room, and back into inspect.
 */
#include "container/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* "80/tcp" -> 80, "tcp". */
static gboolean parse_port(const char *text, int64_t *ret_port, char **ret_proto, GError **error)
{
	static const char *const protos[] = {"tcp", "udp", "sctp", NULL};
	const char *slash = strchr(text, '/');
	g_autofree char *proto = g_ascii_strdown(slash ? slash + 1 : "tcp", -1);
	char *end;
	int64_t n = g_ascii_strtoll(text, &end, 10);
	if (end == text || (*end && end != slash) || n < 0 || n > 65535 || !g_ascii_isdigit(*text))
		return dh_error(
			error, DH_ERROR_INVALID, "invalid port specification: \"%s\"", text);
	if (!g_strv_contains(protos, proto))
		return dh_error(error, DH_ERROR_INVALID, "invalid proto: %s", proto);
	*ret_port = n;
	*ret_proto = g_steal_pointer(&proto);
	return TRUE;
}

static gboolean parse_host_port(const char *text, NetPort *p, GError **error)
{
	char *end;
	if (!text || !*text)
		return TRUE;
	p->host_port = g_ascii_strtoll(text, &end, 10);
	gboolean ok = end != text && p->host_port >= 0 && p->host_port <= 65535;
	if (ok && *end == '-') {
		const char *second = end + 1;
		p->host_port_end = g_ascii_strtoll(second, &end, 10);
		ok = end != second && p->host_port_end >= p->host_port && p->host_port_end <= 65535;
	}
	if (!ok || *end)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid port specification: \"%s\"", text);
	return TRUE;
}

static gboolean add_port(GPtrArray *ports, const char *key, const PortBinding *b, GError **error)
{
	NetPort *p = dh_json_new(&net_port_table);
	g_ptr_array_add(ports, p);
	if (!parse_port(key, &p->container_port, &p->proto, error))
		return FALSE;
	if (!b)
		return TRUE;
	p->host_ip = g_strdup(b->host_ip);
	return parse_host_port(b->host_port, p, error);
}

static int by_key(const void *a, const void *b)
{
	int64_t x = g_ascii_strtoll(*(const char *const *)a, NULL, 10);
	int64_t y = g_ascii_strtoll(*(const char *const *)b, NULL, 10);
	return x != y ? (x < y ? -1 : 1) : strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *sorted_keys(GHashTable *table)
{
	GPtrArray *keys = g_ptr_array_new();
	GHashTableIter it;
	void *key;
	if (table) {
		g_hash_table_iter_init(&it, table);
		while (g_hash_table_iter_next(&it, &key, NULL))
			g_ptr_array_add(keys, key);
	}
	g_ptr_array_sort(keys, by_key);
	return keys;
}

GPtrArray *container_ports(Container *c, GError **error)
{
	HostConfig *h = c->host_config;
	g_autoptr(GPtrArray) ports = dh_json_list_new();
	g_autoptr(GPtrArray) bound = sorted_keys(h->port_bindings);
	g_autoptr(GPtrArray) exposed = sorted_keys(c->config->exposed_ports);

	for (guint i = 0; i < bound->len; i++) {
		GPtrArray *list = g_hash_table_lookup(h->port_bindings, bound->pdata[i]);
		if (!list || list->len == 0) {
			if (!add_port(ports, bound->pdata[i], NULL, error))
				return NULL;
			continue;
		}
		for (guint k = 0; k < list->len; k++) {
			if (!add_port(ports, bound->pdata[i], list->pdata[k], error))
				return NULL;
		}
	}
	for (guint i = 0; i < exposed->len; i++) {
		const char *key = exposed->pdata[i];
		if (!h->publish_all_ports) {
			g_autofree char *proto = NULL;
			int64_t n;
			if (!parse_port(key, &n, &proto, error))
				return NULL;
		} else if (!h->port_bindings || !g_hash_table_contains(h->port_bindings, key)) {
			if (!add_port(ports, key, NULL, error))
				return NULL;
		}
	}
	return g_steal_pointer(&ports);
}

json_t *container_ports_json(Container *c, const NetEndpoint *e, gboolean running)
{
	json_t *out = json_object();
	if (!running)
		return out;
	g_autoptr(GPtrArray) exposed = sorted_keys(c->config->exposed_ports);
	for (guint i = 0; i < exposed->len; i++) {
		g_autofree char *key = g_strdup(exposed->pdata[i]);
		g_autofree char *full =
			strchr(key, '/') ? g_strdup(key) : g_strdup_printf("%s/tcp", key);
		json_object_set_new(out, full, json_null());
	}
	for (guint i = 0; e && e->ports && i < e->ports->len; i++) {
		const NetPort *p = e->ports->pdata[i];
		g_autofree char *key =
			g_strdup_printf("%" G_GINT64_FORMAT "/%s", p->container_port, p->proto);
		g_autofree char *host_port = g_strdup_printf("%" G_GINT64_FORMAT, p->host_port);
		json_t *list = json_object_get(out, key);
		if (!json_is_array(list)) {
			list = json_array();
			json_object_set_new(out, key, list);
		}
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "HostIp",
				      p->host_ip && *p->host_ip ? p->host_ip : "0.0.0.0",
				      "HostPort", host_port));
	}
	return out;
}

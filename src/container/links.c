/* SPDX-License-Identifier: MIT */
/*
 * links.c - --link: what one container is told about another, and the files that tell it.
 *
 * Theory of operation: a link is resolved to the target's ID when the container is created. When
 * the container starts, each target must run; its address goes into /etc/hosts under the alias, its
 * exposed ports and its variables go into the environment. The environment is fixed from then on.
 * The hosts file is not: when a target is started again with another address, the hosts files of
 * all running containers that link to it are written anew, in place, because they are bind-mounted.
 */
#include "container/internal.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "network/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

gboolean container_resolve_links(Container *c, GError **error)
{
	c->links = dh_json_list_new();
	for (char **l = c->host_config->links; l && *l; l++) {
		g_auto(GStrv) part = g_strsplit(*l, ":", 2);
		if (!part[0] || !*part[0] || (part[1] && (!*part[1] || strchr(part[1], ':'))))
			return dh_error(error, DH_ERROR_INVALID, "bad format for links: %s", *l);
		g_autoptr(GError) missing = NULL;
		g_autoptr(Container) target = container_find(c->engine, part[0], &missing);
		if (!target)
			return dh_error(error, DH_ERROR_INVALID,
				"could not get container for %s: %s", part[0], missing->message);
		if (g_strcmp0(target->host_config->network_mode, "host") == 0)
			return dh_error(error, DH_ERROR_INVALID,
				"conflicting options: host type networking can't be used with "
				"links. This "
				"would result in undefined behavior");
		ContainerLink *link = dh_json_new(&container_link_table);
		link->target_id = g_strdup(target->id);
		g_autoptr(ContainerSnapshot) s = container_snapshot(target);
		g_autofree char *base = g_path_get_basename(part[1] ? part[1] : s->name);
		link->alias = g_strdup(base);
		g_ptr_array_add(c->links, link);
	}
	return TRUE;
}

static void refresh_files(Container *c);

GPtrArray *container_links(Container *c)
{
	g_mutex_lock(&c->state_lock);
	GPtrArray *links = c->links ? g_ptr_array_ref(c->links) : g_ptr_array_new();
	g_mutex_unlock(&c->state_lock);
	return links;
}

GHashTable *container_link_names(const GPtrArray *all)
{
	GHashTable *names = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
	for (guint i = 0; i < all->len; i++) {
		Container *c = all->pdata[i];
		g_mutex_lock(&c->state_lock);
		gboolean none = !c->links || c->links->len == 0;
		g_mutex_unlock(&c->state_lock);
		if (none)
			continue;
		g_autoptr(GPtrArray) links = container_links(c);
		g_autoptr(ContainerSnapshot) s = container_snapshot(c);
		for (guint k = 0; k < links->len; k++) {
			const ContainerLink *l = links->pdata[k];
			GPtrArray *of = g_hash_table_lookup(names, l->target_id);
			if (!of) {
				of = g_ptr_array_new_with_free_func(g_free);
				g_hash_table_insert(names, g_strdup(l->target_id), of);
			}
			g_ptr_array_add(of, g_strdup_printf("/%s/%s", s->name, l->alias));
		}
	}
	return names;
}

gboolean container_unlink(Engine *e, const char *name, GError **error)
{
	const char *plain = *name == '/' ? name + 1 : name;
	g_auto(GStrv) part = g_strsplit(plain, "/", 2);
	if (!part[0] || !part[1])
		return dh_error(error, DH_ERROR_INVALID,
			"Conflict, cannot remove the default link name of "
			"the container");
	g_autoptr(Container) c = container_find(e, part[0], error);
	if (!c)
		return FALSE;
	g_mutex_lock(&c->op);
	GPtrArray *old = container_links(c);
	GPtrArray *left = dh_json_list_new();
	for (guint i = 0; i < old->len; i++) {
		const ContainerLink *l = old->pdata[i];
		if (strcmp(l->alias, part[1]) != 0)
			g_ptr_array_add(left, dh_json_copy(&container_link_table, l));
	}
	gboolean ok = left->len < old->len ||
		      dh_error(error, DH_ERROR_NOT_FOUND, "No such container: %s", name);
	g_mutex_lock(&c->state_lock);
	if (ok) {
		g_ptr_array_unref(c->links);
		c->links = g_steal_pointer(&left);
	}
	g_mutex_unlock(&c->state_lock);
	ok = ok && container_save_config(c, NULL, error);
	g_mutex_unlock(&c->op);
	g_clear_pointer(&left, g_ptr_array_unref);
	g_ptr_array_unref(old);
	if (ok)
		refresh_files(c);
	return ok;
}

/* ---- environment ---- */

typedef struct {
	int64_t port;
	char proto[8];
} LinkPort;

/* TCP first, then by number: the first one is "the" port of the link. */
static int port_order(const void *a, const void *b)
{
	const LinkPort *x = a, *y = b;
	int tcp = (strcmp(y->proto, "tcp") == 0) - (strcmp(x->proto, "tcp") == 0);
	return tcp ? tcp : (x->port > y->port) - (x->port < y->port);
}

static GArray *exposed_ports(Container *target)
{
	GArray *ports = g_array_new(FALSE, TRUE, sizeof(LinkPort));
	GHashTableIter it;
	void *key;
	if (!target->config->exposed_ports)
		return ports;
	g_hash_table_iter_init(&it, target->config->exposed_ports);
	while (g_hash_table_iter_next(&it, &key, NULL)) {
		const char *slash = strchr(key, '/');
		LinkPort p = {.port = g_ascii_strtoll(key, NULL, 10)};
		g_strlcpy(p.proto, slash ? slash + 1 : "tcp", sizeof p.proto);
		g_array_append_val(ports, p);
	}
	g_array_sort(ports, port_order);
	return ports;
}

static void add(GStrvBuilder *b, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static void add(GStrvBuilder *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *s = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	g_strv_builder_add(b, s);
}

static void link_env(GStrvBuilder *b, const char *source_name, const ContainerLink *link,
	Container *target, const char *ip)
{
	g_autofree char *alias = g_ascii_strup(link->alias, -1);
	g_strdelimit(alias, "-", '_');
	g_autoptr(GArray) ports = exposed_ports(target);
	for (guint i = 0; i < ports->len; i++) {
		const LinkPort *p = &g_array_index(ports, LinkPort, i);
		g_autofree char *proto = g_ascii_strup(p->proto, -1);
		g_autofree char *prefix =
			g_strdup_printf("%s_PORT_%" G_GINT64_FORMAT "_%s", alias, p->port, proto);
		if (i == 0)
			add(b, "%s_PORT=%s://%s:%" G_GINT64_FORMAT, alias, p->proto, ip, p->port);
		add(b, "%s=%s://%s:%" G_GINT64_FORMAT, prefix, p->proto, ip, p->port);
		add(b, "%s_ADDR=%s", prefix, ip);
		add(b, "%s_PORT=%" G_GINT64_FORMAT, prefix, p->port);
		add(b, "%s_PROTO=%s", prefix, p->proto);
	}
	add(b, "%s_NAME=/%s/%s", alias, source_name, link->alias);
	for (char **e = target->config->env; e && *e; e++) {
		if (g_str_has_prefix(*e, "HOME=") || g_str_has_prefix(*e, "PATH="))
			continue;
		add(b, "%s_ENV_%s", alias, *e);
	}
}

static void host_entry_free(void *p)
{
	NetHostEntry *h = p;
	g_free(h->ip);
	g_strfreev(h->names);
	g_free(h);
}

static NetHostEntry *host_entry(
	const ContainerLink *link, Container *target, const char *name, const char *ip)
{
	NetHostEntry *h = g_new0(NetHostEntry, 1);
	g_autoptr(GStrvBuilder) b = g_strv_builder_new();
	g_strv_builder_add(b, link->alias);
	if (target->config->hostname && *target->config->hostname)
		g_strv_builder_add(b, target->config->hostname);
	if (strcmp(link->alias, name) != 0)
		g_strv_builder_add(b, name);
	h->ip = g_strdup(ip);
	h->names = g_strv_builder_end(b);
	return h;
}

gboolean container_link_data(
	Container *c, gboolean need_running, char ***ret_env, GPtrArray **ret_hosts, GError **error)
{
	g_autoptr(GStrvBuilder) env = g_strv_builder_new();
	g_autoptr(GPtrArray) hosts = g_ptr_array_new_with_free_func(host_entry_free);
	g_autofree char *source = NULL;
	g_autoptr(GPtrArray) links = container_links(c);
	if (links->len > 0) {
		g_mutex_lock(&c->state_lock);
		source = g_strdup(c->name);
		g_mutex_unlock(&c->state_lock);
	}
	for (guint i = 0; i < links->len; i++) {
		const ContainerLink *link = links->pdata[i];
		g_autoptr(Container) target = container_find(c->engine, link->target_id, NULL);
		if (!target)
			continue; /* removed since: the link is broken, not the container */
		g_autoptr(ContainerSnapshot) s = container_snapshot(target);
		if (!s->state.running && need_running)
			return dh_error(error, DH_ERROR_INVALID,
				"Cannot link to a non running container: /%s AS /%s/%s", s->name,
				source, link->alias);
		if (!s->endpoint)
			continue;
		link_env(env, source, link, target, s->endpoint->ip);
		g_ptr_array_add(hosts, host_entry(link, target, s->name, s->endpoint->ip));
	}
	*ret_env = g_strv_builder_end(env);
	*ret_hosts = g_steal_pointer(&hosts);
	return TRUE;
}

/* ---- files ---- */

static gboolean copy_host_file(Container *c, const char *from, const char *name, GError **error)
{
	g_autofree char *text = dh_read_file(AT_FDCWD, from, 1 << 20, NULL, NULL);
	g_autofree char *path = g_build_filename(c->dir, name, NULL);
	if (!g_file_set_contents_full(
		    path, text ? text : "", -1, G_FILE_SET_CONTENTS_NONE, 0644, error))
		return FALSE;
	return TRUE;
}

static gboolean write_hostname(Container *c, GError **error)
{
	g_autofree char *path = g_build_filename(c->dir, "hostname", NULL);
	g_autofree char *text =
		g_strdup_printf("%s%s%s\n", c->config->hostname ? c->config->hostname : "",
			c->config->domainname && *c->config->domainname ? "." : "",
			c->config->domainname ? c->config->domainname : "");
	return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, error);
}

static char **or_default(char **own, char **engine)
{
	return own && *own ? own : engine;
}

static NetHosts hosts_of(Container *c, const char *ip, GPtrArray *link_hosts)
{
	return (NetHosts){.hostname = c->config->hostname,
		.domainname = c->config->domainname,
		.ip = ip,
		.extra = c->host_config->extra_hosts,
		.links = link_hosts,
		.host_gateway_ip = net_engine_info(c->engine->net)->gateway};
}

gboolean container_check_files(Container *c, GError **error)
{
	NetHosts hosts = hosts_of(c, NULL, NULL);
	if (!hosts.extra || !*hosts.extra)
		return TRUE;
	g_autofree char *text = net_hosts_text(&hosts, error);
	return text != NULL;
}

gboolean container_write_files(Container *c, GPtrArray *link_hosts, gboolean all, GError **error)
{
	HostConfig *h = c->host_config;
	EngineConfig *e = &c->engine->config;
	gboolean host_net = g_strcmp0(h->network_mode, "host") == 0;

	if (g_str_has_prefix(h->network_mode, "container:"))
		return TRUE; /* it sees the other container's files */
	g_mutex_lock(&c->state_lock);
	g_autofree char *ip = c->endpoint ? g_strdup(c->endpoint->ip) : NULL;
	g_mutex_unlock(&c->state_lock);
	if (host_net) {
		if (!copy_host_file(c, "/etc/hosts", "hosts", error))
			return FALSE;
	} else {
		NetHosts hosts = hosts_of(c, ip, link_hosts);
		if (!net_write_hosts(c->dir, &hosts, error))
			return FALSE;
	}
	if (!all)
		return TRUE;
	return write_hostname(c, error) &&
	       net_write_resolv_conf(c->dir, or_default(h->dns, e->dns),
		       or_default(h->dns_search, e->dns_search),
		       or_default(h->dns_options, e->dns_options), host_net, error);
}

/* Writes the hosts file of a running container anew. */
static void refresh_files(Container *c)
{
	g_auto(GStrv) env = NULL;
	g_autoptr(GPtrArray) hosts = NULL;
	g_autoptr(GError) error = NULL;
	g_mutex_lock(&c->state_lock);
	gboolean running = c->state.running;
	g_mutex_unlock(&c->state_lock);
	if (running && container_link_data(c, FALSE, &env, &hosts, NULL) &&
		!container_write_files(c, hosts, FALSE, &error))
		dh_warn("container %s: %s", c->id, error->message);
}

void container_refresh_linkers(Container *c)
{
	g_autoptr(GPtrArray) all = container_all(c->engine);
	for (guint i = 0; i < all->len; i++) {
		Container *other = all->pdata[i];
		g_autoptr(GPtrArray) links = container_links(other);
		gboolean linked = FALSE;
		for (guint k = 0; k < links->len; k++) {
			const ContainerLink *link = links->pdata[k];
			linked |= strcmp(link->target_id, c->id) == 0;
		}
		if (linked)
			refresh_files(other);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * adopt.c - theory of operation: after a restart the kernel is asked for all interfaces once, and
 * each endpoint is compared with its own: it should be there, a port of the bridge, and up. A veth
 * that is gone (somebody deleted it, or the bridge with all its ports) is made again into the
 * container's namespace, with the same name, address and MAC: what runs in there keeps its
 * sockets. Last comes the firewall, with all ports in one go.
 */
#include "network/internal.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>

static guint name_hash(gconstpointer link)
{
	return g_str_hash(((const NetLink *)link)->name);
}

static gboolean name_equal(gconstpointer a, gconstpointer b)
{
	return strcmp(((const NetLink *)a)->name, ((const NetLink *)b)->name) == 0;
}

GHashTable *net_links_by_name(NetEngine *n, GError **error)
{
	g_mutex_lock(&n->nl_lock);
	g_autoptr(GArray) links = net_link_list(n->nl, error);
	g_mutex_unlock(&n->nl_lock);
	if (!links)
		return NULL;
	GHashTable *by_name = g_hash_table_new_full(name_hash, name_equal, g_free, NULL);
	for (guint i = 0; i < links->len; i++) {
		NetLink *l = g_memdup2(&g_array_index(links, NetLink, i), sizeof *l);
		g_hash_table_replace(by_name, l, l);
	}
	return by_name;
}

static const NetLink *find_link(GHashTable *links, const char *name)
{
	NetLink key = {0};
	g_strlcpy(key.name, name, sizeof key.name);
	return g_hash_table_lookup(links, &key);
}

const char *net_attached_fault(NetEngine *n, const Attached *a, const NetLink *l)
{
	(void)a;
	if (!l || !l->index)
		return "gone";
	if (l->master != n->bridge)
		return "not a port of its bridge";
	return l->up ? NULL : "down";
}

/* The namespace of a process, unless it is our own. */
static int open_namespace(int64_t pid, GError **error)
{
	g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/ns/net", pid);
	struct stat theirs, ours;
	dh_autofd int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0 || fstat(fd, &theirs) < 0 || stat("/proc/self/ns/net", &ours) < 0) {
		dh_error(error, DH_ERROR_NOT_FOUND, "its network namespace is not known");
		return -1;
	}
	if (theirs.st_ino == ours.st_ino) {
		dh_error(error, DH_ERROR_SYSTEM, "process %" G_GINT64_FORMAT " is in the host's",
			pid);
		return -1;
	}
	return dh_steal_fd(&fd);
}

/* With nl_lock held. */
static gboolean make_again(NetEngine *n, const Attached *a, int64_t pid, GError **error)
{
	dh_autofd int netns = open_namespace(pid, error);
	if (netns < 0)
		return FALSE;
	NetVeth v = {
		.name = a->veth,
		.netns = netns,
		.bridge = n->bridge,
		.mtu = (int)n->info.mtu,
		.isolated = !n->icc,
	};
	int index = 0;
	g_autoptr(NetNl) inside = net_namespace_socket(netns, error);
	if (!inside || !net_veth_create(n->nl, &v, &index, error))
		return FALSE;
	NetLink eth0;
	NetCidr address = {a->ip, n->address.len};
	if (net_link_get(inside, "eth0", &eth0, error) && net_link_up(inside, eth0.index, error) &&
		net_link_up(n->nl, index, error) &&
		net_container_setup(inside, eth0.index, address, a->mac, n->address.ip, error) &&
		net_port_announce(n->nl, index, n->bridge, a->ip, a->mac, error))
		return TRUE;
	net_link_delete(n->nl, a->veth, NULL);
	return FALSE;
}

gboolean net_attached_mend(
	NetEngine *n, const Attached *a, const NetLink *l, int64_t pid, GError **error)
{
	NetVeth v = {.bridge = n->bridge, .isolated = !n->icc};
	g_mutex_lock(&n->nl_lock);
	gboolean ok;
	if (!l || !l->index)
		ok = make_again(n, a, pid, error);
	else
		ok = (l->master == n->bridge || net_veth_enslave(n->nl, l->index, &v, error)) &&
		     net_link_up(n->nl, l->index, error);
	g_mutex_unlock(&n->nl_lock);
	return ok;
}

/* ---- adopting ---- */

/* Undoes its own work. */
static gboolean claim(NetEngine *n, const Attached *a, GError **error)
{
	g_mutex_lock(&n->lock);
	gboolean ok = net_ipam_take(n->ipam, a->ip, error);
	g_mutex_unlock(&n->lock);
	if (!ok)
		return FALSE;
	for (guint i = 0; i < a->ports->len; i++) {
		const NetMapping *m = &g_array_index(a->ports, NetMapping, i);
		if (net_ports_adopt(n->ports, m))
			continue;
		while (i-- > 0)
			net_ports_release(n->ports, &g_array_index(a->ports, NetMapping, i));
		g_mutex_lock(&n->lock);
		net_ipam_release(n->ipam, a->ip);
		g_mutex_unlock(&n->lock);
		g_autofree char *ip = net_ip_text(m->host_ip);
		return dh_error(error, DH_ERROR_SYSTEM,
			"Bind for %s:%u failed: port is already allocated", ip, m->host_port);
	}
	return TRUE;
}

/* The endpoint is the container's, whether or not its interface could be mended: nobody else may
 * get its address. */
static gboolean adopt_one(NetEngine *n, GHashTable *links, NetAdoption *x, GArray *ports)
{
	g_mutex_lock(&n->lock);
	gboolean known = g_hash_table_contains(n->attached, x->id);
	g_mutex_unlock(&n->lock);
	if (known)
		return TRUE;
	Attached *a = net_attached_parse(x->endpoint);
	if (!a->veth[0])
		dh_error(&x->error, DH_ERROR_INVALID, "the saved endpoint names no interface");
	if (x->error || !claim(n, a, &x->error)) {
		net_attached_free(a);
		return FALSE;
	}
	const NetLink *l = find_link(links, a->veth);
	const char *fault = net_attached_fault(n, a, l);
	if (fault && net_attached_mend(n, a, l, x->pid, &x->error))
		x->note = g_strdup_printf("interface %s was %s: put back", a->veth, fault);
	else if (fault)
		g_prefix_error(&x->error, "interface %s is %s: ", a->veth, fault);
	g_array_append_vals(ports, a->ports->data, a->ports->len);
	g_mutex_lock(&n->lock);
	g_hash_table_replace(n->attached, g_strdup(x->id), a);
	g_mutex_unlock(&n->lock);
	return TRUE;
}

void net_adopt_all(NetEngine *n, NetAdoption *all, guint count)
{
	g_autoptr(GArray) ports = g_array_new(FALSE, FALSE, sizeof(NetMapping));
	g_autoptr(GError) failed = NULL;
	if (count == 0)
		return;
	g_rw_lock_reader_lock(&n->sweep);
	g_autoptr(GHashTable) links = net_links_by_name(n, &failed);
	for (guint i = 0; i < count; i++) {
		if (links)
			(void)adopt_one(n, links, &all[i], ports);
		else
			all[i].error = g_error_copy(failed);
	}
	g_rw_lock_reader_unlock(&n->sweep);
	if (!net_firewall_adopt(
		    n->firewall, (const NetMapping *)ports->data, ports->len, &failed) &&
		!all[0].error)
		all[0].error = g_steal_pointer(&failed);
}

/* ---- sweeping ---- */

GPtrArray *net_orphans(NetEngine *n)
{
	GPtrArray *orphans = g_ptr_array_new_with_free_func(g_free);
	g_rw_lock_writer_lock(&n->sweep);
	g_autoptr(GHashTable) links = net_links_by_name(n, NULL);
	g_autoptr(GHashTable) owned = g_hash_table_new(g_str_hash, g_str_equal);
	GHashTableIter it;
	gpointer value;
	g_mutex_lock(&n->lock);
	g_hash_table_iter_init(&it, n->attached);
	while (g_hash_table_iter_next(&it, NULL, &value))
		g_hash_table_add(owned, ((Attached *)value)->veth);
	if (links)
		g_hash_table_iter_init(&it, links);
	while (links && g_hash_table_iter_next(&it, NULL, &value)) {
		const NetLink *l = value;
		if (l->master == n->bridge && net_is_our_veth(l->name) &&
			!g_hash_table_contains(owned, l->name) && !net_pool_owns(n->pool, l->name))
			g_ptr_array_add(orphans, g_strdup(l->name));
	}
	g_mutex_unlock(&n->lock);
	g_rw_lock_writer_unlock(&n->sweep);
	return orphans;
}

void net_sweep(NetEngine *n)
{
	g_autoptr(GPtrArray) orphans = net_orphans(n);
	for (guint i = 0; i < orphans->len; i++)
		net_pool_discard(n->pool, orphans->pdata[i], TRUE);
	net_firewall_sync(n->firewall, NULL);
}

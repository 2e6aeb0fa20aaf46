/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The engine ties bridge, addresses, ports, firewall and the pool together. What it knows of its
 * containers is in memory only; the container room saves each endpoint and hands it back with
 * net_adopt after a restart. Whatever the kernel then has and nobody claimed is swept.
 *
 * Locks, outermost first: `sweep` (shared while a container is being attached or detached,
 * exclusive while looking for orphans: a veth on its way from or to the pool belongs to nobody for
 * a moment), `lock` (the tables here), then those inside ports and firewall, and `nl_lock` (the
 * netlink socket). None is held while waiting for anything but the kernel's answer to a request.
 *
 * Engines that start at the same moment choose their subnets one after the other, under flock(2) on
 * /run/dhow-net.lock, and see each other's choice because it is on the bridge before the lock goes.
 * A bridge is one engine's: it holds a record lock on that file (fcntl(2), "Advisory record
 * locking"), at a place that is the bridge's, as long as it lives. Such a lock is the process's
 * own: a child that has not come to its program yet does not have it, too.
 */
#include "network/internal.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE "/run/dhow-net.lock"
#define LOCK_WAIT_MS 30000
#define LOCK_TRY_MS 20
#define POOL_DEPTH 8
#define BARE_DEPTH 8
#define DEFAULT_MTU 1500
#define IP_FORWARD "/proc/sys/net/ipv4/ip_forward"
#define MAX_PORTS 65535

static const DhJsonField port_fields[] = {
	DH_F(STRING, NetPort, proto, "Proto", 0),
	DH_F(INT, NetPort, container_port, "ContainerPort", 0),
	DH_F(STRING, NetPort, host_ip, "HostIp", 0),
	DH_F(INT, NetPort, host_port, "HostPort", 0),
	DH_F(INT, NetPort, host_port_end, "HostPortEnd", DH_JSON_OMITEMPTY),
};
DH_JSON_TABLE(net_port_table, NetPort, port_fields, FALSE);

static const DhJsonField endpoint_fields[] = {
	DH_F(STRING, NetEndpoint, ip, "Ip", 0),
	DH_F(INT, NetEndpoint, prefix_len, "PrefixLen", 0),
	DH_F(STRING, NetEndpoint, gateway, "Gateway", 0),
	DH_F(STRING, NetEndpoint, mac, "Mac", 0),
	DH_F(STRING, NetEndpoint, veth, "Veth", 0),
	DH_F(LIST, NetEndpoint, ports, "Ports", DH_JSON_NOTNULL, &net_port_table),
};
DH_JSON_TABLE(net_endpoint_table, NetEndpoint, endpoint_fields, FALSE);

void net_attached_free(gpointer data)
{
	Attached *a = data;
	g_array_unref(a->ports);
	g_free(a);
}

/* ---- start and end ---- */

static gboolean check_name(const char *name, GError **error)
{
	size_t n = name ? strlen(name) : 0;
	if (n == 0 || n >= NET_IFNAME || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
			n)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid bridge name: \"%s\"", name ? name : "");
	return TRUE;
}

/* The lock file, locked; descriptor or -1. */
static int take_lock(GError **error)
{
	dh_autofd int fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1) {
		dh_error_errno(error, errno, "cannot open %s", LOCK_FILE);
		return -1;
	}
	/* One that is stuck there must not hold up all others without a word. */
	int r;
	for (int waited = 0; (r = flock(fd, LOCK_EX | LOCK_NB)) == -1; waited += LOCK_TRY_MS) {
		if (errno != EINTR && (errno != EWOULDBLOCK || waited >= LOCK_WAIT_MS))
			break;
		(void)poll(NULL, 0, LOCK_TRY_MS);
	}
	if (r == -1 && errno == EWOULDBLOCK) {
		dh_error(error, DH_ERROR_UNAVAILABLE,
			"another dhowd has been choosing its network for %d s (%s is locked)",
			LOCK_WAIT_MS / 1000, LOCK_FILE);
		return -1;
	}
	if (r == -1) {
		dh_error_errno(error, errno, "cannot lock %s", LOCK_FILE);
		return -1;
	}
	return dh_steal_fd(&fd);
}

/* Its number is a bridge's own in its network namespace. */
gboolean net_bridge_claim(NetEngine *n, int index, GError **error)
{
	struct stat netns;
	if (stat("/proc/thread-self/ns/net", &netns) == -1)
		return dh_error_errno(error, errno, "stat of the network namespace");
	struct flock place = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)((netns.st_ino & G_MAXINT32) << 32 | (ino_t)index),
		.l_len = 1,
	};
	if (fcntl(n->lock_file, F_SETLK, &place) == 0)
		return TRUE;
	if (errno == EAGAIN || errno == EACCES)
		return dh_error(error, DH_ERROR_CONFLICT,
			"the bridge %s is in use by another dhowd", n->info.bridge);
	return dh_error_errno(error, errno, "cannot lock %s", LOCK_FILE);
}

static gboolean set_sysctl(const char *path, GError **error)
{
	g_autofree char *now = dh_read_file(AT_FDCWD, path, 64, NULL, NULL);
	if (now && atoi(now) == 1)
		return TRUE;
	if (dh_write_kernel_file(AT_FDCWD, path, "1") == -1)
		return dh_error_errno(error, errno, "cannot set %s", path);
	return TRUE;
}

gboolean net_bridge_localnet(const char *bridge, GError **error)
{
	g_autofree char *path =
		g_strdup_printf("/proc/sys/net/ipv4/conf/%s/route_localnet", bridge);
	return set_sysctl(path, error);
}

/* The address that the bridge shall have. */
static gboolean choose_address(NetEngine *n, const NetConfig *config, NetCidr *ret, GError **error)
{
	if (config->bip) {
		if (!net_cidr_parse(config->bip, ret, error))
			return FALSE;
		if (ret->ip == net_first(*ret) || ret->ip == net_last(*ret))
			return dh_error(error, DH_ERROR_INVALID,
				"invalid bridge address %s: not the address of a host",
				config->bip);
		return TRUE;
	}
	NetCidr c;
	if (config->fixed_cidr) {
		if (!net_cidr_parse(config->fixed_cidr, &c, error))
			return FALSE;
	} else {
		g_autoptr(GArray) used = net_used_subnets(n->nl, error);
		if (!used || !net_subnet_choose(used, &c, error))
			return FALSE;
	}
	*ret = (NetCidr){net_first(c) + 1, c.len};
	return TRUE;
}

static gboolean open_bridge(
	NetEngine *n, const NetConfig *config, gboolean *ret_made, GError **error)
{
	NetLink l;
	if (!net_link_get(n->nl, config->bridge, &l, error))
		return FALSE;
	if (l.index && strcmp(l.kind, "bridge") != 0)
		return dh_error(error, DH_ERROR_INVALID, "interface %s exists and is not a bridge",
			config->bridge);
	NetCidr have = {0}, want = {0};
	if (!l.index) {
		if (!choose_address(n, config, &want, error) ||
			!net_bridge_create(n->nl, config->bridge, (int)n->info.mtu, error))
			return FALSE;
		*ret_made = TRUE;
		if (!net_link_get(n->nl, config->bridge, &l, error))
			return FALSE;
	} else if (!net_link_address(n->nl, l.index, &have, error)) {
		return FALSE;
	}
	n->bridge = l.index;
	if (!net_bridge_claim(n, n->bridge, error))
		return FALSE;
	if (!have.len || config->bip) {
		if (!choose_address(n, config, &want, error))
			return FALSE;
	} else {
		want = have;
	}
	if (have.len && (have.ip != want.ip || have.len != want.len)) {
		if (!net_link_is_our_bridge(&l)) {
			g_autofree char *text = net_cidr_text(have);
			return dh_error(error, DH_ERROR_INVALID,
				"bridge IPv4 (%s) does not match requested configuration %s", text,
				config->bip);
		}
		if (!net_link_drop_address(n->nl, l.index, have, error))
			return FALSE;
	}
	n->address = want;
	return net_link_setup(n->nl, l.index, want, error);
}

/* Everything but the pool; what has to be done under the lock file. */
static gboolean open_network(
	NetEngine *n, const NetConfig *config, gboolean *ret_made, GError **error)
{
	if (!open_bridge(n, config, ret_made, error))
		return FALSE;
	NetCidr range = n->address;
	if (config->fixed_cidr && !net_cidr_parse(config->fixed_cidr, &range, error))
		return FALSE;
	n->ipam = net_ipam_new(n->address, range, n->address.ip, "bridge", error);
	if (!n->ipam)
		return FALSE;
	if (!net_bridge_localnet(config->bridge, error) ||
		(config->ip_forward && !set_sysctl(IP_FORWARD, error)))
		return FALSE;
	NetFirewallConfig fw = {
		.bridge = config->bridge,
		.subnet = n->address,
		.ip_masq = config->ip_masq,
		.icc = config->icc,
		.restored = config->firewall_restored,
		.arg = config->arg,
	};
	n->firewall = net_firewall_new(&fw, error);
	return n->firewall != NULL;
}

NetEngine *net_engine_new(const NetConfig *config, GError **error)
{
	uint32_t ip;
	if (!check_name(config->bridge, error))
		return NULL;
	if (config->mtu < 0 || config->mtu > 65535) {
		dh_error(error, DH_ERROR_INVALID, "invalid MTU: %" G_GINT64_FORMAT, config->mtu);
		return NULL;
	}
	if (config->default_host_ip && !net_ip_parse(config->default_host_ip, &ip)) {
		dh_error(error, DH_ERROR_INVALID, "invalid default IP address: %s",
			config->default_host_ip);
		return NULL;
	}
	NetEngine *n = g_new0(NetEngine, 1);
	g_rw_lock_init(&n->sweep);
	g_mutex_init(&n->lock);
	g_mutex_init(&n->nl_lock);
	n->attached = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, net_attached_free);
	n->ports = net_ports_new();
	n->icc = config->icc;
	n->default_host_ip = g_strdup(config->default_host_ip);
	n->info.bridge = g_strdup(config->bridge);
	n->info.mtu = config->mtu ? config->mtu : DEFAULT_MTU;
	gboolean made = FALSE, ok = FALSE;
	n->nl = net_nl_new(NETLINK_ROUTE, error);
	n->lock_file = n->nl ? take_lock(error) : -1;
	if (n->lock_file >= 0 && open_network(n, config, &made, error)) {
		(void)flock(n->lock_file, LOCK_UN);
		n->info.subnet = net_cidr_text((NetCidr){net_first(n->address), n->address.len});
		n->info.gateway = net_ip_text(n->address.ip);
		NetPoolConfig pool = {
			.bridge = n->bridge,
			.mtu = (int)n->info.mtu,
			.isolated = !config->icc,
			.depth = POOL_DEPTH,
			.bare_depth = BARE_DEPTH,
		};
		n->pool = net_pool_new(&pool, error);
		ok = n->pool != NULL;
	}
	if (!ok) {
		/* Leaves what was there before, and nothing more. */
		net_engine_free(n, made);
		return NULL;
	}
	return n;
}

void net_engine_free(NetEngine *n, gboolean remove)
{
	if (!n)
		return;
	net_pool_free(n->pool);
	net_firewall_free(n->firewall, remove);
	NetLink l;
	if (remove && n->nl && net_link_get(n->nl, n->info.bridge, &l, NULL) &&
		net_link_is_our_bridge(&l))
		net_link_delete(n->nl, n->info.bridge, NULL);
	net_nl_free(n->nl);
	dh_close(&n->lock_file);
	net_ipam_free(n->ipam);
	net_ports_free(n->ports);
	g_hash_table_unref(n->attached);
	g_free(n->info.bridge);
	g_free(n->info.subnet);
	g_free(n->info.gateway);
	g_free(n->default_host_ip);
	g_rw_lock_clear(&n->sweep);
	g_mutex_clear(&n->lock);
	g_mutex_clear(&n->nl_lock);
	g_free(n);
}

const NetInfo *net_engine_info(NetEngine *n)
{
	return &n->info;
}

/* ---- containers ---- */

static gboolean take_ip(NetEngine *n, const char *ip, uint32_t *ret, GError **error)
{
	if (ip && *ip && !net_ip_parse(ip, ret))
		return dh_error(error, DH_ERROR_INVALID, "invalid IPv4 address: %s", ip);
	g_mutex_lock(&n->lock);
	gboolean ok =
		ip && *ip ? net_ipam_take(n->ipam, *ret, error) : net_ipam_any(n->ipam, ret, error);
	g_mutex_unlock(&n->lock);
	return ok;
}

static void release_ip(NetEngine *n, uint32_t ip)
{
	g_mutex_lock(&n->lock);
	net_ipam_release(n->ipam, ip);
	g_mutex_unlock(&n->lock);
}

static void release_ports(NetEngine *n, const GArray *maps)
{
	for (guint i = 0; i < maps->len; i++)
		net_ports_release(n->ports, &g_array_index(maps, NetMapping, i));
}

/* On FALSE nothing is reserved. */
static gboolean reserve_ports(NetEngine *n, const GPtrArray *ports, uint32_t ip, GArray *maps,
	GArray *socks, GError **error)
{
	if (ports && ports->len > MAX_PORTS)
		return dh_error(
			error, DH_ERROR_INVALID, "too many published ports: %u", ports->len);
	for (guint i = 0; ports && i < ports->len; i++) {
		const NetPort *port = ports->pdata[i];
		NetMapping m;
		if (!net_port_parse(port, n->default_host_ip, &m, error) ||
			!net_ports_reserve(
				n->ports, &m, (uint16_t)port->host_port_end, socks, error)) {
			release_ports(n, maps);
			net_close_all(socks);
			g_array_set_size(maps, 0);
			return FALSE;
		}
		m.container_ip = ip;
		g_array_append_val(maps, m);
	}
	return TRUE;
}

static gboolean furnish(
	NetEngine *n, const NetSlot *s, uint32_t ip, const uint8_t mac[6], GError **error)
{
	NetCidr address = {ip, n->address.len};
	if (!net_container_setup(s->nl, s->peer_index, address, mac, n->address.ip, error))
		return FALSE;
	g_mutex_lock(&n->nl_lock);
	gboolean ok = net_port_announce(n->nl, s->host_index, n->bridge, ip, mac, error);
	g_mutex_unlock(&n->nl_lock);
	return ok;
}

/* A slot with its addresses set; netns -1: one of the stock. One that somebody took apart meanwhile
 * is replaced once. */
static NetSlot *wire(NetEngine *n, int netns, uint32_t ip, const uint8_t mac[6], GError **error)
{
	for (int attempt = 0;; attempt++) {
		g_autoptr(NetSlot) s = netns < 0 ? net_pool_take(n->pool, error)
						 : net_pool_furnish(n->pool, netns, TRUE, error);
		if (!s)
			return NULL;
		g_autoptr(GError) why = NULL;
		if (furnish(n, s, ip, mac, &why))
			return g_steal_pointer(&s);
		net_pool_discard(n->pool, s->veth, FALSE);
		if (attempt == 1 || netns >= 0) {
			g_propagate_error(error, g_steal_pointer(&why));
			return NULL;
		}
	}
}

static void port_free(gpointer data)
{
	dh_json_free(&net_port_table, data);
}

static NetEndpoint *describe(NetEngine *n, const Attached *a, const uint8_t mac[6])
{
	NetEndpoint *e = dh_json_new(&net_endpoint_table);
	e->ip = net_ip_text(a->ip);
	e->prefix_len = n->address.len;
	e->gateway = g_strdup(n->info.gateway);
	e->mac = net_mac_text(mac);
	e->veth = g_strdup(a->veth);
	e->ports = g_ptr_array_new_with_free_func(port_free);
	for (guint i = 0; i < a->ports->len; i++)
		g_ptr_array_add(e->ports, net_port_make(&g_array_index(a->ports, NetMapping, i)));
	return e;
}

static gboolean is_attached(NetEngine *n, const char *id)
{
	g_mutex_lock(&n->lock);
	gboolean known = g_hash_table_contains(n->attached, id);
	g_mutex_unlock(&n->lock);
	return known;
}

static void remember(NetEngine *n, const char *id, Attached *a)
{
	g_mutex_lock(&n->lock);
	g_hash_table_replace(n->attached, g_strdup(id), a);
	g_mutex_unlock(&n->lock);
}

/* Ports, then wires; under the shared sweep lock. Undoes its own work. */
static NetSlot *connect_container(NetEngine *n, const char *id, const char *name, int netns,
	const GPtrArray *ports, const uint8_t mac[6], Attached *a, GArray *socks, GError **error)
{
	if (!reserve_ports(n, ports, a->ip, a->ports, socks, error)) {
		g_prefix_error(error,
			"driver failed programming external connectivity on endpoint %s (%s): ",
			name, id);
		return NULL;
	}
	g_autoptr(NetSlot) s = wire(n, netns, a->ip, mac, error);
	if (s) {
		memcpy(a->veth, s->veth, sizeof(a->veth));
		memcpy(a->mac, mac, sizeof(a->mac));
		if (net_firewall_add(
			    n->firewall, (const NetMapping *)a->ports->data, a->ports->len, error))
			return g_steal_pointer(&s);
		g_prefix_error(error,
			"driver failed programming external connectivity on endpoint %s (%s): ",
			name, id);
		net_pool_discard(n->pool, s->veth, FALSE);
	}
	release_ports(n, a->ports);
	net_close_all(socks);
	return NULL;
}

NetEndpoint *net_attach(NetEngine *n, const char *id, const char *name, const char *ip,
	const char *mac_text, GPtrArray *ports, int netns, int *ret_netns, GArray **ret_ports,
	GError **error)
{
	uint8_t mac[6];
	if (name && *name == '/')
		name++;
	if (is_attached(n, id)) {
		dh_error(error, DH_ERROR_FORBIDDEN,
			"endpoint with name %s already exists in network bridge", name);
		return NULL;
	}
	if (mac_text && *mac_text && !net_mac_parse(mac_text, mac, error))
		return NULL;
	Attached *a = g_new0(Attached, 1);
	a->ports = g_array_new(FALSE, TRUE, sizeof(NetMapping));
	if (!take_ip(n, ip, &a->ip, error)) {
		net_attached_free(a);
		return NULL;
	}
	if (!mac_text || !*mac_text)
		net_mac_from_ip(a->ip, mac);
	GArray *socks = g_array_new(FALSE, FALSE, sizeof(int));
	g_rw_lock_reader_lock(&n->sweep);
	NetEndpoint *e = NULL;
	g_autoptr(NetSlot) s = connect_container(n, id, name, netns, ports, mac, a, socks, error);
	if (s) {
		e = describe(n, a, mac);
		remember(n, id, a);
	}
	g_rw_lock_reader_unlock(&n->sweep);
	if (!s) {
		release_ip(n, a->ip);
		net_attached_free(a);
		g_array_unref(socks);
		return NULL;
	}
	*ret_netns = dh_steal_fd(&s->netns);
	*ret_ports = socks;
	return e;
}

/* An endpoint's words as numbers; members that make no sense are left out. */
Attached *net_attached_parse(const NetEndpoint *e)
{
	Attached *a = g_new0(Attached, 1);
	a->ports = g_array_new(FALSE, TRUE, sizeof(NetMapping));
	net_ip_parse(e->ip, &a->ip);
	if (e->veth && net_is_our_veth(e->veth))
		g_strlcpy(a->veth, e->veth, sizeof(a->veth));
	if (!e->mac || !net_mac_parse(e->mac, a->mac, NULL))
		net_mac_from_ip(a->ip, a->mac);
	for (guint i = 0; e->ports && i < e->ports->len; i++) {
		NetMapping m;
		if (!net_port_parse(e->ports->pdata[i], NULL, &m, NULL) || !m.host_port)
			continue;
		m.container_ip = a->ip;
		g_array_append_val(a->ports, m);
	}
	return a;
}

/* Leaves in maps only what nobody else has published meanwhile. */
static void claim_ports(NetEngine *n, GArray *maps)
{
	for (guint i = maps->len; i-- > 0;)
		if (!net_ports_adopt(n->ports, &g_array_index(maps, NetMapping, i)))
			g_array_remove_index(maps, i);
}

/* known: what was remembered, which goes, or NULL: all that is known is e. Under the shared sweep
 * lock. */
static void disconnect(NetEngine *n, Attached *known, const NetEndpoint *e)
{
	Attached *a = known ? known : net_attached_parse(e);
	if (!known)
		claim_ports(n, a->ports);
	net_firewall_remove(n->firewall, (const NetMapping *)a->ports->data, a->ports->len);
	if (a->veth[0]) {
		/* The veth outlives this call, its traffic must not: the address is free now. */
		g_mutex_lock(&n->nl_lock);
		net_port_off(n->nl, a->veth, NULL);
		g_mutex_unlock(&n->nl_lock);
		net_pool_discard(n->pool, a->veth, FALSE);
	}
	release_ports(n, a->ports);
	if (known)
		release_ip(n, a->ip);
	net_attached_free(a);
}

void net_detach(NetEngine *n, const char *id, const NetEndpoint *e)
{
	gpointer key = NULL, known = NULL;
	g_rw_lock_reader_lock(&n->sweep);
	g_mutex_lock(&n->lock);
	g_hash_table_steal_extended(n->attached, id, &key, &known);
	g_mutex_unlock(&n->lock);
	g_free(key);
	if (known || e)
		disconnect(n, known, e);
	g_rw_lock_reader_unlock(&n->sweep);
}

gboolean net_furnish_namespace(NetEngine *n, int netns, GError **error)
{
	g_autoptr(NetSlot) s = net_pool_furnish(n->pool, netns, FALSE, error);
	return s != NULL;
}

int net_new_namespace(NetEngine *n, GError **error)
{
	return net_pool_take_bare(n->pool, error);
}

void net_refill(NetEngine *n)
{
	net_pool_refill(n->pool);
}

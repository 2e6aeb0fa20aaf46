/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Published ports are translated by the firewall before any socket sees the packet, so nothing
 * would stop another program from listening on the same port and never hearing a word. A bound
 * socket that never listens reserves the port: bind(2) then fails for others, and for us where
 * others were first.
 *
 * SO_REUSEADDR: without it, a server that has just ended blocks the port for a minute by its
 * connections in TIME_WAIT; with it, the kernel would let another server with the same option share
 * a port that nobody listens on. So a TCP socket binds with the option, listens for an instant
 * (which fails if anybody else does, and withdraws the permission to share) and stops listening
 * again, bound as before.
 *
 * Our own mappings are kept in a table as well, for the text of the error and because a restarted
 * daemon does not hold the sockets.
 */
#include "network/ports.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define PORT_RANGE_FILE "/proc/sys/net/ipv4/ip_local_port_range"

struct NetPorts {
	GMutex lock;
	GHashTable *by_port; /* proto << 16 | port -> GArray of host addresses */
	uint16_t next;       /* where the search for any port goes on */
};

static const struct {
	const char *name;
	int type, proto;
} protos[] = {
	{"tcp", SOCK_STREAM, IPPROTO_TCP},
	{"udp", SOCK_DGRAM, IPPROTO_UDP},
	{"sctp", SOCK_STREAM, IPPROTO_SCTP},
};

static const char *proto_name(uint8_t proto)
{
	for (size_t i = 0; i < G_N_ELEMENTS(protos); i++)
		if (protos[i].proto == proto)
			return protos[i].name;
	return "tcp";
}

NetPorts *net_ports_new(void)
{
	NetPorts *p = g_new0(NetPorts, 1);
	g_mutex_init(&p->lock);
	p->by_port = g_hash_table_new_full(
		g_direct_hash, g_direct_equal, NULL, (GDestroyNotify)g_array_unref);
	return p;
}

void net_ports_free(NetPorts *p)
{
	if (!p)
		return;
	g_hash_table_unref(p->by_port);
	g_mutex_clear(&p->lock);
	g_free(p);
}

gboolean net_port_parse(
	const NetPort *port, const char *default_ip, NetMapping *ret, GError **error)
{
	NetMapping m = {0};
	const char *proto = port->proto && *port->proto ? port->proto : "tcp";
	for (size_t i = 0; i < G_N_ELEMENTS(protos); i++)
		if (g_ascii_strcasecmp(proto, protos[i].name) == 0)
			m.proto = (uint8_t)protos[i].proto;
	if (!m.proto)
		return dh_error(error, DH_ERROR_INVALID, "invalid proto: %s", proto);
	const char *ip = port->host_ip && *port->host_ip ? port->host_ip : default_ip;
	if (ip && *ip && !net_ip_parse(ip, &m.host_ip)) {
		if (strchr(ip, ':'))
			return dh_error(error, DH_ERROR_INVALID,
				"cannot publish on %s: the bridge network has no IPv6", ip);
		return dh_error(error, DH_ERROR_INVALID, "invalid IP address: %s", ip);
	}
	if (port->container_port < 1 || port->container_port > 65535)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid container port: %" G_GINT64_FORMAT, port->container_port);
	if (port->host_port < 0 || port->host_port > 65535 || port->host_port_end < 0 ||
		port->host_port_end > 65535 ||
		(port->host_port_end && port->host_port_end < port->host_port))
		return dh_error(error, DH_ERROR_INVALID, "invalid host port: %" G_GINT64_FORMAT,
			port->host_port);
	m.container_port = (uint16_t)port->container_port;
	m.host_port = (uint16_t)port->host_port;
	*ret = m;
	return TRUE;
}

NetPort *net_port_make(const NetMapping *m)
{
	NetPort *p = dh_json_new(&net_port_table);
	p->proto = g_strdup(proto_name(m->proto));
	p->container_port = m->container_port;
	p->host_ip = net_ip_text(m->host_ip);
	p->host_port = m->host_port;
	return p;
}

static gpointer key_of(uint8_t proto, uint16_t port)
{
	return GUINT_TO_POINTER((guint)proto << 16 | port);
}

static gboolean is_taken(const NetPorts *p, uint8_t proto, uint32_t ip, uint16_t port)
{
	const GArray *ips = g_hash_table_lookup(p->by_port, key_of(proto, port));
	for (guint i = 0; ips && i < ips->len; i++) {
		uint32_t other = g_array_index(ips, uint32_t, i);
		if (other == ip || other == 0 || ip == 0)
			return TRUE;
	}
	return FALSE;
}

static void note(NetPorts *p, const NetMapping *m)
{
	gpointer key = key_of(m->proto, m->host_port);
	GArray *ips = g_hash_table_lookup(p->by_port, key);
	if (!ips) {
		ips = g_array_new(FALSE, FALSE, sizeof(uint32_t));
		g_hash_table_insert(p->by_port, key, ips);
	}
	g_array_append_val(ips, m->host_ip);
}

/* Bound socket, -1 with errno, or -2 where the kernel does not know the protocol. */
static int reserve_socket(const NetMapping *m)
{
	int type = m->proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	dh_autofd int fd = socket(AF_INET, type | SOCK_CLOEXEC, m->proto);
	if (fd == -1)
		return errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT ? -2 : -1;
	int on = 1, off = 0;
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons(m->host_port),
		.sin_addr.s_addr = htonl(m->host_ip),
	};
	gboolean tcp = m->proto == IPPROTO_TCP;
	if (tcp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		return -1;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
		return -1;
	if (tcp && (listen(fd, 0) == -1 ||
			   setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off)) == -1 ||
			   shutdown(fd, SHUT_RD) == -1))
		return -1;
	return dh_steal_fd(&fd);
}

/* 1: done; 0: our own mapping is in the way; -1: errno. */
static int try_port(NetPorts *p, NetMapping *m, uint16_t port, GArray *socks)
{
	if (is_taken(p, m->proto, m->host_ip, port))
		return 0;
	NetMapping t = *m;
	t.host_port = port;
	int fd = reserve_socket(&t);
	if (fd == -1)
		return -1;
	if (fd >= 0)
		g_array_append_val(socks, fd);
	m->host_port = port;
	note(p, m);
	return 1;
}

static void ephemeral_range(uint16_t *first, uint16_t *last)
{
	unsigned a, b;
	*first = 32768;
	*last = 60999;
	g_autofree char *text = dh_read_file(AT_FDCWD, PORT_RANGE_FILE, 64, NULL, NULL);
	if (text && sscanf(text, "%u %u", &a, &b) == 2 && a >= 1 && a <= b && b <= 65535) {
		*first = (uint16_t)a;
		*last = (uint16_t)b;
	}
}

static gboolean reserve_any(NetPorts *p, NetMapping *m, GArray *socks, GError **error)
{
	uint16_t first, last;
	ephemeral_range(&first, &last);
	if (p->next < first || p->next > last)
		p->next = first;
	uint16_t port = p->next;
	for (unsigned i = 0; i <= (unsigned)(last - first); i++) {
		int r = try_port(p, m, port, socks);
		if (r == -1 && errno != EADDRINUSE && errno != EACCES) {
			g_autofree char *ip = net_ip_text(m->host_ip);
			return dh_error_errno(error, errno, "failed to bind host port %s:%u/%s", ip,
				port, proto_name(m->proto));
		}
		port = port == last ? first : port + 1;
		if (r == 1) {
			p->next = port;
			return TRUE;
		}
	}
	return dh_error(error, DH_ERROR_SYSTEM, "all ports are allocated");
}

static const char *bind_words(int e)
{
	switch (e) {
	case EADDRINUSE:
		return "address already in use";
	case EADDRNOTAVAIL:
		return "cannot assign requested address";
	case EACCES:
		return "permission denied";
	default:
		return g_strerror(e);
	}
}

static gboolean reserve_range(
	NetPorts *p, NetMapping *m, uint16_t end, GArray *socks, GError **error)
{
	uint16_t first = m->host_port;
	int r = 0, e = 0;
	for (unsigned port = first; port <= end; port++) {
		r = try_port(p, m, (uint16_t)port, socks);
		if (r == 1)
			return TRUE;
		e = errno;
	}
	g_autofree char *ip = net_ip_text(m->host_ip);
	if (r == -1)
		return dh_error(error, DH_ERROR_SYSTEM, "failed to bind host port %s:%u/%s: %s", ip,
			end, proto_name(m->proto), bind_words(e));
	if (first != end)
		return dh_error(error, DH_ERROR_SYSTEM,
			"Bind for %s:%u-%u failed: all ports are allocated", ip, first, end);
	return dh_error(error, DH_ERROR_SYSTEM, "Bind for %s:%u failed: port is already allocated",
		ip, first);
}

gboolean net_ports_reserve(NetPorts *p, NetMapping *m, uint16_t end, GArray *socks, GError **error)
{
	g_mutex_lock(&p->lock);
	gboolean ok;
	if (m->host_port == 0)
		ok = reserve_any(p, m, socks, error);
	else
		ok = reserve_range(p, m, end ? end : m->host_port, socks, error);
	g_mutex_unlock(&p->lock);
	return ok;
}

gboolean net_ports_adopt(NetPorts *p, const NetMapping *m)
{
	g_mutex_lock(&p->lock);
	gboolean ok = !is_taken(p, m->proto, m->host_ip, m->host_port);
	if (ok)
		note(p, m);
	g_mutex_unlock(&p->lock);
	return ok;
}

void net_ports_release(NetPorts *p, const NetMapping *m)
{
	g_mutex_lock(&p->lock);
	gpointer key = key_of(m->proto, m->host_port);
	GArray *ips = g_hash_table_lookup(p->by_port, key);
	for (guint i = 0; ips && i < ips->len; i++) {
		if (g_array_index(ips, uint32_t, i) == m->host_ip) {
			g_array_remove_index_fast(ips, i);
			break;
		}
	}
	if (ips && !ips->len)
		g_hash_table_remove(p->by_port, key);
	g_mutex_unlock(&p->lock);
}

void net_close_all(GArray *socks)
{
	for (guint i = 0; i < socks->len; i++)
		dh_close(&g_array_index(socks, int, i));
	g_array_set_size(socks, 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * network.h - the default bridge: addresses, veth pairs, published ports, NAT.
 *
 * Everything is done by netlink (libmnl) and libnftables in this process; no helper program is run.
 * All objects carry names by which they are known for ours: the bridge, one `inet` table named
 * after it, veths "dh<hex>" that are members of the bridge. Thread-safe.
 */
#pragma once

#include "base/json.h"

typedef struct NetEngine NetEngine;

typedef struct {
	const char *bridge; /* "dhow0"; created when absent */
	const char *bip; /* "172.18.0.1/16" or NULL: first free subnet of Docker's default pools */
	const char *fixed_cidr; /* part of it for containers, or NULL */
	int64_t mtu;            /* 0: 1500 */
	gboolean ip_forward;    /* enable net.ipv4.ip_forward */
	gboolean ip_masq;
	gboolean icc;
	const char *default_host_ip; /* for -p without address; NULL: 0.0.0.0 */
	/* Told, in some thread, that somebody had damaged the firewall table and it was written
	 * again (or, with error, could not be); may be NULL. */
	void (*firewall_restored)(void *arg, const GError *error);
	void *arg;
} NetConfig;

/* Creates or adopts bridge and table (one transaction), removes veths without owner later
 * (net_sweep). */
NetEngine *net_engine_new(const NetConfig *config, GError **error);

/* Ends the background pool. With remove, also deletes bridge (if this engine made it) and table:
 * only when no container runs. */
void net_engine_free(NetEngine *n, gboolean remove);

typedef struct {
	char *bridge, *subnet, *gateway; /* "172.18.0.0/16", "172.18.0.1" */
	int64_t mtu;
} NetInfo;
const NetInfo *net_engine_info(NetEngine *n);

typedef struct {
	char *proto; /* tcp udp sctp */
	int64_t container_port;
	char *host_ip;         /* NULL or "": the default */
	int64_t host_port;     /* 0: a free one */
	int64_t host_port_end; /* 0, or the end of a range to choose from */
} NetPort;
extern const DhJsonTable net_port_table;

/* What a container has on the bridge; saved by the container room, handed back after a restart. */
typedef struct {
	char *ip; /* "172.18.0.2" */
	int64_t prefix_len;
	char *gateway;
	char *mac;        /* "02:42:ac:12:00:02" */
	char *veth;       /* host side */
	GPtrArray *ports; /* NetPort with every member filled in */
} NetEndpoint;
extern const DhJsonTable net_endpoint_table;

/* Address, veth and ports for a container that is about to start. mac and ip may be NULL (chosen).
 * netns: its network namespace if it brings one, else -1 (chosen).
 * *ret_netns: a network namespace, configured, loopback up: the caller's descriptor. *ret_ports:
 * bound sockets that reserve the host ports (whoever holds them keeps them reserved): GArray of
 * int, the caller's, to close. Conflicts: DH_ERROR_SYSTEM "driver failed programming external
 * connectivity on endpoint NAME (ID): Bind for 0.0.0.0:8080 failed: port is already allocated" (our
 * own) or
 * "... failed to bind host port 0.0.0.0:8080/tcp: address already in use" (a foreign program). On
 * FALSE nothing is left. */
NetEndpoint *net_attach(NetEngine *n, const char *id, const char *name, const char *ip,
	const char *mac, GPtrArray *ports, int netns, int *ret_netns, GArray **ret_ports,
	GError **error);

/* Forgets and removes what net_attach made; also works when only the endpoint is known (after a
 * crash). Quick; slow parts happen in the background. Whoever holds the sockets of *ret_ports
 * closes them before: a port that is forgotten here but still bound looks taken by a foreign
 * program. */
void net_detach(NetEngine *n, const char *id, const NetEndpoint *e);

/* After a daemon restart: the endpoint of a container that is still running. In: id, endpoint, pid
 * of a process of it. Out: note, what was mended; error, why it is not connected (as it was). */
typedef struct {
	const char *id;
	const NetEndpoint *endpoint;
	int64_t pid;
	char *note;
	GError *error;
} NetAdoption;
/* All of them at once: what the kernel has is asked for once. The firewall follows with net_sweep.
 */
void net_adopt_all(NetEngine *n, NetAdoption *all, guint count);

/* Deletes every veth of ours on the bridge and every port element that no attached or adopted
 * endpoint owns. */
void net_sweep(NetEngine *n);

/* A process of a container that runs, or 0. */
typedef int64_t (*NetPidOf)(void *arg, const char *id);
/* What differs from what the engine knows, in words. */
typedef void (*NetFinding)(void *arg, gboolean repaired, const char *text);
/* With repair, what can be mended is; pid_of and found get arg. */
void net_check(NetEngine *n, gboolean repair, NetPidOf pid_of, NetFinding found, void *arg);

/* Looks at the firewall table and writes it again if it differs; firewall_restored is told then. */
void net_mend_firewall(NetEngine *n);

/* A network namespace with nothing but a loopback that is up (--net none). Descriptor or -1. */
int net_new_namespace(NetEngine *n, GError **error);

/* The same for one that the caller brings. */
gboolean net_furnish_namespace(NetEngine *n, int netns, GError **error);

/* To be called when a start is over: what net_attach or net_new_namespace took from the stock is
 * made up for in the background. */
void net_refill(NetEngine *n);

/* ---- files of a container (src/network/files.c) ---- */

typedef struct {
	const char *hostname, *domainname;
	const char *ip;              /* own address, or NULL */
	char *const *extra;          /* "name:ip", also "host-gateway" as ip; NULL: none */
	GPtrArray *links;            /* NetHostEntry, or NULL */
	const char *host_gateway_ip; /* what "host-gateway" stands for */
} NetHosts;

typedef struct {
	char *ip;
	char **names;
} NetHostEntry;

/* Writes dir/hosts in Docker's layout (in place, not by rename: it is bind-mounted). */
gboolean net_write_hosts(const char *dir, const NetHosts *h, GError **error);

/* dir/resolv.conf: the host's, less loopback name servers (8.8.8.8 and 8.8.4.4 if none is left)
 * unless dns, search or options are given. host_network: the host's as it stands. */
gboolean net_write_resolv_conf(const char *dir, char *const *dns, char *const *search,
	char *const *options, gboolean host_network, GError **error);

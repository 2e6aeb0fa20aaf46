/* SPDX-License-Identifier: MIT */
/* internal.h - the engine as engine.c, adopt.c and check.c share it. */
#pragma once

#include "network/firewall.h"
#include "network/ipam.h"
#include "network/link.h"
#include "network/namespace.h"
#include "network/network.h"
#include "network/ports.h"

/* An endpoint as the engine remembers it. */
typedef struct {
	uint32_t ip;
	uint8_t mac[6];
	char veth[NET_IFNAME];
	GArray *ports; /* NetMapping */
} Attached;

struct NetEngine {
	NetInfo info;
	NetCidr address; /* the bridge's */
	char *default_host_ip;
	int bridge;
	int lock_file; /* the bridge is claimed on it */
	gboolean icc;
	NetFirewall *firewall;
	NetPorts *ports;
	NetPool *pool;

	GRWLock sweep;
	GMutex lock;
	NetIpam *ipam;        /* under lock */
	GHashTable *attached; /* under lock: id -> Attached */
	GMutex nl_lock;
	NetNl *nl;
};

/* engine.c */
void net_attached_free(gpointer attached);
/* An endpoint's words as numbers; members that make no sense are left out. */
Attached *net_attached_parse(const NetEndpoint *e);

/* Makes the bridge of this index this engine's. FALSE with error: it is another's (CONFLICT). */
gboolean net_bridge_claim(NetEngine *n, int index, GError **error);
/* A process of the host reaches published ports at 127.0.0.1 through it. */
gboolean net_bridge_localnet(const char *bridge, GError **error);

/* adopt.c */
/* All interfaces by name: GHashTable of NetLink, keyed by its name. NULL with error. */
GHashTable *net_links_by_name(NetEngine *n, GError **error);
/* Names of the veths on the bridge that belong to nobody. GPtrArray of strings. */
GPtrArray *net_orphans(NetEngine *n);
/* l: what the kernel has under a's name, or NULL. What is wrong with it, in words, or NULL. Static.
 */
const char *net_attached_fault(NetEngine *n, const Attached *a, const NetLink *l);
/* Puts right what is wrong; pid: a process of the container (to make its interface anew). */
gboolean net_attached_mend(
	NetEngine *n, const Attached *a, const NetLink *l, int64_t pid, GError **error);

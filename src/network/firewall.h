/* SPDX-License-Identifier: MIT */
/*
 * firewall.h - the engine's own nftables table: NAT, published ports, isolation.
 */
#pragma once

#include "network/ports.h"

typedef struct NetFirewall NetFirewall;

typedef struct {
	const char *bridge;
	NetCidr subnet; /* ip: the gateway */
	gboolean ip_masq, icc;
} NetFirewallConfig;

/* Writes the table in one transaction. A table that an earlier daemon left keeps its elements, so
 * that the ports of running containers stay open; net_firewall_sync removes what has no owner. */
NetFirewall *net_firewall_new(const NetFirewallConfig *config, GError **error);

/* With remove: deletes the table. */
void net_firewall_free(NetFirewall *f, gboolean remove);

/* One element a port, all or none. Thread-safe. */
gboolean net_firewall_add(NetFirewall *f, const NetMapping *m, guint n, GError **error);
void net_firewall_remove(NetFirewall *f, const NetMapping *m, guint n);

/* Makes the maps hold exactly what was added. */
gboolean net_firewall_sync(NetFirewall *f, GError **error);

/* The table's name for a bridge: the bridge's own, or "dhow-" and it where nft would take that for
 * a word of its language. Caller frees. */
char *net_firewall_table_name(const char *bridge);

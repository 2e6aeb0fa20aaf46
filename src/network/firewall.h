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
	/* Told, in a thread of the watch, that the table was damaged and is whole again (or, with
	 * error, is not); may be NULL: then nobody watches. */
	void (*restored)(void *arg, const GError *error);
	void *arg;
} NetFirewallConfig;

/* Writes the table in one transaction. A table that an earlier daemon left keeps its elements, so
 * that the ports of running containers stay open; net_firewall_sync removes what has no owner. */
NetFirewall *net_firewall_new(const NetFirewallConfig *config, GError **error);

/* With remove: deletes the table. */
void net_firewall_free(NetFirewall *f, gboolean remove);

/* One element a port, all or none. Thread-safe. */
gboolean net_firewall_add(NetFirewall *f, const NetMapping *m, guint n, GError **error);
void net_firewall_remove(NetFirewall *f, const NetMapping *m, guint n);

/* What is published already, as far as the kernel has kept it: adds what is missing, all at once.
 */
gboolean net_firewall_adopt(NetFirewall *f, const NetMapping *m, guint n, GError **error);

/* Makes the maps hold exactly what was added or adopted; what is right stays untouched. */
gboolean net_firewall_sync(NetFirewall *f, GError **error);

/* What the kernel has and what it should have: rules of the table, elements of its maps; foreign
 * are elements that should not be there. */
typedef struct {
	guint rules, want_rules, elements, want_elements, foreign;
} NetFirewallState;
gboolean net_firewall_check(NetFirewall *f, NetFirewallState *ret);
/* Compares and, if they differ, writes table and elements again. *ret_repaired: they did. */
gboolean net_firewall_repair(NetFirewall *f, gboolean *ret_repaired, GError **error);

/* The same, as the watch does it: restored is told. */
void net_firewall_mend(NetFirewall *f);

/* The table's name for a bridge: the bridge's own, or "dhow-" and it where nft would take that for
 * a word of its language. Caller frees. */
char *net_firewall_table_name(const char *bridge);

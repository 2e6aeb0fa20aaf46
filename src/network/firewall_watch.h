/* SPDX-License-Identifier: MIT */
/* firewall_watch.h - being told when somebody else takes something out of our nftables table. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct NetFirewallWatch NetFirewallWatch;

/* fn is called in a thread of the watch after each transaction of another socket than own_port that
 * deleted something of the table, or when the kernel had more to tell than it could hold. */
NetFirewallWatch *net_firewall_watch_new(
	const char *table, uint32_t own_port, void (*fn)(void *arg), void *arg, GError **error);
/* Waits for fn to return. NULL is accepted. */
void net_firewall_watch_free(NetFirewallWatch *w);

/* SPDX-License-Identifier: MIT */
/* ipam.h - which addresses of the bridge's subnet are taken. Not thread-safe: the engine locks. */
#pragma once

#include "network/address.h"

typedef struct NetIpam NetIpam;

/* Addresses are chosen from range, which lies in subnet (or is it); the network's own and broadcast
 * addresses and the gateway are never given out. name is the network's, for errors. */
NetIpam *net_ipam_new(
	NetCidr subnet, NetCidr range, uint32_t gateway, const char *name, GError **error);
void net_ipam_free(NetIpam *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetIpam, net_ipam_free)

/* The lowest free address of the range, as Docker chooses. */
gboolean net_ipam_any(NetIpam *m, uint32_t *ret, GError **error);

/* This address of the subnet. DH_ERROR_FORBIDDEN "Address already in use". */
gboolean net_ipam_take(NetIpam *m, uint32_t ip, GError **error);

void net_ipam_release(NetIpam *m, uint32_t ip);

/* ---- choice of a subnet for a new bridge ---- */

/* The first of Docker's default pools (172.17-31.0.0/16, then 192.168.0.0/16 in steps of /20) that
 * overlaps none of `used` (NetCidr). DH_ERROR_FORBIDDEN when all are taken. */
gboolean net_subnet_choose(const GArray *used, NetCidr *ret, GError **error);

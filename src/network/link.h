/* SPDX-License-Identifier: MIT */
/*
 * link.h - interfaces: the bridge, its ports, the far end of a veth pair in a container.
 *
 * Ours are recognised by what the kernel keeps: a bridge we made carries the alias "dhow", our
 * veths are called "dh" and ten hex digits and are members of the bridge.
 */
#pragma once

#include "network/address.h"
#include "network/netlink.h"

#define NET_IFNAME 16

typedef struct {
	int index; /* 0: does not exist */
	int master;
	int mtu;
	gboolean up;
	char name[NET_IFNAME];
	char kind[16];
	char alias[16]; /* the beginning of it */
} NetLink;

/* Whether it is a bridge that an engine of ours made. */
gboolean net_link_is_our_bridge(const NetLink *l);

gboolean net_is_our_veth(const char *name);

/* By name; index 0 when there is none. */
gboolean net_link_get(NetNl *nl, const char *name, NetLink *ret, GError **error);

/* All interfaces; GArray of NetLink. */
GArray *net_link_list(NetNl *nl, GError **error);

/* Deletes by name; one that is already gone is success. */
gboolean net_link_delete(NetNl *nl, const char *name, GError **error);

/* Deletes any number at once, which takes hardly longer than one; those already gone are fine.
 * group is a number that no other interface has as its group. */
gboolean net_link_delete_all(NetNl *nl, const GPtrArray *names, uint32_t group, GError **error);

/* IPv4 address of an interface, the first primary one; len 0 when it has none. */
gboolean net_link_address(NetNl *nl, int index, NetCidr *ret, GError **error);

/* Everything that a new subnet must stay clear of: the host's addresses, its routes (but the
 * default route) and the name servers in resolv.conf. GArray of NetCidr. */
GArray *net_used_subnets(NetNl *nl, GError **error);

/* A bridge with our mark and a fixed MAC address; down, without address. */
gboolean net_bridge_create(NetNl *nl, const char *name, int mtu, GError **error);

/* Adds address to an interface and raises it. */
gboolean net_link_setup(NetNl *nl, int index, NetCidr address, GError **error);
gboolean net_link_drop_address(NetNl *nl, int index, NetCidr address, GError **error);

typedef struct {
	const char *name; /* host side */
	int netns;        /* where the peer, eth0, is made */
	int bridge;
	int mtu;
	gboolean isolated; /* may not talk to other isolated ports */
} NetVeth;

/* A veth pair, both ends down. */
gboolean net_veth_create(NetNl *nl, const NetVeth *v, int *ret_index, GError **error);

/* Makes an existing veth a port of the bridge again (one that lost its bridge). */
gboolean net_veth_enslave(NetNl *nl, int index, const NetVeth *v, GError **error);

gboolean net_loopback_up(NetNl *nl, GError **error);

/* Raises one end of a veth pair. */
gboolean net_link_up(NetNl *nl, int index, GError **error);

/* Waits until a carrier that has just come up can be used. */
gboolean net_link_settle(NetNl *nl, const char *name, GError **error);

/* Address, MAC and default route of eth0; nl is a socket of its namespace. */
gboolean net_container_setup(NetNl *nl, int index, NetCidr address, const uint8_t mac[6],
	uint32_t gateway, GError **error);

/* Tells bridge and neighbour table at once where the address now lives: what they learned from an
 * earlier container with it would mislead the first packets. */
gboolean net_port_announce(
	NetNl *nl, int index, int bridge, uint32_t ip, const uint8_t mac[6], GError **error);

/* From now on nothing passes: the address may be given to another container although this veth
 * still exists. A veth that is gone is success. */
gboolean net_port_off(NetNl *nl, const char *name, GError **error);

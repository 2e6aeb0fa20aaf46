/* SPDX-License-Identifier: MIT */
/*
 * namespace.h - network namespaces and veth pairs, made in the background before they are needed.
 */
#pragma once

#include "network/link.h"

typedef struct NetPool NetPool;

/* A namespace whose loopback is up, and what lies in it. */
typedef struct {
	int netns;
	NetNl *nl; /* inside the namespace */
	char veth[NET_IFNAME];
	int host_index, peer_index;
} NetSlot;

void net_slot_free(NetSlot *s); /* closes; the veth pair dies with its namespace */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetSlot, net_slot_free)

typedef struct {
	int bridge, mtu;
	gboolean isolated;
	guint depth;      /* slots with a veth kept ready */
	guint bare_depth; /* slots without */
} NetPoolConfig;

/* A netlink socket of that namespace. */
NetNl *net_namespace_socket(int netns, GError **error);

/* Starts the thread that fills it, from the first net_pool_refill on. The thread works in the
 * network namespace of the caller. */
NetPool *net_pool_new(const NetPoolConfig *config, GError **error);

/* Ends the thread, after the deletions that were asked for, and removes what was kept ready. */
void net_pool_free(NetPool *p);

/* A slot from the pool, or as soon as the thread has made one. */
NetSlot *net_pool_take(NetPool *p, GError **error);

/* A namespace with nothing but its loopback. Descriptor or -1. */
int net_pool_take_bare(NetPool *p, GError **error);

/* A namespace that the caller brings (and keeps), furnished like one of ours, with a veth or
 * without. */
NetSlot *net_pool_furnish(NetPool *p, int netns, gboolean veth, GError **error);

/* Deletes a veth in the background: now, or later if its namespace has not taken it along by then.
 */
void net_pool_discard(NetPool *p, const char *veth, gboolean now);

/* Lets the thread make up for what was taken, soon; not done by taking itself, so that it does not
 * compete with the use of it. */
void net_pool_refill(NetPool *p);

/* From now on slots are for this bridge; those that are ready are thrown away. */
void net_pool_set_bridge(NetPool *p, int bridge);

/* Whether a veth of this name is being made, kept ready or to be deleted: its owner is the pool. */
gboolean net_pool_owns(NetPool *p, const char *veth);

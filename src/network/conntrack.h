/* SPDX-License-Identifier: MIT */
/* conntrack.h - making the kernel forget UDP flows when what they lead to changes. */
#pragma once

#include "network/ports.h"

#include "network/netlink.h"

/* A UDP flow that goes on keeps the translation it began with, be it none: packets to a port that
 * was published since then would pass it by (arriving), or go on to a container that is gone (not
 * arriving). Removes the flows of the UDP mappings among m; best effort, Linux 5.19. nl: a
 * NETLINK_NETFILTER socket. */
void net_conntrack_forget(NetNl *nl, const NetMapping *m, guint n, gboolean arriving);

/* SPDX-License-Identifier: MIT */
/*
 * ports.h - host ports: which are published, and the sockets that keep others away from them.
 */
#pragma once

#include "network/address.h"
#include "network/network.h"

typedef struct NetPorts NetPorts;

typedef struct {
	uint32_t host_ip; /* 0: every address */
	uint32_t container_ip;
	uint16_t host_port, container_port;
	uint8_t proto; /* IPPROTO_* */
} NetMapping;

NetPorts *net_ports_new(void);
void net_ports_free(NetPorts *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetPorts, net_ports_free)

/* The numbers behind a NetPort's words; default_ip (may be NULL) where it has no address.
 * DH_ERROR_INVALID. */
gboolean net_port_parse(
	const NetPort *port, const char *default_ip, NetMapping *ret, GError **error);

/* Words for numbers; free with dh_json_free(&net_port_table). */
NetPort *net_port_make(const NetMapping *m);

/* Takes m->host_port (0: any of the ephemeral range), or the first free one up to `end` if that is
 * not 0, and fills it in. The bound socket is appended to socks; an unsupported protocol has none.
 * Thread-safe. */
gboolean net_ports_reserve(NetPorts *p, NetMapping *m, uint16_t end, GArray *socks, GError **error);

/* Notes a port whose socket somebody else holds (after a restart). FALSE if it is taken. */
gboolean net_ports_adopt(NetPorts *p, const NetMapping *m);

void net_ports_release(NetPorts *p, const NetMapping *m);

/* Closes descriptors and empties the array. */
void net_close_all(GArray *socks);

/* SPDX-License-Identifier: MIT */
/* files.h - what goes into hosts and resolv.conf, as text; the writing is in network.h. */
#pragma once

#include "network/network.h"

/* NULL with an error when "host-gateway" is asked for and not known. Caller frees. */
char *net_hosts_text(const NetHosts *h, GError **error);

/* host: the host's resolv.conf. Caller frees. */
char *net_resolv_conf_text(
	const char *host, char *const *dns, char *const *search, char *const *options);

/* The host's only name server is systemd-resolved on a loopback address, out of a container's
 * reach. */
gboolean net_resolv_conf_is_resolved(const char *host);

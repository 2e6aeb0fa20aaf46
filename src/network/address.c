/* SPDX-License-Identifier: MIT */
#include "network/address.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <string.h>

gboolean net_ip_parse(const char *text, uint32_t *ret)
{
	struct in_addr a;
	if (!text || inet_pton(AF_INET, text, &a) != 1)
		return FALSE;
	*ret = ntohl(a.s_addr);
	return TRUE;
}

char *net_ip_text(uint32_t ip)
{
	return g_strdup_printf("%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

gboolean net_cidr_parse(const char *text, NetCidr *ret, GError **error)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	uint32_t ip;
	guint64 len;
	if (slash) {
		g_autofree char *host = g_strndup(text, (gsize)(slash - text));
		if (net_ip_parse(host, &ip) &&
			g_ascii_string_to_unsigned(slash + 1, 10, 0, 32, &len, NULL)) {
			*ret = (NetCidr){ip, (uint8_t)len};
			return TRUE;
		}
	}
	return dh_error(error, DH_ERROR_INVALID, "invalid CIDR address: %s", text ? text : "");
}

char *net_cidr_text(NetCidr c)
{
	g_autofree char *ip = net_ip_text(c.ip);
	return g_strdup_printf("%s/%u", ip, c.len);
}

gboolean net_mac_parse(const char *text, uint8_t mac[6], GError **error)
{
	gboolean ok = strlen(text) == 17;
	for (int i = 0; ok && i < 6; i++) {
		int hi = g_ascii_xdigit_value(text[3 * i]);
		int lo = g_ascii_xdigit_value(text[3 * i + 1]);
		char sep = text[3 * i + 2];
		ok = hi >= 0 && lo >= 0 && (i == 5 ? sep == '\0' : (sep == ':' || sep == '-'));
		if (ok)
			mac[i] = (uint8_t)(hi << 4 | lo);
	}
	if (!ok)
		return dh_error(error, DH_ERROR_INVALID, "%s is not a valid mac address", text);
	return TRUE;
}

char *net_mac_text(const uint8_t mac[6])
{
	return g_strdup_printf(
		"%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

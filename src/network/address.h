/* SPDX-License-Identifier: MIT */
/* address.h - IPv4 addresses and subnets as numbers in host byte order. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct {
	uint32_t ip; /* as written: a host or the network itself */
	uint8_t len; /* 0-32 */
} NetCidr;

static inline uint32_t net_mask(uint8_t len)
{
	return len == 0 ? 0 : 0xffffffffu << (32 - len);
}

static inline uint32_t net_first(NetCidr c)
{
	return c.ip & net_mask(c.len);
}

static inline uint32_t net_last(NetCidr c)
{
	return c.ip | ~net_mask(c.len);
}

static inline gboolean net_contains(NetCidr c, uint32_t ip)
{
	return (ip & net_mask(c.len)) == net_first(c);
}

static inline gboolean net_overlap(NetCidr a, NetCidr b)
{
	uint8_t len = MIN(a.len, b.len);
	return (a.ip & net_mask(len)) == (b.ip & net_mask(len));
}

/* "172.18.0.2", four decimal numbers without leading zeros. */
gboolean net_ip_parse(const char *text, uint32_t *ret);
/* Caller frees. */
char *net_ip_text(uint32_t ip);

/* "172.18.0.1/16". DH_ERROR_INVALID. */
gboolean net_cidr_parse(const char *text, NetCidr *ret, GError **error);
char *net_cidr_text(NetCidr c);

/* "02:42:ac:12:00:02", also with '-'; DH_ERROR_INVALID with Docker's words. */
gboolean net_mac_parse(const char *text, uint8_t mac[6], GError **error);
char *net_mac_text(const uint8_t mac[6]);

/* Docker's: 02:42 and the address. */
static inline void net_mac_from_ip(uint32_t ip, uint8_t mac[6])
{
	mac[0] = 0x02;
	mac[1] = 0x42;
	for (int i = 0; i < 4; i++)
		mac[2 + i] = (uint8_t)(ip >> (24 - 8 * i));
}

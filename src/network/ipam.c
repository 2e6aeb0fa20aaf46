/* SPDX-License-Identifier: MIT */
#include "network/ipam.h"

#include "base/error.h"

#include <string.h>

#define IPAM_MIN_LEN 8 /* a bitmap of 2 MB, touched only where addresses are in use */

struct NetIpam {
	NetCidr subnet, range;
	uint32_t gateway;
	char *name;
	uint64_t *used; /* one bit an address of the subnet */
};

static gboolean is_used(const NetIpam *m, uint32_t ip)
{
	uint32_t i = ip - net_first(m->subnet);
	return m->used[i / 64] >> (i % 64) & 1;
}

static void mark(NetIpam *m, uint32_t ip)
{
	uint32_t i = ip - net_first(m->subnet);
	m->used[i / 64] |= 1ULL << (i % 64);
}

NetIpam *net_ipam_new(
	NetCidr subnet, NetCidr range, uint32_t gateway, const char *name, GError **error)
{
	g_autofree char *subnet_text = net_cidr_text((NetCidr){net_first(subnet), subnet.len});
	if (subnet.len < IPAM_MIN_LEN || subnet.len > 30) {
		dh_error(error, DH_ERROR_INVALID, "subnet %s must be between /%d and /30 in size",
			subnet_text, IPAM_MIN_LEN);
		return NULL;
	}
	if (range.len < subnet.len || !net_contains(subnet, range.ip)) {
		g_autofree char *range_text = net_cidr_text(range);
		dh_error(error, DH_ERROR_INVALID,
			"invalid fixed CIDR %s: it is not part of the subnet %s", range_text,
			subnet_text);
		return NULL;
	}
	NetIpam *m = g_new0(NetIpam, 1);
	m->subnet = subnet;
	m->range = range;
	m->gateway = gateway;
	m->name = g_strdup(name);
	size_t n = (size_t)1 << (32 - subnet.len);
	m->used = g_new0(uint64_t, (n + 63) / 64);
	mark(m, net_first(subnet));
	mark(m, net_last(subnet));
	mark(m, gateway);
	return m;
}

void net_ipam_free(NetIpam *m)
{
	if (!m)
		return;
	g_free(m->name);
	g_free(m->used);
	g_free(m);
}

gboolean net_ipam_any(NetIpam *m, uint32_t *ret, GError **error)
{
	uint32_t base = net_first(m->subnet), last = net_last(m->range);
	for (uint32_t ip = net_first(m->range); ip <= last;) {
		uint32_t i = ip - base;
		/* Skip words that are full. */
		if (i % 64 == 0 && m->used[i / 64] == UINT64_MAX) {
			ip += 64;
			continue;
		}
		if (!is_used(m, ip)) {
			mark(m, ip);
			*ret = ip;
			return TRUE;
		}
		ip++;
	}
	return dh_error(error, DH_ERROR_FORBIDDEN,
		"no available IPv4 addresses on this network's address pools: %s", m->name);
}

gboolean net_ipam_take(NetIpam *m, uint32_t ip, GError **error)
{
	g_autofree char *text = net_ip_text(ip);
	if (!net_contains(m->subnet, ip))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid address %s: It does not belong to any of this network's subnets",
			text);
	if (is_used(m, ip))
		return dh_error(error, DH_ERROR_FORBIDDEN, "Address already in use");
	mark(m, ip);
	return TRUE;
}

void net_ipam_release(NetIpam *m, uint32_t ip)
{
	if (!net_contains(m->subnet, ip) || ip == m->gateway || ip == net_first(m->subnet) ||
		ip == net_last(m->subnet))
		return;
	uint32_t i = ip - net_first(m->subnet);
	m->used[i / 64] &= ~(1ULL << (i % 64));
}

/* Docker's default address pools. */
static const struct {
	uint32_t first;
	uint8_t len;
	uint32_t step, n;
} pools[] = {
	{0xac110000, 16, 1U << 16, 15}, /* 172.17.0.0/16 ... 172.31.0.0/16 */
	{0xc0a80000, 20, 1U << 12, 16}, /* 192.168.0.0/20 ... 192.168.240.0/20 */
};

gboolean net_subnet_choose(const GArray *used, NetCidr *ret, GError **error)
{
	for (size_t p = 0; p < G_N_ELEMENTS(pools); p++) {
		for (uint32_t i = 0; i < pools[p].n; i++) {
			NetCidr c = {pools[p].first + i * pools[p].step, pools[p].len};
			gboolean free_ = TRUE;
			for (guint u = 0; free_ && u < used->len; u++)
				free_ = !net_overlap(c, g_array_index(used, NetCidr, u));
			if (free_) {
				*ret = c;
				return TRUE;
			}
		}
	}
	return dh_error(error, DH_ERROR_FORBIDDEN,
		"could not find an available, non-overlapping IPv4 address pool among the defaults "
		"to "
		"assign to the network");
}

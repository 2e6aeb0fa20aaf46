/* SPDX-License-Identifier: MIT */
#include "network/link.h"

#include "base/error.h"
#include "base/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/random.h>

#define BRIDGE_MARK "dhow"
#define RESOLV_CONF_MAX 65536

gboolean net_is_our_veth(const char *name)
{
	if (strlen(name) != 12 || name[0] != 'd' || name[1] != 'h')
		return FALSE;
	return strspn(name + 2, "0123456789abcdef") == 10;
}

gboolean net_link_is_our_bridge(const NetLink *l)
{
	return l->index && strcmp(l->kind, "bridge") == 0 && strcmp(l->alias, BRIDGE_MARK) == 0;
}

/* A link request about an index or, with 0, about a name. */
static struct ifinfomsg *put_link(
	NetNl *nl, uint16_t type, uint16_t flags, int index, const char *name, const char *what)
{
	struct nlmsghdr *nlh = net_nl_add(nl, type, flags, what);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = index;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return ifi;
}

static struct nlmsghdr *msg_of(struct ifinfomsg *ifi)
{
	return (struct nlmsghdr *)((char *)ifi - MNL_NLMSG_HDRLEN);
}

static void copy_string(char *dst, size_t size, const struct nlattr *attr)
{
	size_t n = MIN(mnl_attr_get_payload_len(attr), size - 1);
	memcpy(dst, mnl_attr_get_payload(attr), n);
	dst[n] = '\0';
}

static void parse_link(const struct nlmsghdr *nlh, NetLink *l)
{
	if (nlh->nlmsg_type != RTM_NEWLINK ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(struct ifinfomsg))
		return;
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	*l = (NetLink){.index = ifi->ifi_index, .up = (ifi->ifi_flags & IFF_UP) != 0};
	struct nlattr *attr, *sub;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi))
	{
		int type = mnl_attr_get_type(attr);
		if (type == IFLA_IFNAME)
			copy_string(l->name, sizeof(l->name), attr);
		else if (type == IFLA_IFALIAS)
			copy_string(l->alias, sizeof(l->alias), attr);
		else if (type == IFLA_MASTER && mnl_attr_get_payload_len(attr) >= 4)
			l->master = (int)mnl_attr_get_u32(attr);
		else if (type == IFLA_MTU && mnl_attr_get_payload_len(attr) >= 4)
			l->mtu = (int)mnl_attr_get_u32(attr);
		else if (type == IFLA_LINKINFO)
			mnl_attr_for_each_nested(sub, attr)
			{
				if (mnl_attr_get_type(sub) == IFLA_INFO_KIND)
					copy_string(l->kind, sizeof(l->kind), sub);
			}
	}
}

static void on_one_link(const struct nlmsghdr *nlh, void *arg)
{
	parse_link(nlh, arg);
}

gboolean net_link_get(NetNl *nl, const char *name, NetLink *ret, GError **error)
{
	*ret = (NetLink){0};
	net_nl_begin(nl);
	put_link(nl, RTM_GETLINK, 0, 0, name, "look up interface");
	net_nl_tolerate(nl, ENODEV);
	return net_nl_query(nl, on_one_link, ret, error) == 0;
}

static void on_listed_link(const struct nlmsghdr *nlh, void *arg)
{
	NetLink l = {0};
	parse_link(nlh, &l);
	if (l.index)
		g_array_append_val((GArray *)arg, l);
}

GArray *net_link_list(NetNl *nl, GError **error)
{
	g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(NetLink));
	if (!net_nl_dump(nl, RTM_GETLINK, AF_UNSPEC, on_listed_link, all, error))
		return NULL;
	return g_steal_pointer(&all);
}

gboolean net_link_delete(NetNl *nl, const char *name, GError **error)
{
	net_nl_begin(nl);
	put_link(nl, RTM_DELLINK, 0, 0, name, "delete interface");
	net_nl_tolerate(nl, ENODEV);
	return net_nl_send(nl, error) == 0;
}

#define DELETE_CHUNK 60

gboolean net_link_delete_all(NetNl *nl, const GPtrArray *names, uint32_t group, GError **error)
{
	for (guint i = 0; i < names->len;) {
		net_nl_begin(nl);
		for (guint k = 0; k < DELETE_CHUNK && i < names->len; k++, i++) {
			struct ifinfomsg *ifi = put_link(
				nl, RTM_SETLINK, 0, 0, names->pdata[i], "delete interface");
			mnl_attr_put_u32(msg_of(ifi), IFLA_GROUP, group);
			net_nl_tolerate(nl, ENODEV);
		}
		struct ifinfomsg *ifi = put_link(nl, RTM_DELLINK, 0, 0, NULL, "delete interface");
		mnl_attr_put_u32(msg_of(ifi), IFLA_GROUP, group);
		net_nl_tolerate(nl, ENODEV);
		if (net_nl_send(nl, error) != 0)
			return FALSE;
	}
	return TRUE;
}

/* ---- addresses and routes ---- */

typedef struct {
	int index; /* or 0: any */
	GArray *out;
	NetCidr first;
} AddressScan;

static uint32_t attr_ip(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 4 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static void on_address(const struct nlmsghdr *nlh, void *arg)
{
	AddressScan *scan = arg;
	if (nlh->nlmsg_type != RTM_NEWADDR ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(struct ifaddrmsg))
		return;
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	if (ifa->ifa_family != AF_INET || (scan->index && (int)ifa->ifa_index != scan->index))
		return;
	NetCidr local = {0, ifa->ifa_prefixlen}, peer = local;
	struct nlattr *attr;
	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		if (mnl_attr_get_type(attr) == IFA_LOCAL)
			local.ip = attr_ip(attr);
		else if (mnl_attr_get_type(attr) == IFA_ADDRESS)
			peer.ip = attr_ip(attr);
	}
	if (scan->out) {
		g_array_append_val(scan->out, peer);
		if (local.ip != peer.ip && local.ip) {
			local.len = 32;
			g_array_append_val(scan->out, local);
		}
	} else if (scan->first.len == 0 && !(ifa->ifa_flags & IFA_F_SECONDARY)) {
		scan->first = local.ip ? local : peer;
	}
}

static void on_route(const struct nlmsghdr *nlh, void *arg)
{
	if (nlh->nlmsg_type != RTM_NEWROUTE ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(struct rtmsg))
		return;
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	if (rt->rtm_family != AF_INET || rt->rtm_dst_len == 0)
		return;
	NetCidr c = {0, rt->rtm_dst_len};
	struct nlattr *attr;
	mnl_attr_for_each(attr, nlh, sizeof(*rt))
	{
		if (mnl_attr_get_type(attr) == RTA_DST)
			c.ip = attr_ip(attr);
	}
	/* Two halves of everything are a default route in disguise (VPNs). */
	if (c.len > 1)
		g_array_append_val((GArray *)arg, c);
}

static void add_name_servers(GArray *used)
{
	g_autofree char *text =
		dh_read_file(AT_FDCWD, "/etc/resolv.conf", RESOLV_CONF_MAX, NULL, NULL);
	if (!text)
		return;
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++) {
		char *s = g_strstrip(*line);
		NetCidr c = {0, 32};
		if (g_str_has_prefix(s, "nameserver") && net_ip_parse(g_strchug(s + 10), &c.ip))
			g_array_append_val(used, c);
	}
}

GArray *net_used_subnets(NetNl *nl, GError **error)
{
	g_autoptr(GArray) used = g_array_new(FALSE, FALSE, sizeof(NetCidr));
	AddressScan scan = {.out = used};
	if (!net_nl_dump(nl, RTM_GETADDR, AF_INET, on_address, &scan, error) ||
		!net_nl_dump(nl, RTM_GETROUTE, AF_INET, on_route, used, error))
		return NULL;
	add_name_servers(used);
	return g_steal_pointer(&used);
}

gboolean net_link_address(NetNl *nl, int index, NetCidr *ret, GError **error)
{
	AddressScan scan = {.index = index};
	if (!net_nl_dump(nl, RTM_GETADDR, AF_INET, on_address, &scan, error))
		return FALSE;
	*ret = scan.first;
	return TRUE;
}

static void put_address(NetNl *nl, uint16_t type, uint16_t flags, int index, NetCidr c)
{
	struct nlmsghdr *nlh = net_nl_add(nl, type, flags, "set address");
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = c.len;
	ifa->ifa_index = (uint32_t)index;
	mnl_attr_put_u32(nlh, IFA_LOCAL, htonl(c.ip));
	mnl_attr_put_u32(nlh, IFA_ADDRESS, htonl(c.ip));
	mnl_attr_put_u32(nlh, IFA_BROADCAST, htonl(net_last(c)));
}

static void put_up(NetNl *nl, int index, const char *what)
{
	struct ifinfomsg *ifi = put_link(nl, RTM_NEWLINK, 0, index, NULL, what);
	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
}

/* No link-local IPv6 address, hence no duplicate detection and no multicast chatter on a bridge
 * port. */
static void put_no_ipv6(struct nlmsghdr *nlh)
{
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
}

/* ---- the bridge ---- */

gboolean net_bridge_create(NetNl *nl, const char *name, int mtu, GError **error)
{
	uint8_t mac[6];
	if (getrandom(mac, sizeof(mac), 0) != sizeof(mac))
		return dh_error_errno(error, errno, "cannot get random bytes");
	mac[0] = 0x02;
	mac[1] = 0x42;
	net_nl_begin(nl);
	struct ifinfomsg *ifi =
		put_link(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, name, "create bridge");
	struct nlmsghdr *nlh = msg_of(ifi);
	/* A fixed address: a bridge without one takes the lowest of its ports and changes it as
	 * containers come and go. */
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(mac), mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, (uint32_t)mtu);
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(nlh, info);
	/* The mark cannot be given at creation. Same batch, so nothing comes between. */
	ifi = put_link(nl, RTM_SETLINK, 0, 0, name, "mark bridge");
	mnl_attr_put_strz(msg_of(ifi), IFLA_IFALIAS, BRIDGE_MARK);
	return net_nl_send(nl, error) == 0;
}

gboolean net_link_setup(NetNl *nl, int index, NetCidr address, GError **error)
{
	net_nl_begin(nl);
	if (address.len)
		put_address(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, address);
	put_up(nl, index, "raise bridge");
	return net_nl_send(nl, error) == 0;
}

gboolean net_link_drop_address(NetNl *nl, int index, NetCidr address, GError **error)
{
	net_nl_begin(nl);
	put_address(nl, RTM_DELADDR, 0, index, address);
	net_nl_tolerate(nl, EADDRNOTAVAIL);
	return net_nl_send(nl, error) == 0;
}

/* ---- veth pairs ---- */

static void put_port_options(NetNl *nl, int index, gboolean isolated)
{
	struct ifinfomsg *ifi = put_link(nl, RTM_SETLINK, 0, index, NULL, "configure bridge port");
	ifi->ifi_family = AF_BRIDGE;
	struct nlmsghdr *nlh = msg_of(ifi);
	struct nlattr *port = mnl_attr_nest_start(nlh, IFLA_PROTINFO);
	/* With br_netfilter a container that calls its own published port is answered on the port
	 * the packet came from. */
	mnl_attr_put_u8(nlh, IFLA_BRPORT_MODE, 1);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_ISOLATED, isolated ? 1 : 0);
	mnl_attr_nest_end(nlh, port);
}

gboolean net_veth_create(NetNl *nl, const NetVeth *v, int *ret_index, GError **error)
{
	net_nl_begin(nl);
	struct ifinfomsg *ifi =
		put_link(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, v->name, "create veth");
	struct nlmsghdr *nlh = msg_of(ifi);
	mnl_attr_put_u32(nlh, IFLA_MASTER, (uint32_t)v->bridge);
	mnl_attr_put_u32(nlh, IFLA_MTU, (uint32_t)v->mtu);
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "eth0");
	mnl_attr_put_u32(nlh, IFLA_MTU, (uint32_t)v->mtu);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)v->netns);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	ifi = put_link(nl, RTM_SETLINK, 0, 0, v->name, "configure veth");
	put_no_ipv6(msg_of(ifi));
	net_nl_tolerate(nl, EAFNOSUPPORT);
	net_nl_tolerate(nl, EOPNOTSUPP);
	g_autoptr(GError) failed = NULL;
	int r = net_nl_send(nl, &failed);
	if (r == -EXFULL)
		return dh_error(error, DH_ERROR_SYSTEM,
			"the bridge has no port left for a container: it has as many as the kernel "
			"allows it, 1023");
	if (r != 0) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	NetLink l;
	if (!net_link_get(nl, v->name, &l, error))
		return FALSE;
	if (!l.index)
		return dh_error(error, DH_ERROR_SYSTEM, "interface %s has vanished", v->name);
	net_nl_begin(nl);
	put_port_options(nl, l.index, v->isolated);
	if (net_nl_send(nl, error) != 0) {
		net_link_delete(nl, v->name, NULL);
		return FALSE;
	}
	*ret_index = l.index;
	return TRUE;
}

gboolean net_veth_enslave(NetNl *nl, int index, const NetVeth *v, GError **error)
{
	net_nl_begin(nl);
	struct ifinfomsg *ifi = put_link(nl, RTM_SETLINK, 0, index, NULL, "join bridge");
	mnl_attr_put_u32(msg_of(ifi), IFLA_MASTER, (uint32_t)v->bridge);
	put_port_options(nl, index, v->isolated);
	return net_nl_send(nl, error) == 0;
}

gboolean net_link_up(NetNl *nl, int index, GError **error)
{
	net_nl_begin(nl);
	put_up(nl, index, "raise interface");
	return net_nl_send(nl, error) == 0;
}

gboolean net_loopback_up(NetNl *nl, GError **error)
{
	return net_link_up(nl, 1, error);
}

gboolean net_link_settle(NetNl *nl, const char *name, GError **error)
{
	/* Asking for an interface makes the kernel finish what the carrier's coming set off (the
	 * queue starts, a bridge port begins to forward) before it answers: since Linux 6.8. */
	NetLink l;
	return net_link_get(nl, name, &l, error);
}

gboolean net_container_setup(NetNl *nl, int index, NetCidr address, const uint8_t mac[6],
	uint32_t gateway, GError **error)
{
	net_nl_begin(nl);
	put_address(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address);
	struct ifinfomsg *ifi = put_link(nl, RTM_SETLINK, 0, index, NULL, "set MAC address");
	mnl_attr_put(msg_of(ifi), IFLA_ADDRESS, 6, mac);
	struct nlmsghdr *nlh =
		net_nl_add(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "set default route");
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = AF_INET;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = RTPROT_BOOT;
	rt->rtm_scope = RT_SCOPE_UNIVERSE;
	rt->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(nlh, RTA_GATEWAY, htonl(gateway));
	mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)index);
	return net_nl_send(nl, error) == 0;
}

static void put_neighbour(NetNl *nl, int family, int index, uint16_t state, uint8_t flags,
	const uint8_t mac[6], const uint32_t *ip)
{
	struct nlmsghdr *nlh =
		net_nl_add(nl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, "announce address");
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(nlh, sizeof(*nd));
	nd->ndm_family = (uint8_t)family;
	nd->ndm_ifindex = index;
	nd->ndm_state = state;
	nd->ndm_flags = flags;
	mnl_attr_put(nlh, NDA_LLADDR, 6, mac);
	if (ip)
		mnl_attr_put_u32(nlh, NDA_DST, htonl(*ip));
}

gboolean net_port_announce(
	NetNl *nl, int index, int bridge, uint32_t ip, const uint8_t mac[6], GError **error)
{
	net_nl_begin(nl);
	put_neighbour(nl, AF_BRIDGE, index, NUD_REACHABLE, NTF_MASTER, mac, NULL);
	/* A hint and no more: a port that does not forward yet is learned from its first packet. */
	net_nl_tolerate(nl, EPERM);
	put_neighbour(nl, AF_INET, bridge, NUD_STALE, 0, mac, &ip);
	net_nl_tolerate(nl, ENOBUFS);
	return net_nl_send(nl, error) == 0;
}

gboolean net_port_off(NetNl *nl, const char *name, GError **error)
{
	/* AF_BRIDGE requests are addressed by index alone. */
	int index = (int)if_nametoindex(name);
	if (!index)
		return TRUE;
	net_nl_begin(nl);
	struct ifinfomsg *ifi = put_link(nl, RTM_SETLINK, 0, index, NULL, "disable bridge port");
	ifi->ifi_family = AF_BRIDGE;
	struct nlmsghdr *nlh = msg_of(ifi);
	struct nlattr *port = mnl_attr_nest_start(nlh, IFLA_PROTINFO);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_STATE, BR_STATE_DISABLED);
	mnl_attr_put(nlh, IFLA_BRPORT_FLUSH, 0, NULL);
	mnl_attr_nest_end(nlh, port);
	net_nl_tolerate(nl, ENODEV);
	net_nl_tolerate(nl, EOPNOTSUPP);
	return net_nl_send(nl, error) == 0;
}

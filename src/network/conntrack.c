/* SPDX-License-Identifier: MIT */
#include "network/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

/* Which parts of a tuple a filter compares (CTA_FILTER_*_FLAGS); the kernel's public headers have
 * the attribute but not its bits. */
enum {
	MATCH_SRC = 1 << 0,
	MATCH_DST = 1 << 1,
	MATCH_PROTO = 1 << 3,
	MATCH_SRC_PORT = 1 << 4,
	MATCH_DST_PORT = 1 << 5,
};

static void put_tuple(struct nlmsghdr *nlh, uint16_t type, uint16_t ip_attr, uint32_t ip,
	uint16_t port_attr, uint16_t port)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, type);
	if (ip) {
		struct nlattr *nest = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
		mnl_attr_put_u32(nlh, ip_attr, htonl(ip));
		mnl_attr_nest_end(nlh, nest);
	}
	struct nlattr *nest = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_UDP);
	mnl_attr_put_u16(nlh, port_attr, htons(port));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, tuple);
}

static void forget_one(NetNl *nl, const NetMapping *m, gboolean arriving)
{
	net_nl_begin(nl);
	struct nlmsghdr *nlh = net_nl_add(
		nl, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0, "forget UDP flows");
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_INET;
	nfg->version = NFNETLINK_V0;
	uint32_t orig = 0, reply = 0;
	if (arriving) {
		orig = MATCH_PROTO | MATCH_DST_PORT | (m->host_ip ? MATCH_DST : 0);
		put_tuple(nlh, CTA_TUPLE_ORIG, CTA_IP_V4_DST, m->host_ip, CTA_PROTO_DST_PORT,
			m->host_port);
	} else {
		reply = MATCH_PROTO | MATCH_SRC | MATCH_SRC_PORT;
		put_tuple(nlh, CTA_TUPLE_REPLY, CTA_IP_V4_SRC, m->container_ip, CTA_PROTO_SRC_PORT,
			m->container_port);
	}
	struct nlattr *filter = mnl_attr_nest_start(nlh, CTA_FILTER);
	mnl_attr_put_u32(nlh, CTA_FILTER_ORIG_FLAGS, orig);
	mnl_attr_put_u32(nlh, CTA_FILTER_REPLY_FLAGS, reply);
	mnl_attr_nest_end(nlh, filter);
	net_nl_send(nl, NULL);
}

void net_conntrack_forget(NetNl *nl, const NetMapping *m, guint n, gboolean arriving)
{
	for (guint i = 0; i < n; i++)
		if (m[i].proto == IPPROTO_UDP)
			forget_one(nl, &m[i], arriving);
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: the kernel tells the members of NFNLGRP_NFTABLES what each transaction
 * changed, object by object, and closes it with the number of the new generation. What was deleted
 * from our table is remembered until then, so that a flush of a thousand objects is one call. Our
 * own elements come and go with every container; their messages carry the port of our socket and
 * are passed over.
 */
#include "network/firewall_watch.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { BUFFER = 64 * 1024, SOCKET_BUFFER = 1 << 20 };

struct NetFirewallWatch {
	char *table;
	uint32_t own_port;
	void (*fn)(void *arg);
	void *arg;
	int fd, stop;
	GThread *thread;
	gboolean suspicious; /* in the transaction that is being told */
	char buffer[BUFFER] __attribute__((aligned(8)));
};

/* The table's name is the first attribute of tables, chains, rules, sets and elements alike. */
G_STATIC_ASSERT((int)NFTA_TABLE_NAME == (int)NFTA_CHAIN_TABLE);
G_STATIC_ASSERT((int)NFTA_TABLE_NAME == (int)NFTA_RULE_TABLE);
G_STATIC_ASSERT((int)NFTA_TABLE_NAME == (int)NFTA_SET_TABLE);
G_STATIC_ASSERT((int)NFTA_TABLE_NAME == (int)NFTA_SET_ELEM_LIST_TABLE);

static gboolean is_deletion(const struct nlmsghdr *nlh)
{
	switch (nlh->nlmsg_type & 0xff) {
	case NFT_MSG_DELTABLE:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_DELRULE:
	case NFT_MSG_DELSET:
	case NFT_MSG_DELSETELEM:
		return TRUE;
	default:
		return FALSE;
	}
}

static gboolean is_ours(const NetFirewallWatch *w, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME)
			return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
			       strcmp(mnl_attr_get_str(attr), w->table) == 0;
	}
	return FALSE;
}

static void take(NetFirewallWatch *w, const struct nlmsghdr *nlh)
{
	if (nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
		return;
	if ((nlh->nlmsg_type & 0xff) == NFT_MSG_NEWGEN) {
		if (w->suspicious)
			w->fn(w->arg);
		w->suspicious = FALSE;
	} else if (nlh->nlmsg_pid != w->own_port && is_deletion(nlh) && is_ours(w, nlh)) {
		w->suspicious = TRUE;
	}
}

static void receive(NetFirewallWatch *w)
{
	struct sockaddr_nl from = {0};
	socklen_t len = sizeof from;
	ssize_t n = recvfrom(
		w->fd, w->buffer, sizeof w->buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
	if (n < 0 && errno == ENOBUFS) {
		w->suspicious = FALSE;
		w->fn(w->arg);
	}
	if (n <= 0 || from.nl_pid != 0)
		return;
	int left = (int)n;
	for (struct nlmsghdr *nlh = (struct nlmsghdr *)w->buffer; mnl_nlmsg_ok(nlh, left);
		nlh = mnl_nlmsg_next(nlh, &left))
		take(w, nlh);
}

static void *watch(void *arg)
{
	NetFirewallWatch *w = arg;
	struct pollfd p[] = {{w->fd, POLLIN, 0}, {w->stop, POLLIN, 0}};
	for (;;) {
		if (poll(p, G_N_ELEMENTS(p), -1) < 0 && errno != EINTR)
			return NULL;
		if (p[1].revents)
			return NULL;
		if (p[0].revents)
			receive(w);
	}
}

NetFirewallWatch *net_firewall_watch_new(
	const char *table, uint32_t own_port, void (*fn)(void *arg), void *arg, GError **error)
{
	NetFirewallWatch *w = g_new0(NetFirewallWatch, 1);
	w->table = g_strdup(table);
	w->own_port = own_port;
	w->fn = fn;
	w->arg = arg;
	w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	w->stop = eventfd(0, EFD_CLOEXEC);
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
	int group = NFNLGRP_NFTABLES, room = SOCKET_BUFFER;
	if (w->fd < 0 || w->stop < 0 || bind(w->fd, (struct sockaddr *)&sa, sizeof sa) < 0 ||
		setsockopt(w->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
		dh_error_errno(error, errno, "cannot watch the firewall");
		net_firewall_watch_free(w);
		return NULL;
	}
	(void)setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	w->thread = g_thread_new("firewall", watch, w);
	return w;
}

void net_firewall_watch_free(NetFirewallWatch *w)
{
	if (!w)
		return;
	if (w->thread) {
		eventfd_write(w->stop, 1);
		g_thread_join(w->thread);
	}
	dh_close(&w->fd);
	dh_close(&w->stop);
	g_free(w->table);
	g_free(w);
}

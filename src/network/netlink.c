/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The kernel works a request off inside sendmsg(2), in the sender's own context, so that every
 * reply is queued on the socket by the time it returns. Replies are therefore read without ever
 * waiting: a reply that is not there is a broken promise, not a reason to sleep.
 *
 * Messages are numbered; a reply is matched to its message by that number. A failed message does
 * not stop the ones behind it (rtnetlink) or undoes all of them (nftables, which wraps them in a
 * transaction). When the kernel refuses a transaction as a whole it answers with the number of the
 * opening message, for which no reply was asked: that ends the reading as well.
 */
#include "network/netlink.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NL_BUF 16384
#define NL_ROOM 8192
#define NL_MAX_MSGS 64
#define NL_DUMP_BUF 32768
#define NL_MAX_DUMPS 8

typedef struct {
	const char *what;
	int tolerated[2];
	gboolean no_reply, done;
} Pending;

struct NetNl {
	int fd;
	uint32_t seq; /* of the first message of the batch */
	struct nlmsghdr *last;
	size_t used; /* bytes before `last` */
	guint n;
	Pending pending[NL_MAX_MSGS];
	char buf[NL_BUF] __attribute__((aligned(8)));
};

NetNl *net_nl_new(int bus, GError **error)
{
	dh_autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, bus);
	if (fd == -1) {
		dh_error_errno(error, errno, "cannot open a netlink socket");
		return NULL;
	}
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1) {
		dh_error_errno(error, errno, "cannot bind a netlink socket");
		return NULL;
	}
	/* Explanations instead of echoes of the request; old kernels have neither. */
	int one = 1;
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	NetNl *nl = g_new0(NetNl, 1);
	nl->fd = dh_steal_fd(&fd);
	nl->seq = 1;
	return nl;
}

void net_nl_free(NetNl *nl)
{
	if (!nl)
		return;
	dh_close(&nl->fd);
	g_free(nl);
}

void net_nl_begin(NetNl *nl)
{
	nl->seq += nl->n;
	nl->n = 0;
	nl->used = 0;
	nl->last = NULL;
}

static void finish_last(NetNl *nl)
{
	if (nl->last)
		nl->used += MNL_ALIGN(nl->last->nlmsg_len);
	nl->last = NULL;
	/* What a batch holds is decided by this room alone, never by a user. */
	g_assert(nl->used <= NL_BUF);
}

struct nlmsghdr *net_nl_add(NetNl *nl, uint16_t type, uint16_t flags, const char *what)
{
	finish_last(nl);
	g_assert(nl->n < NL_MAX_MSGS && nl->used <= NL_ROOM);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl->buf + nl->used);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = nl->seq + nl->n;
	nl->pending[nl->n++] = (Pending){.what = what};
	nl->last = nlh;
	return nlh;
}

void net_nl_tolerate(NetNl *nl, int errnum)
{
	Pending *p = &nl->pending[nl->n - 1];
	p->tolerated[p->tolerated[0] ? 1 : 0] = errnum;
}

void net_nl_no_reply(NetNl *nl)
{
	nl->pending[nl->n - 1].no_reply = TRUE;
	nl->last->nlmsg_flags &= ~NLM_F_ACK;
}

/* The kernel's sentence about a failure, or NULL. */
static const char *ext_ack_text(const struct nlmsghdr *nlh)
{
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t off = sizeof(*err);
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && err->msg.nlmsg_len >= NLMSG_HDRLEN)
		off += err->msg.nlmsg_len - NLMSG_HDRLEN;
	if (mnl_nlmsg_get_payload_len(nlh) < off)
		return NULL;
	struct nlattr *attr;
	mnl_attr_for_each(attr, nlh, off)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			return mnl_attr_get_str(attr);
	}
	return NULL;
}

static int send_batch(NetNl *nl, GError **error)
{
	finish_last(nl);
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
	ssize_t r;
	do {
		r = sendto(nl->fd, nl->buf, nl->used, 0, (struct sockaddr *)&sa, sizeof(sa));
	} while (r == -1 && errno == EINTR);
	if (r == -1) {
		int e = errno;
		dh_error_errno(error, e, "cannot %s: netlink", nl->pending[0].what);
		return -e;
	}
	return 0;
}

/* Bytes received from the kernel into buf, 0 if nothing is queued, or a negative errno. */
static ssize_t receive(NetNl *nl, void *buf, size_t size, int flags)
{
	for (;;) {
		struct sockaddr_nl sa = {0};
		struct iovec iov = {buf, size};
		struct msghdr msg = {
			.msg_name = &sa,
			.msg_namelen = sizeof(sa),
			.msg_iov = &iov,
			.msg_iovlen = 1,
		};
		ssize_t r = recvmsg(nl->fd, &msg, flags);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return errno == EAGAIN ? 0 : -errno;
		if (sa.nl_pid != 0) /* another process may write to us; only the kernel is heard */
			continue;
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		return r;
	}
}

/* One NLMSG_ERROR. Returns TRUE when no more replies will follow. */
static gboolean take_ack(NetNl *nl, const struct nlmsghdr *nlh, int *ret, GError **error)
{
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nlmsgerr))
		return FALSE;
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	uint32_t i = nlh->nlmsg_seq - nl->seq;
	if (i >= nl->n || nl->pending[i].done)
		return FALSE;
	Pending *p = &nl->pending[i];
	p->done = TRUE;
	int e = -err->error;
	if (e && e != p->tolerated[0] && e != p->tolerated[1] && *ret == 0) {
		const char *text = ext_ack_text(nlh);
		*ret = -e;
		dh_error_errno(error, e, "cannot %s%s%s%s", p->what, text ? " (" : "",
			text ? text : "", text ? ")" : "");
	}
	return e && p->no_reply;
}

static int read_replies(NetNl *nl, NetNlFn fn, void *arg, GError **error)
{
	guint missing = 0;
	for (guint i = 0; i < nl->n; i++)
		missing += !nl->pending[i].no_reply;
	int ret = 0;
	char buf[NL_BUF] __attribute__((aligned(8)));
	while (missing > 0) {
		ssize_t r = receive(nl, buf, sizeof(buf), MSG_DONTWAIT);
		if (r <= 0) {
			int e = r ? (int)-r : EPROTO;
			if (ret == 0) {
				ret = -e;
				dh_error_errno(
					error, e, "cannot %s: netlink reply", nl->pending[0].what);
			}
			return ret;
		}
		int len = (int)r;
		for (struct nlmsghdr *nlh = (struct nlmsghdr *)buf; mnl_nlmsg_ok(nlh, len);
			nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq - nl->seq >= nl->n)
				continue; /* of an earlier batch that was given up */
			if (nlh->nlmsg_type != NLMSG_ERROR) {
				if (fn)
					fn(nlh, arg);
				continue;
			}
			if (take_ack(nl, nlh, &ret, error))
				return ret;
			missing--;
			if (missing == 0)
				break;
		}
	}
	return ret;
}

int net_nl_send(NetNl *nl, GError **error)
{
	return net_nl_query(nl, NULL, NULL, error);
}

int net_nl_query(NetNl *nl, NetNlFn fn, void *arg, GError **error)
{
	if (nl->n == 0)
		return 0;
	int r = send_batch(nl, error);
	if (r == 0)
		r = read_replies(nl, fn, arg, error);
	net_nl_begin(nl);
	return r;
}

/* One pass. 1: done, 0: interrupted by a change, negative errno. */
static int dump_once(NetNl *nl, uint32_t seq, char *buf, NetNlFn fn, void *arg)
{
	gboolean changed = FALSE;
	for (;;) {
		ssize_t r = receive(nl, buf, NL_DUMP_BUF, 0);
		if (r <= 0)
			return r ? (int)r : -EPROTO;
		int len = (int)r;
		for (struct nlmsghdr *nlh = (struct nlmsghdr *)buf; mnl_nlmsg_ok(nlh, len);
			nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != seq)
				continue;
			if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
				changed = TRUE;
			if (nlh->nlmsg_type == NLMSG_DONE)
				return !changed;
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
				return err->error ? err->error : -EPROTO;
			}
			fn(nlh, arg);
		}
	}
}

gboolean net_nl_dump(NetNl *nl, uint16_t type, int family, NetNlFn fn, void *arg, GError **error)
{
	g_autofree char *buf = g_malloc(NL_DUMP_BUF);
	for (int i = 0; i < NL_MAX_DUMPS; i++) {
		net_nl_begin(nl);
		struct nlmsghdr *nlh = net_nl_add(nl, type, NLM_F_DUMP, "list kernel objects");
		nlh->nlmsg_flags &= ~NLM_F_ACK;
		/* Each of link, address and route headers is at most this long and starts with the
		 * family. */
		struct rtmsg *rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
		rt->rtm_family = (unsigned char)family;
		uint32_t seq = nlh->nlmsg_seq;
		if (send_batch(nl, error) != 0)
			return FALSE;
		int r = dump_once(nl, seq, buf, fn, arg);
		net_nl_begin(nl);
		if (r < 0)
			return dh_error_errno(error, -r, "cannot list kernel objects");
		if (r == 1)
			return TRUE;
	}
	/* A table that never stands still: the last pass is as good as any. */
	return TRUE;
}

int net_nl_dump_table(
	NetNl *nl, uint16_t type, const char *table, const char *set, NetNlFn fn, void *arg)
{
	g_autofree char *buf = g_malloc(NL_DUMP_BUF);
	net_nl_begin(nl);
	struct nlmsghdr *nlh = net_nl_add(nl, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type),
		NLM_F_DUMP, "list firewall objects");
	nlh->nlmsg_flags &= ~NLM_F_ACK;
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = NFPROTO_INET;
	nfg->version = NFNETLINK_V0;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
	if (set)
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	uint32_t seq = nlh->nlmsg_seq;
	int r = send_batch(nl, NULL);
	if (r == 0)
		r = dump_once(nl, seq, buf, fn, arg);
	net_nl_begin(nl);
	return MIN(r, 0);
}

uint32_t net_nl_port(NetNl *nl)
{
	struct sockaddr_nl sa = {0};
	socklen_t n = sizeof sa;
	return getsockname(nl->fd, (struct sockaddr *)&sa, &n) == 0 ? sa.nl_pid : 0;
}

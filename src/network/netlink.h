/* SPDX-License-Identifier: MIT */
/*
 * netlink.h - requests to the kernel in batches: several messages, one sendmsg(2), one error.
 *
 * A NetNl is one socket with one request under way. It belongs to the network namespace its maker
 * was in, for good: that is how a namespace is configured without entering it. Not thread-safe:
 * give every thread its own, or lock.
 */
#pragma once

#include <glib.h>
#include <libmnl/libmnl.h>

typedef struct NetNl NetNl;

/* bus: NETLINK_ROUTE or NETLINK_NETFILTER. */
NetNl *net_nl_new(int bus, GError **error);
void net_nl_free(NetNl *nl);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetNl, net_nl_free)

/* Forgets whatever was put together and not sent. */
void net_nl_begin(NetNl *nl);

/* Appends a message (NLM_F_REQUEST and NLM_F_ACK are added) and returns it: headers and attributes
 * are put behind it with mnl_nlmsg_put_extra_header and mnl_attr_put_* until the next call. `what`
 * (a literal) names the deed in errors: "cannot create bridge: ...". At most 8 KiB in 64 messages.
 */
struct nlmsghdr *net_nl_add(NetNl *nl, uint16_t type, uint16_t flags, const char *what);

/* The message added last may fail with this errno without that being an error; call again for more
 * (at most two). */
void net_nl_tolerate(NetNl *nl, int errnum);

/* The message added last gets no reply (the begin and end of an nftables transaction). */
void net_nl_no_reply(NetNl *nl);

/* Sends the batch and reads every reply. The first failure becomes the error, with the kernel's own
 * explanation when it gave one. 0, or the negative errno of that failure. */
int net_nl_send(NetNl *nl, GError **error);

/* One dump request, e.g. RTM_GETROUTE for AF_INET. fn is called with each message; when the kernel
 * says that its tables changed under the dump it starts again, so fn may see a message twice. */
typedef void (*NetNlFn)(const struct nlmsghdr *nlh, void *arg);
gboolean net_nl_dump(NetNl *nl, uint16_t type, int family, NetNlFn fn, void *arg, GError **error);

/* The same for the nftables objects of a table (NFT_MSG_GETCHAIN, ...) or the elements of one of
 * its sets (else set is NULL). 0 or a negative errno: ENOENT when there is no such table or set. */
int net_nl_dump_table(
	NetNl *nl, uint16_t type, const char *table, const char *set, NetNlFn fn, void *arg);

/* The number by which the kernel knows the socket: what a change notification names as its author.
 */
uint32_t net_nl_port(NetNl *nl);

/* One request (built with net_nl_add after net_nl_begin) that is answered by one message before its
 * acknowledgement. 0 or a negative errno. */
int net_nl_query(NetNl *nl, NetNlFn fn, void *arg, GError **error);

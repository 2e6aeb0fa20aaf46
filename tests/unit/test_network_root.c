/* SPDX-License-Identifier: MIT */
/*
 * The network engine against the real kernel. The whole test lives in a network namespace of its
 * own that plays the host, so that nothing of the machine is touched; "outside" is another
 * namespace on the far side of a veth pair. Skipped without the privilege for that.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "network/firewall.h"
#include "network/link.h"
#include "network/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define OUTSIDE_HOST "10.99.0.1"
#define OUTSIDE "10.99.0.2"

static int host_ns = -1, outside_ns = -1;

/* ---- sockets in namespaces ---- */

static int socket_in(int ns, int type)
{
	if (ns != -1)
		assert_int_equal(setns(ns, CLONE_NEWNET), 0);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (ns != -1)
		assert_int_equal(setns(host_ns, CLONE_NEWNET), 0);
	assert_true(fd >= 0);
	return fd;
}

static struct sockaddr_in address(const char *ip, int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	assert_int_equal(inet_pton(AF_INET, ip, &sa.sin_addr), 1);
	return sa;
}

static int serve(int ns, int type, int port)
{
	int fd = socket_in(ns, type), on = 1;
	struct sockaddr_in sa = address("0.0.0.0", port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 64), 0);
	return fd;
}

/* 0, or the errno of a TCP connect from ns; ETIMEDOUT when nothing was heard for `ms`. */
static int try_connect(int ns, const char *ip, int port, int ms)
{
	dh_autofd int fd = socket_in(ns, SOCK_STREAM | SOCK_NONBLOCK);
	struct sockaddr_in sa = address(ip, port);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	if (poll(&p, 1, ms) == 0)
		return ETIMEDOUT;
	int e = 0;
	socklen_t len = sizeof(e);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
	return e;
}

/* Accepts what is waiting and says from where it came. */
static const char *caller(int server)
{
	static char text[INET_ADDRSTRLEN];
	struct pollfd p = {.fd = server, .events = POLLIN};
	if (poll(&p, 1, 20000) != 1)
		return "nobody";
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	int fd = accept(server, (struct sockaddr *)&sa, &len);
	close(fd);
	return inet_ntop(AF_INET, &sa.sin_addr, text, sizeof(text));
}

#define REACHES(ns, ip, port) assert_int_equal(try_connect(ns, ip, port, 20000), 0)
#define DROPPED(ns, ip, port) assert_int_equal(try_connect(ns, ip, port, 250), ETIMEDOUT)
#define REFUSED(ns, ip, port) assert_int_equal(try_connect(ns, ip, port, 3000), ECONNREFUSED)

/* ---- the world ---- */

static NetLink link_named(const char *name)
{
	g_autoptr(NetNl) nl = net_nl_new(NETLINK_ROUTE, NULL);
	NetLink l;
	assert_true(net_link_get(nl, name, &l, NULL));
	return l;
}

static int count_veths(void)
{
	g_autoptr(NetNl) nl = net_nl_new(NETLINK_ROUTE, NULL);
	g_autoptr(GArray) links = net_link_list(nl, NULL);
	int n = 0;
	for (guint i = 0; i < links->len; i++)
		n += net_is_our_veth(g_array_index(links, NetLink, i).name);
	return n;
}

static int count_fds(void)
{
	int n = 0;
	g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
	while (g_dir_read_name(dir))
		n++;
	return n;
}

static gboolean table_exists(const char *bridge)
{
	/* Deleting an element of a table that is there fails with another error; a sync just works.
	 */
	g_autofree char *name = net_firewall_table_name(bridge);
	g_autoptr(NetNl) nl = net_nl_new(NETLINK_NETFILTER, NULL);
	net_nl_begin(nl);
	struct nlmsghdr *nlh = net_nl_add(nl, 10 << 8 | 1 /* NFT_MSG_GETTABLE */, 0, "get table");
	uint32_t *nfgen = mnl_nlmsg_put_extra_header(nlh, 4);
	*(uint8_t *)nfgen = 1; /* NFPROTO_INET */
	mnl_attr_put_strz(nlh, 1 /* NFTA_TABLE_NAME */, name);
	return net_nl_send(nl, NULL) == 0;
}

static void make_outside(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	outside_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	g_autoptr(NetNl) inner = net_nl_new(NETLINK_ROUTE, NULL);
	assert_int_equal(setns(host_ns, CLONE_NEWNET), 0);
	g_autoptr(NetNl) nl = net_nl_new(NETLINK_ROUTE, NULL);
	struct nlmsghdr *nlh =
		net_nl_add(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "create veth");
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "wire0");
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "eth0");
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)outside_ns);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	assert_int_equal(net_nl_send(nl, NULL), 0);
	NetLink wire, eth0;
	NetCidr here, there;
	assert_true(net_cidr_parse(OUTSIDE_HOST "/24", &here, NULL));
	assert_true(net_cidr_parse(OUTSIDE "/24", &there, NULL));
	assert_true(net_link_get(nl, "wire0", &wire, NULL));
	assert_true(net_link_get(inner, "eth0", &eth0, NULL));
	assert_true(net_link_setup(nl, wire.index, here, NULL));
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	assert_true(net_link_up(inner, eth0.index, NULL));
	assert_true(net_container_setup(inner, eth0.index, there, mac, here.ip, NULL));
}

static int make_world(void **state)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) == -1) {
		fprintf(stderr, "skipped: no privilege to create network namespaces\n");
		exit(77);
	}
	host_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	g_autoptr(NetNl) nl = net_nl_new(NETLINK_ROUTE, NULL);
	assert_true(net_loopback_up(nl, NULL));
	make_outside();
	return 0;
}

static NetConfig config_of(const char *bridge)
{
	return (NetConfig){.bridge = bridge, .ip_forward = TRUE, .ip_masq = TRUE, .icc = TRUE};
}

static NetEngine *start(const char *bridge)
{
	NetConfig c = config_of(bridge);
	g_autoptr(GError) error = NULL;
	NetEngine *n = net_engine_new(&c, &error);
	if (!n)
		fail_msg("%s", error->message);
	return n;
}

typedef struct {
	char id[16];
	NetEndpoint *e;
	int ns;
	GArray *socks;
} Box;

static NetPort port(const char *host_ip, int host_port, int container_port)
{
	return (NetPort){.host_ip = (char *)host_ip,
		.host_port = host_port,
		.container_port = container_port,
		.proto = (char *)"tcp"};
}

static gboolean attach(
	NetEngine *n, Box *b, const char *id, NetPort *p, guint n_ports, GError **error)
{
	g_autoptr(GPtrArray) ports = g_ptr_array_new();
	for (guint i = 0; i < n_ports; i++)
		g_ptr_array_add(ports, &p[i]);
	*b = (Box){.ns = -1};
	g_strlcpy(b->id, id, sizeof(b->id));
	b->e = net_attach(n, id, "/name", NULL, NULL, ports, -1, &b->ns, &b->socks, error);
	return b->e != NULL;
}

static Box box(NetEngine *n, const char *id, NetPort *p, guint n_ports)
{
	Box b;
	g_autoptr(GError) error = NULL;
	if (!attach(n, &b, id, p, n_ports, &error))
		fail_msg("%s", error->message);
	return b;
}

/* The process of the container is gone; the engine knows or not. */
static void box_close(Box *b)
{
	dh_close(&b->ns);
	for (guint i = 0; i < b->socks->len; i++)
		close(g_array_index(b->socks, int, i));
	g_array_unref(b->socks);
	dh_json_free(&net_endpoint_table, b->e);
}

static void detach(NetEngine *n, Box *b)
{
	dh_close(&b->ns);
	net_detach(n, b->id, b->e);
	b->ns = -1;
	box_close(b);
}

static void set_bridge_netfilter(const char *value)
{
	dh_write_kernel_file(AT_FDCWD, "/proc/sys/net/bridge/bridge-nf-call-iptables", value);
}

/* ---- tests ---- */

static void bridges(void **state)
{
	NetEngine *a = start("dht0"), *b = start("dht-1");
	assert_string_equal(net_engine_info(a)->subnet, "172.17.0.0/16");
	assert_string_equal(net_engine_info(a)->gateway, "172.17.0.1");
	assert_int_equal(net_engine_info(a)->mtu, 1500);
	assert_string_equal(net_engine_info(b)->subnet, "172.18.0.0/16");
	assert_true(table_exists("dht0") && table_exists("dht-1"));
	net_engine_free(a, FALSE);
	assert_true(table_exists("dht0"));
	assert_true(net_link_is_our_bridge(&(NetLink){0}) == FALSE);
	/* A restarted daemon finds its bridge again and may delete it. */
	a = start("dht0");
	assert_string_equal(net_engine_info(a)->subnet, "172.17.0.0/16");
	net_engine_free(a, TRUE);
	assert_false(table_exists("dht0"));
	assert_int_equal(link_named("dht0").index, 0);
	assert_true(table_exists("dht-1"));
	net_engine_free(b, TRUE);
	assert_int_equal(count_veths(), 0);
}

static void bridge_options(void **state)
{
	NetConfig c = config_of("dht0");
	g_autoptr(GError) error = NULL;
	c.bip = "10.50.0.1/24";
	c.fixed_cidr = "10.50.0.64/26";
	c.mtu = 1400;
	NetEngine *n = net_engine_new(&c, &error);
	assert_non_null(n);
	assert_string_equal(net_engine_info(n)->subnet, "10.50.0.0/24");
	assert_int_equal(link_named("dht0").mtu, 1400);
	Box b = box(n, "a", NULL, 0);
	assert_string_equal(b.e->ip, "10.50.0.64");
	assert_int_equal(b.e->prefix_len, 24);
	assert_string_equal(b.e->gateway, "10.50.0.1");
	assert_string_equal(b.e->mac, "02:42:0a:32:00:40");
	assert_int_equal(link_named(b.e->veth).mtu, 1400);
	detach(n, &b);
	net_engine_free(n, TRUE);

	static const struct {
		const char *bridge, *bip, *fixed;
	} wrong[] = {
		{"", NULL, NULL},
		{"a/b", NULL, NULL},
		{"much-too-long-name", NULL, NULL},
		{"lo", NULL, NULL},
		{"dht0", "10.50.0.0/24", NULL},
		{"dht0", "10.50.0.255/24", NULL},
		{"dht0", "10.50.0.1", NULL},
		{"dht0", "10.50.0.1/31", NULL},
		{"dht0", "10.50.0.1/24", "10.51.0.0/26"},
		{"dht0", "10.50.0.1/24", "junk"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		c = config_of(wrong[i].bridge);
		c.bip = wrong[i].bip;
		c.fixed_cidr = wrong[i].fixed;
		g_clear_error(&error);
		assert_null(net_engine_new(&c, &error));
		assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_INVALID));
		assert_int_equal(link_named("dht0").index, 0);
	}
}

static void connectivity(void **state)
{
	set_bridge_netfilter(*state);
	NetEngine *n = start("dht0");
	NetPort web = port(NULL, 18080, 80);
	Box a = box(n, "a", &web, 1), b = box(n, "b", NULL, 0);
	assert_string_equal(a.e->ip, "172.17.0.2");
	assert_string_equal(a.e->mac, "02:42:ac:11:00:02");
	assert_string_equal(b.e->ip, "172.17.0.3");
	const NetPort *p = a.e->ports->pdata[0];
	assert_string_equal(p->host_ip, "0.0.0.0");
	assert_int_equal(p->host_port, 18080);
	assert_string_equal(p->proto, "tcp");
	assert_int_equal(a.socks->len, 1);
	int server = serve(a.ns, SOCK_STREAM, 80), out = serve(outside_ns, SOCK_STREAM, 81);

	REACHES(-1, "172.17.0.2", 80); /* from the host */
	assert_string_equal(caller(server), "172.17.0.1");
	REACHES(b.ns, "172.17.0.2", 80); /* container to container */
	assert_string_equal(caller(server), "172.17.0.3");
	REACHES(a.ns, "127.0.0.1", 80);
	assert_string_equal(caller(server), "127.0.0.1");
	REACHES(b.ns, OUTSIDE, 81); /* to the outside, masqueraded */
	assert_string_equal(caller(out), OUTSIDE_HOST);

	/* the published port, from everywhere */
	REACHES(-1, "127.0.0.1", 18080);
	assert_string_equal(caller(server), "172.17.0.1");
	REACHES(-1, OUTSIDE_HOST, 18080);
	caller(server);
	REACHES(-1, "172.17.0.1", 18080);
	caller(server);
	REACHES(outside_ns, OUTSIDE_HOST, 18080);
	assert_string_equal(caller(server), OUTSIDE);
	REACHES(b.ns, OUTSIDE_HOST, 18080);
	caller(server);
	REACHES(b.ns, "172.17.0.1", 18080);
	caller(server);
	REACHES(a.ns, OUTSIDE_HOST, 18080); /* its own */
	caller(server);
	REFUSED(outside_ns, OUTSIDE_HOST, 18081);

	/* Nothing but that leads into the container from outside. */
	DROPPED(outside_ns, "172.17.0.2", 80);
	DROPPED(outside_ns, "172.17.0.3", 80);

	detach(n, &a);
	REFUSED(-1, "127.0.0.1", 18080);
	close(server);
	/* The address is given again at once, and leads to the new container. */
	Box again = box(n, "c", &web, 1);
	assert_string_equal(again.e->ip, "172.17.0.2");
	server = serve(again.ns, SOCK_STREAM, 80);
	REACHES(b.ns, "172.17.0.2", 80);
	REACHES(-1, "172.17.0.2", 80);
	REACHES(-1, "127.0.0.1", 18080);
	close(server);
	close(out);
	detach(n, &again);
	detach(n, &b);
	net_engine_free(n, TRUE);
	assert_int_equal(count_veths(), 0);
}

/* A neighbour on the wire who sends to 127.0.0.1 here. */
static void aim_at_loopback(int ns, uint32_t gateway)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
	assert_int_equal(
		dh_write_kernel_file(AT_FDCWD, "/proc/sys/net/ipv4/conf/eth0/route_localnet", "1"),
		0);
	g_autoptr(NetNl) nl = net_nl_new(NETLINK_ROUTE, NULL);
	NetLink eth0;
	assert_true(net_link_get(nl, "eth0", &eth0, NULL));
	/* Its own loopback goes down, so that the local route does not win. */
	struct nlmsghdr *nlh = net_nl_add(nl, RTM_NEWLINK, 0, "lower loopback");
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = 1;
	ifi->ifi_change = IFF_UP;
	nlh = net_nl_add(nl, RTM_NEWROUTE, NLM_F_CREATE, "add route");
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	*rt = (struct rtmsg){.rtm_family = AF_INET,
		.rtm_dst_len = 8,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_type = RTN_UNICAST};
	mnl_attr_put_u32(nlh, RTA_DST, htonl(0x7f000000));
	mnl_attr_put_u32(nlh, RTA_GATEWAY, htonl(gateway));
	mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)eth0.index);
	g_autoptr(GError) error = NULL;
	if (net_nl_send(nl, &error))
		fail_msg("%s", error->message);
	assert_int_equal(setns(host_ns, CLONE_NEWNET), 0);
}

static void local_only(void **state)
{
	set_bridge_netfilter("0");
	NetEngine *n = start("dht0");
	NetPort ports[] = {port("127.0.0.1", 18082, 80), port(OUTSIDE_HOST, 18083, 80)};
	Box a = box(n, "a", ports, 2), b = box(n, "b", NULL, 0);
	int server = serve(a.ns, SOCK_STREAM, 80);
	REACHES(-1, "127.0.0.1", 18082);
	REFUSED(-1, OUTSIDE_HOST, 18082);
	REFUSED(outside_ns, OUTSIDE_HOST, 18082);
	REFUSED(b.ns, "172.17.0.1", 18082);
	REACHES(-1, OUTSIDE_HOST, 18083);
	REACHES(outside_ns, OUTSIDE_HOST, 18083);
	REACHES(b.ns, OUTSIDE_HOST, 18083);
	REFUSED(-1, "127.0.0.1", 18083);
	aim_at_loopback(outside_ns, 0x0a630001);
	DROPPED(outside_ns, "127.0.0.1", 18082);
	aim_at_loopback(b.ns, 0xac110001);
	DROPPED(b.ns, "127.0.0.1", 18082);
	int daemon = serve(-1, SOCK_STREAM, 18090); /* what listens on the host's loopback */
	REACHES(-1, "127.0.0.1", 18090);
	DROPPED(b.ns, "127.0.0.1", 18090);
	close(daemon);
	close(server);
	detach(n, &a);
	detach(n, &b);
	net_engine_free(n, TRUE);
}

static void no_icc(void **state)
{
	set_bridge_netfilter("0");
	NetConfig c = config_of("dht0");
	c.icc = FALSE;
	NetEngine *n = net_engine_new(&c, NULL);
	NetPort web = port(NULL, 18080, 80);
	Box a = box(n, "a", &web, 1), b = box(n, "b", NULL, 0);
	int server = serve(a.ns, SOCK_STREAM, 80);
	REACHES(-1, "172.17.0.2", 80);
	REACHES(-1, "127.0.0.1", 18080);
	REACHES(outside_ns, OUTSIDE_HOST, 18080);
	REACHES(b.ns, OUTSIDE_HOST, 18080);
	/* Neither directly (no answer to ARP) nor by way of the gateway. */
	assert_int_not_equal(try_connect(b.ns, "172.17.0.2", 80, 250), 0);
	close(server);
	detach(n, &a);
	detach(n, &b);
	net_engine_free(n, TRUE);
}

static void conflicts(void **state)
{
	NetEngine *n = start("dht0");
	int fds = count_fds();
	NetPort ports[] = {port(NULL, 18079, 79), port(NULL, 18080, 80)};
	Box a = box(n, "a", &ports[1], 1), b;
	g_autoptr(GError) error = NULL;
	assert_false(attach(n, &b, "b", ports, 2, &error));
	assert_int_equal(error->code, DH_ERROR_SYSTEM);
	assert_string_equal(error->message,
		"driver failed programming external connectivity on endpoint name (b): Bind for "
		"0.0.0.0:18080 failed: port is already allocated");
	g_clear_error(&error);
	/* What came before the conflict was undone, the address as well. */
	b = box(n, "b", ports, 1);
	assert_string_equal(b.e->ip, "172.17.0.3");
	detach(n, &b);

	int foreign = serve(-1, SOCK_STREAM, 18081);
	NetPort p = port("127.0.0.1", 18081, 80);
	assert_false(attach(n, &b, "b", &p, 1, &error));
	assert_string_equal(error->message,
		"driver failed programming external connectivity on endpoint name (b): failed to "
		"bind "
		"host port 127.0.0.1:18081/tcp: address already in use");
	g_clear_error(&error);
	close(foreign);

	/* Addresses */
	int ns;
	GArray *socks;
	assert_null(net_attach(n, "b", "b", "172.17.0.2", NULL, NULL, -1, &ns, &socks, &error));
	assert_string_equal(error->message, "Address already in use");
	g_clear_error(&error);
	assert_null(net_attach(n, "b", "b", NULL, "zz", NULL, -1, &ns, &socks, &error));
	assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_INVALID));
	g_clear_error(&error);
	NetEndpoint *e = net_attach(
		n, "b", "b", "172.17.9.9", "02:42:00:00:00:01", NULL, -1, &ns, &socks, NULL);
	assert_non_null(e);
	assert_string_equal(e->ip, "172.17.9.9");
	assert_string_equal(e->mac, "02:42:00:00:00:01");
	close(ns);
	g_array_unref(socks);
	net_detach(n, "b", e);
	dh_json_free(&net_endpoint_table, e);

	/* A second attach under the same ID */
	assert_false(attach(n, &b, "a", NULL, 0, &error));
	detach(n, &a);
	net_detach(n, "never", NULL);
	net_engine_free(n, TRUE);
	n = start("dht0");
	assert_in_range(count_fds(), 0, fds + 64);
	net_engine_free(n, TRUE);
}

static void many_ports(void **state)
{
	NetEngine *n = start("dht0");
	NetPort ports[250];
	for (int i = 0; i < 250; i++)
		ports[i] = port(i % 3 ? NULL : "127.0.0.1", 0, 1000 + i);
	Box a = box(n, "a", ports, 250);
	assert_int_equal(a.socks->len, 250);
	int server = serve(a.ns, SOCK_STREAM, 1249), first = serve(a.ns, SOCK_STREAM, 1000);
	REACHES(-1, "127.0.0.1", (int)((NetPort *)a.e->ports->pdata[249])->host_port);
	REACHES(-1, "127.0.0.1", (int)((NetPort *)a.e->ports->pdata[0])->host_port);
	int gone = (int)((NetPort *)a.e->ports->pdata[249])->host_port;
	close(server);
	close(first);
	detach(n, &a);
	REFUSED(-1, "127.0.0.1", gone);
	NetPort range = port(NULL, 18100, 80);
	range.host_port_end = 18102;
	Box b = box(n, "b", &range, 1), c = box(n, "c", &range, 1);
	assert_int_equal(((NetPort *)b.e->ports->pdata[0])->host_port, 18100);
	assert_int_equal(((NetPort *)c.e->ports->pdata[0])->host_port, 18101);
	detach(n, &b);
	detach(n, &c);
	net_engine_free(n, TRUE);
}

static gboolean udp_arrives(int client, int server)
{
	char byte = 'x';
	if (send(client, &byte, 1, 0) != 1 && send(client, &byte, 1, 0) != 1)
		return FALSE;
	struct pollfd p = {.fd = server, .events = POLLIN};
	return poll(&p, 1, 5000) == 1 && recv(server, &byte, 1, 0) == 1;
}

/* A client that keeps sending from one socket follows the published port. */
static void udp_flows(void **state)
{
	NetEngine *n = start("dht0");
	dh_autofd int client = socket_in(outside_ns, SOCK_DGRAM);
	struct sockaddr_in sa = address(OUTSIDE_HOST, 18053);
	assert_int_equal(connect(client, (struct sockaddr *)&sa, sizeof(sa)), 0);
	char byte = 'x';
	assert_int_equal(send(client, &byte, 1, 0), 1); /* before anybody is there */
	NetPort dns = port(NULL, 18053, 53);
	dns.proto = (char *)"udp";
	for (int i = 0; i < 3; i++) {
		/* The address changes from one to the next. */
		Box keep = box(n, "keep", NULL, 0), a = box(n, "a", &dns, 1);
		int server = serve(a.ns, SOCK_DGRAM, 53);
		assert_true(udp_arrives(client, server));
		close(server);
		if (i == 1)
			detach(n, &keep);
		detach(n, &a);
		if (i != 1)
			detach(n, &keep);
	}
	net_engine_free(n, TRUE);
}

static gboolean adopt(NetEngine *n, const char *id, const NetEndpoint *e, GError **error)
{
	NetAdoption a = {.id = id, .endpoint = e};
	net_adopt_all(n, &a, 1);
	g_free(a.note);
	gboolean ok = !a.error;
	if (a.error)
		g_propagate_error(error, a.error);
	return ok;
}

static void adopt_and_sweep(void **state)
{
	NetEngine *n = start("dht0");
	NetPort pa = port(NULL, 18080, 80), pb = port(NULL, 18081, 80);
	Box a = box(n, "a", &pa, 1), b = box(n, "b", &pb, 1);
	int sa = serve(a.ns, SOCK_STREAM, 80), sb = serve(b.ns, SOCK_STREAM, 80);
	REACHES(-1, "127.0.0.1", 18080);
	REACHES(-1, "127.0.0.1", 18081);
	net_engine_free(n, FALSE); /* as if killed */
	REACHES(-1, "127.0.0.1", 18080);

	n = start("dht0");
	REACHES(-1, "127.0.0.1", 18080); /* no gap before it is adopted */
	g_autoptr(GError) error = NULL;
	if (!adopt(n, "a", a.e, &error))
		fail_msg("%s", error->message);
	assert_true(adopt(n, "a", a.e, NULL)); /* again: the same */
	/* A container of the same port cannot be adopted as well, nor one that is gone. */
	assert_false(adopt(n, "z", a.e, NULL));
	NetEndpoint *lost = dh_json_copy(&net_endpoint_table, b.e);
	g_free(lost->veth);
	lost->veth = g_strdup("dh0000000000");
	assert_false(adopt(n, "b", lost, NULL));
	net_detach(n, "b", lost);
	dh_json_free(&net_endpoint_table, lost);
	net_sweep(n);
	REACHES(-1, "127.0.0.1", 18080);
	REFUSED(-1, "127.0.0.1", 18081);
	/* Its address is in use, the next one is not; its port is taken. */
	Box c = box(n, "c", NULL, 0);
	assert_string_equal(c.e->ip, "172.17.0.3");
	Box d;
	assert_false(attach(n, &d, "d", &pa, 1, NULL));
	close(sa);
	close(sb);
	detach(n, &c);
	net_engine_free(n, FALSE); /* ends the deletions */
	assert_int_not_equal(link_named(a.e->veth).index, 0);
	assert_int_equal(link_named(b.e->veth).index, 0);

	/* The bridge is deleted under a running container and made anew. */
	n = start("dht0");
	net_engine_free(n, TRUE);
	assert_int_equal(link_named("dht0").index, 0);
	n = start("dht0");
	assert_true(adopt(n, "a", a.e, NULL));
	sa = serve(a.ns, SOCK_STREAM, 80);
	REACHES(-1, "172.17.0.2", 80);
	REACHES(-1, "127.0.0.1", 18080);
	close(sa);
	/* Known only by its endpoint. */
	net_engine_free(n, FALSE);
	n = start("dht0");
	net_detach(n, "a", a.e);
	REFUSED(-1, "127.0.0.1", 18080);
	net_engine_free(n, TRUE);
	assert_int_equal(count_veths(), 0);
	box_close(&a);
	box_close(&b);
}

static gint restorations;

static void restored(void *arg, const GError *error)
{
	(void)arg;
	/* Flushed, and deleted while it was written again: the deletion is told as well. */
	if (!error)
		g_atomic_int_inc(&restorations);
}

/* Without anybody publishing anything: the kernel's own notification is enough. */
static void watched_table(void **state)
{
	g_atomic_int_set(&restorations, 0);
	NetConfig config = {
		.bridge = "dht0", .icc = TRUE, .ip_masq = TRUE, .firewall_restored = restored};
	NetEngine *n = net_engine_new(&config, NULL);
	assert_non_null(n);
	NetPort pa = port(NULL, 18080, 80), pb = port("127.0.0.1", 18081, 80);
	Box a = box(n, "a", &pa, 1), b = box(n, "b", &pb, 1);
	int sa = serve(a.ns, SOCK_STREAM, 80);
	REACHES(-1, "127.0.0.1", 18080);
	detach(n, &b);
	assert_int_equal(g_atomic_int_get(&restorations), 0); /* our own changes are no damage */
	NetFirewallConfig fw = {.bridge = "dht0"};
	assert_true(net_cidr_parse("172.17.0.1/16", &fw.subnet, NULL));
	for (int i = 1; i <= 3; i++) {
		net_firewall_free(net_firewall_new(&fw, NULL), TRUE);
		gint64 until = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
		while (g_atomic_int_get(&restorations) < i && g_get_monotonic_time() < until)
			g_usleep(1000);
		assert_true(g_atomic_int_get(&restorations) >= i);
		assert_true(table_exists("dht0"));
		REACHES(-1, "127.0.0.1", 18080);
		g_atomic_int_set(&restorations, i);
	}
	close(sa);
	detach(n, &a);
	net_engine_free(n, TRUE);
	assert_false(table_exists("dht0"));
}

static void flushed_table(void **state)
{
	NetEngine *n = start("dht0");
	NetPort pa = port(NULL, 18080, 80), pb = port("127.0.0.1", 18081, 80);
	Box a = box(n, "a", &pa, 1);
	int sa = serve(a.ns, SOCK_STREAM, 80);
	NetFirewallConfig fw = {.bridge = "dht0"};
	assert_true(net_cidr_parse("172.17.0.1/16", &fw.subnet, NULL));
	net_firewall_free(net_firewall_new(&fw, NULL), TRUE); /* somebody flushes the ruleset */
	assert_false(table_exists("dht0"));
	REFUSED(-1, "127.0.0.1", 18080);
	Box b = box(n, "b", &pb, 1);
	int sb = serve(b.ns, SOCK_STREAM, 80);
	REACHES(-1, "127.0.0.1", 18080);
	REACHES(-1, "127.0.0.1", 18081);
	close(sa);
	close(sb);
	detach(n, &a);
	detach(n, &b);
	net_engine_free(n, TRUE);
	assert_int_equal(count_veths(), 0);
}

/* What a container that ended with the daemon left does not keep its port from being published. */
static void stale_element(void **state)
{
	NetEngine *n = start("dht0");
	NetPort old = port(NULL, 18080, 80), young = port(NULL, 18080, 81);
	Box a = box(n, "a", &old, 1);
	net_engine_free(n, FALSE);
	box_close(&a);
	n = start("dht0");
	Box b = box(n, "b", &young, 1);
	int server = serve(b.ns, SOCK_STREAM, 81);
	REACHES(-1, "127.0.0.1", 18080);
	net_sweep(n);
	REACHES(-1, "127.0.0.1", 18080);
	close(server);
	detach(n, &b);
	net_engine_free(n, TRUE);
}

static void foreign_bridge(void **state)
{
	/* Made by somebody else: used with its address, never deleted. */
	g_autoptr(NetNl) nl = net_nl_new(NETLINK_ROUTE, NULL);
	NetCidr own;
	assert_true(net_cidr_parse("10.77.0.1/24", &own, NULL));
	assert_true(net_bridge_create(nl, "dht7", 1500, NULL));
	struct nlmsghdr *nlh = net_nl_add(nl, RTM_SETLINK, 0, "unmark");
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "dht7");
	mnl_attr_put_strz(nlh, IFLA_IFALIAS, "mine");
	assert_int_equal(net_nl_send(nl, NULL), 0);
	assert_true(net_link_setup(nl, link_named("dht7").index, own, NULL));
	NetConfig c = config_of("dht7");
	c.bip = "10.78.0.1/24";
	g_autoptr(GError) error = NULL;
	assert_null(net_engine_new(&c, &error));
	assert_string_equal(error->message,
		"bridge IPv4 (10.77.0.1/24) does not match requested configuration 10.78.0.1/24");
	NetEngine *n = start("dht7");
	assert_string_equal(net_engine_info(n)->subnet, "10.77.0.0/24");
	net_engine_free(n, TRUE);
	assert_int_not_equal(link_named("dht7").index, 0);
	assert_true(net_link_delete(nl, "dht7", NULL));
}

static void bare_namespace(void **state)
{
	NetEngine *n = start("dht0");
	for (int i = 0; i < 10; i++) {
		dh_autofd int ns = net_new_namespace(n, NULL);
		assert_true(ns >= 0);
		dh_autofd int server = serve(ns, SOCK_STREAM, 80);
		REACHES(ns, "127.0.0.1", 80);
		assert_int_equal(try_connect(ns, "172.17.0.1", 80, 250), ENETUNREACH);
	}
	net_engine_free(n, TRUE);
}

static gpointer hammer(gpointer data)
{
	NetEngine *n = data;
	for (int i = 0; i < 15; i++) {
		g_autofree char *id = g_strdup_printf("%p-%d", (void *)g_thread_self(), i);
		int ns;
		GArray *socks;
		NetPort p = {.container_port = 80};
		g_autoptr(GPtrArray) ports = g_ptr_array_new();
		g_ptr_array_add(ports, &p);
		NetEndpoint *e = net_attach(
			n, id, id, NULL, NULL, i % 2 ? ports : NULL, -1, &ns, &socks, NULL);
		if (!e)
			return GINT_TO_POINTER(1);
		close(ns);
		for (guint s = 0; s < socks->len; s++)
			close(g_array_index(socks, int, s));
		g_array_unref(socks);
		net_detach(n, id, e);
		dh_json_free(&net_endpoint_table, e);
	}
	return NULL;
}

static void many_at_once(void **state)
{
	NetEngine *n = start("dht0");
	GThread *threads[4];
	for (int i = 0; i < 4; i++)
		threads[i] = g_thread_new("hammer", hammer, n);
	for (int i = 0; i < 3; i++)
		net_sweep(n);
	for (int i = 0; i < 4; i++)
		assert_null(g_thread_join(threads[i]));
	Box a = box(n, "a", NULL, 0);
	assert_string_equal(a.e->ip, "172.17.0.2");
	detach(n, &a);
	net_engine_free(n, TRUE);
	assert_int_equal(count_veths(), 0);
	assert_false(table_exists("dht0"));
}

static gpointer start_one(gpointer data)
{
	NetConfig c = config_of(data);
	return net_engine_new(&c, NULL);
}

static void engines_at_once(void **state)
{
	static const char *const names[] = {"dht0", "dht1", "dht2", "dht3"};
	GThread *threads[4];
	g_autoptr(GHashTable) subnets = g_hash_table_new(g_str_hash, g_str_equal);
	NetEngine *n[4];
	for (int i = 0; i < 4; i++)
		threads[i] = g_thread_new("start", start_one, (gpointer)names[i]);
	for (int i = 0; i < 4; i++) {
		n[i] = g_thread_join(threads[i]);
		assert_non_null(n[i]);
		g_hash_table_add(subnets, net_engine_info(n[i])->subnet);
	}
	assert_int_equal(g_hash_table_size(subnets), 4);
	/* Networks are separate: the first's container is not to be reached from the second's. */
	Box a = box(n[0], "a", NULL, 0), b = box(n[1], "a", NULL, 0);
	int server = serve(a.ns, SOCK_STREAM, 80);
	DROPPED(b.ns, a.e->ip, 80);
	REACHES(-1, a.e->ip, 80);
	close(server);
	detach(n[0], &a);
	detach(n[1], &b);
	for (int i = 0; i < 4; i++)
		net_engine_free(n[i], TRUE);
}

/* ---- numbers, on request ---- */

static int compare(const void *a, const void *b)
{
	gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;
	return (x > y) - (x < y);
}

static void print_median(const char *what, gint64 *us, int n)
{
	qsort(us, (size_t)n, sizeof(*us), compare);
	fprintf(stderr, "%-34s median %5" G_GINT64_FORMAT " us, 90%% %5" G_GINT64_FORMAT " us\n",
		what, us[n / 2], us[n * 9 / 10]);
}

static long rss_kb(void)
{
	g_autofree char *text = dh_read_file(AT_FDCWD, "/proc/self/status", 65536, NULL, NULL);
	return atol(strstr(text, "VmRSS:") + 6);
}

#define ROUNDS 60

static void measure(NetEngine *n, const char *what, gboolean with_port, gulong pause)
{
	gint64 at[ROUNDS], de[ROUNDS], first[ROUNDS];
	for (int i = 0; i < ROUNDS; i++) {
		NetPort p = port(NULL, 0, 80);
		g_usleep(pause);
		gint64 t0 = g_get_monotonic_time();
		Box b = box(n, "a", &p, with_port ? 1 : 0);
		gint64 t1 = g_get_monotonic_time();
		int server = serve(b.ns, SOCK_STREAM, 80);
		gint64 t2 = g_get_monotonic_time();
		REACHES(-1, b.e->ip, 80);
		first[i] = g_get_monotonic_time() - t2;
		close(server);
		gint64 t3 = g_get_monotonic_time();
		net_detach(n, b.id, b.e);
		de[i] = g_get_monotonic_time() - t3;
		at[i] = t1 - t0;
		box_close(&b);
	}
	fprintf(stderr, "%s\n", what);
	print_median("  net_attach", at, ROUNDS);
	print_median("  first connect from the host", first, ROUNDS);
	print_median("  net_detach", de, ROUNDS);
}

static void numbers(void **state)
{
	(void)state;
	long before = rss_kb();
	gint64 t0 = g_get_monotonic_time();
	NetEngine *n = start("dht0");
	fprintf(stderr, "net_engine_new %" G_GINT64_FORMAT " us, RSS %ld -> %ld kB\n",
		g_get_monotonic_time() - t0, before, rss_kb());
	measure(n, "pool filled, no port", FALSE, 20000);
	measure(n, "pool filled, one port", TRUE, 20000);
	measure(n, "back to back, no port", FALSE, 0);
	fprintf(stderr, "RSS at the end %ld kB\n", rss_kb());
	t0 = g_get_monotonic_time();
	net_engine_free(n, TRUE);
	fprintf(stderr, "net_engine_free(remove) %" G_GINT64_FORMAT " us\n",
		g_get_monotonic_time() - t0);
}

int main(void)
{
	const struct CMUnitTest bench[] = {cmocka_unit_test(numbers)};
	if (g_getenv("DHOW_NET_BENCH"))
		return cmocka_run_group_tests(bench, make_world, NULL);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bridges),
		cmocka_unit_test(bridge_options),
		cmocka_unit_test_prestate(connectivity, (void *)"0"),
		cmocka_unit_test_prestate(connectivity, (void *)"1"),
		cmocka_unit_test(no_icc),
		cmocka_unit_test(conflicts),
		cmocka_unit_test(many_ports),
		cmocka_unit_test(udp_flows),
		cmocka_unit_test(adopt_and_sweep),
		cmocka_unit_test(flushed_table),
		cmocka_unit_test(watched_table),
		cmocka_unit_test(stale_element),
		cmocka_unit_test(foreign_bridge),
		cmocka_unit_test(bare_namespace),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(engines_at_once),
		cmocka_unit_test(local_only),
	};
	return cmocka_run_group_tests(tests, make_world, NULL);
}

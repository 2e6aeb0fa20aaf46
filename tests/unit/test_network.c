/* SPDX-License-Identifier: MIT */
/* The parts of the network room that need no privileges: addresses, ports, files. */
#include "base/error.h"
#include "base/fs.h"
#include "network/address.h"
#include "network/files.h"
#include "network/firewall.h"
#include "network/ipam.h"
#include "network/link.h"
#include "network/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static NetCidr cidr(const char *text)
{
	NetCidr c;
	assert_true(net_cidr_parse(text, &c, NULL));
	return c;
}

static uint32_t ip(const char *text)
{
	uint32_t r;
	assert_true(net_ip_parse(text, &r));
	return r;
}

static void addresses(void **state)
{
	NetCidr c = cidr("172.18.5.1/16");
	g_autofree char *text = net_cidr_text(c);
	assert_string_equal(text, "172.18.5.1/16");
	assert_int_equal(net_first(c), ip("172.18.0.0"));
	assert_int_equal(net_last(c), ip("172.18.255.255"));
	assert_true(net_contains(c, ip("172.18.200.3")));
	assert_false(net_contains(c, ip("172.19.0.1")));
	assert_true(net_overlap(c, cidr("172.0.0.0/8")));
	assert_true(net_overlap(cidr("0.0.0.0/0"), c));
	assert_false(net_overlap(c, cidr("172.19.0.0/24")));
	static const char *const wrong[] = {"", "172.18.0.1", "172.18.0.1/", "172.18.0.1/33",
		"172.18.0.1/-1", "1.2.3/8", "a/8", "1.2.3.4/8x", "::1/64"};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		assert_false(net_cidr_parse(wrong[i], &c, &error));
		assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_INVALID));
	}
	uint8_t mac[6];
	net_mac_from_ip(ip("172.17.0.2"), mac);
	g_autofree char *mac_text = net_mac_text(mac);
	assert_string_equal(mac_text, "02:42:ac:11:00:02");
	assert_true(net_mac_parse("02-42-AC-11-00-ff", mac, NULL));
	assert_int_equal(mac[5], 0xff);
	assert_false(net_mac_parse("02:42:ac:11:00", mac, NULL));
	assert_false(net_mac_parse("02:42:ac:11:00:0", mac, NULL));
	assert_false(net_mac_parse("02:42:ac:11:00:0g", mac, NULL));
	assert_true(net_is_our_veth("dh0123456789"));
	assert_false(net_is_our_veth("dh012345678"));
	assert_false(net_is_our_veth("dhow0"));
	assert_false(net_is_our_veth("dhow01234567"));
}

static void ipam_order(void **state)
{
	g_autoptr(NetIpam) m = net_ipam_new(
		cidr("172.18.0.1/16"), cidr("172.18.0.1/16"), ip("172.18.0.1"), "bridge", NULL);
	assert_non_null(m);
	uint32_t a;
	for (uint32_t i = 2; i < 600; i++) {
		assert_true(net_ipam_any(m, &a, NULL));
		assert_int_equal(a, ip("172.18.0.0") + i);
	}
	net_ipam_release(m, ip("172.18.0.7"));
	net_ipam_release(m, ip("172.18.0.1")); /* the gateway never becomes free */
	assert_true(net_ipam_any(m, &a, NULL));
	assert_int_equal(a, ip("172.18.0.7"));
	g_autoptr(GError) error = NULL;
	assert_false(net_ipam_take(m, ip("172.18.0.7"), &error));
	assert_string_equal(error->message, "Address already in use");
	g_clear_error(&error);
	assert_false(net_ipam_take(m, ip("172.18.0.1"), NULL));
	assert_false(net_ipam_take(m, ip("172.18.255.255"), NULL));
	assert_false(net_ipam_take(m, ip("10.0.0.1"), &error));
	assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_INVALID));
	assert_true(net_ipam_take(m, ip("172.18.200.200"), NULL));
}

static void ipam_exhaustion(void **state)
{
	g_autoptr(NetIpam) m = net_ipam_new(
		cidr("10.1.0.1/24"), cidr("10.1.0.128/29"), ip("10.1.0.1"), "bridge", NULL);
	uint32_t a;
	for (int i = 0; i < 8; i++) {
		assert_true(net_ipam_any(m, &a, NULL));
		assert_int_equal(a, ip("10.1.0.128") + (uint32_t)i);
	}
	g_autoptr(GError) error = NULL;
	assert_false(net_ipam_any(m, &a, &error));
	assert_string_equal(error->message,
		"no available IPv4 addresses on this network's address pools: bridge");
	/* A whole subnet to its last address. */
	g_autoptr(NetIpam) all = net_ipam_new(
		cidr("10.1.0.254/24"), cidr("10.1.0.0/24"), ip("10.1.0.254"), "bridge", NULL);
	for (uint32_t i = 1; i < 254; i++) {
		assert_true(net_ipam_any(all, &a, NULL));
		assert_int_equal(a, ip("10.1.0.0") + i);
	}
	assert_false(net_ipam_any(all, &a, NULL));
	assert_null(net_ipam_new(cidr("10.1.0.1/31"), cidr("10.1.0.1/31"), 0, "bridge", NULL));
	assert_null(net_ipam_new(cidr("10.1.0.1/4"), cidr("10.1.0.1/4"), 0, "bridge", NULL));
	assert_null(net_ipam_new(cidr("10.1.0.1/24"), cidr("10.2.0.0/28"), 0, "bridge", NULL));
	assert_null(net_ipam_new(cidr("10.1.0.1/24"), cidr("10.1.0.0/16"), 0, "bridge", NULL));
}

static void subnet_choice(void **state)
{
	g_autoptr(GArray) used = g_array_new(FALSE, FALSE, sizeof(NetCidr));
	NetCidr c;
	assert_true(net_subnet_choose(used, &c, NULL));
	assert_int_equal(c.ip, ip("172.17.0.0"));
	assert_int_equal(c.len, 16);
	for (int i = 0; i < 31; i++) {
		assert_true(net_subnet_choose(used, &c, NULL));
		g_array_append_val(used, c);
	}
	assert_int_equal(c.ip, ip("192.168.240.0"));
	assert_int_equal(c.len, 20);
	g_autoptr(GError) error = NULL;
	assert_false(net_subnet_choose(used, &c, &error));
	g_array_set_size(used, 0);
	NetCidr wide = cidr("172.16.0.0/12"), host = cidr("192.168.1.5/24");
	g_array_append_val(used, wide);
	g_array_append_val(used, host);
	assert_true(net_subnet_choose(used, &c, NULL));
	assert_int_equal(c.ip, ip("192.168.16.0"));
}

static void port_words(void **state)
{
	NetMapping m;
	NetPort p = {.container_port = 80};
	assert_true(net_port_parse(&p, NULL, &m, NULL));
	assert_int_equal(m.proto, IPPROTO_TCP);
	assert_int_equal(m.host_ip, 0);
	p = (NetPort){.proto = (char *)"UDP", .container_port = 53, .host_ip = (char *)""};
	assert_true(net_port_parse(&p, "127.0.0.1", &m, NULL));
	assert_int_equal(m.proto, IPPROTO_UDP);
	assert_int_equal(m.host_ip, ip("127.0.0.1"));
	static const NetPort wrong[] = {
		{.proto = (char *)"icmp", .container_port = 1},
		{.container_port = 0},
		{.container_port = 65536},
		{.container_port = 80, .host_port = -1},
		{.container_port = 80, .host_port = 70000},
		{.container_port = 80, .host_port = 90, .host_port_end = 80},
		{.container_port = 80, .host_ip = (char *)"::1"},
		{.container_port = 80, .host_ip = (char *)"here"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		assert_false(net_port_parse(&wrong[i], NULL, &m, &error));
		assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_INVALID));
	}
}

/* A listening or merely bound socket of another program; its port in *port. */
static int foreign(
	int type, const char *address, uint16_t *port, gboolean reuse, gboolean do_listen)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	int on = 1;
	if (reuse)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	struct sockaddr_in sa = {.sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr.s_addr = htonl(ip(address))};
	socklen_t len = sizeof(sa);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ||
		(do_listen && listen(fd, 5) == -1)) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&sa, &len);
	*port = ntohs(sa.sin_port);
	return fd;
}

static void port_reservation(void **state)
{
	g_autoptr(NetPorts) ports = net_ports_new();
	g_autoptr(GArray) socks = g_array_new(FALSE, FALSE, sizeof(int));
	g_autoptr(GError) error = NULL;
	NetMapping a = {.proto = IPPROTO_TCP, .container_port = 80}, b = a;
	assert_true(net_ports_reserve(ports, &a, 0, socks, NULL));
	assert_true(net_ports_reserve(ports, &b, 0, socks, NULL));
	assert_true(a.host_port > 0 && b.host_port > a.host_port);
	assert_int_equal(socks->len, 2);
	/* Nobody else gets it, however they ask; and nobody is listening. */
	uint16_t port = a.host_port;
	assert_int_equal(foreign(SOCK_STREAM, "0.0.0.0", &port, FALSE, FALSE), -1);
	assert_int_equal(foreign(SOCK_STREAM, "127.0.0.1", &port, TRUE, TRUE), -1);
	int c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(connect(c, (struct sockaddr *)&sa, sizeof(sa)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(c);
	/* The same number for another protocol is free; for another address it is not. */
	NetMapping udp = {.proto = IPPROTO_UDP, .host_port = port};
	assert_true(net_ports_reserve(ports, &udp, 0, socks, NULL));
	NetMapping local = {.proto = IPPROTO_TCP, .host_port = port, .host_ip = ip("127.0.0.1")};
	assert_false(net_ports_reserve(ports, &local, 0, socks, &error));
	g_autofree char *own =
		g_strdup_printf("Bind for 127.0.0.1:%u failed: port is already allocated", port);
	assert_string_equal(error->message, own);
	g_clear_error(&error);
	net_ports_release(ports, &a);
	/* Released in the table, but a foreign program (the test) still holds the socket. */
	a.host_port = port;
	assert_false(net_ports_reserve(ports, &a, 0, socks, &error));
	g_autofree char *other = g_strdup_printf(
		"failed to bind host port 0.0.0.0:%u/tcp: address already in use", port);
	assert_string_equal(error->message, other);
	net_close_all(socks);
	assert_true(net_ports_reserve(ports, &a, 0, socks, NULL));
	net_close_all(socks);
}

static void port_foreign(void **state)
{
	g_autoptr(NetPorts) ports = net_ports_new();
	g_autoptr(GArray) socks = g_array_new(FALSE, FALSE, sizeof(int));
	static const struct {
		int type, proto;
		gboolean listens;
	} kinds[] = {
		{SOCK_STREAM, IPPROTO_TCP, TRUE},
		{SOCK_DGRAM, IPPROTO_UDP, FALSE},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		uint16_t port = 0;
		int fd = foreign(kinds[i].type, "127.0.0.1", &port, TRUE, kinds[i].listens);
		assert_true(fd >= 0);
		NetMapping m = {.proto = (uint8_t)kinds[i].proto, .host_port = port};
		g_autoptr(GError) error = NULL;
		assert_false(net_ports_reserve(ports, &m, 0, socks, &error));
		assert_non_null(strstr(error->message, "address already in use"));
		assert_int_equal(socks->len, 0);
		/* A range goes on to the next. */
		NetMapping r = m;
		assert_true(net_ports_reserve(ports, &r, port + 20, socks, NULL));
		assert_true(r.host_port > port && r.host_port <= port + 20);
		net_ports_release(ports, &r);
		net_close_all(socks);
		close(fd);
		assert_true(net_ports_reserve(ports, &m, 0, socks, NULL));
		net_close_all(socks);
	}
	/* An address that this host does not have. */
	NetMapping away = {.proto = IPPROTO_TCP, .host_port = 8080, .host_ip = ip("192.0.2.77")};
	g_autoptr(GError) error = NULL;
	assert_false(net_ports_reserve(ports, &away, 0, socks, &error));
	assert_string_equal(error->message,
		"failed to bind host port 192.0.2.77:8080/tcp: cannot assign requested address");
}

/* The connections of a server that has ended do not keep its port from being published. */
static void port_time_wait(void **state)
{
	uint16_t port = 0;
	int server = foreign(SOCK_STREAM, "127.0.0.1", &port, TRUE, TRUE);
	int c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(connect(c, (struct sockaddr *)&sa, sizeof(sa)), 0);
	int s = accept(server, NULL, NULL);
	close(s); /* closes first: TIME_WAIT is the server's */
	char byte;
	assert_int_equal(read(c, &byte, 1), 0);
	close(c);
	close(server);
	g_autoptr(NetPorts) ports = net_ports_new();
	g_autoptr(GArray) socks = g_array_new(FALSE, FALSE, sizeof(int));
	NetMapping m = {.proto = IPPROTO_TCP, .host_port = port};
	g_autoptr(GError) error = NULL;
	if (!net_ports_reserve(ports, &m, 0, socks, &error))
		fail_msg("%s", error->message);
	assert_int_equal(foreign(SOCK_STREAM, "127.0.0.1", &port, TRUE, TRUE), -1);
	net_close_all(socks);
}

static void port_range_full(void **state)
{
	g_autoptr(NetPorts) ports = net_ports_new();
	g_autoptr(GArray) socks = g_array_new(FALSE, FALSE, sizeof(int));
	uint16_t base = 47100, got = 0;
	for (int i = 0; i < 3; i++) {
		NetMapping m = {.proto = IPPROTO_TCP, .host_port = base};
		assert_true(net_ports_reserve(ports, &m, base + 2, socks, NULL));
		assert_true(m.host_port > got);
		got = m.host_port;
	}
	NetMapping m = {.proto = IPPROTO_TCP, .host_port = base};
	assert_false(net_ports_reserve(ports, &m, base + 2, socks, NULL));
	assert_int_equal(socks->len, 3);
	net_close_all(socks);
}

static void table_names(void **state)
{
	static const char *const names[][2] = {
		{"dhow0", "dhow0"},
		{"br-lan", "br-lan"},
		{"bridge", "dhow-bridge"},
		{"ip6", "dhow-ip6"},
		{"0br", "dhow-0br"},
		{"rt0", "dhow-rt0"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *t = net_firewall_table_name(names[i][0]);
		assert_string_equal(t, names[i][1]);
	}
}

#define HOSTS_HEAD                                                                                 \
	"127.0.0.1\tlocalhost\n"                                                                   \
	"::1\tlocalhost ip6-localhost ip6-loopback\n"                                              \
	"fe00::0\tip6-localnet\n"                                                                  \
	"ff00::0\tip6-mcastprefix\n"                                                               \
	"ff02::1\tip6-allnodes\n"                                                                  \
	"ff02::2\tip6-allrouters\n"

static void hosts_file(void **state)
{
	NetHosts h = {.hostname = "box", .ip = "172.17.0.3"};
	g_autofree char *plain = net_hosts_text(&h, NULL);
	assert_string_equal(plain, HOSTS_HEAD "172.17.0.3\tbox\n");

	char *extra[] = {(char *)"db:10.0.0.1", (char *)"six:2001:db8::1", (char *)"br:[::1]",
		(char *)"gw:host-gateway", (char *)"eq=10.0.0.2", NULL};
	char *names[] = {(char *)"web", (char *)"0123456789ab", (char *)"webname", NULL};
	NetHostEntry link = {(char *)"172.17.0.2", names};
	g_autoptr(GPtrArray) links = g_ptr_array_new();
	g_ptr_array_add(links, &link);
	h.extra = extra;
	h.links = links;
	h.domainname = "example.com";
	h.host_gateway_ip = "172.17.0.1";
	g_autofree char *full = net_hosts_text(&h, NULL);
	assert_string_equal(full,
		HOSTS_HEAD "10.0.0.1\tdb\n2001:db8::1\tsix\n::1\tbr\n172.17.0.1\tgw\n10.0.0.2\teq\n"
			   "172.17.0.2\tweb 0123456789ab webname\n"
			   "172.17.0.3\tbox.example.com box\n");

	NetHosts fqdn = {.hostname = "a.b.c", .ip = "172.17.0.3"};
	g_autofree char *split = net_hosts_text(&fqdn, NULL);
	assert_string_equal(split, HOSTS_HEAD "172.17.0.3\ta.b.c a\n");

	NetHosts none = {.hostname = "box"};
	g_autofree char *alone = net_hosts_text(&none, NULL);
	assert_string_equal(alone, HOSTS_HEAD);

	h.host_gateway_ip = NULL;
	g_autoptr(GError) error = NULL;
	assert_null(net_hosts_text(&h, &error));
	assert_string_equal(error->message, "unable to derive the IP value for host-gateway");
	char *bad[] = {(char *)"nonsense", NULL};
	h.extra = bad;
	assert_null(net_hosts_text(&h, NULL));
}

static void resolv_conf(void **state)
{
	g_autofree char *same = net_resolv_conf_text(
		"# comment\nsearch a.b\nnameserver 10.0.0.1\noptions ndots:1\n", NULL, NULL, NULL);
	assert_string_equal(same, "# comment\nsearch a.b\nnameserver 10.0.0.1\noptions ndots:1\n");
	g_autofree char *cleaned = net_resolv_conf_text(
		"nameserver 127.0.0.1\nnameserver 10.0.0.1\nnameserver fe80::1\nsearch x", NULL,
		NULL, NULL);
	assert_string_equal(cleaned, "nameserver 10.0.0.1\nsearch x\n");
	g_autofree char *defaults =
		net_resolv_conf_text("search x\nnameserver 127.0.0.53\n", NULL, NULL, NULL);
	assert_string_equal(defaults, "search x\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n");
	g_autofree char *empty = net_resolv_conf_text("", NULL, NULL, NULL);
	assert_string_equal(empty, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");

	const char *host = "search a b\nnameserver 127.0.0.1\nnameserver 10.0.0.1\noptions x\n";
	char *dns[] = {(char *)"1.1.1.1", (char *)"127.0.0.1", NULL};
	char *search[] = {(char *)"one", (char *)"two", NULL};
	char *options[] = {(char *)"ndots:2", (char *)"rotate", NULL};
	char *no_search[] = {(char *)".", NULL};
	g_autofree char *all = net_resolv_conf_text(host, dns, search, options);
	assert_string_equal(all, "search one two\nnameserver 1.1.1.1\nnameserver "
				 "127.0.0.1\noptions ndots:2 rotate\n");
	g_autofree char *only_dns = net_resolv_conf_text(host, dns, NULL, NULL);
	assert_string_equal(
		only_dns, "search a b\nnameserver 1.1.1.1\nnameserver 127.0.0.1\noptions x\n");
	g_autofree char *only_search = net_resolv_conf_text(host, NULL, no_search, NULL);
	assert_string_equal(only_search, "nameserver 10.0.0.1\noptions x\n");
	assert_true(net_resolv_conf_is_resolved("nameserver 127.0.0.53\noptions edns0\n"));
	assert_false(net_resolv_conf_is_resolved("nameserver 127.0.0.53\nnameserver 1.1.1.1\n"));
}

static void files_in_place(void **state)
{
	g_autofree char *dir = g_dir_make_tmp("dhow-net-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "hosts", NULL);
	NetHosts h = {.hostname = "a-rather-long-host-name", .ip = "172.17.0.3"};
	assert_true(net_write_hosts(dir, &h, NULL));
	struct stat before, after;
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mode & 0777, 0644);
	h.hostname = "b";
	assert_true(net_write_hosts(dir, &h, NULL));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 65536, NULL, NULL);
	assert_string_equal(text, HOSTS_HEAD "172.17.0.3\tb\n");
	assert_true(net_write_resolv_conf(dir, NULL, NULL, NULL, FALSE, NULL));
	assert_true(net_write_resolv_conf(dir, NULL, NULL, NULL, TRUE, NULL));
	assert_true(dh_remove_tree(AT_FDCWD, dir, NULL));
	g_autoptr(GError) error = NULL;
	assert_false(net_write_hosts(dir, &h, &error));
}

static void endpoint_json(void **state)
{
	const char *text = "{\"Ip\":\"172.17.0.2\",\"PrefixLen\":16,\"Gateway\":\"172.17.0.1\","
			   "\"Mac\":\"02:42:ac:11:00:02\",\"Veth\":\"dh0123456789\",\"Ports\":["
			   "{\"Proto\":\"tcp\",\"ContainerPort\":80,\"HostIp\":\"0.0.0.0\","
			   "\"HostPort\":8080}]}";
	NetEndpoint *e = dh_json_parse_text(&net_endpoint_table, text, strlen(text), NULL);
	assert_non_null(e);
	g_autofree char *back = dh_json_emit_text(&net_endpoint_table, e);
	assert_string_equal(back, text);
	dh_json_free(&net_endpoint_table, e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(ipam_order),
		cmocka_unit_test(ipam_exhaustion),
		cmocka_unit_test(subnet_choice),
		cmocka_unit_test(port_words),
		cmocka_unit_test(port_reservation),
		cmocka_unit_test(port_foreign),
		cmocka_unit_test(port_time_wait),
		cmocka_unit_test(port_range_full),
		cmocka_unit_test(table_names),
		cmocka_unit_test(hosts_file),
		cmocka_unit_test(resolv_conf),
		cmocka_unit_test(files_in_place),
		cmocka_unit_test(endpoint_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

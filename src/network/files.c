/* SPDX-License-Identifier: MIT */
/*
 * hosts and resolv.conf of a container. Both are bind-mounted into it file by file, so they are
 * always written in place: a renamed file would leave the container with the old one.
 */
#include "network/files.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "network/address.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 65536
#define HOST_FILE "/etc/resolv.conf"
#define RESOLVED_FILE "/run/systemd/resolve/resolv.conf"
#define RESOLVED_SERVER "127.0.0.53"
#define BLANKS " \t\r"

/* ---- hosts ---- */

static void put_record(GString *s, const char *ip, const char *names)
{
	g_string_append_printf(s, "%s\t%s\n", ip, names);
}

/* "name:ip" or "name=ip"; the address may be IPv6, bare or in brackets. */
static gboolean put_extra(GString *s, const char *extra, const NetHosts *h, GError **error)
{
	size_t n = strcspn(extra, ":=");
	if (n == 0 || !extra[n] || !extra[n + 1])
		return dh_error(error, DH_ERROR_INVALID, "bad format for add-host: \"%s\"", extra);
	g_autofree char *name = g_strndup(extra, n);
	g_autofree char *ip = g_strdup(extra + n + 1);
	size_t len = strlen(ip);
	if (ip[0] == '[' && ip[len - 1] == ']') {
		memmove(ip, ip + 1, len - 2);
		ip[len - 2] = '\0';
	}
	if (strcmp(ip, "host-gateway") != 0) {
		put_record(s, ip, name);
		return TRUE;
	}
	if (!h->host_gateway_ip || !*h->host_gateway_ip)
		return dh_error(
			error, DH_ERROR_INVALID, "unable to derive the IP value for host-gateway");
	put_record(s, h->host_gateway_ip, name);
	return TRUE;
}

/* A name with a domain, given in one word or two, is followed by its first part. */
static void put_own(GString *s, const NetHosts *h)
{
	g_autofree char *fqdn = h->domainname && *h->domainname
					? g_strconcat(h->hostname, ".", h->domainname, NULL)
					: g_strdup(h->hostname);
	const char *dot = strchr(fqdn, '.');
	if (!dot) {
		put_record(s, h->ip, fqdn);
		return;
	}
	g_autofree char *both = g_strdup_printf("%s %.*s", fqdn, (int)(dot - fqdn), fqdn);
	put_record(s, h->ip, both);
}

char *net_hosts_text(const NetHosts *h, GError **error)
{
	static const char *const standard[][2] = {
		{"127.0.0.1", "localhost"},
		{"::1", "localhost ip6-localhost ip6-loopback"},
		{"fe00::0", "ip6-localnet"},
		{"ff00::0", "ip6-mcastprefix"},
		{"ff02::1", "ip6-allnodes"},
		{"ff02::2", "ip6-allrouters"},
	};
	g_autoptr(GString) s = g_string_new(NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(standard); i++)
		put_record(s, standard[i][0], standard[i][1]);
	for (char *const *e = h->extra; e && *e; e++)
		if (!put_extra(s, *e, h, error))
			return NULL;
	for (guint i = 0; h->links && i < h->links->len; i++) {
		const NetHostEntry *l = h->links->pdata[i];
		g_autofree char *names = l->names ? g_strjoinv(" ", l->names) : g_strdup("");
		put_record(s, l->ip, names);
	}
	if (h->ip && *h->ip && h->hostname && *h->hostname)
		put_own(s, h);
	return g_string_free(g_steal_pointer(&s), FALSE);
}

/* ---- resolv.conf ---- */

/* The value of a line "keyword value", or NULL; trailing comment and blanks cut off in place. */
static char *value_of(char *line, const char *keyword)
{
	char *s = line + strspn(line, BLANKS);
	size_t n = strlen(keyword);
	if (strncmp(s, keyword, n) != 0 || (s[n] != ' ' && s[n] != '\t'))
		return NULL;
	s += n;
	s[strcspn(s, "#;")] = '\0';
	return g_strstrip(s);
}

/* Containers have no IPv6, and the host's loopback is not theirs. */
static gboolean is_usable(const char *server)
{
	uint32_t ip;
	return net_ip_parse(server, &ip) && ip >> 24 != 127;
}

/* What a resolv.conf says. The last search and options line counts. */
typedef struct {
	GPtrArray *servers;
	char *search, *options;
} HostConf;

static void host_conf_parse(HostConf *c, const char *text)
{
	c->servers = g_ptr_array_new_with_free_func(g_free);
	c->search = c->options = NULL;
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++) {
		char *value;
		if ((value = value_of(*line, "nameserver"))) {
			g_ptr_array_add(c->servers, g_strdup(value));
		} else if ((value = value_of(*line, "search"))) {
			g_free(c->search);
			c->search = g_strdup(value);
		} else if ((value = value_of(*line, "options"))) {
			g_free(c->options);
			c->options = g_strdup(value);
		}
	}
}

static void host_conf_clear(HostConf *c)
{
	g_ptr_array_unref(c->servers);
	g_free(c->search);
	g_free(c->options);
}

gboolean net_resolv_conf_is_resolved(const char *host)
{
	HostConf c;
	host_conf_parse(&c, host);
	gboolean only = c.servers->len == 1 && strcmp(c.servers->pdata[0], RESOLVED_SERVER) == 0;
	host_conf_clear(&c);
	return only;
}

static void put_default_servers(GString *s)
{
	g_string_append(s, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
}

/* The host's lines as they stand, without the servers that a container cannot use. */
static char *filter(const char *host)
{
	GString *s = g_string_new(NULL);
	guint servers = 0;
	g_auto(GStrv) lines = g_strsplit(host, "\n", -1);
	for (char **line = lines; *line; line++) {
		if (!line[1] && !**line)
			break; /* what follows the last newline */
		g_autofree char *copy = g_strdup(*line);
		char *server = value_of(copy, "nameserver");
		if (server && !is_usable(server))
			continue;
		servers += server != NULL;
		g_string_append_printf(s, "%s\n", *line);
	}
	if (!servers)
		put_default_servers(s);
	return g_string_free(s, FALSE);
}

static gboolean is_given(char *const *list)
{
	return list && *list;
}

char *net_resolv_conf_text(
	const char *host, char *const *dns, char *const *search, char *const *options)
{
	if (!is_given(dns) && !is_given(search) && !is_given(options))
		return filter(host);
	HostConf c;
	host_conf_parse(&c, host);
	GString *s = g_string_new(NULL);
	g_autofree char *domains =
		is_given(search) ? g_strjoinv(" ", (char **)search) : g_strdup(c.search);
	if (domains && *domains && strcmp(g_strstrip(domains), ".") != 0)
		g_string_append_printf(s, "search %s\n", domains);
	guint servers = 0;
	for (char *const *d = dns; d && *d; d++, servers++)
		g_string_append_printf(s, "nameserver %s\n", *d);
	for (guint i = 0; !is_given(dns) && i < c.servers->len; i++) {
		if (is_usable(c.servers->pdata[i])) {
			g_string_append_printf(s, "nameserver %s\n", (char *)c.servers->pdata[i]);
			servers++;
		}
	}
	if (!servers)
		put_default_servers(s);
	g_autofree char *opts =
		is_given(options) ? g_strjoinv(" ", (char **)options) : g_strdup(c.options);
	if (opts && *g_strstrip(opts))
		g_string_append_printf(s, "options %s\n", opts);
	host_conf_clear(&c);
	return g_string_free(s, FALSE);
}

/* ---- writing ---- */

/* Over the old contents and then cut: a reader never finds the file empty. */
static gboolean write_in_place(const char *dir, const char *name, const char *text, GError **error)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
	dh_autofd int fd = open(path, flags | O_EXCL, 0644);
	gboolean made = fd != -1;
	if (!made)
		fd = open(path, flags, 0644);
	size_t n = strlen(text);
	if (fd != -1 && fchmod(fd, 0644) == 0 && dh_write_all(fd, text, n) == 0 &&
		ftruncate(fd, (off_t)n) == 0)
		return TRUE;
	dh_error_errno(error, errno, "cannot write %s", path);
	if (made)
		(void)unlink(path);
	return FALSE;
}

gboolean net_write_hosts(const char *dir, const NetHosts *h, GError **error)
{
	g_autofree char *text = net_hosts_text(h, error);
	return text && write_in_place(dir, "hosts", text, error);
}

static char *read_host_file(const char *path, GError **error)
{
	g_autoptr(GError) why = NULL;
	char *text = dh_read_file(AT_FDCWD, path, FILE_MAX, NULL, &why);
	if (text)
		return text;
	if (g_error_matches(why, DH_ERROR, DH_ERROR_NOT_FOUND))
		return g_strdup("");
	g_propagate_error(error, g_steal_pointer(&why));
	return NULL;
}

gboolean net_write_resolv_conf(const char *dir, char *const *dns, char *const *search,
	char *const *options, gboolean host_network, GError **error)
{
	g_autofree char *host = read_host_file(HOST_FILE, error);
	if (!host)
		return FALSE;
	if (host_network && !is_given(dns) && !is_given(search) && !is_given(options))
		return write_in_place(dir, "resolv.conf", host, error);
	if (net_resolv_conf_is_resolved(host)) {
		char *real = read_host_file(RESOLVED_FILE, NULL);
		if (real && *real) {
			g_free(host);
			host = real;
		} else {
			g_free(real);
		}
	}
	g_autofree char *text = net_resolv_conf_text(host, dns, search, options);
	return write_in_place(dir, "resolv.conf", text, error);
}

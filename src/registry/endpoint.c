/* SPDX-License-Identifier: MIT */
#include "registry/endpoint.h"

#include "base/error.h"
#include "base/fs.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#define DOCKER_IO "docker.io"
#define DOCKER_IO_HOST "registry-1.docker.io"
#define PEM_MAX (1024 * 1024)

void endpoint_free(Endpoint *e)
{
	if (!e)
		return;
	g_free(e->url);
	g_free(e->host);
	http_tls_clear(&e->tls);
	g_free(e);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Endpoint, endpoint_free)

/* ---- insecure registries ---- */

/* Host without port and brackets. */
static char *bare_host(const char *host)
{
	if (*host == '[') {
		const char *end = strchr(host, ']');
		return end ? g_strndup(host + 1, (gsize)(end - host - 1)) : g_strdup(host + 1);
	}
	const char *colon = strchr(host, ':');
	if (!colon || strchr(colon + 1, ':'))
		return g_strdup(host);
	return g_strndup(host, (gsize)(colon - host));
}

/* An address of either family as 16 bytes (IPv4 mapped). */
static gboolean parse_ip(const char *text, unsigned char ip[16], gboolean *ret_v4)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	memcpy(ip, mapped, sizeof mapped);
	*ret_v4 = inet_pton(AF_INET, text, ip + 12) == 1;
	return *ret_v4 || inet_pton(AF_INET6, text, ip) == 1;
}

static gboolean parse_cidr(const char *text, unsigned char ip[16], guint *ret_bits)
{
	const char *slash = strchr(text, '/');
	if (!slash || !slash[1] || strspn(slash + 1, "0123456789") != strlen(slash + 1))
		return FALSE;
	g_autofree char *address = g_strndup(text, (gsize)(slash - text));
	gboolean v4;
	guint64 bits = g_ascii_strtoull(slash + 1, NULL, 10);
	if (!parse_ip(address, ip, &v4) || bits > (v4 ? 32 : 128))
		return FALSE;
	*ret_bits = (guint)bits + (v4 ? 96 : 0);
	return TRUE;
}

static gboolean in_network(const unsigned char ip[16], const char *cidr)
{
	unsigned char net[16];
	guint bits;
	if (!parse_cidr(cidr, net, &bits))
		return FALSE;
	for (guint i = 0; i < bits; i++)
		if ((ip[i / 8] ^ net[i / 8]) & (0x80 >> (i % 8)))
			return FALSE;
	return TRUE;
}

static gboolean any_address_in(const char *host, char *const *cidrs)
{
	unsigned char ip[16];
	gboolean v4;
	if (parse_ip(host, ip, &v4)) {
		for (; *cidrs; cidrs++)
			if (in_network(ip, *cidrs))
				return TRUE;
		return FALSE;
	}
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	gboolean found = FALSE;
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return FALSE;
	for (struct addrinfo *a = list; a && !found; a = a->ai_next) {
		char text[64];
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0,
			    NI_NUMERICHOST) == 0 &&
			parse_ip(text, ip, &v4))
			for (char *const *c = cidrs; *c && !found; c++)
				found = in_network(ip, *c);
	}
	freeaddrinfo(list);
	return found;
}

gboolean endpoint_is_insecure(const RegistryConfig *c, const char *host)
{
	static char *const always[] = {(char *)"127.0.0.0/8", (char *)"::1/128", NULL};
	for (char **i = c->insecure; i && *i; i++)
		if (strcmp(*i, host) == 0)
			return TRUE;
	/* Docker's own names are never asked for in the DNS only to learn this. */
	if (strcmp(host, DOCKER_IO_HOST) == 0)
		return FALSE;
	g_autofree char *bare = bare_host(host);
	return any_address_in(bare, always) || (c->insecure && any_address_in(bare, c->insecure));
}

/* ---- what the user wrote ---- */

void registry_config_clear(RegistryConfig *c)
{
	g_strfreev(c->insecure);
	g_strfreev(c->mirrors);
	g_strfreev(c->certs_dirs);
	*c = (RegistryConfig){0};
}

static gboolean check_insecure(const char *text, GError **error)
{
	unsigned char ip[16];
	guint bits;
	if (parse_cidr(text, ip, &bits))
		return TRUE;
	if (strstr(text, "://"))
		return dh_error(error, DH_ERROR_INVALID,
			"insecure registry %s should not contain '://'", text);
	gboolean valid = *text != '\0' && *text != '-' && text[strlen(text) - 1] != '-';
	for (const char *p = text; *p && valid; p++)
		valid = g_ascii_isalnum(*p) || strchr(".-_:[]", *p);
	if (valid)
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID,
		"insecure registry %s is not valid: invalid host \"%s\"", text, text);
}

static gboolean check_mirror(const char *text, GError **error)
{
	gboolean http = g_str_has_prefix(text, "http://");
	if (!http && !g_str_has_prefix(text, "https://")) {
		g_autofree char *scheme = g_uri_parse_scheme(text);
		return dh_error(error, DH_ERROR_INVALID,
			"invalid mirror: unsupported scheme \"%s\" in \"%s\"", scheme ? scheme : "",
			text);
	}
	const char *rest = text + (http ? 7 : 8);
	if (strpbrk(rest, "?#") || !*rest || *rest == '/')
		return dh_error(error, DH_ERROR_INVALID,
			"invalid mirror: query or fragment at end of the URI \"%s\"", text);
	if (strchr(rest, '@'))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid mirror: username/password not allowed in URI \"%s\"", text);
	return TRUE;
}

gboolean registry_config_check(const RegistryConfig *c, GError **error)
{
	for (char **i = c->insecure; i && *i; i++)
		if (!check_insecure(*i, error))
			return FALSE;
	for (char **m = c->mirrors; m && *m; m++)
		if (!check_mirror(*m, error))
			return FALSE;
	if (c->max_downloads < 0)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid max concurrent downloads: %" G_GINT64_FORMAT, c->max_downloads);
	if (c->max_uploads < 0)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid max concurrent uploads: %" G_GINT64_FORMAT, c->max_uploads);
	if (c->max_attempts < 0)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid max download attempts: %" G_GINT64_FORMAT, c->max_attempts);
	return TRUE;
}

/* ---- certificates ---- */

static gboolean add_ca(HttpTls *t, const char *path, GError **error)
{
	g_autofree char *pem = dh_read_file(AT_FDCWD, path, PEM_MAX, NULL, error);
	if (!pem)
		return FALSE;
	char *all = g_strconcat(t->ca_pem ? t->ca_pem : "", pem, "\n", NULL);
	g_free(t->ca_pem);
	t->ca_pem = all;
	return TRUE;
}

/* x.cert and x.key belong together. */
static char *sibling(const char *path, const char *from, const char *to)
{
	g_autofree char *stem = g_strndup(path, strlen(path) - strlen(from));
	return g_strconcat(stem, to, NULL);
}

static gboolean add_file(HttpTls *t, const char *dir, const char *name, GError **error)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	if (g_str_has_suffix(name, ".crt"))
		return add_ca(t, path, error);
	if (g_str_has_suffix(name, ".cert")) {
		g_autofree char *key = sibling(path, ".cert", ".key");
		if (!g_file_test(key, G_FILE_TEST_EXISTS)) {
			g_autofree char *key_name = g_path_get_basename(key);
			return dh_error(error, DH_ERROR_SYSTEM,
				"missing key %s for client certificate %s. Note that CA "
				"certificates should use the extension .crt",
				key_name, name);
		}
		if (!t->cert) {
			t->cert = g_strdup(path);
			t->key = g_steal_pointer(&key);
		}
	}
	if (g_str_has_suffix(name, ".key")) {
		g_autofree char *cert = sibling(path, ".key", ".cert");
		if (!g_file_test(cert, G_FILE_TEST_EXISTS)) {
			g_autofree char *cert_name = g_path_get_basename(cert);
			return dh_error(error, DH_ERROR_SYSTEM,
				"missing client certificate %s for key %s", cert_name, name);
		}
	}
	return TRUE;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static gboolean add_dir(HttpTls *t, const char *path, GError **error)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	if (!dir)
		return TRUE;
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	const char *name;
	while ((name = g_dir_read_name(dir)))
		g_ptr_array_add(names, g_strdup(name));
	g_dir_close(dir);
	if (names->len > 1)
		qsort(names->pdata, names->len, sizeof(char *), by_name);
	for (guint i = 0; i < names->len; i++)
		if (!add_file(t, path, names->pdata[i], error))
			return FALSE;
	return TRUE;
}

static gboolean load_tls(const RegistryConfig *c, const char *host, HttpTls *t, GError **error)
{
	for (char **d = c->certs_dirs; d && *d; d++) {
		g_autofree char *path = g_build_filename(*d, host, NULL);
		if (!add_dir(t, path, error))
			return FALSE;
	}
	return TRUE;
}

/* ---- endpoints ---- */

static gboolean add_endpoint(
	GPtrArray *out, const RegistryConfig *c, const char *url, gboolean mirror, GError **error)
{
	g_autoptr(Endpoint) e = g_new0(Endpoint, 1);
	e->url = g_strdup(url);
	while (g_str_has_suffix(e->url, "/"))
		e->url[strlen(e->url) - 1] = '\0';
	const char *rest = strstr(url, "://") + 3;
	e->host = g_strndup(rest, strcspn(rest, "/"));
	e->mirror = mirror;
	if (g_str_has_prefix(url, "https://")) {
		e->tls.insecure = endpoint_is_insecure(c, e->host);
		if (!load_tls(c, e->host, &e->tls, error))
			return FALSE;
	}
	g_ptr_array_add(out, g_steal_pointer(&e));
	return TRUE;
}

GPtrArray *endpoints_of(
	const RegistryConfig *c, const char *domain, gboolean mirrors, GError **error)
{
	g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func((GDestroyNotify)endpoint_free);
	if (strcmp(domain, DOCKER_IO) == 0) {
		for (char **m = c->mirrors; mirrors && m && *m; m++)
			if (!add_endpoint(out, c, *m, TRUE, error))
				return NULL;
		if (!add_endpoint(out, c, "https://" DOCKER_IO_HOST, FALSE, error))
			return NULL;
		return g_steal_pointer(&out);
	}
	g_autofree char *https = g_strconcat("https://", domain, NULL);
	g_autofree char *http = g_strconcat("http://", domain, NULL);
	if (!add_endpoint(out, c, https, FALSE, error))
		return NULL;
	if (endpoint_is_insecure(c, domain) && !add_endpoint(out, c, http, FALSE, error))
		return NULL;
	return g_steal_pointer(&out);
}

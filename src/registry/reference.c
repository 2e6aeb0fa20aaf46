/* SPDX-License-Identifier: MIT */
/*
 * The grammar, as the distribution specification and docker's own parser have it:
 *
 *   reference  = name [":" tag] ["@" digest]
 *   name       = [domain "/"] component *("/" component)
 *   domain     = host [":" digits]; host = labels of [A-Za-z0-9-] joined by ".", or "[" ipv6 "]"
 *   component  = [a-z0-9]+ *(separator [a-z0-9]+); separator = "." | "_" | "__" | "-"+
 *   tag        = [A-Za-z0-9_] *127[A-Za-z0-9_.-]
 *   digest     = algorithm ":" hex; sha256, sha384, sha512
 *
 * The first component is a domain only if it looks like one (a dot, a colon, a capital letter or
 * "localhost"); otherwise the name belongs to docker.io, and to docker.io/library if it has one
 * component.
 */
#include "registry/reference.h"

#include "base/error.h"

#include <string.h>

#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DOMAIN "index.docker.io"
#define OFFICIAL "library/"
#define NAME_MAX_LEN 255
#define TAG_MAX_LEN 128

void reference_free(Reference *r)
{
	if (!r)
		return;
	g_free(r->domain);
	g_free(r->path);
	g_free(r->tag);
	g_free(r->digest);
	g_free(r);
}

static gboolean invalid(GError **error)
{
	return dh_error(error, DH_ERROR_INVALID, "invalid reference format");
}

static gboolean is_lower_hex(const char *s, size_t n)
{
	if (strlen(s) != n)
		return FALSE;
	return strspn(s, "0123456789abcdef") == n;
}

gboolean reference_valid_tag(const char *tag)
{
	size_t n = strlen(tag);
	if (n == 0 || n > TAG_MAX_LEN || tag[0] == '.' || tag[0] == '-')
		return FALSE;
	for (const char *p = tag; *p; p++)
		if (!g_ascii_isalnum(*p) && !strchr("_.-", *p))
			return FALSE;
	return TRUE;
}

/* One label after the other: alphanumeric at both ends, hyphens inside. */
static gboolean valid_host(const char *p, const char *end)
{
	if (p < end && *p == '[') {
		if (end - p < 3 || end[-1] != ']')
			return FALSE;
		for (p++; p < end - 1; p++)
			if (!g_ascii_isxdigit(*p) && *p != ':')
				return FALSE;
		return TRUE;
	}
	for (;;) {
		const char *dot = memchr(p, '.', (size_t)(end - p));
		const char *stop = dot ? dot : end;
		if (p == stop || !g_ascii_isalnum(*p) || !g_ascii_isalnum(stop[-1]))
			return FALSE;
		for (; p < stop; p++)
			if (!g_ascii_isalnum(*p) && *p != '-')
				return FALSE;
		if (!dot)
			return TRUE;
		p = dot + 1;
	}
}

static gboolean valid_domain(const char *domain)
{
	const char *bracket = strrchr(domain, ']');
	const char *colon = strchr(bracket ? bracket : domain, ':');
	if (!colon)
		return valid_host(domain, domain + strlen(domain));
	if (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return FALSE;
	return valid_host(domain, colon);
}

static gboolean is_word(char c)
{
	return g_ascii_islower(c) || g_ascii_isdigit(c);
}

static gboolean valid_path(const char *p)
{
	for (;;) {
		if (!is_word(*p))
			return FALSE;
		while (is_word(*p))
			p++;
		if (!*p)
			return TRUE;
		if (*p == '-')
			p += strspn(p, "-");
		else if (p[0] == '_' && p[1] == '_')
			p += 2;
		else if (strchr("._/", *p))
			p++;
		else
			return FALSE;
	}
}

static gboolean check_digest(const char *digest, GError **error)
{
	static const struct {
		const char *name;
		size_t hex;
	} algorithms[] = {
		{"sha256", 64},
		{"sha384", 96},
		{"sha512", 128},
	};

	const char *colon = strchr(digest, ':');
	if (!colon || strlen(colon + 1) < 32 || !g_ascii_isalpha(digest[0]))
		return invalid(error);
	for (const char *p = digest; p < colon; p++)
		if (!g_ascii_isalnum(*p) && !(strchr("-_+.", *p) && g_ascii_isalpha(p[1])))
			return invalid(error);
	for (const char *p = colon + 1; *p; p++)
		if (!g_ascii_isxdigit(*p))
			return invalid(error);
	for (size_t i = 0; i < G_N_ELEMENTS(algorithms); i++) {
		if (strlen(algorithms[i].name) != (size_t)(colon - digest) ||
			strncmp(digest, algorithms[i].name, (size_t)(colon - digest)) != 0)
			continue;
		if (strlen(colon + 1) != algorithms[i].hex)
			return dh_error(error, DH_ERROR_INVALID, "invalid checksum digest length");
		if (!is_lower_hex(colon + 1, algorithms[i].hex))
			return dh_error(error, DH_ERROR_INVALID, "invalid checksum digest format");
		return TRUE;
	}
	return dh_error(error, DH_ERROR_INVALID, "unsupported digest algorithm");
}

/* "localhost/x" and "a.b/x" name a host, "user/x" does not. */
static gboolean looks_like_domain(const char *p, size_t n)
{
	if (n == strlen("localhost") && strncmp(p, "localhost", n) == 0)
		return TRUE;
	for (size_t i = 0; i < n; i++)
		if (p[i] == '.' || p[i] == ':' || g_ascii_isupper(p[i]))
			return TRUE;
	return FALSE;
}

/* Splits text into domain and the rest, completing what docker.io's names leave out. */
static void split_domain(const char *text, char **ret_domain, char **ret_rest)
{
	const char *slash = strchr(text, '/');
	g_autofree char *domain = NULL;
	const char *rest = text;
	if (slash && looks_like_domain(text, (size_t)(slash - text))) {
		domain = g_strndup(text, (size_t)(slash - text));
		rest = slash + 1;
	}
	if (!domain || strcmp(domain, LEGACY_DOMAIN) == 0) {
		g_free(domain);
		domain = g_strdup(DEFAULT_DOMAIN);
	}
	gboolean official = strcmp(domain, DEFAULT_DOMAIN) == 0 && !strchr(rest, '/');
	*ret_rest = g_strconcat(official ? OFFICIAL : "", rest, NULL);
	*ret_domain = g_steal_pointer(&domain);
}

Reference *reference_parse(const char *text, GError **error)
{
	if (is_lower_hex(text, 64)) {
		dh_error(error, DH_ERROR_INVALID,
			"invalid repository name (%s), cannot specify 64-byte hexadecimal strings",
			text);
		return NULL;
	}

	g_autoptr(Reference) r = g_new0(Reference, 1);
	g_autofree char *rest = NULL;
	split_domain(text, &r->domain, &rest);

	size_t n = strcspn(rest, ":");
	for (size_t i = 0; i < n; i++) {
		if (g_ascii_isupper(rest[i])) {
			dh_error(error, DH_ERROR_INVALID,
				"invalid reference format: repository name (%.*s) must be "
				"lowercase",
				(int)n, rest);
			return NULL;
		}
	}

	char *at = strchr(rest, '@');
	if (at) {
		*at = '\0';
		r->digest = g_strdup(at + 1);
	}
	char *colon = strchr(rest, ':');
	if (colon) {
		*colon = '\0';
		r->tag = g_strdup(colon + 1);
	}
	r->path = g_steal_pointer(&rest);

	if (!valid_domain(r->domain) || !valid_path(r->path) ||
		(r->tag && !reference_valid_tag(r->tag))) {
		invalid(error);
		return NULL;
	}
	if (strlen(r->domain) + 1 + strlen(r->path) > NAME_MAX_LEN) {
		dh_error(error, DH_ERROR_INVALID,
			"repository name must not be more than %d characters", NAME_MAX_LEN);
		return NULL;
	}
	if (r->digest && !check_digest(r->digest, error))
		return NULL;
	return g_steal_pointer(&r);
}

char *reference_familiar_name(const Reference *r)
{
	if (strcmp(r->domain, DEFAULT_DOMAIN) != 0)
		return g_strconcat(r->domain, "/", r->path, NULL);
	size_t n = strlen(OFFICIAL);
	if (strncmp(r->path, OFFICIAL, n) == 0 && !strchr(r->path + n, '/'))
		return g_strdup(r->path + n);
	return g_strdup(r->path);
}

char *reference_familiar(const Reference *r)
{
	g_autofree char *name = reference_familiar_name(r);
	const char *tag = r->tag ? r->tag : r->digest ? NULL : "latest";
	return g_strconcat(name, tag ? ":" : "", tag ? tag : "", r->digest ? "@" : "",
		r->digest ? r->digest : "", NULL);
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/run_parse.h"
#include "cli/text.h"

#include <string.h>

gboolean parse_plain(const char *v, json_t *into, GError **error)
{
	json_array_append_new(into, text_json(v));
	return TRUE;
}

static gboolean split_into(const char *v, char sep, json_t *into)
{
	g_autofree char *key = NULL;
	const char *value = text_cut(v, sep, &key);
	g_autofree char *valid = g_utf8_make_valid(key, -1);
	json_object_set_new(into, valid, text_json(value ? value : ""));
	return TRUE;
}

gboolean parse_map(const char *v, json_t *into, GError **error)
{
	return split_into(v, '=', into);
}

gboolean parse_tmpfs(const char *v, json_t *into, GError **error)
{
	return split_into(v, ':', into);
}

gboolean parse_attach(const char *v, json_t *into, GError **error)
{
	static const char *const streams[] = {"stdin", "stdout", "stderr", NULL};
	g_autofree char *lower = g_ascii_strdown(v, -1);
	if (!g_strv_contains(streams, lower))
		return dh_error(
			error, DH_ERROR_INVALID, "valid streams are STDIN, STDOUT and STDERR");
	return parse_plain(lower, into, error);
}

gboolean parse_label(const char *v, json_t *into, GError **error)
{
	g_autofree char *key = NULL;
	text_cut(v, '=', &key);
	const char *name = key + strspn(key, " \t\n\v\f\r");
	if (!*name)
		return dh_error(error, DH_ERROR_INVALID, "invalid label '%s': empty name", v);
	if (name[strcspn(name, " \t\n\v\f\r")])
		return dh_error(error, DH_ERROR_INVALID, "label '%s' contains whitespaces", name);
	return parse_plain(v, into, error);
}

gboolean parse_link(const char *v, json_t *into, GError **error)
{
	const char *colon = strchr(v, ':');
	if (!*v)
		return dh_error(error, DH_ERROR_INVALID, "empty string specified for links");
	if (colon && strchr(colon + 1, ':'))
		return dh_error(error, DH_ERROR_INVALID, "bad format for links: %s", v);
	return parse_plain(v, into, error);
}

gboolean parse_add_host(const char *v, json_t *into, GError **error)
{
	g_autofree char *name = NULL;
	const char *address = text_cut(v, strchr(v, '=') ? '=' : ':', &name);
	if (!address || !*name) {
		g_autofree char *q = text_quote(v);
		return dh_error(error, DH_ERROR_INVALID, "bad format for add-host: %s", q);
	}
	size_t n = strlen(address);
	gboolean brackets = n > 2 && address[0] == '[' && address[n - 1] == ']';
	g_autofree char *bare = brackets ? g_strndup(address + 1, n - 2) : g_strdup(address);
	g_autofree char *ip = text_ip(bare);
	if (!ip && strcmp(bare, "host-gateway") != 0) {
		g_autofree char *q = text_quote(bare);
		return dh_error(error, DH_ERROR_INVALID, "invalid IP address in add-host: %s", q);
	}
	g_autofree char *entry = g_strconcat(name, ":", bare, NULL);
	return parse_plain(entry, into, error);
}

gboolean parse_dns(const char *v, json_t *into, GError **error)
{
	g_autofree char *trimmed = g_strstrip(g_strdup(v));
	g_autofree char *ip = text_ip(trimmed);
	if (!ip)
		return dh_error(
			error, DH_ERROR_INVALID, "IP address is not correctly formatted: %s", v);
	return parse_plain(ip, into, error);
}

static gboolean is_domain(const char *s)
{
	gboolean alpha = FALSE;
	if (strlen(s) >= 255)
		return FALSE;
	g_auto(GStrv) labels = g_strsplit(s, ".", -1);
	for (char **l = labels; *l; l++) {
		size_t n = strlen(*l);
		if (n == 0 || (*l)[0] == '-' || (*l)[n - 1] == '-')
			return FALSE;
		for (const char *c = *l; *c; c++) {
			if (!g_ascii_isalnum(*c) && *c != '-')
				return FALSE;
			alpha |= g_ascii_isalpha(*c);
		}
	}
	return alpha;
}

gboolean parse_dns_search(const char *v, json_t *into, GError **error)
{
	g_autofree char *domain = g_strchomp(g_strdup(v + strspn(v, " ")));
	if (strcmp(domain, ".") == 0)
		return parse_plain(domain, into, error);
	size_t n = strlen(domain);
	if (n && domain[n - 1] == '.')
		domain[n - 1] = '\0';
	if (!is_domain(domain))
		return dh_error(error, DH_ERROR_INVALID, "%s is not a valid domain", v);
	return parse_plain(domain, into, error);
}

gboolean parse_sysctl(const char *v, json_t *into, GError **error)
{
	static const char *const names[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",
		"kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
		"kernel.shm_rmid_forced", NULL};
	g_autofree char *key = NULL;
	const char *value = text_cut(v, '=', &key);
	if (!value || !(g_strv_contains(names, key) || g_str_has_prefix(key, "net.") ||
			      g_str_has_prefix(key, "fs.mqueue.")))
		return dh_error(error, DH_ERROR_INVALID, "sysctl '%s' is not allowed", v);
	return parse_map(v, into, error);
}

gboolean parse_env(const char *v, json_t *into, GError **error)
{
	if (!*v || *v == '=')
		return dh_error(error, DH_ERROR_INVALID, "invalid environment variable: %s", v);
	const char *value = strchr(v, '=') ? NULL : g_getenv(v);
	if (!value)
		return parse_plain(v, into, error);
	g_autofree char *full = g_strconcat(v, "=", value, NULL);
	return parse_plain(full, into, error);
}

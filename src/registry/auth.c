/* SPDX-License-Identifier: MIT */
#include "registry/auth.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define HEADER_MAX (64 * 1024)
#define CHALLENGES_MAX 16
#define TOKEN_LIFE_MIN 60

/* ---- credentials ---- */

static const DhJsonField auth_fields[] = {
	DH_F(STRING, RegistryAuth, username, "username", 0),
	DH_F(STRING, RegistryAuth, password, "password", 0),
	DH_F(STRING, RegistryAuth, server_address, "serveraddress", 0),
	DH_F(STRING, RegistryAuth, identity_token, "identitytoken", 0),
	DH_F(STRING, RegistryAuth, registry_token, "registrytoken", 0),
};
static DH_JSON_TABLE(auth_table, RegistryAuth, auth_fields, FALSE);

void registry_auth_free(RegistryAuth *a)
{
	if (a && a->password)
		memset(a->password, 0, strlen(a->password));
	dh_json_free(&auth_table, a);
}

RegistryAuth *registry_auth_copy(const RegistryAuth *a)
{
	return a ? dh_json_copy(&auth_table, a) : dh_json_new(&auth_table);
}

RegistryAuth *registry_auth_parse(const char *text, size_t n, GError **error)
{
	return dh_json_parse_text(&auth_table, text, n, error);
}

RegistryAuth *registry_auth_decode(const char *header, GError **error)
{
	if (!header || !*header)
		return dh_json_new(&auth_table);
	size_t n = strlen(header);
	g_autoptr(GString) plain = g_string_sized_new(n + 4);
	gboolean valid = n <= HEADER_MAX;
	for (const char *p = header; valid && *p && *p != '='; p++) {
		valid = g_ascii_isalnum(*p) || strchr("+/-_", *p);
		g_string_append_c(plain, *p == '-' ? '+' : *p == '_' ? '/' : *p);
	}
	while (plain->len % 4)
		g_string_append_c(plain, '=');
	if (!valid) {
		dh_error(
			error, DH_ERROR_INVALID, "invalid X-Registry-Auth header: it is no base64");
		return NULL;
	}
	gsize len = 0;
	g_autofree guchar *json = g_base64_decode(plain->str, &len);
	RegistryAuth *a = registry_auth_parse((const char *)json, len, error);
	if (!a)
		g_prefix_error(error, "invalid X-Registry-Auth header: ");
	return a;
}

char *registry_auth_basic(const RegistryAuth *a)
{
	g_autofree char *pair = g_strconcat(
		a->username ? a->username : "", ":", a->password ? a->password : "", NULL);
	g_autofree char *text = g_base64_encode((const guchar *)pair, strlen(pair));
	return g_strconcat("Authorization: Basic ", text, NULL);
}

/* ---- challenges ---- */

void auth_challenge_free(AuthChallenge *c)
{
	if (!c)
		return;
	g_free(c->scheme);
	g_free(c->realm);
	g_free(c->service);
	g_free(c->scope);
	g_free(c);
}

static gboolean is_token_char(char c)
{
	return g_ascii_isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static char *take_token(const char **p)
{
	const char *start = *p;
	while (is_token_char(**p))
		(*p)++;
	return g_strndup(start, (gsize)(*p - start));
}

/* A quoted string or a token. */
static char *take_value(const char **p)
{
	if (**p != '"')
		return take_token(p);
	GString *out = g_string_new(NULL);
	for ((*p)++; **p && **p != '"'; (*p)++) {
		if (**p == '\\' && (*p)[1])
			(*p)++;
		g_string_append_c(out, **p);
	}
	if (**p == '"')
		(*p)++;
	return g_string_free(out, FALSE);
}

static void skip_blanks(const char **p, gboolean commas)
{
	while (**p == ' ' || **p == '\t' || (commas && **p == ','))
		(*p)++;
}

static void set_parameter(AuthChallenge *c, const char *name, char *value)
{
	char **member = g_ascii_strcasecmp(name, "realm") == 0     ? &c->realm
			: g_ascii_strcasecmp(name, "service") == 0 ? &c->service
			: g_ascii_strcasecmp(name, "scope") == 0   ? &c->scope
								   : NULL;
	if (member && !*member)
		*member = value;
	else
		g_free(value);
}

GPtrArray *auth_challenges_parse(const char *header)
{
	GPtrArray *out = g_ptr_array_new_with_free_func((GDestroyNotify)auth_challenge_free);
	AuthChallenge *c = NULL;
	const char *p = header ? header : "";
	for (;;) {
		skip_blanks(&p, TRUE);
		if (!*p || out->len > CHALLENGES_MAX)
			return out;
		g_autofree char *word = take_token(&p);
		if (!*word) {
			p++; /* nothing that a challenge may hold */
			continue;
		}
		skip_blanks(&p, FALSE);
		if (*p == '=' && c) {
			p++;
			skip_blanks(&p, FALSE);
			set_parameter(c, word, take_value(&p));
			continue;
		}
		c = g_new0(AuthChallenge, 1);
		c->scheme = g_ascii_strdown(word, -1);
		g_ptr_array_add(out, c);
	}
}

/* ---- tokens ---- */

typedef struct {
	char *token, *access_token, *refresh_token;
	int64_t expires_in;
} RawToken;

static const DhJsonField token_fields[] = {
	DH_F(STRING, RawToken, token, "token", 0),
	DH_F(STRING, RawToken, access_token, "access_token", 0),
	DH_F(STRING, RawToken, refresh_token, "refresh_token", 0),
	DH_F(INT, RawToken, expires_in, "expires_in", 0),
};
static DH_JSON_TABLE(token_table, RawToken, token_fields, FALSE);

void auth_token_free(AuthToken *t)
{
	if (!t)
		return;
	g_free(t->token);
	g_free(t->refresh_token);
	g_free(t);
}

/* What a header may not carry. */
static gboolean is_header_safe(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s == 0x7f)
			return FALSE;
	return TRUE;
}

AuthToken *auth_token_parse(const char *text, size_t n, GError **error)
{
	RawToken *raw = dh_json_parse_text(&token_table, text, n, error);
	if (!raw) {
		g_prefix_error(error, "unable to decode token response: ");
		return NULL;
	}
	g_autoptr(AuthToken) t = g_new0(AuthToken, 1);
	gboolean has = raw->token && *raw->token;
	t->token = g_strdup(has ? raw->token : raw->access_token);
	t->refresh_token = g_strdup(raw->refresh_token);
	t->expires_in = MAX(raw->expires_in, TOKEN_LIFE_MIN);
	dh_json_free(&token_table, raw);
	if (!t->token || !*t->token || !is_header_safe(t->token)) {
		dh_error(error, DH_ERROR_SYSTEM,
			"authorization server did not include a token in the response");
		return NULL;
	}
	return g_steal_pointer(&t);
}

/* ---- scopes ---- */

/* "type:name:actions", where the name may hold colons (a port). */
static gboolean split_scope(const char *scope, char **ret_resource, char **ret_actions)
{
	const char *colon = strrchr(scope, ':');
	if (!colon || colon == scope || !strchr(scope, ':'))
		return FALSE;
	*ret_resource = g_strndup(scope, (gsize)(colon - scope));
	*ret_actions = g_strdup(colon + 1);
	return TRUE;
}

static void add_scopes(GPtrArray *order, GHashTable *actions, const char *text)
{
	g_auto(GStrv) scopes = g_strsplit(text ? text : "", " ", -1);
	for (char **s = scopes; *s; s++) {
		char *resource = NULL;
		g_autofree char *list = NULL;
		if (!split_scope(*s, &resource, &list))
			continue;
		GPtrArray *have = g_hash_table_lookup(actions, resource);
		if (!have) {
			have = g_ptr_array_new_with_free_func(g_free);
			g_hash_table_insert(actions, resource, have);
			g_ptr_array_add(order, resource);
		} else {
			g_free(resource);
		}
		g_auto(GStrv) words = g_strsplit(list, ",", -1);
		for (char **w = words; *w; w++)
			if (**w && !g_ptr_array_find_with_equal_func(have, *w, g_str_equal, NULL))
				g_ptr_array_add(have, g_strdup(*w));
	}
}

char *auth_scope_merge(const char *a, const char *b)
{
	g_autoptr(GPtrArray) order = g_ptr_array_new();
	g_autoptr(GHashTable) actions = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
	add_scopes(order, actions, a);
	add_scopes(order, actions, b);
	GString *out = g_string_new(NULL);
	for (guint i = 0; i < order->len; i++) {
		const char *resource = order->pdata[i];
		const GPtrArray *list = g_hash_table_lookup(actions, resource);
		g_string_append_printf(out, "%s%s:", i ? " " : "", resource);
		for (guint k = 0; k < list->len; k++)
			g_string_append_printf(
				out, "%s%s", k ? "," : "", (const char *)list->pdata[k]);
	}
	return g_string_free(out, FALSE);
}

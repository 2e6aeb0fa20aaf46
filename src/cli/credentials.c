/* SPDX-License-Identifier: MIT */
#include "cli/credentials.h"

#include "base/error.h"
#include "base/json.h"
#include "cli/config_file.h"
#include "cli/credential_helper.h"
#include "cli/listing.h"
#include "cli/text.h"

#include <string.h>

#define DEFAULT_DOMAIN "docker.io"

static void wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	g_clear_pointer(secret, g_free);
}

void credentials_clear(Credentials *c)
{
	g_clear_pointer(&c->server, g_free);
	g_clear_pointer(&c->username, g_free);
	wipe(&c->password);
	wipe(&c->identity_token);
	wipe(&c->registry_token);
}

/* servers */

char *credentials_host(const char *server)
{
	const char *scheme = strstr(server, "://");
	const char *host = scheme ? scheme + 3 : server;
	return g_strndup(host, strcspn(host, "/"));
}

static char *server_of_domain(const char *domain)
{
	gboolean hub =
		strcmp(domain, DEFAULT_DOMAIN) == 0 || strcmp(domain, "index." DEFAULT_DOMAIN) == 0;
	return g_strdup(hub ? CREDENTIALS_HUB : domain);
}

char *credentials_server_of(const Reference *ref)
{
	return server_of_domain(ref->domain);
}

char *credentials_server_of_term(const char *term)
{
	g_autofree char *first = NULL;
	gboolean host = text_cut(term, '/', &first) &&
			(strpbrk(first, ".:") || strcmp(first, "localhost") == 0);
	return server_of_domain(host ? first : DEFAULT_DOMAIN);
}

/* config.json */

static gboolean contains_auth(const json_t *config)
{
	return *list_string(config, "credsStore") ||
	       json_object_size(json_object_get(config, "credHelpers")) ||
	       json_object_size(json_object_get(config, "auths"));
}

/* The helper in charge of server, or NULL: the file itself. As long as nothing is stored anywhere,
 * the machine's usual one is taken when it is installed. */
static const char *helper_of(const json_t *config, const char *server)
{
	const char *own = list_string(json_object_get(config, "credHelpers"), server);
	const char *all = list_string(config, "credsStore");
	if (*own || *all)
		return *own ? own : all;
	if (contains_auth(config))
		return NULL;
	g_autofree char *pass = g_find_program_in_path("pass");
	const char *usual = pass ? "pass" : "secretservice";
	return credential_helper_exists(usual) ? usual : NULL;
}

/* The entry of server: under its very name, else under an older spelling of its host. */
static json_t *find_entry(const json_t *config, const char *server)
{
	json_t *auths = json_object_get(config, "auths");
	json_t *entry = json_object_get(auths, server);
	const char *key;
	json_t *value;
	if (entry)
		return entry;
	json_object_foreach (auths, key, value) {
		g_autofree char *host = credentials_host(key);
		if (strcmp(host, server) == 0)
			return value;
	}
	return NULL;
}

static char *dup_nonempty(const char *s)
{
	return *s ? g_strdup(s) : NULL;
}

/* "auth": base64 of "user:password". */
static gboolean decode_auth(const char *auth, Credentials *c, GError **error)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n";
	size_t bad = strspn(auth, alphabet);
	gsize n = 0;
	if (auth[bad])
		return dh_error(
			error, DH_ERROR_INVALID, "illegal base64 data at input byte %zu", bad);
	g_autofree guchar *bytes = g_base64_decode(auth, &n);
	g_autofree char *plain = g_strndup((const char *)bytes, n);
	explicit_bzero(bytes, n);
	const char *password = text_cut(plain, ':', &c->username);
	if (password && *c->username)
		c->password = g_strdup(password);
	else
		g_clear_pointer(&c->username, g_free);
	explicit_bzero(plain, strlen(plain));
	return c->password || dh_error(error, DH_ERROR_INVALID, "Invalid auth configuration file");
}

static gboolean read_entry(const json_t *entry, Credentials *c, GError **error)
{
	const char *auth = list_string(entry, "auth");
	c->identity_token = dup_nonempty(list_string(entry, "identitytoken"));
	c->registry_token = dup_nonempty(list_string(entry, "registrytoken"));
	if (*auth)
		return decode_auth(auth, c, error);
	c->username = dup_nonempty(list_string(entry, "username"));
	c->password = dup_nonempty(list_string(entry, "password"));
	return TRUE;
}

gboolean credentials_get(const Cli *cli, const char *server, Credentials *ret, GError **error)
{
	g_autoptr(json_t) config = config_file_load(cli);
	const char *helper = helper_of(config, server);
	*ret = (Credentials){.server = g_strdup(server)};
	if (helper)
		return credential_helper_get(helper, server, ret, error);
	g_autoptr(GError) why = NULL;
	if (!read_entry(find_entry(config, server), ret, &why)) {
		config_file_warn(cli, why->message);
		g_propagate_error(error, g_steal_pointer(&why));
		return FALSE;
	}
	return TRUE;
}

/* Members of an entry that hold what a helper would keep. */
static const char *const entry_members[] = {
	"auth", "username", "password", "email", "identitytoken", "registrytoken"};

static void set_or_delete(json_t *object, const char *name, const char *value)
{
	if (value && *value)
		json_object_set_new(object, name, text_json(value));
	else
		json_object_del(object, name);
}

static char *encode_auth(const Credentials *c)
{
	g_autofree char *plain = g_strdup_printf(
		"%s:%s", c->username ? c->username : "", c->password ? c->password : "");
	char *r = g_base64_encode((const guchar *)plain, strlen(plain));
	explicit_bzero(plain, strlen(plain));
	return r;
}

typedef struct {
	const Credentials *c;
	const char *server;
	const char *helper; /* keeps them; set in the file if it is not there */
	gboolean plain;
} Change;

static json_t *member(json_t *config, const char *name)
{
	json_t *object = json_object_get(config, name);
	if (json_is_object(object))
		return object;
	object = json_object();
	json_object_set_new(config, name, object);
	return object;
}

static gboolean edit_store(json_t *config, void *arg)
{
	Change *change = arg;
	const Credentials *c = change->c;
	g_autoptr(json_t) before = json_deep_copy(config);
	/* a helper that was found, not named, is named from now on */
	if (change->helper && !contains_auth(config))
		json_object_set_new(config, "credsStore", text_json(change->helper));
	json_t *entry = member(member(config, "auths"), c->server);
	for (guint i = 0; i < G_N_ELEMENTS(entry_members); i++)
		json_object_del(entry, entry_members[i]);
	if (!change->helper) {
		g_autofree char *auth = encode_auth(c);
		set_or_delete(entry, "auth", auth);
		set_or_delete(entry, "identitytoken", c->identity_token);
		set_or_delete(entry, "registrytoken", c->registry_token);
	}
	gboolean changed = !json_equal(before, config);
	change->plain = changed && !change->helper && c->password && *c->password;
	return changed;
}

gboolean credentials_store(
	const Cli *cli, const Credentials *c, gboolean *ret_plain, GError **error)
{
	g_autoptr(json_t) config = config_file_load(cli);
	Change change = {.c = c, .helper = helper_of(config, c->server)};
	*ret_plain = FALSE;
	if (change.helper && !credential_helper_store(change.helper, c, error))
		return FALSE;
	if (!config_file_edit(cli, edit_store, &change, error))
		return FALSE;
	*ret_plain = change.plain;
	return TRUE;
}

static gboolean edit_erase(json_t *config, void *arg)
{
	const Change *change = arg;
	return json_object_del(json_object_get(config, "auths"), change->server) == 0;
}

gboolean credentials_erase(const Cli *cli, const char *server, GError **error)
{
	g_autoptr(json_t) config = config_file_load(cli);
	Change change = {.server = server, .helper = helper_of(config, server)};
	if (change.helper && !credential_helper_erase(change.helper, server, error))
		return FALSE;
	return config_file_edit(cli, edit_erase, &change, error);
}

/* headers */

char *credentials_header(const Credentials *c)
{
	const char *const members[][2] = {
		{"username", c->username},
		{"password", c->password},
		{"serveraddress", c->server},
		{"identitytoken", c->identity_token},
		{"registrytoken", c->registry_token},
	};
	gboolean any = (c->username && *c->username) || c->identity_token || c->registry_token;
	g_autoptr(json_t) json = json_object();
	for (guint i = 0; any && i < G_N_ELEMENTS(members); i++)
		set_or_delete(json, members[i][0], members[i][1]);
	g_autofree char *text = dh_json_dumps(json, 0);
	char *header = g_base64_encode((const guchar *)text, strlen(text));
	explicit_bzero(text, strlen(text));
	g_strdelimit(header, "+", '-');
	return g_strdelimit(header, "/", '_');
}

char *credentials_stored_header(const Cli *cli, const char *server)
{
	g_auto(Credentials) c = {0};
	/* Whoever asks without credentials is told by the registry if it needs any. */
	(void)credentials_get(cli, server, &c, NULL);
	return credentials_header(&c);
}

/* SPDX-License-Identifier: MIT */
#include "cli/login.h"

#include "base/error.h"
#include "base/fd.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/listing.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PASSWORD = 64 * 1024 };

typedef struct {
	char *password, *username;
	gboolean password_stdin;
} LoginOptions;

/* clang-format off */
static const OptionSpec login_specs[] = {
	{'p', "password", OPT_STRING, offsetof(LoginOptions, password), "string",
		"Password or Personal Access Token (PAT)"},
	{0, "password-stdin", OPT_BOOL, offsetof(LoginOptions, password_stdin), NULL,
		"Take the Password or Personal Access Token (PAT) from stdin"},
	{'u', "username", OPT_STRING, offsetof(LoginOptions, username), "string", "Username"},
};
/* clang-format on */

static gboolean is_blank(const char *s)
{
	return !s[strspn(s, " \t\r\n")];
}

static gboolean check_options(const LoginOptions *o, GError **error)
{
	if (o->password && o->password_stdin)
		return dh_error(error, DH_ERROR_INVALID,
			"conflicting options: cannot specify both --password and --password-stdin");
	if (o->password_stdin && (!o->username || is_blank(o->username)))
		return dh_error(error, DH_ERROR_INVALID,
			"the --password-stdin option requires --username to be set");
	if (o->username && is_blank(o->username))
		return dh_error(error, DH_ERROR_INVALID, "username is empty");
	if (o->password && is_blank(o->password))
		return dh_error(error, DH_ERROR_INVALID, "password is empty");
	if (o->password)
		fputs("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n",
			stderr);
	return TRUE;
}

/* What the command line says; the password on stdin belongs to it. */
static gboolean take_options(const LoginOptions *o, Credentials *c, GError **error)
{
	c->username = o->username ? g_strstrip(g_strdup(o->username)) : NULL;
	c->password = o->password ? g_strdup(o->password) : NULL;
	if (!o->password_stdin)
		return TRUE;
	c->password = dh_read_to_end(STDIN_FILENO, MAX_PASSWORD, NULL, error);
	if (!c->password)
		return FALSE;
	size_t n = strlen(c->password);
	while (n && strchr("\r\n", c->password[n - 1]))
		c->password[--n] = '\0';
	return TRUE;
}

/* POST /auth, then the credentials are kept. *ret_status: what the engine says. */
static gboolean log_in(Cli *cli, Credentials *c, char **ret_status, GError **error)
{
	gboolean plain = FALSE;
	g_autoptr(json_t) body = json_object();
	json_object_set_new(body, "username", text_json(c->username));
	json_object_set_new(body, "password", text_json(c->password));
	json_object_set_new(body, "serveraddress", text_json(c->server));
	g_autoptr(json_t) answer = cli_call(cli, "POST", "/auth", NULL, body, error);
	if (!answer)
		return FALSE;
	const char *token = list_string(answer, "IdentityToken");
	if (*token) {
		g_clear_pointer(&c->password, g_free);
		c->identity_token = g_strdup(token);
	}
	if (!credentials_store(cli, c, &plain, error)) {
		g_prefix_error(error, "Error saving credentials: ");
		return FALSE;
	}
	if (plain) {
		g_autofree char *path = config_file_path(cli);
		fprintf(stderr,
			"\nWARNING! Your credentials are stored unencrypted in '%s'.\n"
			"Configure a credential helper to remove this warning. See\n"
			"https://docs.docker.com/go/credential-store/\n\n",
			path);
	}
	*ret_status = text_printable(list_string(answer, "Status"), "\n");
	return TRUE;
}

/* FALSE: there are none, or they are refused, which has been said. */
static gboolean log_in_again(Cli *cli, Credentials *stored, char **ret_status)
{
	g_autoptr(GError) error = NULL;
	if (!stored->username || !stored->password || !*stored->username || !*stored->password)
		return FALSE;
	fprintf(stderr,
		"Authenticating with existing credentials... [Username: %s]\n\n"
		" Info -> To login with a different account, run '%s logout' followed by '%s "
		"login'\n\n\n",
		stored->username, cli->program, cli->program);
	if (log_in(cli, stored, ret_status, &error))
		return TRUE;
	fprintf(stderr, "Login did not succeed, error: %s\n", error->message);
	return FALSE;
}

static int login_run(Cli *cli, void *options, char **args, GError **error)
{
	const LoginOptions *o = options;
	g_auto(Credentials) stored = {0}, c = {0};
	g_autofree char *status = NULL;
	gboolean hub = !args[0] || !*args[0] || strcmp(args[0], "docker.io") == 0 ||
		       strcmp(args[0], CREDENTIALS_HUB) == 0;
	c.server = hub ? g_strdup(CREDENTIALS_HUB) : credentials_host(args[0]);
	if (!check_options(o, error) || !take_options(o, &c, error))
		return 1;
	if (!c.username && !c.password)
		(void)credentials_get(cli, c.server, &stored, NULL);
	if (!log_in_again(cli, &stored, &status)) {
		if (!login_ask(&c, stored.username, error) || !log_in(cli, &c, &status, error))
			return 1;
	}
	if (*status)
		puts(status);
	return 0;
}

const Command cmd_login = {
	.name = "login",
	.usage = "[OPTIONS] [SERVER]",
	.summary = "Authenticate to a registry",
	.details = "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
	.min_args = 0,
	.max_args = 1,
	.options = login_specs,
	.n_options = G_N_ELEMENTS(login_specs),
	.options_size = sizeof(LoginOptions),
	.run = login_run,
};

static int logout_run(Cli *cli, void *options, char **args, GError **error)
{
	gboolean hub = !args[0] || !*args[0];
	g_autofree char *host = hub ? g_strdup(CREDENTIALS_HUB) : credentials_host(args[0]);
	g_autofree char *http = g_strdup_printf("http://%s", host);
	g_autofree char *https = g_strdup_printf("https://%s", host);
	/* besides the host, the spellings that older clients may have stored */
	const char *const spellings[] = {hub ? host : args[0], host, http, https};
	guint n = hub ? 1 : G_N_ELEMENTS(spellings), failed = 0;
	g_autoptr(GString) failures = g_string_new(NULL);
	printf("Removing login credentials for %s\n", host);
	fflush(stdout);
	for (guint i = 0; i < n; i++) {
		g_autoptr(GError) why = NULL;
		if (credentials_erase(cli, spellings[i], &why))
			continue;
		failed++;
		g_string_append_printf(failures, "%s: %s\n", spellings[i], why->message);
	}
	if (failed == n)
		fprintf(stderr, "WARNING: could not erase credentials:\n%s", failures->str);
	return 0;
}

const Command cmd_logout = {
	.name = "logout",
	.usage = "[SERVER]",
	.summary = "Log out from a registry",
	.details = "Log out from a registry.\nIf no server is specified, the default is defined by "
		   "the daemon.",
	.min_args = 0,
	.max_args = 1,
	.run = logout_run,
};

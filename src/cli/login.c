/* SPDX-License-Identifier: MIT */
#include "cli/login.h"

#include "base/error.h"
#include "cli/prompt.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

gboolean login_interactive(void)
{
	return terminal_is_tty(STDIN_FILENO);
}

static gboolean ask_username(Credentials *c, gboolean hub, const char *usual, GError **error)
{
	usual = usual ? usual : "";
	if (hub)
		puts("Log in with your Docker ID or email address to push and pull images from "
		     "Docker Hub. If you don't have a Docker ID, head over to "
		     "https://hub.docker.com/ to create one.\n"
		     "You can log in with your password or a Personal Access Token (PAT). Using a "
		     "limited-scope PAT grants better security and is required for organizations "
		     "using SSO. Learn more at https://docs.docker.com/go/access-tokens/\n");
	g_autofree char *question =
		*usual ? g_strdup_printf("Username (%s): ", usual) : g_strdup("Username: ");
	g_free(c->username);
	c->username = prompt_line(question, FALSE, error);
	if (c->username && !*c->username) {
		g_free(c->username);
		c->username = g_strdup(usual);
	}
	if (c->username && !*c->username)
		return dh_error(error, DH_ERROR_INVALID, "Error: Non-null Username Required");
	return c->username != NULL;
}

static gboolean ask_password(Credentials *c, gboolean hub, GError **error)
{
	if (hub)
		puts("\nInfo -> A Personal Access Token (PAT) can be used instead.\n"
		     "        To create a PAT, visit https://app.docker.com/settings\n");
	g_free(c->password);
	c->password = prompt_line("Password: ", TRUE, error);
	if (c->password && !*c->password)
		return dh_error(error, DH_ERROR_INVALID, "Error: Password Required");
	return c->password != NULL;
}

gboolean login_ask(Credentials *c, const char *usual, GError **error)
{
	gboolean hub = strcmp(c->server, CREDENTIALS_HUB) == 0;
	gboolean need_user = !c->username || !*c->username;
	gboolean need_password = !c->password || !*c->password;
	if ((need_user || need_password) && !login_interactive())
		return dh_error(error, DH_ERROR_INVALID,
			"Error: Cannot perform an interactive login from a non TTY device");
	if (need_user && !ask_username(c, hub, usual, error))
		return FALSE;
	return !need_password || ask_password(c, hub && !need_user, error);
}

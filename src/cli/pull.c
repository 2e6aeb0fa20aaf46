/* SPDX-License-Identifier: MIT */
#include "cli/pull.h"

#include "base/error.h"
#include "cli/login.h"
#include "cli/messages.h"

#include <string.h>

char *pull_full_name(const Reference *ref)
{
	return g_strdup_printf("%s/%s", ref->domain, ref->path);
}

static Response *request_with(Cli *cli, const Request *req, const char *header, GError **error)
{
	char *const headers[] = {(char *)"X-Registry-Auth", (char *)header, NULL};
	Request with = *req;
	with.headers = headers;
	return cli_request(cli, &with, error);
}

Response *pull_request(
	Cli *cli, const Request *req, const char *server, const char *action, GError **error)
{
	g_autofree char *header = credentials_stored_header(cli, server);
	g_autoptr(GError) why = NULL;
	Response *r = request_with(cli, req, header, &why);
	if (r || !g_error_matches(why, DH_ERROR, DH_ERROR_UNAUTHORIZED) || !login_interactive()) {
		if (!r)
			g_propagate_error(error, g_steal_pointer(&why));
		return r;
	}
	g_auto(Credentials) stored = {0}, asked = {.server = g_strdup(server)};
	(void)credentials_get(cli, server, &stored, NULL);
	printf("\nLogin prior to %s:\n", action);
	if (!login_ask(&asked, stored.username, error))
		return NULL;
	g_free(header);
	header = credentials_header(&asked);
	return request_with(cli, req, header, error);
}

gboolean pull_image(Cli *cli, const Reference *ref, const char *platform, FILE *out, unsigned flags,
	GError **error)
{
	g_autofree char *name = pull_full_name(ref);
	g_autofree char *server = credentials_server_of(ref);
	g_autofree char *lower = platform && *platform ? g_ascii_strdown(platform, -1) : NULL;
	const char *tag = ref->digest ? ref->digest : ref->tag ? ref->tag : "latest";
	g_auto(GStrv) query = cli_query("fromImage", name, "platform", lower, "tag",
		flags & PULL_ALL_TAGS ? NULL : tag, NULL);
	Request req = {.method = "POST", .path = "/images/create", .query = query};
	g_autoptr(Response) r = pull_request(cli, &req, server, "pull", error);
	return r && messages_show(r, out, flags & PULL_QUIET ? MESSAGES_SILENT : 0, error);
}

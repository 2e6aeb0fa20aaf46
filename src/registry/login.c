/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "registry/internal.h"

#include <string.h>

#define INDEX_DOMAIN "docker.io"

/* "https://index.docker.io/v1/" and "host:5000" alike become a reference's domain; caller frees. */
static char *domain_of(const char *server)
{
	if (!server || !*server)
		return g_strdup(INDEX_DOMAIN);
	const char *host = server;
	if (g_str_has_prefix(host, "https://"))
		host += strlen("https://");
	else if (g_str_has_prefix(host, "http://"))
		host += strlen("http://");
	char *domain = g_strndup(host, strcspn(host, "/"));
	if (strcmp(domain, "index.docker.io") == 0 || strcmp(domain, "registry-1.docker.io") == 0) {
		g_free(domain);
		domain = g_strdup(INDEX_DOMAIN);
	}
	return domain;
}

static gboolean attempt(
	Session *s, const HttpCancel *cancel, char **ret_token, SessionError *fault, GError **error)
{
	return session_ping(s, cancel, fault, error) &&
	       session_login(s, cancel, ret_token, fault, error);
}

gboolean registry_login(
	const RegistryCall *call, char **ret_status, char **ret_token, GError **error)
{
	const RegistryAuth *auth = call->auth;
	g_autofree char *domain = domain_of(auth->server_address);
	g_autofree char *probe = g_strconcat(domain, "/x", NULL);
	g_autoptr(Reference) ref = reference_parse(probe, NULL);
	if (!ref || strcmp(ref->domain, domain) != 0)
		return dh_error(error, DH_ERROR_INVALID,
			"unable to parse server address: \"%s\" is no registry",
			auth->server_address ? auth->server_address : "");
	g_autoptr(GPtrArray) endpoints = endpoints_of(call->config, domain, FALSE, error);
	if (!endpoints)
		return FALSE;
	const HttpCancel cancel = {{call->cancel_fd, -1}};
	GError *last = NULL;
	*ret_token = NULL;
	for (guint i = 0; i < endpoints->len; i++) {
		SessionError fault = {0};
		g_autoptr(Session) s = session_new(endpoints->pdata[i], NULL, "", auth, 1);
		g_clear_error(&last);
		if (attempt(s, &cancel, ret_token, &fault, &last)) {
			*ret_status = g_strdup("Login Succeeded");
			return TRUE;
		}
		if (fault.fault != SESSION_UNREACHABLE)
			break;
	}
	g_propagate_error(error, last);
	return FALSE;
}

/* SPDX-License-Identifier: MIT */
/* search.c - the old index protocol: GET /v1/search of docker.io or of the host in the term. */
#include "base/error.h"
#include "registry/internal.h"

#include <string.h>

#define INDEX_URL "https://index.docker.io"
#define LIMIT_MAX 100

/* Splits "host:5000/term"; the index is docker's own where no host is named. */
static char *split_host(const char *term, const char **ret_rest)
{
	const char *slash = strchr(term, '/');
	*ret_rest = term;
	if (!slash)
		return NULL;
	char *first = g_strndup(term, (gsize)(slash - term));
	if (!strpbrk(first, ".:") && strcmp(first, "localhost") != 0) {
		g_free(first);
		return NULL;
	}
	*ret_rest = slash + 1;
	if (strcmp(first, "docker.io") == 0 || strcmp(first, "index.docker.io") == 0)
		g_clear_pointer(&first, g_free);
	return first;
}

static json_t *ask(const Endpoint *e, const char *path, const RegistryCall *call,
	SessionFault *ret_fault, GError **error)
{
	g_autoptr(HttpClient) c = http_client_new(&e->tls);
	g_autofree char *url = g_strconcat(e->url, path, NULL);
	gboolean basic = call->auth && call->auth->username && *call->auth->username;
	g_autofree char *authorization = basic ? registry_auth_basic(call->auth) : NULL;
	char *const headers[] = {(char *)"X-Docker-Token: true", authorization, NULL};
	const HttpRequest q = {
		.method = "GET", .url = url, .headers = headers, .cancel = {{call->cancel_fd, -1}}};
	g_autoptr(HttpReply) h = http_open(c, &q, error);
	HttpFault f = http_fault(c);
	*ret_fault = f == HTTP_FAULT_CONNECT || f == HTTP_FAULT_NOT_TLS || f == HTTP_FAULT_TLS
			     ? SESSION_UNREACHABLE
			     : SESSION_FAILED;
	if (!h)
		return NULL;
	if (http_status(h) != 200) {
		dh_error(error, DH_ERROR_SYSTEM, "Unexpected status code %d", http_status(h));
		return NULL;
	}
	size_t n = 0;
	g_autofree char *body = http_read_all(h, SESSION_BODY_MAX, &n, error);
	json_t *json = body ? dh_json_loads(body, n, error) : NULL;
	if (body && !json)
		g_prefix_error(error, "error decoding registry search results: ");
	return json;
}

static GPtrArray *index_endpoints(const RegistryConfig *c, const char *host, GError **error)
{
	if (host)
		return endpoints_of(c, host, FALSE, error);
	/* The index is not the registry: same rules, another name. */
	GPtrArray *list = endpoints_of(c, "docker.io", FALSE, error);
	if (list) {
		Endpoint *e = list->pdata[0];
		g_free(e->url);
		e->url = g_strdup(INDEX_URL);
	}
	return list;
}

json_t *registry_search(const char *term, int limit, const RegistryCall *call, GError **error)
{
	if (limit < 1 || limit > LIMIT_MAX) {
		dh_error(error, DH_ERROR_INVALID, "Limit %d is outside the range of [1, %d]", limit,
			LIMIT_MAX);
		return NULL;
	}
	if (strstr(term, "://")) {
		dh_error(error, DH_ERROR_INVALID,
			"invalid repository name: repository name (%s) should not have a scheme",
			term);
		return NULL;
	}
	const char *rest;
	g_autofree char *host = split_host(term, &rest);
	if (!host && g_str_has_prefix(rest, "library/"))
		rest += strlen("library/");
	g_autofree char *escaped = g_uri_escape_string(rest, NULL, FALSE);
	g_autofree char *path = g_strdup_printf("/v1/search?q=%s&n=%d", escaped, limit);
	g_autoptr(GPtrArray) endpoints = index_endpoints(call->config, host, error);
	if (!endpoints)
		return NULL;
	GError *last = NULL;
	for (guint i = 0; i < endpoints->len; i++) {
		SessionFault fault = SESSION_OK;
		g_clear_error(&last);
		json_t *found = ask(endpoints->pdata[i], path, call, &fault, &last);
		if (found)
			return found;
		if (fault != SESSION_UNREACHABLE)
			break;
	}
	g_propagate_error(error, last);
	return NULL;
}

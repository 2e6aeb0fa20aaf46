/* SPDX-License-Identifier: MIT */
#include "api/internal.h"

#include "base/timefmt.h"
#include "container/container.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUERY_MAX 1024

ApiRequest *request_new(ApiServer *s, const char *uri)
{
	ApiRequest *r = g_new0(ApiRequest, 1);
	r->server = s;
	r->uri = g_strdup(uri);
	r->fd = r->real_fd = r->dummy_fd = r->cancel_fd = -1;
	r->minor = API_MINOR_MAX;
	r->params = g_ptr_array_new_with_free_func(g_free);
	r->query = g_ptr_array_new_with_free_func(g_free);
	r->headers = g_ptr_array_new_with_free_func(g_free);
	return r;
}

void request_free(ApiRequest *r)
{
	if (r->upgrade_free)
		r->upgrade_free(r->upgrade_arg);
	if (r->real_fd >= 0)
		close(r->real_fd);
	if (r->dummy_fd >= 0)
		close(r->dummy_fd);
	if (r->cancel_fd >= 0)
		close(r->cancel_fd);
	if (r->unsent)
		g_byte_array_unref(r->unsent);
	json_decref(r->state);
	body_queue_free(r->queue);
	if (r->in)
		g_byte_array_unref(r->in);
	if (r->out)
		g_byte_array_unref(r->out);
	json_decref(r->body);
	g_ptr_array_unref(r->params);
	g_ptr_array_unref(r->query);
	g_ptr_array_unref(r->headers);
	g_free(r->uri);
	g_free(r);
}

/* ---- routing ---- */

static gboolean bad_url(GError **error)
{
	return dh_error(error, DH_ERROR_INVALID, "invalid URL escape in request");
}

/* Percent-decoding; plus: '+' is a space. NULL: malformed, or a NUL byte, or not UTF-8. */
static char *decode(const char *s, size_t n, gboolean plus)
{
	g_autoptr(GString) out = g_string_sized_new(n + 1);
	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		if (c == '%') {
			if (n - i < 3 || !g_ascii_isxdigit(s[i + 1]) || !g_ascii_isxdigit(s[i + 2]))
				return NULL;
			c = (char)(g_ascii_xdigit_value(s[i + 1]) * 16 +
				   g_ascii_xdigit_value(s[i + 2]));
			if (c == '\0')
				return NULL;
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		g_string_append_c(out, c);
	}
	if (!g_utf8_validate(out->str, (gssize)out->len, NULL))
		return NULL;
	return g_string_free(g_steal_pointer(&out), FALSE);
}

static gboolean parse_query(ApiRequest *r, const char *q, GError **error)
{
	while (*q) {
		size_t n = strcspn(q, "&");
		if (n > 0) {
			const char *eq = memchr(q, '=', n);
			size_t name_len = eq ? (size_t)(eq - q) : n;
			char *name = decode(q, name_len, TRUE);
			char *value = decode(
				q + name_len + (eq ? 1 : 0), n - name_len - (eq ? 1 : 0), TRUE);
			g_ptr_array_add(r->query, name);
			g_ptr_array_add(r->query, value);
			if (!name || !value || r->query->len > QUERY_MAX)
				return bad_url(error);
		}
		q += n + (q[n] == '&');
	}
	return TRUE;
}

/* "v1.41": TRUE; the version is checked separately. */
static gboolean is_version(const char *segment)
{
	return segment[0] == 'v' && g_ascii_isdigit(segment[1]) &&
	       segment[1 + strspn(segment + 1, "0123456789.")] == '\0';
}

static gboolean check_version(ApiRequest *r, const char *text, GError **error)
{
	char *end;
	long major = strtol(text, &end, 10);
	long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
	if (major < 1 || (major == 1 && minor < API_MINOR_OLDEST))
		return dh_error(error, DH_ERROR_INVALID,
			"client version %s is too old. Minimum supported API version is %s, please "
			"upgrade your client to a newer version",
			text, API_MIN_VERSION);
	if (major > 1 || minor > API_MINOR_MAX)
		return dh_error(error, DH_ERROR_INVALID,
			"client version %s is too new. Maximum supported API version is %s", text,
			API_VERSION);
	r->minor = (int)minor;
	return TRUE;
}

/* Matches segments[0..n) against a pattern; what the wildcards stand for goes to params. */
static gboolean match(const char *pattern, char **segments, guint n, GPtrArray *params)
{
	g_ptr_array_set_size(params, 0);
	const char *p = pattern + 1;
	guint i = 0;
	for (;;) {
		size_t len = strcspn(p, "/");
		const char *rest = p[len] ? p + len + 1 : NULL;
		if (i >= n)
			return FALSE;
		if (len == 3 && strncmp(p, "{*}", 3) == 0) {
			guint after = 0; /* segments that the rest of the pattern needs */
			for (const char *s = rest; s;
				s = strchr(s, '/') ? strchr(s, '/') + 1 : NULL)
				after++;
			if (n - i <= after)
				return FALSE;
			guint take = n - i - after;
			g_autoptr(GString) name = g_string_new(segments[i]);
			for (guint k = 1; k < take; k++)
				g_string_append_printf(name, "/%s", segments[i + k]);
			g_ptr_array_add(params, g_strdup(name->str));
			i += take;
		} else if (len == 2 && strncmp(p, "{}", 2) == 0) {
			if (!*segments[i])
				return FALSE;
			g_ptr_array_add(params, g_strdup(segments[i++]));
		} else if (strlen(segments[i]) == len && strncmp(p, segments[i], len) == 0) {
			i++;
		} else {
			return FALSE;
		}
		if (!rest)
			return i == n;
		p = rest;
	}
}

static gboolean find_route(
	ApiRequest *r, const char *method, char **segments, guint n, GError **error)
{
	gboolean path_known = FALSE;
	for (guint i = 0; i < api_n_routes; i++) {
		const ApiRoute *route = &api_routes[i];
		if (r->minor < route->min_minor || !match(route->pattern, segments, n, r->params))
			continue;
		path_known = TRUE;
		if (strcmp(route->method, method) == 0) {
			r->route = route;
			return TRUE;
		}
	}
	if (!path_known)
		return dh_error(error, DH_ERROR_NOT_FOUND, "page not found");
	dh_error(error, DH_ERROR_INVALID, "method not allowed");
	r->status = 405; /* no failure below the API has this status */
	return FALSE;
}

gboolean request_route(ApiRequest *r, const char *method, GError **error)
{
	size_t path_len = strcspn(r->uri, "?#");
	if (r->uri[path_len] == '?' && !parse_query(r, r->uri + path_len + 1, error))
		return FALSE;
	if (r->uri[0] != '/')
		return dh_error(error, DH_ERROR_NOT_FOUND, "page not found");
	g_autofree char *path = g_strndup(r->uri + 1, path_len - 1);
	g_auto(GStrv) segments = g_strsplit(path, "/", 64);
	guint n = g_strv_length(segments);
	for (guint i = 0; i < n; i++) {
		char *plain = decode(segments[i], strlen(segments[i]), FALSE);
		if (!plain)
			return bad_url(error);
		g_free(segments[i]);
		segments[i] = plain;
	}
	guint skip = n > 1 && is_version(segments[0]) ? 1 : 0;
	if (skip && !check_version(r, segments[0] + 1, error))
		return FALSE;
	return find_route(r, method, segments + skip, n - skip, error);
}

/* ---- asking ---- */

Engine *api_engine(const ApiRequest *r)
{
	return r->server->engine;
}

const ApiHooks *api_hooks(const ApiRequest *r)
{
	return r->server->hooks;
}

int api_minor(const ApiRequest *r)
{
	return r->minor;
}

const char *api_param(const ApiRequest *r, guint i)
{
	return i < r->params->len ? r->params->pdata[i] : "";
}

const char *api_header(const ApiRequest *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *api_query(const ApiRequest *r, const char *name)
{
	for (guint i = 0; i + 1 < r->query->len; i += 2) {
		if (strcmp(r->query->pdata[i], name) == 0)
			return r->query->pdata[i + 1];
	}
	return NULL;
}

const char **api_query_all(const ApiRequest *r, const char *name)
{
	GPtrArray *out = g_ptr_array_new();
	for (guint i = 0; i + 1 < r->query->len; i += 2) {
		if (strcmp(r->query->pdata[i], name) == 0)
			g_ptr_array_add(out, r->query->pdata[i + 1]);
	}
	g_ptr_array_add(out, NULL);
	return (const char **)g_ptr_array_free(out, FALSE);
}

gboolean api_query_bool(const ApiRequest *r, const char *name, gboolean fallback)
{
	static const char *const no[] = {"", "0", "no", "false", "none", NULL};
	const char *v = api_query(r, name);
	if (!v)
		return fallback;
	g_autofree char *lower = g_ascii_strdown(v, -1);
	return !g_strv_contains(no, g_strstrip(lower));
}

gboolean api_query_int(
	const ApiRequest *r, const char *name, int64_t fallback, int64_t *ret, GError **error)
{
	const char *v = api_query(r, name);
	*ret = fallback;
	if (!v || !*v)
		return TRUE;
	char *end;
	errno = 0;
	*ret = g_ascii_strtoll(v, &end, 10);
	if (*end || end == v || errno == ERANGE)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid value for query parameter %s: parsing \"%s\": invalid syntax",
			name, v);
	return TRUE;
}

json_t *api_body(const ApiRequest *r)
{
	return r->body;
}

void *api_body_parse(ApiRequest *r, const DhJsonTable *t, const char *empty_text, GError **error)
{
	if (!r->body || json_is_null(r->body)) {
		dh_error(error, DH_ERROR_INVALID, "%s", empty_text);
		return NULL;
	}
	void *obj = dh_json_parse(t, r->body, error);
	if (!obj)
		g_prefix_error(error, "invalid JSON: ");
	return obj;
}

Container *api_container(const ApiRequest *r, GError **error)
{
	return container_find(api_engine(r), api_param(r, 0), error);
}

const char *api_stream_type(const ApiRequest *r, gboolean tty)
{
	return !tty && r->minor >= 42 ? API_MULTIPLEXED_STREAM : API_RAW_STREAM;
}

/* ---- small JSON ---- */

json_t *api_string(const char *s)
{
	json_t *v = json_string(s ? s : "");
	if (v)
		return v;
	g_autofree char *valid = g_utf8_make_valid(s, -1);
	return json_string(valid);
}

json_t *api_strv(char *const *v)
{
	json_t *out = json_array();
	for (; v && *v; v++)
		json_array_append_new(out, api_string(*v));
	return out;
}

json_t *api_time(int64_t t)
{
	g_autofree char *text = dh_time_format(t);
	return json_string(text);
}

void api_set(json_t *object, const char *key, json_t *value)
{
	if (value)
		json_object_set_new(object, key, value);
}

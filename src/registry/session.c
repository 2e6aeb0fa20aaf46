/* SPDX-License-Identifier: MIT */
#include "registry/session.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define ERROR_BODY_MAX (64 * 1024)
#define TOKEN_BODY_MAX (1024 * 1024)
#define CLIENTS_KEPT 8
#define CLIENT_ID "docker"
#define BACKOFF_FIRST_MS 500u
#define BACKOFF_MAX_MS 15000u

struct Session {
	gint refs;
	Endpoint endpoint; /* copy */
	char *scope;
	RegistryAuth *auth;
	guint max_attempts;

	GMutex lock;
	GPtrArray *clients;       /* idle ones */
	AuthChallenge *challenge; /* what the registry wants; NULL: nothing so far */
	char *bearer;
	gint64 bearer_until; /* monotonic, us */
	char *bearer_scope;
	gboolean wants_refresh; /* ask token servers for a refresh token */
	char *refresh;          /* it */
};

Session *session_new(const Endpoint *e, const char *path, const char *actions,
	const RegistryAuth *auth, guint max_attempts)
{
	Session *s = g_new0(Session, 1);
	s->refs = 1;
	s->endpoint = (Endpoint){g_strdup(e->url), g_strdup(e->host), e->mirror,
		{g_strdup(e->tls.ca_pem), g_strdup(e->tls.cert), g_strdup(e->tls.key),
			e->tls.insecure}};
	s->scope = path ? g_strdup_printf("repository:%s:%s", path, actions) : g_strdup("");
	/* Credentials are for the registry that was asked for, not for those that stand in. */
	s->auth = registry_auth_copy(e->mirror ? NULL : auth);
	s->max_attempts = MAX(max_attempts, 1);
	g_mutex_init(&s->lock);
	s->clients = g_ptr_array_new_with_free_func((GDestroyNotify)http_client_free);
	return s;
}

Session *session_ref(Session *s)
{
	g_atomic_int_inc(&s->refs);
	return s;
}

void session_unref(Session *s)
{
	if (!s || !g_atomic_int_dec_and_test(&s->refs))
		return;
	g_free(s->endpoint.url);
	g_free(s->endpoint.host);
	http_tls_clear(&s->endpoint.tls);
	g_free(s->scope);
	registry_auth_free(s->auth);
	g_ptr_array_unref(s->clients);
	auth_challenge_free(s->challenge);
	g_free(s->bearer);
	g_free(s->bearer_scope);
	g_free(s->refresh);
	g_mutex_clear(&s->lock);
	g_free(s);
}

const Endpoint *session_endpoint(const Session *s)
{
	return &s->endpoint;
}

guint session_max_attempts(const Session *s)
{
	return s->max_attempts;
}

void session_add_scope(Session *s, const char *path, const char *actions)
{
	g_autofree char *scope = g_strdup_printf("repository:%s:%s", path, actions);
	g_mutex_lock(&s->lock);
	char *merged = auth_scope_merge(s->scope, scope);
	g_free(s->scope);
	s->scope = merged;
	g_mutex_unlock(&s->lock);
}

char *session_url(const Session *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *path = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return g_strconcat(s->endpoint.url, path, NULL);
}

guint session_backoff_ms(guint n, int retry_after)
{
	guint ms = BACKOFF_FIRST_MS;
	while (n-- > 1 && ms < BACKOFF_MAX_MS)
		ms *= 3;
	ms = MIN(ms, BACKOFF_MAX_MS);
	return retry_after >= 0 ? MAX(ms, (guint)MIN(retry_after, 60) * 1000u) : ms;
}

/* ---- clients ---- */

static HttpClient *take_client(Session *s)
{
	HttpClient *c = NULL;
	g_mutex_lock(&s->lock);
	if (s->clients->len > 0)
		c = g_ptr_array_steal_index_fast(s->clients, s->clients->len - 1);
	g_mutex_unlock(&s->lock);
	return c ? c : http_client_new(&s->endpoint.tls);
}

static void give_client(Session *s, HttpClient *c)
{
	g_mutex_lock(&s->lock);
	gboolean keep = s->clients->len < CLIENTS_KEPT;
	if (keep)
		g_ptr_array_add(s->clients, c);
	g_mutex_unlock(&s->lock);
	if (!keep)
		http_client_free(c);
}

void session_close(SessionReply *r)
{
	http_close(g_steal_pointer(&r->http));
	if (r->client)
		give_client(r->session, g_steal_pointer(&r->client));
}

/* ---- errors ---- */

static SessionFault fault_of(HttpFault f)
{
	switch (f) {
	case HTTP_FAULT_CONNECT:
	case HTTP_FAULT_NOT_TLS:
	case HTTP_FAULT_TLS:
		return SESSION_UNREACHABLE;
	case HTTP_FAULT_BROKEN:
		return SESSION_BROKEN;
	case HTTP_FAULT_CANCELLED:
		return SESSION_CANCELLED;
	case HTTP_FAULT_NONE:
	case HTTP_FAULT_SOURCE:
	case HTTP_FAULT_OTHER:
		break;
	}
	return SESSION_FAILED;
}

static gboolean is_passing(int status)
{
	return status == 429 || status == 408 || status >= 500;
}

/* "MANIFEST_UNKNOWN" is told as "manifest unknown". */
static char *spoken(const char *code)
{
	char *text = g_ascii_strdown(code, -1);
	return g_strdelimit(text, "_", ' ');
}

static char *printable(const char *body, size_t n)
{
	GString *out = g_string_new(NULL);
	for (size_t i = 0; i < n && out->len < 512; i++)
		g_string_append_c(out, body[i] >= 0x20 && body[i] != 0x7f ? body[i] : ' ');
	char *valid = g_utf8_make_valid(out->str, -1);
	g_string_free(out, TRUE);
	return g_strstrip(valid);
}

/* Turns a registry's answer of status >= 400 into an error. */
static gboolean refused(HttpReply *h, const char *method, SessionError *ret, GError **error)
{
	size_t n = 0;
	g_autofree char *body = http_read_all(h, ERROR_BODY_MAX, &n, NULL);
	g_autoptr(json_t) json = body ? json_loadb(body, n, 0, NULL) : NULL;
	const json_t *first = json_array_get(json_object_get(json, "errors"), 0);
	const char *code = json_string_value(json_object_get(first, "code"));
	const char *message = json_string_value(json_object_get(first, "message"));
	int status = http_status(h);
	*ret = (SessionError){is_passing(status) ? SESSION_BROKEN : SESSION_REFUSED, status,
		http_retry_after(h), ""};
	DhError kind = status == 401   ? DH_ERROR_UNAUTHORIZED
		       : status == 403 ? DH_ERROR_FORBIDDEN
		       : status == 404 ? DH_ERROR_NOT_FOUND
				       : DH_ERROR_SYSTEM;
	if (code) {
		g_strlcpy(ret->code, code, sizeof ret->code);
		g_autofree char *words = spoken(code);
		return dh_error(
			error, kind, "%s: %s", words, message && *message ? message : words);
	}
	const char *details = json_string_value(json_object_get(json, "details"));
	if (details)
		return dh_error(
			error, kind, "%s%s", status == 401 ? "unauthorized: " : "", details);
	if (status == 401)
		return dh_error(error, kind, "unauthorized: authentication required");
	if (status == 429)
		return dh_error(error, kind, "toomanyrequests: too many requests");
	if (strcmp(method, "HEAD") == 0 || !body)
		return dh_error(error, kind, "received unexpected HTTP status: %d", status);
	if (status >= 500)
		return dh_error(error, kind, "received unexpected HTTP status: %d %s", status,
			status == 500   ? "Internal Server Error"
			: status == 502 ? "Bad Gateway"
			: status == 503 ? "Service Unavailable"
			: status == 504 ? "Gateway Timeout"
					: "");
	g_autofree char *shown = printable(body, n);
	return dh_error(error, kind,
		"error parsing HTTP %d response body: unexpected answer: \"%s\"", status, shown);
}

/* ---- tokens ---- */

static void add_form(GString *form, const char *name, const char *value)
{
	g_autofree char *escaped = g_uri_escape_string(value, NULL, FALSE);
	g_string_append_printf(form, "%s%s=%s", form->len ? "&" : "", name, escaped);
}

static void add_scopes(GString *form, const char *scope)
{
	g_auto(GStrv) scopes = g_strsplit(scope, " ", -1);
	for (char **s = scopes; *s; s++)
		if (**s)
			add_form(form, "scope", *s);
}

/* POST with a refresh token, GET with a password or as nobody. */
static char *token_request(Session *s, HttpClient *c, const AuthChallenge *ch, const char *scope,
	const HttpCancel *cancel, size_t *ret_len, SessionError *ret, GError **error)
{
	const RegistryAuth *a = s->auth;
	gboolean refresh = a->identity_token && *a->identity_token;
	gboolean basic = !refresh && a->username && *a->username;
	g_autoptr(GString) form = g_string_new(NULL);
	if (refresh) {
		add_form(form, "grant_type", "refresh_token");
		add_form(form, "refresh_token", a->identity_token);
		add_form(form, "client_id", CLIENT_ID);
		add_form(form, "service", ch->service ? ch->service : "");
		add_form(form, "scope", scope);
	} else {
		if (basic)
			add_form(form, "account", a->username);
		if (s->wants_refresh) {
			add_form(form, "client_id", CLIENT_ID);
			add_form(form, "offline_token", "true");
		}
		if (ch->service)
			add_form(form, "service", ch->service);
		add_scopes(form, scope);
	}
	g_autofree char *url = refresh ? g_strdup(ch->realm)
				       : g_strconcat(ch->realm, strchr(ch->realm, '?') ? "&" : "?",
						 form->str, NULL);
	g_autofree char *authorization = basic ? registry_auth_basic(a) : NULL;
	char *const with_form[] = {(char *)"Content-Type: application/x-www-form-urlencoded", NULL};
	char *const with_basic[] = {authorization, NULL};
	const HttpRequest q = {
		.method = refresh ? "POST" : "GET",
		.url = url,
		.headers = refresh ? with_form : with_basic,
		.body = refresh ? form->str : NULL,
		.body_len = refresh ? form->len : 0,
		.cancel = *cancel,
	};
	g_autoptr(HttpReply) h = http_open(c, &q, error);
	if (!h) {
		ret->fault = fault_of(http_fault(c));
		if (ret->fault == SESSION_UNREACHABLE)
			ret->fault = SESSION_FAILED;
		return NULL;
	}
	if (http_status(h) >= 400) {
		refused(h, q.method, ret, error);
		return NULL;
	}
	char *body = http_read_all(h, TOKEN_BODY_MAX, ret_len, error);
	if (!body)
		ret->fault = fault_of(http_fault(c));
	return body;
}

/* With no lock held. *ret_header: for scope, also if others forget or replace the session's. */
static gboolean fetch_token(Session *s, HttpClient *c, const AuthChallenge *ch, const char *scope,
	const HttpCancel *cancel, char **ret_header, SessionError *ret, GError **error)
{
	size_t n = 0;
	g_autofree char *body = token_request(s, c, ch, scope, cancel, &n, ret, error);
	if (!body)
		return FALSE;
	g_autoptr(AuthToken) token = auth_token_parse(body, n, error);
	if (!token) {
		ret->fault = SESSION_FAILED;
		return FALSE;
	}
	g_mutex_lock(&s->lock);
	g_free(s->bearer);
	g_free(s->bearer_scope);
	s->bearer = g_strdup(token->token);
	s->bearer_scope = g_strdup(scope);
	if (s->wants_refresh && token->refresh_token) {
		g_free(s->refresh);
		s->refresh = g_strdup(token->refresh_token);
	}
	s->bearer_until = g_get_monotonic_time() + (token->expires_in - 10) * G_USEC_PER_SEC;
	g_mutex_unlock(&s->lock);
	*ret_header = g_strconcat("Authorization: Bearer ", token->token, NULL);
	return TRUE;
}

/* ---- authorisation ---- */

/* Remembers what a 401 asks for; FALSE if it is nothing that can be given. */
static gboolean learn(Session *s, const char *header, gboolean *ret_basic)
{
	g_autoptr(GPtrArray) all = auth_challenges_parse(header);
	AuthChallenge *pick = NULL;
	for (guint i = 0; i < all->len; i++) {
		AuthChallenge *c = all->pdata[i];
		gboolean bearer = strcmp(c->scheme, "bearer") == 0 && c->realm &&
				  (g_str_has_prefix(c->realm, "https://") ||
					  g_str_has_prefix(c->realm, "http://"));
		if (bearer || (strcmp(c->scheme, "basic") == 0 && !pick))
			pick = c;
		if (bearer)
			break;
	}
	if (!pick)
		return FALSE;
	*ret_basic = strcmp(pick->scheme, "basic") == 0;
	g_mutex_lock(&s->lock);
	AuthChallenge *copy = g_new0(AuthChallenge, 1);
	*copy = (AuthChallenge){g_strdup(pick->scheme), g_strdup(pick->realm),
		g_strdup(pick->service), g_strdup(pick->scope)};
	auth_challenge_free(s->challenge);
	s->challenge = copy;
	g_mutex_unlock(&s->lock);
	return TRUE;
}

/* The Authorization header for a request, NULL for none. FALSE with error. */
static gboolean authorise(Session *s, HttpClient *c, const HttpCancel *cancel, char **ret_header,
	SessionError *ret, GError **error)
{
	*ret_header = NULL;
	if (s->auth->registry_token && *s->auth->registry_token) {
		*ret_header = g_strconcat("Authorization: Bearer ", s->auth->registry_token, NULL);
		return TRUE;
	}
	g_autoptr(AuthChallenge) ch = g_new0(AuthChallenge, 1);
	g_autofree char *scope = NULL;
	gboolean fresh = FALSE;
	g_mutex_lock(&s->lock);
	if (s->challenge) {
		*ch = (AuthChallenge){g_strdup(s->challenge->scheme), g_strdup(s->challenge->realm),
			g_strdup(s->challenge->service), NULL};
		scope = auth_scope_merge(s->scope, s->challenge->scope);
		fresh = s->bearer && strcmp(scope, s->bearer_scope) == 0 &&
			g_get_monotonic_time() < s->bearer_until;
		if (fresh)
			*ret_header = g_strconcat("Authorization: Bearer ", s->bearer, NULL);
	}
	g_mutex_unlock(&s->lock);
	if (!ch->scheme || fresh)
		return TRUE;
	if (strcmp(ch->scheme, "basic") == 0) {
		if (s->auth->username && *s->auth->username)
			*ret_header = registry_auth_basic(s->auth);
		return TRUE;
	}
	return fetch_token(s, c, ch, scope, cancel, ret_header, ret, error);
}

static void forget_token(Session *s)
{
	g_mutex_lock(&s->lock);
	g_clear_pointer(&s->bearer, g_free);
	g_clear_pointer(&s->bearer_scope, g_free);
	g_mutex_unlock(&s->lock);
}

/* ---- requests ---- */

static HttpReply *open_authorised(Session *s, HttpClient *c, const HttpRequest *q,
	const char *authorization, SessionError *ret, GError **error)
{
	g_autoptr(GPtrArray) headers = g_ptr_array_new();
	for (char *const *h = q->headers; h && *h; h++)
		g_ptr_array_add(headers, *h);
	if (authorization)
		g_ptr_array_add(headers, (char *)authorization);
	g_ptr_array_add(headers, NULL);
	g_autofree char *url = *q->url == '/' ? g_strconcat(s->endpoint.url, q->url, NULL) : NULL;
	HttpRequest full = *q;
	full.headers = (char *const *)headers->pdata;
	full.url = url ? url : q->url;
	HttpReply *h = http_open(c, &full, error);
	if (!h)
		ret->fault = fault_of(http_fault(c));
	return h;
}

/* Credentials are for the registry's own addresses: it may name others for uploads, and redirects
 * may lead elsewhere, whose demands are not the registry's. */
static gboolean is_below(const Session *s, const char *url)
{
	size_t n = strlen(s->endpoint.url);
	return *url == '/' ||
	       (strncmp(url, s->endpoint.url, n) == 0 && (url[n] == '/' || url[n] == '\0'));
}

static const char *spoken_method(const char *method)
{
	return strcmp(method, "GET") == 0    ? "Get"
	       : strcmp(method, "HEAD") == 0 ? "Head"
	       : strcmp(method, "POST") == 0 ? "Post"
					     : method;
}

static gboolean no_credentials(const HttpRequest *q, const Session *s, GError **error)
{
	return dh_error(error, DH_ERROR_SYSTEM, "%s \"%s%s\": no basic auth credentials",
		spoken_method(q->method), *q->url == '/' ? s->endpoint.url : "", q->url);
}

gboolean session_open(Session *s, const HttpRequest *q, SessionReply *ret, SessionError *ret_error,
	GError **error)
{
	g_auto(SessionReply) r = {s, take_client(s), NULL};
	*ret_error = (SessionError){.retry_after = -1};
	for (guint attempt = 0;; attempt++) {
		g_autofree char *authorization = NULL;
		if (is_below(s, q->url) &&
			!authorise(s, r.client, &q->cancel, &authorization, ret_error, error)) {
			if (ret_error->fault == SESSION_REFUSED)
				g_prefix_error(error, "%s \"%s%s\": ", spoken_method(q->method),
					*q->url == '/' ? s->endpoint.url : "", q->url);
			return FALSE;
		}
		r.http = open_authorised(s, r.client, q, authorization, ret_error, error);
		if (!r.http)
			return FALSE;
		int status = http_status(r.http);
		if (status < 400) {
			*ret = r;
			r = (SessionReply){0};
			return TRUE;
		}
		gboolean basic = FALSE;
		gboolean demands = status == 401 && attempt < 2 && is_below(s, http_url(r.http)) &&
				   !q->source &&
				   learn(s, http_header(r.http, "www-authenticate"), &basic);
		if (basic && !(s->auth->username && *s->auth->username)) {
			*ret_error = (SessionError){SESSION_REFUSED, status, -1, ""};
			return no_credentials(q, s, error);
		}
		/* A second refusal of the same credentials is final. */
		if (!demands || attempt > 0)
			return refused(r.http, q->method, ret_error, error);
		forget_token(s);
		http_close(g_steal_pointer(&r.http));
	}
}

char *session_get(Session *s, const HttpRequest *q, size_t max, size_t *ret_len,
	SessionReply *ret_reply, SessionError *ret_error, GError **error)
{
	for (guint attempt = 1;; attempt++) {
		g_auto(SessionReply) r = {0};
		GError *e = NULL;
		char *body = NULL;
		if (session_open(s, q, &r, ret_error, &e)) {
			body = http_read_all(r.http, max, ret_len, &e);
			if (!body)
				ret_error->fault = fault_of(http_fault(r.client));
		}
		if (body) {
			if (ret_reply) {
				*ret_reply = r;
				r = (SessionReply){0};
			}
			return body;
		}
		if (ret_error->fault != SESSION_BROKEN || attempt >= s->max_attempts) {
			g_propagate_error(error, e);
			return NULL;
		}
		g_clear_error(&e);
		session_close(&r);
		if (!http_pause(&q->cancel, session_backoff_ms(attempt, ret_error->retry_after),
			    error)) {
			ret_error->fault = SESSION_CANCELLED;
			return NULL;
		}
	}
}

gboolean session_ping(Session *s, const HttpCancel *cancel, SessionError *ret, GError **error)
{
	HttpClient *c = take_client(s);
	SessionReply r = {s, c, NULL};
	*ret = (SessionError){.retry_after = -1};
	const HttpRequest q = {.method = "GET", .url = "/v2/", .cancel = *cancel};
	r.http = open_authorised(s, c, &q, NULL, ret, error);
	gboolean ok = r.http != NULL;
	if (ok) {
		int status = http_status(r.http);
		gboolean basic;
		if (status == 401)
			(void)learn(s, http_header(r.http, "www-authenticate"), &basic);
		else if (status >= 400)
			ok = refused(r.http, "GET", ret, error);
		if (ok)
			g_free(http_read_all(r.http, ERROR_BODY_MAX, NULL, NULL));
	}
	session_close(&r);
	return ok;
}

gboolean session_login(
	Session *s, const HttpCancel *cancel, char **ret_refresh, SessionError *ret, GError **error)
{
	const HttpRequest q = {.method = "GET", .url = "/v2/", .cancel = *cancel};
	g_auto(SessionReply) reply = {0};
	s->wants_refresh = TRUE;
	if (!session_open(s, &q, &reply, ret, error)) {
		if (ret->fault == SESSION_REFUSED && ret->status == 401 &&
			strcmp(ret->code, "") != 0 && s->challenge &&
			strcmp(s->challenge->scheme, "basic") == 0) {
			g_clear_error(error);
			return dh_error(error, DH_ERROR_UNAUTHORIZED,
				"login attempt to %s/v2/ failed with status: 401 Unauthorized",
				s->endpoint.url);
		}
		return FALSE;
	}
	*ret_refresh = g_strdup(s->refresh);
	return TRUE;
}

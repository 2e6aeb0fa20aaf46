/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "registry/internal.h"

#include <string.h>

enum { MAX_THREADS = 256 };

/* ---- life ---- */

static gint threads(int64_t wanted, int64_t otherwise)
{
	return (gint)MIN(wanted ? wanted : otherwise, MAX_THREADS);
}

static gint downloads(const RegistryConfig *c)
{
	return threads(c->max_downloads, REGISTRY_MAX_DOWNLOADS);
}

static gint uploads(const RegistryConfig *c)
{
	return threads(c->max_uploads, REGISTRY_MAX_UPLOADS);
}

void registry_resize(Registry *r, const RegistryConfig *config)
{
	/* Without another thread the layers wait for those that there are. */
	(void)g_thread_pool_set_max_threads(r->downloads, downloads(config), NULL);
	(void)g_thread_pool_set_max_threads(r->uploads, uploads(config), NULL);
}

Registry *registry_new(const RegistryConfig *config, Store *store, DhDb *db, GError **error)
{
	Registry *r = g_new0(Registry, 1);
	r->store = store;
	r->db = db;
	g_mutex_init(&r->lock);
	r->fetches = g_hash_table_new(g_str_hash, g_str_equal);
	r->downloads = g_thread_pool_new(fetch_run, r, downloads(config), FALSE, error);
	if (r->downloads)
		r->uploads = g_thread_pool_new(push_run, r, uploads(config), FALSE, error);
	if (!r->uploads) {
		registry_free(r);
		return NULL;
	}
	known_sweep(r);
	return r;
}

void registry_free(Registry *r)
{
	if (!r)
		return;
	if (r->downloads)
		g_thread_pool_free(r->downloads, FALSE, TRUE);
	if (r->uploads)
		g_thread_pool_free(r->uploads, FALSE, TRUE);
	g_hash_table_unref(r->fetches);
	g_mutex_clear(&r->lock);
	g_free(r);
}

guint registry_attempts(const RegistryConfig *c)
{
	return c->max_attempts ? (guint)c->max_attempts : REGISTRY_MAX_ATTEMPTS;
}

/* ---- telling ---- */

static void send(const RegistryCall *c, const RegistryMessage *m)
{
	if (c->tell)
		c->tell(c->arg, m);
}

void tell(const RegistryCall *c, const char *id, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *status = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	send(c, &(RegistryMessage){.id = id, .status = status});
}

void tell_layer(const RegistryCall *c, const char *id, const char *status)
{
	send(c, &(RegistryMessage){.id = id, .status = status, .detail = TRUE});
}

void tell_progress(
	const RegistryCall *c, const char *id, const char *status, int64_t current, int64_t total)
{
	send(c, &(RegistryMessage){.id = id,
			.status = status,
			.detail = TRUE,
			.current = current,
			.total = total});
}

/* ---- references ---- */

Reference *reference_with(const Reference *ref, const char *tag, const char *digest)
{
	Reference *r = g_new0(Reference, 1);
	r->domain = g_strdup(ref->domain);
	r->path = g_strdup(ref->path);
	r->tag = g_strdup(tag);
	r->digest = g_strdup(digest);
	return r;
}

/* ---- addresses ---- */

/* Whether another address may know better. */
static gboolean goes_on(const Endpoint *e, const SessionError *s)
{
	switch (s->fault) {
	case SESSION_UNREACHABLE:
		return TRUE;
	case SESSION_REFUSED:
	case SESSION_BROKEN:
	case SESSION_FAILED:
		return e->mirror; /* a mirror need not have everything, nor work */
	case SESSION_OK:
	case SESSION_CANCELLED:
		break;
	}
	return FALSE;
}

gboolean registry_try_endpoints(Registry *r, const Reference *ref, const char *actions,
	gboolean mirrors, const RegistryCall *call, WithSession fn, void *arg,
	SessionError *ret_error, GError **error)
{
	g_autoptr(GPtrArray) endpoints = endpoints_of(call->config, ref->domain, mirrors, error);
	if (!endpoints) {
		*ret_error = (SessionError){.fault = SESSION_FAILED};
		return FALSE;
	}
	const HttpCancel cancel = {{call->cancel_fd, -1}};
	GError *last = NULL;
	for (guint i = 0; i < endpoints->len; i++) {
		const Endpoint *e = endpoints->pdata[i];
		g_autoptr(Session) s = session_new(
			e, ref->path, actions, call->auth, registry_attempts(call->config));
		GError *now = NULL;
		gboolean ok =
			session_ping(s, &cancel, ret_error, &now) && fn(arg, s, ret_error, &now);
		if (ok) {
			g_clear_error(&last);
			return TRUE;
		}
		g_clear_error(&last);
		last = now;
		if (!goes_on(e, ret_error))
			break;
	}
	g_propagate_error(error, last);
	return FALSE;
}

/* ---- manifests ---- */

Manifest *registry_manifest(Session *s, const Reference *ref, const char *tag_or_digest,
	const HttpCancel *cancel, char **ret_digest, size_t *ret_len, SessionError *ret_error,
	GError **error)
{
	g_autofree char *url = g_strdup_printf("/v2/%s/manifests/%s", ref->path, tag_or_digest);
	const HttpRequest q = {
		.method = "GET", .url = url, .headers = manifest_accept, .cancel = *cancel};
	g_auto(SessionReply) reply = {0};
	size_t n = 0;
	g_autofree char *text = session_get(s, &q, SESSION_BODY_MAX, &n, &reply, ret_error, error);
	if (!text)
		return NULL;
	g_autofree char *is = digest_of(text, n);
	ret_error->fault = SESSION_FAILED;
	if (strchr(tag_or_digest, ':') && strcmp(tag_or_digest, is) != 0) {
		dh_error(error, DH_ERROR_SYSTEM, "manifest verification failed for digest %s",
			tag_or_digest);
		return NULL;
	}
	g_autofree char *type = g_strdup(http_header(reply.http, "content-type"));
	Manifest *m = manifest_parse(text, n, type, error);
	if (m && ret_digest)
		*ret_digest = g_steal_pointer(&is);
	if (m && ret_len)
		*ret_len = n;
	return m;
}

void registry_explain(const Reference *ref, const SessionError *e, GError **error)
{
	if (!error || !*error || e->fault != SESSION_REFUSED)
		return;
	g_autofree char *name = reference_familiar_name(ref);
	g_autofree char *full = reference_familiar(ref);
	/* "access denied" and "no such image" are one to somebody who may not look. */
	gboolean denied = strcmp(e->code, "DENIED") == 0;
	if (denied)
		g_prefix_error(error,
			"pull access denied for %s, repository does not exist or may require "
			"'docker login': ",
			name);
	else if (strcmp(e->code, "MANIFEST_UNKNOWN") == 0 || (e->status == 404 && !*e->code))
		g_prefix_error(error, "manifest for %s not found: ", full);
	else if (strcmp(e->code, "NAME_UNKNOWN") == 0)
		g_prefix_error(error, "repository %s not found: ", name);
	else if ((*error)->code != DH_ERROR_NOT_FOUND) {
		(*error)->code = DH_ERROR_SYSTEM;
		return;
	}
	(*error)->code = DH_ERROR_NOT_FOUND;
}

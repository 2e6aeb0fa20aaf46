/* SPDX-License-Identifier: MIT */
/* registry.c - pull, push, login, search and inspection of images in registries. */
#include "api/handlers.h"

#include "base/size.h"
#include "container/observe.h"
#include "registry/registry.h"

#include <string.h>

#define PROGRESS_CELLS 50

/* ---- messages ---- */

/* The bar that clients of old print as it is. */
static char *progress_text(int64_t current, int64_t total)
{
	g_autofree char *now = dh_size_human((double)current, 4);
	if (total <= 0)
		return g_strdup_printf("%8s", now);
	int full = CLAMP((int)((double)current / (double)total * 100) / 2, 0, PROGRESS_CELLS);
	g_autofree char *all = dh_size_human((double)total, 4);
	g_autofree char *done = g_strnfill((gsize)full, '=');
	g_autofree char *left = g_strnfill((gsize)(PROGRESS_CELLS - full), ' ');
	if (current > total)
		return g_strdup_printf("[%s>%s] %8s", done, left, now);
	return g_strdup_printf("[%s>%s] %8s/%s", done, left, now, all);
}

static void on_message(void *arg, const RegistryMessage *m)
{
	ApiRequest *r = arg;
	json_t *o = json_object();
	api_stream_begin(r, 200, "application/json");
	if (m->aux) {
		api_set(o, "progressDetail", json_object());
		api_set(o, "aux", json_incref(m->aux));
	} else {
		api_set(o, "status", api_string(m->status));
		if (m->detail) {
			json_t *d = json_object();
			if (m->current > 0)
				api_set(d, "current", json_integer(m->current));
			if (m->total > 0)
				api_set(d, "total", json_integer(m->total));
			api_set(o, "progressDetail", d);
		}
		if (m->current > 0 || m->total > 0) {
			g_autofree char *text = progress_text(m->current, m->total);
			api_set(o, "progress", api_string(text));
		}
		if (m->id)
			api_set(o, "id", api_string(m->id));
	}
	api_stream_json(r, o, "\r\n");
}

static RegistryCall quiet_call_of(
	ApiRequest *r, const EngineSettings *settings, const RegistryAuth *auth)
{
	return (RegistryCall){&settings->registry, auth, api_cancel_fd(r), NULL, NULL};
}

static RegistryCall call_of(ApiRequest *r, const EngineSettings *settings, const RegistryAuth *auth)
{
	RegistryCall call = quiet_call_of(r, settings, auth);
	call.tell = on_message;
	call.arg = r;
	return call;
}

/* Docker ignores a header that it cannot read when pulling, to let it work without one. */
static RegistryAuth *auth_of(ApiRequest *r)
{
	RegistryAuth *a = registry_auth_decode(api_header(r, "X-Registry-Auth"), NULL);
	return a ? a : registry_auth_copy(NULL);
}

static void emit(Engine *e, const char *action, const char *name, const char *tag)
{
	g_autofree char *full =
		tag && *tag ? g_strdup_printf("%s%s%s", name, strchr(tag, ':') ? "@" : ":", tag)
			    : g_strdup(name);
	g_autoptr(Reference) ref = reference_parse(full, NULL);
	if (!ref)
		return;
	g_autofree char *bare = reference_familiar_name(ref);
	g_autofree char *familiar =
		ref->tag || ref->digest ? reference_familiar(ref) : g_strdup(bare);
	g_autoptr(Image) i = store_image_find(e->store, familiar, NULL);
	GHashTable *attributes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	GHashTableIter it;
	gpointer key, value;
	if (i && i->config->labels) {
		g_hash_table_iter_init(&it, i->config->labels);
		while (g_hash_table_iter_next(&it, &key, &value))
			g_hash_table_insert(attributes, g_strdup(key), g_strdup(value));
	}
	g_hash_table_insert(attributes, g_strdup("name"), g_strdup(bare));
	events_emit_table(e->events, "image", action, familiar, attributes);
}

/* ---- pull and push ---- */

gboolean api_image_pull(ApiRequest *r, GError **error)
{
	Engine *e = api_engine(r);
	const char *name = api_query(r, "fromImage"), *tag = api_query(r, "tag");
	const char *platform = api_query(r, "platform");
	char waste[4096];
	while (api_body_read(r, waste, sizeof waste) > 0)
		; /* some clients send one, and what it means nobody knows */
	g_autoptr(RegistryAuth) auth = auth_of(r);
	g_autoptr(EngineSettings) settings = engine_settings(e);
	const RegistryCall call = call_of(r, settings, auth);
	gboolean ok = registry_pull(e->registry, name, tag, platform, &call, error);
	if (ok)
		emit(e, "pull", name, tag);
	return api_stream_end(r, ok, error);
}

gboolean api_image_push(ApiRequest *r, GError **error)
{
	Engine *e = api_engine(r);
	const char *name = api_param(r, 0), *tag = api_query(r, "tag");
	g_autoptr(RegistryAuth) auth =
		registry_auth_decode(api_header(r, "X-Registry-Auth"), error);
	if (!auth)
		return FALSE;
	g_autoptr(EngineSettings) settings = engine_settings(e);
	const RegistryCall call = call_of(r, settings, auth);
	gboolean ok = registry_push(e->registry, name, tag, &call, error);
	if (ok)
		emit(e, "push", name, tag);
	return api_stream_end(r, ok, error);
}

/* ---- login ---- */

gboolean api_auth(ApiRequest *r, GError **error)
{
	g_autofree char *text = api_body(r) ? dh_json_dumps(api_body(r), 0) : g_strdup("{}");
	g_autoptr(RegistryAuth) auth = registry_auth_parse(text, strlen(text), error);
	g_autofree char *status = NULL, *token = NULL;
	g_autoptr(EngineSettings) settings = engine_settings(api_engine(r));
	const RegistryCall call = quiet_call_of(r, settings, auth);
	if (!auth || !registry_login(&call, &status, &token, error))
		return FALSE;
	json_t *o = json_object();
	api_set(o, "IdentityToken", api_string(token ? token : ""));
	api_set(o, "Status", api_string(status));
	api_reply_json(r, 200, o);
	return TRUE;
}

/* ---- search ---- */

typedef struct {
	gboolean has_official, official, has_automated, automated;
	int64_t stars;
} SearchFilter;

static gboolean search_filter(ApiRequest *r, SearchFilter *f, GError **error)
{
	static const char *const allowed[] = {"is-automated", "is-official", "stars", NULL};
	g_autoptr(Filters) filters = filters_parse(api_query(r, "filters"), allowed, error);
	if (!filters)
		return FALSE;
	f->has_official = filters_has(filters, "is-official");
	f->has_automated = filters_has(filters, "is-automated");
	if (!filters_get_bool(filters, "is-official", FALSE, &f->official, error) ||
		!filters_get_bool(filters, "is-automated", FALSE, &f->automated, error))
		return FALSE;
	for (char **v = filters_get(filters, "stars"); v && *v; v++) {
		char *end;
		int64_t n = g_ascii_strtoll(*v, &end, 10);
		if (*end || end == *v)
			return dh_error(error, DH_ERROR_INVALID, "invalid filter 'stars=[%s]'", *v);
		f->stars = MAX(f->stars, n);
	}
	return TRUE;
}

static gboolean found_matches(const SearchFilter *f, const json_t *o)
{
	return (!f->has_official ||
		       json_is_true(json_object_get(o, "is_official")) == f->official) &&
	       (!f->has_automated ||
		       json_is_true(json_object_get(o, "is_automated")) == f->automated) &&
	       json_integer_value(json_object_get(o, "star_count")) >= f->stars;
}

/* The members that the API has, whatever the index said besides. */
static json_t *found_json(const json_t *o)
{
	json_t *out = json_object();
	const char *name = json_string_value(json_object_get(o, "name"));
	const char *text = json_string_value(json_object_get(o, "description"));
	api_set(out, "star_count",
		json_integer(json_integer_value(json_object_get(o, "star_count"))));
	api_set(out, "is_official", json_boolean(json_is_true(json_object_get(o, "is_official"))));
	api_set(out, "name", api_string(name));
	api_set(out, "is_automated",
		json_boolean(json_is_true(json_object_get(o, "is_automated"))));
	api_set(out, "description", api_string(text));
	return out;
}

gboolean api_images_search(ApiRequest *r, GError **error)
{
	const char *term = api_query(r, "term");
	int64_t limit = 25;
	SearchFilter filter = {0};
	if (!search_filter(r, &filter, error) || !api_query_int(r, "limit", 25, &limit, error))
		return FALSE;
	g_autoptr(RegistryAuth) auth = auth_of(r);
	g_autoptr(EngineSettings) settings = engine_settings(api_engine(r));
	const RegistryCall call = quiet_call_of(r, settings, auth);
	g_autoptr(json_t) found = registry_search(
		term ? term : "", (int)CLAMP(limit ? limit : 25, -1, 1000), &call, error);
	if (!found)
		return FALSE;
	json_t *out = json_array();
	size_t i;
	const json_t *o;
	json_array_foreach (json_object_get(found, "results"), i, o)
		if (found_matches(&filter, o))
			json_array_append_new(out, found_json(o));
	api_reply_json(r, 200, out);
	return TRUE;
}

/* ---- inspection ---- */

gboolean api_distribution(ApiRequest *r, GError **error)
{
	g_autoptr(RegistryAuth) auth = auth_of(r);
	g_autoptr(EngineSettings) settings = engine_settings(api_engine(r));
	const RegistryCall call = quiet_call_of(r, settings, auth);
	json_t *o = registry_inspect(api_engine(r)->registry, api_param(r, 0), &call, error);
	if (!o)
		return FALSE;
	api_reply_json(r, 200, o);
	return TRUE;
}

/* ---- info ---- */

static json_t *index_config(const char *name, json_t *mirrors, gboolean secure)
{
	gboolean official = strcmp(name, "docker.io") == 0;
	return json_pack("{s:s, s:o, s:b, s:b}", "Name", name, "Mirrors", mirrors, "Secure",
		(int)secure, "Official", (int)official);
}

/* Docker's mirrors end with a slash. */
static json_t *mirrors_json(const RegistryConfig *c)
{
	json_t *out = json_array();
	for (char **m = c->mirrors; m && *m; m++) {
		g_autofree char *url = g_strconcat(*m, g_str_has_suffix(*m, "/") ? "" : "/", NULL);
		json_array_append_new(out, api_string(url));
	}
	return out;
}

json_t *api_registry_config(const RegistryConfig *c)
{
	json_t *cidrs = json_array(), *indexes = json_object(), *mirrors = mirrors_json(c);
	for (char **i = c->insecure; i && *i; i++) {
		if (strchr(*i, '/'))
			json_array_append_new(cidrs, api_string(*i));
		else
			json_object_set_new(indexes, *i, index_config(*i, json_array(), FALSE));
	}
	json_array_append_new(cidrs, json_string("127.0.0.0/8"));
	json_object_set_new(
		indexes, "docker.io", index_config("docker.io", json_deep_copy(mirrors), TRUE));
	return json_pack("{s:[], s:[], s:o, s:o, s:o}", "AllowNondistributableArtifactsCIDRs",
		"AllowNondistributableArtifactsHostnames", "InsecureRegistryCIDRs", cidrs,
		"IndexConfigs", indexes, "Mirrors", mirrors);
}

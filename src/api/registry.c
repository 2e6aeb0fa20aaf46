/* SPDX-License-Identifier: MIT */
/* registry.c - pull, push, login, search and inspection of images in registries. */
#include "api/handlers.h"

#include "base/size.h"
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
	if (!api_stream_begun(r))
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

/* An error after the head was sent is the stream's last message. */
static gboolean end_stream(ApiRequest *r, gboolean ok, GError **error)
{
	if (ok && !api_stream_begun(r))
		api_stream_begin(r, 200, "application/json");
	if (ok || !api_stream_begun(r))
		return ok;
	json_t *o = json_pack("{s:{s:o}}", "errorDetail", "message", api_string((*error)->message));
	api_set(o, "error", api_string((*error)->message));
	api_stream_json(r, o, "\r\n");
	g_clear_error(error);
	return TRUE;
}

static RegistryCall call_of(ApiRequest *r, const RegistryAuth *auth)
{
	return (RegistryCall){auth, api_cancel_fd(r), on_message, r};
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
	g_autofree char *familiar = reference_familiar(ref);
	g_autofree char *bare = reference_familiar_name(ref);
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
	const RegistryCall call = call_of(r, auth);
	gboolean ok = registry_pull(e->registry, name, tag, platform, &call, error);
	if (ok)
		emit(e, "pull", name, tag);
	return end_stream(r, ok, error);
}

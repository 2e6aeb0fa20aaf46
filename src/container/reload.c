/* SPDX-License-Identifier: MIT */
/* reload.c - other settings come into force; the event that says so, with dockerd's attributes. */
#include "container/runtimes.h"
#include "container/settings.h"

#include "base/json.h"

/* As in the API: ours under both of its names, then those that were added. */
static char *runtimes_text(const EngineSettings *s)
{
	g_autoptr(GString) out = g_string_new("dhow:dhow-runtime runc:dhow-runtime");
	g_autoptr(GList) names =
		g_list_sort(g_hash_table_get_keys(s->runtimes), (GCompareFunc)g_strcmp0);
	for (const GList *n = names; n; n = n->next) {
		const RuntimeProgram *p = g_hash_table_lookup(s->runtimes, n->data);
		g_string_append_printf(out, " %s:%s", (const char *)n->data, p->path);
	}
	return g_string_free(g_steal_pointer(&out), FALSE);
}

static void set(GHashTable *attributes, const char *name, char *value)
{
	g_hash_table_insert(attributes, g_strdup(name), value);
}

static void set_number(GHashTable *attributes, const char *name, int64_t n, int64_t otherwise)
{
	set(attributes, name, g_strdup_printf("%" G_GINT64_FORMAT, n ? n : otherwise));
}

static void set_list(GHashTable *attributes, const char *name, char *const *list)
{
	g_autoptr(json_t) array = json_array();
	for (; list && *list; list++)
		json_array_append_new(array, json_string(*list));
	set(attributes, name, dh_json_dumps(array, 0));
}

static GHashTable *attributes_of(const Engine *e, const EngineSettings *s)
{
	GHashTable *a = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_auto(GStrv) labels = settings_labels(s);
	set(a, "name", g_strdup(g_get_host_name()));
	set(a, "debug", g_strdup(s->debug ? "true" : "false"));
	set(a, "log-level", g_strdup(dh_log_level_name(s->log_level)));
	set(a, "live-restore", g_strdup(e->config.live_restore ? "true" : "false"));
	set(a, "runtimes", runtimes_text(s));
	set(a, "default-runtime", g_strdup(settings_default_runtime(s)));
	set_list(a, "labels", labels);
	set_list(a, "insecure-registries", s->registry.insecure);
	set_list(a, "registry-mirrors", s->registry.mirrors);
	set_number(
		a, "max-concurrent-downloads", s->registry.max_downloads, REGISTRY_MAX_DOWNLOADS);
	set_number(a, "max-concurrent-uploads", s->registry.max_uploads, REGISTRY_MAX_UPLOADS);
	set_number(a, "max-download-attempts", s->registry.max_attempts, REGISTRY_MAX_ATTEMPTS);
	set_number(a, "shutdown-timeout", s->shutdown_timeout, 0);
	return a;
}

void engine_reload(Engine *e, EngineSettings *settings)
{
	g_mutex_lock(&e->settings_lock);
	g_autoptr(EngineSettings) before = e->settings;
	e->settings = settings_ref(settings);
	g_mutex_unlock(&e->settings_lock);
	registry_resize(e->registry, &settings->registry);
	events_emit_table(e->events, "daemon", "reload", e->id, attributes_of(e, settings));
}

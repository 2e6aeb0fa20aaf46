/* SPDX-License-Identifier: MIT */
#include "container/settings.h"

#include "container/runtimes.h"

EngineSettings *settings_new(void)
{
	EngineSettings *s = g_new0(EngineSettings, 1);
	s->refs = 1;
	s->log_level = DH_LOG_INFO;
	s->labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	s->runtimes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, runtime_program_free);
	return s;
}

EngineSettings *settings_ref(EngineSettings *s)
{
	g_atomic_int_inc(&s->refs);
	return s;
}

void settings_unref(EngineSettings *s)
{
	if (!s || !g_atomic_int_dec_and_test(&s->refs))
		return;
	g_hash_table_unref(s->labels);
	g_hash_table_unref(s->runtimes);
	g_free(s->default_runtime);
	registry_config_clear(&s->registry);
	g_free(s);
}

DhLogLevel settings_log_level(const EngineSettings *s)
{
	return s->debug ? DH_LOG_DEBUG : s->log_level;
}

static int by_text(const void *a, const void *b)
{
	return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

char **settings_labels(const EngineSettings *s)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	GHashTableIter it;
	void *key, *value;
	g_hash_table_iter_init(&it, s->labels);
	while (g_hash_table_iter_next(&it, &key, &value))
		g_ptr_array_add(all, g_strconcat(key, "=", value, NULL));
	g_ptr_array_sort(all, by_text);
	g_ptr_array_add(all, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&all), FALSE);
}

const char *settings_default_runtime(const EngineSettings *s)
{
	return s->default_runtime && *s->default_runtime ? s->default_runtime : "dhow";
}

EngineSettings *engine_settings(Engine *e)
{
	g_mutex_lock(&e->settings_lock);
	EngineSettings *s = settings_ref(e->settings);
	g_mutex_unlock(&e->settings_lock);
	return s;
}

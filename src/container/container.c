/* SPDX-License-Identifier: MIT */
/* container.c - what containers tell the world, and work that is done behind its back. */
#include "container/internal.h"

#include <stdarg.h>
#include <string.h>

void container_event(Container *c, const char *action, ...)
{
	GHashTable *attributes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	GHashTableIter it;
	void *key, *value;
	if (c->config->labels) {
		g_hash_table_iter_init(&it, c->config->labels);
		while (g_hash_table_iter_next(&it, &key, &value))
			g_hash_table_insert(attributes, g_strdup(key), g_strdup(value));
	}
	g_mutex_lock(&c->state_lock);
	g_hash_table_insert(attributes, g_strdup("name"), g_strdup(c->name));
	g_mutex_unlock(&c->state_lock);
	g_hash_table_insert(attributes, g_strdup("image"), g_strdup(c->config->image));
	va_list ap;
	va_start(ap, action);
	const char *name;
	while ((name = va_arg(ap, const char *))) {
		const char *text = va_arg(ap, const char *);
		if (text)
			g_hash_table_insert(attributes, g_strdup(name), g_strdup(text));
	}
	va_end(ap);
	events_emit_table(c->engine->events, "container", action, c->id, attributes);
}

typedef struct {
	Container *c;
	void (*fn)(Container *c);
} Job;

void engine_run_job(void *data, void *user_data)
{
	(void)user_data;
	Job *job = data;
	job->fn(job->c);
	container_unref(job->c);
	g_free(job);
}

gboolean engine_push(Engine *e, GThreadPool *const *pool, void *work)
{
	g_mutex_lock(&e->lock);
	gboolean open = *pool != NULL;
	/* It is queued also when no new thread can be had for it. */
	if (open)
		(void)g_thread_pool_push(*pool, work, NULL);
	g_mutex_unlock(&e->lock);
	return open;
}

void container_background(Container *c, void (*fn)(Container *c))
{
	Job *job = g_new0(Job, 1);
	job->c = container_ref(c);
	job->fn = fn;
	if (engine_push(c->engine, &c->engine->background, job))
		return;
	container_unref(c);
	g_free(job);
}

/* The ID (new string) of a container that is being made of it, or NULL. */
static char *made_of(Engine *e, const char *image_id)
{
	GHashTableIter it;
	gpointer id, image;
	char *found = NULL;
	g_mutex_lock(&e->lock);
	g_hash_table_iter_init(&it, e->making);
	while (!found && g_hash_table_iter_next(&it, &id, &image)) {
		if (strcmp(image, image_id) == 0)
			found = g_strdup(id);
	}
	g_mutex_unlock(&e->lock);
	return found;
}

gboolean container_uses_image(
	void *engine, const char *image_id, char **ret_container, gboolean *ret_running)
{
	*ret_running = FALSE;
	*ret_container = made_of(engine, image_id);
	gboolean found = *ret_container != NULL;
	g_autoptr(GPtrArray) all = container_all(engine);
	for (guint i = 0; i < all->len; i++) {
		Container *c = all->pdata[i];
		if (!c->image_id || strcmp(c->image_id, image_id) != 0)
			continue;
		g_autoptr(ContainerSnapshot) s = container_snapshot(c);
		if (found && !s->state.running)
			continue;
		if (found)
			g_free(*ret_container);
		found = TRUE;
		*ret_container = g_strdup(c->id);
		*ret_running = s->state.running;
		if (s->state.running)
			break;
	}
	return found;
}

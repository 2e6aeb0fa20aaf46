/* SPDX-License-Identifier: MIT */
/*
 * handover.c - what an engine knows only in memory, for the one that follows it in the same
 * process: execs that clients know by ID, clients that attached before the start, how the last --rm
 * containers ended, and the shims that are this process's children. All else is in the database or
 * is asked of the shims.
 */
#include "container/internal.h"

#include "base/fd.h"

static json_t *export_pending(Container *c)
{
	json_t *list = json_array();
	g_mutex_lock(&c->state_lock);
	for (guint i = 0; i < c->pending->len; i++) {
		PendingClient *p = c->pending->pdata[i];
		json_array_append_new(
			list, json_pack("{s:s, s:i, s:o}", "Container", c->id, "Fd", p->fd,
				      "Client", dh_json_emit(&shim_client_table, p->client)));
		p->fd = -1;
	}
	g_ptr_array_set_size(c->pending, 0);
	g_mutex_unlock(&c->state_lock);
	return list;
}

static void import_pending(Engine *e, const json_t *item)
{
	dh_autofd int fd = (int)json_integer_value(json_object_get(item, "Fd"));
	const char *id = json_string_value(json_object_get(item, "Container"));
	g_autoptr(Container) c = id ? container_find(e, id, NULL) : NULL;
	ShimClient *client =
		c ? dh_json_parse(&shim_client_table, json_object_get(item, "Client"), NULL) : NULL;
	if (!client)
		return;
	PendingClient *p = g_new0(PendingClient, 1);
	p->fd = dh_steal_fd(&fd);
	p->client = client;
	g_mutex_lock(&c->state_lock);
	g_ptr_array_add(c->pending, p);
	g_mutex_unlock(&c->state_lock);
}

json_t *engine_export(Engine *e)
{
	/* Nothing may happen any more that would have to be in here. */
	engine_halt(e);
	json_t *pending = json_array(), *departed = json_array();
	g_autoptr(GPtrArray) all = container_all(e);
	for (guint i = 0; i < all->len; i++) {
		json_t *list = export_pending(all->pdata[i]);
		json_array_extend(pending, list);
		json_decref(list);
	}
	departed_export(e, departed);
	return json_pack("{s:o, s:o, s:o, s:o}", "Pending", pending, "Departed", departed, "Execs",
		exec_export(e), "Shims", supervisor_export(e->supervisor));
}

void engine_import(Engine *e, const json_t *state)
{
	size_t i;
	json_t *item;
	json_array_foreach (json_object_get(state, "Pending"), i, item)
		import_pending(e, item);
	json_array_foreach (json_object_get(state, "Departed"), i, item)
		departed_import(e, item);
	json_array_foreach (json_object_get(state, "Execs"), i, item)
		exec_import(e, item);
	json_array_foreach (json_object_get(state, "Shims"), i, item)
		supervisor_add_child(e->supervisor, (int)json_integer_value(item));
}

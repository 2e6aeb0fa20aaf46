/* SPDX-License-Identifier: MIT */
/*
 * update.c - theory of operation: the new configuration is made beside the old one and written to
 * the row; then the shim, which alone knows that the container's group still exists, sets the
 * limits, all or none; only then the configuration in memory changes. When the kernel refuses, the
 * row gets the old one back. A daemon that dies in between has promised nothing, and the row says
 * what the next start, or the same request again, will bring.
 */
#include "container/internal.h"

#include "base/error.h"
#include "container/resources.h"
#include "container/validate.h"
#include "shim/client.h"

/* It runs, as far as limits are concerned: a container that waits for its restart gets them then.
 */
static gboolean has_process(Container *c)
{
	g_mutex_lock(&c->state_lock);
	gboolean running = c->state.running && !c->ending;
	g_mutex_unlock(&c->state_lock);
	return running;
}

/* One that ends meanwhile needs no limits. */
static gboolean set_limits(Container *c, OciResources *r, GError **error)
{
	if (!has_process(c))
		return TRUE;
	ShimRequest req = {.op = (char *)"update", .resources = r};
	g_autoptr(GError) failed = NULL;
	ShimReply *reply = shim_request(c->run_dir, &req, NULL, 0, &failed);
	dh_json_free(&shim_reply_table, reply);
	if (reply || !has_process(c))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

/* The members that an update changes, into what everybody reads. */
static void adopt(Container *c, HostConfig *merged)
{
	g_mutex_lock(&c->state_lock);
	/* The rest of it is read without the lock, and stays where it is. */
	resources_exchange(c->host_config, merged);
	g_mutex_unlock(&c->state_lock);
}

static gboolean update_locked(Container *c, const HostConfig *asked, GError **error)
{
	g_mutex_lock(&c->state_lock);
	gboolean ok = container_op_allowed(OP_UPDATE, c->state.status, c->id, c->name, error);
	HostConfig *merged = dh_json_copy(&host_config_table, c->host_config);
	g_mutex_unlock(&c->state_lock);
	ok = ok && resources_merge(merged, asked, error);
	OciResources *r = ok ? resources_changed(merged, asked, error) : NULL;
	ok = r && container_save_config(c, merged, error);
	if (ok && !set_limits(c, r, error)) {
		ok = FALSE;
		(void)container_save_config(c, NULL, NULL);
	}
	if (ok)
		adopt(c, merged);
	dh_json_free(&oci_resources_table, r);
	dh_json_free(&host_config_table, merged);
	return ok;
}

gboolean container_update(Container *c, HostConfig *asked, char ***ret_warnings, GError **error)
{
	g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
	*ret_warnings = NULL;
	if (!validate_update(asked, warnings, error))
		return FALSE;
	g_mutex_lock(&c->op);
	gboolean ok = update_locked(c, asked, error);
	g_mutex_unlock(&c->op);
	if (!ok) {
		g_prefix_error(error, "Cannot update container %s: ", c->id);
		return FALSE;
	}
	container_event(c, "update", NULL);
	g_ptr_array_add(warnings, NULL);
	*ret_warnings = (char **)g_ptr_array_free(g_steal_pointer(&warnings), FALSE);
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
/*
 * remove.c - theory of operation: the row goes first, in one statement; from then on the container
 * does not exist, whatever happens. Its directory is renamed into tmp/ (instantly) and deleted in
 * the background; a daemon that dies before has a directory without a row, which the next one
 * sweeps.
 */
#include "container/internal.h"
#include "container/mounts.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void delete_directory(Container *c)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *trash = g_build_filename(c->engine->config.data_root, "tmp", c->id, NULL);
	/* What could not be renamed, as tmp/ had to grow for it on a full disk, is still there. */
	if (!dh_remove_tree(AT_FDCWD, c->dir, &error))
		dh_warn("container %s: %s", c->id, error->message);
	g_clear_error(&error);
	if (!dh_remove_tree(AT_FDCWD, trash, &error))
		dh_warn("container %s: %s", c->id, error->message);
}

/* Returns whether it runs, which only force lets pass; *ret_ok: it may be removed. */
static gboolean begin_removal(Container *c, gboolean force, gboolean *ret_ok, GError **error)
{
	g_mutex_lock(&c->state_lock);
	gboolean ok = container_op_allowed(
		force ? OP_FORCE_REMOVE : OP_REMOVE, c->state.status, c->id, c->name, error);
	if (ok && c->removed)
		ok = dh_error(error, DH_ERROR_NOT_FOUND, "No such container: %s", c->id);
	gboolean running = c->state.running;
	if (ok && !running)
		c->state.status = STATUS_REMOVING;
	g_mutex_unlock(&c->state_lock);
	*ret_ok = ok;
	return running;
}

static void end_removal(Container *c, ContainerStatus back)
{
	g_mutex_lock(&c->state_lock);
	if (c->state.status == STATUS_REMOVING)
		c->state.status = back;
	container_changed(c);
	g_mutex_unlock(&c->state_lock);
}

static void forget(Container *c)
{
	Engine *e = c->engine;
	g_autoptr(GPtrArray) pending = NULL;
	g_mutex_lock(&e->exec_lock);
	g_mutex_lock(&c->state_lock);
	for (guint i = 0; i < c->exec_ids->len; i++)
		g_hash_table_remove(e->execs, c->exec_ids->pdata[i]);
	c->removed = TRUE;
	pending = c->pending;
	c->pending = g_ptr_array_new_with_free_func(pending_client_free);
	container_changed(c);
	g_mutex_unlock(&c->state_lock);
	g_mutex_unlock(&e->exec_lock);
}

static gboolean remove_stopped(Container *c, gboolean volumes, GError **error)
{
	if (c->host_config->auto_remove)
		container_note_departed(c);
	if (!container_unregister(c, error))
		return FALSE;
	dh_trace("daemon: remove: row deleted");
	/* Of the run directory the shim took care; a start that failed half-way may have left it.
	 */
	(void)dh_remove_tree(AT_FDCWD, c->run_dir, NULL);
	g_autofree char *trash = g_build_filename(c->engine->config.data_root, "tmp", c->id, NULL);
	if (rename(c->dir, trash) < 0 && errno != ENOENT)
		dh_warn("container %s: %s", c->id, g_strerror(errno));
	mounts_release(c, volumes);
	container_event(c, "destroy", NULL);
	dh_trace("daemon: remove: directory away");
	forget(c);
	container_background(c, delete_directory);
	store_gc(c->engine->store, container_uses_image, c->engine);
	dh_trace("daemon: remove: done");
	return TRUE;
}

/* What runs is killed, if that is what was asked for. */
static gboolean end_for_removal(Container *c, gboolean force, GError **error)
{
	g_mutex_lock(&c->state_lock);
	gboolean running = c->state.running;
	gboolean allowed = container_op_allowed(
		force ? OP_FORCE_REMOVE : OP_REMOVE, c->state.status, c->id, c->name, error);
	if (allowed && running)
		c->host_config->auto_remove = FALSE; /* its end is ours to tidy up */
	g_mutex_unlock(&c->state_lock);
	if (!allowed)
		return FALSE;

	g_autoptr(GError) failed = NULL;
	if (!running || container_kill(c, "SIGKILL", &failed) ||
		g_error_matches(failed, DH_ERROR, DH_ERROR_CONFLICT))
		return TRUE;
	g_autoptr(ContainerSnapshot) s = container_snapshot(c);
	g_propagate_prefixed_error(error, g_steal_pointer(&failed),
		"cannot remove container \"/%s\": could not kill container: ", s->name);
	return FALSE;
}

gboolean container_remove(Container *c, gboolean force, gboolean volumes, GError **error)
{
	gboolean ok;
	do {
		if (!end_for_removal(c, force, error))
			return FALSE;
		g_mutex_lock(&c->op);
		/* A restart may have been faster: then it is ended, too. */
		gboolean running = begin_removal(c, force, &ok, error);
		if (ok && !running && !remove_stopped(c, volumes, error)) {
			end_removal(c, STATUS_EXITED);
			ok = FALSE;
		}
		g_mutex_unlock(&c->op);
		if (ok && !running)
			return TRUE;
	} while (ok);
	return FALSE;
}

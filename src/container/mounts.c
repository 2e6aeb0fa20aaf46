/* SPDX-License-Identifier: MIT */
/* mounts.c - the volumes of a container's mount points: made, filled, held and let go. */
#include "container/mounts.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"

#include <string.h>

static gboolean is_volume(const MountPoint *m)
{
	return strcmp(m->type, "volume") == 0;
}

static const char *text_member(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* VolumeOptions.DriverConfig.Options; *ret is the caller's. */
static gboolean driver_options(const json_t *config, GHashTable **ret, GError **error)
{
	const char *key;
	json_t *value, *options = json_object_get(config, "Options");
	*ret = NULL;
	if (!json_is_object(options) || json_object_size(options) == 0)
		return TRUE;
	*ret = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	json_object_foreach (options, key, value) {
		if (!json_is_string(value))
			return dh_error(
				error, DH_ERROR_INVALID, "volume option \"%s\" is no string", key);
		g_hash_table_insert(*ret, g_strdup(key), g_strdup(json_string_value(value)));
	}
	return TRUE;
}

static gboolean acquire(Container *c, MountPoint *m, GError **error)
{
	const VolumeOptions *o = m->spec ? m->spec->volume_options : NULL;
	g_autoptr(GHashTable) options = NULL;
	if (o && !driver_options(o->driver_config, &options, error))
		return FALSE;
	VolumeRequest req = {.name = m->name,
		.driver = m->spec ? text_member(o ? o->driver_config : NULL, "Name")
				  : c->host_config->volume_driver,
		.labels = o ? o->labels : NULL,
		.options = options};
	g_autoptr(GError) failed = NULL;
	g_autoptr(Volume) v =
		volumes_acquire(c->engine->volumes, &req, c->id, &m->created, &failed);
	if (!v) {
		/* A container that cannot be made for want of a driver: 404 would send the client
		 * looking for the image. */
		if (g_error_matches(failed, DH_ERROR, DH_ERROR_NOT_FOUND))
			failed->code = DH_ERROR_INVALID;
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	if (m->created)
		events_emit(c->engine->events, "volume", "create", v->name, "driver", VOLUME_DRIVER,
			NULL);
	g_free(m->name);
	m->name = g_strdup(v->name);
	g_free(m->source);
	m->source = g_strdup(v->mountpoint);
	return TRUE;
}

/* With tree -1 it only waits for somebody else's copy. */
static gboolean fill(Container *c, const MountPoint *m, int tree, GError **error)
{
	g_autoptr(Volume) v = volumes_find(c->engine->volumes, m->name, error);
	return v &&
	       volume_fill(c->engine->volumes, v, m->no_copy ? -1 : tree, m->destination, error);
}

static gboolean acquire_all(Container *c, GError **error)
{
	gboolean copies = FALSE;
	for (guint i = 0; i < c->mounts->len; i++) {
		MountPoint *m = c->mounts->pdata[i];
		if (!is_volume(m))
			continue;
		if (!acquire(c, m, error))
			return FALSE;
		copies |= !m->no_copy;
	}
	dh_autofd int tree = -1;
	if (copies) {
		g_autofree char *at = g_build_filename(c->engine->config.exec_root, "rootfs", NULL);
		tree = image_tree_open(c->lower, at, error);
		if (tree < 0)
			return FALSE;
	}
	for (guint i = 0; i < c->mounts->len; i++) {
		const MountPoint *m = c->mounts->pdata[i];
		if (is_volume(m) && !fill(c, m, tree, error))
			return FALSE;
	}
	return TRUE;
}

gboolean mounts_acquire(Container *c, GError **error)
{
	if (acquire_all(c, error))
		return TRUE;
	mounts_give_back(c);
	return FALSE;
}

static void remove_volume(Container *c, const char *name)
{
	g_autoptr(GError) error = NULL;
	if (volumes_remove(c->engine->volumes, name, &error))
		events_emit(c->engine->events, "volume", "destroy", name, "driver", VOLUME_DRIVER,
			NULL);
	else if (!g_error_matches(error, DH_ERROR, DH_ERROR_CONFLICT) &&
		 !g_error_matches(error, DH_ERROR, DH_ERROR_NOT_FOUND))
		dh_warn("container %s: %s", c->id, error->message);
}

void mounts_give_back(Container *c)
{
	for (guint i = 0; c->mounts && i < c->mounts->len; i++) {
		MountPoint *m = c->mounts->pdata[i];
		if (!is_volume(m) || !m->name)
			continue;
		volumes_release(c->engine->volumes, m->name, c->id);
		if (m->created)
			remove_volume(c, m->name);
		m->created = FALSE;
	}
}

void mounts_hold(Container *c)
{
	for (guint i = 0; c->mounts && i < c->mounts->len; i++) {
		MountPoint *m = c->mounts->pdata[i];
		VolumeRequest req = {.name = m->name};
		gboolean created;
		g_autoptr(GError) error = NULL;
		if (!is_volume(m))
			continue;
		g_autoptr(Volume) v =
			volumes_acquire(c->engine->volumes, &req, c->id, &created, &error);
		if (!v)
			dh_warn("container %s: volume %s: %s", c->id, m->name, error->message);
		else if (created)
			dh_warn("container %s: volume %s was gone and is new and empty", c->id,
				m->name);
	}
}

void mounts_release(Container *c, gboolean anonymous)
{
	for (guint i = 0; c->mounts && i < c->mounts->len; i++) {
		const MountPoint *m = c->mounts->pdata[i];
		if (is_volume(m))
			volumes_release(c->engine->volumes, m->name, c->id);
	}
	for (guint i = 0; anonymous && c->mounts && i < c->mounts->len; i++) {
		const MountPoint *m = c->mounts->pdata[i];
		if (is_volume(m) && !m->named)
			remove_volume(c, m->name);
	}
}

void mounts_event(Container *c, const char *action)
{
	gboolean mount = strcmp(action, "mount") == 0;
	for (guint i = 0; c->mounts && i < c->mounts->len; i++) {
		const MountPoint *m = c->mounts->pdata[i];
		if (!is_volume(m))
			continue;
		if (mount)
			events_emit(c->engine->events, "volume", action, m->name, "driver",
				VOLUME_DRIVER, "container", c->id, "destination", m->destination,
				"read/write", m->rw ? "true" : "false", "propagation",
				m->propagation ? m->propagation : "", NULL);
		else
			events_emit(c->engine->events, "volume", action, m->name, "driver",
				VOLUME_DRIVER, "container", c->id, NULL);
	}
}

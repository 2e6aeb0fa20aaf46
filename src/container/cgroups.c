/* SPDX-License-Identifier: MIT */
/*
 * cgroups.c - the groups below the engine's own. A container's is named by its ID; any other name
 * is a parent that containers were given (--cgroup-parent), with theirs below it.
 */
#include "container/internal.h"

#include "base/id.h"

#include <string.h>

static gboolean is_id(const char *name)
{
	return strlen(name) == DH_ID_LEN && dh_is_hex(name);
}

/* A container's goes before the container does: one that is still there when its container is not
 * is nobody's. */
static gboolean is_left(const char *parent, const char *name)
{
	g_auto(GStrv) children = rt_cgroup_children(parent);
	return children && g_strv_contains((const char *const *)children, name);
}

static void find_strays(Engine *e, const char *parent, GPtrArray *found)
{
	g_auto(GStrv) children = rt_cgroup_children(parent);
	for (char **name = children; name && *name; name++) {
		g_autofree char *path = g_build_filename(parent, *name, NULL);
		if (!is_id(*name))
			find_strays(e, path, found);
		else if (!container_is_known(e, *name) && is_left(parent, *name))
			g_ptr_array_add(found, g_steal_pointer(&path));
	}
}

GPtrArray *container_stray_cgroups(Engine *e)
{
	GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
	find_strays(e, e->config.cgroup_parent, found);
	return found;
}

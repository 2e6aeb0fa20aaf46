/* SPDX-License-Identifier: MIT */
/* spec_namespaces.c - which namespaces are a container's own, the host's, or another container's.
 */
#include "container/spec_mounts.h"

#include "base/error.h"

#include <string.h>

static void add(OciLinux *l, const char *type, char *path)
{
	OciNamespace *n = dh_json_new(&oci_namespace_table);
	n->type = g_strdup(type);
	n->path = path;
	g_ptr_array_add(l->namespaces, n);
}

static gboolean is_shareable(const char *ipc_mode)
{
	return g_strcmp0(ipc_mode, "private") != 0 && g_strcmp0(ipc_mode, "none") != 0;
}

Container *spec_donor(
	Container *c, const char *mode, gboolean ipc, int64_t *ret_pid, GError **error)
{
	g_autoptr(Container) donor = container_find(c->engine, mode + strlen("container:"), error);
	if (!donor)
		return NULL;
	g_autoptr(ContainerSnapshot) s = container_snapshot(donor);
	g_autofree char *what =
		ipc ? g_strdup_printf("can't join IPC of container %s: ", donor->id) : g_strdup("");
	const char *lacks = s->state.restarting ? "restarting, wait until the container is running"
			    : !s->state.running ? "not running"
						: NULL;
	if (lacks) {
		dh_error(error, DH_ERROR_CONFLICT, "%scontainer %s is %s", what, donor->id, lacks);
		return NULL;
	}
	if (ipc && !is_shareable(donor->host_config->ipc_mode)) {
		dh_error(error, DH_ERROR_INVALID,
			"%snon-shareable IPC (hint: use IpcMode:shareable for the donor container)",
			what);
		return NULL;
	}
	*ret_pid = s->state.pid;
	return g_steal_pointer(&donor);
}

static gboolean by_mode(
	Container *c, OciLinux *l, const char *mode, const char *type, GError **error)
{
	int64_t pid;
	if (g_strcmp0(mode, "host") == 0)
		return TRUE;
	if (!mode || !g_str_has_prefix(mode, "container:")) {
		add(l, type, NULL);
		return TRUE;
	}
	g_autoptr(Container) donor = spec_donor(c, mode, strcmp(type, "ipc") == 0, &pid, error);
	if (donor)
		add(l, type, g_strdup_printf("/proc/%" G_GINT64_FORMAT "/ns/%s", pid, type));
	return donor != NULL;
}

gboolean spec_namespaces(Container *c, OciLinux *l, GError **error)
{
	HostConfig *h = c->host_config;
	g_autoptr(Identity) identity = container_identity(c);
	l->namespaces = dh_json_list_new();
	if (identity) {
		add(l, "user", NULL);
		l->uid_mappings = g_ptr_array_ref(identity->uids);
		l->gid_mappings = g_ptr_array_ref(identity->gids);
	}
	add(l, "mount", NULL);
	if (g_strcmp0(h->uts_mode, "host") != 0)
		add(l, "uts", NULL);
	if (g_strcmp0(h->cgroupns_mode, "private") == 0)
		add(l, "cgroup", NULL);
	return by_mode(c, l, h->pid_mode, "pid", error) && by_mode(c, l, h->ipc_mode, "ipc", error);
}

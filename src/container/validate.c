/* SPDX-License-Identifier: MIT */
#include "container/validate.h"
#include "container/health.h"
#include "container/log_config.h"

#include "base/error.h"
#include "base/id.h"
#include "base/size.h"
#include "container/mounts.h"
#include "container/runtimes.h"
#include "container/security.h"
#include "runtime/runtime.h"

#include <string.h>

static gboolean is_set(const char *s)
{
	return s && *s;
}

static gboolean in_list(const char *s, const char *const *list)
{
	return !is_set(s) || g_strv_contains(list, s);
}

static gboolean has_prefix(const char *s, const char *prefix)
{
	return s && g_str_has_prefix(s, prefix);
}

/* ---- network ---- */

static void set_network_mode(HostConfig *h, const char *mode)
{
	char *copy = g_strdup(mode);
	g_free(h->network_mode);
	h->network_mode = copy;
}

static gboolean validate_network(Container *c, const ContainerConfig *asked, GError **error)
{
	HostConfig *h = c->host_config;
	ContainerConfig *config = c->config;
	gboolean has_ports = h->publish_all_ports ||
			     (h->port_bindings && g_hash_table_size(h->port_bindings) > 0);

	if (!is_set(h->network_mode) || strcmp(h->network_mode, "default") == 0)
		set_network_mode(h, "bridge");
	if (has_prefix(h->network_mode, "container:")) {
		const char *name = h->network_mode + strlen("container:");
		if (is_set(config->hostname))
			return dh_error(error, DH_ERROR_INVALID,
				"conflicting options: hostname and the network mode");
		if (h->links && *h->links)
			return dh_error(error, DH_ERROR_INVALID,
				"conflicting options: container type network can't be used with "
				"links. "
				"This would result in undefined behavior");
		if ((h->dns && *h->dns) || (h->dns_search && *h->dns_search))
			return dh_error(error, DH_ERROR_INVALID,
				"conflicting options: dns and the network mode");
		if (h->extra_hosts && *h->extra_hosts)
			return dh_error(error, DH_ERROR_INVALID,
				"conflicting options: custom host-to-IP mapping and the network "
				"mode");
		if (has_ports)
			return dh_error(error, DH_ERROR_INVALID,
				"conflicting options: port publishing and the container type "
				"network mode");
		/* The user's own: what the image exposes is no contradiction. */
		if (asked->exposed_ports && g_hash_table_size(asked->exposed_ports) > 0)
			return dh_error(error, DH_ERROR_INVALID,
				"conflicting options: port exposing and the container type network "
				"mode");
		/* By ID: the name may change hands before the start. One that is not there yet is
		 * looked for at the start. */
		g_autoptr(Container) target = container_find(c->engine, name, NULL);
		if (!target)
			return TRUE;
		g_autofree char *mode = g_strdup_printf("container:%s", target->id);
		set_network_mode(h, mode);
		return TRUE;
	}
	if (strcmp(h->network_mode, "host") == 0 && h->links && *h->links)
		return dh_error(error, DH_ERROR_INVALID,
			"conflicting options: host type networking can't be used with links. This "
			"would "
			"result in undefined behavior");
	if (strcmp(h->network_mode, "host") == 0 && is_set(h->uts_mode) && is_set(config->hostname))
		return dh_error(
			error, DH_ERROR_INVALID, "conflicting options: hostname and the UTS mode");
	return TRUE;
}

static gboolean validate_endpoints(Container *c, GError **error)
{
	GHashTable *endpoints = c->networking ? c->networking->endpoints_config : NULL;
	if (!endpoints)
		return TRUE;
	if (g_hash_table_size(endpoints) > 1)
		return dh_error(error, DH_ERROR_NOT_BUILT,
			"connecting a container to more than one network is not built yet");
	GHashTableIter it;
	void *key, *value;
	g_hash_table_iter_init(&it, endpoints);
	while (g_hash_table_iter_next(&it, &key, &value)) {
		EndpointSettings *ep = value;
		const char *name = strcmp(key, "default") == 0 ? "bridge" : key;
		/* One that is not there is told of at the start: to a client a 404 from the
		 * creation says that the image is missing. */
		if (!container_network_built_in(name))
			continue;
		if (strcmp(name, c->host_config->network_mode) != 0)
			return dh_error(error, DH_ERROR_NOT_BUILT,
				"connecting a container to more than one network is not built yet");
		if (ep && ep->ipam_config &&
			(is_set(ep->ipam_config->ipv4_address) ||
				is_set(ep->ipam_config->ipv6_address)))
			return dh_error(error, DH_ERROR_INVALID,
				"invalid config for network %s: invalid endpoint settings:\nuser "
				"specified "
				"IP address is supported on user defined networks only",
				name);
		if (ep && ep->aliases && *ep->aliases && strcmp(name, "bridge") == 0)
			return dh_error(error, DH_ERROR_INVALID,
				"invalid config for network bridge: invalid endpoint settings:\n"
				"network-scoped aliases are only supported for user-defined "
				"networks");
	}
	return TRUE;
}

/* ---- namespaces ---- */

static gboolean validate_shared(
	Container *c, char **mode, const char *what, const char *const *known, GError **error)
{
	if (has_prefix(*mode, "container:")) {
		/* One that is not there yet is looked for at the start: to a client a 404 from
		 * the creation says that the image is missing. */
		g_autoptr(Container) target =
			container_find(c->engine, *mode + strlen("container:"), NULL);
		if (!target)
			return TRUE;
		char *by_id = g_strdup_printf("container:%s", target->id);
		g_free(*mode);
		*mode = by_id;
		return TRUE;
	}
	if (!in_list(*mode, known))
		return dh_error(error, DH_ERROR_INVALID, "invalid %s mode: %s", what, *mode);
	return TRUE;
}

static gboolean validate_namespaces(Container *c, GError **error)
{
	static const char *const pid[] = {"host", "private", NULL};
	static const char *const ipc[] = {"host", "private", "none", "shareable", NULL};
	static const char *const uts[] = {"host", NULL};
	static const char *const cgroupns[] = {"host", "private", NULL};
	HostConfig *h = c->host_config;
	if (!validate_shared(c, &h->pid_mode, "PID", pid, error) ||
		!validate_shared(c, &h->ipc_mode, "IPC", ipc, error))
		return FALSE;
	if (!in_list(h->uts_mode, uts))
		return dh_error(error, DH_ERROR_INVALID, "invalid UTS mode: %s", h->uts_mode);
	if (!in_list(h->cgroupns_mode, cgroupns))
		return dh_error(error, DH_ERROR_INVALID, "invalid cgroup namespace mode: %s",
			h->cgroupns_mode);
	if (is_set(h->uts_mode) && is_set(c->config->hostname))
		return dh_error(
			error, DH_ERROR_INVALID, "conflicting options: hostname and the UTS mode");
	return TRUE;
}

/* ---- life ---- */

static gboolean validate_restart(HostConfig *h, GError **error)
{
	static const char *const known[] = {"no", "always", "on-failure", "unless-stopped", NULL};
	RestartPolicy *p = &h->restart_policy;
	if (!in_list(p->name, known))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid restart policy: unknown policy '%s'; use one of 'no', 'always', "
			"'on-failure', or 'unless-stopped'",
			p->name);
	gboolean on_failure = g_strcmp0(p->name, "on-failure") == 0;
	if (p->maximum_retry_count < 0)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid restart policy: maximum retry count cannot be negative");
	if (p->maximum_retry_count != 0 && !on_failure)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid restart policy: maximum retry count can only be used with "
			"'on-failure'");
	gboolean restarts = is_set(p->name) && strcmp(p->name, "no") != 0;
	if (restarts && h->auto_remove)
		return dh_error(error, DH_ERROR_INVALID,
			"can't create 'AutoRemove' container with restart policy");
	return TRUE;
}

static gboolean validate_process(Container *c, GError **error)
{
	ContainerConfig *config = c->config;
	if ((!config->entrypoint || !*config->entrypoint) && (!config->cmd || !*config->cmd))
		return dh_error(error, DH_ERROR_INVALID, "no command specified");
	if (is_set(config->working_dir) && *config->working_dir != '/')
		return dh_error(error, DH_ERROR_INVALID,
			"the working directory '%s' is invalid, it needs to be an absolute path",
			config->working_dir);
	if (is_set(config->stop_signal) && rt_signal_parse(config->stop_signal) < 0)
		return dh_error(error, DH_ERROR_INVALID, "Invalid signal: %s", config->stop_signal);
	for (char **e = config->env; e && *e; e++) {
		if (!**e || **e == '=')
			return dh_error(
				error, DH_ERROR_INVALID, "invalid environment variable: %s", *e);
	}
	if (config->stop_timeout_raw && !json_is_null(config->stop_timeout_raw) &&
		!json_is_integer(config->stop_timeout_raw))
		return dh_error(error, DH_ERROR_INVALID,
			"json: cannot unmarshal %s into field ContainerConfig.StopTimeout of type "
			"int",
			json_is_string(config->stop_timeout_raw) ? "string" : "value");
	if (!health_validate(config->healthcheck, error))
		return FALSE;
	if (is_set(config->hostname) && strlen(config->hostname) > 64)
		return dh_error(error, DH_ERROR_INVALID, "invalid hostname: %s", config->hostname);
	return TRUE;
}

/* ---- mounts ---- */

static gboolean validate_mounts(Container *c, GError **error)
{
	c->mounts = mounts_parse(c, error);
	return c->mounts != NULL;
}

/* ---- resources and security ---- */

static gboolean validate_tmpfs(const HostConfig *h, GError **error)
{
	GHashTableIter it;
	void *path;
	if (!h->tmpfs)
		return TRUE;
	g_hash_table_iter_init(&it, h->tmpfs);
	while (g_hash_table_iter_next(&it, &path, NULL)) {
		if (*(const char *)path != '/')
			return dh_error(error, DH_ERROR_INVALID,
				"invalid mount path: '%s' mount path must be absolute",
				(char *)path);
	}
	return TRUE;
}

static gboolean validate_rest(HostConfig *h, GError **error)
{
	if (h->shm_size < 0)
		return dh_error(error, DH_ERROR_INVALID, "SHM size can not be less than 0");
	if (h->oom_score_adj < -1000 || h->oom_score_adj > 1000)
		return dh_error(error, DH_ERROR_INVALID,
			"Invalid value %d, range for oom score adj is [-1000, 1000]",
			(int)h->oom_score_adj);
	if (h->device_requests && json_array_size(h->device_requests) > 0)
		return dh_error(
			error, DH_ERROR_NOT_BUILT, "device requests (GPUs) are not built yet");
	if (h->storage_opt && g_hash_table_size(h->storage_opt) > 0)
		return dh_error(error, DH_ERROR_NOT_BUILT, "storage options are not built yet");
	return TRUE;
}

/* Below the engine's own group, or with "/" in front from the root of the hierarchies, as Docker
 * has it; nothing climbs out of either. */
static gboolean validate_cgroup_parent(HostConfig *h, GError **error)
{
	if (!is_set(h->cgroup_parent))
		return TRUE;
	g_auto(GStrv) parts = g_strsplit(h->cgroup_parent, "/", -1);
	gboolean bad = strlen(h->cgroup_parent) > 512 || strchr(h->cgroup_parent, '\n');
	/* Nor into another container's own group, which ends with that container. */
	for (char **p = parts; *p; p++)
		bad |= strcmp(*p, "..") == 0 || (strlen(*p) == DH_ID_LEN && dh_is_hex(*p));
	return !bad ||
	       dh_error(error, DH_ERROR_INVALID, "invalid cgroup parent \"%s\"", h->cgroup_parent);
}

static void warn_network(const HostConfig *h, GPtrArray *warnings)
{
	if (g_strcmp0(h->network_mode, "host") == 0 && h->port_bindings &&
		g_hash_table_size(h->port_bindings) > 0)
		g_ptr_array_add(warnings, g_strdup("Published ports are discarded when using host "
						   "network mode"));
}

gboolean validate_create(
	Container *c, const ContainerConfig *asked, GPtrArray *warnings, GError **error)
{
	HostConfig *h = c->host_config;
	SecurityOptions security;
	if (!validate_process(c, error) || !validate_network(c, asked, error) ||
		!validate_endpoints(c, error) || !validate_namespaces(c, error) ||
		!validate_restart(h, error) || !validate_mounts(c, error) ||
		!validate_tmpfs(h, error) || !validate_resources(h, FALSE, warnings, error) ||
		!runtime_check(c->engine, h->runtime, error) || !validate_cgroup_parent(h, error) ||
		!validate_rest(h, error) || !security_options(h, &security, error) ||
		!identity_validate(c->engine->identities, h, error) ||
		!log_config_validate(h, error))
		return FALSE;
	warn_network(h, warnings);
	security_warnings(c, warnings);
	return TRUE;
}

gboolean validate_update(HostConfig *h, GPtrArray *warnings, GError **error)
{
	return validate_restart(h, error) && validate_resources(h, TRUE, warnings, error);
}

/* SPDX-License-Identifier: MIT */
/* inspect.c - containers as the API shows them. */
#include "container/health.h"
#include "container/internal.h"
#include "container/log_config.h"

#include "base/timefmt.h"
#include "container/security.h"
#include "container/spec_mounts.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *time_json(int64_t t)
{
	g_autofree char *text = dh_time_format(t);
	return json_string(text);
}

static char *health_text(const char *up, const char *health)
{
	if (!health)
		return g_strdup_printf("Up %s", up);
	gboolean starting = strcmp(health, "starting") == 0;
	return g_strdup_printf("Up %s (%s%s)", up, starting ? "health: " : "", health);
}

char *container_status_text(const ContainerState *s)
{
	int64_t now = dh_time_now();
	g_autofree char *up =
		s->started_at != DH_TIME_ZERO ? dh_duration_human(now - s->started_at) : NULL;
	g_autofree char *ago =
		s->finished_at != DH_TIME_ZERO ? dh_duration_human(now - s->finished_at) : NULL;
	switch (s->status) {
	case STATUS_RUNNING:
		return health_text(up ? up : "Less than a second", s->health);
	case STATUS_PAUSED:
		return g_strdup_printf("Up %s (Paused)", up ? up : "Less than a second");
	case STATUS_RESTARTING:
		return g_strdup_printf("Restarting (%" G_GINT64_FORMAT ") %s ago", s->exit_code,
			ago ? ago : "Less than a second");
	case STATUS_REMOVING:
		return g_strdup("Removal In Progress");
	case STATUS_DEAD:
		return g_strdup("Dead");
	case STATUS_CREATED:
	case STATUS_EXITED:
	case N_STATUSES:
		break;
	}
	if (s->started_at == DH_TIME_ZERO || s->finished_at == DH_TIME_ZERO)
		return g_strdup("Created");
	return g_strdup_printf("Exited (%" G_GINT64_FORMAT ") %s ago", s->exit_code, ago);
}

/* The program and its arguments: entrypoint, then command. */
static char **full_command(Container *c)
{
	g_autoptr(GStrvBuilder) b = g_strv_builder_new();
	for (char **a = c->config->entrypoint; a && *a; a++)
		g_strv_builder_add(b, *a);
	for (char **a = c->config->cmd; a && *a; a++)
		g_strv_builder_add(b, *a);
	return g_strv_builder_end(b);
}

static json_t *string(const char *s)
{
	json_t *v = json_string(s ? s : "");
	return v ? v : json_string("");
}

/* ---- network ---- */

const EndpointSettings *container_endpoint_settings(const Container *c)
{
	GHashTableIter it;
	void *value;
	if (!c->networking || !c->networking->endpoints_config)
		return NULL;
	g_hash_table_iter_init(&it, c->networking->endpoints_config);
	return g_hash_table_iter_next(&it, NULL, &value) ? value : NULL;
}

char *container_endpoint_now(Container *c, const ContainerSnapshot *s, EndpointSettings *ret)
{
	*ret = (EndpointSettings){.ip_address = s->endpoint ? s->endpoint->ip : NULL,
		.ip_prefix_len = s->endpoint ? s->endpoint->prefix_len : 0,
		.gateway = s->endpoint ? s->endpoint->gateway : NULL,
		.mac_address = s->endpoint ? s->endpoint->mac : NULL,
		.endpoint_id = s->endpoint ? s->endpoint_id : NULL};
	const EndpointSettings *asked = container_endpoint_settings(c);
	if (asked) {
		ret->ipam_config = asked->ipam_config;
		ret->driver_opts = asked->driver_opts;
	}
	const char *mode = c->host_config->network_mode;
	ret->network_id =
		container_network_built_in(mode) ? container_network_id(c->engine, mode) : NULL;
	return ret->network_id;
}

static json_t *endpoint_json(Container *c, const ContainerSnapshot *s)
{
	EndpointSettings ep;
	g_autofree char *network_id = container_endpoint_now(c, s, &ep);
	return dh_json_emit(&endpoint_settings_table, &ep);
}

static json_t *networks_json(Container *c, const ContainerSnapshot *s)
{
	json_t *out = json_object();
	const char *mode = c->host_config->network_mode;
	if (!g_str_has_prefix(mode, "container:"))
		json_object_set_new(out, mode, endpoint_json(c, s));
	return out;
}

static json_t *network_settings(Container *c, const ContainerSnapshot *s)
{
	const NetEndpoint *e = s->endpoint;
	g_autofree char *key = NULL;
	if (s->state.running)
		key = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/ns/net", s->state.pid);
	return json_pack("{s:s, s:s, s:s, s:o, s:b, s:s, s:i, s:n, s:n, s:s, s:s, s:s, s:i, s:s, "
			 "s:I, s:s, s:s, "
			 "s:o}",
		"Bridge", "", "SandboxID", s->state.running && s->sandbox_id ? s->sandbox_id : "",
		"SandboxKey", key ? key : "", "Ports", container_ports_json(c, e, s->state.running),
		"HairpinMode", FALSE, "LinkLocalIPv6Address", "", "LinkLocalIPv6PrefixLen", 0,
		"SecondaryIPAddresses", "SecondaryIPv6Addresses", "EndpointID",
		e && s->endpoint_id ? s->endpoint_id : "", "Gateway", e ? e->gateway : "",
		"GlobalIPv6Address", "", "GlobalIPv6PrefixLen", 0, "IPAddress", e ? e->ip : "",
		"IPPrefixLen", (json_int_t)(e ? e->prefix_len : 0), "IPv6Gateway", "", "MacAddress",
		e ? e->mac : "", "Networks", networks_json(c, s));
}

gboolean container_network_built_in(const char *name)
{
	static const char *const names[] = {"bridge", "host", "none", NULL};
	return g_strv_contains(names, name);
}

char *container_network_id(Engine *e, const char *mode)
{
	/* Stable and the engine's own, without a row: the three built-in networks never change. */
	g_autofree char *seed = g_strdup_printf("%s/%s", e->id, mode);
	return g_compute_checksum_for_string(G_CHECKSUM_SHA256, seed, -1);
}

/* ---- inspect ---- */

static json_t *state_json(const ContainerState *s)
{
	return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:I, s:I, s:s, s:o, s:o}", "Status",
		container_status_name(s->status), "Running", s->running || s->restarting, "Paused",
		s->paused, "Restarting", s->restarting, "OOMKilled", s->oom_killed, "Dead", s->dead,
		"Pid", (json_int_t)s->pid, "ExitCode", (json_int_t)s->exit_code, "Error",
		s->error ? s->error : "", "StartedAt", time_json(s->started_at), "FinishedAt",
		time_json(s->finished_at));
}

/* Ours: "stop" will have to wait for its time to pass. */
static void add_ignored_signal(Container *c, json_t *state)
{
	int number = container_stop_signal(c);
	if (!container_ignores_signal(c, number))
		return;
	const char *name = rt_signal_name(number);
	json_object_set_new(state, "StopSignalIgnored", json_string(name ? name : ""));
}

static json_t *graph_driver(Container *c)
{
	g_autofree char *lower = g_strjoinv(":", c->lower);
	g_autofree char *upper = g_build_filename(c->dir, "upper", NULL);
	g_autofree char *work = g_build_filename(c->dir, "work", NULL);
	/* No MergedDir: the merged tree is mounted only inside the container. */
	return json_pack("{s:s, s:{s:s, s:s, s:s}}", "Name", "overlay2", "Data", "LowerDir", lower,
		"UpperDir", upper, "WorkDir", work);
}

/* HostConfig.Links as inspect has it: "/target:/container/alias". */
static json_t *links_json(Container *c, const char *name)
{
	g_autoptr(GPtrArray) links = container_links(c);
	if (links->len == 0)
		return json_null();
	json_t *out = json_array();
	for (guint i = 0; i < links->len; i++) {
		const ContainerLink *l = links->pdata[i];
		g_autoptr(Container) target = container_find(c->engine, l->target_id, NULL);
		if (!target)
			continue;
		g_autoptr(ContainerSnapshot) s = container_snapshot(target);
		g_autofree char *text = g_strdup_printf("/%s:/%s/%s", s->name, name, l->alias);
		json_array_append_new(out, json_string(text));
	}
	return out;
}

json_t *container_inspect(Container *c, gboolean size)
{
	g_autoptr(ContainerSnapshot) s = container_snapshot(c);
	g_auto(GStrv) command = full_command(c);
	json_t *args = json_array();
	for (char **a = command[0] ? command + 1 : command; *a; a++)
		json_array_append_new(args, string(*a));
	json_t *execs = json_null();
	for (char **x = s->exec_ids; *x; x++) {
		if (!exec_unfinished(c->engine, *x))
			continue;
		if (!json_is_array(execs))
			execs = json_array();
		json_array_append_new(execs, json_string(*x));
	}
	g_autofree char *name = g_strdup_printf("/%s", s->name);
	g_autofree char *hosts = g_build_filename(c->dir, "hosts", NULL);
	g_autofree char *hostname = g_build_filename(c->dir, "hostname", NULL);
	g_autofree char *resolv = g_build_filename(c->dir, "resolv.conf", NULL);
	gboolean has_log = g_strcmp0(c->host_config->log_config.type, "json-file") == 0;
	g_mutex_lock(&c->state_lock); /* update */
	json_t *host = dh_json_emit(&host_config_table, c->host_config);
	g_mutex_unlock(&c->state_lock);
	json_object_set_new(host, "Links", links_json(c, s->name));

	json_t *state = state_json(&s->state);
	g_mutex_lock(&c->state_lock);
	json_t *health = health_json(c);
	g_mutex_unlock(&c->state_lock);
	if (health)
		json_object_set_new(state, "Health", health);
	add_ignored_signal(c, state);

	SecurityOptions asked;
	(void)security_options(c->host_config, &asked, NULL);
	const char *apparmor = security_apparmor(c) ? security_apparmor(c) : asked.apparmor;
	json_t *out = json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, "
		"s:s, s:o, s:o, s:o, s:o, s:o, s:o}",
		"Id", c->id, "Created", time_json(c->created), "Path", string(command[0]), "Args",
		args, "State", state, "Image", c->image_id, "ResolvConfPath", resolv,
		"HostnamePath", hostname, "HostsPath", hosts, "LogPath", has_log ? c->log_path : "",
		"Name", name, "RestartCount", (json_int_t)s->state.restart_count, "Driver",
		"overlay2", "Platform", "linux", "MountLabel", "", "ProcessLabel", "",
		"AppArmorProfile", apparmor ? apparmor : "", "ExecIDs", execs, "HostConfig", host,
		"GraphDriver", graph_driver(c), "Mounts", spec_mounts_json(c), "Config",
		dh_json_emit(&container_config_table, c->config), "NetworkSettings",
		network_settings(c, s));
	int64_t dropped = log_dropped(c);
	if (dropped > 0)
		json_object_set_new(out, "LogDropped", json_integer(dropped));
	if (size) {
		int64_t rw, root_fs;
		container_sizes(c, &rw, &root_fs);
		json_object_set_new(out, "SizeRw", json_integer(rw));
		json_object_set_new(out, "SizeRootFs", json_integer(root_fs));
	}
	return out;
}

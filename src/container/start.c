/* SPDX-License-Identifier: MIT */
/*
 * start.c - theory of operation: links are read, the network end is made, the files are written,
 * the shim is started with everything it needs, and only then is the container running: first in
 * memory, then in its row. A daemon that dies in between leaves a shim whose container's row does
 * not say "running"; the next daemon ends that container, because nobody was told that it had
 * started.
 */
#include "container/internal.h"
#include "container/log_config.h"
#include "container/mounts.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "base/size.h"
#include "base/timefmt.h"
#include "base/trace.h"
#include "container/health.h"
#include "container/root.h"
#include "container/runtimes.h"
#include "container/start.h"
#include "shim/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { ENDING_TIMEOUT_MS = 60000 };

/* Everything a start holds until the shim has it. */
typedef struct {
	ContainerSpec spec;
	NetEndpoint *endpoint;
	GArray *ports;      /* int */
	GPtrArray *clients; /* PendingClient */
	GArray *fds;        /* int: what the shim gets; borrowed */
	int events, pidfd;  /* the shim's, for the supervisor */
	Container *container;
	int64_t started_at;
	GError *unsaved; /* the row could not be written */
} Start;

static void start_clear(Start *s)
{
	container_spec_clear(&s->spec);
	dh_close(&s->spec.netns_fd);
	dh_close(&s->spec.userns_fd);
	dh_json_free(&net_endpoint_table, s->endpoint);
	for (guint i = 0; s->ports && i < s->ports->len; i++)
		close(g_array_index(s->ports, int, i));
	if (s->ports)
		g_array_unref(s->ports);
	if (s->clients)
		g_ptr_array_unref(s->clients);
	g_array_unref(s->fds);
	g_clear_error(&s->unsaved);
}

static int64_t pass_fd(Start *s, int fd)
{
	if (fd < 0)
		return -1;
	g_array_append_val(s->fds, fd);
	return SHIM_PLACE_FIRST + (int64_t)s->fds->len - 1;
}

/* ---- network ---- */

static gboolean join_network(Container *c, Start *s, GError **error)
{
	const char *mode = c->host_config->network_mode + strlen("container:");
	g_autoptr(Container) target = container_find(c->engine, mode, error);
	if (!target)
		return FALSE;
	g_autoptr(ContainerSnapshot) snap = container_snapshot(target);
	if (!snap->state.running)
		return dh_error(error, DH_ERROR_CONFLICT,
			"cannot join network namespace of a non running container: container %s is "
			"%s",
			target->id, container_status_name(snap->state.status));
	g_autofree char *path =
		g_strdup_printf("/proc/%" G_GINT64_FORMAT "/ns/net", snap->state.pid);
	s->spec.netns_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (s->spec.netns_fd < 0)
		return dh_error_errno(error, errno, "open %s", path);
	return TRUE;
}

/* Looked for at the start and not before, as Docker does it. */
static gboolean find_networks(Container *c, GError **error)
{
	const char *mode = c->host_config->network_mode;
	GHashTableIter it;
	void *key;
	if (!g_str_has_prefix(mode, "container:") && !container_network_built_in(mode))
		return dh_error(error, DH_ERROR_NOT_FOUND, "network %s not found", mode);
	if (!c->networking || !c->networking->endpoints_config)
		return TRUE;
	g_hash_table_iter_init(&it, c->networking->endpoints_config);
	while (g_hash_table_iter_next(&it, &key, NULL)) {
		if (strcmp(key, "default") != 0 && !container_network_built_in(key))
			return dh_error(
				error, DH_ERROR_NOT_FOUND, "network %s not found", (char *)key);
	}
	return TRUE;
}

static gboolean connect_network(Container *c, Start *s, GError **error)
{
	const char *mode = c->host_config->network_mode;
	if (!find_networks(c, error))
		return FALSE;
	if (strcmp(mode, "host") == 0)
		return TRUE;
	if (g_str_has_prefix(mode, "container:"))
		return join_network(c, s, error);
	int own = s->spec.netns_fd;
	if (strcmp(mode, "none") == 0 || c->config->network_disabled) {
		if (own >= 0)
			return net_furnish_namespace(c->engine->net, own, error);
		s->spec.netns_fd = net_new_namespace(c->engine->net, error);
		return s->spec.netns_fd >= 0;
	}
	g_autoptr(GPtrArray) ports = container_ports(c, error);
	if (!ports)
		return FALSE;
	g_mutex_lock(&c->state_lock);
	g_autofree char *name = g_strdup(c->name);
	g_mutex_unlock(&c->state_lock);
	/* API 1.44 moved the address from the configuration to the endpoint. */
	const EndpointSettings *asked = container_endpoint_settings(c);
	const char *mac = asked ? asked->mac_address : NULL;
	if (!mac || !*mac)
		mac = c->config->mac_address;
	s->endpoint = net_attach(c->engine->net, c->id, name, NULL, mac && *mac ? mac : NULL, ports,
		own, &s->spec.netns_fd, &s->ports, error);
	if (own >= 0)
		close(own);
	if (!s->endpoint) {
		s->spec.netns_fd = -1;
		return FALSE;
	}
	g_mutex_lock(&c->state_lock);
	c->endpoint = dh_json_copy(&net_endpoint_table, s->endpoint);
	g_free(c->endpoint_id);
	c->endpoint_id = dh_id_new();
	g_free(c->sandbox_id);
	c->sandbox_id = dh_id_new();
	g_mutex_unlock(&c->state_lock);
	return TRUE;
}

/* ---- shim ---- */

static json_t *port_fds(Start *s)
{
	if (!s->ports || s->ports->len == 0)
		return NULL;
	json_t *list = json_array();
	for (guint i = 0; i < s->ports->len; i++)
		json_array_append_new(
			list, json_integer(pass_fd(s, g_array_index(s->ports, int, i))));
	return list;
}

/* With --rm nothing that is written in the container is wanted after its end, so the kernel need
 * not write it out: it would write the whole file system that holds the data root, and PID 1 could
 * not end before. The kernel's own mark keeps such a layer from being mounted again, because a
 * crash may have torn it. There was none if we are still here ("restart"), or nobody was told of a
 * start that a former daemon made: then it goes. */
static gboolean prepare_layers(Container *c, RtRootfs *rootfs, GError **error)
{
	if (c->host_config->auto_remove)
		rootfs->mount_options = (char *)ROOT_OVERLAY_OPTIONS ",volatile";
	return container_root_unmark(c, error);
}

/* While the shim works. The PID is not known yet: whoever adopts the container asks the shim. */
static void save_starting(void *arg)
{
	Start *s = arg;
	(void)container_save_starting(s->container, s->started_at, &s->unsaved);
	dh_trace("daemon: start: row written");
}

static gboolean run_shim(
	Container *c, Start *s, int64_t *ret_pid, int *ret_events, int *ret_pidfd, GError **error)
{
	g_autofree char *mountpoint = g_build_filename(c->engine->config.exec_root, "rootfs", NULL);
	g_autofree char *upper = g_build_filename(c->dir, "upper", NULL);
	g_autofree char *work = g_build_filename(c->dir, "work", NULL);
	RtRootfs rootfs = {.lower = c->lower,
		.upper = upper,
		.work = work,
		.mountpoint = mountpoint,
		.mount_options = (char *)ROOT_OVERLAY_OPTIONS};
	if (!prepare_layers(c, &rootfs, error))
		return FALSE;
	g_autoptr(GPtrArray) clients = g_ptr_array_new();
	for (guint i = 0; i < s->clients->len; i++) {
		PendingClient *p = s->clients->pdata[i];
		p->client->fd = pass_fd(s, p->fd);
		g_ptr_array_add(clients, p->client);
	}
	g_autoptr(json_t) hold = port_fds(s);
	g_autoptr(GError) unknown = NULL;
	g_auto(GStrv) runtime = runtime_command(c->engine, c->host_config->runtime, &unknown);
	if (unknown) {
		g_propagate_error(error, g_steal_pointer(&unknown));
		return FALSE;
	}
	ShimConfig config = {.id = c->id,
		.dir = c->dir,
		.run_dir = c->run_dir,
		.rootfs = &rootfs,
		.oci = s->spec.oci,
		.netns_fd = pass_fd(s, s->spec.netns_fd),
		.userns_fd = pass_fd(s, s->spec.userns_fd),
		.seccomp_fd = pass_fd(s, s->spec.seccomp_fd),
		.hold_fds = hold,
		.open_stdin = c->config->open_stdin,
		.stdin_once = c->config->stdin_once,
		.clients = clients,
		.runtime = runtime,
		.init_path = c->host_config->init > 0 ? c->engine->config.init_path : NULL,
		.trace = dh_trace_on()};
	gboolean ok = log_config_fill(c, &config.log, error) &&
		      shim_start(c->engine->shims, &config, (const int *)(void *)s->fds->data,
			      s->fds->len, &(ShimMeanwhile){save_starting, s}, ret_events, ret_pid,
			      NULL, ret_pidfd, error);
	log_config_clear(&config.log);
	return ok;
}

/* ---- state ---- */

void container_state_run(ContainerState *s, int64_t pid, int64_t started_at)
{
	s->status = STATUS_RUNNING;
	s->running = TRUE;
	s->paused = s->restarting = s->oom_killed = s->manually_stopped = FALSE;
	s->pid = pid;
	s->exit_code = 0;
	s->error = NULL;
	s->started_at = started_at;
}

static void set_running(Container *c, int64_t pid, int64_t started_at)
{
	g_mutex_lock(&c->state_lock);
	g_free(c->state.error);
	container_state_run(&c->state, pid, started_at);
	c->starting = FALSE;
	container_changed(c);
	g_mutex_unlock(&c->state_lock);
}

static void set_failed(Container *c, const GError *error)
{
	int64_t code = 128;
	if (g_error_matches(error, DH_ERROR, DH_ERROR_EXEC_NOT_FOUND))
		code = 127;
	else if (g_error_matches(error, DH_ERROR, DH_ERROR_EXEC_NOT_RUNNABLE))
		code = 126;
	g_mutex_lock(&c->state_lock);
	g_clear_pointer(&c->endpoint_id, g_free);
	g_clear_pointer(&c->sandbox_id, g_free);
	NetEndpoint *endpoint = g_steal_pointer(&c->endpoint);
	c->state.exit_code = code;
	c->starting = FALSE;
	if (c->state.status == STATUS_RESTARTING) {
		c->state.status = STATUS_EXITED;
		c->state.restarting = FALSE;
	}
	g_free(c->state.error);
	c->state.error = g_strdup(error->message);
	container_changed(c); /* no exit: who waits for the next one goes on waiting */
	g_mutex_unlock(&c->state_lock);
	container_release(c, endpoint);
	(void)container_save(c, NULL);
}

static gboolean start_steps(Container *c, Start *s, GError **error)
{
	g_auto(GStrv) link_env = NULL;
	g_autoptr(GPtrArray) link_hosts = NULL;
	int64_t pid = 0;

	if (!container_link_data(c, TRUE, &link_env, &link_hosts, error) ||
		!container_user_namespace(c, &s->spec.userns_fd, &s->spec.netns_fd, error) ||
		!connect_network(c, s, error))
		return FALSE;
	dh_trace("daemon: start: network");
	if (!container_write_files(c, link_hosts, TRUE, error) ||
		!container_spec(c, link_env, &s->spec, error))
		return FALSE;
	dh_trace("daemon: start: files, configuration");
	g_autoptr(GError) failed = NULL;
	if (!run_shim(c, s, &pid, &s->events, &s->pidfd, &failed)) {
		g_propagate_prefixed_error(
			error, g_steal_pointer(&failed), "failed to create task for container: ");
		return FALSE;
	}
	set_running(c, pid, s->started_at);
	health_begin(c);
	if (s->unsaved)
		dh_log_error("container %s: %s", c->id, s->unsaved->message);
	return TRUE;
}

gboolean container_start_locked(Container *c, gboolean by_policy, GError **error)
{
	Start s = {
		.container = c,
		.started_at = dh_time_now(),
		.spec = {.netns_fd = -1, .userns_fd = -1, .seccomp_fd = -1},
	};
	s.fds = g_array_new(FALSE, FALSE, sizeof(int));

	g_mutex_lock(&c->state_lock);
	gboolean ending = c->ending || c->unmounting;
	g_mutex_unlock(&c->state_lock);
	if (ending)
		(void)container_wait_unmounted(c, ENDING_TIMEOUT_MS);
	g_mutex_lock(&c->state_lock);
	/* A kill takes away a restart that is due until its very beginning. */
	gboolean taken_back =
		by_policy && (c->state.status != STATUS_RESTARTING || c->restart_cancelled);
	gboolean ok =
		by_policy ? !taken_back
			  : container_op_allowed(OP_START, c->state.status, c->id, c->name, error);
	if (ok && !by_policy) {
		c->restart_cancelled = FALSE;
		c->state.restart_count = c->state.restart_delay = 0;
	}
	if (ok) {
		c->starting = by_policy;
		s.clients = c->pending;
		c->pending = g_ptr_array_new_with_free_func(pending_client_free);
	}
	g_mutex_unlock(&c->state_lock);
	if (!ok) {
		start_clear(&s);
		return taken_back;
	}

	GError *failed = NULL;
	ok = start_steps(c, &s, &failed);
	start_clear(&s);
	net_refill(c->engine->net);
	if (!ok) {
		set_failed(c, failed);
		g_propagate_error(error, failed);
		return FALSE;
	}
	mounts_event(c, "mount");
	/* Only then is its end heard of: the two are told in this order. */
	container_event(c, "start", NULL);
	if (!supervisor_add(c->engine->supervisor, c, s.events, s.pidfd, error)) {
		container_end_unheard(c);
		container_lost(c);
		return FALSE;
	}
	container_flush_pending(c);
	container_refresh_linkers(c);
	return TRUE;
}

gboolean container_start(Container *c, GError **error)
{
	g_mutex_lock(&c->op);
	gboolean ok = container_start_locked(c, FALSE, error);
	g_mutex_unlock(&c->op);
	g_mutex_lock(&c->state_lock);
	gboolean remove = !ok && c->host_config->auto_remove && !c->state.running && !c->removed;
	g_mutex_unlock(&c->state_lock);
	if (remove &&
		(!error || !*error || !g_error_matches(*error, DH_ERROR, DH_ERROR_NOT_MODIFIED)))
		(void)container_remove(c, FALSE, TRUE, NULL);
	return ok;
}

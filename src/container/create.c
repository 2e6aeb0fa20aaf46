/* SPDX-License-Identifier: MIT */
/* create.c - from a client's request and an image to a container that could be started. */
#include "container/internal.h"
#include "container/mounts.h"
#include "container/names.h"
#include "container/platform.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/timefmt.h"
#include "base/trace.h"
#include "container/security.h"
#include "container/validate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void remove_quietly(const char *path)
{
	(void)dh_remove_tree(AT_FDCWD, path, NULL);
}

static size_t env_name_len(const char *var)
{
	const char *eq = strchr(var, '=');
	return eq ? (size_t)(eq - var) : strlen(var);
}

/* The user's variables, then those of the image that the user does not set. */
static char **merge_env(char *const *image, char *const *user)
{
	g_autoptr(GStrvBuilder) all = g_strv_builder_new();
	for (char *const *u = user; u && *u; u++)
		g_strv_builder_add(all, *u);
	for (; image && *image; image++) {
		gboolean overridden = FALSE;
		size_t n = env_name_len(*image);
		for (char *const *u = user; u && *u && !overridden; u++)
			overridden = env_name_len(*u) == n && strncmp(*u, *image, n) == 0;
		if (!overridden)
			g_strv_builder_add(all, *image);
	}
	return g_strv_builder_end(all);
}

static void merge_set(GHashTable **into, GHashTable *from)
{
	GHashTableIter it;
	void *key;
	if (!from || g_hash_table_size(from) == 0)
		return;
	if (!*into)
		*into = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_hash_table_iter_init(&it, from);
	while (g_hash_table_iter_next(&it, &key, NULL)) {
		if (!g_hash_table_contains(*into, key))
			g_hash_table_add(*into, g_strdup(key));
	}
}

static void merge_labels(GHashTable **into, GHashTable *from)
{
	GHashTableIter it;
	void *key, *value;
	if (!*into)
		*into = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	if (!from)
		return;
	g_hash_table_iter_init(&it, from);
	while (g_hash_table_iter_next(&it, &key, &value)) {
		if (!g_hash_table_contains(*into, key))
			g_hash_table_insert(*into, g_strdup(key), g_strdup(value));
	}
}

static void inherit(char **into, const char *from)
{
	if ((!*into || !**into) && from && *from) {
		g_free(*into);
		*into = g_strdup(from);
	}
}

/* What the image says where the user says nothing (the rules of dockerd's merge). */
static void merge_number(int64_t *n, int64_t image)
{
	if (*n == 0)
		*n = image;
}

static void merge_health(HealthConfig **h, const HealthConfig *image)
{
	if (!image)
		return;
	if (!*h) {
		*h = dh_json_copy(&health_config_table, image);
		return;
	}
	HealthConfig *c = *h;
	if (!c->test || !c->test[0]) {
		g_strfreev(c->test);
		c->test = g_strdupv(image->test);
	}
	merge_number(&c->interval, image->interval);
	merge_number(&c->timeout, image->timeout);
	merge_number(&c->start_period, image->start_period);
	merge_number(&c->start_interval, image->start_interval);
	merge_number(&c->retries, image->retries);
}

void container_merge_config(ContainerConfig *c, const ContainerConfig *image)
{
	inherit(&c->user, image->user);
	inherit(&c->working_dir, image->working_dir);
	inherit(&c->stop_signal, image->stop_signal);
	merge_set(&c->exposed_ports, image->exposed_ports);
	merge_set(&c->volumes, image->volumes);
	if (c->volumes && g_hash_table_size(c->volumes) == 0)
		g_clear_pointer(&c->volumes, g_hash_table_unref);
	merge_labels(&c->labels, image->labels);
	char **env = merge_env(image->env, c->env);
	g_strfreev(c->env);
	c->env = env;
	/* An entrypoint of the user's own drops the image's command. */
	if (!c->entrypoint || !*c->entrypoint) {
		if (!c->cmd || !*c->cmd) {
			g_strfreev(c->cmd);
			c->cmd = g_strdupv(image->cmd);
		}
		if (!c->entrypoint)
			c->entrypoint = g_strdupv(image->entrypoint);
	}
	/* [""] means none at all, the user's and the image's. */
	if (c->entrypoint && c->entrypoint[0] && !*c->entrypoint[0] && !c->entrypoint[1])
		g_clear_pointer(&c->entrypoint, g_strfreev);
	merge_health(&c->healthcheck, image->healthcheck);
	if (!c->shell && image->shell)
		c->shell = g_strdupv(image->shell);
	if (!c->stop_timeout_raw && image->stop_timeout_raw)
		c->stop_timeout_raw = json_incref(image->stop_timeout_raw);
}

static gboolean take_name(Container *c, const char *name, GError **error)
{
	if (name && *name == '/')
		name++;
	if (name && *name) {
		if (!name_valid(name, error))
			return FALSE;
		c->name = g_strdup(name);
		return container_register(c, error);
	}
	for (guint retry = 0; retry < 6; retry++) {
		g_autoptr(GError) taken = NULL;
		g_free(c->name);
		c->name = name_generate(retry);
		if (container_register(c, &taken))
			return TRUE;
		if (!g_error_matches(taken, DH_ERROR, DH_ERROR_CONFLICT)) {
			g_propagate_error(error, g_steal_pointer(&taken));
			return FALSE;
		}
	}
	/* So many names in use: the ID is free for certain. */
	g_free(c->name);
	c->name = g_strndup(c->id, DH_SHORT_ID_LEN);
	return container_register(c, error);
}

/* For those who found it while it had no row. */
static void never_existed(Container *c)
{
	g_mutex_lock(&c->state_lock);
	c->removed = TRUE;
	c->state.status = STATUS_REMOVING;
	container_changed(c);
	g_mutex_unlock(&c->state_lock);
}

static gboolean make_directories(Container *c, GError **error)
{
	static const char *const sub[] = {"", "upper", "work"};
	for (guint i = 0; i < G_N_ELEMENTS(sub); i++) {
		g_autofree char *path = g_build_filename(c->dir, sub[i], NULL);
		/* upper is the container's "/": everybody may pass. */
		if (mkdir(path, i == 1 ? 0755 : 0710) < 0)
			return dh_error_errno(error, errno, "mkdir %s", path);
	}
	return TRUE;
}

static void apply_defaults(Container *c)
{
	ContainerConfig *config = c->config;
	HostConfig *host = c->host_config;
	EngineConfig *engine = &c->engine->config;
	g_autoptr(EngineSettings) settings = engine_settings(c->engine);

	if (g_strcmp0(host->network_mode, "host") == 0) {
		char name[256] = "";
		if ((!config->hostname || !*config->hostname) &&
			gethostname(name, sizeof name - 1) == 0)
			inherit(&config->hostname, name);
	} else if (g_str_has_prefix(host->network_mode, "container:")) {
		/* The UTS name belongs to the network: who shares the one has the other. */
		g_autoptr(Container) target =
			container_find(c->engine, host->network_mode + strlen("container:"), NULL);
		if (target) {
			inherit(&config->hostname, target->config->hostname);
			inherit(&config->domainname, target->config->domainname);
		}
	} else {
		g_autofree char *short_id = g_strndup(c->id, DH_SHORT_ID_LEN);
		inherit(&config->hostname, short_id);
	}
	if (!host->log_config.type || !*host->log_config.type) {
		g_free(host->log_config.type);
		host->log_config.type = g_strdup(engine->log_driver);
		merge_labels(&host->log_config.config, engine->log_opts);
	}
	/* As much swap as memory, unless something else was said. */
	if (host->memory > 0 && host->memory_swap == 0)
		host->memory_swap = host->memory * 2;
	if (host->shm_size == 0)
		host->shm_size = 64 << 20;
	security_defaults(host);
	inherit(&host->runtime, settings->default_runtime);
	inherit(&host->runtime, "runc");
	inherit(&host->ipc_mode, "private");
	inherit(&host->restart_policy.name, "no");
	inherit(&host->cgroupns_mode,
		rt_cgroup_mode() == RT_CGROUP_V2 && !host->privileged ? "private" : "host");
}

/* From here on until it is in the tables its image stays, whoever removes it. */
static gboolean begin_making(Engine *e, const char *id, const char *image_id, GError **error)
{
	g_mutex_lock(&e->lock);
	g_hash_table_insert(e->making, g_strdup(id), g_strdup(image_id));
	g_mutex_unlock(&e->lock);
	return store_image_stays(e->store, image_id, error);
}

static void end_making(Engine *e, const char *id)
{
	g_mutex_lock(&e->lock);
	g_hash_table_remove(e->making, id);
	g_mutex_unlock(&e->lock);
	store_gc(e->store, container_uses_image, e);
}

/* warnings: messages are added. */
static Container *make(Engine *e, char *id, const Image *image, const char *name,
	const CreateRequest *req, GPtrArray *warnings, GError **error)
{
	g_autoptr(Container) c = container_new(e, id);
	c->created = dh_time_now();
	c->image_id = g_strdup(image->id);
	c->config = dh_json_copy(&container_config_table, &req->config);
	c->host_config = req->host_config ? dh_json_copy(&host_config_table, req->host_config)
					  : dh_json_new(&host_config_table);
	c->networking = req->networking_config
				? dh_json_copy(&networking_config_table, req->networking_config)
				: dh_json_new(&networking_config_table);
	c->lower = store_image_lower(e->store, image);
	container_merge_config(c->config, image->config);
	if (!validate_create(c, &req->config, warnings, error))
		return NULL;
	if (!identity_choose(e->identities, c->host_config, &c->identity, error))
		return NULL;
	container_set_cgroup(c);
	apply_defaults(c);
	if (!container_resolve_links(c, error))
		return NULL;
	g_autoptr(GPtrArray) ports = container_ports(c, error);
	if (!ports)
		return NULL;

	dh_trace("daemon: create: checked");
	if (!make_directories(c, error) || !container_init_layer(c, error) ||
		!container_check_files(c, error) || !mounts_acquire(c, error)) {
		remove_quietly(c->dir);
		return NULL;
	}
	dh_trace("daemon: create: directories and files");
	/* It can be found before its row is written: whoever wants to start or remove it waits. */
	g_mutex_lock(&c->op);
	gboolean named = take_name(c, name, error);
	if (named)
		container_event(c, "create", NULL);
	else
		never_existed(c);
	g_mutex_unlock(&c->op);
	if (!named) {
		mounts_give_back(c);
		remove_quietly(c->dir);
		return NULL;
	}
	dh_trace("daemon: create: row written");
	return g_steal_pointer(&c);
}

Container *container_create(
	Engine *e, const char *name, const CreateRequest *req, char ***ret_warnings, GError **error)
{
	*ret_warnings = NULL;
	g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
	if (!req->config.image || !*req->config.image) {
		dh_error(error, DH_ERROR_INVALID, "no image specified");
		return NULL;
	}
	g_autoptr(Image) image = store_image_find(e->store, req->config.image, error);
	if (!image || !platform_check(image, req->config.image, req->platform, error))
		return NULL;
	if (!req->platform || !*req->platform) {
		char *other = platform_warning(image);
		if (other)
			g_ptr_array_add(warnings, other);
	}
	g_autofree char *id = dh_id_new();
	Container *c = begin_making(e, id, image->id, error)
			       ? make(e, g_strdup(id), image, name, req, warnings, error)
			       : NULL;
	end_making(e, id);
	if (!c)
		return NULL;
	g_ptr_array_add(warnings, NULL);
	*ret_warnings = (char **)g_ptr_array_free(g_steal_pointer(&warnings), FALSE);
	return c;
}

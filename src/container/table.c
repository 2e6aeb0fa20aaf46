/* SPDX-License-Identifier: MIT */
/* table.c - the engine's containers: in memory by ID and name, in the database by row. */
#include "container/health.h"
#include "container/internal.h"
#include "container/mounts.h"
#include "container/names.h"

#include "base/error.h"
#include "base/id.h"
#include "base/timefmt.h"

#include <string.h>

/* A row has two parts: `config` is written once, `state` whenever something changes. */
const char container_schema[] = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);"
				"CREATE TABLE containers ("
				"  id TEXT PRIMARY KEY,"
				"  name TEXT NOT NULL UNIQUE,"
				"  created INTEGER NOT NULL,"
				"  config TEXT NOT NULL,"
				"  state TEXT NOT NULL) WITHOUT ROWID;";

static const DhJsonField link_fields[] = {
	DH_F(STRING, ContainerLink, target_id, "Target", 0),
	DH_F(STRING, ContainerLink, alias, "Alias", 0),
};
DH_JSON_TABLE(container_link_table, ContainerLink, link_fields, FALSE);

typedef struct {
	ContainerConfig *config;
	HostConfig *host_config;
	NetworkingConfig *networking;
	char *image_id;
	char **lower;
	GPtrArray *links;
	GPtrArray *mounts; /* NULL: written before there were any */
	GPtrArray *uids, *gids;
} ConfigRow;
static const DhJsonField config_row_fields[] = {
	DH_F(OBJECT, ConfigRow, config, "Config", DH_JSON_REQUIRED, &container_config_table),
	DH_F(OBJECT, ConfigRow, host_config, "HostConfig", DH_JSON_REQUIRED, &host_config_table),
	DH_F(OBJECT, ConfigRow, networking, "Networking", 0, &networking_config_table),
	DH_F(STRING, ConfigRow, image_id, "Image", 0),
	DH_F(STRV, ConfigRow, lower, "Lower", DH_JSON_NOTNULL),
	DH_F(LIST, ConfigRow, links, "Links", DH_JSON_NOTNULL, &container_link_table),
	DH_F(LIST, ConfigRow, mounts, "Mounts", DH_JSON_NOTNULL, &mount_point_table),
	DH_F(LIST, ConfigRow, uids, "UidMap", DH_JSON_OMITEMPTY, &oci_id_map_table),
	DH_F(LIST, ConfigRow, gids, "GidMap", DH_JSON_OMITEMPTY, &oci_id_map_table),
};
static DH_JSON_TABLE(config_row_table, ConfigRow, config_row_fields, FALSE);

typedef struct {
	char *status;
	gboolean oom_killed, manually_stopped;
	int64_t pid, exit_code, started_at, finished_at, restart_count, restart_delay, restart_at,
		log_dropped;
	char *error;
	NetEndpoint *endpoint;
	char *endpoint_id, *sandbox_id;
} StateRow;
static const DhJsonField state_row_fields[] = {
	DH_F(STRING, StateRow, status, "Status", DH_JSON_REQUIRED),
	DH_F(BOOL, StateRow, oom_killed, "OOMKilled", DH_JSON_OMITEMPTY),
	DH_F(BOOL, StateRow, manually_stopped, "Stopped", DH_JSON_OMITEMPTY),
	DH_F(INT, StateRow, pid, "Pid", DH_JSON_OMITEMPTY),
	DH_F(INT, StateRow, exit_code, "ExitCode", DH_JSON_OMITEMPTY),
	DH_F(INT, StateRow, started_at, "StartedAt", DH_JSON_OMITEMPTY),
	DH_F(INT, StateRow, finished_at, "FinishedAt", DH_JSON_OMITEMPTY),
	DH_F(INT, StateRow, restart_count, "RestartCount", DH_JSON_OMITEMPTY),
	DH_F(INT, StateRow, restart_delay, "RestartDelay", DH_JSON_OMITEMPTY),
	DH_F(INT, StateRow, log_dropped, "LogDropped", DH_JSON_OMITEMPTY),
	DH_F(INT, StateRow, restart_at, "RestartAt", DH_JSON_OMITEMPTY),
	DH_F(STRING, StateRow, error, "Error", DH_JSON_OMITEMPTY),
	DH_F(OBJECT, StateRow, endpoint, "Endpoint", DH_JSON_OMITEMPTY, &net_endpoint_table),
	DH_F(STRING, StateRow, endpoint_id, "EndpointID", DH_JSON_OMITEMPTY),
	DH_F(STRING, StateRow, sandbox_id, "SandboxID", DH_JSON_OMITEMPTY),
};
static DH_JSON_TABLE(state_row_table, StateRow, state_row_fields, FALSE);

Container *container_new(Engine *e, char *id)
{
	Container *c = g_new0(Container, 1);
	c->refs = 1;
	c->engine = e;
	c->id = id;
	g_mutex_init(&c->op);
	g_mutex_init(&c->state_lock);
	c->waiters = g_ptr_array_new();
	c->exec_ids = g_ptr_array_new_with_free_func(g_free);
	c->pending = g_ptr_array_new_with_free_func(pending_client_free);
	c->state.started_at = c->state.finished_at = DH_TIME_ZERO;
	c->dir = g_build_filename(e->config.data_root, "containers", id, NULL);
	c->run_dir = g_build_filename(e->config.exec_root, "containers", id, NULL);
	g_autofree char *log_name = g_strdup_printf("%s-json.log", id);
	c->log_path = g_build_filename(c->dir, log_name, NULL);
	c->cgroup = g_build_filename(e->config.cgroup_parent, id, NULL);
	return c;
}

void container_set_cgroup(Container *c)
{
	const char *parent = c->host_config->cgroup_parent;
	if (!parent || !*parent)
		return;
	/* A relative one stays within the engine's own tree, which goes with the engine. */
	g_autofree char *at = g_canonicalize_filename(
		parent, *parent == '/' ? "/" : c->engine->config.cgroup_parent);
	g_free(c->cgroup);
	c->cgroup = g_build_filename(at, c->id, NULL);
}

Container *container_ref(Container *c)
{
	g_atomic_int_inc(&c->refs);
	return c;
}

void container_unref(Container *c)
{
	if (!c || !g_atomic_int_dec_and_test(&c->refs))
		return;
	g_mutex_clear(&c->op);
	g_mutex_clear(&c->state_lock);
	g_ptr_array_unref(c->waiters);
	g_ptr_array_unref(c->exec_ids);
	health_free(c->health);
	g_ptr_array_unref(c->pending);
	dh_json_free(&net_endpoint_table, c->endpoint);
	dh_json_free(&container_config_table, c->config);
	dh_json_free(&host_config_table, c->host_config);
	dh_json_free(&networking_config_table, c->networking);
	if (c->links)
		g_ptr_array_unref(c->links);
	if (c->mounts)
		g_ptr_array_unref(c->mounts);
	identity_unref(c->identity);
	g_strfreev(c->lower);
	g_free(c->state.error);
	g_free(c->endpoint_id);
	g_free(c->sandbox_id);
	g_free(c->name);
	g_free(c->image_id);
	g_free(c->dir);
	g_free(c->run_dir);
	g_free(c->log_path);
	g_free(c->cgroup);
	g_free(c->id);
	g_free(c);
}

static void unref_container(void *c)
{
	container_unref(c);
}

/* host: instead of the container's own, or NULL. */
static char *config_text(Container *c, const HostConfig *host)
{
	g_autoptr(GPtrArray) links = container_links(c);
	g_autoptr(Identity) identity = container_identity(c);
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&c->state_lock);
	ConfigRow row = {.config = c->config,
		.host_config = host ? (HostConfig *)host : c->host_config,
		.networking = c->networking,
		.image_id = c->image_id,
		.lower = c->lower,
		.links = links,
		.mounts = c->mounts,
		.uids = identity ? identity->uids : NULL,
		.gids = identity ? identity->gids : NULL};
	return dh_json_emit_text(&config_row_table, &row);
}

/* With state_lock held. */
static char *state_text(Container *c, const ContainerState *s)
{
	ContainerStatus status = s->status;
	/* Nobody would thaw it after our death if the row had it as paused. */
	if (status == STATUS_PAUSED && s->passing)
		status = STATUS_RUNNING;
	StateRow row = {.status = (char *)container_status_name(status),
		.oom_killed = s->oom_killed,
		.manually_stopped = s->manually_stopped,
		.pid = s->pid,
		.exit_code = s->exit_code,
		.started_at = s->started_at,
		.finished_at = s->finished_at,
		.restart_count = s->restart_count,
		.restart_delay = s->restart_delay,
		.log_dropped = s->log_dropped,
		.restart_at = s->restart_at,
		.error = s->error,
		.endpoint = c->endpoint,
		.endpoint_id = c->endpoint_id,
		.sandbox_id = c->sandbox_id};
	return dh_json_emit_text(&state_row_table, &row);
}

static gboolean name_conflict(const char *name, const char *owner, GError **error)
{
	return dh_error(error, DH_ERROR_CONFLICT,
		"Conflict. The container name \"/%s\" is already in use by container \"%s\". You "
		"have to "
		"remove (or rename) that container to be able to reuse that name.",
		name, owner);
}

gboolean container_register(Container *c, GError **error)
{
	Engine *e = c->engine;
	g_mutex_lock(&e->lock);
	Container *owner = g_hash_table_lookup(e->by_name, c->name);
	if (owner) {
		name_conflict(c->name, owner->id, error);
		g_mutex_unlock(&e->lock);
		return FALSE;
	}
	g_hash_table_insert(e->by_name, g_strdup(c->name), container_ref(c));
	g_hash_table_insert(e->by_id, c->id, container_ref(c));
	g_mutex_unlock(&e->lock);

	g_autofree char *config = config_text(c, NULL);
	g_mutex_lock(&c->state_lock);
	g_autofree char *state = state_text(c, &c->state);
	g_mutex_unlock(&c->state_lock);
	if (dh_db_exec(e->db, error,
		    "INSERT INTO containers (id, name, created, config, state) VALUES (?,?,?,?,?)",
		    "ssiss", c->id, c->name, c->created, config, state))
		return TRUE;
	g_mutex_lock(&e->lock);
	g_hash_table_remove(e->by_name, c->name);
	g_hash_table_remove(e->by_id, c->id);
	g_mutex_unlock(&e->lock);
	return FALSE;
}

gboolean container_unregister(Container *c, GError **error)
{
	Engine *e = c->engine;
	if (!dh_db_exec(e->db, error, "DELETE FROM containers WHERE id=?", "s", c->id))
		return FALSE;
	g_mutex_lock(&e->lock);
	g_hash_table_remove(e->by_name, c->name);
	g_hash_table_remove(e->by_id, c->id);
	g_mutex_unlock(&e->lock);
	/* Somebody may still look at the container; its IDs are free. */
	g_mutex_lock(&c->state_lock);
	Identity *identity = g_steal_pointer(&c->identity);
	g_mutex_unlock(&c->state_lock);
	identity_unref(identity);
	return TRUE;
}

static gboolean save(Container *c, const ContainerState *as, GError **error)
{
	static const char update[] = "UPDATE containers SET name=?, state=? WHERE id=?";
	g_mutex_lock(&c->state_lock);
	g_autofree char *state = state_text(c, as ? as : &c->state);
	g_autofree char *name = g_strdup(c->name);
	gboolean removed = c->removed;
	g_mutex_unlock(&c->state_lock);
	if (removed)
		return TRUE;
	return dh_db_exec_vital(c->engine->db, error, update, "sss", name, state, c->id);
}

gboolean container_save(Container *c, GError **error)
{
	return save(c, NULL, error);
}

gboolean container_save_starting(Container *c, int64_t started_at, GError **error)
{
	g_mutex_lock(&c->state_lock);
	ContainerState as = c->state;
	g_mutex_unlock(&c->state_lock);
	container_state_run(&as, 0, started_at);
	return save(c, &as, error);
}

gboolean container_save_config(Container *c, const HostConfig *host, GError **error)
{
	g_autofree char *config = config_text(c, host);
	return dh_db_exec(c->engine->db, error, "UPDATE containers SET config=? WHERE id=?", "ss",
		config, c->id);
}

/* With e->lock held, too: the name is read under either. */
static void set_name(Container *c, const char *name)
{
	g_mutex_lock(&c->state_lock);
	g_free(c->name);
	c->name = g_strdup(name);
	g_mutex_unlock(&c->state_lock);
}

gboolean container_rename(Container *c, const char *new_name, GError **error)
{
	Engine *e = c->engine;
	if (*new_name == '/')
		new_name++;
	if (!*new_name)
		return dh_error(error, DH_ERROR_INVALID, "Neither old nor new names may be empty");
	if (!name_valid(new_name, error))
		return FALSE;

	g_mutex_lock(&c->op);
	g_mutex_lock(&e->lock);
	Container *owner = g_hash_table_lookup(e->by_name, new_name);
	g_autofree char *old = g_strdup(c->name);
	gboolean ok = container_op_allowed(OP_RENAME, c->state.status, c->id, c->name, error);
	if (ok && owner == c)
		ok = dh_error(error, DH_ERROR_INVALID,
			"Renaming a container with the same name as its current name");
	else if (ok && owner)
		ok = name_conflict(new_name, owner->id, error);
	if (ok) {
		set_name(c, new_name);
		g_hash_table_insert(e->by_name, g_strdup(new_name), container_ref(c));
	}
	g_mutex_unlock(&e->lock);
	if (ok) {
		/* Both names are taken until the row has given the old one back. */
		ok = container_save(c, error);
		g_mutex_lock(&e->lock);
		if (!ok)
			set_name(c, old);
		g_hash_table_remove(e->by_name, ok ? old : new_name);
		g_mutex_unlock(&e->lock);
	}
	g_mutex_unlock(&c->op);
	if (ok) {
		g_autofree char *old_name = g_strdup_printf("/%s", old);
		container_event(c, "rename", "oldName", old_name, NULL);
	}
	return ok;
}

/* "agent/insideweb" */
static Container *find_linked(Engine *e, const char *name)
{
	g_auto(GStrv) part = g_strsplit(name, "/", 2);
	g_autoptr(Container) from = container_find(e, part[0], NULL);
	g_autoptr(GPtrArray) links = from ? container_links(from) : NULL;
	for (guint i = 0; links && i < links->len; i++) {
		const ContainerLink *l = links->pdata[i];
		if (strcmp(l->alias, part[1]) == 0)
			return container_find(e, l->target_id, NULL);
	}
	return NULL;
}

Container *container_find(Engine *e, const char *name, GError **error)
{
	const char *plain = *name == '/' ? name + 1 : name;
	Container *found = NULL;
	guint n = 0;

	g_mutex_lock(&e->lock);
	found = g_hash_table_lookup(e->by_id, name);
	if (!found)
		found = g_hash_table_lookup(e->by_name, plain);
	if (!found && dh_is_hex(name)) {
		GHashTableIter it;
		void *value;
		g_hash_table_iter_init(&it, e->by_id);
		while (g_hash_table_iter_next(&it, NULL, &value)) {
			Container *c = value;
			if (g_str_has_prefix(c->id, name)) {
				found = c;
				n++;
			}
		}
	}
	if (found && n <= 1)
		container_ref(found);
	g_mutex_unlock(&e->lock);
	if (n > 1) {
		dh_error(error, DH_ERROR_INVALID, "Multiple IDs found with provided prefix: %s",
			name);
		return NULL;
	}
	if (!found && strchr(plain, '/'))
		found = find_linked(e, plain);
	if (!found)
		dh_error(error, DH_ERROR_NOT_FOUND, "No such container: %s", name);
	return found;
}

static int newest_first(const void *a, const void *b)
{
	const Container *x = *(Container *const *)a, *y = *(Container *const *)b;
	if (x->created != y->created)
		return x->created < y->created ? 1 : -1;
	return strcmp(x->id, y->id);
}

gboolean container_is_known(Engine *e, const char *id)
{
	g_mutex_lock(&e->lock);
	gboolean known = g_hash_table_contains(e->by_id, id);
	g_mutex_unlock(&e->lock);
	return known;
}

GPtrArray *container_all(Engine *e)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(unref_container);
	g_mutex_lock(&e->lock);
	GHashTableIter it;
	void *value;
	g_hash_table_iter_init(&it, e->by_id);
	while (g_hash_table_iter_next(&it, NULL, &value))
		g_ptr_array_add(all, container_ref(value));
	g_mutex_unlock(&e->lock);
	g_ptr_array_sort(all, newest_first);
	return all;
}

/* ---- loading ---- */

static void restore_state(Container *c, StateRow *row)
{
	ContainerState *s = &c->state;
	for (ContainerStatus i = 0; i < N_STATUSES; i++) {
		if (strcmp(row->status, container_status_name(i)) == 0)
			s->status = i;
	}
	s->running = s->status == STATUS_RUNNING || s->status == STATUS_PAUSED;
	s->paused = s->status == STATUS_PAUSED;
	s->dead = s->status == STATUS_DEAD;
	s->oom_killed = row->oom_killed;
	s->manually_stopped = row->manually_stopped;
	s->pid = row->pid;
	s->exit_code = row->exit_code;
	s->started_at = row->started_at;
	s->finished_at = row->finished_at;
	s->restart_count = row->restart_count;
	s->restart_delay = row->restart_delay;
	s->log_dropped = row->log_dropped;
	s->restart_at = row->restart_at;
	s->restarting = s->status == STATUS_RESTARTING;
	s->error = g_steal_pointer(&row->error);
	c->endpoint = g_steal_pointer(&row->endpoint);
	c->endpoint_id = g_steal_pointer(&row->endpoint_id);
	c->sandbox_id = g_steal_pointer(&row->sandbox_id);
}

static gboolean load_row(void *arg, int n, const char *const *col, GError **error)
{
	Engine *e = arg;
	ConfigRow *config = dh_json_parse_text(&config_row_table, col[3], strlen(col[3]), error);
	StateRow *state =
		config ? dh_json_parse_text(&state_row_table, col[4], strlen(col[4]), error) : NULL;
	gboolean ok = state != NULL;
	if (ok) {
		Container *c = container_new(e, g_strdup(col[0]));
		c->name = g_strdup(col[1]);
		c->created = g_ascii_strtoll(col[2], NULL, 10);
		c->config = g_steal_pointer(&config->config);
		c->host_config = g_steal_pointer(&config->host_config);
		container_set_cgroup(c);
		c->networking = g_steal_pointer(&config->networking);
		c->image_id = g_steal_pointer(&config->image_id);
		c->lower = g_steal_pointer(&config->lower);
		c->links = g_steal_pointer(&config->links);
		c->mounts = g_steal_pointer(&config->mounts);
		c->identity = identity_restore(e->identities, config->uids, config->gids);
		if (!c->mounts) /* written before volumes were built */
			c->mounts = mounts_parse(c, NULL);
		restore_state(c, state);
		g_hash_table_insert(e->by_name, g_strdup(c->name), container_ref(c));
		g_hash_table_insert(e->by_id, c->id, c);
	} else {
		g_prefix_error(error, "container %s: ", col[0]);
	}
	dh_json_free(&config_row_table, config);
	dh_json_free(&state_row_table, state);
	return ok;
}

gboolean container_load_all(Engine *e, GError **error)
{
	return dh_db_query(e->db, error, load_row, e,
		"SELECT id, name, created, config, state FROM containers", "");
}

/* ---- snapshots ---- */

Identity *container_identity(Container *c)
{
	g_mutex_lock(&c->state_lock);
	Identity *i = identity_ref(c->identity);
	g_mutex_unlock(&c->state_lock);
	return i;
}

ContainerSnapshot *container_snapshot(Container *c)
{
	ContainerSnapshot *s = g_new0(ContainerSnapshot, 1);
	g_mutex_lock(&c->state_lock);
	s->name = g_strdup(c->name);
	s->state = c->state;
	s->state.error = g_strdup(c->state.error ? c->state.error : "");
	s->endpoint = dh_json_ref(c->endpoint);
	s->endpoint_id = g_strdup(c->endpoint_id);
	s->sandbox_id = g_strdup(c->sandbox_id);
	s->exec_ids = g_new0(char *, c->exec_ids->len + 1);
	for (guint i = 0; i < c->exec_ids->len; i++)
		s->exec_ids[i] = g_strdup(c->exec_ids->pdata[i]);
	g_mutex_unlock(&c->state_lock);
	return s;
}

void container_snapshot_free(ContainerSnapshot *s)
{
	if (!s)
		return;
	g_free(s->name);
	g_free(s->state.error);
	dh_json_free(&net_endpoint_table, s->endpoint);
	g_free(s->endpoint_id);
	g_free(s->sandbox_id);
	g_strfreev(s->exec_ids);
	g_free(s);
}

/* SPDX-License-Identifier: MIT */
/* commit.c - a container's changes become an image, its whole root a tar. */
#include "container/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "base/tartree.h"
#include "container/changes.h"
#include "container/root.h"
#include "registry/reference.h"

#include <string.h>

typedef struct {
	Container *c;
	gboolean paused; /* by us */
} Frozen;

static gboolean freeze(Frozen *f, gboolean pause, GError **error)
{
	g_autoptr(ContainerSnapshot) s = container_snapshot(f->c);
	if (!pause || !s->state.running || s->state.paused)
		return TRUE;
	g_autoptr(GError) failed = NULL;
	f->paused = container_pause_briefly(f->c, &failed);
	if (f->paused)
		return TRUE;
	/* One that has ended meanwhile changes nothing any more. */
	g_autoptr(ContainerSnapshot) now = container_snapshot(f->c);
	if (!now->state.running || now->state.paused)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

static void thaw(Frozen *f)
{
	g_autoptr(GError) failed = NULL;
	if (!f->paused || container_unpause(f->c, &failed))
		return;
	g_autoptr(ContainerSnapshot) now = container_snapshot(f->c);
	if (now->state.running && now->state.paused)
		dh_warn("container %s: unpause after commit: %s", f->c->id, failed->message);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Frozen, thaw)

/* What the container is run with, but not what is this one container's. */
static ContainerConfig *image_config(Container *c, const CommitRequest *r, GError **error)
{
	ContainerConfig *config = r->config ? dh_json_copy(&container_config_table, r->config)
					    : dh_json_new(&container_config_table);
	if (!store_apply_changes(config, r->changes, error)) {
		dh_json_free(&container_config_table, config);
		return NULL;
	}
	container_merge_config(config, c->config);
	char **own[] = {
		&config->hostname, &config->domainname, &config->image, &config->mac_address};
	for (guint i = 0; i < G_N_ELEMENTS(own); i++)
		g_clear_pointer(own[i], g_free);
	config->attach_stdin = config->attach_stdout = config->attach_stderr = FALSE;
	config->tty = config->open_stdin = config->stdin_once = FALSE;
	return config;
}

typedef struct {
	Container *c;
	GPtrArray *changes;
} Layer;

static gboolean write_layer(void *arg, StoreWrite write, void *write_arg, GError **error)
{
	const Layer *l = arg;
	return container_changes_tar(l->c, l->changes, write, write_arg, error);
}

static gboolean check_state(Container *c, GError **error)
{
	g_autoptr(ContainerSnapshot) s = container_snapshot(c);
	if (s->state.status == STATUS_REMOVING || s->state.removing)
		return dh_error(error, DH_ERROR_CONFLICT,
			"You cannot commit container %s which is being removed", c->id);
	if (s->state.status == STATUS_DEAD)
		return dh_error(error, DH_ERROR_CONFLICT,
			"You cannot commit container %s which is Dead", c->id);
	return TRUE;
}

static char *commit(Container *c, const CommitRequest *r, ContainerConfig *config, GError **error)
{
	Store *store = c->engine->store;
	g_autoptr(Image) parent = store_image_held(store, c->image_id);
	if (!parent) {
		dh_error(error, DH_ERROR_NOT_FOUND, "No such image: %s", c->image_id);
		return NULL;
	}
	g_autofree char *created_by = c->config->cmd ? g_strjoinv(" ", c->config->cmd) : NULL;
	const StoreCommit to = {.parent = parent,
		.author = r->author,
		.comment = r->comment,
		.created_by = created_by,
		.config = config,
		.repo = r->repo,
		.tag = r->tag};
	g_auto(Frozen) frozen = {.c = c};
	if (!freeze(&frozen, r->pause, error))
		return NULL;
	g_autoptr(GPtrArray) changes = container_changes(c, error);
	if (!changes)
		return NULL;
	Layer layer = {c, changes};
	return store_commit(store, &to, write_layer, &layer, error);
}

char *container_commit(Container *c, const CommitRequest *r, GError **error)
{
	if (!check_state(c, error))
		return NULL;
	ContainerConfig *config = image_config(c, r, error);
	if (!config)
		return NULL;
	char *id = commit(c, r, config, error);
	dh_json_free(&container_config_table, config);
	if (!id)
		return NULL;
	g_autofree char *full = r->repo && *r->repo
					? g_strconcat(r->repo, r->tag && *r->tag ? ":" : "",
						  r->tag ? r->tag : "", NULL)
					: NULL;
	g_autoptr(Reference) ref = full ? reference_parse(full, NULL) : NULL;
	g_autofree char *familiar = ref ? reference_familiar(ref) : NULL;
	container_event(c, "commit", "comment", r->comment ? r->comment : "", "imageID", id,
		"imageRef", familiar ? familiar : "", NULL);
	return id;
}

gboolean container_export(Container *c, StoreWrite write, void *arg, GError **error)
{
	g_auto(ContainerRoot) root = {.fd = -1, .ns = -1};
	if (!check_state(c, error) || !container_root_layers(c, &root, error))
		return FALSE;
	g_auto(TarTree) t = {0};
	tar_tree_init(&t, write, arg);
	t.xattrs = TRUE;
	container_root_owners(&root, &t);
	if (!tar_tree_all(&t, root.fd, "", NULL, error) || !tar_tree_end(&t, error))
		return FALSE;
	container_event(c, "export", NULL);
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "base/timefmt.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PIPE_SIZE = 1024 * 1024, EMPTY_TAR = 1024 };

/* ---- the layer: written by one thread, taken in by another, so that both processors work ---- */

typedef struct {
	StoreProduce produce;
	void *arg;
	int fd;
	GError *error;
} Producer;

static int to_pipe(void *arg, const void *buf, size_t n)
{
	const Producer *p = arg;
	return dh_write_all(p->fd, buf, n);
}

static void *produce(void *arg)
{
	Producer *p = arg;
	gboolean ok = p->produce(p->arg, to_pipe, p, &p->error);
	dh_close(&p->fd);
	return GINT_TO_POINTER(ok);
}

static ssize_t from_pipe(void *arg, void *buf, size_t n)
{
	return read(*(const int *)arg, buf, n);
}

static StagedLayer *stage(Store *s, gboolean lowest, StoreProduce fn, void *arg, GError **error)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		dh_error_errno(error, errno, "pipe");
		return NULL;
	}
	dh_autofd int in = ends[0];
	(void)fcntl(in, F_SETPIPE_SZ, PIPE_SIZE);
	Producer p = {fn, arg, ends[1], NULL};
	GThread *t = g_thread_try_new("commit", produce, &p, error);
	if (!t) {
		dh_close(&p.fd);
		return NULL;
	}
	g_autoptr(GError) failed = NULL;
	g_autoptr(StagedLayer) layer = layer_stage(s, from_pipe, &in, lowest, NULL, &failed);
	/* If that failed, the writer gets EPIPE and its own error is of no interest. */
	dh_close(&in);
	gboolean ok = GPOINTER_TO_INT(g_thread_join(t));
	if (failed) {
		g_clear_error(&p.error);
		g_propagate_error(error, g_steal_pointer(&failed));
		return NULL;
	}
	if (!ok) {
		g_propagate_error(error, p.error);
		return NULL;
	}
	return g_steal_pointer(&layer);
}

/* ---- the configuration ---- */

static void set_text(json_t *object, const char *name, const char *text)
{
	if (text && *text)
		json_object_set_new(object, name, json_string(text));
}

static char *config_text(const StoreCommit *c, const char *diff_id)
{
	const Image *parent = c->parent;
	g_autofree char *created = dh_time_format(dh_time_now());
	g_autoptr(json_t) image = json_object();
	set_text(image, "architecture", parent->architecture);
	set_text(image, "author", c->author);
	set_text(image, "comment", c->comment);
	json_object_set_new(image, "config", dh_json_emit(&container_config_table, c->config));
	set_text(image, "created", created);

	json_t *entry = json_object();
	set_text(entry, "created", created);
	set_text(entry, "author", c->author);
	set_text(entry, "created_by", c->created_by);
	set_text(entry, "comment", c->comment);
	if (!diff_id)
		json_object_set_new(entry, "empty_layer", json_true());
	const json_t *history = json_object_get(parent->raw, "history");
	json_t *all = json_is_array(history) ? json_copy((json_t *)history) : json_array();
	json_array_append_new(all, entry);
	json_object_set_new(image, "history", all);

	set_text(image, "os", *parent->os ? parent->os : "linux");
	json_t *ids = json_array();
	for (char **d = parent->diff_ids; *d; d++)
		json_array_append_new(ids, json_string(*d));
	if (diff_id)
		json_array_append_new(ids, json_string(diff_id));
	json_object_set_new(
		image, "rootfs", json_pack("{s:s, s:o}", "type", "layers", "diff_ids", ids));
	set_text(image, "variant", parent->variant);
	return dh_json_dumps(image, 0);
}

/* ---- the image ---- */

static gboolean pin_all(Store *s, char *const *chain_ids, GPtrArray *pinned, GError **error)
{
	for (; *chain_ids; chain_ids++) {
		if (!layer_pin(s, *chain_ids))
			return dh_error(error, DH_ERROR_CONFLICT,
				"the image of the container was removed meanwhile");
		g_ptr_array_add(pinned, *chain_ids);
	}
	return TRUE;
}

static char *adopt(
	Store *s, const StoreCommit *c, StagedLayer *layer, const char *name, GError **error)
{
	gboolean empty = layer->got.tar_size <= EMPTY_TAR;
	g_autofree char *text = config_text(c, empty ? NULL : layer->got.diff_id);
	g_autoptr(ImageCore) core = image_parse(text, strlen(text), error);
	if (!core)
		return NULL;
	g_autoptr(GPtrArray) staged = g_ptr_array_new();
	for (char **d = c->parent->diff_ids; *d; d++)
		g_ptr_array_add(staged, NULL);
	if (!empty)
		g_ptr_array_add(staged, layer);
	char *const names[] = {(char *)name, NULL};
	const NewImage n = {core, text, strlen(text), staged, c->parent->id, name ? names : NULL};
	return store_adopt(s, &n, NULL, error) ? g_strdup(core->id) : NULL;
}

char *store_commit(Store *s, const StoreCommit *c, StoreProduce fn, void *arg, GError **error)
{
	g_autofree char *name = NULL;
	if (c->repo && *c->repo && !(name = tag_new_name(c->repo, c->tag, error)))
		return NULL;
	char *id = NULL;
	g_autoptr(GPtrArray) pinned = g_ptr_array_new();
	if (pin_all(s, c->parent->chain_ids, pinned, error)) {
		g_autoptr(StagedLayer) layer = stage(s, !c->parent->chain_ids[0], fn, arg, error);
		if (layer)
			id = adopt(s, c, layer, name, error);
	}
	for (guint i = 0; i < pinned->len; i++)
		layer_unpin(s, g_ptr_array_index(pinned, i));
	return id;
}

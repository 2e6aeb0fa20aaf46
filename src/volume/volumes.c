/* SPDX-License-Identifier: MIT */
/*
 * volumes.c - theory of operation: a volume is a directory, a row and an entry in memory.
 *
 * It is made under a staging name (one with a dot in front, which no volume has), renamed to its
 * own and then written into the database: a crash before the rename leaves what the sweep deletes,
 * a crash after it an empty volume without a row, which the sweep deletes as well. It goes the
 * other way round: renamed out of the way, then the row; a row without a directory is dropped by
 * the sweep. A directory without a row that has something in it is somebody's data and becomes a
 * volume again: the last transactions may be lost in a power cut, files must not be.
 *
 * Who holds a volume is not stored: containers say so when they are loaded.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/json.h"
#include "base/timefmt.h"
#include "volume/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* labels and options are JSON objects or NULL. */
const char volume_schema[] = "CREATE TABLE volumes ("
			     " name TEXT PRIMARY KEY NOT NULL,"
			     " created INTEGER NOT NULL,"
			     " labels TEXT,"
			     " options TEXT) WITHOUT ROWID;";

/* ---- one volume ---- */

Volume *volume_new(Volumes *vs, const char *name, int64_t created)
{
	Volume *v = g_new0(Volume, 1);
	v->refs = 1;
	v->name = g_strdup(name);
	v->dir = g_build_filename(vs->root, name, NULL);
	v->mountpoint = g_build_filename(v->dir, "_data", NULL);
	v->created = created;
	v->holders = g_ptr_array_new_with_free_func(g_free);
	g_mutex_init(&v->fill);
	return v;
}

Volume *volume_ref(Volume *v)
{
	g_atomic_int_inc(&v->refs);
	return v;
}

void volume_unref(Volume *v)
{
	if (!v || !g_atomic_int_dec_and_test(&v->refs))
		return;
	g_free(v->name);
	g_free(v->dir);
	g_free(v->mountpoint);
	g_clear_pointer(&v->labels, g_hash_table_unref);
	g_clear_pointer(&v->options, g_hash_table_unref);
	g_ptr_array_unref(v->holders);
	g_mutex_clear(&v->fill);
	g_free(v);
}

gboolean volume_is_anonymous(const Volume *v)
{
	return v->labels && g_hash_table_contains(v->labels, VOLUME_ANONYMOUS_LABEL);
}

static GHashTable *copy_map(GHashTable *from)
{
	if (!from || g_hash_table_size(from) == 0)
		return NULL;
	GHashTable *copy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	GHashTableIter it;
	void *key, *value;
	g_hash_table_iter_init(&it, from);
	while (g_hash_table_iter_next(&it, &key, &value))
		g_hash_table_insert(copy, g_strdup(key), g_strdup(value));
	return copy;
}

/* ---- rows ---- */

static char *map_text(GHashTable *map)
{
	if (!map)
		return NULL;
	g_autoptr(json_t) object = json_object();
	GHashTableIter it;
	void *key, *value;
	g_hash_table_iter_init(&it, map);
	while (g_hash_table_iter_next(&it, &key, &value))
		json_object_set_new(object, key, json_string(value));
	return dh_json_dumps(object, 0);
}

static gboolean parse_map(const char *text, GHashTable **ret, GError **error)
{
	if (!text)
		return TRUE;
	g_autoptr(json_t) object = dh_json_loads(text, strlen(text), error);
	if (!object)
		return FALSE;
	*ret = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	const char *key;
	json_t *value;
	json_object_foreach (object, key, value) {
		const char *s = json_string_value(value);
		g_hash_table_insert(*ret, g_strdup(key), g_strdup(s ? s : ""));
	}
	return TRUE;
}

gboolean volume_insert_row(Volumes *vs, const Volume *v, GError **error)
{
	g_autofree char *labels = map_text(v->labels);
	g_autofree char *options = map_text(v->options);
	return dh_db_exec(vs->db, error,
		"INSERT INTO volumes (name, created, labels, options) VALUES (?,?,?,?)", "siss",
		v->name, v->created, labels, options);
}

static gboolean load_row(void *arg, int n, const char *const *col, GError **error)
{
	Volumes *vs = arg;
	(void)n;
	g_autoptr(Volume) v = volume_new(vs, col[0], g_ascii_strtoll(col[1], NULL, 10));
	if (!parse_map(col[2], &v->labels, error) || !parse_map(col[3], &v->options, error)) {
		g_prefix_error(error, "volume %s: ", col[0]);
		return FALSE;
	}
	g_hash_table_insert(vs->by_name, v->name, volume_ref(v));
	return TRUE;
}

/* ---- open ---- */

static void unref_volume(void *v)
{
	volume_unref(v);
}

Volumes *volumes_open(const char *data_root, DhDb *db, char ***ret_notes, GError **error)
{
	g_autoptr(GStrvBuilder) notes = g_strv_builder_new();
	Volumes *vs = g_new0(Volumes, 1);
	vs->db = db;
	vs->root = g_build_filename(data_root, "volumes", NULL);
	vs->root_fd = -1;
	g_mutex_init(&vs->write);
	g_mutex_init(&vs->lock);
	vs->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, unref_volume);
	gboolean ok = dh_mkdir_p(vs->root, 0701, error);
	if (ok) {
		vs->root_fd = open(vs->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ok = vs->root_fd >= 0 || dh_error_errno(error, errno, "open %s", vs->root);
	}
	if (!ok ||
		!dh_db_query(db, error, load_row, vs,
			"SELECT name, created, labels, options FROM volumes", "") ||
		!volumes_sweep(vs, notes, error)) {
		volumes_close(vs);
		return NULL;
	}
	*ret_notes = g_strv_builder_end(notes);
	return vs;
}

void volumes_close(Volumes *vs)
{
	if (!vs)
		return;
	g_hash_table_unref(vs->by_name);
	dh_close(&vs->root_fd);
	g_mutex_clear(&vs->write);
	g_mutex_clear(&vs->lock);
	g_free(vs->root);
	g_free(vs);
}

/* ---- make ---- */

char *volumes_staging_name(Volumes *vs, const char *kind)
{
	return g_strdup_printf(
		".%s-%d-%u", kind, (int)getpid(), (guint)g_atomic_int_add((gint *)&vs->serial, 1));
}

gboolean volume_make_directories(int dirfd, const char *name, GError **error)
{
	g_autofree char *data = g_build_filename(name, "_data", NULL);
	/* The container's processes get to _data without passing these; other users of the host
	 * may pass, but not look around. The umask must not decide. */
	if (mkdirat(dirfd, name, 0701) < 0 || fchmodat(dirfd, name, 0701, 0) < 0 ||
		mkdirat(dirfd, data, 0755) < 0 || fchmodat(dirfd, data, 0755, 0) < 0)
		return dh_error_errno(error, errno, "mkdir %s", data);
	return TRUE;
}

/* With `write` held. */
static gboolean make(Volumes *vs, const Volume *v, GError **error)
{
	g_autofree char *staging = volumes_staging_name(vs, "new");
	gboolean ok = volume_make_directories(vs->root_fd, staging, error);
	/* An existing directory would be one without a row: the sweep has left none. */
	if (ok && renameat2(vs->root_fd, staging, vs->root_fd, v->name, RENAME_NOREPLACE) < 0)
		ok = dh_error_errno(error, errno, "rename to %s", v->dir);
	if (ok && !volume_insert_row(vs, v, error)) {
		(void)renameat(vs->root_fd, v->name, vs->root_fd, staging);
		ok = FALSE;
	}
	if (!ok)
		(void)dh_remove_tree(vs->root_fd, staging, NULL);
	return ok;
}

/* With `lock` held. */
static void add_holder(Volume *v, const char *holder)
{
	for (guint i = 0; i < v->holders->len; i++) {
		if (strcmp(v->holders->pdata[i], holder) == 0)
			return;
	}
	g_ptr_array_add(v->holders, g_strdup(holder));
}

static Volume *look_up(Volumes *vs, const char *name, const char *holder)
{
	g_mutex_lock(&vs->lock);
	Volume *v = g_hash_table_lookup(vs->by_name, name);
	if (v)
		volume_ref(v);
	if (v && holder)
		add_holder(v, holder);
	g_mutex_unlock(&vs->lock);
	return v;
}

static Volume *new_from_request(Volumes *vs, const VolumeRequest *req)
{
	gboolean anonymous = !req->name || !*req->name;
	g_autofree char *id = anonymous ? dh_id_new() : NULL;
	Volume *v = volume_new(vs, anonymous ? id : req->name, dh_time_now());
	v->labels = copy_map(req->labels);
	v->options = copy_map(req->options);
	if (anonymous) {
		if (!v->labels)
			v->labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
		g_hash_table_replace(v->labels, g_strdup(VOLUME_ANONYMOUS_LABEL), g_strdup(""));
	}
	return v;
}

Volume *volumes_acquire(Volumes *vs, const VolumeRequest *req, const char *holder,
	gboolean *ret_created, GError **error)
{
	if (ret_created)
		*ret_created = FALSE;
	if (!volume_check(req, error))
		return NULL;
	g_mutex_lock(&vs->write);
	Volume *v = req->name && *req->name ? look_up(vs, req->name, holder) : NULL;
	if (!v) {
		v = new_from_request(vs, req);
		if (holder)
			add_holder(v, holder);
		if (make(vs, v, error)) {
			g_mutex_lock(&vs->lock);
			g_hash_table_insert(vs->by_name, v->name, volume_ref(v));
			g_mutex_unlock(&vs->lock);
			if (ret_created)
				*ret_created = TRUE;
		} else {
			g_prefix_error(error, "create %s: ", v->name);
			g_clear_pointer(&v, volume_unref);
		}
	}
	g_mutex_unlock(&vs->write);
	return v;
}

void volumes_release(Volumes *vs, const char *name, const char *holder)
{
	g_mutex_lock(&vs->lock);
	Volume *v = g_hash_table_lookup(vs->by_name, name);
	for (guint i = 0; v && i < v->holders->len; i++) {
		if (strcmp(v->holders->pdata[i], holder) == 0) {
			g_ptr_array_remove_index(v->holders, i);
			break;
		}
	}
	g_mutex_unlock(&vs->lock);
}

/* ---- look ---- */

Volume *volumes_find(Volumes *vs, const char *name, GError **error)
{
	Volume *v = look_up(vs, name, NULL);
	if (!v)
		dh_error(error, DH_ERROR_NOT_FOUND, "get %s: no such volume", name);
	return v;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(Volume *const *)a)->name, (*(Volume *const *)b)->name);
}

GPtrArray *volumes_all(Volumes *vs)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(unref_volume);
	GHashTableIter it;
	void *value;
	g_mutex_lock(&vs->lock);
	g_hash_table_iter_init(&it, vs->by_name);
	while (g_hash_table_iter_next(&it, NULL, &value))
		g_ptr_array_add(all, volume_ref(value));
	g_mutex_unlock(&vs->lock);
	g_ptr_array_sort(all, by_name);
	return all;
}

char **volumes_holders(Volumes *vs, Volume *v)
{
	g_mutex_lock(&vs->lock);
	char **list = g_new0(char *, v->holders->len + 1);
	for (guint i = 0; i < v->holders->len; i++)
		list[i] = g_strdup(v->holders->pdata[i]);
	g_mutex_unlock(&vs->lock);
	return list;
}

/* ---- remove ---- */

static gboolean refuse_if_held(Volumes *vs, Volume *v, GError **error)
{
	g_auto(GStrv) holders = volumes_holders(vs, v);
	if (!*holders)
		return TRUE;
	g_autofree char *list = g_strjoinv(", ", holders);
	return dh_error(
		error, DH_ERROR_CONFLICT, "remove %s: volume is in use - [%s]", v->name, list);
}

/* With `write` held: holding is made under it too, so that a volume that is free stays so. */
static gboolean remove_locked(Volumes *vs, Volume *v, const char *staging, GError **error)
{
	if (!refuse_if_held(vs, v, error))
		return FALSE;
	if (renameat(vs->root_fd, v->name, vs->root_fd, staging) < 0 && errno != ENOENT)
		return dh_error_errno(error, errno, "remove %s", v->name);
	if (!dh_db_exec(vs->db, error, "DELETE FROM volumes WHERE name=?", "s", v->name)) {
		(void)renameat(vs->root_fd, staging, vs->root_fd, v->name);
		return FALSE;
	}
	g_mutex_lock(&vs->lock);
	g_hash_table_remove(vs->by_name, v->name);
	g_mutex_unlock(&vs->lock);
	return TRUE;
}

gboolean volumes_remove(Volumes *vs, const char *name, GError **error)
{
	g_autofree char *staging = volumes_staging_name(vs, "gone");
	g_mutex_lock(&vs->write);
	g_autoptr(Volume) v = volumes_find(vs, name, error);
	gboolean ok = v && remove_locked(vs, v, staging, error);
	g_mutex_unlock(&vs->write);
	if (!ok)
		return FALSE;
	/* It is gone for everybody; what cannot be deleted now, the next start deletes. */
	(void)dh_remove_tree(vs->root_fd, staging, NULL);
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: the data root is walked once, from the top, and whatever is met is put down
 * to what it is there for; what nothing claims is unaccounted. So the sum is what du says, whatever
 * lies there. The engine goes on working: a thing of the engine's own kind that is younger than
 * SETTLED seconds and has no row is being made (directories come first, rows last).
 */
#include "container/usage.h"

#include "container/internal.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/timefmt.h"
#include "base/treesize.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SETTLED = 30, STRAYS_MAX = 1000 };

static const char *const kind_names[USAGE_KINDS] = {
	[USAGE_UNIQUE] = "Images, unique",
	[USAGE_SHARED] = "Images, shared",
	[USAGE_CONFIGS] = "Image configurations",
	[USAGE_WRITABLE] = "Containers, writable layers",
	[USAGE_LOGS] = "Containers, logs",
	[USAGE_FILES] = "Containers, other files",
	[USAGE_VOLUMES] = "Volumes",
	[USAGE_DATABASE] = "Database",
	[USAGE_EVENTS] = "Events",
	[USAGE_STAGING] = "Being made or deleted",
	[USAGE_RESERVE] = "Reserve",
	[USAGE_STRUCTURE] = "Directories",
};

typedef struct {
	Engine *e;
	Usage *u;
	GHashTable *seen; /* inodes with several names */
	dev_t dev;
} Walk;

/* One entry of the directory that is open as dirfd, which is path below the data root. */
typedef void (*Entry)(Walk *w, int dirfd, const char *path, const char *name);

static void stray_free(void *p)
{
	UsageStray *s = p;
	g_free(s->path);
	g_free(s);
}

void usage_free(Usage *u)
{
	if (!u)
		return;
	g_ptr_array_unref(u->strays);
	g_free(u);
}

/* ---- the walk ---- */

static int64_t disk_size(Walk *w, int dirfd, const char *name)
{
	DhTreeSize size = {0};
	dh_tree_size(dirfd, name, w->seen, &size);
	return size.disk;
}

static void count(Walk *w, UsageKind kind, int dirfd, const char *name)
{
	w->u->size[kind] += disk_size(w, dirfd, name);
	w->u->count[kind]++;
}

static void stray(Walk *w, int dirfd, const char *path, const char *name, gboolean orphan)
{
	int64_t size = disk_size(w, dirfd, name);
	w->u->unaccounted += size;
	if (w->u->strays->len >= STRAYS_MAX)
		return;
	UsageStray *s = g_new0(UsageStray, 1);
	s->path = *path ? g_build_filename(path, name, NULL) : g_strdup(name);
	s->size = size;
	s->orphan = orphan;
	g_ptr_array_add(w->u->strays, s);
}

static void each(Walk *w, int dirfd, const char *path, const char *name, Entry entry)
{
	g_autofree char *below = *path ? g_build_filename(path, name, NULL) : g_strdup(name);
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct stat st;
	if (!d) {
		dh_close(&fd);
		return;
	}
	/* The directory itself; what is mounted below is another file system's. */
	if (fstat(fd, &st) == 0 && st.st_dev == w->dev) {
		w->u->size[USAGE_STRUCTURE] += (int64_t)st.st_blocks * 512;
		struct dirent *ent;
		while ((ent = readdir(d))) {
			if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0 &&
				fstatat(fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
				st.st_dev == w->dev)
				entry(w, fd, below, ent->d_name);
		}
	}
	closedir(d);
}

/* ---- what is there ---- */

static gboolean is_young(int dirfd, const char *name)
{
	struct stat st;
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       st.st_ctim.tv_sec + SETTLED >= dh_time_now() / DH_NSEC;
}

static gboolean is_id(const char *name)
{
	return strlen(name) == DH_ID_LEN && dh_is_hex(name);
}

static void unknown(Walk *w, int dirfd, const char *path, const char *name, gboolean our_kind)
{
	if (our_kind && is_young(dirfd, name))
		count(w, USAGE_STAGING, dirfd, name);
	else
		stray(w, dirfd, path, name, TRUE);
}

static void layer(Walk *w, int dirfd, const char *path, const char *name)
{
	int64_t refs = store_layer_refs(w->e->store, name);
	if (refs < 0)
		unknown(w, dirfd, path, name, is_id(name));
	else
		count(w, refs > 1 ? USAGE_SHARED : USAGE_UNIQUE, dirfd, name);
}

static void blob(Walk *w, int dirfd, const char *path, const char *name)
{
	if (store_has_blob(w->e->store, name))
		count(w, USAGE_CONFIGS, dirfd, name);
	else
		unknown(w, dirfd, path, name, is_id(name) || g_str_has_suffix(name, ".tmp"));
}

static void algorithm(Walk *w, int dirfd, const char *path, const char *name)
{
	if (strcmp(name, "sha256") == 0)
		each(w, dirfd, path, name, blob);
	else
		stray(w, dirfd, path, name, TRUE);
}

static void of_container(Walk *w, int dirfd, const char *path, const char *name)
{
	UsageKind kind = USAGE_FILES;
	(void)path;
	if (strcmp(name, "upper") == 0 || strcmp(name, "work") == 0)
		kind = USAGE_WRITABLE;
	else if (strstr(name, "-json.log") || g_str_has_prefix(name, "local.log") ||
		 strcmp(name, SHIM_DROPPED_NAME) == 0)
		kind = USAGE_LOGS;
	count(w, kind, dirfd, name);
}

static void container(Walk *w, int dirfd, const char *path, const char *name)
{
	g_mutex_lock(&w->e->lock);
	gboolean known = g_hash_table_contains(w->e->by_id, name);
	g_mutex_unlock(&w->e->lock);
	if (known)
		each(w, dirfd, path, name, of_container);
	else
		unknown(w, dirfd, path, name, is_id(name));
}

static void volume(Walk *w, int dirfd, const char *path, const char *name)
{
	g_autoptr(Volume) v = volumes_find(w->e->volumes, name, NULL);
	if (v)
		count(w, USAGE_VOLUMES, dirfd, name);
	else if (is_young(dirfd, name))
		count(w, USAGE_STAGING, dirfd, name);
	else
		stray(w, dirfd, path, name, FALSE);
}

static void journal(Walk *w, int dirfd, const char *path, const char *name)
{
	if (g_str_has_prefix(name, "events.log"))
		count(w, USAGE_EVENTS, dirfd, name);
	else
		stray(w, dirfd, path, name, TRUE);
}

static void staged(Walk *w, int dirfd, const char *path, const char *name)
{
	(void)path;
	count(w, USAGE_STAGING, dirfd, name);
}

static void at_top(Walk *w, int dirfd, const char *path, const char *name)
{
	static const struct {
		const char *name;
		UsageKind kind;
		Entry entry; /* of each thing in it */
	} known[] = {
		{"state.db", USAGE_DATABASE, NULL},
		{"state.db-wal", USAGE_DATABASE, NULL},
		{"state.db-shm", USAGE_DATABASE, NULL},
		{"reserve", USAGE_RESERVE, NULL},
		{"dhowd.lock", USAGE_STRUCTURE, NULL},
		{"lost+found", USAGE_STRUCTURE, NULL}, /* the file system's own */
		{"blobs", USAGE_STRUCTURE, algorithm},
		{"containers", USAGE_STRUCTURE, container},
		{"events", USAGE_STRUCTURE, journal},
		{"layers", USAGE_STRUCTURE, layer},
		{"tmp", USAGE_STRUCTURE, staged},
		{"volumes", USAGE_STRUCTURE, volume},
	};
	path = "";
	for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
		if (strcmp(known[i].name, name) != 0)
			continue;
		if (known[i].entry)
			each(w, dirfd, path, name, known[i].entry);
		else
			count(w, known[i].kind, dirfd, name);
		return;
	}
	stray(w, dirfd, path, name, FALSE);
}

Usage *usage_of(Engine *e)
{
	Usage *u = g_new0(Usage, 1);
	u->strays = g_ptr_array_new_with_free_func(stray_free);
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
	Walk w = {.e = e, .u = u, .seen = seen};
	dh_autofd int root = open(e->config.data_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	if (root >= 0 && fstat(root, &st) == 0) {
		w.dev = st.st_dev;
		each(&w, root, "", ".", at_top);
	}
	return u;
}

json_t *engine_usage(Engine *e)
{
	g_autoptr(Usage) u = usage_of(e);
	json_t *parts = json_array(), *strays = json_array();
	int64_t total = u->unaccounted;
	for (UsageKind k = 0; k < USAGE_KINDS; k++) {
		total += u->size[k];
		json_array_append_new(
			parts, json_pack("{s:s, s:I, s:I}", "Kind", kind_names[k], "Count",
				       (json_int_t)u->count[k], "Size", (json_int_t)u->size[k]));
	}
	for (guint i = 0; i < u->strays->len; i++) {
		const UsageStray *s = u->strays->pdata[i];
		g_autofree char *valid = g_utf8_make_valid(s->path, -1);
		json_array_append_new(strays,
			json_pack("{s:s, s:I}", "Path", valid, "Size", (json_int_t)s->size));
	}
	return json_pack("{s:s, s:I, s:o, s:I, s:o}", "DataRoot", e->config.data_root, "Total",
		(json_int_t)total, "Parts", parts, "Unaccounted", (json_int_t)u->unaccounted,
		"Strays", strays);
}

/* SPDX-License-Identifier: MIT */
/* sweep.c - what a crash or a user has left: see the theory of operation in volumes.c. */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/timefmt.h"
#include "volume/copy.h"
#include "volume/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { ID_LEN = 64 };

static void note(GStrvBuilder *notes, const char *fmt, const char *name)
{
	g_autofree char *path = g_strdup_printf("volume %s: %s", name, fmt);
	g_strv_builder_add(notes, path);
}

/* 1: its _data has nothing in it (or there is none), 0: it has. */
static gboolean is_empty(int dirfd, const char *name)
{
	g_autofree char *data = g_build_filename(name, "_data", NULL);
	dh_autofd int fd = openat(dirfd, data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? errno == ENOENT : copy_is_empty(fd) == 1;
}

static gboolean looks_generated(const char *name)
{
	return strlen(name) == ID_LEN && strspn(name, "0123456789abcdef") == ID_LEN;
}

static gboolean adopt(Volumes *vs, const char *name, GError **error)
{
	struct stat st;
	int64_t created = fstatat(vs->root_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
				  ? st.st_ctim.tv_sec * DH_NSEC
				  : dh_time_now();
	g_autoptr(Volume) v = volume_new(vs, name, created);
	if (looks_generated(name)) {
		v->labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
		g_hash_table_insert(v->labels, g_strdup(VOLUME_ANONYMOUS_LABEL), g_strdup(""));
	}
	if (!volume_insert_row(vs, v, error))
		return FALSE;
	g_hash_table_insert(vs->by_name, v->name, volume_ref(v));
	return TRUE;
}

static gboolean sweep_directory(Volumes *vs, const char *name, GStrvBuilder *notes, GError **error)
{
	VolumeRequest req = {.name = name};
	if (*name != '.') {
		if (g_hash_table_contains(vs->by_name, name)) {
			g_autofree char *fill = g_build_filename(name, ".fill", NULL);
			(void)dh_remove_tree(vs->root_fd, fill, NULL);
			return TRUE;
		}
		if (!volume_check(&req, NULL))
			return TRUE; /* nothing of ours */
		if (!is_empty(vs->root_fd, name)) {
			note(notes, "has files but no record; it is kept", name);
			return adopt(vs, name, error);
		}
	}
	g_autoptr(GError) failed = NULL;
	if (!dh_remove_tree(vs->root_fd, name, &failed))
		note(notes, failed->message, name);
	return TRUE;
}

static gboolean sweep_directories(Volumes *vs, GStrvBuilder *notes, GError **error)
{
	int fd = openat(vs->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		dh_error_errno(error, errno, "open %s", vs->root);
		dh_close(&fd);
		return FALSE;
	}
	gboolean ok = TRUE;
	struct dirent *e;
	while (ok && (e = readdir(d))) {
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISDIR(st.st_mode))
			continue;
		ok = sweep_directory(vs, e->d_name, notes, error);
	}
	closedir(d);
	return ok;
}

/* Rows whose directory is gone: a removal that was interrupted, or somebody's own doing. */
static gboolean sweep_rows(Volumes *vs, GStrvBuilder *notes, GError **error)
{
	GHashTableIter it;
	void *value;
	g_hash_table_iter_init(&it, vs->by_name);
	while (g_hash_table_iter_next(&it, NULL, &value)) {
		Volume *v = value;
		struct stat st;
		if (fstatat(vs->root_fd, v->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		note(notes, "its directory is gone, the record too now", v->name);
		if (!dh_db_exec(vs->db, error, "DELETE FROM volumes WHERE name=?", "s", v->name))
			return FALSE;
		g_hash_table_iter_remove(&it);
	}
	return TRUE;
}

gboolean volumes_sweep(Volumes *vs, GStrvBuilder *notes, GError **error)
{
	return sweep_rows(vs, notes, error) && sweep_directories(vs, notes, error);
}

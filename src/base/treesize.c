/* SPDX-License-Identifier: MIT */
#include "base/treesize.h"

#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, DEEPEST = 4096 };

typedef struct {
	dev_t dev;
	GHashTable *seen;
	DhTreeSize *sum;
	guint depth;
} Walk;

static void add(Walk *w, const struct stat *st)
{
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1 &&
		!g_hash_table_add(w->seen, GSIZE_TO_POINTER(st->st_ino)))
		return;
	w->sum->disk += (int64_t)st->st_blocks * BLOCK;
	if (S_ISREG(st->st_mode))
		w->sum->bytes += st->st_size;
}

static void below(Walk *w, int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 && w->depth < DEEPEST ? fdopendir(fd) : NULL;
	if (!d) {
		dh_close(&fd);
		return;
	}
	w->depth++;
	struct dirent *e;
	while ((e = readdir(d))) {
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != w->dev)
			continue;
		add(w, &st);
		if (S_ISDIR(st.st_mode))
			below(w, fd, e->d_name);
	}
	w->depth--;
	closedir(d);
}

void dh_tree_size(int dirfd, const char *path, GHashTable *seen, DhTreeSize *sum)
{
	struct stat st;
	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	g_autoptr(GHashTable) own = seen ? NULL : g_hash_table_new(NULL, NULL);
	Walk w = {.dev = st.st_dev, .seen = seen ? seen : own, .sum = sum};
	add(&w, &st);
	if (S_ISDIR(st.st_mode))
		below(&w, dirfd, path);
}

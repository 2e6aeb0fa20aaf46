/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A layer is a tree of its own, which has no reason to lie beside the one that was unpacked before
 * it. ext4 can be told so (FS_TOPDIR_FL): each directory made in here gets a group of inodes that
 * holds few others.
 *
 * There is more to it than order. ext4 without a journal does not use an inode again within five
 * minutes of its deletion, and finds that out one inode at a time, from the start of the group, for
 * each new file: ten thousand files where as many were just deleted cost a hundred million
 * look-ups, seconds of them. So the places where trees were removed lately are remembered, by the
 * numbers of their inodes, and of several candidates the one nearest to the fewest of them is
 * taken. Filesystems that take no such hint have no such habit; there the first candidate is it.
 */
#include "store/place.h"

#include "base/error.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CANDIDATES 8
#define REMEMBERED 256
#define AVOID_SECONDS 360
#define NEIGHBOURS (16 * 8192) /* inodes of a flexible group, as mke2fs makes them */

typedef struct {
	ino_t ino;
	gint64 when; /* monotonic, us */
} Gone;

struct Places {
	int tmp_fd;
	gboolean spreads;
	GMutex lock;
	Gone gone[REMEMBERED]; /* a ring */
	guint n_gone;          /* ever */
};

/* Asks the filesystem to lay out each directory made in here apart from the others. */
static gboolean spread(int fd)
{
	int flags = 0;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return FALSE;
	if (flags & FS_TOPDIR_FL)
		return TRUE;
	flags |= FS_TOPDIR_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

Places *places_new(int tmp_fd)
{
	Places *p = g_new0(Places, 1);
	p->tmp_fd = tmp_fd;
	p->spreads = spread(tmp_fd);
	g_mutex_init(&p->lock);
	return p;
}

void places_free(Places *p)
{
	if (!p)
		return;
	g_mutex_clear(&p->lock);
	g_free(p);
}

static void remember(Places *p, ino_t ino)
{
	g_mutex_lock(&p->lock);
	p->gone[p->n_gone++ % REMEMBERED] = (Gone){ino, g_get_monotonic_time()};
	g_mutex_unlock(&p->lock);
}

/* How many trees were removed lately where this inode is. */
static guint removed_near(Places *p, ino_t ino)
{
	guint n = 0;
	gint64 since = g_get_monotonic_time() - AVOID_SECONDS * G_USEC_PER_SEC;
	g_mutex_lock(&p->lock);
	for (guint i = 0; i < MIN(p->n_gone, REMEMBERED); i++) {
		const Gone *g = &p->gone[i];
		n += g->when > since && (g->ino - 1) / NEIGHBOURS == (ino - 1) / NEIGHBOURS;
	}
	g_mutex_unlock(&p->lock);
	return n;
}

/* Makes a better directory than the one at `best`, of which *near is known, and puts it there. */
static void try_another(Places *p, const char *best, guint number, guint *near)
{
	struct stat st;
	g_autofree char *other = g_strdup_printf("%s.%u", best, number);
	if (mkdirat(p->tmp_fd, other, 0700) < 0)
		return;
	guint n = fstatat(p->tmp_fd, other, &st, AT_SYMLINK_NOFOLLOW) < 0
			  ? *near
			  : removed_near(p, st.st_ino);
	/* An empty directory may be renamed over another. */
	if (n < *near && renameat(p->tmp_fd, other, p->tmp_fd, best) == 0)
		*near = n;
	else
		(void)unlinkat(p->tmp_fd, other, AT_REMOVEDIR);
}

gboolean place_make(Places *p, const char *name, GError **error)
{
	struct stat st;
	if (mkdirat(p->tmp_fd, name, 0700) < 0 ||
		fstatat(p->tmp_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return dh_error_errno(error, errno, "create layer");
	guint near = p->spreads ? removed_near(p, st.st_ino) : 0;
	for (guint i = 1; i < CANDIDATES && near > 0; i++)
		try_another(p, name, i, &near);
	return TRUE;
}

void place_remove(Places *p, const char *name)
{
	struct stat st;
	gboolean known = fstatat(p->tmp_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	(void)dh_remove_tree(p->tmp_fd, name, NULL);
	if (known && p->spreads)
		remember(p, st.st_ino);
}

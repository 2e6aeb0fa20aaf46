/* SPDX-License-Identifier: MIT */
/*
 * copy.h - files of a container, running or not: what docker cp asks for.
 *
 * A path is resolved with the container's root as root, so that no link leads out of it however
 * quickly it is swapped, and the rest happens on the descriptors that this gave. Neither chroot nor
 * a program or library of the container has a part in it.
 */
#pragma once

#include "container/container.h"

typedef struct {
	char *name; /* last component */
	int64_t size;
	guint32 mode;      /* bits as Go's os.FileMode has them */
	int64_t mtime;     /* ns */
	char *link_target; /* where a symlink leads, from the root; "" for others */
} PathStat;

typedef struct ContainerPath ContainerPath;

/* path: as the user wrote it; a slash or "/." at its end means the directory that a link leads to.
 * asked: the container's name in messages. While it is open, a container that does not run cannot
 * be started; close it in the same thread. */
ContainerPath *container_path_open(
	Container *c, const char *asked, const char *path, GError **error);
/* A directory to extract into, links followed. */
ContainerPath *container_path_open_dir(
	Container *c, const char *asked, const char *path, GError **error);
void container_path_close(ContainerPath *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ContainerPath, container_path_close)

const PathStat *container_path_stat(const ContainerPath *p);
/* The file, or the directory with all that is in it, under the path's last component. */
gboolean container_path_tar(ContainerPath *p, StoreWrite write, void *arg, GError **error);
/* Unpacks an archive (maybe compressed). strict: a directory is not replaced by something else nor
 * the other way round. */
gboolean container_path_extract(
	ContainerPath *p, StoreRead read, void *arg, gboolean strict, GError **error);

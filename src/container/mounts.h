/* SPDX-License-Identifier: MIT */
/*
 * mounts.h - what a container has mounted by its user's or its image's wish: binds, volumes, tmpfs.
 *
 * A create request is parsed into a list of mount points (mounts_parse: nothing is made), the
 * volumes of the list are made, filled and held (mounts_acquire); the list is part of the
 * container's row.
 * --tmpfs is not in it, as it is not in docker's.
 */
#pragma once

#include "container/container.h"
#include "volume/volume.h"

typedef struct {
	char *type;               /* bind volume tmpfs */
	char *name, *driver;      /* of a volume; name NULL: one is to be made */
	char *source;             /* host path of a bind; a volume's _data once it is acquired */
	char *destination;        /* clean and absolute */
	char *mode, *propagation; /* as inspect shows them */
	gboolean rw;
	gboolean named;       /* the user gave the volume a name: rm -v keeps it */
	gboolean no_copy;     /* the image's content stays out */
	gboolean make_source; /* -v: a host directory that is missing is made */
	gboolean non_recursive, read_only_non_recursive;
	int64_t size, tmpfs_mode; /* tmpfs; 0: default */
	/* not in the row */
	const MountSpec *spec; /* --mount, borrowed from the host configuration */
	gboolean created;      /* its volume was made for this container */
} MountPoint;
extern const DhJsonTable mount_point_table;

/* All mount points that config and host_config ask for: list of MountPoint, or NULL. */
GPtrArray *mounts_parse(Container *c, GError **error);

/* Makes, fills and holds the volumes of c->mounts. On failure everything is as before. */
gboolean mounts_acquire(Container *c, GError **error);
/* Undoes that, for a container that did not come to be. */
void mounts_give_back(Container *c);
/* After a restart of the daemon: holds them again; one that is gone is made again, empty. */
void mounts_hold(Container *c);
/* The container is gone; with anonymous, volumes without a name that nobody else holds go too. */
void mounts_release(Container *c, gboolean anonymous);
/* The event for each volume: "mount" or "unmount". */
void mounts_event(Container *c, const char *action);

/* Body of --tmpfs options, checked; "noexec,nosuid,nodev" with the user's words. NULL with error.
 */
char *mounts_tmpfs_options(const char *words, GError **error);

/* ---- image_tree.c ---- */

/* The merged tree of layers (topmost first), read-only, as a descriptor; nothing appears in
 * anybody's mount table. mountpoint: an empty directory, used on kernels before 6.8. -1 with error.
 */
int image_tree_open(char *const *lower, const char *mountpoint, GError **error);

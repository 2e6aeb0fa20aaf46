/* SPDX-License-Identifier: MIT */
/*
 * root.h - a container's root file system as descriptors, whether it runs or not.
 *
 * Theory of operation: the mounts of a running container exist in its own mount namespace only. A
 * thread that shares neither root nor working directory with the others (unshare(CLONE_FS)) joins
 * it, opens what is wanted and ends; a descriptor stays good without the namespace. For a container
 * that does not run, the thread makes a mount namespace of its own and puts the layers together in
 * there: nothing appears on the host, and all is gone when the descriptors are closed.
 *
 * What lies below such a descriptor is the container's: it is only touched with dh_open_in_root()
 * and by single names, never followed by the host's rules, and no program of the container is run.
 */
#pragma once

#include "base/tartree.h"
#include "container/container.h"

/* So that a layer's directory says what it holds: a renamed directory is a copy, a changed file is
 * there as a whole. */
#define ROOT_OVERLAY_OPTIONS "redirect_dir=off,metacopy=off,index=off"

typedef struct {
	int fd; /* the root, O_PATH or better */
	int ns; /* keeps the mounts alive, or -1 */
	/* What the owners of files below it are mapped by: it is a running container's. NULL: they
	 * are as the container sees them. */
	Identity *identity;
} ContainerRoot;

void container_root_close(ContainerRoot *r);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ContainerRoot, container_root_close)

/* The archive gets the owners that the container sees. root must outlive t. */
void container_root_owners(const ContainerRoot *root, TarTree *t);

/* The layers alone, read-only: neither volumes nor /proc. */
gboolean container_root_layers(Container *c, ContainerRoot *ret, GError **error);

/* As its processes see it, with volumes, writable. The caller holds c->op, so that it does not
 * start meanwhile. */
gboolean container_root_whole(Container *c, ContainerRoot *ret, GError **error);

/* Lets the layers be mounted once more: the kernel marks those of a volatile mount (start.c), which
 * must be gone, so that nobody takes for whole what a crash may have torn. */
gboolean container_root_unmark(Container *c, GError **error);

/* The image's part of it, without what the container changed. */
gboolean container_root_lower(Container *c, ContainerRoot *ret, GError **error);

/* The container's own directory of the overlay. Descriptor, or -1. */
int container_upper_open(Container *c, GError **error);

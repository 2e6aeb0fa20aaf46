/* SPDX-License-Identifier: MIT */
/*
 * changes.h - what a container changed in its image: docker diff, and the layer of a commit.
 *
 * Read from the overlay's upper directory and compared with the image, so that a file that was only
 * opened for writing, or an old name made new with the same content and time, is no change. A
 * directory is one if its mode or owner is, or anything below it.
 */
#pragma once

#include "container/container.h"

typedef enum { CHANGE_MODIFY = 0, CHANGE_ADD = 1, CHANGE_DELETE = 2 } ChangeKind; /* the API's */

typedef struct {
	char *path; /* begins with "/" */
	ChangeKind kind;
} Change;

/* GPtrArray of Change (with free function), a directory before what is in it. */
GPtrArray *container_changes(Container *c, GError **error);

/* Their tar, as an image layer: whiteouts for what is gone. write: 0 or -1 with errno. */
gboolean container_changes_tar(
	Container *c, GPtrArray *changes, StoreWrite write, void *arg, GError **error);

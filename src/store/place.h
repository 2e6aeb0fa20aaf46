/* SPDX-License-Identifier: MIT */
/* place.h - where on the disk a new layer's files go: staging directories, made apart and removed.
 */
#pragma once

#include <glib.h>

typedef struct Places Places;

/* tmp_fd: the directory in which the places are; it stays the caller's. */
Places *places_new(int tmp_fd);
void places_free(Places *p);

/* Makes the empty directory `name`. */
gboolean place_make(Places *p, const char *name, GError **error);

/* Removes the tree `name`; what cannot be removed stays. */
void place_remove(Places *p, const char *name);

/* SPDX-License-Identifier: MIT */
/* internal.h - what the files of this room share. */
#pragma once

#include "volume/volume.h"

struct Volumes {
	DhDb *db;
	char *root; /* <data-root>/volumes */
	int root_fd;
	guint serial;        /* of staging names, atomic */
	GMutex write;        /* one creation or removal at a time; held across mkdir, rename, row */
	GMutex lock;         /* by_name and the holders; held for moments */
	GHashTable *by_name; /* name -> Volume */
};

Volume *volume_new(Volumes *vs, const char *name, int64_t created);
/* ".new-<pid>-<n>": no volume can have such a name. */
char *volumes_staging_name(Volumes *vs, const char *kind);
/* A directory <name>/_data below dirfd. */
gboolean volume_make_directories(int dirfd, const char *name, GError **error);
gboolean volume_insert_row(Volumes *vs, const Volume *v, GError **error);

/* sweep.c: directories and rows brought into agreement. */
gboolean volumes_sweep(Volumes *vs, GStrvBuilder *notes, GError **error);

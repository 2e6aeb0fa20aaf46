/* SPDX-License-Identifier: MIT */
/*
 * volume.h - volumes: directories that outlive containers, under <data-root>/volumes/<name>/_data,
 * and with the options type, device and o: file systems that each container mounts for itself.
 *
 * A volume knows who holds it (container IDs); only one that nobody holds can be removed. Holding
 * and creating are one step, so that no removal comes in between. Texts are docker's.
 */
#pragma once

#include "base/db.h"

#include <glib.h>
#include <stdint.h>

#define VOLUME_DRIVER "local"
/* The label of volumes that nobody has given a name (Docker 23 and later). */
#define VOLUME_ANONYMOUS_LABEL "com.docker.volume.anonymous"

typedef struct Volumes Volumes;

/* Immutable but for what volumes.c guards. */
typedef struct {
	gint refs;
	char *name;
	char *dir;                    /* <data-root>/volumes/<name> */
	char *mountpoint;             /* its _data */
	GHashTable *labels, *options; /* char* -> char*; NULL: none */
	int64_t created;
	GPtrArray *holders; /* char*: guarded by the lock of Volumes */
	GMutex fill;        /* held while the image's content is copied into it */
} Volume;

Volume *volume_ref(Volume *v);
void volume_unref(Volume *v);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Volume, volume_unref)

extern const char volume_schema[];

/* Reads the rows, sweeps what a crash has left; what it did about rows without a directory and
 * directories without a row is told by *ret_notes (strv, caller frees). The database stays the
 * caller's. */
Volumes *volumes_open(const char *data_root, DhDb *db, char ***ret_notes, GError **error);
void volumes_close(Volumes *vs);

typedef struct {
	const char *name;   /* NULL or "": a generated one, with the label of anonymous volumes */
	const char *driver; /* NULL or "": local */
	GHashTable *labels, *options; /* copied; NULL: none */
} VolumeRequest;

/* The volume of that name, made unless it exists (then labels and options are not looked at).
 * holder (may be NULL) holds it from then on. *ret_created may be NULL. Reference. */
Volume *volumes_acquire(Volumes *vs, const VolumeRequest *req, const char *holder,
	gboolean *ret_created, GError **error);
/* holder lets go of it; nothing happens if it did not hold it. */
void volumes_release(Volumes *vs, const char *name, const char *holder);

/* "get x: no such volume". */
Volume *volumes_find(Volumes *vs, const char *name, GError **error);
/* All, by name; GPtrArray of references. */
GPtrArray *volumes_all(Volumes *vs);
/* Who holds it: strv, caller frees. */
char **volumes_holders(Volumes *vs, Volume *v);
/* "remove x: volume is in use - [...]" is a conflict. */
gboolean volumes_remove(Volumes *vs, const char *name, GError **error);

/* Refuses bad names, drivers and options before anything is made; "create x: ..." */
gboolean volume_check(const VolumeRequest *req, GError **error);
gboolean volume_is_anonymous(const Volume *v);
/* Bytes of the files in it, each inode once. */
int64_t volume_size(const Volume *v);

/* How a container mounts it. type "bind" or a file system; words are mount options. */
typedef struct {
	char *type, *source;
	char **words;
} VolumeMount;
gboolean volume_mount(const Volume *v, VolumeMount *ret, GError **error);
void volume_mount_clear(VolumeMount *m);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VolumeMount, volume_mount_clear)

/* Copies what lies at path below root (a descriptor, the image's tree) into an empty volume, with
 * owner, mode, times and extended attributes; a volume that is not empty stays as it is. root -1:
 * nothing is copied, but a copy that goes on is waited for. */
gboolean volume_fill(Volumes *vs, Volume *v, int root, const char *path, GError **error);

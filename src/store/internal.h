/* SPDX-License-Identifier: MIT */
/*
 * internal.h - the store's inside, shared by its files and (later) by pull, push and commit.
 *
 * Theory of operation
 *
 * The truth is in the database; a complete index of it is in memory, so that reads touch neither
 * SQLite nor the disk. Two locks:
 *
 *   write  serialises changes: it is held over the transaction, the renames and the change of the
 * index. Never while a stream is read or a tree is removed. lock   guards the index, for moments.
 * Taken inside write, never the other way round.
 *
 * An Image is an immutable snapshot: what never changes (ImageCore) is shared by all snapshots of
 * one image; tags belong to the snapshot, and a change of tags puts a new one into the index.
 *
 * A layer lives as long as an image (also a held one, below) or a pin refers to it. Pins protect
 * the layers that a running load counts on before its image exists.
 *
 * A held image was removed by force while a stopped container still uses it: it is neither listed
 * nor found by name, but its layers stay until store_gc() learns that nobody uses it any more.
 *
 * New layers are unpacked in tmp/, then renamed to layers/<chain id> in the transaction that adds
 * the rows. Orphans on either side (a directory without a row, a row without a directory) are swept
 * when the store opens. Files are not synced one by one: the filesystem's own ordering writes them
 * back within seconds, and the sweep takes what a power cut in between left incomplete at the level
 * of directories and configurations.
 */
#pragma once

#include "registry/reference.h"
#include "store/digest.h"
#include "store/place.h"
#include "store/store.h"
#include "store/untar.h"

#define CONFIG_MAX (4 * 1024 * 1024) /* bytes of an image configuration or manifest */
#define LAYERS_MAX 1024              /* of an image */

typedef struct {
	char *chain_id, *diff_id, *parent; /* parent: chain ID or "" */
	int64_t size, tar_size;
	guint refs; /* images and pins */
} Layer;

struct Store {
	DhDb *db;
	char *root;
	int root_fd, blobs_fd, layers_fd, tmp_fd;
	GMutex write;
	GMutex lock;
	GHashTable *images; /* id -> Image */
	GHashTable *held;   /* id -> Image */
	GHashTable *names;  /* "docker.io/library/nginx:latest" -> id */
	GHashTable *layers; /* chain ID -> Layer */
	GPtrArray *lost;    /* messages */
	guint serial;       /* of names in tmp/ */
	Places *places;     /* in tmp/ */
};

typedef struct {
	gint refs;
	char *id, *parent;
	int64_t created, size;
	char *os, *architecture, *variant, *author, *comment, *docker_version;
	ContainerConfig *config;
	char **diff_ids, **chain_ids;
	json_t *raw;
} ImageCore;

typedef struct {
	Image pub; /* first */
	ImageCore *core;
} Snapshot;

/* ---- images.c ---- */

/* Parses a configuration; checks what the engine relies on. New core with size 0 and no parent. */
ImageCore *image_parse(const char *text, size_t n, GError **error);
void image_core_unref(ImageCore *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageCore, image_core_unref)
/* Refuses what cannot run here. */
gboolean image_check_platform(const ImageCore *c, GError **error);
/* A snapshot (tags sorted as given, taken over). */
Image *image_snapshot(ImageCore *core, char **repo_tags, char **repo_digests, int64_t last_tagged);
/* The engine's machine in Go's words. */
const char *image_host_arch(void);

/* With s->lock held: by any name; borrowed. */
Image *index_find(Store *s, const char *name);
/* Replaces the snapshot of id by one with the names that point to it now; last_tagged 0: keep. */
void index_refresh(Store *s, const char *id, int64_t last_tagged);
/* A first snapshot of core, with these canonical names; takes nothing over. */
Image *index_snapshot(ImageCore *core, char *const *names, int64_t last_tagged);
/* Canonical "domain/path:tag" or "domain/path@digest" of a reference; caller frees. */
char *index_name(const Reference *r);
/* Names (canonical) of an image, sorted; strv. */
char **index_names_of(Store *s, const char *id);
gboolean not_found_image(const char *name, GError **error);

/* ---- layers.c: the driver seam. Unpacked directories, mounted by overlayfs. ---- */

/* A layer unpacked in tmp/, not yet adopted. Freeing removes what is still there. */
typedef struct {
	Store *store;
	char *name; /* below tmp/; NULL once adopted */
	Untarred got;
} StagedLayer;
void staged_layer_free(StagedLayer *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StagedLayer, staged_layer_free)

/* Unpacks a stream (how: UNTAR_*); diff_id (may be NULL) is what it must turn out to be. */
StagedLayer *layer_stage(
	Store *s, StoreRead read, void *arg, unsigned how, const char *diff_id, GError **error);
/* Adopts one verified layer before its image: it has a row, and one pin, which is the caller's. If
 * the layer came to exist meanwhile, that one is pinned and the staged one stays the caller's. */
gboolean layer_adopt(
	Store *s, StagedLayer *staged, const char *chain_id, const char *parent, GError **error);
/* Writes the layer's tar and verifies its diff ID. */
gboolean layer_write_tar(Store *s, const Layer *l, StoreWrite write, void *arg, GError **error);
char *layer_mount_dir(Store *s, const char *chain_id);
/* Moves a layer out of sight at once; returns its name in tmp/ for layer_destroy, or NULL. */
char *layer_detach(Store *s, const char *chain_id);
void layer_destroy(Store *s, char *detached);
gboolean layer_attach(Store *s, StagedLayer *staged, const char *chain_id, GError **error);

/* TRUE if the layer exists; it stays until layer_unpin. */
gboolean layer_pin(Store *s, const char *chain_id);
void layer_unpin(Store *s, const char *chain_id);
/* With s->lock held: gives back one reference of each layer, top first; what became free leaves the
 * index and is added to ret_freed as Layer. */
void layers_release(Store *s, char *const *chain_ids, GPtrArray *ret_freed);
void layer_free(Layer *l);
/* Copy of a layer's facts (refs 0) or NULL. */
Layer *layer_lookup(Store *s, const char *chain_id);
/* Removes rows and directories of layers that left the index; with s->write held; the directories'
 * names in tmp/ are added to ret_detached. */
gboolean layers_forget(Store *s, GPtrArray *freed, GError **error);
void layers_detach(Store *s, GPtrArray *freed, GPtrArray *ret_detached);

/* ---- blobs.c ---- */

gboolean blob_put(Store *s, const char *digest, const char *text, size_t n, GError **error);
char *blob_get(Store *s, const char *digest, size_t *ret_len, GError **error);
void blob_delete(Store *s, const char *digest);

/* ---- store.c ---- */

/* A fresh name in tmp/; caller frees. */
char *store_tmp_name(Store *s, const char *kind);

/* An image about to be adopted. staged[i] is NULL where the caller holds a pin on chain_ids[i]. */
typedef struct {
	ImageCore *core;
	const char *text;
	size_t len;
	GPtrArray *staged;  /* StagedLayer or NULL */
	const char *parent; /* image ID or NULL */
	char *const *names; /* canonical, may be NULL */
} NewImage;

/* Blob, layers, rows, names, index: all or nothing. An image that exists already only gets the
 * names. *ret_moved (may be NULL): for each name the ID of the image that lost it, "" if none;
 * strv. */
gboolean store_adopt(Store *s, const NewImage *n, char ***ret_moved, GError **error);

/* ---- sweep.c ---- */

/* Fills the index from the database, and deletes what only one of database and disk knows of. */
gboolean store_sweep(Store *s, GError **error);

/* ---- tags.c ---- */

/* With s->write held, inside a transaction: points a canonical name at an image. */
gboolean tag_write(Store *s, const char *name, const char *id, GError **error);
/* All canonical names that begin so ("docker.io/library/nginx:": its tags), sorted; GPtrArray of
 * strings. */
GPtrArray *store_names_with_prefix(Store *s, const char *prefix);
/* Gives an existing image one more canonical name (a digest's, after a push). */
gboolean name_image(Store *s, const char *id, const char *name, GError **error);
/* The familiar spelling of a canonical name; caller frees. */
char *tag_familiar(const char *canonical);
/* The canonical name that repo and tag (may be NULL) ask for; docker's refusals. Caller frees. */
char *tag_new_name(const char *repo, const char *tag, GError **error);

/* SPDX-License-Identifier: MIT */
/*
 * store.h - images and layers under the data root.
 *
 *   blobs/sha256/<hex>           image configurations (and, later, manifests), named by content
 *   layers/<chain id hex>/diff   an unpacked layer, shared by all images that have it
 *   layers/<chain id hex>/recipe how to put the layer's tar together again, byte for byte
 *   tmp/                         staging; swept when the store opens
 *
 * Rows in the state database say which of them exist; what has no row is deleted at open. All
 * functions are thread-safe; none holds a lock while it reads a stream.
 */
#pragma once

#include "base/db.h"
#include "base/json.h"
#include "model/config.h"

typedef struct Store Store;

/* SQL of this room's tables (images, image_tags, layers, ...), for the schema of the state
 * database. */
extern const char store_schema[];

Store *store_open(const char *data_root, DhDb *db, GError **error);
void store_close(Store *s);

/* What opening had to give up (an image whose layer is gone after a power cut): messages for the
 * log, NULL-terminated, the store's. Empty in normal life. */
char *const *store_lost(const Store *s);

/* ---- images ---- */

typedef struct {
	gint refs;
	char *id;            /* "sha256:<hex>" */
	char *parent;        /* image id or "" */
	char **repo_tags;    /* familiar "name:tag", sorted */
	char **repo_digests; /* "name@sha256:..." */
	int64_t created;     /* ns */
	int64_t size;        /* bytes of all its layers, unpacked */
	int64_t last_tagged; /* ns, DH_TIME_ZERO */
	char *os, *architecture, *variant, *author, *comment, *docker_version;
	ContainerConfig *config; /* never NULL */
	char **diff_ids;         /* "sha256:..." bottom first */
	char **chain_ids;        /* the layers' names, bottom first */
	json_t *raw;             /* the whole configuration (history, ...) */
} Image;

Image *image_ref(Image *i);
void image_unref(Image *i);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Image, image_unref)

/* By name, name:tag, name@digest, ID ("sha256:" optional) or unambiguous ID prefix.
 * DH_ERROR_NOT_FOUND "No such image: nginx:latest". Images are immutable snapshots: tags may change
 * behind them. */
Image *store_image_find(Store *s, const char *name, GError **error);

/* By full ID, and also when the image was removed by force while a container still used it: what
 * that container starts from. New reference, or NULL. */
Image *store_image_held(Store *s, const char *id);

/* Waits for a removal that is under way and tells whether the image of this ID is still there: from
 * now on one that the removals' StoreInUse names keeps its layers. */
gboolean store_image_stays(Store *s, const char *id, GError **error);

/* All images, newest first; GPtrArray of Image (with free function). */
GPtrArray *store_images(Store *s);

/* The directories for an overlay mount, topmost first; strv. */
char **store_image_lower(Store *s, const Image *i);

gboolean store_tag(Store *s, const char *image, const char *repo, const char *tag, GError **error);

/* Whom a removal would hurt: asked with the image's ID under the store's lock; sets *ret_container
 * to a container's ID (new string) and *ret_running. FALSE: nobody. */
typedef gboolean (*StoreInUse)(
	void *arg, const char *image_id, char **ret_container, gboolean *ret_running);

/* docker rmi: untags, and deletes what no tag, child or container needs any more. The array gets
 * StoreDeleted in Docker's order; conflicts have Docker's texts (DH_ERROR_CONFLICT). */
typedef struct {
	char *untagged; /* "nginx:latest" or NULL */
	char *deleted;  /* "sha256:..." or NULL */
	int64_t size;   /* bytes given back: of a layer; 0 for the rest */
} StoreDeleted;
void store_deleted_free(StoreDeleted *d);
/* seen: remove it only if it is still this one, as a prune has found it; or NULL. */
GPtrArray *store_image_remove(Store *s, const char *name, const Image *seen, gboolean force,
	gboolean no_prune, StoreInUse in_use, void *arg, GError **error);

/* Gives back the space of images that were removed by force while a stopped container used them,
 * once nobody does. To be called when a container was removed and after start; costs nothing if
 * there are none. The callback of both must not wait for a lock that is held around calls that
 * change the store. */
void store_gc(Store *s, StoreInUse in_use, void *arg);

/* Docker's history, newest first. GPtrArray of StoreHistory. */
typedef struct {
	char *id;        /* image id of the newest entry, "<missing>" for others */
	int64_t created; /* ns */
	char *created_by;
	char **tags;
	int64_t size;
	char *comment;
} StoreHistory;
void store_history_free(StoreHistory *h);
GPtrArray *store_image_history(Store *s, const Image *i, GError **error);

/* ---- archives ---- */

/* Called with one human-readable status line ("Loaded image: nginx:latest"). */
typedef void (*StoreProgress)(void *arg, const char *status);

/* Reads a `docker save` archive (old and new layout) or an OCI layout from a tar stream, itself
 * maybe gzip, zstd, bzip2 or xz compressed. Every blob is verified against its digest or diff ID.
 * All or nothing for each image; a truncated or lying archive leaves nothing. read() returns bytes,
 * 0 at the end, -1 with errno. */
typedef ssize_t (*StoreRead)(void *arg, void *buf, size_t n);
gboolean store_load(Store *s, StoreRead read, void *read_arg, StoreProgress progress, void *arg,
	GError **error);

/* Writes images by these names as one archive that docker, podman and skopeo read (manifest.json
 * with repositories, and an OCI index beside it); shared layers once. write() returns 0 or -1 with
 * errno. */
typedef int (*StoreWrite)(void *arg, const void *buf, size_t n);
gboolean store_save(Store *s, char *const *names, StoreWrite write, void *arg, GError **error);

/* docker import: a root file system tar (maybe compressed) becomes an image of one layer. `changes`
 * are Dockerfile lines (CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME,
 * WORKDIR). repo may be NULL. Returns the image ID. */
char *store_import(Store *s, StoreRead read, void *read_arg, char *const *changes,
	const char *message, const char *repo, const char *tag, const char *source,
	const char *platform, GError **error);

/* docker commit: a new image on top of parent, with the layer that produce() writes (none if that
 * tar is empty). produce runs in a thread of its own and returns FALSE with an error. Returns the
 * image ID. */
typedef gboolean (*StoreProduce)(void *arg, StoreWrite write, void *write_arg, GError **error);
typedef struct {
	const Image *parent;
	const char *author, *comment, *created_by; /* may be NULL */
	ContainerConfig *config;
	const char *repo, *tag; /* may be NULL */
} StoreCommit;
char *store_commit(Store *s, const StoreCommit *c, StoreProduce produce, void *arg, GError **error);

/* Applies Dockerfile lines to a configuration (also for commit). */
gboolean store_apply_changes(ContainerConfig *config, char *const *changes, GError **error);

/* Bytes below the unpacked layers; number of images, layers. For `info` and `system df`. */
typedef struct {
	int64_t layers_size;
	guint n_images, n_layers;
} StoreUsage;
void store_usage(Store *s, StoreUsage *ret);
/* What a name in layers/ (hex) is: how many images and loads under way count on it, -1: nothing. */
int64_t store_layer_refs(Store *s, const char *hex);
/* A name in blobs/sha256/ is an image's configuration. */
gboolean store_has_blob(Store *s, const char *hex);
/* Bytes of the image's layers that other images have as well. */
int64_t store_shared_size(Store *s, const Image *i);

/* SPDX-License-Identifier: MIT */
/* internal.h - the room's inside: what pull, push and the others share. */
#pragma once

#include "registry/registry.h"
#include "registry/session.h"
#include "store/internal.h"

struct Registry {
	Store *store;
	DhDb *db;
	GMutex lock;
	GHashTable *fetches; /* chain ID -> Fetch, of those that still run */
	GThreadPool *downloads;
	GThreadPool *uploads;
};

guint registry_attempts(const RegistryConfig *c);

/* ---- registry.c ---- */

void tell(const RegistryCall *c, const char *id, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
/* A line of a layer, with an empty progressDetail. */
void tell_layer(const RegistryCall *c, const char *id, const char *status);
void tell_progress(
	const RegistryCall *c, const char *id, const char *status, int64_t current, int64_t total);

/* Calls fn with a session for each address of the reference's registry until one works, or fails
 * in a way that the others would, too. */
typedef gboolean (*WithSession)(void *arg, Session *s, SessionError *ret_error, GError **error);
gboolean registry_try_endpoints(Registry *r, const Reference *ref, const char *actions,
	gboolean mirrors, const RegistryCall *call, WithSession fn, void *arg,
	SessionError *ret_error, GError **error);

/* A manifest by tag or digest, verified against the latter. *ret_digest: what it is known by. */
Manifest *registry_manifest(Session *s, const Reference *ref, const char *tag_or_digest,
	const HttpCancel *cancel, char **ret_digest, size_t *ret_len, SessionError *ret_error,
	GError **error);
/* Docker's words for what a registry answered to a pull. */
void registry_explain(const Reference *ref, const SessionError *e, GError **error);

/* A copy of ref with a tag or a digest in place of its own. */
Reference *reference_with(const Reference *ref, const char *tag, const char *digest);

/* ---- known.c: which blobs a layer is in registries ---- */

typedef struct {
	char *repo; /* "domain/path" */
	Descriptor blob;
} KnownBlob;
void known_blob_free(KnownBlob *k);
/* Failing to remember costs no more than a second upload. */
void known_remember(Registry *r, const char *diff_id, const Reference *ref, const Descriptor *blob);
void known_forget(Registry *r, const char *diff_id, const char *digest, const Reference *ref);
/* GPtrArray of KnownBlob: the repository itself first, then others of the same registry. */
GPtrArray *known_find(Registry *r, const char *diff_id, const Reference *ref);
void known_sweep(Registry *r);

/* ---- fetch.c: layers on their way ---- */

typedef enum {
	FETCH_PULLING, /* "Pulling fs layer" */
	FETCH_WAITING,
	FETCH_DOWNLOADING,
	FETCH_VERIFYING,
	FETCH_DOWNLOADED,
	FETCH_EXTRACTING,
	FETCH_DONE,
	FETCH_FAILED,
} FetchPhase;

typedef struct {
	FetchPhase phase;
	int64_t offset;
	guint retry_seconds; /* 0: no pause */
} FetchState;

typedef struct Fetch Fetch;

/* A layer that is to be in the store. Two pulls of one layer share its fetch. */
typedef struct {
	const Descriptor *blob;
	const char *path;                        /* of the repository */
	const char *diff_id, *chain_id, *parent; /* parent: chain ID or NULL */
} FetchSpec;

/* Starts or joins; wake (an eventfd) is written to when the state changes. */
Fetch *fetch_join(Registry *r, Session *s, const FetchSpec *spec, int wake);
/* Current state; *ret_error (may be NULL) gets a copy of what it failed with. */
FetchState fetch_state(Fetch *f, GError **ret_error);
/* Leaves it; the last one cancels it if it is not done. Then drop it: that waits until what was
 * cancelled has cleared away what it had made, and gives the layer's pin back. */
void fetch_leave(Fetch *f, int wake);
void fetch_drop(Fetch *f);
void fetch_run(void *fetch, void *registry); /* the pool's */

/* ---- push.c ---- */

void push_run(void *layer, void *registry); /* the pool's */

/* SPDX-License-Identifier: MIT */
/*
 * registry.h - images from registries and to them.
 *
 * Every call blocks until it is done, has failed, or the descriptor that cancels it is readable.
 * What happens meanwhile is told from the calling thread only.
 */
#pragma once

#include "base/db.h"
#include "registry/auth.h"
#include "registry/endpoint.h"
#include "registry/manifest.h"
#include "registry/reference.h"
#include "store/store.h"

typedef struct Registry Registry;

/* SQL of this room's table. */
extern const char registry_schema[];

/* Of the configuration only how much goes on at once; store and db must outlive the registry. */
Registry *registry_new(const RegistryConfig *config, Store *store, DhDb *db, GError **error);
/* The same for the layers that begin from now on. Thread-safe. */
void registry_resize(Registry *r, const RegistryConfig *config);
/* Waits for downloads that nobody waits for any more to be cleared away. */
void registry_free(Registry *r);

/* One line of progress, as docker's clients know it. */
typedef struct {
	const char *id;     /* "latest", "a1b2c3d4e5f6", or NULL */
	const char *status; /* "Pulling fs layer" */
	gboolean detail;    /* has a progressDetail, {} if total and current are 0 */
	int64_t current, total;
	json_t *aux; /* borrowed; then it is an aux message */
} RegistryMessage;

typedef struct {
	const RegistryConfig *config; /* the same from the call's beginning to its end */
	const RegistryAuth *auth;     /* may be NULL */
	int cancel_fd;                /* -1: never */
	void (*tell)(void *arg, const RegistryMessage *m);
	void *arg;
} RegistryCall;

/* docker pull. name: [HOST/]NAME[:TAG|@DIGEST]; tag (may be NULL) is a tag or a digest that
 * replaces the name's. Neither: all tags. platform may be NULL. */
gboolean registry_pull(Registry *r, const char *name, const char *tag, const char *platform,
	const RegistryCall *call, GError **error);
/* docker push. Without a tag: all tags of the repository. */
gboolean registry_push(
	Registry *r, const char *name, const char *tag, const RegistryCall *call, GError **error);

/* docker login: whether the registry takes the call's credentials. *ret_status: "Login Succeeded";
 * *ret_token: an identity token to be kept instead of the password, or NULL. */
gboolean registry_login(
	const RegistryCall *call, char **ret_status, char **ret_token, GError **error);

/* docker search: the index's answer, an object with "results". limit 1..100. */
json_t *registry_search(const char *term, int limit, const RegistryCall *call, GError **error);

/* GET /distribution/NAME/json: descriptor and platforms. */
json_t *registry_inspect(Registry *r, const char *name, const RegistryCall *call, GError **error);

/* SPDX-License-Identifier: MIT */
/* manifest.h - what a registry says an image is made of: docker schema 2 and OCI, manifests and
 * indexes. Words only, no network. */
#pragma once

#include "registry/platform.h"

#include <stdint.h>

#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MEDIA_DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_CONFIG "application/vnd.oci.image.config.v1+json"

/* Headers of a request for a manifest. */
extern char *const manifest_accept[];

typedef struct {
	char *digest, *media_type;
	int64_t size;
	Platform platform;   /* of an index's entries */
	gboolean attachment; /* a signature or the like */
} Descriptor;
void descriptor_free(Descriptor *d);

typedef struct {
	char *media_type;
	Descriptor *config;   /* NULL: it is an index */
	GPtrArray *layers;    /* Descriptor, lowest first */
	GPtrArray *manifests; /* Descriptor */
} Manifest;
void manifest_free(Manifest *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manifest, manifest_free)

/* content_type (may be NULL) is what the server called it. Everything the caller relies on is
 * checked: digests, sizes, numbers. */
Manifest *manifest_parse(const char *text, size_t n, const char *content_type, GError **error);

/* The entry of an index for a platform; borrowed. */
const Descriptor *manifest_choose(const Manifest *m, const Platform *want, GError **error);

/* A docker schema 2 manifest; caller frees. */
char *manifest_build(const Descriptor *config, const GPtrArray *layers);

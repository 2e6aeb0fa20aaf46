/* SPDX-License-Identifier: MIT */
/* endpoint.h - where a registry's name leads: addresses to try, and how far to trust them. */
#pragma once

#include "registry/http.h"

#include <stdint.h>

typedef struct {
	char **insecure;   /* "host", "host:port", "10.0.0.0/8"; 127.0.0.0/8 and ::1 always are */
	char **mirrors;    /* URLs, for docker.io */
	char **certs_dirs; /* directories like /etc/docker/certs.d */
	int64_t max_downloads, max_uploads, max_attempts;
} RegistryConfig;

#define REGISTRY_MAX_DOWNLOADS 3
#define REGISTRY_MAX_UPLOADS 5
#define REGISTRY_MAX_ATTEMPTS 5

void registry_config_clear(RegistryConfig *c);
/* Checks what the user wrote; docker's texts. */
gboolean registry_config_check(const RegistryConfig *c, GError **error);

typedef struct {
	char *url;  /* "https://host:port", no slash at the end; a mirror's may have a path */
	char *host; /* "host:port" of it */
	gboolean mirror;
	HttpTls tls;
} Endpoint;
void endpoint_free(Endpoint *e);

/* For a reference's domain, in the order to try: GPtrArray of Endpoint. NULL with error when the
 * certificates on disk are not usable. mirrors: also those that may stand in for docker.io. */
GPtrArray *endpoints_of(
	const RegistryConfig *c, const char *domain, gboolean mirrors, GError **error);

/* Whether the name (host or host:port) is one that need not prove who it is. */
gboolean endpoint_is_insecure(const RegistryConfig *c, const char *host);

/* SPDX-License-Identifier: MIT */
/* reference.h - image names: [HOST[:PORT]/][PATH/]NAME[:TAG][@DIGEST], as docker reads them. */
#pragma once

#include <glib.h>

typedef struct {
	char *domain; /* "docker.io" by default */
	char *path;   /* "library/nginx" */
	char *tag;    /* NULL if none was given */
	char *digest; /* "sha256:...", NULL if none */
} Reference;

/* Errors are DH_ERROR_INVALID with docker's texts ("invalid reference format", "invalid reference
 * format: repository name (library/NGINX) must be lowercase", ...). */
Reference *reference_parse(const char *text, GError **error);
void reference_free(Reference *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reference, reference_free)

/* "nginx", "user/app", "host:5000/app": what people write and tables show. Caller frees. */
char *reference_familiar_name(const Reference *r);
/* familiar name ":" tag (default latest), or "@" digest. Caller frees. */
char *reference_familiar(const Reference *r);
gboolean reference_valid_tag(const char *tag);

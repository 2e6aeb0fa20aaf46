/* SPDX-License-Identifier: MIT */
/* auth.h - credentials, challenges and tokens of the distribution protocol: words only, no network.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

/* What a client sends in X-Registry-Auth, and in the body of POST /auth. Members may be NULL. */
typedef struct {
	char *username, *password, *server_address;
	char *identity_token; /* a refresh token */
	char *registry_token; /* a bearer token, ready for use */
} RegistryAuth;

void registry_auth_free(RegistryAuth *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RegistryAuth, registry_auth_free)
RegistryAuth *registry_auth_copy(const RegistryAuth *a);

/* The header: base64 (either alphabet, padded or not) of a JSON object; NULL and "" mean nobody. */
RegistryAuth *registry_auth_decode(const char *header, GError **error);
/* The object itself. */
RegistryAuth *registry_auth_parse(const char *text, size_t n, GError **error);

/* The header that basic authentication sends; caller frees. */
char *registry_auth_basic(const RegistryAuth *a);

/* One demand of a WWW-Authenticate header. */
typedef struct {
	char *scheme; /* lower case: "bearer", "basic" */
	char *realm, *service, *scope;
} AuthChallenge;
void auth_challenge_free(AuthChallenge *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuthChallenge, auth_challenge_free)

/* All challenges of a header (several headers joined by commas): GPtrArray of AuthChallenge; what
 * cannot be read is left out. */
GPtrArray *auth_challenges_parse(const char *header);

/* What a token server answered. */
typedef struct {
	char *token, *refresh_token;
	int64_t expires_in; /* seconds, at least 60 */
} AuthToken;
void auth_token_free(AuthToken *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuthToken, auth_token_free)
AuthToken *auth_token_parse(const char *text, size_t n, GError **error);

/* "repository:library/nginx:pull": one scope from the server's demand and one of our own, each
 * resource named once with all actions; caller frees. */
char *auth_scope_merge(const char *a, const char *b);

/* SPDX-License-Identifier: MIT */
/*
 * credentials.h - what the user may show registries: kept in config.json, or by a credential helper
 * (docker-credential-NAME) that config.json names.
 *
 * A server is known by its host ("host:5000"), Docker Hub by CREDENTIALS_HUB.
 */
#pragma once

#include "cli/command.h"
#include "registry/reference.h"

#define CREDENTIALS_HUB "https://index.docker.io/v1/"

/* All owned; NULL where there is none. */
typedef struct {
	char *server;
	char *username, *password;
	char *identity_token; /* instead of the password */
	char *registry_token;
} Credentials;

void credentials_clear(Credentials *c);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Credentials, credentials_clear)

/* "https://host:5000/v1/" -> "host:5000". Caller frees. */
char *credentials_host(const char *server);
/* The server that a reference, or a search term ("host:5000/word"), is for. Caller frees. */
char *credentials_server_of(const Reference *ref);
char *credentials_server_of_term(const char *term);

/* Those for server; empty (server set all the same) when there are none. A helper that fails, or a
 * member that cannot be read, counts as none; FALSE with error tells about it. */
gboolean credentials_get(const Cli *cli, const char *server, Credentials *ret, GError **error);

/* Keeps them in place of older ones for c->server. *ret_plain: a password is in config.json now, as
 * good as readable, which it was not before. */
gboolean credentials_store(
	const Cli *cli, const Credentials *c, gboolean *ret_plain, GError **error);

/* Forgets them; that there are none is fine. */
gboolean credentials_erase(const Cli *cli, const char *server, GError **error);

/* The value of X-Registry-Auth: base64url of the API's AuthConfig. Caller frees. */
char *credentials_header(const Credentials *c);
/* The same, of what is stored for server. */
char *credentials_stored_header(const Cli *cli, const char *server);

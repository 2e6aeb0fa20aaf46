/* SPDX-License-Identifier: MIT */
/* config_file.h - the user's configuration, ~/.docker/config.json; it may be absent. */
#pragma once

#include "base/json.h"
#include "cli/command.h"

/* The whole of it; an empty object when there is none. New reference. One that cannot be read is
 * said on stderr, once, and is an empty object, too. */
json_t *config_file_load(const Cli *cli);

/* Its name. Caller frees. */
char *config_file_path(const Cli *cli);

/* Changes what the configuration holds; returns whether there is anything to write. */
typedef gboolean (*ConfigEdit)(json_t *config, void *arg);

/* Reads, edits and replaces the file, one process at a time; what edit leaves alone stays as it is,
 * members that we do not know included. Only the user can read the file. A file that is no JSON is
 * an error: it is not ours to throw away. */
gboolean config_file_edit(const Cli *cli, ConfigEdit edit, void *arg, GError **error);

/* "WARNING: Error parsing config file (PATH): WHY" on stderr. */
void config_file_warn(const Cli *cli, const char *why);

/* The keys to detach with: the flag's, else the configuration's, else NULL. Caller frees. */
char *config_detach_keys(const Cli *cli, const char *flag);

/* "proxies" of the configuration as environment variables (HTTP_PROXY and http_proxy ...), or NULL.
 */
GHashTable *config_proxy_env(const Cli *cli);

/* SPDX-License-Identifier: MIT */
/* config_file.h - the user's configuration, ~/.docker/config.json; it may be absent. */
#pragma once

#include "base/json.h"
#include "cli/command.h"

/* The whole of it; an empty object when there is none or it cannot be read. New reference. */
json_t *config_file_load(const Cli *cli);

/* The keys to detach with: the flag's, else the configuration's, else NULL. Caller frees. */
char *config_detach_keys(const Cli *cli, const char *flag);

/* "proxies" of the configuration as environment variables (HTTP_PROXY and http_proxy ...), or NULL.
 */
GHashTable *config_proxy_env(const Cli *cli);

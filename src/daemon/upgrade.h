/* SPDX-License-Identifier: MIT */
/* upgrade.h - the wish to be replaced by another program: from the API's threads to the main one.
 */
#pragma once

#include "api/server.h"

typedef struct Upgrade Upgrade;

/* argv and config: our own; handed: what handover_arrive gave, or NULL. All stay the caller's. */
Upgrade *upgrade_new(
	char *const *argv, const EngineConfig *config, const json_t *handed, GError **error);
void upgrade_free(Upgrade *u);

/* For api_server_start. */
const ApiHooks *upgrade_hooks(Upgrade *u);

/* Readable when there is one: then upgrade_wanted says which (strings are its own). */
int upgrade_fd(Upgrade *u);
const ApiUpgrade *upgrade_wanted(Upgrade *u);
/* It has come to nothing. */
void upgrade_refuse(Upgrade *u, const GError *why);

/* SPDX-License-Identifier: MIT */
/* config.h - a bundle's config.json. */
#pragma once

#include "runtime/oci.h"

enum { CONFIG_MAX = 8 << 20 };

/* Reads and checks <bundle>/config.json: what a runtime must refuse before anything is made. Paths
 * become absolute, the cgroup path is filled in. */
OciSpec *config_load(const char *bundle, const char *id, GError **error);

/* A process for exec from a file. */
OciProcess *config_load_process(const char *path, GError **error);
gboolean config_check_process(const OciProcess *p, GError **error);

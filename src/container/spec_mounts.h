/* SPDX-License-Identifier: MIT */
/* spec_mounts.h - the file systems and devices that a container sees. */
#pragma once

#include "container/internal.h"

/* Docker's standard mounts, the generated files, --tmpfs, binds and --mount. List of OciMount. */
GPtrArray *spec_mounts(Container *c, GError **error);

/* --device and, for privileged containers, all of the host's devices; rules and nodes. */
gboolean spec_devices(Container *c, OciLinux *l, GError **error);

/* The "Mounts" of inspect: JSON array of what the user asked to mount. */
json_t *spec_mounts_json(Container *c);

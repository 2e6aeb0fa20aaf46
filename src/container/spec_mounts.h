/* SPDX-License-Identifier: MIT */
/* spec_mounts.h - the parts of spec.c: file systems, devices, namespaces. */
#pragma once

#include "container/internal.h"

/* Docker's standard mounts, the generated files, --tmpfs, binds and --mount. List of OciMount. */
GPtrArray *spec_mounts(Container *c, GError **error);

/* The "Mounts" of inspect: JSON array of what the user asked to mount. */
json_t *spec_mounts_json(Container *c);

/* ---- spec_devices.c ---- */

/* What the group may touch: list of OciDeviceRule, or NULL. */
GPtrArray *spec_device_rules(Container *c, GError **error);

/* --device and, for privileged containers, all of the host's devices; nodes, and rules added to
 * l->resources->devices. */
gboolean spec_devices(Container *c, OciLinux *l, GError **error);

/* ---- spec_namespaces.c ---- */

gboolean spec_namespaces(Container *c, OciLinux *l, GError **error);

/* The running container that mode ("container:ID") names, and its first process; for ipc: one that
 * shares. NULL with Docker's text. */
Container *spec_donor(
	Container *c, const char *mode, gboolean ipc, int64_t *ret_pid, GError **error);

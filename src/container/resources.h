/* SPDX-License-Identifier: MIT */
/* resources.h - limits: from what the API says (HostConfig) to what the OCI runtime says. */
#pragma once

#include "model/config.h"
#include "runtime/oci.h"

/* All of h's limits; without the rules for devices. */
OciResources *resources_limits(const HostConfig *h, GError **error);

/* What an update may ask: the limits and the restart policy of asked. Puts them into merged, a copy
 * of the container's own configuration; a contradiction between the two is docker's error. */
gboolean resources_merge(HostConfig *merged, const HostConfig *asked, GError **error);
/* The members that resources_merge may change go from one to the other and back. */
void resources_exchange(HostConfig *a, HostConfig *b);
/* The limits that asked changes, with what the kernel wants to be told beside them. */
OciResources *resources_changed(const HostConfig *merged, const HostConfig *asked, GError **error);

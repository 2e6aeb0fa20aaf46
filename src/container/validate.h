/* SPDX-License-Identifier: MIT */
/* validate.h - what a container may not ask for: contradictions, bad values, and what is not built.
 */
#pragma once

#include "container/container.h"

/* Checks and normalises (network mode, restart policy) config and host_config of a container that
 * is being made, and reads its mount points into c->mounts; asked is the configuration before the
 * image's was merged into it. warnings gets strings (char *). Texts are docker's. */
gboolean validate_create(
	Container *c, const ContainerConfig *asked, GPtrArray *warnings, GError **error);
/* What "update" asks: limits and restart policy. */
gboolean validate_update(HostConfig *h, GPtrArray *warnings, GError **error);
/* The part of both for limits (validate_resources.c). */
gboolean validate_resources(HostConfig *h, gboolean update, GPtrArray *warnings, GError **error);

/* SPDX-License-Identifier: MIT */
/* validate.h - what a container may not ask for: contradictions, bad values, and what is not built.
 */
#pragma once

#include "container/container.h"

/* Checks and normalises (network mode, restart policy) config and host_config of a container that
 * is being made. Texts are docker's. */
gboolean validate_create(Container *c, char ***ret_warnings, GError **error);

/* SPDX-License-Identifier: MIT */
/* config.h - a bundle's config.json. */
#pragma once

#include "runtime/cli/command.h"
#include "runtime/oci.h"

enum { CONFIG_MAX = 8 << 20 };

/* Reads and checks <bundle>/config.json: what a runtime must refuse before anything is made. Paths
 * become absolute. */
OciSpec *config_load(const char *bundle, GError **error);

/* rootless.c: where its cgroups are; none (NULL) when it need not have any and may not. */
gboolean config_place(const Rt *rt, OciSpec *s, const char *id, GError **error);

/* A document as other runtimes' callers write it: Go's unsigned 64-bit numbers above the signed
 * range (18446744073709551615: no limit) become what they are as signed ones. */
json_t *config_parse(const char *text, size_t n, GError **error);

/* A process for exec from a file. */
OciProcess *config_load_process(const char *path, GError **error);
/* Of names that mean nothing here: they are left out. */
void config_warn_capabilities(const OciProcess *p);
gboolean config_check_process(const OciProcess *p, GError **error);

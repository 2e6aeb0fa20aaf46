/* SPDX-License-Identifier: MIT */
/* foreign.h - another OCI runtime in place of our own library. */
#pragma once

#include "shim/shim.h"

/* config->runtime says so. */
gboolean is_foreign(const Shim *sh);

/* The contracts of rt_launch and rt_exec: on TRUE the process runs, on FALSE nothing is left. */
gboolean foreign_launch(Shim *sh, const int stdio[3], RtProcess *ret, GError **error);
gboolean foreign_exec(
	Shim *sh, const OciProcess *process, const int stdio[3], RtProcess *ret, GError **error);
gboolean foreign_kill(Shim *sh, int signal, GError **error);
/* "pause" or "resume". */
gboolean foreign_freeze(Shim *sh, gboolean frozen, GError **error);
gboolean foreign_update(Shim *sh, const OciResources *r, GError **error);
/* PID 1 has ended: whatever the runtime keeps goes. */
void foreign_end(Shim *sh);

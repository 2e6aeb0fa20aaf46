/* SPDX-License-Identifier: MIT */
/* beneath.h - a path opened as it is written: no "..", no symbolic link, nothing outside of root.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS; ELOOP when a component is a symlink.
 * flags get O_CLOEXEC. Descriptor, or -1 with errno. "" is root itself. */
int open_beneath(int root, const char *path, int flags, mode_t mode);

/* SPDX-License-Identifier: MIT */
/* apparmor.h - AppArmor, and the profile that containers get where it is enabled. */
#pragma once

#include <glib.h>

typedef struct {
	gboolean enabled;    /* the kernel has it, and it is in use */
	const char *profile; /* the default one; NULL: there is none to be had */
} AppArmor;

/* At the daemon's start, before any container is started: sees to it that the default profile is
 * loaded. FALSE: AppArmor is enabled and that did not succeed, so that containers go without. */
gboolean apparmor_prepare(AppArmor *ret, GError **error);

/* SPDX-License-Identifier: MIT */
/* security.h - what --security-opt says. */
#pragma once

#include "container/container.h"

typedef struct {
	gboolean no_new_privileges, systempaths_unconfined;
	const char *seccomp;  /* "unconfined", "builtin" or a profile's text; NULL: not said */
	const char *apparmor; /* a profile's name; NULL: not said */
	const char *label;    /* the last SELinux option; NULL: none */
} SecurityOptions;

/* Strings belong to h. FALSE: something in there is no option; text as Docker's. */
gboolean security_options(const HostConfig *h, SecurityOptions *ret, GError **error);

/* Of a container that is created: the paths of /proc and /sys that are hidden from it or kept from
 * being written, unless its creator has named others. */
void security_defaults(HostConfig *h);
extern const char *const security_masked_paths[], *const security_readonly_paths[];

/* What was asked for and has no effect on this machine. */
void security_warnings(Container *c, GPtrArray *warnings);

/* The AppArmor profile of its processes; NULL where there is no AppArmor. */
const char *security_apparmor(const Container *c);

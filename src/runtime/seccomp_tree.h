/* SPDX-License-Identifier: MIT */
/* seccomp_tree.h - short filters for the ordinary profiles. Private to seccomp*.c. */
#pragma once

#include "runtime/oci.h"

#include <seccomp.h>

typedef struct {
	guint32 token; /* SCMP_ARCH_* */
	guint32 last;  /* highest system call number that the profile names */
} ScArch;

/* A rule, parsed: what seccomp_rule_add would be given. */
typedef struct {
	char *const *names;
	guint32 action; /* as the kernel's SECCOMP_RET_* */
	struct scmp_arg_cmp args[6];
	guint n_args;
} ScRule;

/* Generates a filter (struct sock_filter) that decides as libseccomp's for the same profile does.
 * `beyond` is the answer for numbers above what the profile knows. FALSE, with nothing in out: the
 * profile is not of the kind that can be said this way, or too long; libseccomp has to do it. */
gboolean sc_tree_generate(const GArray *rules, const ScArch *archs, guint n, guint32 def,
	guint32 beyond, GArray *out);

/* rt_seccomp_compile, with (tree) or without this. For tests. */
GBytes *sc_compile(const OciSeccomp *profile, gboolean tree, GError **error);

/* SPDX-License-Identifier: MIT */
/* seccomp.h - system call filters: Docker's default, and compilation to BPF (libseccomp). Linked
 * into the daemon and dhow-runtime, not into the shim, which gets compiled filters. */
#pragma once

#include "runtime/oci.h"

/* Docker's default profile for a process with these capabilities ("CAP_..." strv); new structure.
 */
OciSeccomp *rt_seccomp_default(char *const *capabilities);

/* Struct sock_filter array, ready for seccomp(2). NULL on error. */
GBytes *rt_seccomp_compile(const OciSeccomp *profile, GError **error);

/* All of the profile that its filter depends on, as text: equal for equal filters. Caller frees. */
char *rt_seccomp_key(const OciSeccomp *profile);

/* What a profile may name; NULL-terminated, static. */
typedef enum {
	RT_SECCOMP_ACTIONS,
	RT_SECCOMP_OPERATORS,
	RT_SECCOMP_ARCHS,
	RT_SECCOMP_FLAGS
} RtSeccompNames;
const char *const *rt_seccomp_names(RtSeccompNames which);

/* A sealed memfd with the filter, compiled once for each distinct profile and kept; thread-safe. A
 * new descriptor for the caller, or -1. */
int rt_seccomp_cached(const OciSeccomp *profile, GError **error);

/* rt_seccomp_cached of rt_seccomp_default, without building the profile when it is known already.
 */
int rt_seccomp_default_cached(char *const *capabilities, GError **error);

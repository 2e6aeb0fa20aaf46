/* SPDX-License-Identifier: MIT */
/*
 * identity.h - which IDs of the host a container's IDs are.
 *
 * Theory of operation: an Identity is the mapping of one user namespace. Containers may share one
 * (userns-remap gives all the same, and who joins another's network has that one's), and "auto"
 * gives each a range of its own. The engine's Identities know all that exist, so a range is taken
 * as long as anybody has it: it is written with the container's row and is free again when the last
 * container that has it is gone.
 *
 * Nothing on the disk is owned by these IDs. Layers, volumes and binds hold the container's own
 * (see runtime/layers.c); only what a running container's mounts show to the host is mapped.
 */
#pragma once

#include "model/config.h"
#include "runtime/oci.h"

typedef struct Identities Identities;

/* Immutable but for its count. No Identity (NULL) is the host's own IDs. */
typedef struct {
	guint refs; /* under the lock of all */
	Identities *all;
	GPtrArray *uids, *gids; /* OciIdMap */
} Identity;

/* remap: the daemon's --userns-remap; NULL or "": containers have the host's IDs by default. */
Identities *identities_new(const char *remap, GError **error);
/* After the last Identity. */
void identities_free(Identities *all);
/* Containers that say nothing get a user namespace. */
gboolean identities_remap(const Identities *all);

/* What contradicts a user namespace, in Docker's words. */
gboolean identity_validate(const Identities *all, const HostConfig *h, GError **error);
/* What the container is to have; *ret NULL: the host's. */
gboolean identity_choose(Identities *all, const HostConfig *h, Identity **ret, GError **error);
/* That of a row; lists are copied. NULL for none. */
Identity *identity_restore(Identities *all, const GPtrArray *uids, const GPtrArray *gids);

Identity *identity_ref(Identity *i);
void identity_unref(Identity *i);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Identity, identity_unref)

/* On the host. FALSE: "Container ID 70000 cannot be mapped to a host ID". */
gboolean identity_to_host(const Identity *i, int64_t *uid, int64_t *gid, GError **error);
/* As the container sees it: what it has no number for is nobody's (65534). */
void identity_to_container(const Identity *i, int64_t *uid, int64_t *gid);

/* The calling thread makes files as the container's root from now on, with all its rights kept:
 * where IDs are mapped, those of the host's root have no place. NULL: nothing to do. */
void identity_assume(const Identity *i);
void identity_resume(const Identity *i);

/* SPDX-License-Identifier: MIT */
/* copy_in.h - an archive unpacked into a live tree that its inhabitants may change meanwhile. */
#pragma once

#include "container/identity.h"
#include "store/store.h"

typedef struct {
	int root;
	const char
		*dir; /* absolute, resolved with root as "/", like every name of the archive is */
	const Identity *identity; /* what owners become there, or NULL; the thread has assumed it */
} CopyInto;

/* strict: see container_path_extract. */
gboolean copy_in(const CopyInto *into, StoreRead read, void *arg, gboolean strict, GError **error);

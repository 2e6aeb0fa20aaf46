/* SPDX-License-Identifier: MIT */
/* tarwrite.h - the outer tar of an image archive: plain ustar, short names, big sizes. */
#pragma once

#include "store/store.h"

typedef struct {
	StoreWrite write;
	void *arg;
	int64_t mtime; /* s, of the members that follow */
} TarWriter;

gboolean tar_directory(TarWriter *t, const char *name, GError **error);
/* A member's header; its `size` bytes follow through t->write, then tar_pad. */
gboolean tar_header(TarWriter *t, const char *name, int64_t size, GError **error);
gboolean tar_pad(TarWriter *t, int64_t size, GError **error);
gboolean tar_member(TarWriter *t, const char *name, const void *buf, size_t n, GError **error);
gboolean tar_end(TarWriter *t, GError **error);

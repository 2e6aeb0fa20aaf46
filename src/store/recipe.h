/* SPDX-License-Identifier: MIT */
/*
 * recipe.h - how to put a layer's tar together again, byte for byte.
 *
 * A recipe is the tar stream without the payload of the regular files that were unpacked: stretches
 * of raw bytes (headers, padding, odd entries, the trailer) between references to files. Kept
 * zstd-compressed in <layer>/recipe.
 */
#pragma once

#include "store/store.h"

typedef struct RecipeWriter RecipeWriter;

RecipeWriter *recipe_writer_new(int dirfd, GError **error);
void recipe_writer_free(RecipeWriter *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RecipeWriter, recipe_writer_free)
gboolean recipe_raw(RecipeWriter *w, const void *buf, size_t n, GError **error);
/* size bytes of payload are in diff/<path>. */
gboolean recipe_file(RecipeWriter *w, const char *path, int64_t size, GError **error);
/* The file at path, whose payload the recipe refers to, is about to be replaced by a later entry
 * of the same name: moves it away (from parent/name) to where the recipe still finds it. */
gboolean recipe_displace(
	RecipeWriter *w, const char *path, int parent, const char *name, GError **error);
gboolean recipe_finish(RecipeWriter *w, GError **error);

/* Writes the layer in dirfd as the tar that it was. A file that is missing or has another size is
 * an error; the caller compares the digest. */
typedef gboolean (*RecipeSink)(void *arg, const void *buf, size_t n, GError **error);
gboolean recipe_replay(int dirfd, RecipeSink sink, void *arg, GError **error);

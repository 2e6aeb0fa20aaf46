/* SPDX-License-Identifier: MIT */
/*
 * What a layer is called in registries. A layer that was pulled or pushed need not be compressed
 * and sent again: the registry has the blob, or can mount it from another of its repositories.
 */
#include "registry/internal.h"

#include <string.h>

const char registry_schema[] = "CREATE TABLE known_blobs ("
			       " diff_id TEXT NOT NULL,"
			       " repo TEXT NOT NULL," /* docker.io/library/nginx */
			       " digest TEXT NOT NULL,"
			       " size INTEGER NOT NULL,"
			       " media_type TEXT NOT NULL,"
			       " PRIMARY KEY (diff_id, repo, digest)"
			       ") WITHOUT ROWID;";

#define FOUND_MAX 32

void known_blob_free(KnownBlob *k)
{
	g_free(k->repo);
	g_free(k->blob.digest);
	g_free(k->blob.media_type);
	g_free(k);
}

static char *repo_of(const Reference *ref)
{
	return g_strconcat(ref->domain, "/", ref->path, NULL);
}

void known_remember(Registry *r, const char *diff_id, const Reference *ref, const Descriptor *blob)
{
	g_autofree char *repo = repo_of(ref);
	(void)dh_db_exec(r->db, NULL, "INSERT OR REPLACE INTO known_blobs VALUES (?, ?, ?, ?, ?)",
		"sssis", diff_id, repo, blob->digest, blob->size,
		blob->media_type ? blob->media_type : "");
}

void known_forget(Registry *r, const char *diff_id, const char *digest, const Reference *ref)
{
	g_autofree char *repo = repo_of(ref);
	(void)dh_db_exec(r->db, NULL,
		"DELETE FROM known_blobs WHERE diff_id = ? AND repo = ? AND digest = ?", "sss",
		diff_id, repo, digest);
}

static gboolean on_row(void *arg, int n, const char *const *c, GError **error)
{
	(void)n;
	(void)error;
	KnownBlob *k = g_new0(KnownBlob, 1);
	k->repo = g_strdup(c[0]);
	k->blob.digest = g_strdup(c[1]);
	k->blob.size = g_ascii_strtoll(c[2], NULL, 10);
	k->blob.media_type = g_strdup(c[3]);
	g_ptr_array_add(arg, k);
	return TRUE;
}

GPtrArray *known_find(Registry *r, const char *diff_id, const Reference *ref)
{
	GPtrArray *out = g_ptr_array_new_with_free_func((GDestroyNotify)known_blob_free);
	g_autofree char *repo = repo_of(ref);
	g_autofree char *domain = g_strconcat(ref->domain, "/", NULL);
	(void)dh_db_query(r->db, NULL, on_row, out,
		"SELECT repo, digest, size, media_type FROM known_blobs WHERE diff_id = ? AND "
		"substr(repo, 1, length(?)) = ? ORDER BY repo <> ?, repo LIMIT ?",
		"ssssi", diff_id, domain, domain, repo, (int64_t)FOUND_MAX);
	return out;
}

void known_sweep(Registry *r)
{
	(void)dh_db_exec(r->db, NULL,
		"DELETE FROM known_blobs WHERE diff_id NOT IN (SELECT diff_id FROM layers)", "");
}

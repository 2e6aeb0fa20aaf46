/* SPDX-License-Identifier: MIT */
/*
 * db.h - the engine's SQLite database: one file, WAL, one connection guarded by a lock.
 *
 * A statement is one call with its parameters. Format characters: s = const char* (NULL is NULL),
 * i = int64_t. Transactions nest through the lock (it is recursive).
 */
#pragma once

#include "base/reserve.h"

#include <glib.h>
#include <stdint.h>

typedef struct DhDb DhDb;

/* Opens or creates it and brings its schema to the newest version: schema[n] is the SQL that leads
 * from user_version n to n + 1. A database of a newer version is refused. */
DhDb *dh_db_open(const char *path, const char *const *schema, guint n_schema, GError **error);
/* Whether dh_db_open would, as far as its version goes; changes nothing. */
gboolean dh_db_accepts(const char *path, guint n_schema, GError **error);
void dh_db_close(DhDb *db);
/* The space that vital statements may spend; stays the caller's. */
void dh_db_set_reserve(DhDb *db, DhReserve *reserve);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DhDb, dh_db_close)

/* A statement without rows. */
gboolean dh_db_exec(DhDb *db, GError **error, const char *sql, const char *types, ...);

/* One row for each call of fn; columns as text (NULL for NULL), valid during the call. fn returning
 * FALSE ends the query early, with *error as fn set it. */
typedef gboolean (*DhDbRow)(void *arg, int n, const char *const *columns, GError **error);
gboolean dh_db_query(
	DhDb *db, GError **error, DhDbRow fn, void *arg, const char *sql, const char *types, ...);

/* begin takes the lock, commit and rollback give it back; every begin needs exactly one of them.
 * commit that fails has rolled back. */
gboolean dh_db_begin(DhDb *db, GError **error);
/* For what must succeed on a full disk, too: removals, and the record of an end. Only these spend
 * the reserve; a DELETE outside a transaction does by itself. */
gboolean dh_db_begin_vital(DhDb *db, GError **error);
/* One statement that is. */
gboolean dh_db_exec_vital(DhDb *db, GError **error, const char *sql, const char *types, ...);
gboolean dh_db_commit(DhDb *db, GError **error);
void dh_db_rollback(DhDb *db);

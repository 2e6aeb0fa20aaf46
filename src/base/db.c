/* SPDX-License-Identifier: MIT */
#include "base/db.h"

#include "base/error.h"
#include "base/fd.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

enum { RESERVE_SIZE = 512 * 1024, RESERVE_PAUSE_US = 1000000 };

struct DhDb {
	sqlite3 *sql;
	GRecMutex lock;
	GHashTable *statements; /* SQL text -> sqlite3_stmt, prepared once */
	guint depth;            /* of nested transactions */
	gboolean doomed;        /* an inner transaction rolled back */
	int reserve;            /* a file that is there to be given up (see use_reserve) */
	gboolean reserved;
	gint64 reserve_tried;
};

static gboolean db_error(DhDb *db, GError **error, const char *what)
{
	return dh_error(
		error, DH_ERROR_SYSTEM, "state database: %s: %s", what, sqlite3_errmsg(db->sql));
}

static void finalize(void *stmt)
{
	sqlite3_finalize(stmt);
}

/* A full disk must not keep anybody from removing what fills it, nor the end of a container from
 * being recorded: for these, and only these, some space is set aside beside the database. */
static void fill_reserve(DhDb *db)
{
	gint64 now = g_get_monotonic_time();
	if (db->reserved || db->reserve < 0 || now < db->reserve_tried + RESERVE_PAUSE_US)
		return;
	db->reserve_tried = now;
	db->reserved = posix_fallocate(db->reserve, 0, RESERVE_SIZE) == 0;
	if (!db->reserved)
		(void)!ftruncate(db->reserve, 0);
}

/* TRUE: there is space now, the statement is worth another try. */
static gboolean use_reserve(DhDb *db, const char *sql, int result)
{
	int code = result & 0xff;
	if ((code != SQLITE_FULL && code != SQLITE_IOERR) || db->depth > 0 || !db->reserved ||
		!(g_str_has_prefix(sql, "DELETE") || g_str_has_prefix(sql, "UPDATE")))
		return FALSE;
	db->reserved = FALSE;
	db->reserve_tried = g_get_monotonic_time();
	return ftruncate(db->reserve, 0) == 0;
}

static gboolean run_script(DhDb *db, const char *sql, GError **error)
{
	if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_error(db, error, sql);
	return TRUE;
}

static gboolean get_version(void *arg, int n, const char *const *columns, GError **error)
{
	(void)n;
	(void)error;
	*(guint *)arg = (guint)g_ascii_strtoull(columns[0], NULL, 10);
	return TRUE;
}

static gboolean check_version(guint version, guint n_schema, GError **error)
{
	return version <= n_schema ||
	       dh_error(error, DH_ERROR_SYSTEM,
		       "state database has version %u, this engine knows %u", version, n_schema);
}

static gboolean migrate(DhDb *db, const char *const *schema, guint n_schema, GError **error)
{
	guint version = 0;
	if (!dh_db_query(db, error, get_version, &version, "PRAGMA user_version", ""))
		return FALSE;
	if (!check_version(version, n_schema, error))
		return FALSE;
	for (; version < n_schema; version++) {
		g_autofree char *bump = g_strdup_printf("PRAGMA user_version=%u", version + 1);
		if (!dh_db_begin(db, error))
			return FALSE;
		if (!run_script(db, schema[version], error) || !run_script(db, bump, error)) {
			dh_db_rollback(db);
			return FALSE;
		}
		if (!dh_db_commit(db, error))
			return FALSE;
	}
	return TRUE;
}

DhDb *dh_db_open(const char *path, const char *const *schema, guint n_schema, GError **error)
{
	g_autoptr(DhDb) db = g_new0(DhDb, 1);
	g_rec_mutex_init(&db->lock);
	db->reserve = -1;
	db->statements = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, finalize);
	if (sqlite3_open_v2(path, &db->sql,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK) {
		dh_error(error, DH_ERROR_SYSTEM, "open %s: %s", path, sqlite3_errmsg(db->sql));
		return NULL;
	}
	sqlite3_busy_timeout(db->sql, 5000);
	/* synchronous=NORMAL: a power cut may lose the last transactions, never the consistency;
	 * the reconciler repairs what they described. */
	if (!run_script(db,
		    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
		    "PRAGMA cache_size=-512;",
		    error) ||
		!migrate(db, schema, n_schema, error))
		return NULL;
	g_autofree char *reserve = g_strconcat(path, "-reserve", NULL);
	db->reserve = open(reserve, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	fill_reserve(db);
	return g_steal_pointer(&db);
}

gboolean dh_db_accepts(const char *path, guint n_schema, GError **error)
{
	guint version = 0;
	g_autoptr(DhDb) db = g_new0(DhDb, 1);
	g_rec_mutex_init(&db->lock);
	db->statements = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, finalize);
	db->reserve = -1;
	if (sqlite3_open_v2(path, &db->sql, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		return db_error(db, error, path);
	sqlite3_busy_timeout(db->sql, 5000);
	return dh_db_query(db, error, get_version, &version, "PRAGMA user_version", "") &&
	       check_version(version, n_schema, error);
}

void dh_db_close(DhDb *db)
{
	if (!db)
		return;
	g_hash_table_unref(db->statements);
	sqlite3_close(db->sql);
	dh_close(&db->reserve);
	g_rec_mutex_clear(&db->lock);
	g_free(db);
}

static sqlite3_stmt *prepare(
	DhDb *db, GError **error, const char *sql, const char *types, va_list ap)
{
	sqlite3_stmt *st = g_hash_table_lookup(db->statements, sql);
	if (!st) {
		if (sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) !=
			SQLITE_OK) {
			db_error(db, error, sql);
			return NULL;
		}
		g_hash_table_insert(db->statements, g_strdup(sql), st);
	}
	for (int i = 0; types[i]; i++) {
		int r;
		if (types[i] == 'i')
			r = sqlite3_bind_int64(st, i + 1, va_arg(ap, int64_t));
		else
			r = sqlite3_bind_text(
				st, i + 1, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		if (r != SQLITE_OK) {
			db_error(db, error, sql);
			return NULL;
		}
	}
	return st;
}

static gboolean run(DhDb *db, GError **error, DhDbRow fn, void *arg, const char *sql,
	const char *types, va_list ap)
{
	gboolean ok = FALSE;
	g_rec_mutex_lock(&db->lock);
	sqlite3_stmt *st = prepare(db, error, sql, types, ap);
	int r;
	while (st && (r = sqlite3_step(st)) != SQLITE_DONE) {
		if (r != SQLITE_ROW && use_reserve(db, sql, r)) {
			sqlite3_reset(st);
			continue;
		}
		if (r != SQLITE_ROW) {
			db_error(db, error, sql);
			goto out;
		}
		int n = sqlite3_column_count(st);
		const char *columns[32];
		for (int i = 0; i < n && i < (int)G_N_ELEMENTS(columns); i++)
			columns[i] = (const char *)sqlite3_column_text(st, i);
		if (fn && !fn(arg, n, columns, error))
			goto out;
	}
	ok = st != NULL;
	fill_reserve(db);
out:
	if (st) {
		sqlite3_reset(st);
		sqlite3_clear_bindings(st);
	}
	g_rec_mutex_unlock(&db->lock);
	return ok;
}

gboolean dh_db_exec(DhDb *db, GError **error, const char *sql, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	gboolean ok = run(db, error, NULL, NULL, sql, types, ap);
	va_end(ap);
	return ok;
}

gboolean dh_db_query(
	DhDb *db, GError **error, DhDbRow fn, void *arg, const char *sql, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	gboolean ok = run(db, error, fn, arg, sql, types, ap);
	va_end(ap);
	return ok;
}

gboolean dh_db_begin(DhDb *db, GError **error)
{
	g_rec_mutex_lock(&db->lock);
	if (db->depth == 0) {
		db->doomed = FALSE;
		if (!dh_db_exec(db, error, "BEGIN IMMEDIATE", "")) {
			g_rec_mutex_unlock(&db->lock);
			return FALSE;
		}
	}
	db->depth++;
	return TRUE;
}

gboolean dh_db_commit(DhDb *db, GError **error)
{
	gboolean ok = TRUE;
	db->depth--;
	if (db->doomed) {
		ok = dh_error(
			error, DH_ERROR_SYSTEM, "state database: transaction was rolled back");
		if (db->depth == 0)
			dh_db_exec(db, NULL, "ROLLBACK", "");
	} else if (db->depth == 0 && !dh_db_exec(db, error, "COMMIT", "")) {
		dh_db_exec(db, NULL, "ROLLBACK", "");
		ok = FALSE;
	}
	g_rec_mutex_unlock(&db->lock);
	return ok;
}

void dh_db_rollback(DhDb *db)
{
	db->depth--;
	db->doomed = TRUE;
	if (db->depth == 0)
		dh_db_exec(db, NULL, "ROLLBACK", "");
	g_rec_mutex_unlock(&db->lock);
}

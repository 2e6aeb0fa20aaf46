/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation, for a full disk: a transaction writes to the log beside the database, which
 * is copied into it (a checkpoint) from time to time and then begun anew, without getting shorter.
 * What is vital therefore first has a part of the reserve given up, for a database that grows, and
 * the log begun anew, so that it needs no new blocks. Before the transaction, when there is little
 * room: one that has failed has been rolled back. The files of
 * the log stay when the database is closed, so that opening it needs neither blocks nor inodes.
 *
 * Where files are copied on write, a page of the log's index that is mapped from a file can become
 * unwritable at any time (no room, a quota, read-only), and whoever touches it then dies of SIGBUS.
 * There the index is kept in memory, which has the database closed to other processes.
 */
#include "base/db.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sqlite3.h>
#include <sys/vfs.h>
#include <unistd.h>

struct DhDb {
	sqlite3 *sql;
	GRecMutex lock;
	GHashTable *statements; /* SQL text -> sqlite3_stmt, prepared once */
	guint depth;            /* of nested transactions */
	gboolean doomed;        /* an inner transaction rolled back */
	DhReserve *reserve;     /* borrowed, or NULL */
};

/* What the system said to the last write to the database or to its log; a failed COMMIT has it
 * nowhere else. */
static int write_errno(DhDb *db)
{
	sqlite3_file *log = NULL;
	int number = 0;
	(void)sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log && log->pMethods)
		(void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &number);
	if (number == 0)
		(void)sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_LAST_ERRNO, &number);
	return number;
}

static gboolean db_error(DhDb *db, GError **error, const char *what)
{
	/* SQLite has the system's error only for some; a full disk has a result of its own. */
	int code = sqlite3_errcode(db->sql) & 0xff;
	int number = code == SQLITE_FULL ? ENOSPC : sqlite3_system_errno(db->sql);
	if (code == SQLITE_IOERR && number == 0)
		number = write_errno(db);
	if (code == SQLITE_FULL || (code == SQLITE_IOERR && number != 0))
		return dh_error_errno(
			error, number, "write %s", sqlite3_db_filename(db->sql, "main"));
	return dh_error(
		error, DH_ERROR_SYSTEM, "state database: %s: %s", what, sqlite3_errmsg(db->sql));
}

static void finalize(void *stmt)
{
	sqlite3_finalize(stmt);
}

/* Before something vital. */
static void make_room(DhDb *db)
{
	if (!dh_reserve_needed(db->reserve))
		return;
	while (dh_reserve_spend(db->reserve) &&
		sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL) ==
			SQLITE_FULL)
		;
}

static gboolean is_vital(DhDb *db, const char *sql)
{
	return db->depth == 0 && g_str_has_prefix(sql, "DELETE");
}

/* TRUE: there is space now, the statement is worth another try. */
static gboolean find_room(DhDb *db, const char *sql, int result)
{
	int code = result & 0xff;
	return (code == SQLITE_FULL || code == SQLITE_IOERR) && is_vital(db, sql) &&
	       dh_reserve_spend(db->reserve);
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
	gboolean change = version < n_schema;
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
	/* The version goes into the file itself, where dh_db_accepts looks for it. */
	return !change || run_script(db, "PRAGMA wal_checkpoint(TRUNCATE)", error);
}

static gboolean copies_on_write(const char *path)
{
	enum { ZFS = 0x2fc12fc1, BCACHEFS = (int)0xca451a4e };
	g_autofree char *dir = g_path_get_dirname(path);
	struct statfs fs;
	if (statfs(dir, &fs) < 0)
		return FALSE;
	unsigned type = (unsigned)fs.f_type;
	return type == BTRFS_SUPER_MAGIC || type == ZFS || type == (unsigned)BCACHEFS;
}

DhDb *dh_db_open(const char *path, const char *const *schema, guint n_schema, GError **error)
{
	g_autoptr(DhDb) db = g_new0(DhDb, 1);
	g_rec_mutex_init(&db->lock);
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
	if ((copies_on_write(path) && !run_script(db, "PRAGMA locking_mode=EXCLUSIVE", error)) ||
		!run_script(db,
			"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
			"PRAGMA foreign_keys=ON; PRAGMA cache_size=-512;",
			error) ||
		!migrate(db, schema, n_schema, error))
		return NULL;
	int persistent = 1;
	(void)sqlite3_file_control(db->sql, NULL, SQLITE_FCNTL_PERSIST_WAL, &persistent);
	return g_steal_pointer(&db);
}

gboolean dh_db_accepts(const char *path, guint n_schema, GError **error)
{
	/* <https://www.sqlite.org/fileformat2.html#the_database_header> */
	enum { USER_VERSION_AT = 60 };
	guint8 b[4];
	dh_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, b, sizeof b, USER_VERSION_AT);
	if (n < 0)
		return dh_error_errno(error, errno, "%s", path);
	guint version = 0; /* of an empty file */
	for (ssize_t i = 0; i < n; i++)
		version = version << 8 | b[i];
	return check_version(version, n_schema, error);
}

void dh_db_close(DhDb *db)
{
	if (!db)
		return;
	g_hash_table_unref(db->statements);
	sqlite3_close(db->sql);
	g_rec_mutex_clear(&db->lock);
	g_free(db);
}

void dh_db_set_reserve(DhDb *db, DhReserve *reserve)
{
	db->reserve = reserve;
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
	if (is_vital(db, sql))
		make_room(db);
	sqlite3_stmt *st = prepare(db, error, sql, types, ap);
	int r;
	while (st && (r = sqlite3_step(st)) != SQLITE_DONE) {
		if (r != SQLITE_ROW && find_room(db, sql, r)) {
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
out:
	if (st) {
		sqlite3_reset(st);
		sqlite3_clear_bindings(st);
	}
	if (sqlite3_get_autocommit(db->sql))
		dh_reserve_refill(db->reserve);
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

gboolean dh_db_begin_vital(DhDb *db, GError **error)
{
	g_rec_mutex_lock(&db->lock);
	if (db->depth == 0)
		make_room(db);
	gboolean ok = dh_db_begin(db, error);
	g_rec_mutex_unlock(&db->lock);
	return ok;
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

gboolean dh_db_exec_vital(DhDb *db, GError **error, const char *sql, const char *types, ...)
{
	if (!dh_db_begin_vital(db, error))
		return FALSE;
	va_list ap;
	va_start(ap, types);
	gboolean ok = run(db, error, NULL, NULL, sql, types, ap);
	va_end(ap);
	if (ok)
		return dh_db_commit(db, error);
	dh_db_rollback(db);
	return FALSE;
}

void dh_db_rollback(DhDb *db)
{
	db->depth--;
	db->doomed = TRUE;
	if (db->depth == 0)
		dh_db_exec(db, NULL, "ROLLBACK", "");
	g_rec_mutex_unlock(&db->lock);
}

/* SPDX-License-Identifier: MIT */
#include "store/spool.h"

#include "base/error.h"
#include "base/fd.h"
#include "store/extract.h"
#include "store/inflow.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_LINKS 16

typedef struct {
	int64_t offset, size;
	char *link; /* clean path of another member, or NULL */
} Member;

struct Spool {
	int fd;
	int64_t end;
	int64_t budget;
	GHashTable *members; /* clean path -> Member */
	/* while reading */
	Inflow *in;
	GError *error;
};

static void member_free(void *p)
{
	Member *m = p;
	g_free(m->link);
	g_free(m);
}

void spool_free(Spool *sp)
{
	if (!sp)
		return;
	dh_close(&sp->fd);
	g_hash_table_unref(sp->members);
	inflow_close(sp->in);
	g_clear_error(&sp->error);
	g_free(sp);
}

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret_buf)
{
	(void)a;
	Spool *sp = arg;
	return sp->error ? -1 : inflow_next(sp->in, ret_buf, &sp->error);
}

static gboolean read_error(Spool *sp, struct archive *a, GError **error)
{
	if (sp->error) {
		g_propagate_error(error, g_steal_pointer(&sp->error));
		return FALSE;
	}
	const char *text = archive_error_string(a);
	return dh_error(
		error, DH_ERROR_INVALID, "invalid tar archive: %s", text ? text : "unknown format");
}

static gboolean copy_payload(Spool *sp, struct archive *a, int64_t size, GError **error)
{
	const void *buf;
	size_t n;
	la_int64_t offset;
	if (size < 0 || size > sp->budget)
		return dh_error(error, DH_ERROR_SYSTEM, "spool archive: no space left on device");
	sp->budget -= size;
	int64_t base = sp->end;
	sp->end += size;
	for (;;) {
		int r = archive_read_data_block(a, &buf, &n, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return read_error(sp, a, error);
		if (offset < 0 || offset > size || (int64_t)n > size - offset)
			return dh_error(
				error, DH_ERROR_INVALID, "invalid archive: member too long");
		for (size_t done = 0; done < n;) {
			ssize_t w = pwrite(sp->fd, (const char *)buf + done, n - done,
				base + offset + (int64_t)done);
			if (w < 0 && errno != EINTR)
				return dh_error_errno(error, errno, "spool archive");
			done += w > 0 ? (size_t)w : 0;
		}
	}
	/* Holes of a sparse member, also at its end. */
	if (ftruncate(sp->fd, sp->end) < 0)
		return dh_error_errno(error, errno, "spool archive");
	return TRUE;
}

/* The member that a symlink at path means. */
static char *link_target(const char *path, const char *target, GError **error)
{
	const char *slash = strrchr(path, '/');
	g_autofree char *joined =
		target[0] == '/' || !slash
			? g_strdup(target)
			: g_strdup_printf("%.*s/%s", (int)(slash - path), path, target);
	return extract_clean_path(joined, error);
}

static gboolean take_entry(Spool *sp, struct archive *a, struct archive_entry *e, GError **error)
{
	const char *name = archive_entry_pathname(e);
	g_autofree char *path = name ? extract_clean_path(name, error) : NULL;
	if (!path)
		return name ? FALSE
			    : dh_error(error, DH_ERROR_INVALID,
				      "invalid archive: entry without a name");
	const char *hard = archive_entry_hardlink(e);
	const char *soft = archive_entry_symlink(e);
	mode_t type = archive_entry_filetype(e);
	if (!hard && type != AE_IFREG && type != AE_IFLNK)
		return TRUE; /* directories say nothing, other kinds mean nothing here */
	if (g_hash_table_size(sp->members) >= SPOOL_MAX_MEMBERS)
		return dh_error(error, DH_ERROR_INVALID, "invalid archive: more than %d members",
			SPOOL_MAX_MEMBERS);

	Member *m = g_new0(Member, 1);
	gboolean ok;
	if (hard || soft) {
		m->link = hard ? extract_clean_path(hard, error) : link_target(path, soft, error);
		ok = m->link != NULL;
	} else {
		m->offset = sp->end;
		m->size = archive_entry_size(e);
		ok = copy_payload(sp, a, m->size, error);
	}
	if (!ok) {
		member_free(m);
		return FALSE;
	}
	g_hash_table_replace(sp->members, g_steal_pointer(&path), m);
	return TRUE;
}

static gboolean take_all(Spool *sp, struct archive *a, GError **error)
{
	archive_read_support_format_tar(a);
	archive_read_support_format_empty(a);
	archive_read_set_option(a, "tar", "mac-ext", NULL);
	if (archive_read_open(a, sp, NULL, on_read, NULL) != ARCHIVE_OK)
		return read_error(sp, a, error);
	for (;;) {
		struct archive_entry *e;
		int r = archive_read_next_header(a, &e);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return read_error(sp, a, error);
		if (!take_entry(sp, a, e, error))
			return FALSE;
	}
	/* To the end of the stream: the sender must not find its pipe broken by trailing zeros. */
	const void *buf;
	ssize_t n;
	int64_t left = 64 << 20;
	while ((n = inflow_next(sp->in, &buf, error)) > 0 && (left -= n) > 0)
		;
	return n >= 0;
}

Spool *spool_read(Store *s, StoreRead read, void *arg, GError **error)
{
	g_autoptr(Spool) sp = g_new0(Spool, 1);
	sp->members = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, member_free);
	sp->fd = openat(s->tmp_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (sp->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		g_autofree char *name = store_tmp_name(s, "spool");
		sp->fd = openat(s->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		(void)unlinkat(s->tmp_fd, name, 0);
	}
	struct statvfs vfs;
	if (sp->fd < 0 || fstatvfs(sp->fd, &vfs) < 0) {
		dh_error_errno(error, errno, "spool archive");
		return NULL;
	}
	sp->budget = (int64_t)(vfs.f_bavail * vfs.f_frsize) - UNTAR_RESERVE;
	sp->in = inflow_open(read, arg, FALSE, error);
	if (!sp->in)
		return NULL;
	struct archive *a = archive_read_new();
	gboolean ok = take_all(sp, a, error);
	archive_read_free(a);
	g_clear_pointer(&sp->in, inflow_close);
	return ok ? g_steal_pointer(&sp) : NULL;
}

/* Members are found through links, also through a link in place of a directory. */
static const Member *find(Spool *sp, const char *name)
{
	g_autofree char *path = extract_clean_path(name, NULL);
	for (int i = 0; path && i < MAX_LINKS; i++) {
		const Member *m = g_hash_table_lookup(sp->members, path);
		const char *rest = "";
		for (char *p = path + strlen(path); !m && p > path; p--) {
			if (*p != '/')
				continue;
			g_autofree char *dir = g_strndup(path, (gsize)(p - path));
			const Member *d = g_hash_table_lookup(sp->members, dir);
			if (d && d->link) {
				m = d;
				rest = p;
			}
		}
		if (!m || !m->link)
			return m;
		g_autofree char *next = g_strconcat(m->link, rest, NULL);
		g_free(path);
		path = g_steal_pointer(&next);
	}
	return NULL;
}

gboolean spool_has(Spool *sp, const char *name)
{
	return find(sp, name) != NULL;
}

gboolean spool_open(Spool *sp, const char *name, SpoolReader *ret, GError **error)
{
	const Member *m = find(sp, name);
	if (!m)
		return dh_error(error, DH_ERROR_INVALID, "invalid archive: %s: no such file", name);
	*ret = (SpoolReader){sp->fd, m->offset, m->size, NULL};
	return TRUE;
}

ssize_t spool_reader_read(void *reader, void *buf, size_t n)
{
	SpoolReader *r = reader;
	ssize_t got = pread(r->fd, buf, (size_t)MIN((int64_t)n, r->left), r->offset);
	if (got <= 0)
		return got;
	r->offset += got;
	r->left -= got;
	if (r->digest)
		digest_update(r->digest, buf, (size_t)got);
	return got;
}

char *spool_text(Spool *sp, const char *name, size_t *ret_len, GError **error)
{
	SpoolReader r = {0};
	if (!spool_open(sp, name, &r, error))
		return NULL;
	if (r.left > CONFIG_MAX) {
		dh_error(error, DH_ERROR_INVALID, "invalid archive: %s is larger than %d bytes",
			name, CONFIG_MAX);
		return NULL;
	}
	*ret_len = (size_t)r.left;
	g_autofree char *text = g_malloc0((gsize)r.left + 1);
	for (size_t done = 0; r.left > 0;) {
		ssize_t n = spool_reader_read(&r, text + done, (size_t)r.left);
		if (n <= 0) {
			dh_error_errno(error, n < 0 ? errno : EIO, "read spooled archive");
			return NULL;
		}
		done += (size_t)n;
	}
	return g_steal_pointer(&text);
}

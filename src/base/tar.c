/* SPDX-License-Identifier: MIT */
#include "base/tar.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
	char pad[12];
} Header;
G_STATIC_ASSERT(sizeof(Header) == TAR_BLOCK);

#define XATTR_PREFIX "SCHILY.xattr."

void tar_entry_clear(TarEntry *e)
{
	g_clear_pointer(&e->name, g_free);
	g_clear_pointer(&e->link, g_free);
	g_clear_pointer(&e->xattrs, g_ptr_array_unref);
}

static void xattr_free(void *p)
{
	TarXattr *x = p;
	g_free(x->name);
	g_free(x->value);
	g_free(x);
}

void tar_entry_add_xattr(TarEntry *e, const char *name, const void *value, size_t len)
{
	TarXattr *x = g_new0(TarXattr, 1);
	x->name = g_strdup(name);
	x->value = g_memdup2(value, len);
	x->len = len;
	if (!e->xattrs)
		e->xattrs = g_ptr_array_new_with_free_func(xattr_free);
	g_ptr_array_add(e->xattrs, x);
}

/* ---- writing ---- */

static gboolean fits(int64_t value, size_t width)
{
	return value >= 0 && (uint64_t)value >> (3 * (width - 1)) == 0;
}

/* Octal digits and a NUL; 0 where the value does not fit (a pax record has it then). */
static void number(char *field, size_t width, int64_t value)
{
	char digits[24];
	g_snprintf(digits, sizeof digits, "%0*" G_GINT64_MODIFIER "o", (int)width - 1,
		(uint64_t)(fits(value, width) ? value : 0));
	memcpy(field, digits, width);
}

/* "<length> <key>=<value>\n", where the length counts itself. */
static void record(GByteArray *out, const char *key, const void *value, size_t n)
{
	size_t rest = strlen(key) + n + 3, total = rest + 1;
	char digits[24];
	while ((size_t)g_snprintf(digits, sizeof digits, "%zu", total) + rest != total)
		total = strlen(digits) + rest;
	g_byte_array_append(out, (const guint8 *)digits, (guint)strlen(digits));
	g_byte_array_append(out, (const guint8 *)" ", 1);
	g_byte_array_append(out, (const guint8 *)key, (guint)strlen(key));
	g_byte_array_append(out, (const guint8 *)"=", 1);
	g_byte_array_append(out, value, (guint)n);
	g_byte_array_append(out, (const guint8 *)"\n", 1);
}

static void record_number(GByteArray *out, const char *key, int64_t value)
{
	char text[24];
	g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, value);
	record(out, key, text, strlen(text));
}

static void record_time(GByteArray *out, const struct timespec *t)
{
	char text[48];
	/* pax has one sign for both parts */
	int64_t sec = t->tv_sec, nsec = t->tv_nsec;
	gboolean negative = sec < 0;
	if (negative && nsec > 0) {
		sec++;
		nsec = 1000000000 - nsec;
	}
	g_snprintf(text, sizeof text, "%s%" G_GINT64_FORMAT ".%09" G_GINT64_FORMAT,
		negative ? "-" : "", negative ? -sec : sec, nsec);
	char *end = text + strlen(text);
	while (end[-1] == '0')
		end--;
	if (end[-1] == '.')
		end--;
	record(out, "mtime", text, (size_t)(end - text));
}

static GByteArray *pax_records(const TarEntry *e)
{
	GByteArray *out = g_byte_array_new();
	if (strlen(e->name) > 100)
		record(out, "path", e->name, strlen(e->name));
	if (e->link && strlen(e->link) > 100)
		record(out, "linkpath", e->link, strlen(e->link));
	if (!fits(e->size, 12))
		record_number(out, "size", e->size);
	if (!fits(e->uid, 8))
		record_number(out, "uid", e->uid);
	if (!fits(e->gid, 8))
		record_number(out, "gid", e->gid);
	if (e->mtime.tv_nsec != 0 || !fits(e->mtime.tv_sec, 12))
		record_time(out, &e->mtime);
	for (guint i = 0; e->xattrs && i < e->xattrs->len; i++) {
		const TarXattr *x = g_ptr_array_index(e->xattrs, i);
		g_autofree char *key = g_strconcat(XATTR_PREFIX, x->name, NULL);
		record(out, key, x->value, x->len);
	}
	return out;
}

static void header(GByteArray *out, const TarEntry *e, const char *name, char type, int64_t size)
{
	Header h = {.type = type, .magic = "ustar", .version = {'0', '0'}};
	memcpy(h.name, name, MIN(strlen(name), sizeof h.name));
	if (e->link)
		memcpy(h.link, e->link, MIN(strlen(e->link), sizeof h.link));
	number(h.mode, sizeof h.mode, e->mode & 07777);
	number(h.uid, sizeof h.uid, e->uid);
	number(h.gid, sizeof h.gid, e->gid);
	number(h.size, sizeof h.size, size);
	number(h.mtime, sizeof h.mtime, e->mtime.tv_sec);
	number(h.major, sizeof h.major, e->major);
	number(h.minor, sizeof h.minor, e->minor);
	memset(h.checksum, ' ', sizeof h.checksum);
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof h; i++)
		sum += ((const unsigned char *)&h)[i];
	number(h.checksum, sizeof h.checksum - 1, sum);
	g_byte_array_append(out, (const guint8 *)&h, sizeof h);
}

void tar_header_append(GByteArray *out, const TarEntry *e)
{
	static const guint8 zeros[TAR_BLOCK];
	g_autoptr(GByteArray) pax = pax_records(e);
	if (pax->len > 0) {
		const TarEntry plain = {.mode = 0644};
		header(out, &plain, "PaxHeaders.0/entry", 'x', pax->len);
		g_byte_array_append(out, pax->data, pax->len);
		g_byte_array_append(out, zeros, -pax->len & (TAR_BLOCK - 1));
	}
	header(out, e, e->name, e->type, e->size);
}

/* ---- reading ---- */

struct TarReader {
	TarRead read;
	void *arg;
	TarEntry e;
	int64_t left; /* payload of the entry that was not read */
	int64_t pad;
};

TarReader *tar_reader_new(TarRead read, void *arg)
{
	TarReader *r = g_new0(TarReader, 1);
	r->read = read;
	r->arg = arg;
	return r;
}

void tar_reader_free(TarReader *r)
{
	if (!r)
		return;
	tar_entry_clear(&r->e);
	g_free(r);
}

static gboolean bad(GError **error, const char *why)
{
	return dh_error(error, DH_ERROR_INVALID, "invalid tar archive: %s", why);
}

/* n bytes; *ret_eof (may be NULL: then it is an error) when there are none at all. */
static gboolean take(TarReader *r, void *buf, size_t n, gboolean *ret_eof, GError **error)
{
	size_t have = 0;
	while (have < n) {
		ssize_t got = r->read(r->arg, (char *)buf + have, n - have, error);
		if (got < 0)
			return FALSE;
		if (got == 0) {
			if (!ret_eof || have > 0)
				return bad(error, "unexpected EOF");
			*ret_eof = TRUE;
			return TRUE;
		}
		have += (size_t)got;
	}
	return TRUE;
}

static gboolean skip(TarReader *r, int64_t n, GError **error)
{
	char buf[16 * 1024];
	while (n > 0) {
		size_t now = (size_t)MIN(n, (int64_t)sizeof buf);
		if (!take(r, buf, now, NULL, error))
			return FALSE;
		n -= (int64_t)now;
	}
	return TRUE;
}

/* Octal, or base 256 as GNU has it; -1 when it is neither. */
static int64_t parse_number(const char *field, size_t width)
{
	const unsigned char *p = (const unsigned char *)field;
	uint64_t value = 0;
	if (*p & 0x80) {
		if (*p & 0x40)
			return -1; /* negative */
		value = *p & 0x3f;
		for (size_t i = 1; i < width; i++) {
			if (value >> 55)
				return -1;
			value = value << 8 | p[i];
		}
		return (int64_t)value;
	}
	size_t i = 0;
	while (i < width && field[i] == ' ')
		i++;
	for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(field[i] - '0');
	return i == width || field[i] == '\0' || field[i] == ' ' ? (int64_t)value : -1;
}

static gboolean checksum_holds(const Header *h)
{
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof *h; i++) {
		gboolean in = i >= offsetof(Header, checksum) && i < offsetof(Header, type);
		sum += in ? ' ' : ((const unsigned char *)h)[i];
	}
	return parse_number(h->checksum, sizeof h->checksum) == (int64_t)sum;
}

typedef struct {
	char *path, *link;
	int64_t size, uid, gid; /* -1: not said */
	struct timespec mtime;
	gboolean has_mtime;
	GPtrArray *xattrs;
} Pax;

static void pax_clear(Pax *p)
{
	g_free(p->path);
	g_free(p->link);
	if (p->xattrs)
		g_ptr_array_unref(p->xattrs);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pax, pax_clear)

static gboolean pax_int(const char *value, int64_t *ret)
{
	char *end;
	*ret = g_ascii_strtoll(value, &end, 10);
	return *value && !*end && *ret >= 0;
}

static gboolean pax_time(const char *value, struct timespec *ret)
{
	char *end;
	gboolean negative = *value == '-';
	int64_t nsec = 0, sec = g_ascii_strtoll(value, &end, 10);
	if (*end == '.') {
		int64_t unit = 100000000;
		for (end++; g_ascii_isdigit(*end); end++, unit /= 10)
			nsec += (*end - '0') * unit;
	}
	if (!*value || *end)
		return FALSE;
	if (negative && nsec > 0) {
		sec--;
		nsec = 1000000000 - nsec;
	}
	*ret = (struct timespec){.tv_sec = sec, .tv_nsec = nsec};
	return TRUE;
}

static gboolean pax_apply(Pax *p, const char *key, const char *value, size_t n, GError **error)
{
	gboolean ok = TRUE;
	if (strcmp(key, "path") == 0 || strcmp(key, "linkpath") == 0) {
		char **where = *key == 'p' ? &p->path : &p->link;
		g_free(*where);
		*where = g_strndup(value, n);
		ok = strlen(*where) == n;
	} else if (strcmp(key, "size") == 0) {
		ok = pax_int(value, &p->size);
	} else if (strcmp(key, "uid") == 0) {
		ok = pax_int(value, &p->uid);
	} else if (strcmp(key, "gid") == 0) {
		ok = pax_int(value, &p->gid);
	} else if (strcmp(key, "mtime") == 0) {
		ok = p->has_mtime = pax_time(value, &p->mtime);
	} else if (g_str_has_prefix(key, XATTR_PREFIX)) {
		TarEntry e = {.xattrs = p->xattrs};
		tar_entry_add_xattr(&e, key + strlen(XATTR_PREFIX), value, n);
		p->xattrs = e.xattrs;
	} else if (g_str_has_prefix(key, "GNU.sparse.")) {
		return bad(error, "files with holes are not supported here");
	}
	return ok || bad(error, "invalid extended header");
}

static gboolean pax_parse(Pax *p, char *text, size_t n, GError **error)
{
	for (char *at = text, *end = text + n; at < end;) {
		char *key;
		guint64 len = g_ascii_strtoull(at, &key, 10);
		if (*key != ' ' || len > (guint64)(end - at) || (guint64)(key - at) + 3 > len ||
			at[len - 1] != '\n')
			return bad(error, "invalid extended header");
		key++;
		char *eq = memchr(key, '=', (size_t)(at + len - key));
		if (!eq)
			return bad(error, "invalid extended header");
		*eq = at[len - 1] = '\0';
		if (!pax_apply(p, key, eq + 1, (size_t)(at + len - 1 - (eq + 1)), error))
			return FALSE;
		at += len;
	}
	return TRUE;
}

static char *field(const char *text, size_t n)
{
	return g_strndup(text, n);
}

static gboolean fill(TarReader *r, const Header *h, Pax *p, GError **error)
{
	TarEntry *e = &r->e;
	tar_entry_clear(e);
	*e = (TarEntry){.type = h->type == '\0' || h->type == '7' ? '0' : h->type};
	if (p->path) {
		e->name = g_steal_pointer(&p->path);
	} else {
		g_autofree char *prefix = memcmp(h->magic, "ustar\0", 6) == 0
						  ? field(h->prefix, sizeof h->prefix)
						  : g_strdup("");
		g_autofree char *name = field(h->name, sizeof h->name);
		e->name = g_strconcat(prefix, *prefix ? "/" : "", name, NULL);
	}
	e->link = p->link ? g_steal_pointer(&p->link) : field(h->link, sizeof h->link);
	e->mode = (mode_t)parse_number(h->mode, sizeof h->mode) & 07777;
	e->uid = p->uid >= 0 ? p->uid : parse_number(h->uid, sizeof h->uid);
	e->gid = p->gid >= 0 ? p->gid : parse_number(h->gid, sizeof h->gid);
	e->size = p->size >= 0 ? p->size : parse_number(h->size, sizeof h->size);
	e->mtime.tv_sec = parse_number(h->mtime, sizeof h->mtime);
	if (p->has_mtime)
		e->mtime = p->mtime;
	e->major = (unsigned)parse_number(h->major, sizeof h->major);
	e->minor = (unsigned)parse_number(h->minor, sizeof h->minor);
	e->xattrs = g_steal_pointer(&p->xattrs);
	size_t n = strlen(e->name);
	if (e->type == '0' && n > 0 && e->name[n - 1] == '/')
		e->type = '5'; /* archives older than ustar */
	if (e->type != '0')
		e->size = 0;
	if (n == 0 || e->size < 0 || e->uid < 0 || e->gid < 0)
		return bad(error, "invalid header");
	r->left = e->size;
	r->pad = -e->size & (TAR_BLOCK - 1);
	return TRUE;
}

/* A header's own text: pax records, or a long name of GNU tar. */
static gboolean read_text(TarReader *r, const Header *h, Pax *p, GError **error)
{
	int64_t n = parse_number(h->size, sizeof h->size);
	if (n < 0 || n > TAR_PAX_MAX)
		return bad(error, "extended header too long");
	g_autofree char *text = g_malloc0((gsize)n + 1);
	if (!take(r, text, (size_t)n, NULL, error) || !skip(r, -n & (TAR_BLOCK - 1), error))
		return FALSE;
	if (h->type == 'x')
		return pax_parse(p, text, (size_t)n, error);
	if (h->type == 'L' || h->type == 'K')
		return pax_apply(
			p, h->type == 'L' ? "path" : "linkpath", text, strlen(text), error);
	return TRUE;
}

gboolean tar_reader_next(TarReader *r, const TarEntry **ret, GError **error)
{
	static const Header empty;
	g_auto(Pax) pax = {.size = -1, .uid = -1, .gid = -1};
	*ret = NULL;
	if (!skip(r, r->left + r->pad, error))
		return FALSE;
	r->left = r->pad = 0;
	for (;;) {
		Header h;
		gboolean eof = FALSE;
		if (!take(r, &h, sizeof h, &eof, error))
			return FALSE;
		if (eof || memcmp(&h, &empty, sizeof h) == 0)
			return TRUE;
		if (!checksum_holds(&h))
			return bad(error, "invalid tar header");
		if (strchr("xgLK", h.type) && h.type) {
			if (!read_text(r, &h, &pax, error))
				return FALSE;
			continue;
		}
		if (!fill(r, &h, &pax, error))
			return FALSE;
		*ret = &r->e;
		return TRUE;
	}
}

ssize_t tar_reader_data(TarReader *r, void *buf, size_t n, GError **error)
{
	if (r->left == 0)
		return 0;
	ssize_t got = r->read(r->arg, buf, (size_t)MIN((int64_t)n, r->left), error);
	if (got == 0) {
		bad(error, "unexpected EOF");
		return -1;
	}
	if (got > 0)
		r->left -= got;
	return got;
}

/* SPDX-License-Identifier: MIT */
/*
 * tar.h - tar headers: ustar, with pax records for what ustar cannot hold (POSIX.1-2001, pax(1)).
 *
 * The reader takes what docker, GNU tar and Go write for trees without holes; whole image archives
 * are the store's matter.
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum {
	TAR_BLOCK = 512,
	TAR_PAX_MAX = 1024 * 1024, /* bytes of the records before one entry */
};

typedef struct {
	char *name;
	void *value;
	size_t len;
} TarXattr;

typedef struct {
	char *name;  /* as in the archive; directories may end in "/" */
	char type;   /* '0' file, '1' hard link, '2' symlink, '3' '4' device, '5' directory,
		      * '6' fifo */
	mode_t mode; /* 07777 */
	int64_t uid, gid, size;
	struct timespec mtime;
	unsigned major, minor;
	char *link;        /* target of '1' and '2', or NULL */
	GPtrArray *xattrs; /* TarXattr, or NULL */
} TarEntry;

void tar_entry_clear(TarEntry *e);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TarEntry, tar_entry_clear)
/* Adds a copy. */
void tar_entry_add_xattr(TarEntry *e, const char *name, const void *value, size_t len);

/* Appends the blocks that announce an entry; e->size bytes and padding to TAR_BLOCK follow. */
void tar_header_append(GByteArray *out, const TarEntry *e);

/* read() returns bytes, 0 at the end, -1 with error. */
typedef ssize_t (*TarRead)(void *arg, void *buf, size_t n, GError **error);
typedef struct TarReader TarReader;

TarReader *tar_reader_new(TarRead read, void *arg);
void tar_reader_free(TarReader *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TarReader, tar_reader_free)
/* The next entry, the reader's; NULL at the end (*ret) or FALSE with error. What was not read of
 * the one before is skipped. */
gboolean tar_reader_next(TarReader *r, const TarEntry **ret, GError **error);
/* Payload of the entry: bytes, 0 at its end, -1 with error. */
ssize_t tar_reader_data(TarReader *r, void *buf, size_t n, GError **error);

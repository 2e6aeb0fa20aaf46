/* SPDX-License-Identifier: MIT */
#include "base/reserve.h"

#include "base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	MIB = 1 << 20,
	LEAST = MIB,
	MOST = 4 * MIB,
	SHARE = 4096, /* of the file system: 4 MiB from 16 GiB on */
	PARTS = 4,
	SCRAP = 64 * 1024,
	PAUSE_US = 1000000,
};

struct DhReserve {
	GMutex lock;
	int fd;             /* -1: there is none */
	int64_t size, held; /* wanted, had */
	gint64 refused;     /* when there was no room to refill it */
};

/* With the lock held: as much as there is room for, in pieces that get smaller. Not
 * posix_fallocate: zeros that it writes hold nothing where files are compressed or copied on write.
 */
static void fill(DhReserve *r)
{
	for (int64_t more = r->size - r->held; r->fd >= 0 && more >= SCRAP; more /= 2) {
		while (r->held + more <= r->size && fallocate(r->fd, 0, r->held, more) == 0)
			r->held += more;
	}
	r->refused = r->held < r->size ? g_get_monotonic_time() : 0;
}

static int64_t wanted_size(int fd)
{
	struct statvfs vfs;
	if (fstatvfs(fd, &vfs) < 0)
		return LEAST;
	return CLAMP((int64_t)(vfs.f_blocks * vfs.f_frsize) / SHARE, LEAST, MOST) / MIB * MIB;
}

DhReserve *dh_reserve_open(const char *path, gboolean enabled)
{
	DhReserve *r = g_new0(DhReserve, 1);
	struct stat st;
	g_mutex_init(&r->lock);
	r->fd = -1;
	if (!enabled) {
		(void)unlink(path);
		return r;
	}
	r->fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r->fd < 0 || fstat(r->fd, &st) < 0)
		return r;
	r->size = wanted_size(r->fd);
	/* What a hole in it leaves out is not held. */
	r->held = MIN(st.st_size, (int64_t)st.st_blocks * 512);
	if (r->held > r->size || r->held < st.st_size) {
		r->held = MIN(r->held, r->size) / SCRAP * SCRAP;
		if (ftruncate(r->fd, r->held) < 0)
			r->held = 0;
	}
	fill(r);
	return r;
}

void dh_reserve_close(DhReserve *r)
{
	if (!r)
		return;
	dh_close(&r->fd);
	g_mutex_clear(&r->lock);
	g_free(r);
}

gboolean dh_reserve_spend(DhReserve *r)
{
	if (!r)
		return FALSE;
	g_mutex_lock(&r->lock);
	int64_t left = MAX(r->held - r->size / PARTS, 0);
	gboolean ok = r->held > 0 && ftruncate(r->fd, left) == 0;
	if (ok)
		r->held = left;
	r->refused = 0; /* taken back as soon as it has served, before others have it */
	g_mutex_unlock(&r->lock);
	return ok;
}

gboolean dh_reserve_needed(const DhReserve *r)
{
	struct statvfs vfs;
	if (!r || r->fd < 0 || fstatvfs(r->fd, &vfs) < 0)
		return FALSE;
	return (int64_t)(vfs.f_bavail * vfs.f_frsize) < r->size / PARTS;
}

void dh_reserve_refill(DhReserve *r)
{
	if (!r)
		return;
	g_mutex_lock(&r->lock);
	if (r->held < r->size &&
		(r->refused == 0 || g_get_monotonic_time() > r->refused + PAUSE_US))
		fill(r);
	g_mutex_unlock(&r->lock);
}

int64_t dh_reserve_held(DhReserve *r)
{
	if (!r)
		return 0;
	g_mutex_lock(&r->lock);
	int64_t held = r->held;
	g_mutex_unlock(&r->lock);
	return held;
}

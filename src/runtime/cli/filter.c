/* SPDX-License-Identifier: MIT */
/*
 * Compiled system call filters, kept from one invocation to the next.
 *
 * Theory of operation: <root>/seccomp:cache/<digest> is the filter of the profile with that digest
 * (of everything in the profile and of this program's version), behind the digest of its own code.
 * It is used only if the directory and the file are ours and nobody else may write them, and if the
 * code has the digest it claims: whatever else is there is compiled anew and replaced. The colon
 * keeps the name out of the containers' ones.
 */
#include "runtime/cli/state.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "runtime/priv.h"
#include "runtime/seccomp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CACHE_DIR "seccomp:cache"
enum { DIGEST = 64, FILTER_MAX = 1 << 20, FILES_MAX = 64 };

static char *digest_of(const void *data, gsize n)
{
	return g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, n);
}

static char *name_of(const OciSeccomp *profile)
{
	struct utsname u;
	g_autofree char *key = rt_seccomp_key(profile);
	g_autofree char *text =
		g_strconcat(DHOW_VERSION, " ", uname(&u) == 0 ? u.machine : "", "\n", key, NULL);
	return digest_of(text, strlen(text));
}

static gboolean ours_alone(int fd, mode_t type)
{
	struct stat st;
	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	       !(st.st_mode & 022);
}

static int open_cache(const Rt *rt)
{
	g_autofree char *path = g_build_filename(rt->root, CACHE_DIR, NULL);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -1;
	dh_autofd int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return dir >= 0 && ours_alone(dir, S_IFDIR) ? dh_steal_fd(&dir) : -1;
}

/* The code, or NULL. */
static GBytes *find(int dir, const char *name)
{
	dh_autofd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	gsize n;
	g_autofree char *text = fd >= 0 && ours_alone(fd, S_IFREG)
					? dh_read_to_end(fd, FILTER_MAX, &n, NULL)
					: NULL;
	if (!text || n <= DIGEST)
		return NULL;
	g_autofree char *digest = digest_of(text + DIGEST, n - DIGEST);
	return memcmp(digest, text, DIGEST) == 0 ? g_bytes_new(text + DIGEST, n - DIGEST) : NULL;
}

/* A number of profiles that no machine has in use: those of the past go. */
static void make_room(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	guint n = 0;
	if (!d) {
		dh_close(&copy);
		return;
	}
	while ((e = readdir(d)))
		n++;
	if (n >= FILES_MAX + 2) {
		rewinddir(d);
		while ((e = readdir(d)))
			(void)unlinkat(dir, e->d_name, 0);
	}
	closedir(d);
}

/* Not being able to keep it is no reason not to use it. */
static void keep(int dir, const char *name, GBytes *code)
{
	gsize n;
	const void *data = g_bytes_get_data(code, &n);
	g_autofree char *digest = digest_of(data, n);
	g_autoptr(GByteArray) file = g_byte_array_sized_new((guint)(n + DIGEST));
	g_byte_array_append(file, (const guint8 *)digest, DIGEST);
	g_byte_array_append(file, data, (guint)n);
	make_room(dir);
	(void)dh_write_file_atomic(dir, name, file->data, file->len, 0600, NULL);
}

GBytes *filter_compiled(const Rt *rt, const OciSeccomp *profile, GError **error)
{
	g_autofree char *name = name_of(profile);
	dh_autofd int dir = open_cache(rt);
	GBytes *code = dir >= 0 ? find(dir, name) : NULL;
	if (code)
		return code;
	code = rt_seccomp_compile(profile, error);
	if (code && dir >= 0)
		keep(dir, name, code);
	return code;
}

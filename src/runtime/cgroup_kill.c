/* SPDX-License-Identifier: MIT */
/* Ending what is in a group: freeze, kill, remove. */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "runtime/cgroup_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	FREEZE_MSEC = 10000, /* as long as Docker's runtime tries */
	REMOVE_MSEC = 500,
	END_MSEC = 10000,
};

static int64_t now_msec(void)
{
	return g_get_monotonic_time() / 1000;
}

/* Waits until "key value" stands in cgroup.events; the kernel wakes pollers when it changes. */
static gboolean wait_event(int dirfd, const char *key, int64_t value, int msec)
{
	dh_autofd int fd = openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	int64_t end = now_msec() + msec;
	g_autofree char *line = g_strdup_printf("%s %d", key, (int)value);
	while (fd >= 0) {
		char buf[512];
		ssize_t n = pread(fd, buf, sizeof buf - 1, 0);
		if (n < 0)
			break;
		buf[n] = '\0';
		if (strstr(buf, line))
			return TRUE;
		int64_t left = end - now_msec();
		struct pollfd p = {.fd = fd, .events = POLLPRI};
		if (left <= 0 || (poll(&p, 1, (int)left) < 0 && errno != EINTR))
			break;
	}
	return FALSE;
}

/* The group in the v1 freezer, or -1. Beside v2 we make none there, but other runtimes do. */
static int v1_freezer(const CgGroup *g)
{
	int i = cg_find(CG_FREEZER);
	return i < 0 || g->host->h[i].v2 ? -1 : g->fd[i];
}

/* The v1 freezer reports nothing: while it says FREEZING (a task on its way into a vfork or a
 * stopped ptrace), writing the state again makes it look again. */
static gboolean freeze_v1(const CgGroup *g, gboolean frozen, GError **error)
{
	int fd = cg_group_fd(g, CG_FREEZER, NULL);
	int64_t end = now_msec() + FREEZE_MSEC;
	struct timespec pause = {.tv_nsec = 50 * 1000};
	for (;;) {
		if (!cg_write(g, CG_FREEZER, "freezer.state", frozen ? "FROZEN" : "THAWED", error))
			return FALSE;
		g_autofree char *state = cg_read(fd, "freezer.state");
		if (!frozen || (state && strcmp(state, "FROZEN") == 0))
			return TRUE;
		if (now_msec() > end)
			break;
		(void)nanosleep(&pause, NULL);
		if (pause.tv_nsec < 10 * 1000 * 1000)
			pause.tv_nsec *= 2;
	}
	(void)cg_write(g, CG_FREEZER, "freezer.state", "THAWED", NULL);
	return dh_error(error, DH_ERROR_SYSTEM, "unable to freeze");
}

gboolean rt_cgroup_freeze(const char *path, gboolean frozen, GError **error)
{
	const char *rel = cg_relative(path, error);
	if (!rel)
		return FALSE;
	g_auto(CgGroup) g = {0};
	cg_group_open(&g, rel);
	gboolean in_v2 = g.host->has_v2 && g.fd[0] >= 0, in_v1 = v1_freezer(&g) >= 0;
	if (g.host->has_v2 && !in_v2 && !in_v1)
		return dh_error(error, DH_ERROR_NOT_FOUND, "cgroup %s does not exist", path);
	if (!in_v2)
		return freeze_v1(&g, frozen, error);
	/* Runs is who is frozen in neither. */
	if (in_v1 && !frozen && !freeze_v1(&g, FALSE, error))
		return FALSE;
	if (!cg_write_at(&g, 0, "cgroup.freeze", frozen ? "1" : "0", error))
		return FALSE;
	if (wait_event(g.fd[0], "frozen", frozen, FREEZE_MSEC))
		return TRUE;
	(void)cg_write_at(&g, 0, "cgroup.freeze", "0", NULL);
	return dh_error(error, DH_ERROR_SYSTEM, frozen ? "unable to freeze" : "unable to thaw");
}

gboolean rt_cgroup_frozen(const char *path)
{
	const char *rel = cg_relative(path, NULL);
	if (!rel)
		return FALSE;
	g_auto(CgGroup) g = {0};
	cg_group_open(&g, rel);
	if (g.host->has_v2 && g.fd[0] >= 0 && cg_read_key(g.fd[0], "cgroup.events", "frozen") == 1)
		return TRUE;
	int fd = v1_freezer(&g);
	g_autofree char *state = fd < 0 ? NULL : cg_read(fd, "freezer.state");
	return state && strcmp(state, "THAWED") != 0;
}

/* Where the kernel has no cgroup.kill (before 5.14, and v1): nobody forks while frozen, so one pass
 * reaches everyone; a freezer that is missing or does not come to rest costs more passes. */
static gboolean kill_by_hand(const char *path, GError **error)
{
	for (guint round = 0; round < 100; round++) {
		gboolean frozen = rt_cgroup_freeze(path, TRUE, NULL);
		g_autoptr(GArray) pids = rt_cgroup_pids(path, NULL);
		for (guint i = 0; pids && i < pids->len; i++)
			(void)kill(g_array_index(pids, pid_t, i), SIGKILL);
		if (frozen)
			(void)rt_cgroup_freeze(path, FALSE, NULL);
		if (frozen || !pids || !pids->len)
			return TRUE;
		dh_autofd int pidfd =
			(int)syscall(SYS_pidfd_open, g_array_index(pids, pid_t, pids->len - 1), 0);
		struct pollfd p = {.fd = pidfd, .events = POLLIN};
		if (pidfd >= 0)
			(void)poll(&p, 1, 100);
	}
	return dh_error(error, DH_ERROR_SYSTEM, "processes of cgroup %s do not end", path);
}

/* Who is frozen on v1 dies when it is thawed; on v2 at once. */
static void thaw_v1(const CgHost *host, const char *rel)
{
	int i = cg_find(CG_FREEZER);
	g_autofree char *file = g_strdup_printf("%s/freezer.state", rel);
	if (i >= 0 && !host->h[i].v2)
		(void)dh_write_kernel_file(host->h[i].fd, file, "THAWED");
}

gboolean rt_cgroup_kill(const char *path, GError **error)
{
	const char *rel = cg_relative(path, error);
	if (!rel)
		return FALSE;
	const CgHost *host = cg_host();
	if (host->has_v2) {
		g_autofree char *file = g_strdup_printf("%s/cgroup.kill", rel);
		if (dh_write_kernel_file(host->h[0].fd, file, "1") == 0) {
			thaw_v1(host, rel);
			return TRUE;
		}
		/* Not there: an old kernel, or no group (then there is nobody to kill). */
		if (errno == ENOENT && faccessat(host->h[0].fd, rel, F_OK, 0) < 0 &&
			host->mode == RT_CGROUP_V2)
			return TRUE;
	}
	return kill_by_hand(path, error);
}

/* ---- remove ---- */

/* Children first. 0, or -1 with errno. */
static int remove_below(int parent, const char *rel, guint depth)
{
	if (unlinkat(parent, rel, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENODEV)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -1;
	int fd = openat(parent, rel, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int saved = errno;
		dh_close(&fd);
		errno = saved;
		return saved == ENOENT ? 0 : -1;
	}
	struct dirent *e;
	while (depth < 64 && (e = readdir(dir))) {
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			(void)remove_below(dirfd(dir), e->d_name, depth + 1);
	}
	closedir(dir);
	return unlinkat(parent, rel, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/* A group whose last process is just being reaped is busy for another moment: waits for exactly
 * that, through cgroup.events or the processes' pidfds. FALSE: nothing to wait for, or too long. */
static gboolean wait_emptying(const char *path, const CgHierarchy *h, const char *rel, int64_t end)
{
	int left = (int)(end - now_msec());
	if (left <= 0)
		return FALSE;
	if (h->v2) {
		dh_autofd int fd = openat(h->fd, rel, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return fd >= 0 && wait_event(fd, "populated", 0, left);
	}
	g_autoptr(GArray) pids = rt_cgroup_pids(path, NULL);
	if (pids && pids->len) {
		dh_autofd int pidfd =
			(int)syscall(SYS_pidfd_open, g_array_index(pids, pid_t, 0), 0);
		struct pollfd p = {.fd = pidfd, .events = POLLIN};
		return pidfd < 0 || poll(&p, 1, left) > 0;
	}
	/* Dead already, not yet out of the group: the kernel has no event for this on v1. */
	struct timespec pause = {.tv_nsec = 200 * 1000};
	(void)nanosleep(&pause, NULL);
	return TRUE;
}

static gboolean remove_within(const char *path, int msec, GError **error)
{
	const char *rel = cg_relative(path, error);
	if (!rel)
		return FALSE;
	const CgHost *host = cg_host();
	int64_t end = now_msec() + msec;
	gboolean ok = TRUE;
	for (guint i = 0; i < host->n; i++) {
		const CgHierarchy *h = &host->h[i];
		while (remove_below(h->fd, rel, 0) < 0) {
			int saved = errno;
			if (saved == EBUSY && wait_emptying(path, h, rel, end))
				continue;
			if (ok)
				ok = rt_error_errno(error, saved, "rmdir %s/%s", h->where, rel);
			break;
		}
	}
	for (guint i = 0; i < host->n_other; i++)
		(void)remove_below(host->other[i], rel, 0);
	return ok;
}

gboolean rt_cgroup_remove(const char *path, GError **error)
{
	return remove_within(path, REMOVE_MSEC, error);
}

gboolean rt_cgroup_end(const char *path, GError **error)
{
	return rt_cgroup_kill(path, error) && remove_within(path, END_MSEC, error);
}

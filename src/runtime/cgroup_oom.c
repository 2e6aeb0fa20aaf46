/* SPDX-License-Identifier: MIT */
/* Being told that a group has run out of memory: inotify on v2's memory.events, an eventfd on v1.
 */
#include "base/fd.h"
#include "runtime/cgroup_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

static int watch_v2(const CgGroup *g)
{
	dh_autofd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int i = cg_find(CG_MEMORY);
	g_autofree char *path =
		g_build_filename(g->host->h[i].where, g->rel, "memory.events", NULL);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY) < 0)
		return -1;
	return dh_steal_fd(&fd);
}

static int watch_v1(const CgGroup *g)
{
	int dir = cg_group_fd(g, CG_MEMORY, NULL);
	dh_autofd int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	dh_autofd int control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	char line[32];
	snprintf(line, sizeof line, "%d %d", event, control);
	if (event < 0 || control < 0 || !cg_write(g, CG_MEMORY, "cgroup.event_control", line, NULL))
		return -1;
	return dh_steal_fd(&event);
}

int rt_cgroup_oom_watch(const char *path)
{
	const char *rel = cg_relative(path, NULL);
	if (!rel)
		return -1;
	g_auto(CgGroup) g = {0};
	cg_group_open(&g, rel);
	gboolean v2;
	if (cg_group_fd(&g, CG_MEMORY, &v2) < 0)
		return -1;
	return v2 ? watch_v2(&g) : watch_v1(&g);
}

gboolean rt_cgroup_oom_taken(int fd)
{
	char buf[4096];
	ssize_t n;
	gboolean sure = FALSE;
	/* Events of inotify, which are longer, or v1's counter. */
	while ((n = read(fd, buf, sizeof buf)) > 0)
		sure |= n == sizeof(uint64_t);
	return sure;
}

/* SPDX-License-Identifier: MIT */
/*
 * oom.c - that the container runs out of memory is told as it happens, which need not be its end:
 * the kernel kills one process. Only a container with a limit of its own is watched; for the others
 * there is the count at the end.
 */
#include "shim/shim.h"

#include "base/fd.h"
#include "runtime/cgroup.h"

#include <sys/epoll.h>

static void tell(Shim *sh)
{
	ShimEvent ev = {.event = (char *)"oom"};
	sh->oom_told = TRUE;
	control_event(sh, &ev);
}

static void ready(void *owner, uint32_t events)
{
	Shim *sh = owner;
	(void)events;
	gboolean sure = rt_cgroup_oom_taken(sh->oom_fd);
	int64_t kills = rt_cgroup_oom_kills(sh->config->oci->linux_->cgroups_path);
	gboolean more = kills > sh->oom_kills;
	sh->oom_kills = MAX(kills, sh->oom_kills);
	/* v1 tells before it kills, v2 afterwards, and other things besides. */
	if (sure || more)
		tell(sh);
}

void oom_watch(Shim *sh, const OciResources *r)
{
	if (sh->oom_fd >= 0 || !r || !r->memory || r->memory->limit <= 0)
		return;
	sh->oom_fd = rt_cgroup_oom_watch(sh->config->oci->linux_->cgroups_path);
	if (sh->oom_fd >= 0)
		sh->oom_source = loop_add(sh->loop, sh->oom_fd, EPOLLIN, ready, sh);
}

void oom_end(Shim *sh)
{
	const char *cgroup = sh->config->oci->linux_->cgroups_path;
	/* A group that goes away wakes its watchers, too. */
	if (sh->oom_source)
		loop_remove(g_steal_pointer(&sh->oom_source));
	dh_close(&sh->oom_fd);
	int64_t kills = cgroup && *cgroup ? rt_cgroup_oom_kills(cgroup) : 0;
	sh->main->exit.oom_killed = kills > 0;
	if (kills > 0 && !sh->oom_told)
		tell(sh);
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "runtime/cgroup_priv.h"

#include <string.h>

enum { SHARES_MIN = 2, SHARES_MAX = 262144 };

static gboolean cpu_asked(const OciResources *r)
{
	const OciCpu *c = r->cpu;
	return c && (c->shares || c->quota || c->period || c->realtime_runtime ||
			    c->realtime_period || c->idle || c->burst);
}

static gboolean given(const char *s)
{
	return s && *s;
}

static gboolean cpuset_asked(const OciResources *r)
{
	return r->cpu && (given(r->cpu->cpus) || given(r->cpu->mems));
}

static gboolean memory_asked(const OciResources *r)
{
	const OciMemory *m = r->memory;
	return m && (m->limit || m->reservation || m->swap || m->swappiness >= 0 ||
			    m->disable_oom_killer > 0);
}

static gboolean pids_asked(const OciResources *r)
{
	return r->pids && r->pids->limit;
}

static gboolean filled(const GPtrArray *list)
{
	return list && list->len;
}

static gboolean blkio_asked(const OciResources *r)
{
	const OciBlkio *b = r->block_io;
	return b && (b->weight || filled(b->weight_device) || filled(b->throttle_read_bps) ||
			    filled(b->throttle_write_bps) || filled(b->throttle_read_iops) ||
			    filled(b->throttle_write_iops));
}

static gboolean hugetlb_asked(const OciResources *r)
{
	return filled(r->hugepage_limits);
}

static gboolean rdma_asked(const OciResources *r)
{
	return r->rdma && g_hash_table_size(r->rdma);
}

static gboolean net_cls_asked(const OciResources *r)
{
	return r->network && r->network->class_id;
}

static gboolean net_prio_asked(const OciResources *r)
{
	return r->network && filled(r->network->priorities);
}

static gboolean devices_asked(const OciResources *r)
{
	return filled(r->devices);
}

static gboolean set_cpuset(const CgGroup *g, const OciResources *r, GError **error)
{
	return (!given(r->cpu->cpus) ||
		       cg_write(g, CG_CPUSET, "cpuset.cpus", r->cpu->cpus, error)) &&
	       (!given(r->cpu->mems) || cg_write(g, CG_CPUSET, "cpuset.mems", r->cpu->mems, error));
}

static gboolean set_pids(const CgGroup *g, const OciResources *r, GError **error)
{
	return r->pids->limit < 0 ? cg_write(g, CG_PIDS, "pids.max", "max", error)
				  : cg_write_int(g, CG_PIDS, "pids.max", r->pids->limit, error);
}

/* The kernel would clamp them without a word. */
static gboolean check_shares(const OciCpu *c, GError **error)
{
	if (!c || !c->shares)
		return TRUE;
	if (c->shares < SHARES_MIN)
		return dh_error(error, DH_ERROR_INVALID, "the minimum allowed cpu-shares is %d",
			SHARES_MIN);
	if (c->shares > SHARES_MAX)
		return dh_error(error, DH_ERROR_INVALID, "the maximum allowed cpu-shares is %d",
			SHARES_MAX);
	return TRUE;
}

typedef gboolean (*Apply)(const CgGroup *g, const OciResources *r, GError **error);

static const struct {
	unsigned controller;
	gboolean (*asked)(const OciResources *r);
	Apply v1, v2;
} areas[] = {
	{CG_DEVICES, devices_asked, cg_v1_devices, cg_v2_devices},
	{CG_MEMORY, memory_asked, cg_v1_memory, cg_v2_memory},
	{CG_CPU, cpu_asked, cg_v1_cpu, cg_v2_cpu},
	{CG_CPUSET, cpuset_asked, set_cpuset, set_cpuset},
	{CG_PIDS, pids_asked, set_pids, set_pids},
	{CG_BLKIO, blkio_asked, cg_v1_blkio, cg_v2_io},
	{CG_HUGETLB, hugetlb_asked, cg_hugetlb, cg_hugetlb},
	{CG_RDMA, rdma_asked, cg_rdma, cg_rdma},
	{CG_NET_CLS, net_cls_asked, cg_net_cls, cg_net_cls},
	{CG_NET_PRIO, net_prio_asked, cg_net_prio, cg_net_prio},
};

unsigned cg_controllers_asked(const OciResources *r)
{
	unsigned bits = 0;
	for (guint i = 0; r && i < G_N_ELEMENTS(areas); i++)
		bits |= areas[i].asked(r) ? areas[i].controller : 0;
	return bits;
}

static gboolean set_unified(const CgGroup *g, GHashTable *unified, GError **error)
{
	GHashTableIter it;
	gpointer file, value;
	g_hash_table_iter_init(&it, unified);
	while (g_hash_table_iter_next(&it, &file, &value)) {
		if (strchr(file, '/') || *(char *)file == '.')
			return dh_error(error, DH_ERROR_INVALID,
				"unified resource \"%s\" must be a file name without any slashes",
				(char *)file);
		if (!g->host->has_v2 || g->fd[0] < 0)
			return dh_error(error, DH_ERROR_SYSTEM,
				"unified resource \"%s\" needs cgroup v2", (char *)file);
		if (!cg_write_at(g, 0, file, value, error))
			return FALSE;
	}
	return TRUE;
}

gboolean cg_apply(const CgGroup *g, const OciResources *r, GError **error)
{
	if (!check_shares(r->cpu, error))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(areas); i++) {
		if (!areas[i].asked(r))
			continue;
		unsigned controller = areas[i].controller;
		gboolean v2;
		int fd = cg_group_fd(g, controller, &v2);
		gboolean there = fd >= 0 && (!v2 || controller == CG_DEVICES ||
						    (g->v2_controllers & controller));
		if (!there)
			return dh_error(error, DH_ERROR_SYSTEM,
				"cannot set a %s limit: the %s cgroup controller is not available",
				cg_controller_name(controller), cg_controller_name(controller));
		if (!(v2 ? areas[i].v2 : areas[i].v1)(g, r, error))
			return FALSE;
	}
	return !r->unified || set_unified(g, r->unified, error);
}

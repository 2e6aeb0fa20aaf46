/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "runtime/cgroup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Writes value unless it is 0 ("not given"). */
static gboolean opt(
	const CgGroup *g, unsigned controller, const char *file, int64_t value, GError **error)
{
	return !value || cg_write_int(g, controller, file, value, error);
}

gboolean cg_v1_cpu(const CgGroup *g, const OciResources *r, GError **error)
{
	const OciCpu *c = r->cpu;
	if (!opt(g, CG_CPU, "cpu.shares", c->shares, error))
		return FALSE;
	/* The kernel checks each write against the other value as it stands: when the new period
	 * does not go with the old quota, the quota goes first. */
	if (c->period) {
		g_autoptr(GError) first = NULL;
		if (!cg_write_int(g, CG_CPU, "cpu.cfs_period_us", c->period, &first)) {
			if (!c->quota) {
				g_propagate_error(error, g_steal_pointer(&first));
				return FALSE;
			}
			if (!cg_write_int(g, CG_CPU, "cpu.cfs_quota_us", c->quota, error) ||
				!cg_write_int(g, CG_CPU, "cpu.cfs_period_us", c->period, error))
				return FALSE;
		}
	}
	return opt(g, CG_CPU, "cpu.cfs_quota_us", c->quota, error) &&
	       opt(g, CG_CPU, "cpu.cfs_burst_us", c->burst, error) &&
	       opt(g, CG_CPU, "cpu.rt_period_us", c->realtime_period, error) &&
	       opt(g, CG_CPU, "cpu.rt_runtime_us", c->realtime_runtime, error) &&
	       opt(g, CG_CPU, "cpu.idle", c->idle, error);
}

static gboolean set_limit(const CgGroup *g, int64_t limit, GError **error)
{
	g_autoptr(GError) first = NULL;
	if (cg_write_int(g, CG_MEMORY, "memory.limit_in_bytes", limit, &first))
		return TRUE;
	int fd = cg_group_fd(g, CG_MEMORY, NULL);
	uint64_t usage = cg_read_u64(fd, "memory.usage_in_bytes", 0);
	if (limit > 0 && usage > (uint64_t)limit)
		return dh_error(error, DH_ERROR_SYSTEM,
			"unable to set memory limit to %" G_GINT64_FORMAT
			" (current usage: %" G_GUINT64_FORMAT ", peak usage: %" G_GUINT64_FORMAT
			")",
			limit, usage, cg_read_u64(fd, "memory.max_usage_in_bytes", 0));
	g_propagate_error(error, g_steal_pointer(&first));
	return FALSE;
}

gboolean cg_v1_memory(const CgGroup *g, const OciResources *r, GError **error)
{
	const OciMemory *m = r->memory;
	static const char memsw[] = "memory.memsw.limit_in_bytes";
	int64_t swap = m->swap;
	/* Unlimited memory under a limited sum of both is refused by the kernel. */
	if (m->limit == -1 && !swap && cg_exists(g, CG_MEMORY, memsw))
		swap = -1;
	/* memsw >= limit must hold at every moment: the one that grows goes first. */
	gboolean swap_first = FALSE;
	if (m->limit && swap) {
		uint64_t current = cg_read_u64(
			cg_group_fd(g, CG_MEMORY, NULL), "memory.limit_in_bytes", UINT64_MAX);
		swap_first = swap == -1 || current < (uint64_t)swap;
		/* A new group stands at "no limit" in both, and then the smaller one goes first. */
	}
	if ((swap_first && !cg_write_int(g, CG_MEMORY, memsw, swap, error)) ||
		(m->limit && !set_limit(g, m->limit, error)) ||
		(!swap_first && !opt(g, CG_MEMORY, memsw, swap, error)) ||
		!opt(g, CG_MEMORY, "memory.soft_limit_in_bytes", m->reservation, error))
		return FALSE;
	if (m->disable_oom_killer > 0 && !cg_write(g, CG_MEMORY, "memory.oom_control", "1", error))
		return FALSE;
	return m->swappiness < 0 ||
	       cg_write_int(g, CG_MEMORY, "memory.swappiness", m->swappiness, error);
}

static int device_line(const OciDeviceRule *d, char *buf, size_t size)
{
	char major[24] = "*", minor[24] = "*";
	if (d->major >= 0)
		snprintf(major, sizeof major, "%" G_GINT64_FORMAT, d->major);
	if (d->minor >= 0)
		snprintf(minor, sizeof minor, "%" G_GINT64_FORMAT, d->minor);
	const char *type = d->type && *d->type ? d->type : "a";
	return snprintf(buf, size, "%.1s %s:%s %.8s", type, major, minor,
		d->access && *d->access ? d->access : "rwm");
}

gboolean cg_v1_devices(const CgGroup *g, const OciResources *r, GError **error)
{
	int dirfd = cg_group_fd(g, CG_DEVICES, NULL);
	dh_autofd int allow = openat(dirfd, "devices.allow", O_WRONLY | O_CLOEXEC);
	dh_autofd int deny = openat(dirfd, "devices.deny", O_WRONLY | O_CLOEXEC);
	if (allow < 0 || deny < 0)
		return rt_error_errno(error, errno, "open %s/%s/devices.allow",
			g->host->h[cg_find(CG_DEVICES)].where, g->rel);
	for (guint i = 0; i < r->devices->len; i++) {
		const OciDeviceRule *d = r->devices->pdata[i];
		char line[80];
		int n = device_line(d, line, sizeof line);
		if (write(d->allow ? allow : deny, line, (size_t)n) < 0)
			return rt_error_errno(error, errno,
				"failed to write \"%s\" to \"%s/%s/devices.%s\"", line,
				g->host->h[cg_find(CG_DEVICES)].where, g->rel,
				d->allow ? "allow" : "deny");
	}
	return TRUE;
}

static gboolean each_device(
	const CgGroup *g, const GPtrArray *list, const char *file, gboolean weight, GError **error)
{
	for (guint i = 0; list && i < list->len; i++) {
		const OciBlkioDevice *d = list->pdata[i];
		char line[96];
		snprintf(line, sizeof line,
			"%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT " %" G_GINT64_FORMAT, d->major,
			d->minor, weight ? d->weight : d->rate);
		if (!cg_write(g, CG_BLKIO, file, line, error))
			return FALSE;
	}
	return TRUE;
}

gboolean cg_v1_blkio(const CgGroup *g, const OciResources *r, GError **error)
{
	const OciBlkio *b = r->block_io;
	/* The files carry the scheduler's name since the old one (CFQ) is gone. */
	gboolean bfq = !cg_exists(g, CG_BLKIO, "blkio.weight");
	const char *weight = bfq ? "blkio.bfq.weight" : "blkio.weight";
	const char *weight_device = bfq ? "blkio.bfq.weight_device" : "blkio.weight_device";
	return opt(g, CG_BLKIO, weight, b->weight, error) &&
	       each_device(g, b->weight_device, weight_device, TRUE, error) &&
	       each_device(
		       g, b->throttle_read_bps, "blkio.throttle.read_bps_device", FALSE, error) &&
	       each_device(
		       g, b->throttle_write_bps, "blkio.throttle.write_bps_device", FALSE, error) &&
	       each_device(
		       g, b->throttle_read_iops, "blkio.throttle.read_iops_device", FALSE, error) &&
	       each_device(
		       g, b->throttle_write_iops, "blkio.throttle.write_iops_device", FALSE, error);
}

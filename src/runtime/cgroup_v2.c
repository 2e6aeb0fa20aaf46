/* SPDX-License-Identifier: MIT */
/*
 * The same limits in v2's words. Ranges differ: shares 2..262144 become a weight 1..10000, block
 * weights 10..1000 become 1..10000; swap is counted alone instead of together with memory.
 */
#include "base/error.h"
#include "runtime/cgroup_priv.h"

#include <stdio.h>
#include <string.h>

/* One file for both: a period alone leaves the quota as it stands. */
static gboolean set_max(const CgGroup *g, const OciCpu *c, GError **error)
{
	g_autofree char *now = c->quota ? NULL : cg_read(cg_group_fd(g, CG_CPU, NULL), "cpu.max");
	char text[64] = "max";
	if (c->quota > 0)
		snprintf(text, sizeof text, "%" G_GINT64_FORMAT, c->quota);
	else if (now)
		snprintf(text, sizeof text, "%.*s", (int)MIN(strcspn(now, " "), 24), now);
	if (c->period)
		snprintf(text + strlen(text), sizeof text - strlen(text), " %" G_GINT64_FORMAT,
			c->period);
	return cg_write(g, CG_CPU, "cpu.max", text, error);
}

gboolean cg_v2_cpu(const CgGroup *g, const OciResources *r, GError **error)
{
	const OciCpu *c = r->cpu;
	if (c->realtime_runtime || c->realtime_period)
		return dh_error(
			error, DH_ERROR_SYSTEM, "realtime CPU limits do not exist on cgroup v2");
	if (c->shares) {
		int64_t shares = CLAMP(c->shares, 2, 262144);
		if (!cg_write_int(g, CG_CPU, "cpu.weight", 1 + (shares - 2) * 9999 / 262142, error))
			return FALSE;
	}
	if ((c->quota || c->period) && !set_max(g, c, error))
		return FALSE;
	if (c->burst && !cg_write_int(g, CG_CPU, "cpu.max.burst", c->burst, error))
		return FALSE;
	return !c->idle || cg_write_int(g, CG_CPU, "cpu.idle", c->idle, error);
}

static gboolean bytes(const CgGroup *g, const char *file, int64_t value, GError **error)
{
	return value < 0 ? cg_write(g, CG_MEMORY, file, "max", error)
			 : cg_write_int(g, CG_MEMORY, file, value, error);
}

/* Here the kernel does not refuse a limit below what is used, as v1 does: it would kill. So first
 * what can be taken back is, and then we refuse. */
static gboolean make_room(const CgGroup *g, int64_t limit, GError **error)
{
	int fd = cg_group_fd(g, CG_MEMORY, NULL);
	uint64_t usage = cg_read_u64(fd, "memory.current", 0);
	if (limit <= 0 || usage <= (uint64_t)limit)
		return TRUE;
	(void)cg_write_int(
		g, CG_MEMORY, "memory.reclaim", (int64_t)(usage - (uint64_t)limit), NULL);
	usage = cg_read_u64(fd, "memory.current", 0);
	if (usage <= (uint64_t)limit)
		return TRUE;
	return dh_error(error, DH_ERROR_SYSTEM,
		"unable to set memory limit to %" G_GINT64_FORMAT
		" (current usage: %" G_GUINT64_FORMAT ", peak usage: %" G_GUINT64_FORMAT ")",
		limit, usage, cg_read_u64(fd, "memory.peak", usage));
}

gboolean cg_v2_memory(const CgGroup *g, const OciResources *r, GError **error)
{
	const OciMemory *m = r->memory;
	int64_t swap = m->swap;
	if (m->limit == -1 && !swap)
		swap = -1;
	if (!make_room(g, m->limit, error))
		return FALSE;
	if (swap > 0) {
		if (m->limit <= 0)
			return dh_error(error, DH_ERROR_INVALID,
				"unable to set swap limit without memory limit");
		if (swap < m->limit)
			return dh_error(error, DH_ERROR_INVALID,
				"memory+swap limit should be >= memory limit");
		swap -= m->limit;
		if (!bytes(g, "memory.swap.max", swap, error))
			return FALSE;
	} else if (swap < 0 && cg_exists(g, CG_MEMORY, "memory.swap.max") &&
		   !bytes(g, "memory.swap.max", -1, error)) {
		return FALSE;
	}
	/* Neither swappiness nor a disabled OOM killer exists here; Docker warns and goes on. */
	return (!m->limit || bytes(g, "memory.max", m->limit, error)) &&
	       (!m->reservation || bytes(g, "memory.low", m->reservation, error));
}

static gboolean io_max(const CgGroup *g, const GPtrArray *list, const char *key, GError **error)
{
	for (guint i = 0; list && i < list->len; i++) {
		const OciBlkioDevice *d = list->pdata[i];
		char line[96];
		if (d->rate > 0)
			snprintf(line, sizeof line,
				"%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT " %s=%" G_GINT64_FORMAT,
				d->major, d->minor, key, d->rate);
		else
			snprintf(line, sizeof line,
				"%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT " %s=max", d->major,
				d->minor, key);
		if (!cg_write(g, CG_BLKIO, "io.max", line, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean io_weight(const CgGroup *g, const OciBlkio *b, GError **error)
{
	gboolean bfq = cg_exists(g, CG_BLKIO, "io.bfq.weight");
	const char *file = bfq ? "io.bfq.weight" : "io.weight";
	char line[96];
	if (b->weight) {
		int64_t w = CLAMP(b->weight, 10, 1000);
		snprintf(line, sizeof line, "%" G_GINT64_FORMAT,
			bfq ? w : 1 + (w - 10) * 9999 / 990);
		if (!cg_write(g, CG_BLKIO, file, line, error))
			return FALSE;
	}
	for (guint i = 0; b->weight_device && i < b->weight_device->len; i++) {
		const OciBlkioDevice *d = b->weight_device->pdata[i];
		int64_t w = CLAMP(d->weight, 10, 1000);
		snprintf(line, sizeof line,
			"%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT " %" G_GINT64_FORMAT, d->major,
			d->minor, bfq ? w : 1 + (w - 10) * 9999 / 990);
		if (!cg_write(g, CG_BLKIO, file, line, error))
			return FALSE;
	}
	return TRUE;
}

gboolean cg_v2_io(const CgGroup *g, const OciResources *r, GError **error)
{
	const OciBlkio *b = r->block_io;
	return io_weight(g, b, error) && io_max(g, b->throttle_read_bps, "rbps", error) &&
	       io_max(g, b->throttle_write_bps, "wbps", error) &&
	       io_max(g, b->throttle_read_iops, "riops", error) &&
	       io_max(g, b->throttle_write_iops, "wiops", error);
}

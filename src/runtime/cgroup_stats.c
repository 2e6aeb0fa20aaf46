/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "runtime/cgroup_priv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Calls for each "key value" line. */
#define EACH_LINE(line, text)                                                                      \
	for (char *save_ = NULL, *line = strtok_r(text, "\n", &save_); line;                       \
		line = strtok_r(NULL, "\n", &save_))

static uint64_t key(int fd, const char *file, const char *name)
{
	int64_t v = cg_read_key(fd, file, name);
	return v < 0 ? 0 : (uint64_t)v;
}

static void cpu_v2(int fd, RtStats *s)
{
	s->cpu_total = key(fd, "cpu.stat", "usage_usec") * 1000;
	s->cpu_user = key(fd, "cpu.stat", "user_usec") * 1000;
	s->cpu_system = key(fd, "cpu.stat", "system_usec") * 1000;
}

static void cpu_v1(int fd, RtStats *s)
{
	s->cpu_total = cg_read_u64(fd, "cpuacct.usage", 0);
	uint64_t tick = 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	s->cpu_user = cg_read_u64(fd, "cpuacct.usage_user", key(fd, "cpuacct.stat", "user") * tick);
	s->cpu_system =
		cg_read_u64(fd, "cpuacct.usage_sys", key(fd, "cpuacct.stat", "system") * tick);
	g_autofree char *text = cg_read(fd, "cpuacct.usage_percpu");
	if (!text)
		return;
	s->cpu_per = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	for (char *p = text, *end;; p = end) {
		uint64_t v = g_ascii_strtoull(p, &end, 10);
		if (end == p)
			break;
		g_array_append_val(s->cpu_per, v);
	}
}

static void throttling(int fd, gboolean v2, RtStats *s)
{
	s->periods = key(fd, "cpu.stat", "nr_periods");
	s->throttled_periods = key(fd, "cpu.stat", "nr_throttled");
	s->throttled_time = v2 ? key(fd, "cpu.stat", "throttled_usec") * 1000
			       : key(fd, "cpu.stat", "throttled_time");
}

static void memory(int fd, gboolean v2, RtStats *s)
{
	s->memory_usage = cg_read_u64(fd, v2 ? "memory.current" : "memory.usage_in_bytes", 0);
	s->memory_max_usage = cg_read_u64(fd, v2 ? "memory.peak" : "memory.max_usage_in_bytes", 0);
	s->memory_limit = cg_read_u64(fd, v2 ? "memory.max" : "memory.limit_in_bytes", 0);
	s->memory_failcnt =
		v2 ? key(fd, "memory.events", "max") : cg_read_u64(fd, "memory.failcnt", 0);
	g_autofree char *text = cg_read(fd, "memory.stat");
	if (!text)
		return;
	EACH_LINE(line, text)
	{
		char *space = strchr(line, ' ');
		if (!space)
			continue;
		*space = '\0';
		uint64_t *value = g_new(uint64_t, 1);
		*value = g_ascii_strtoull(space + 1, NULL, 10);
		g_hash_table_replace(s->memory_stat, g_strdup(line), value);
	}
}

static void add_blkio(GArray *to, uint64_t major, uint64_t minor, const char *op, uint64_t value)
{
	RtBlkioStat b = {.major = major, .minor = minor, .value = value};
	g_strlcpy(b.op, op, sizeof b.op);
	g_array_append_val(to, b);
}

/* "8:0 Read 4096" and at the end "Total 4096". */
static void blkio_v1(int fd, const char *file, GArray *to)
{
	g_autofree char *text = cg_read(fd, file);
	if (!text)
		return;
	EACH_LINE(line, text)
	{
		unsigned long long major, minor, value;
		char op[16];
		if (sscanf(line, "%llu:%llu %15s %llu", &major, &minor, op, &value) == 4)
			add_blkio(to, major, minor, op, value);
	}
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static void blkio_v2(int fd, RtStats *s)
{
	static const struct {
		const char *key, *op;
		gboolean ops;
	} keys[] = {
		{"rbytes=", "Read", FALSE},
		{"wbytes=", "Write", FALSE},
		{"dbytes=", "Discard", FALSE},
		{"rios=", "Read", TRUE},
		{"wios=", "Write", TRUE},
		{"dios=", "Discard", TRUE},
	};
	g_autofree char *text = cg_read(fd, "io.stat");
	if (!text)
		return;
	EACH_LINE(line, text)
	{
		unsigned long long major, minor;
		if (sscanf(line, "%llu:%llu", &major, &minor) != 2)
			continue;
		for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
			const char *at = strstr(line, keys[i].key);
			if (at)
				add_blkio(keys[i].ops ? s->blkio_ops : s->blkio_bytes, major, minor,
					keys[i].op,
					g_ascii_strtoull(at + strlen(keys[i].key), NULL, 10));
		}
	}
}

gboolean rt_cgroup_stats(const char *path, RtStats *ret, GError **error)
{
	const char *rel = cg_relative(path, error);
	if (!rel)
		return FALSE;
	g_auto(CgGroup) g = {0};
	cg_group_open(&g, rel);
	gboolean any = FALSE;
	for (guint i = 0; i < g.host->n; i++)
		any = any || g.fd[i] >= 0;
	if (!any)
		return dh_error(error, DH_ERROR_NOT_FOUND, "cgroup %s does not exist", path);

	memset(ret, 0, sizeof *ret);
	ret->memory_stat = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	ret->blkio_bytes = g_array_new(FALSE, FALSE, sizeof(RtBlkioStat));
	ret->blkio_ops = g_array_new(FALSE, FALSE, sizeof(RtBlkioStat));
	gboolean v2;
	int fd = cg_group_fd(&g, CG_CPUACCT, &v2);
	if (fd >= 0)
		(v2 ? cpu_v2 : cpu_v1)(fd, ret);
	fd = cg_group_fd(&g, CG_CPU, &v2);
	if (fd >= 0)
		throttling(fd, v2, ret);
	fd = cg_group_fd(&g, CG_MEMORY, &v2);
	if (fd >= 0)
		memory(fd, v2, ret);
	fd = cg_group_fd(&g, CG_PIDS, NULL);
	if (fd >= 0) {
		ret->pids_current = cg_read_u64(fd, "pids.current", 0);
		uint64_t limit = cg_read_u64(fd, "pids.max", UINT64_MAX);
		ret->pids_limit = limit == UINT64_MAX ? 0 : limit;
	}
	fd = cg_group_fd(&g, CG_BLKIO, &v2);
	if (fd >= 0 && v2) {
		blkio_v2(fd, ret);
	} else if (fd >= 0) {
		blkio_v1(fd, "blkio.throttle.io_service_bytes_recursive", ret->blkio_bytes);
		blkio_v1(fd, "blkio.throttle.io_serviced_recursive", ret->blkio_ops);
	}
	return TRUE;
}

void rt_stats_clear(RtStats *s)
{
	g_clear_pointer(&s->cpu_per, g_array_unref);
	g_clear_pointer(&s->memory_stat, g_hash_table_unref);
	g_clear_pointer(&s->blkio_bytes, g_array_unref);
	g_clear_pointer(&s->blkio_ops, g_array_unref);
}

int64_t rt_cgroup_oom_kills(const char *path)
{
	const char *rel = cg_relative(path, NULL);
	if (!rel)
		return -1;
	g_auto(CgGroup) g = {0};
	cg_group_open(&g, rel);
	gboolean v2;
	int fd = cg_group_fd(&g, CG_MEMORY, &v2);
	return fd < 0 ? -1
		      : cg_read_key(fd, v2 ? "memory.events" : "memory.oom_control", "oom_kill");
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/timefmt.h"
#include "container/observe.h"
#include "container/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROC_FILE_MAX (256 * 1024)

static json_t *number(uint64_t v)
{
	/* JSON numbers of jansson are signed; "no limit" of the kernel is near 2^63 at most. */
	return json_integer((json_int_t)MIN(v, (uint64_t)G_MAXINT64));
}

/* All CPU time of the host so far, in ns: what the container's share is computed against. */
static uint64_t system_cpu(void)
{
	g_autofree char *text = dh_read_file(-1, "/proc/stat", PROC_FILE_MAX, NULL, NULL);
	if (!text || !g_str_has_prefix(text, "cpu "))
		return 0;
	uint64_t ticks = 0;
	char *p = text + 4;
	for (int i = 0; i < 7; i++)
		ticks += strtoull(p, &p, 10);
	return ticks * ((uint64_t)DH_NSEC / (uint64_t)sysconf(_SC_CLK_TCK));
}

static json_t *cpu_stats(const RtStats *s)
{
	json_t *usage = json_object();
	json_object_set_new(usage, "total_usage", number(s->cpu_total));
	if (s->cpu_per && s->cpu_per->len > 0) {
		json_t *per = json_array();
		for (guint i = 0; i < s->cpu_per->len; i++)
			json_array_append_new(per, number(g_array_index(s->cpu_per, uint64_t, i)));
		json_object_set_new(usage, "percpu_usage", per);
	}
	json_object_set_new(usage, "usage_in_kernelmode", number(s->cpu_system));
	json_object_set_new(usage, "usage_in_usermode", number(s->cpu_user));
	json_t *throttling = json_object();
	json_object_set_new(throttling, "periods", number(s->periods));
	json_object_set_new(throttling, "throttled_periods", number(s->throttled_periods));
	json_object_set_new(throttling, "throttled_time", number(s->throttled_time));
	json_t *out = json_object();
	json_object_set_new(out, "cpu_usage", usage);
	json_object_set_new(out, "system_cpu_usage", number(system_cpu()));
	json_object_set_new(out, "online_cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_set_new(out, "throttling_data", throttling);
	return out;
}

static json_t *no_cpu_stats(void)
{
	return json_pack("{s:{s:i,s:i,s:i},s:{s:i,s:i,s:i}}", "cpu_usage", "total_usage", 0,
		"usage_in_kernelmode", 0, "usage_in_usermode", 0, "throttling_data", "periods", 0,
		"throttled_periods", 0, "throttled_time", 0);
}

static json_t *memory_stats(const RtStats *s)
{
	json_t *out = json_object();
	uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	json_object_set_new(out, "usage", number(s->memory_usage));
	if (s->memory_max_usage)
		json_object_set_new(out, "max_usage", number(s->memory_max_usage));
	json_t *stats = json_object();
	if (s->memory_stat) {
		GHashTableIter it;
		gpointer key, value;
		g_hash_table_iter_init(&it, s->memory_stat);
		while (g_hash_table_iter_next(&it, &key, &value))
			json_object_set_new(stats, key, number(*(uint64_t *)value));
	}
	json_object_set_new(out, "stats", stats);
	if (s->memory_failcnt)
		json_object_set_new(out, "failcnt", number(s->memory_failcnt));
	uint64_t limit = s->memory_limit;
	json_object_set_new(out, "limit", number(limit == 0 || limit > host ? host : limit));
	return out;
}

static json_t *blkio_list(GArray *list)
{
	if (!list || list->len == 0)
		return json_null();
	json_t *out = json_array();
	for (guint i = 0; i < list->len; i++) {
		const RtBlkioStat *b = &g_array_index(list, RtBlkioStat, i);
		json_t *o = json_object();
		json_object_set_new(o, "major", number(b->major));
		json_object_set_new(o, "minor", number(b->minor));
		json_object_set_new(o, "op", json_string(b->op));
		json_object_set_new(o, "value", number(b->value));
		json_array_append_new(out, o);
	}
	return out;
}

static json_t *blkio_stats(const RtStats *s)
{
	static const char *const unknown[] = {"io_queue_recursive", "io_service_time_recursive",
		"io_wait_time_recursive", "io_merged_recursive", "io_time_recursive",
		"sectors_recursive"};
	json_t *out = json_object();
	json_object_set_new(
		out, "io_service_bytes_recursive", s ? blkio_list(s->blkio_bytes) : json_null());
	json_object_set_new(
		out, "io_serviced_recursive", s ? blkio_list(s->blkio_ops) : json_null());
	for (guint i = 0; i < G_N_ELEMENTS(unknown); i++)
		json_object_set_new(out, unknown[i], json_null());
	return out;
}

/* The interfaces of the container's network namespace, as its PID 1 sees them; NULL: none. */
static json_t *networks(int64_t pid)
{
	static const char *const names[] = {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
		NULL, NULL, NULL, NULL, "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};
	g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/net/dev", pid);
	g_autofree char *text = dh_read_file(-1, path, PROC_FILE_MAX, NULL, NULL);
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
	json_t *out = NULL;
	for (guint i = 2; i < g_strv_length(lines); i++) {
		char *colon = strchr(lines[i], ':');
		if (!colon)
			continue;
		*colon = '\0';
		const char *name = g_strstrip(lines[i]);
		if (strcmp(name, "lo") == 0)
			continue;
		json_t *o = json_object();
		char *p = colon + 1;
		for (guint k = 0; k < G_N_ELEMENTS(names); k++) {
			uint64_t v = strtoull(p, &p, 10);
			if (names[k])
				json_object_set_new(o, names[k], number(v));
		}
		if (!out)
			out = json_object();
		json_object_set_new(out, name, o);
	}
	return out;
}

static json_t *empty_sample(Container *c, const char *name)
{
	g_autofree char *slash = g_strconcat("/", name, NULL);
	return json_pack("{s:s,s:s,s:s,s:s,s:{},s:o,s:i,s:{},s:o,s:o,s:{}}", "name", slash, "id",
		c->id, "read", "0001-01-01T00:00:00Z", "preread", "0001-01-01T00:00:00Z",
		"pids_stats", "blkio_stats", blkio_stats(NULL), "num_procs", 0, "storage_stats",
		"cpu_stats", no_cpu_stats(), "precpu_stats", no_cpu_stats(), "memory_stats");
}

static json_t *pids_stats(const RtStats *s)
{
	json_t *out = json_object();
	if (s->pids_current)
		json_object_set_new(out, "current", number(s->pids_current));
	if (s->pids_limit)
		json_object_set_new(out, "limit", number(s->pids_limit));
	return out;
}

json_t *container_stats(Container *c, json_t *previous, GError **error)
{
	g_autoptr(ContainerSnapshot) snap = container_snapshot(c);
	if (!snap->state.running)
		return empty_sample(c, snap->name);
	RtStats s = {0};
	g_autoptr(GError) local = NULL;
	if (!rt_cgroup_stats(c->cgroup, &s, &local)) {
		/* It has ended, which is not known here yet. */
		if (g_error_matches(local, DH_ERROR, DH_ERROR_NOT_FOUND))
			return empty_sample(c, snap->name);
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	json_t *before = previous ? json_object_get(previous, "cpu_stats") : NULL;
	json_t *before_read = previous ? json_object_get(previous, "read") : NULL;
	g_autofree char *slash = g_strconcat("/", snap->name, NULL);
	char now[36];
	dh_time_format_fixed(dh_time_now(), now);

	json_t *out = json_object();
	json_object_set_new(out, "name", json_string(slash));
	json_object_set_new(out, "id", json_string(c->id));
	json_object_set_new(out, "read", json_string(now));
	json_object_set_new(out, "preread",
		before_read ? json_incref(before_read) : json_string("0001-01-01T00:00:00Z"));
	json_object_set_new(out, "pids_stats", pids_stats(&s));
	json_object_set_new(out, "blkio_stats", blkio_stats(&s));
	json_object_set_new(out, "num_procs", json_integer(0)); /* of Windows */
	json_object_set_new(out, "storage_stats", json_object());
	json_object_set_new(out, "cpu_stats", cpu_stats(&s));
	json_object_set_new(out, "precpu_stats", before ? json_incref(before) : no_cpu_stats());
	json_object_set_new(out, "memory_stats", memory_stats(&s));
	const char *mode = c->host_config->network_mode;
	json_t *net = mode && strcmp(mode, "host") == 0 ? NULL : networks(snap->state.pid);
	if (net)
		json_object_set_new(out, "networks", net);
	rt_stats_clear(&s);
	return out;
}

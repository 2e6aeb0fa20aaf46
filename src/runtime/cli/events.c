/* SPDX-License-Identifier: MIT */
/*
 * events: usage of a container's resources, once or at an interval, and its running out of memory,
 * one JSON object a line with runc's members. The stream ends with the container.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/timefmt.h"
#include "runtime/cgroup.h"
#include "runtime/cli/life.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	gboolean stats;
	int64_t interval;
} Options;

static const OptionSpec options_table[] = {
	{0, "interval", OPT_DURATION, offsetof(Options, interval), "value",
		"set the stats collection interval", "5s"},
	{0, "stats", OPT_BOOL, offsetof(Options, stats), NULL,
		"display the container's stats then exit"},
};

static void set_number(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)MIN(v, (uint64_t)G_MAXINT64)));
}

static json_t *cpu(const RtStats *s)
{
	json_t *usage = json_object(), *throttling = json_object();
	set_number(usage, "total", s->cpu_total);
	if (s->cpu_per) {
		json_t *per = json_array();
		for (guint i = 0; i < s->cpu_per->len; i++)
			json_array_append_new(per,
				json_integer((json_int_t)g_array_index(s->cpu_per, uint64_t, i)));
		json_object_set_new(usage, "percpu", per);
	}
	set_number(usage, "kernel", s->cpu_system);
	set_number(usage, "user", s->cpu_user);
	set_number(throttling, "periods", s->periods);
	set_number(throttling, "throttledPeriods", s->throttled_periods);
	set_number(throttling, "throttledTime", s->throttled_time);
	return json_pack("{s:o, s:o}", "usage", usage, "throttling", throttling);
}

static json_t *memory(const RtStats *s)
{
	json_t *usage = json_object(), *raw = json_object();
	set_number(usage, "limit", s->memory_limit);
	set_number(usage, "usage", s->memory_usage);
	set_number(usage, "max", s->memory_max_usage);
	set_number(usage, "failcnt", s->memory_failcnt);
	GHashTableIter it;
	gpointer key, value;
	g_hash_table_iter_init(&it, s->memory_stat);
	while (g_hash_table_iter_next(&it, &key, &value))
		set_number(raw, key, *(uint64_t *)value);
	json_t *o = json_object();
	const uint64_t *cache = g_hash_table_lookup(s->memory_stat, "cache");
	if (!cache)
		cache = g_hash_table_lookup(s->memory_stat, "file");
	if (cache)
		set_number(o, "cache", *cache);
	json_object_set_new(o, "usage", usage);
	json_object_set_new(o, "raw", raw);
	return o;
}

static json_t *blkio(const GArray *list)
{
	json_t *all = json_array();
	for (guint i = 0; i < list->len; i++) {
		const RtBlkioStat *b = &g_array_index(list, RtBlkioStat, i);
		json_array_append_new(
			all, json_pack("{s:s, s:I, s:I, s:I}", "op", b->op, "major",
				     (json_int_t)b->major, "minor", (json_int_t)b->minor, "value",
				     (json_int_t)b->value));
	}
	return all;
}

static gboolean print_event(const Container *c, const char *type, json_t *data)
{
	g_autoptr(json_t) event = json_pack("{s:s, s:s}", "type", type, "id", c->id);
	if (data)
		json_object_set_new(event, "data", data);
	g_autofree char *text = dh_json_dumps(event, 0);
	return puts(text) >= 0 && fflush(stdout) == 0;
}

static gboolean print_stats(const Container *c, GError **error)
{
	RtStats s;
	if (!rt_cgroup_stats(container_cgroup(c), &s, error))
		return FALSE;
	json_t *pids = json_object();
	set_number(pids, "current", s.pids_current);
	if (s.pids_limit)
		set_number(pids, "limit", s.pids_limit);
	json_t *data = json_pack("{s:o, s:o, s:o, s:{s:o, s:o}, s:{}, s:{}, s:n}", "cpu", cpu(&s),
		"memory", memory(&s), "pids", pids, "blkio", "ioServiceBytesRecursive",
		blkio(s.blkio_bytes), "ioServicedRecursive", blkio(s.blkio_ops), "hugetlb",
		"intel_rdt", "network_interfaces");
	rt_stats_clear(&s);
	return print_event(c, "stats", data) ||
	       dh_error(error, DH_ERROR_SYSTEM, "write to stdout failed");
}

static int stream(const Container *c, int64_t interval, GError **error)
{
	dh_autofd int pidfd = container_pidfd(c);
	dh_autofd int oom = rt_cgroup_oom_watch(container_cgroup(c));
	int64_t kills = rt_cgroup_oom_kills(container_cgroup(c));
	int64_t next = g_get_monotonic_time() + interval / 1000;
	while (pidfd >= 0) {
		struct pollfd f[] = {
			{.fd = pidfd, .events = POLLIN}, {.fd = oom, .events = POLLIN}};
		int64_t left = MAX(next - g_get_monotonic_time(), 0);
		int n = poll(f, G_N_ELEMENTS(f), (int)MIN((left + 999) / 1000, G_MAXINT));
		if (f[1].revents && n > 0)
			rt_cgroup_oom_taken(oom);
		int64_t now_kills = rt_cgroup_oom_kills(container_cgroup(c));
		if (now_kills > kills && !print_event(c, "oom", NULL))
			return 1;
		kills = MAX(kills, now_kills);
		if (f[0].revents && n > 0)
			break;
		if (g_get_monotonic_time() >= next) {
			if (!print_stats(c, error))
				return 1;
			next += interval / 1000;
		}
	}
	return 0;
}

static int events(const Rt *rt, void *options, char **args, GError **error)
{
	const Options *o = options;
	int64_t interval = o->interval ? o->interval : 5 * DH_NSEC;
	g_autoptr(Container) c = container_load(rt, args[0], FALSE, error);
	if (!c)
		return 1;
	if (interval < 0) {
		dh_error(error, DH_ERROR_INVALID, "duration interval must be greater than 0");
		return 1;
	}
	if (container_status(c) == CONTAINER_STOPPED) {
		dh_error(error, DH_ERROR_CONFLICT, "container with id %s is not running", c->id);
		return 1;
	}
	if (!container_needs_cgroup(c, error))
		return 1;
	if (o->stats)
		return print_stats(c, error) ? 0 : 1;
	return stream(c, MAX(interval, DH_NSEC / 1000), error);
}

const RtCommand cmd_events = {
	.name = "events",
	.summary = "display container events such as OOM notifications, cpu, memory, and IO usage "
		   "statistics",
	.description =
		"The events command displays information about the container. By default the\n"
		"information is displayed once every 5 seconds.",
	.min_args = 1,
	.max_args = 1,
	.options = options_table,
	.n_options = G_N_ELEMENTS(options_table),
	.options_size = sizeof(Options),
	.run = events,
};

/* SPDX-License-Identifier: MIT */
/* validate_resources.c - limits: bad values are refused, those that this kernel cannot keep are
 * taken away with a warning. Texts and order are dockerd's. */
#include "container/validate.h"

#include "base/error.h"
#include "base/fs.h"
#include "runtime/cgroup.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	MEMORY_MIN = 512 * 1024,
	KERNEL_MEMORY_MIN = 6 * 1024 * 1024,
	SMALL_FILE = 64 * 1024,
	CPUS_MAX = 8192
};

#define CGROUP "/sys/fs/cgroup/"
#define NO_CGROUP " or the cgroup is not mounted. "

/* ---- what the kernel can do ---- */

typedef enum {
	CAN_MEMORY,
	CAN_SWAP,
	CAN_SWAPPINESS,
	CAN_RESERVATION,
	CAN_OOM_DISABLE,
	CAN_PIDS,
	CAN_SHARES,
	CAN_CFS,
	CAN_REALTIME,
	CAN_CPUSET,
	CAN_WEIGHT,
	CAN_WEIGHT_DEVICE,
	CAN_READ_BPS,
	CAN_WRITE_BPS,
	CAN_READ_IOPS,
	CAN_WRITE_IOPS,
} Ability;

/* By the file on v1, by the controller on v2 (NULL: not there). */
static const struct {
	const char *v1, *v2;
} abilities[] = {
	[CAN_MEMORY] = {"memory/memory.limit_in_bytes", "memory"},
	[CAN_SWAP] = {"memory/memory.memsw.limit_in_bytes", "memory"},
	[CAN_SWAPPINESS] = {"memory/memory.swappiness", NULL},
	[CAN_RESERVATION] = {"memory/memory.soft_limit_in_bytes", "memory"},
	[CAN_OOM_DISABLE] = {"memory/memory.oom_control", NULL},
	[CAN_PIDS] = {"pids", "pids"},
	[CAN_SHARES] = {"cpu/cpu.shares", "cpu"},
	[CAN_CFS] = {"cpu/cpu.cfs_quota_us", "cpu"},
	[CAN_REALTIME] = {"cpu/cpu.rt_runtime_us", NULL},
	[CAN_CPUSET] = {"cpuset/cpuset.cpus", "cpuset"},
	[CAN_WEIGHT] = {"blkio/blkio.weight", "io"},
	[CAN_WEIGHT_DEVICE] = {"blkio/blkio.weight_device", "io"},
	[CAN_READ_BPS] = {"blkio/blkio.throttle.read_bps_device", "io"},
	[CAN_WRITE_BPS] = {"blkio/blkio.throttle.write_bps_device", "io"},
	[CAN_READ_IOPS] = {"blkio/blkio.throttle.read_iops_device", "io"},
	[CAN_WRITE_IOPS] = {"blkio/blkio.throttle.write_iops_device", "io"},
};

static gboolean kernel_can(Ability a)
{
	if (rt_cgroup_mode() != RT_CGROUP_V2) {
		g_autofree char *path = g_strconcat(CGROUP, abilities[a].v1, NULL);
		return access(path, F_OK) == 0;
	}
	g_autofree char *text =
		dh_read_file(-1, CGROUP "cgroup.controllers", SMALL_FILE, NULL, NULL);
	g_auto(GStrv) names = g_strsplit(text ? g_strchomp(text) : "", " ", -1);
	return abilities[a].v2 && g_strv_contains((const char *const *)names, abilities[a].v2);
}

/* TRUE: the limit was asked for and there is no such thing; a warning says so. */
static gboolean lacking(gboolean asked, Ability a, const char *text, GPtrArray *warnings)
{
	if (!asked || kernel_can(a))
		return FALSE;
	g_ptr_array_add(warnings, g_strdup(text));
	return TRUE;
}

/* ---- lists of numbers ---- */

/* "0-2,7" into a set; FALSE: not such a list. */
static gboolean parse_list(const char *text, gboolean *set)
{
	g_auto(GStrv) parts = g_strsplit(text, ",", -1);
	for (char **p = parts; *p; p++) {
		const char *s = *p;
		char *end;
		if (!g_ascii_isdigit(*s))
			return FALSE;
		guint64 first = g_ascii_strtoull(s, &end, 10), last = first;
		if (*end == '-' && g_ascii_isdigit(end[1]))
			last = g_ascii_strtoull(end + 1, &end, 10);
		if (*end || last < first || last >= CPUS_MAX)
			return FALSE;
		for (guint64 i = first; i <= last; i++)
			set[i] = TRUE;
	}
	return TRUE;
}

static char *available(const char *v1, const char *v2, const char *online)
{
	const char *const paths[] = {v1, v2, online};
	for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
		char *text = dh_read_file(-1, paths[i], SMALL_FILE, NULL, NULL);
		if (text && *g_strstrip(text))
			return text;
		g_free(text);
	}
	return g_strdup("");
}

static gboolean check_set(
	const char *asked, const char *what, const char *noun, const char *have, GError **error)
{
	gboolean want[CPUS_MAX] = {FALSE}, has[CPUS_MAX] = {FALSE};
	if (!parse_list(asked, want))
		return dh_error(error, DH_ERROR_INVALID,
			"Invalid value %s for cpuset %s: invalid format: %s", asked, what, asked);
	/* What cannot be read cannot be compared: the kernel will tell. */
	if (!parse_list(have, has))
		return TRUE;
	for (guint i = 0; i < CPUS_MAX; i++) {
		if (want[i] && !has[i])
			return dh_error(error, DH_ERROR_INVALID,
				"Requested %s are not available - requested %s, available: %s",
				noun, asked, have);
	}
	return TRUE;
}

static gboolean validate_cpuset(HostConfig *h, GPtrArray *warnings, GError **error)
{
	gboolean cpus = h->cpuset_cpus && *h->cpuset_cpus;
	gboolean mems = h->cpuset_mems && *h->cpuset_mems;
	if (lacking(cpus || mems, CAN_CPUSET,
		    "Your kernel does not support cpuset" NO_CGROUP "Cpuset discarded.",
		    warnings)) {
		g_clear_pointer(&h->cpuset_cpus, g_free);
		g_clear_pointer(&h->cpuset_mems, g_free);
		return TRUE;
	}
	if (cpus) {
		g_autofree char *have = available(CGROUP "cpuset/cpuset.cpus",
			CGROUP "cpuset.cpus.effective", "/sys/devices/system/cpu/online");
		if (!check_set(h->cpuset_cpus, "cpus", "CPUs", have, error))
			return FALSE;
	}
	if (!mems)
		return TRUE;
	g_autofree char *have = available(CGROUP "cpuset/cpuset.mems",
		CGROUP "cpuset.mems.effective", "/sys/devices/system/node/online");
	return check_set(h->cpuset_mems, "mems", "memory nodes", have, error);
}

/* ---- memory ---- */

static gboolean validate_memory_sizes(const HostConfig *h, gboolean update, GError **error)
{
	if (h->memory < 0 || h->memory_reservation < 0)
		return dh_error(error, DH_ERROR_INVALID, "resource limits cannot be negative");
	/* Below this nothing comes up; runc, and so dockerd, needs twelve times as much. */
	if (h->memory > 0 && h->memory < MEMORY_MIN)
		return dh_error(error, DH_ERROR_INVALID, "Minimum memory limit allowed is 512KB");
	if (h->memory > 0 && h->memory_swap > 0 && h->memory_swap < h->memory)
		return dh_error(error, DH_ERROR_INVALID,
			"Minimum memoryswap limit should be larger than memory limit, see usage");
	if (h->memory == 0 && h->memory_swap > 0 && !update)
		return dh_error(error, DH_ERROR_INVALID,
			"You should always set the Memory limit when using Memoryswap limit, see "
			"usage");
	if (h->memory_reservation > 0 && h->memory_reservation < MEMORY_MIN)
		return dh_error(
			error, DH_ERROR_INVALID, "Minimum memory reservation allowed is 512KB");
	if (h->memory > 0 && h->memory < h->memory_reservation)
		return dh_error(error, DH_ERROR_INVALID,
			"Minimum memory limit can not be less than memory reservation limit, see "
			"usage");
	return TRUE;
}

static gboolean validate_memory(HostConfig *h, gboolean update, GPtrArray *warnings, GError **error)
{
	if (lacking(h->memory > 0, CAN_MEMORY,
		    "Your kernel does not support memory limit capabilities" NO_CGROUP
		    "Limitation discarded.",
		    warnings))
		h->memory = h->memory_swap = 0;
	if (lacking(h->memory > 0 && h->memory_swap != -1, CAN_SWAP,
		    "Your kernel does not support swap limit capabilities" NO_CGROUP
		    "Memory limited without swap.",
		    warnings))
		h->memory_swap = -1;
	if (!validate_memory_sizes(h, update, error))
		return FALSE;
	int64_t swappiness = json_is_integer(h->memory_swappiness)
				     ? json_integer_value(h->memory_swappiness)
				     : -1;
	if (lacking(swappiness != -1, CAN_SWAPPINESS,
		    "Your kernel does not support memory swappiness capabilities" NO_CGROUP
		    "Memory swappiness discarded.",
		    warnings))
		g_clear_pointer(&h->memory_swappiness, json_decref);
	else if (swappiness < -1 || swappiness > 100)
		return dh_error(error, DH_ERROR_INVALID,
			"Invalid value: %" G_GINT64_FORMAT
			", valid memory swappiness range is 0-100",
			swappiness);
	if (lacking(h->memory_reservation > 0, CAN_RESERVATION,
		    "Your kernel does not support memory soft limit capabilities" NO_CGROUP
		    "Limitation discarded.",
		    warnings))
		h->memory_reservation = 0;
	if (h->kernel_memory > 0 && h->kernel_memory < KERNEL_MEMORY_MIN)
		return dh_error(
			error, DH_ERROR_INVALID, "Minimum kernel memory limit allowed is 6MB");
	/* Linux has given them up: nothing is set. */
	if (h->kernel_memory > 0 || h->kernel_memory_tcp > 0) {
		g_ptr_array_add(warnings,
			g_strdup("Specifying a kernel memory limit is deprecated and will be "
				 "removed in a future release."));
		g_ptr_array_add(
			warnings, g_strdup("Your kernel does not support kernel memory limit "
					   "capabilities" NO_CGROUP "Limitation discarded."));
		h->kernel_memory = h->kernel_memory_tcp = 0;
	}
	if (lacking(h->oom_kill_disable > 0, CAN_OOM_DISABLE,
		    "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
		    warnings))
		h->oom_kill_disable = 0;
	if (h->oom_kill_disable > 0 && h->memory == 0)
		g_ptr_array_add(warnings,
			g_strdup("OOM killer is disabled for the container, but no memory limit "
				 "is set, this can result in the system running out of "
				 "resources."));
	return TRUE;
}

/* ---- processes and processors ---- */

static gboolean validate_pids(HostConfig *h, gboolean update, GPtrArray *warnings, GError **error)
{
	json_t *limit = h->pids_limit;
	if (limit && !json_is_null(limit) && !json_is_integer(limit))
		return dh_error(error, DH_ERROR_INVALID,
			"json: cannot unmarshal value into field HostConfig.PidsLimit of type "
			"int64");
	gboolean asked = json_is_integer(limit) && json_integer_value(limit) > 0;
	/* None and "unlimited" are the same, and shown as null; an update takes one away. */
	if ((!asked && !update) ||
		lacking(asked, CAN_PIDS,
			"Your kernel does not support PIDs limit capabilities" NO_CGROUP
			"PIDs limit discarded.",
			warnings))
		g_clear_pointer(&h->pids_limit, json_decref);
	return TRUE;
}

static gboolean validate_cpu(HostConfig *h, GPtrArray *warnings, GError **error)
{
	if (h->cpu_shares < 0)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid CPU shares (%" G_GINT64_FORMAT
			"): value must be a positive integer",
			h->cpu_shares);
	if (h->nano_cpus > 0 && (h->cpu_quota != 0 || h->cpu_period != 0))
		return dh_error(error, DH_ERROR_INVALID,
			"Conflicting options: Nano CPUs and CPU %s cannot both be set",
			h->cpu_period != 0 ? "Period" : "Quota");
	if (h->nano_cpus < 0 || h->nano_cpus > (int64_t)g_get_num_processors() * 1000000000LL)
		return dh_error(error, DH_ERROR_INVALID,
			"range of CPUs is from 0.01 to %u.00, as there are only %u CPUs available",
			g_get_num_processors(), g_get_num_processors());
	if (lacking(h->cpu_shares > 0, CAN_SHARES,
		    "Your kernel does not support CPU shares" NO_CGROUP "Shares discarded.",
		    warnings))
		h->cpu_shares = 0;
	if (lacking(h->cpu_period || h->cpu_quota || h->nano_cpus, CAN_CFS,
		    "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.",
		    warnings))
		h->cpu_period = h->cpu_quota = h->nano_cpus = 0;
	if (h->cpu_period != 0 && (h->cpu_period < 1000 || h->cpu_period > 1000000))
		return dh_error(error, DH_ERROR_INVALID,
			"CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s "
			"(i.e. 1000000)");
	if (h->cpu_quota > 0 && h->cpu_quota < 1000)
		return dh_error(error, DH_ERROR_INVALID,
			"CPU cfs quota can not be less than 1ms (i.e. 1000)");
	gboolean realtime = h->cpu_realtime_period || h->cpu_realtime_runtime;
	if (realtime && !kernel_can(CAN_REALTIME))
		return dh_error(
			error, DH_ERROR_INVALID, "kernel does not support CPU real-time scheduler");
	if (h->cpu_realtime_period && h->cpu_realtime_runtime > h->cpu_realtime_period)
		return dh_error(error, DH_ERROR_INVALID,
			"cpu real-time runtime cannot be higher than cpu real-time period");
	return TRUE;
}

/* ---- block devices ---- */

static gboolean any(const GPtrArray *list)
{
	return list && list->len > 0;
}

static gboolean validate_blkio(HostConfig *h, GPtrArray *warnings, GError **error)
{
	const struct {
		GPtrArray **list;
		Ability ability;
		const char *text;
	} lists[] = {
		{&h->blkio_weight_device, CAN_WEIGHT_DEVICE,
			"Your kernel does not support Block I/O weight_device" NO_CGROUP
			"Weight-device discarded."},
		{&h->blkio_device_read_bps, CAN_READ_BPS,
			"Your kernel does not support BPS Block I/O read limit" NO_CGROUP
			"Block I/O BPS read limit discarded."},
		{&h->blkio_device_write_bps, CAN_WRITE_BPS,
			"Your kernel does not support BPS Block I/O write limit" NO_CGROUP
			"Block I/O BPS write limit discarded."},
		{&h->blkio_device_read_iops, CAN_READ_IOPS,
			"Your kernel does not support IOPS Block read limit" NO_CGROUP
			"Block I/O IOPS read limit discarded."},
		{&h->blkio_device_write_iops, CAN_WRITE_IOPS,
			"Your kernel does not support IOPS Block write limit" NO_CGROUP
			"Block I/O IOPS write limit discarded."},
	};
	if (lacking(h->blkio_weight > 0, CAN_WEIGHT,
		    "Your kernel does not support Block I/O weight" NO_CGROUP "Weight discarded.",
		    warnings))
		h->blkio_weight = 0;
	if (h->blkio_weight != 0 && (h->blkio_weight < 10 || h->blkio_weight > 1000))
		return dh_error(
			error, DH_ERROR_INVALID, "Range of blkio weight is from 10 to 1000");
	for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
		if (lacking(any(*lists[i].list), lists[i].ability, lists[i].text, warnings))
			g_ptr_array_set_size(*lists[i].list, 0);
	}
	return TRUE;
}

gboolean validate_resources(HostConfig *h, gboolean update, GPtrArray *warnings, GError **error)
{
	return validate_memory(h, update, warnings, error) &&
	       validate_pids(h, update, warnings, error) && validate_cpu(h, warnings, error) &&
	       validate_cpuset(h, warnings, error) && validate_blkio(h, warnings, error);
}

/* SPDX-License-Identifier: MIT */
/* resources.c - limits in the words of the OCI runtime specification, whole and as an update. */
#include "container/resources.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define NANO_PERIOD 100000 /* us: the period in which --cpus is counted */

static gboolean is_set(const char *s)
{
	return s && *s;
}

static gboolean filled(const GPtrArray *list)
{
	return list && list->len > 0;
}

/* ---- block devices ---- */

static gboolean add_device(
	GPtrArray *to, const char *path, int64_t weight, int64_t rate, GError **error)
{
	struct stat st;
	if (!path || stat(path, &st) < 0)
		return dh_error_errno(error, errno, "stat %s", path ? path : "");
	OciBlkioDevice *b = dh_json_new(&oci_blkio_device_table);
	b->major = major(st.st_rdev);
	b->minor = minor(st.st_rdev);
	b->weight = weight;
	b->rate = rate;
	g_ptr_array_add(to, b);
	return TRUE;
}

static gboolean throttle(const GPtrArray *devices, GPtrArray **ret, GError **error)
{
	*ret = dh_json_list_new();
	for (guint i = 0; devices && i < devices->len; i++) {
		const ThrottleDevice *d = devices->pdata[i];
		if (!add_device(*ret, d->path, 0, d->rate, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean weights(const GPtrArray *devices, GPtrArray **ret, GError **error)
{
	*ret = dh_json_list_new();
	for (guint i = 0; devices && i < devices->len; i++) {
		const WeightDevice *d = devices->pdata[i];
		if (!add_device(*ret, d->path, d->weight, 0, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean put_blkio(const HostConfig *h, OciResources *r, GError **error)
{
	if (!h->blkio_weight && !filled(h->blkio_weight_device) &&
		!filled(h->blkio_device_read_bps) && !filled(h->blkio_device_write_bps) &&
		!filled(h->blkio_device_read_iops) && !filled(h->blkio_device_write_iops))
		return TRUE;
	OciBlkio *b = r->block_io = dh_json_new(&oci_blkio_table);
	b->weight = h->blkio_weight;
	return weights(h->blkio_weight_device, &b->weight_device, error) &&
	       throttle(h->blkio_device_read_bps, &b->throttle_read_bps, error) &&
	       throttle(h->blkio_device_write_bps, &b->throttle_write_bps, error) &&
	       throttle(h->blkio_device_read_iops, &b->throttle_read_iops, error) &&
	       throttle(h->blkio_device_write_iops, &b->throttle_write_iops, error);
}

/* ---- memory, processors, processes ---- */

static void put_memory(const HostConfig *h, OciResources *r)
{
	if (!h->memory && !h->memory_reservation && !h->memory_swap && h->oom_kill_disable <= 0 &&
		!json_is_integer(h->memory_swappiness))
		return;
	OciMemory *m = r->memory = dh_json_new(&oci_memory_table);
	m->limit = h->memory;
	m->reservation = h->memory_reservation;
	/* As much swap as memory, unless something else was said. */
	m->swap = h->memory_swap ? h->memory_swap : h->memory * 2;
	m->swappiness = json_is_integer(h->memory_swappiness)
				? json_integer_value(h->memory_swappiness)
				: -1;
	m->disable_oom_killer = h->oom_kill_disable;
}

static void put_cpu(const HostConfig *h, OciResources *r)
{
	if (!h->cpu_shares && !h->cpu_quota && !h->cpu_period && !h->nano_cpus &&
		!is_set(h->cpuset_cpus) && !is_set(h->cpuset_mems) && !h->cpu_realtime_period &&
		!h->cpu_realtime_runtime)
		return;
	OciCpu *c = r->cpu = dh_json_new(&oci_cpu_table);
	c->shares = h->cpu_shares;
	c->period = h->nano_cpus ? NANO_PERIOD : h->cpu_period;
	c->quota = h->nano_cpus ? h->nano_cpus / (1000000000 / NANO_PERIOD) : h->cpu_quota;
	c->realtime_period = h->cpu_realtime_period;
	c->realtime_runtime = h->cpu_realtime_runtime;
	c->cpus = is_set(h->cpuset_cpus) ? g_strdup(h->cpuset_cpus) : NULL;
	c->mems = is_set(h->cpuset_mems) ? g_strdup(h->cpuset_mems) : NULL;
}

static void put_pids(const HostConfig *h, OciResources *r)
{
	if (!json_is_integer(h->pids_limit))
		return;
	int64_t limit = json_integer_value(h->pids_limit);
	r->pids = dh_json_new(&oci_pids_table);
	r->pids->limit = limit > 0 ? limit : -1;
}

OciResources *resources_limits(const HostConfig *h, GError **error)
{
	OciResources *r = dh_json_new(&oci_resources_table);
	put_memory(h, r);
	put_cpu(h, r);
	put_pids(h, r);
	if (!put_blkio(h, r, error)) {
		dh_json_free(&oci_resources_table, r);
		return NULL;
	}
	return r;
}

/* ---- updates ---- */

#define CANNOT(a, b) "Conflicting options: " a " cannot be updated as " b " has already been set"

static gboolean check_cpu(const HostConfig *own, const HostConfig *asked, GError **error)
{
	const struct {
		gboolean both;
		const char *text;
	} conflicts[] = {
		{asked->nano_cpus > 0 && own->cpu_period > 0, CANNOT("Nano CPUs", "CPU Period")},
		{asked->nano_cpus > 0 && own->cpu_quota > 0, CANNOT("Nano CPUs", "CPU Quota")},
		{asked->cpu_period > 0 && own->nano_cpus > 0, CANNOT("CPU Period", "NanoCPUs")},
		{asked->cpu_quota > 0 && own->nano_cpus > 0, CANNOT("CPU Quota", "NanoCPUs")},
	};
	for (guint i = 0; i < G_N_ELEMENTS(conflicts); i++) {
		if (conflicts[i].both)
			return dh_error(error, DH_ERROR_CONFLICT, "%s", conflicts[i].text);
	}
	return TRUE;
}

/* A limit of both together that was never set, or is none, cannot be in the way of more memory:
 * dockerd compares with its 0 or -1 all the same. */
static gboolean merge_memory(HostConfig *own, const HostConfig *asked, GError **error)
{
	if (asked->memory && !asked->memory_swap && own->memory_swap > 0 &&
		asked->memory > own->memory_swap)
		return dh_error(error, DH_ERROR_CONFLICT,
			"Memory limit should be smaller than already set memoryswap limit, update "
			"the memoryswap at the same time");
	if (asked->memory) {
		own->memory = asked->memory;
		if (!own->memory_swap)
			own->memory_swap = asked->memory * 2;
	}
	if (asked->memory_swap)
		own->memory_swap = asked->memory_swap;
	if (own->memory > 0 && own->memory_swap > 0 && own->memory_swap < own->memory)
		return dh_error(error, DH_ERROR_INVALID,
			"Minimum memoryswap limit should be larger than memory limit, see usage");
	if (own->memory == 0 && own->memory_swap > 0)
		return dh_error(error, DH_ERROR_INVALID,
			"You should always set the Memory limit when using Memoryswap limit, see "
			"usage");
	if (asked->memory_reservation)
		own->memory_reservation = asked->memory_reservation;
	if (json_is_integer(asked->memory_swappiness)) {
		json_decref(own->memory_swappiness);
		own->memory_swappiness = json_incref(asked->memory_swappiness);
	}
	return TRUE;
}

static void merge_text(char **own, const char *asked)
{
	if (is_set(asked)) {
		g_free(*own);
		*own = g_strdup(asked);
	}
}

static void merge_cpu(HostConfig *own, const HostConfig *asked)
{
	const struct {
		int64_t *own, asked;
	} numbers[] = {
		{&own->cpu_shares, asked->cpu_shares},
		{&own->nano_cpus, asked->nano_cpus},
		{&own->cpu_period, asked->cpu_period},
		{&own->cpu_quota, asked->cpu_quota},
		{&own->cpu_realtime_period, asked->cpu_realtime_period},
		{&own->cpu_realtime_runtime, asked->cpu_realtime_runtime},
		{&own->blkio_weight, asked->blkio_weight},
	};
	for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
		if (numbers[i].asked)
			*numbers[i].own = numbers[i].asked;
	}
	merge_text(&own->cpuset_cpus, asked->cpuset_cpus);
	merge_text(&own->cpuset_mems, asked->cpuset_mems);
}

static gboolean merge_restart(HostConfig *own, const RestartPolicy *asked, GError **error)
{
	if (!is_set(asked->name))
		return TRUE;
	if (own->auto_remove && strcmp(asked->name, "no") != 0)
		return dh_error(error, DH_ERROR_CONFLICT,
			"Restart policy cannot be updated because AutoRemove is enabled for the "
			"container");
	merge_text(&own->restart_policy.name, asked->name);
	own->restart_policy.maximum_retry_count = asked->maximum_retry_count;
	return TRUE;
}

gboolean resources_merge(HostConfig *merged, const HostConfig *asked, GError **error)
{
	if (!check_cpu(merged, asked, error) || !merge_memory(merged, asked, error))
		return FALSE;
	merge_cpu(merged, asked);
	if (json_is_integer(asked->pids_limit)) {
		json_decref(merged->pids_limit);
		merged->pids_limit = json_integer_value(asked->pids_limit) > 0
					     ? json_incref(asked->pids_limit)
					     : NULL;
	}
	return merge_restart(merged, &asked->restart_policy, error);
}

OciResources *resources_changed(const HostConfig *merged, const HostConfig *asked, GError **error)
{
	HostConfig h = {
		.cpu_shares = asked->cpu_shares,
		.nano_cpus = asked->nano_cpus,
		.cpu_realtime_period = asked->cpu_realtime_period,
		.cpu_realtime_runtime = asked->cpu_realtime_runtime,
		.cpuset_cpus = asked->cpuset_cpus,
		.cpuset_mems = asked->cpuset_mems,
		.memory_reservation = asked->memory_reservation,
		.memory_swappiness = asked->memory_swappiness,
		.pids_limit = asked->pids_limit,
		.blkio_weight = asked->blkio_weight,
		.oom_kill_disable = -1,
	};
	/* One depends on the other: the kernel is told both. */
	if (asked->memory || asked->memory_swap) {
		h.memory = merged->memory;
		h.memory_swap = merged->memory_swap;
	}
	if (asked->cpu_period || asked->cpu_quota) {
		h.cpu_period = merged->cpu_period;
		h.cpu_quota = merged->cpu_quota;
	}
	return resources_limits(&h, error);
}

#define SWAP(member)                                                                               \
	do {                                                                                       \
		__typeof__(a->member) keep_ = a->member;                                           \
		a->member = b->member;                                                             \
		b->member = keep_;                                                                 \
	} while (0)

void resources_exchange(HostConfig *a, HostConfig *b)
{
	SWAP(cpu_shares);
	SWAP(nano_cpus);
	SWAP(cpu_period);
	SWAP(cpu_quota);
	SWAP(cpu_realtime_period);
	SWAP(cpu_realtime_runtime);
	SWAP(cpuset_cpus);
	SWAP(cpuset_mems);
	SWAP(memory);
	SWAP(memory_swap);
	SWAP(memory_reservation);
	SWAP(memory_swappiness);
	SWAP(pids_limit);
	SWAP(blkio_weight);
	SWAP(restart_policy);
}

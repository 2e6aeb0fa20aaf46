/* SPDX-License-Identifier: MIT */
/* update: other limits and another restart policy for containers that are there. */
#include "base/error.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/create.h"
#include "cli/each.h"
#include "cli/run_parse.h"

#include <stdio.h>
#include <string.h>

/* What was not given, which 0 is not. */
#define ABSENT G_MININT64

enum { FLAG_ERROR_CODE = 125 };

typedef struct {
	int64_t blkio_weight, cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime, cpu_shares,
		kernel_memory, memory, memory_reservation, memory_swap, pids_limit;
	const char *cpus, *cpuset_cpus, *cpuset_mems, *restart;
} UpdateOptions;

#define O(member) offsetof(UpdateOptions, member)

/* clang-format off */
static const OptionSpec update_options[] = {
	{0, "blkio-weight", OPT_INT, O(blkio_weight), "uint16", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)"},
	{0, "cpu-period", OPT_INT, O(cpu_period), "int", "Limit CPU CFS (Completely Fair Scheduler) period"},
	{0, "cpu-quota", OPT_INT, O(cpu_quota), "int", "Limit CPU CFS (Completely Fair Scheduler) quota"},
	{0, "cpu-rt-period", OPT_INT, O(cpu_rt_period), "int", "Limit the CPU real-time period in microseconds"},
	{0, "cpu-rt-runtime", OPT_INT, O(cpu_rt_runtime), "int", "Limit the CPU real-time runtime in microseconds"},
	{'c', "cpu-shares", OPT_INT, O(cpu_shares), "int", "CPU shares (relative weight)"},
	{0, "cpus", OPT_STRING, O(cpus), "decimal", "Number of CPUs"},
	{0, "cpuset-cpus", OPT_STRING, O(cpuset_cpus), "string", "CPUs in which to allow execution (0-3, 0,1)"},
	{0, "cpuset-mems", OPT_STRING, O(cpuset_mems), "string", "MEMs in which to allow execution (0-3, 0,1)"},
	{0, "kernel-memory", OPT_SIZE, O(kernel_memory), "bytes", "Kernel memory limit (deprecated)", NULL, OPT_HIDDEN},
	{'m', "memory", OPT_SIZE, O(memory), "bytes", "Memory limit"},
	{0, "memory-reservation", OPT_SIZE, O(memory_reservation), "bytes", "Memory soft limit"},
	{0, "memory-swap", OPT_SIZE, O(memory_swap), "bytes", "Swap limit equal to memory plus swap: -1 to enable unlimited swap"},
	{0, "pids-limit", OPT_INT, O(pids_limit), "int", "Tune container pids limit (set -1 for unlimited)"},
	{0, "restart", OPT_STRING, O(restart), "string", "Restart policy to apply when a container exits"},
};
/* clang-format on */

static const struct {
	const char *key;
	size_t offset;
	const char *size_flag; /* not negative */
} numbers[] = {
	{"BlkioWeight", O(blkio_weight), NULL},
	{"CpuPeriod", O(cpu_period), NULL},
	{"CpuQuota", O(cpu_quota), NULL},
	{"CpuRealtimePeriod", O(cpu_rt_period), NULL},
	{"CpuRealtimeRuntime", O(cpu_rt_runtime), NULL},
	{"CpuShares", O(cpu_shares), NULL},
	{"KernelMemory", O(kernel_memory), "--kernel-memory"},
	{"Memory", O(memory), "-m, --memory"},
	{"MemoryReservation", O(memory_reservation), "--memory-reservation"},
	{"MemorySwap", O(memory_swap), NULL},
	{"PidsLimit", O(pids_limit), NULL},
};
static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	{"CpusetCpus", O(cpuset_cpus)},
	{"CpusetMems", O(cpuset_mems)},
};

static void update_defaults(void *options)
{
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
		*(int64_t *)(void *)((char *)options + numbers[i].offset) = ABSENT;
}

static gboolean put_numbers(const UpdateOptions *o, json_t *body, GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
		int64_t v = *(const int64_t *)(const void *)((const char *)o + numbers[i].offset);
		if (v == ABSENT)
			continue;
		if (v < 0 && numbers[i].size_flag)
			return dh_error(error, DH_ERROR_INVALID,
				"invalid argument \"-1\" for \"%s\" flag: invalid size: '-1'",
				numbers[i].size_flag);
		json_object_set_new(body, numbers[i].key, json_integer(v));
	}
	return TRUE;
}

static gboolean put_cpus(const UpdateOptions *o, json_t *body, GError **error)
{
	int64_t nano;
	if (!o->cpus)
		return TRUE;
	if (!parse_cpus(o->cpus, &nano, error)) {
		g_prefix_error(error, "invalid argument \"%s\" for \"--cpus\" flag: ", o->cpus);
		return FALSE;
	}
	json_object_set_new(body, "NanoCpus", json_integer(nano));
	return TRUE;
}

static json_t *update_body(const UpdateOptions *o, int *ret_code, GError **error)
{
	g_autoptr(json_t) body = json_object();
	*ret_code = FLAG_ERROR_CODE;
	if (!put_numbers(o, body, error) || !put_cpus(o, body, error))
		return NULL;
	*ret_code = 1;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		const char *v = *(char *const *)(const void *)((const char *)o + texts[i].offset);
		if (v)
			json_object_set_new(body, texts[i].key, json_string(v));
	}
	if (o->restart) {
		json_t *policy = parse_restart_policy(o->restart, error);
		if (!policy)
			return NULL;
		json_object_set_new(body, "RestartPolicy", policy);
	}
	if (json_object_size(body) == 0) {
		dh_error(error, DH_ERROR_INVALID,
			"you must provide one or more flags when using this command");
		return NULL;
	}
	return g_steal_pointer(&body);
}

typedef struct {
	json_t *body;
	GString *warnings;
} Update;

static gboolean update_one(Cli *cli, const char *name, const void *arg, GError **error)
{
	const Update *u = arg;
	json_t *item;
	size_t i;
	if (!check_container_name(name, error))
		return FALSE;
	g_autofree char *path = g_strdup_printf("/containers/%s/update", name);
	g_autoptr(json_t) answer = cli_call(cli, "POST", path, NULL, u->body, error);
	if (!answer)
		return FALSE;
	json_array_foreach (json_object_get(answer, "Warnings"), i, item)
		g_string_append_printf(u->warnings, "%s\n", json_string_value(item));
	return TRUE;
}

static int update_run(Cli *cli, void *options, char **args, GError **error)
{
	int code;
	g_autoptr(json_t) body = update_body(options, &code, error);
	if (!body)
		return code;
	Update u = {.body = body, .warnings = g_string_new(NULL)};
	code = each_container(cli, args, update_one, &u, EACH_IN_TURN);
	fputs(u.warnings->str, stdout);
	g_string_free(u.warnings, TRUE);
	return code;
}

const Command cmd_update = {
	.name = "update",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Update configuration of one or more containers",
	.aliases = "docker container update, docker update",
	.min_args = 1,
	.max_args = -1,
	.options = update_options,
	.n_options = G_N_ELEMENTS(update_options),
	.options_size = sizeof(UpdateOptions),
	.defaults = update_defaults,
	.run = update_run,
};

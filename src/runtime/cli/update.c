/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "runtime/cgroup.h"
#include "runtime/cli/config.h"
#include "runtime/cli/life.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef enum { BYTES, NUMBER, TEXT, NOT_HERE } Kind;

/* Option, its place in the JSON that --resources would give, kind, help. */
#define VALUES(X)                                                                                  \
	X(blkio_weight, "blkio-weight", "blockIO", "weight", NUMBER,                               \
		"Specifies per cgroup weight, range is from 10 to 1000")                           \
	X(cpu_period, "cpu-period", "cpu", "period", NUMBER,                                       \
		"CPU CFS period to be used for hardcapping (in usecs). 0 to use system default")   \
	X(cpu_quota, "cpu-quota", "cpu", "quota", NUMBER,                                          \
		"CPU CFS hardcap limit (in usecs). Allowed cpu time in a given period")            \
	X(cpu_share, "cpu-share", "cpu", "shares", NUMBER,                                         \
		"CPU shares (relative weight vs. other containers)")                               \
	X(cpu_rt_period, "cpu-rt-period", "cpu", "realtimePeriod", NUMBER,                         \
		"CPU realtime period to be used for hardcapping (in usecs)")                       \
	X(cpu_rt_runtime, "cpu-rt-runtime", "cpu", "realtimeRuntime", NUMBER,                      \
		"CPU realtime hardcap limit (in usecs). Allowed cpu time in a given period")       \
	X(cpuset_cpus, "cpuset-cpus", "cpu", "cpus", TEXT, "CPU(s) to use")                        \
	X(cpuset_mems, "cpuset-mems", "cpu", "mems", TEXT, "Memory node(s) to use")                \
	X(cpu_idle, "cpu-idle", "cpu", "idle", NUMBER,                                             \
		"set cgroup SCHED_IDLE or not, 0: default, 1: idle")                               \
	X(memory, "memory", "memory", "limit", BYTES, "Memory limit (in bytes)")                   \
	X(memory_reservation, "memory-reservation", "memory", "reservation", BYTES,                \
		"Memory reservation or soft_limit (in bytes)")                                     \
	X(memory_swap, "memory-swap", "memory", "swap", BYTES,                                     \
		"Total memory usage (memory + swap); set '-1' to enable unlimited swap")           \
	X(pids_limit, "pids-limit", "pids", "limit", NUMBER,                                       \
		"Maximum number of pids allowed in the container")                                 \
	X(l3_cache_schema, "l3-cache-schema", "", "", NOT_HERE,                                    \
		"not supported: the string of Intel RDT/CAT L3 cache schema")                      \
	X(mem_bw_schema, "mem-bw-schema", "", "", NOT_HERE,                                        \
		"not supported: the string of Intel RDT/MBA memory bandwidth schema")

typedef struct {
	char *resources;
#define MEMBER(id, option, group, member, kind, help) char *id;
	VALUES(MEMBER)
} Options;

static const OptionSpec options_table[] = {
	{'r', "resources", OPT_STRING, offsetof(Options, resources), "value",
		"path to the file containing the resources to update or '-' to read from the "
		"standard input"},
#define OPTION(id, option, group, member, kind, help)                                              \
	{0, option, OPT_STRING, offsetof(Options, id), "value", help},
	VALUES(OPTION)};

static const struct {
	size_t offset;
	const char *option, *group, *member;
	Kind kind;
} values[] = {
#define VALUE(id, option, group, member, kind, help)                                               \
	{offsetof(Options, id), option, group, member, kind},
	VALUES(VALUE)};

static gboolean put_value(json_t *to, guint i, const char *text, GError **error)
{
	int64_t n;
	char *end;
	json_t *v = NULL;
	switch (values[i].kind) {
	case TEXT:
		v = json_string(text);
		break;
	case BYTES:
		if (!dh_size_parse(text, &n, error)) {
			g_prefix_error(error, "invalid value for %s: ", values[i].option);
			return FALSE;
		}
		v = json_integer(n);
		break;
	case NUMBER:
		n = g_ascii_strtoll(text, &end, 10);
		if (end == text || *end)
			return dh_error(error, DH_ERROR_INVALID, "invalid value for %s: %s",
				values[i].option, text);
		v = json_integer(n);
		break;
	case NOT_HERE:
		return dh_error(error, DH_ERROR_INVALID,
			"Intel RDT is not supported: --%s cannot be set", values[i].option);
	}
	json_t *group = json_object_get(to, values[i].group);
	if (!group) {
		group = json_object();
		json_object_set_new(to, values[i].group, group);
	}
	json_object_set_new(group, values[i].member, v);
	return TRUE;
}

static json_t *from_options(const Options *o, GError **error)
{
	g_autoptr(json_t) json = json_object();
	for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
		const char *text = *(char *const *)((const char *)o + values[i].offset);
		if (text && *text && !put_value(json, i, text, error))
			return NULL;
	}
	return g_steal_pointer(&json);
}

static json_t *from_file(const char *path, GError **error)
{
	dh_autofd int file = -1;
	int fd = STDIN_FILENO;
	size_t n;
	if (strcmp(path, "-") != 0) {
		fd = file = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			rt_error_errno(error, errno, "open %s", path);
			return NULL;
		}
	}
	g_autofree char *text = dh_read_to_end(fd, CONFIG_MAX, &n, error);
	return text ? config_parse(text, n, error) : NULL;
}

/* Remembered as well: what was not mentioned stays. */
static gboolean remember(Container *c, const OciResources *change, GError **error)
{
	OciLinux *l = c->spec->linux_;
	g_autoptr(json_t) all = dh_json_emit(&oci_resources_table, l->resources);
	g_autoptr(json_t) given = dh_json_emit(&oci_resources_table, change);
	json_object_update_recursive(all, given);
	OciResources *merged = dh_json_parse(&oci_resources_table, all, error);
	if (!merged)
		return FALSE;
	dh_json_free(&oci_resources_table, l->resources);
	l->resources = merged;
	return container_save(c, error);
}

static int update(const Rt *rt, void *options, char **args, GError **error)
{
	const Options *o = options;
	g_autoptr(Container) c = container_load(rt, args[0], TRUE, error);
	if (!c)
		return 1;
	g_autoptr(json_t) json = o->resources && *o->resources ? from_file(o->resources, error)
							       : from_options(o, error);
	OciResources *change = json ? dh_json_parse(&oci_resources_table, json, error) : NULL;
	if (!change)
		return 1;
	gboolean ok = container_needs_cgroup(c, error) &&
		      rt_cgroup_update(container_cgroup(c), change, error) &&
		      remember(c, change, error);
	dh_json_free(&oci_resources_table, change);
	return ok ? 0 : 1;
}

const RtCommand cmd_update = {
	.name = "update",
	.summary = "update container resource constraints",
	.arguments = "",
	.min_args = 1,
	.max_args = 1,
	.options = options_table,
	.n_options = G_N_ELEMENTS(options_table),
	.options_size = sizeof(Options),
	.run = update,
};

/* SPDX-License-Identifier: MIT */
/*
 * --lxc-conf: what was handed to LXC when Docker could still be run on it ("lxc.cgroup.cpuset.cpus
 * = 0,1"). There is no LXC here; the keys that say what another flag says are taken for that flag,
 * in the words of cgroup v1 as of v2 and of LXC before and after 3.0. All others are an error:
 * nothing is ignored in silence.
 */
#include "base/error.h"
#include "cli/run_parse.h"
#include "cli/text.h"

#include <string.h>

typedef enum { WORD, NUMBER, SIZE, LIST, RULES, OPTION } Kind;

static const struct {
	const char *key, *flag, *member;
	Kind kind;
} keys[] = {
	{"lxc.cgroup.cpuset.cpus", "--cpuset-cpus", "CpusetCpus", WORD},
	{"lxc.cgroup2.cpuset.cpus", "--cpuset-cpus", "CpusetCpus", WORD},
	{"lxc.cgroup.cpuset.mems", "--cpuset-mems", "CpusetMems", WORD},
	{"lxc.cgroup2.cpuset.mems", "--cpuset-mems", "CpusetMems", WORD},
	{"lxc.cgroup.cpu.shares", "--cpu-shares", "CpuShares", NUMBER},
	{"lxc.cgroup.cpu.cfs_period_us", "--cpu-period", "CpuPeriod", NUMBER},
	{"lxc.cgroup.cpu.cfs_quota_us", "--cpu-quota", "CpuQuota", NUMBER},
	{"lxc.cgroup.blkio.weight", "--blkio-weight", "BlkioWeight", NUMBER},
	{"lxc.cgroup.pids.max", "--pids-limit", "PidsLimit", NUMBER},
	{"lxc.cgroup2.pids.max", "--pids-limit", "PidsLimit", NUMBER},
	{"lxc.cgroup.memory.limit_in_bytes", "--memory", "Memory", SIZE},
	{"lxc.cgroup2.memory.max", "--memory", "Memory", SIZE},
	{"lxc.cgroup.memory.soft_limit_in_bytes", "--memory-reservation", "MemoryReservation",
		SIZE},
	{"lxc.cgroup.memory.memsw.limit_in_bytes", "--memory-swap", "MemorySwap", SIZE},
	{"lxc.cgroup.memory.swappiness", "--memory-swappiness", "MemorySwappiness", NUMBER},
	{"lxc.cgroup.devices.allow", "--device-cgroup-rule", "DeviceCgroupRules", RULES},
	{"lxc.cgroup2.devices.allow", "--device-cgroup-rule", "DeviceCgroupRules", RULES},
	{"lxc.cap.drop", "--cap-drop", "CapDrop", LIST},
	{"lxc.aa_profile", "--security-opt apparmor", "apparmor=", OPTION},
	{"lxc.apparmor.profile", "--security-opt apparmor", "apparmor=", OPTION},
	{"lxc.utsname", "--hostname", "Hostname", WORD},
	{"lxc.uts.name", "--hostname", "Hostname", WORD},
};

static json_t *list_of(json_t *host, const char *member)
{
	json_t *list = json_object_get(host, member);
	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(host, member, list);
	}
	return list;
}

/* Said by the flag itself already, and differently. */
static gboolean contradicts(const json_t *now, const json_t *value)
{
	gboolean unset = !now || json_is_null(now) || json_integer_value(now) == -1 ||
			 (json_is_integer(now) && json_integer_value(now) == 0) ||
			 (json_is_string(now) && !*json_string_value(now));
	return !unset && !json_equal(now, value);
}

static gboolean set_one(RunParse *p, guint i, const char *value, GError **error)
{
	int64_t number = 0;
	g_autoptr(json_t) item = NULL;
	g_autoptr(GError) bad = NULL;
	if (keys[i].kind == NUMBER && text_int(value, &number, &bad))
		item = json_integer(number);
	else if (keys[i].kind == SIZE && text_size(value, &number, &bad))
		item = json_integer(number);
	else if (keys[i].kind == WORD && *value)
		item = text_json(value);
	if (!item)
		return dh_error(error, DH_ERROR_INVALID, "--lxc-conf: invalid value for %s: %s",
			keys[i].key, bad ? bad->message : "it is empty");
	json_t *into = strcmp(keys[i].member, "Hostname") == 0 ? p->config : p->host;
	if (contradicts(json_object_get(into, keys[i].member), item))
		return dh_error(error, DH_ERROR_INVALID,
			"conflicting options: --lxc-conf %s and %s", keys[i].key, keys[i].flag);
	json_object_set(into, keys[i].member, item);
	return TRUE;
}

static gboolean add_words(RunParse *p, guint i, const char *value, GError **error)
{
	json_t *list = list_of(p->host, keys[i].member);
	g_auto(GStrv) words = g_strsplit_set(value, " \t", -1);
	g_autoptr(GError) bad = NULL;
	if (keys[i].kind == RULES && !parse_device_rule(value, list, &bad))
		return dh_error(error, DH_ERROR_INVALID, "--lxc-conf: %s", bad->message);
	for (char **w = words; keys[i].kind == LIST && *w; w++) {
		if (**w)
			json_array_append_new(list, text_json(*w));
	}
	return TRUE;
}

static gboolean add_option(RunParse *p, guint i, const char *value)
{
	g_autofree char *option = g_strconcat(keys[i].member, value, NULL);
	json_array_append_new(list_of(p->host, "SecurityOpt"), text_json(option));
	return TRUE;
}

static gboolean apply(RunParse *p, const char *key, const char *value, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
		if (strcmp(keys[i].key, key) != 0)
			continue;
		return keys[i].kind == OPTION ? add_option(p, i, value)
		       : keys[i].kind == LIST || keys[i].kind == RULES
			       ? add_words(p, i, value, error)
			       : set_one(p, i, value, error);
	}
	return dh_error(error, DH_ERROR_INVALID,
		"--lxc-conf: %s means nothing here: containers are not run by LXC", key);
}

gboolean parse_lxc(RunParse *p, GError **error)
{
	const GPtrArray *list = p->o->lxc_conf;
	for (guint i = 0; list && i < list->len; i++) {
		g_autofree char *key = NULL;
		const char *rest = text_cut(g_ptr_array_index(list, i), '=', &key);
		if (!rest)
			return dh_error(error, DH_ERROR_INVALID,
				"Unable to parse key/value option: %s",
				(char *)g_ptr_array_index(list, i));
		g_autofree char *value = g_strstrip(g_strdup(rest));
		if (!apply(p, g_strstrip(key), value, error))
			return FALSE;
	}
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: three passes, in docker's order, so that the first of several mistakes is
 * the one docker would name. The values of list flags are parsed by a table (errors show the
 * usage); then what depends on files and on other flags; plain options are copied by a second
 * table.
 */
#include "cli/run_parse.h"

#include "base/error.h"
#include "base/fs.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define O(member) offsetof(RunOptions, member)

typedef enum { NULL_IF_EMPTY, EMPTY_ARRAY, EMPTY_OBJECT, ABSENT_ARRAY, ABSENT_OBJECT } Empty;

/* List flags whose values go to HostConfig, or with a key in lower case to RunParse.values. */
static const struct {
	const char *flag;
	size_t offset;
	const char *key;
	ValueParser parse;
	Empty empty;
} lists[] = {
	{"-a, --attach", O(attach), "attach", parse_attach, EMPTY_ARRAY},
	{"--add-host", O(add_host), "ExtraHosts", parse_add_host, NULL_IF_EMPTY},
	{"--annotation", O(annotation), "Annotations", parse_map, ABSENT_OBJECT},
	{"--blkio-weight-device", O(blkio_weight_device), "BlkioWeightDevice", parse_weight_device,
		EMPTY_ARRAY},
	{"--cap-add", O(cap_add), "CapAdd", parse_plain, NULL_IF_EMPTY},
	{"--cap-drop", O(cap_drop), "CapDrop", parse_plain, NULL_IF_EMPTY},
	{"--device-cgroup-rule", O(device_cgroup_rule), "DeviceCgroupRules", parse_device_rule,
		NULL_IF_EMPTY},
	{"--device-read-bps", O(device_read_bps), "BlkioDeviceReadBps", parse_bps_device,
		EMPTY_ARRAY},
	{"--device-read-iops", O(device_read_iops), "BlkioDeviceReadIOps", parse_iops_device,
		EMPTY_ARRAY},
	{"--device-write-bps", O(device_write_bps), "BlkioDeviceWriteBps", parse_bps_device,
		EMPTY_ARRAY},
	{"--device-write-iops", O(device_write_iops), "BlkioDeviceWriteIOps", parse_iops_device,
		EMPTY_ARRAY},
	{"--dns", O(dns), "Dns", parse_dns, EMPTY_ARRAY},
	{"--dns-option", O(dns_options), "DnsOptions", parse_plain, EMPTY_ARRAY},
	{"--dns-search", O(dns_search), "DnsSearch", parse_dns_search, EMPTY_ARRAY},
	{"-e, --env", O(env), "env", parse_env, EMPTY_ARRAY},
	{"--gpus", O(gpus), "DeviceRequests", parse_gpus, NULL_IF_EMPTY},
	{"--group-add", O(group_add), "GroupAdd", parse_plain, NULL_IF_EMPTY},
	{"-l, --label", O(label), "label", parse_label, EMPTY_ARRAY},
	{"--link", O(link), "Links", parse_link, NULL_IF_EMPTY},
	{"--log-opt", O(log_opt), "log-opt", parse_map, EMPTY_OBJECT},
	{"--mount", O(mount), "Mounts", parse_mount, ABSENT_ARRAY},
	{"--network", O(networks), "network", parse_network, EMPTY_ARRAY},
	{"--sysctl", O(sysctl), "Sysctls", parse_sysctl, ABSENT_OBJECT},
	{"--tmpfs", O(tmpfs), "Tmpfs", parse_tmpfs, ABSENT_OBJECT},
	{"--ulimit", O(ulimit), "Ulimits", parse_ulimit, EMPTY_ARRAY},
	{"--volumes-from", O(volumes_from), "VolumesFrom", parse_plain, NULL_IF_EMPTY},
};

typedef enum { STRING, STRING_IF_SET, BOOLEAN, INTEGER, INTEGER_IF_SET } PlainType;

static const struct {
	gboolean host; /* in HostConfig */
	const char *key;
	PlainType type;
	size_t offset;
} plain[] = {
	{FALSE, "Hostname", STRING, O(hostname)},
	{FALSE, "Domainname", STRING, O(domainname)},
	{FALSE, "User", STRING, O(user)},
	{FALSE, "Tty", BOOLEAN, O(tty)},
	{FALSE, "OpenStdin", BOOLEAN, O(interactive)},
	{FALSE, "WorkingDir", STRING, O(workdir)},
	{FALSE, "StopSignal", STRING_IF_SET, O(stop_signal)},
	{TRUE, "ContainerIDFile", STRING, O(cidfile)},
	{TRUE, "AutoRemove", BOOLEAN, O(auto_remove)},
	{TRUE, "VolumeDriver", STRING, O(volume_driver)},
	{TRUE, "CgroupnsMode", STRING, O(cgroupns)},
	{TRUE, "IpcMode", STRING, O(ipc)},
	{TRUE, "OomScoreAdj", INTEGER, O(oom_score_adj)},
	{TRUE, "PidMode", STRING, O(pid)},
	{TRUE, "Privileged", BOOLEAN, O(privileged)},
	{TRUE, "PublishAllPorts", BOOLEAN, O(publish_all)},
	{TRUE, "ReadonlyRootfs", BOOLEAN, O(read_only)},
	{TRUE, "UTSMode", STRING, O(uts)},
	{TRUE, "UsernsMode", STRING, O(userns)},
	{TRUE, "ShmSize", INTEGER, O(shm_size)},
	{TRUE, "Runtime", STRING_IF_SET, O(runtime)},
	{TRUE, "Isolation", STRING, O(isolation)},
	{TRUE, "CpuShares", INTEGER, O(cpu_shares)},
	{TRUE, "Memory", INTEGER, O(memory)},
	{TRUE, "CgroupParent", STRING, O(cgroup_parent)},
	{TRUE, "BlkioWeight", INTEGER, O(blkio_weight)},
	{TRUE, "CpuPeriod", INTEGER, O(cpu_period)},
	{TRUE, "CpuQuota", INTEGER, O(cpu_quota)},
	{TRUE, "CpuRealtimePeriod", INTEGER, O(cpu_rt_period)},
	{TRUE, "CpuRealtimeRuntime", INTEGER, O(cpu_rt_runtime)},
	{TRUE, "CpusetCpus", STRING, O(cpuset_cpus)},
	{TRUE, "CpusetMems", STRING, O(cpuset_mems)},
	{TRUE, "MemoryReservation", INTEGER, O(memory_reservation)},
	{TRUE, "MemorySwap", INTEGER, O(memory_swap)},
	{TRUE, "MemorySwappiness", INTEGER, O(memory_swappiness)},
	{TRUE, "OomKillDisable", BOOLEAN, O(oom_kill_disable)},
	{TRUE, "PidsLimit", INTEGER, O(pids_limit)},
	/* Unlike docker, which says nothing to a daemon that would say that it cannot. */
	{TRUE, "KernelMemory", INTEGER_IF_SET, O(kernel_memory)},
};

static const void *member(const RunOptions *o, size_t offset)
{
	return (const char *)o + offset;
}

static gboolean flag_error(
	RunParse *p, const char *flag, const char *value, const char *why, GError **error)
{
	g_autofree char *q = text_quote(value);
	p->usage_error = TRUE;
	return dh_error(
		error, DH_ERROR_INVALID, "invalid argument %s for \"%s\" flag: %s", q, flag, why);
}

static gboolean parse_lists(RunParse *p, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
		const GPtrArray *list = *(GPtrArray *const *)member(p->o, lists[i].offset);
		Empty empty = lists[i].empty;
		gboolean object = empty == EMPTY_OBJECT || empty == ABSENT_OBJECT;
		g_autoptr(json_t) into = object ? json_object() : json_array();
		for (guint k = 0; list && k < list->len; k++) {
			const char *value = g_ptr_array_index(list, k);
			g_autoptr(GError) local = NULL;
			if (!lists[i].parse(value, into, &local))
				return flag_error(p, lists[i].flag, value, local->message, error);
		}
		json_t *to = g_ascii_islower(lists[i].key[0]) ? p->values : p->host;
		gboolean is_empty = object ? !json_object_size(into) : !json_array_size(into);
		if (!is_empty || empty == EMPTY_ARRAY || empty == EMPTY_OBJECT)
			json_object_set(to, lists[i].key, into);
		else if (empty == NULL_IF_EMPTY)
			json_object_set_new(to, lists[i].key, json_null());
	}
	return TRUE;
}

/* Only --memory-swap knows -1. */
static gboolean check_sizes(RunParse *p, GError **error)
{
	static const struct {
		const char *flag;
		size_t offset;
	} sizes[] = {
		{"--kernel-memory", O(kernel_memory)},
		{"-m, --memory", O(memory)},
		{"--memory-reservation", O(memory_reservation)},
		{"--shm-size", O(shm_size)},
	};
	for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
		if (*(const int64_t *)member(p->o, sizes[i].offset) < 0)
			return flag_error(p, sizes[i].flag, "-1", "invalid size: '-1'", error);
	}
	return TRUE;
}

static gboolean parse_cpus_flag(RunParse *p, GError **error)
{
	int64_t nano = 0;
	g_autoptr(GError) local = NULL;
	if (p->o->cpus && !parse_cpus(p->o->cpus, &nano, &local))
		return flag_error(p, "--cpus", p->o->cpus, local->message, error);
	json_object_set_new(p->host, "NanoCpus", json_integer(nano));
	return TRUE;
}

static void copy_plain(RunParse *p)
{
	for (guint i = 0; i < G_N_ELEMENTS(plain); i++) {
		const void *m = member(p->o, plain[i].offset);
		const char *s;
		json_t *v = NULL;
		switch (plain[i].type) {
		case STRING:
		case STRING_IF_SET:
			s = *(const char *const *)m;
			if (plain[i].type == STRING || (s && *s))
				v = text_json(s ? s : "");
			break;
		case BOOLEAN:
			v = json_boolean(*(const gboolean *)m);
			break;
		case INTEGER:
		case INTEGER_IF_SET:
			if (plain[i].type == INTEGER || *(const int64_t *)m)
				v = json_integer(*(const int64_t *)m);
			break;
		}
		if (v)
			json_object_set_new(plain[i].host ? p->host : p->config, plain[i].key, v);
	}
}

static gboolean listed(json_t *list, const char *word)
{
	json_t *item;
	size_t i;
	json_array_foreach (list, i, item) {
		if (strcmp(json_string_value(item), word) == 0)
			return TRUE;
	}
	return FALSE;
}

static void set_streams(RunParse *p)
{
	json_t *attach = json_object_get(p->values, "attach");
	gboolean all = json_array_size(attach) == 0;
	gboolean in = p->o->interactive || listed(attach, "stdin");
	json_object_set_new(p->config, "AttachStdin", json_boolean(in));
	json_object_set_new(
		p->config, "AttachStdout", json_boolean(all || listed(attach, "stdout")));
	json_object_set_new(
		p->config, "AttachStderr", json_boolean(all || listed(attach, "stderr")));
	json_object_set_new(p->config, "StdinOnce", json_boolean(in && p->o->interactive));
}

static void set_command(RunParse *p, char *const *args)
{
	json_t *cmd = json_array();
	for (char *const *a = args; *a; a++)
		json_array_append_new(cmd, text_json(*a));
	json_object_set_new(p->config, "Cmd", *args ? json_incref(cmd) : json_null());
	json_decref(cmd);
	const char *e = p->o->entrypoint;
	json_object_set_new(
		p->config, "Entrypoint", e ? json_pack("[o]", text_json(e)) : json_null());
	if (p->o->stop_timeout.given)
		json_object_set_new(
			p->config, "StopTimeout", json_integer(p->o->stop_timeout.value));
}

static gboolean check_modes(RunParse *p, GError **error)
{
	const RunOptions *o = p->o;
	static const char *const host[] = {"", "host", NULL};
	static const char *const user[] = {"", "host", "auto", "keep", "keep-id", NULL};
	static const char *const cgroup[] = {"", "host", "private", NULL};
	const struct {
		const char *value, *error;
		const char *const *words;
		gboolean container; /* container:NAME as well */
	} modes[] = {
		{o->pid, "--pid: invalid PID mode", host, TRUE},
		{o->uts, "--uts: invalid UTS mode", host, FALSE},
		{o->userns, "--userns: invalid USER mode", user, FALSE},
		{o->cgroupns, "--cgroupns: invalid CGROUP mode", cgroup, FALSE},
	};
	for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
		const char *v = modes[i].value ? modes[i].value : "";
		if (g_strv_contains(modes[i].words, v) ||
			(modes[i].container && g_str_has_prefix(v, "container:") && v[10]))
			continue;
		return dh_error(error, DH_ERROR_INVALID, "%s", modes[i].error);
	}
	return TRUE;
}

json_t *parse_restart_policy(const char *v, GError **error)
{
	g_autofree char *name = NULL;
	const char *count = text_cut(v, ':', &name);
	int64_t n = 0;
	if (count && !*name) {
		dh_error(error, DH_ERROR_INVALID,
			"invalid restart policy format: no policy provided before colon");
		return NULL;
	}
	if (count && *count && !text_int(count, &n, NULL)) {
		dh_error(error, DH_ERROR_INVALID,
			"invalid restart policy format: maximum retry count must be an integer");
		return NULL;
	}
	return json_pack("{s:o, s:I}", "Name", text_json(name), "MaximumRetryCount", (json_int_t)n);
}

static gboolean parse_restart(RunParse *p, GError **error)
{
	json_t *policy = parse_restart_policy(p->o->restart, error);
	if (!policy)
		return FALSE;
	json_object_set_new(p->host, "RestartPolicy", policy);
	const char *name = json_string_value(json_object_get(policy, "Name"));
	if (p->o->auto_remove && *name && strcmp(name, "no") != 0)
		return dh_error(error, DH_ERROR_INVALID,
			"conflicting options: cannot specify both --restart and --rm");
	return TRUE;
}

static gboolean parse_logging(RunParse *p, GError **error)
{
	const char *driver = p->o->log_driver ? p->o->log_driver : "";
	json_t *options = json_object_get(p->values, "log-opt");
	if (strcmp(driver, "none") == 0 && json_object_size(options))
		return dh_error(
			error, DH_ERROR_INVALID, "invalid logging opts for driver %s", driver);
	json_object_set_new(p->host, "LogConfig",
		json_pack("{s:o, s:O}", "Type", text_json(driver), "Config", options));
	return TRUE;
}

/* The profile is sent as its text without the white space between tokens. */
static char *read_seccomp(const char *path, GError **error)
{
	g_autoptr(GError) local = NULL;
	size_t n;
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 16 << 20, &n, &local);
	if (!text) {
		gboolean absent = local->code == DH_ERROR_NOT_FOUND;
		dh_error(error, DH_ERROR_INVALID, "opening seccomp profile (%s) failed: %s%s%s",
			path, absent ? "open " : "", absent ? path : local->message,
			absent ? ": no such file or directory" : "");
		return NULL;
	}
	g_autoptr(json_t) valid = dh_json_loads(text, n, &local);
	if (!valid) {
		dh_error(error, DH_ERROR_INVALID,
			"compacting json for seccomp profile (%s) failed: %s", path,
			local->message);
		return NULL;
	}
	char *out = text;
	gboolean in_string = FALSE;
	for (const char *s = text; *s; s++) {
		if (!in_string && strchr(" \t\r\n", *s))
			continue;
		*out++ = *s;
		if (in_string && *s == '\\' && s[1])
			*out++ = *++s;
		else if (*s == '"')
			in_string = !in_string;
	}
	*out = '\0';
	return g_strconcat("seccomp=", text, NULL);
}

static gboolean parse_security(RunParse *p, GError **error)
{
	const GPtrArray *list = p->o->security_opt;
	g_autoptr(json_t) kept = json_array();
	json_t *paths = NULL;
	for (guint i = 0; list && i < list->len; i++) {
		const char *v = g_ptr_array_index(list, i);
		g_autofree char *key = NULL, *profile = NULL;
		gboolean lone = strcmp(v, "no-new-privileges") == 0;
		const char *value = text_cut(v, strchr(v, '=') || lone ? '=' : ':', &key);
		if ((!value || !*value) && strcmp(key, "no-new-privileges") != 0) {
			g_autofree char *q = text_quote(v);
			return dh_error(error, DH_ERROR_INVALID, "Invalid --security-opt: %s", q);
		}
		if (strcmp(v, "systempaths=unconfined") == 0) {
			paths = json_array();
			json_object_set(p->host, "MaskedPaths", paths);
			json_object_set_new(p->host, "ReadonlyPaths", paths);
			continue;
		}
		if (strcmp(key, "seccomp") == 0 && g_strcmp0(value, "unconfined") != 0 &&
			g_strcmp0(value, "builtin") != 0) {
			v = profile = read_seccomp(value, error);
			if (!v)
				return FALSE;
		}
		json_array_append_new(kept, text_json(v));
	}
	if (!paths) {
		json_object_set_new(p->host, "MaskedPaths", json_null());
		json_object_set_new(p->host, "ReadonlyPaths", json_null());
	}
	json_object_set_new(
		p->host, "SecurityOpt", list && list->len ? json_incref(kept) : json_null());
	return TRUE;
}

static gboolean parse_storage(RunParse *p, GError **error)
{
	const GPtrArray *list = p->o->storage_opt;
	g_autoptr(json_t) options = json_object();
	for (guint i = 0; list && i < list->len; i++) {
		const char *v = g_ptr_array_index(list, i);
		if (!strchr(v, '='))
			return dh_error(error, DH_ERROR_INVALID, "invalid storage option");
		parse_map(v, options, NULL);
	}
	if (json_object_size(options))
		json_object_set(p->host, "StorageOpt", options);
	return TRUE;
}

static gboolean parse_health(RunParse *p, GError **error)
{
	const RunOptions *o = p->o;
	const struct {
		const char *key, *flag;
		int64_t value;
	} numbers[] = {
		{"Interval", "interval", o->health_interval},
		{"Timeout", "timeout", o->health_timeout},
		{"Retries", "retries", o->health_retries},
		{"StartPeriod", "start-period", o->health_start_period},
		{"StartInterval", "start-interval", o->health_start_interval},
	};
	g_autoptr(json_t) health = json_object();
	for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
		if (numbers[i].value)
			json_object_set_new(health, numbers[i].key, json_integer(numbers[i].value));
	}
	if (o->health_cmd && *o->health_cmd)
		json_object_set_new(
			health, "Test", json_pack("[s, o]", "CMD-SHELL", text_json(o->health_cmd)));
	if (o->health_on_failure && *o->health_on_failure)
		json_object_set_new(health, "OnFailure", text_json(o->health_on_failure));
	gboolean given = json_object_size(health) > 0;
	if (o->no_healthcheck && given)
		return dh_error(error, DH_ERROR_INVALID,
			"--no-healthcheck conflicts with --health-* options");
	for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
		if (numbers[i].value < 0)
			return dh_error(error, DH_ERROR_INVALID, "--health-%s cannot be negative",
				numbers[i].flag);
	}
	if (o->no_healthcheck)
		json_object_set_new(health, "Test", json_pack("[s]", "NONE"));
	if (given || o->no_healthcheck)
		json_object_set(p->config, "Healthcheck", health);
	return TRUE;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* CAP_ in front, upper case, sorted, each once; ALL stays ALL. */
static void normalize_capabilities(RunParse *p, const char *key)
{
	json_t *list = json_object_get(p->host, key);
	json_t *item;
	size_t i;
	if (!json_is_array(list))
		return;
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	json_array_foreach (list, i, item) {
		g_autofree char *upper = g_ascii_strup(json_string_value(item), -1);
		gboolean full = strcmp(upper, "ALL") == 0 || g_str_has_prefix(upper, "CAP_");
		g_ptr_array_add(names, g_strconcat(full ? "" : "CAP_", upper, NULL));
	}
	g_ptr_array_sort(names, compare_words);
	json_array_clear(list);
	for (guint k = 0; k < names->len; k++) {
		const char *name = g_ptr_array_index(names, k);
		if (k == 0 || strcmp(name, g_ptr_array_index(names, k - 1)) != 0)
			json_array_append_new(list, text_json(name));
	}
}

static void add_api_socket(RunParse *p)
{
	json_t *mounts = json_object_get(p->host, "Mounts");
	if (!p->o->use_api_socket || !p->api_socket)
		return;
	if (!mounts) {
		mounts = json_array();
		json_object_set_new(p->host, "Mounts", mounts);
	}
	json_array_append_new(mounts,
		json_pack("{s:s, s:o, s:s, s:{}}", "Type", "bind", "Source",
			text_json(p->api_socket), "Target", "/var/run/docker.sock", "BindOptions"));
}

/* What docker sends besides: members no flag on Linux sets. */
static void add_constants(RunParse *p)
{
	static const char *const zeros[] = {
		"CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"};
	for (guint i = 0; i < G_N_ELEMENTS(zeros); i++)
		json_object_set_new(p->host, zeros[i], json_integer(0));
	json_object_set_new(p->host, "Cgroup", json_string(""));
	json_object_set_new(p->config, "OnBuild", json_null());
	if (p->o->init >= 0)
		json_object_set_new(p->host, "Init", json_boolean(p->o->init));
}

static gboolean check_values(RunParse *p, GError **error)
{
	const RunOptions *o = p->o;
	if (o->mac_address && *o->mac_address && !parse_mac(o->mac_address))
		return dh_error(
			error, DH_ERROR_INVALID, "%s is not a valid mac address", o->mac_address);
	if (o->memory_swappiness != -1 && (o->memory_swappiness < 0 || o->memory_swappiness > 100))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid value: %" G_GINT64_FORMAT
			". Valid memory swappiness range is 0-100",
			o->memory_swappiness);
	return TRUE;
}

static gboolean parse_all(RunParse *p, GError **error)
{
	typedef gboolean (*Pass)(RunParse *, GError **);
	static const Pass passes[] = {parse_lists, check_sizes, parse_cpus_flag, check_values,
		parse_volumes, parse_ports, parse_devices, parse_environment, parse_labels,
		check_modes, parse_restart, parse_logging, parse_security, parse_storage,
		parse_health, parse_networking};
	for (guint i = 0; i < G_N_ELEMENTS(passes); i++) {
		if (!passes[i](p, error))
			return FALSE;
	}
	return TRUE;
}

json_t *run_parse(const RunOptions *o, char *const *args, const char *api_socket,
	GHashTable *proxy_env, gboolean *ret_usage_error, GError **error)
{
	g_autoptr(json_t) config = json_object();
	g_autoptr(json_t) values = json_object();
	RunParse p = {.o = o,
		.api_socket = api_socket,
		.proxy_env = proxy_env,
		.config = config,
		.host = json_object(),
		.values = values};
	json_object_set_new(config, "HostConfig", p.host);
	gboolean ok = parse_all(&p, error);
	*ret_usage_error = p.usage_error;
	if (!ok)
		return NULL;
	copy_plain(&p);
	if (!parse_lxc(&p, error))
		return NULL;
	set_streams(&p);
	set_command(&p, args + 1);
	json_object_set_new(config, "Image", text_json(args[0]));
	normalize_capabilities(&p, "CapAdd");
	normalize_capabilities(&p, "CapDrop");
	add_api_socket(&p);
	add_constants(&p);
	return g_steal_pointer(&config);
}

/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

#include "base/fs.h"
#include "base/timefmt.h"
#include "container/runtimes.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SMALL_FILE 65536

typedef struct {
	gint64 all, running, paused, stopped;
} Counts;

static void count_containers(Engine *e, Counts *n)
{
	g_autoptr(GPtrArray) all = container_all(e);
	for (guint i = 0; i < all->len; i++) {
		g_autoptr(ContainerSnapshot) s = container_snapshot(all->pdata[i]);
		n->all++;
		if (s->state.paused)
			n->paused++;
		else if (s->state.running)
			n->running++;
		else
			n->stopped++;
	}
}

/* A value of /etc/os-release, unquoted; "" when it has none. */
static char *os_release(const char *text, const char *key)
{
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
	size_t n = strlen(key);
	for (char **l = lines; *l; l++) {
		if (strncmp(*l, key, n) == 0 && (*l)[n] == '=') {
			char *v = g_shell_unquote(*l + n + 1, NULL);
			return v ? v : g_strdup(*l + n + 1);
		}
	}
	return g_strdup("");
}

static gint64 count_entries(const char *path)
{
	DIR *d = opendir(path);
	gint64 n = 0;
	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* What the kernel's cgroups can do: member of info, file on v1, controller (or file) on v2. */
static void set_limits(json_t *body)
{
	static const struct {
		const char *key, *v1, *v2;
	} limits[] = {
		{"MemoryLimit", "memory/memory.limit_in_bytes", "memory"},
		{"SwapLimit", "memory/memory.memsw.limit_in_bytes", "memory"},
		{"CpuCfsPeriod", "cpu/cpu.cfs_period_us", "cpu"},
		{"CpuCfsQuota", "cpu/cpu.cfs_quota_us", "cpu"},
		{"CPUShares", "cpu/cpu.shares", "cpu"},
		{"CPUSet", "cpuset/cpuset.cpus", "cpuset"},
		{"PidsLimit", "pids", "pids"},
		{"OomKillDisable", "memory/memory.oom_control", NULL},
	};
	g_autofree char *text =
		dh_read_file(-1, "/sys/fs/cgroup/cgroup.controllers", SMALL_FILE, NULL, NULL);
	g_auto(GStrv) controllers = g_strsplit(text ? g_strchomp(text) : "", " ", -1);
	gboolean v2 = rt_cgroup_mode() == RT_CGROUP_V2;
	for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
		g_autofree char *path = g_strconcat("/sys/fs/cgroup/", limits[i].v1, NULL);
		gboolean has =
			v2 ? limits[i].v2 && g_strv_contains(
						     (const char *const *)controllers, limits[i].v2)
			   : access(path, F_OK) == 0;
		json_object_set_new(body, limits[i].key, json_boolean(has));
	}
}

static json_t *warnings(json_t *body)
{
	static const struct {
		const char *key, *text;
	} all[] = {
		{"MemoryLimit", "WARNING: No memory limit support"},
		{"SwapLimit", "WARNING: No swap limit support"},
		{"CpuCfsQuota", "WARNING: No cpu cfs quota support"},
		{"CPUShares", "WARNING: No cpu shares support"},
		{"CPUSet", "WARNING: No cpuset support"},
		{"PidsLimit", "WARNING: No pids limit support"},
	};
	json_t *out = json_array();
	for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
		if (!json_is_true(json_object_get(body, all[i].key)))
			json_array_append_new(out, json_string(all[i].text));
	}
	return out;
}

static const char *backing_fs(const char *path)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {
		{0xef53, "extfs"},
		{0x58465342, "xfs"},
		{0x9123683e, "btrfs"},
		{0x01021994, "tmpfs"},
		{0x794c7630, "overlayfs"},
		{0xf2f52010, "f2fs"},
		{0x2fc12fc1, "zfs"},
		{0x6969, "nfs"},
	};
	struct statfs st;
	if (statfs(path, &st) < 0)
		return "unknown";
	for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
		if ((unsigned long)st.f_type == known[i].magic)
			return known[i].name;
	}
	return "unknown";
}

static json_t *env_or_empty(const char *upper, const char *lower)
{
	const char *v = g_getenv(upper);
	if (!v)
		v = g_getenv(lower);
	return api_string(v);
}

/* The members that are the same on every machine. */
static void set_constants(json_t *body)
{
	api_set(body, "Plugins",
		json_pack("{s:[s],s:[sss],s:n,s:[sssss]}", "Volume", "local", "Network", "bridge",
			"host", "null", "Authorization", "Log", "journald", "json-file", "local",
			"none", "syslog"));
	api_set(body, "IPv4Forwarding", json_true());
	api_set(body, "CgroupDriver", json_string("cgroupfs"));
	api_set(body, "OSType", json_string("linux"));
	api_set(body, "IndexServerAddress", json_string("https://index.docker.io/v1/"));
	api_set(body, "GenericResources", json_null());
	api_set(body, "ExperimentalBuild", json_false());
	api_set(body, "ServerVersion", json_string(DHOW_VERSION));
	api_set(body, "Swarm",
		json_pack("{s:s,s:s,s:s,s:b,s:s,s:n}", "NodeID", "", "NodeAddr", "",
			"LocalNodeState", "inactive", "ControlAvailable", 0, "Error", "",
			"RemoteManagers"));
	api_set(body, "Isolation", json_string(""));
	api_set(body, "InitBinary", json_string("dhow-init"));
	static const char *const programs[] = {"ContainerdCommit", "RuncCommit", "InitCommit"};
	for (guint i = 0; i < G_N_ELEMENTS(programs); i++)
		api_set(body, programs[i], json_pack("{s:s}", "ID", ""));
	api_set(body, "CDISpecDirs", json_array());
}

static void set_host(const Engine *e, json_t *body)
{
	struct utsname u;
	uname(&u);
	g_autofree char *release = dh_read_file(-1, "/etc/os-release", SMALL_FILE, NULL, NULL);
	g_autofree char *pretty = os_release(release, "PRETTY_NAME");
	g_autofree char *version = os_release(release, "VERSION_ID");
	gboolean v2 = rt_cgroup_mode() == RT_CGROUP_V2;
	api_set(body, "CgroupVersion", json_string(v2 ? "2" : "1"));
	api_set(body, "KernelVersion", json_string(u.release));
	api_set(body, "OperatingSystem", api_string(*pretty ? pretty : "Linux"));
	api_set(body, "OSVersion", api_string(version));
	api_set(body, "Architecture", json_string(u.machine));
	api_set(body, "NCPU", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	api_set(body, "MemTotal",
		json_integer((json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)));
	api_set(body, "Name", api_string(u.nodename));
	api_set(body, "HttpProxy", env_or_empty("HTTP_PROXY", "http_proxy"));
	api_set(body, "HttpsProxy", env_or_empty("HTTPS_PROXY", "https_proxy"));
	api_set(body, "NoProxy", env_or_empty("NO_PROXY", "no_proxy"));
	json_t *security = json_array();
	if (e->apparmor.profile)
		json_array_append_new(security, json_string("name=apparmor"));
	json_array_append_new(security, json_string("name=seccomp,profile=builtin"));
	if (identities_remap(e->identities))
		json_array_append_new(security, json_string("name=userns"));
	if (v2)
		json_array_append_new(security, json_string("name=cgroupns"));
	api_set(body, "SecurityOptions", security);
}

/* Our own under both names that clients know, and those that were added. */
static json_t *runtimes(const EngineSettings *s)
{
	json_t *out = json_pack("{s:{s:s}, s:{s:s}}", "dhow", "path", "dhow-runtime", "runc",
		"path", "dhow-runtime");
	GHashTableIter it;
	gpointer name, program;
	g_hash_table_iter_init(&it, s->runtimes);
	while (g_hash_table_iter_next(&it, &name, &program)) {
		const RuntimeProgram *p = program;
		json_t *r = json_pack("{s:o}", "path", api_string(p->path));
		if (p->args && *p->args)
			api_set(r, "runtimeArgs", api_strv(p->args));
		api_set(out, name, r);
	}
	return out;
}

static void set_settings(Engine *e, json_t *body)
{
	g_autoptr(EngineSettings) s = engine_settings(e);
	g_auto(GStrv) labels = settings_labels(s);
	api_set(body, "Debug", json_boolean(s->debug));
	api_set(body, "Labels", api_strv(labels));
	api_set(body, "Runtimes", runtimes(s));
	api_set(body, "DefaultRuntime", api_string(settings_default_runtime(s)));
	api_set(body, "RegistryConfig", api_registry_config(&s->registry));
}

gboolean api_info(ApiRequest *r, GError **error)
{
	Engine *e = api_engine(r);
	json_t *body = json_object();
	Counts n = {0};
	StoreUsage usage;
	count_containers(e, &n);
	store_usage(e->store, &usage);
	api_set(body, "ID", api_string(e->id));
	api_set(body, "Containers", json_integer(n.all));
	api_set(body, "ContainersRunning", json_integer(n.running));
	api_set(body, "ContainersPaused", json_integer(n.paused));
	api_set(body, "ContainersStopped", json_integer(n.stopped));
	api_set(body, "Images", json_integer(usage.n_images));
	api_set(body, "Driver", json_string("overlay2"));
	api_set(body, "DriverStatus",
		json_pack("[[ss][ss][ss]]", "Backing Filesystem", backing_fs(e->config.data_root),
			"Supports d_type", "true", "Native Overlay Diff", "true"));
	set_limits(body);
	set_host(e, body);
	set_constants(body);
	set_settings(e, body);
	api_set(body, "NFd", json_integer(count_entries("/proc/self/fd")));
	api_set(body, "NGoroutines", json_integer(count_entries("/proc/self/task")));
	api_set(body, "NEventsListener", json_integer(events_n_subscribers(e->events)));
	api_set(body, "SystemTime", api_time(dh_time_now()));
	api_set(body, "LoggingDriver",
		api_string(e->config.log_driver ? e->config.log_driver : "json-file"));
	api_set(body, "DockerRootDir", api_string(e->config.data_root));
	api_set(body, "LiveRestoreEnabled", json_boolean(e->config.live_restore));
	api_set(body, "Warnings", warnings(body));
	api_reply_json(r, 200, body);
	return TRUE;
}

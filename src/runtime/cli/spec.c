/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "runtime/cli/command.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	char *bundle;
	gboolean rootless;
} Options;

static const OptionSpec options_table[] = {
	{'b', "bundle", OPT_STRING, offsetof(Options, bundle), "value",
		"path to the root of the bundle directory"},
	{0, "rootless", OPT_BOOL, offsetof(Options, rootless), NULL,
		"generate a configuration for a rootless container"},
};

#define CAPS "[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]"

static const char sample[] =
	"{\"ociVersion\":\"" OCI_VERSION "\",\"process\":{\"terminal\":true,\"user\":{\"uid\":0,"
	"\"gid\":0},\"args\":[\"sh\"],\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
	"/usr/bin:/sbin:/bin\",\"TERM=xterm\"],\"cwd\":\"/\",\"capabilities\":{\"bounding\":" CAPS
	",\"effective\":" CAPS ",\"permitted\":" CAPS "},\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\","
	"\"hard\":1024,\"soft\":1024}],\"noNewPrivileges\":true},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"dhow\",\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":["
	"\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":["
	"\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":["
	"\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":["
	"\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":["
	"\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],"
	"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},"
	"{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"}],"
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\","
	"\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\","
	"\"/sys/firmware\",\"/proc/scsi\"],"
	"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
	"\"/proc/sysrq-trigger\"]}}";

static gboolean is(const json_t *o, const char *key, const char *value)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s && strcmp(s, value) == 0;
}

/* A user namespace with ourselves as root in it, the host's network, and nothing that needs more
 * rights than that gives. */
static void make_rootless(json_t *spec)
{
	json_t *l = json_object_get(spec, "linux"), *mounts = json_object_get(spec, "mounts");
	json_t *namespaces = json_object_get(l, "namespaces"), *o;
	size_t i;
	json_array_foreach (namespaces, i, o) {
		if (is(o, "type", "network"))
			break;
	}
	json_array_remove(namespaces, i);
	json_array_append_new(namespaces, json_pack("{s:s}", "type", "user"));
	json_object_set_new(l, "uidMappings",
		json_pack("[{s:i, s:I, s:i}]", "containerID", 0, "hostID", (json_int_t)geteuid(),
			"size", 1));
	json_object_set_new(l, "gidMappings",
		json_pack("[{s:i, s:I, s:i}]", "containerID", 0, "hostID", (json_int_t)getegid(),
			"size", 1));
	json_object_del(l, "resources");
	json_array_foreach (mounts, i, o) {
		json_t *options = json_object_get(o, "options");
		if (is(o, "destination", "/dev/pts"))
			json_array_remove(options, json_array_size(options) - 1); /* gid=5 */
		if (is(o, "destination", "/sys")) {
			json_object_set_new(o, "type", json_string("none"));
			json_object_set_new(o, "source", json_string("/sys"));
			json_array_insert_new(options, 0, json_string("rbind"));
		}
	}
	/* The host's come with /sys. */
	json_array_foreach (mounts, i, o) {
		if (is(o, "destination", "/sys/fs/cgroup"))
			break;
	}
	json_array_remove(mounts, i);
}

/* Indented with tabs. */
static char *pretty(const json_t *spec)
{
	g_autofree char *text = dh_json_dumps(spec, 1);
	gboolean head = TRUE;
	for (char *p = text; *p; p++) {
		if (head && *p == ' ')
			*p = '\t';
		else
			head = *p == '\n';
	}
	return g_strconcat(text, "\n", NULL);
}

static int spec(const Rt *rt, void *options, char **args, GError **error)
{
	(void)rt;
	(void)args;
	const Options *o = options;
	const char *dir = o->bundle && *o->bundle ? o->bundle : ".";
	g_autofree char *path = g_build_filename(dir, "config.json", NULL);
	g_autoptr(json_t) json = dh_json_loads(sample, sizeof sample - 1, error);
	if (!json)
		return 1;
	if (o->rootless)
		make_rootless(json);
	dh_autofd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		dh_error(error, DH_ERROR_CONFLICT, "File config.json exists. Remove it first");
	else if (fd < 0)
		rt_error_errno(error, errno, "open %s", path);
	if (fd < 0)
		return 1;
	g_autofree char *text = pretty(json);
	if (dh_write_all(fd, text, strlen(text)) == 0)
		return 0;
	rt_error_errno(error, errno, "write %s", path);
	return 1;
}

const RtCommand cmd_spec = {
	.name = "spec",
	.summary = "create a new specification file",
	.usage = "[command options]",
	.arguments = "",
	.description =
		"The spec command creates the new specification file named \"config.json\" for\n"
		"the bundle: a starter file that runs \"sh\" from the directory \"rootfs\".",
	.min_args = 0,
	.max_args = 0,
	.options = options_table,
	.n_options = G_N_ELEMENTS(options_table),
	.options_size = sizeof(Options),
	.run = spec,
};

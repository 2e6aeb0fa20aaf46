/* SPDX-License-Identifier: MIT */
#include "test_runtime.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSYBOX "/bin/busybox"

static const char base_spec[] =
	"{\"ociVersion\":\"1.2.0\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"true\"],"
	"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/"
	"bin\"],\"cwd\":\"/\","
	"\"capabilities\":{"
	"\"bounding\":[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_KILL\",\"CAP_SETUID\",\"CAP_"
	"SETGID\"],"
	"\"effective\":[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_KILL\",\"CAP_SETUID\",\"CAP_"
	"SETGID\"],"
	"\"permitted\":[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_KILL\",\"CAP_SETUID\",\"CAP_"
	"SETGID\"]}},"
	"\"root\":{},\"hostname\":\"boxhost\",\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
	"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/"
	"pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"nosuid\","
	"\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=67108864\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
	"\"options\":[\"ro\",\"nosuid\",\"noexec\",\"nodev\"]}],"
	"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":5,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":7,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":8,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":9,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":5,\"minor\":0,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":5,\"minor\":2,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":136,\"access\":\"rwm\"}]},"
	"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"pid\"},{\"type\":"
	"\"ipc\"},"
	"{\"type\":\"cgroup\"}],"
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/kcore\",\"/proc/keys\",\"/proc/timer_list\","
	"\"/proc/sched_debug\",\"/proc/scsi\",\"/sys/firmware\",\"/proc/nonexistent\"],"
	"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
	"\"/proc/sysrq-trigger\"]}}";

gboolean rig_usable(void)
{
	return geteuid() == 0 && access(BUSYBOX, X_OK) == 0 && rt_cgroup_mode() != RT_CGROUP_NONE;
}

static void write_file(const char *dir, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void make_busybox(const char *root)
{
	static const char *const applets[] = {"sh", "cat", "chmod", "cp", "cut", "dd", "echo",
		"env", "false", "grep", "head", "hostname", "id", "ip", "kill", "ls", "mkdir",
		"mount", "ps", "pwd", "rm", "sleep", "stat", "stty", "tail", "test", "touch",
		"true", "tty", "umask", "wc", "xargs", "sort", "tr", "readlink", "mknod", "ulimit"};
	static const char *const dirs[] = {
		"bin", "etc", "tmp", "root", "home/joe", "proc", "sys", "dev", "secret"};
	for (guint i = 0; i < G_N_ELEMENTS(dirs); i++) {
		g_autofree char *dir = g_build_filename(root, dirs[i], NULL);
		assert_int_equal(g_mkdir_with_parents(dir, 0755), 0);
	}
	g_autofree char *bb = g_build_filename(root, "bin/busybox", NULL);
	g_autofree char *data = NULL;
	gsize n;
	assert_true(g_file_get_contents(BUSYBOX, &data, &n, NULL));
	assert_true(g_file_set_contents(bb, data, (gssize)n, NULL));
	assert_int_equal(chmod(bb, 0755), 0);
	for (guint i = 0; i < G_N_ELEMENTS(applets); i++) {
		g_autofree char *link = g_build_filename(root, "bin", applets[i], NULL);
		assert_int_equal(symlink("busybox", link), 0);
	}
	write_file(root, "etc/passwd",
		"root:x:0:0:root:/root:/bin/sh\njoe:x:1000:1001::/home/joe:/bin/sh\n");
	write_file(root, "etc/group",
		"root:x:0:\nwheel:x:10:root\njoe:x:1001:\naudio:x:29:joe,other\nvideo:x:44:\n");
	write_file(root, "bin/garbage", "\x7f not a program");
	write_file(root, "bin/badinterp", "#!/no/such/interpreter\n");
	g_autofree char *garbage = g_build_filename(root, "bin/garbage", NULL);
	g_autofree char *script = g_build_filename(root, "bin/badinterp", NULL);
	assert_int_equal(chmod(garbage, 0755), 0);
	assert_int_equal(chmod(script, 0755), 0);
}

/* Of this process only: other tests run beside this one. */
static char *list_cgroups(void)
{
	g_auto(GStrv) names = rt_cgroup_children("/");
	g_autofree char *own = g_strdup_printf("dhow-test-%d", getpid());
	return g_strdup(g_strv_contains((const char *const *)names, own) ? own : "");
}

/* Lines of mountinfo that name our directory. */
static char *list_mounts(const Rig *r)
{
	g_autofree char *text = NULL;
	g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL);
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
	g_autoptr(GString) out = g_string_new(NULL);
	for (char **l = lines; *l; l++) {
		if (strstr(*l, r->dir))
			g_string_append_printf(out, "%s\n", *l);
	}
	return g_strdup(out->str);
}

int rig_setup(void **state)
{
	Rig *r = g_new0(Rig, 1);
	*state = r;
	if (!rig_usable())
		return 0;
	r->process = (RtProcess){.pidfd = -1, .console = -1};
	r->dir = g_strdup("/var/tmp/dhow-test-XXXXXX");
	assert_non_null(g_mkdtemp(r->dir));
	assert_int_equal(chmod(r->dir, 0755), 0);
	static const char *const dirs[] = {"base", "top", "upper", "work", "mnt"};
	for (guint i = 0; i < G_N_ELEMENTS(dirs); i++) {
		g_autofree char *dir = g_build_filename(r->dir, dirs[i], NULL);
		assert_int_equal(mkdir(dir, 0755), 0);
	}
	r->rootfs.lower = g_new0(char *, 3);
	r->rootfs.lower[0] = g_build_filename(r->dir, "top", NULL);
	r->rootfs.lower[1] = g_build_filename(r->dir, "base", NULL);
	r->rootfs.upper = g_build_filename(r->dir, "upper", NULL);
	r->rootfs.work = g_build_filename(r->dir, "work", NULL);
	r->rootfs.mountpoint = g_build_filename(r->dir, "mnt", NULL);
	make_busybox(r->rootfs.lower[1]);
	write_file(r->rootfs.lower[0], "layer", "top\n");

	g_autoptr(GError) error = NULL;
	r->spec = dh_json_parse_text(&oci_spec_table, base_spec, strlen(base_spec), &error);
	assert_null(error);
	r->spec->linux_->cgroups_path =
		g_strdup_printf("/dhow-test-%d/%s", getpid(), strrchr(r->dir, '-') + 1);
	r->launch = (RtLaunch){.spec = r->spec,
		.rootfs = &r->rootfs,
		.netns_fd = -1,
		.userns_fd = -1,
		.seccomp_fd = -1};
	r->cgroups_before = list_cgroups();
	r->mounts_before = list_mounts(r);
	return 0;
}

int rig_teardown(void **state)
{
	Rig *r = *state;
	if (r->dir) {
		g_autofree char *parent = g_path_get_dirname(r->spec->linux_->cgroups_path);
		GError *error = NULL;
		if (r->process.pidfd >= 0) /* a test that failed half-way */
			rig_stop(r);
		assert_true(rt_cgroup_remove(r->spec->linux_->cgroups_path, &error));
		assert_true(rt_cgroup_remove(parent, &error));
		g_autofree char *mounts = list_mounts(r), *cgroups = list_cgroups();
		assert_string_equal(mounts, r->mounts_before);
		assert_string_equal(cgroups, r->cgroups_before);
		assert_true(dh_remove_tree(AT_FDCWD, r->dir, &error));
		dh_json_clear(&rt_rootfs_table, &r->rootfs);
		dh_json_free(&oci_spec_table, r->spec);
	}
	g_free(r->mounts_before);
	g_free(r->cgroups_before);
	g_free(r->dir);
	g_free(r);
	return 0;
}

static char *collect(int out, RtProcess *p, int *ret_status)
{
	char *text = dh_read_to_end(out, 1 << 20, NULL, NULL);
	int status = dh_reap(p->pidfd);
	if (ret_status)
		*ret_status = status;
	dh_close(&p->pidfd);
	return text;
}

char *rig_run(Rig *r, int *ret_status, GError **error, const char *const *args)
{
	int out[2];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	dh_autofd int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	g_strfreev(r->spec->process->args);
	r->spec->process->args = g_strdupv((char **)args);
	r->launch.stdio[0] = in;
	r->launch.stdio[1] = r->launch.stdio[2] = out[1];
	r->process = (RtProcess){.pidfd = -1, .console = -1};
	gboolean ok = rt_launch(&r->launch, &r->process, error);
	close(out[1]);
	dh_autofd int reader = out[0];
	if (!ok)
		return NULL;
	char *text = collect(reader, &r->process, ret_status);
	assert_true(rt_cgroup_remove(r->spec->linux_->cgroups_path, NULL));
	return text;
}

char *rig_sh(Rig *r, const char *script)
{
	const char *const args[] = {"sh", "-c", script, NULL};
	g_autoptr(GError) error = NULL;
	char *text = rig_run(r, NULL, &error, args);
	if (error)
		fail_msg("%s", error->message);
	return text;
}

void rig_start(Rig *r, const char *script)
{
	dh_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	g_autoptr(GError) error = NULL;
	g_strfreev(r->spec->process->args);
	r->spec->process->args = g_strdupv((char *[]){"sh", "-c", (char *)script, NULL});
	for (int i = 0; i < 3; i++)
		r->launch.stdio[i] = null;
	if (!rt_launch(&r->launch, &r->process, &error))
		fail_msg("%s", error->message);
}

void rig_stop(Rig *r)
{
	assert_true(rt_cgroup_kill(r->spec->linux_->cgroups_path, NULL));
	dh_reap(r->process.pidfd);
	dh_close(&r->process.pidfd);
	dh_close(&r->process.console);
	assert_true(rt_cgroup_remove(r->spec->linux_->cgroups_path, NULL));
}

char *rig_exec(Rig *r, OciProcess *p, int *ret_status, GError **error)
{
	int out[2];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	dh_autofd int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	RtExec x = {
		.spec = r->spec,
		.init_pidfd = r->process.pidfd,
		.init_pid = r->process.pid,
		.process = p,
		.seccomp_fd = r->launch.seccomp_fd,
		.stdio = {in, out[1], out[1]},
	};
	RtProcess child;
	gboolean ok = rt_exec(&x, &child, error);
	close(out[1]);
	dh_autofd int reader = out[0];
	return ok ? collect(reader, &child, ret_status) : NULL;
}

OciMount *rig_add_mount(
	Rig *r, const char *destination, const char *type, const char *source, const char *options)
{
	OciMount *m = dh_json_new(&oci_mount_table);
	m->destination = g_strdup(destination);
	m->type = g_strdup(type);
	m->source = g_strdup(source);
	m->options = g_strsplit(options, ",", -1);
	g_ptr_array_add(r->spec->mounts, m);
	return m;
}

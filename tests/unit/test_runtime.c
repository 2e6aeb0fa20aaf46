/* SPDX-License-Identifier: MIT */
#include "test_runtime.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "runtime/cgroup.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEEDS_ROOT()                                                                               \
	do {                                                                                       \
		if (!rig_usable())                                                                 \
			skip();                                                                    \
	} while (0)

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" not in:\n%s", part, text);
}

static void sees_only_itself(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	g_autofree char *out = rig_sh(r,
		"echo pid $$; hostname; cat /layer; ls /proc | grep -c '^[0-9]'; grep -c . "
		"/proc/mounts;"
		"cat /proc/self/cgroup | cut -d: -f3 | sort -u; pwd; umask; cat /proc/1/comm;"
		"ls -l /proc/self/fd | wc -l; touch /written && echo rw");
	assert_has(out, "pid 1\nboxhost\ntop\n");
	assert_has(out, "rw\n");
	assert_has(out, "0022");
	g_autofree char *written = g_build_filename(r->rootfs.upper, "written", NULL);
	assert_int_equal(access(written, F_OK), 0);
}

static void devices_are_dockers(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	OciDevice *d = dh_json_new(&oci_device_table);
	d->path = g_strdup("/dev/snd/own");
	d->type = g_strdup("c");
	d->major = 1;
	d->minor = 3;
	d->file_mode = 0640;
	d->gid = 29;
	r->spec->linux_->devices = g_ptr_array_new();
	g_ptr_array_add(r->spec->linux_->devices, d);
	g_autofree char *out = rig_sh(r,
		"cd /dev; stat -c '%n %a %F %t:%T %u:%g' null zero full tty random urandom snd/own;"
		"for l in fd stdin stdout stderr ptmx; do readlink $l; done; echo x >null && echo "
		"wrote;"
		"mknod /tmp/sda b 8 0 || echo no sda; ls -d shm mqueue pts");
	static const char *const want[] = {"null 666 character special file 1:3 0:0",
		"urandom 666 character special file 1:9",
		"snd/own 640 character special file 1:3 0:29",
		"/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n",
		"wrote\n", "no sda", "mqueue\npts\nshm"};
	for (guint i = 0; i < G_N_ELEMENTS(want); i++)
		assert_has(out, want[i]);
	g_ptr_array_unref(g_steal_pointer(&r->spec->linux_->devices));
	dh_json_free(&oci_device_table, d);
}

static void protects_paths(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	g_autofree char *out = rig_sh(r,
		"wc -c </proc/keys; ls /sys/firmware | wc -l; wc -c </proc/timer_list;"
		"echo 1 >/proc/sys/kernel/domainname || echo sys ro; touch /sys/x || echo sysfs ro;"
		"touch /sys/firmware/x || echo mask ro; touch /sys/fs/cgroup/x || echo cgroup ro;"
		"cat /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs | sort -u | tr "
		"'\\n' ' '");
	assert_has(out, "0\n0\n0\n");
	assert_has(out, "sys ro\n");
	assert_has(out, "sysfs ro\n");
	assert_has(out, "mask ro\n");
	assert_has(out, "cgroup ro\n");
	assert_has(out, "1 ");
	r->spec->root->readonly = TRUE;
	g_autofree char *again =
		rig_sh(r, "touch /x || echo root ro; touch /dev/shm/x && echo shm rw");
	assert_has(again, "root ro\nshm rw\n");
}

static void rights_are_given_exactly(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	g_autofree char *out = rig_sh(r, "grep -E 'Cap|NoNewPrivs' /proc/self/status");
	/* CHOWN 0, DAC_OVERRIDE 1, KILL 5, SETGID 6, SETUID 7 */
	assert_has(out,
		"CapInh:\t0000000000000000\nCapPrm:\t00000000000000e3\nCapEff:\t00000000000000e3\n"
		"CapBnd:\t00000000000000e3\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0");

	r->spec->process->user.dhow_user = g_strdup("joe");
	r->spec->process->no_new_privileges = TRUE;
	g_autofree char *joe = rig_sh(r, "grep -E 'Cap|NoNewPrivs' /proc/self/status; id");
	assert_has(joe,
		"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
		"CapBnd:\t00000000000000e3\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1");
	assert_has(joe, "uid=1000(joe) gid=1001(joe) groups=29(audio),1001(joe)");

	OciCapabilities *c = r->spec->process->capabilities;
	c->ambient = g_strsplit("CAP_KILL", ",", -1);
	c->inheritable = g_strsplit("CAP_KILL", ",", -1);
	g_autofree char *ambient = rig_sh(r, "grep Cap /proc/self/status");
	assert_has(ambient, "CapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n");
}

static void users_come_from_the_image(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	OciProcess *p = r->spec->process;
	p->dhow_set_home = TRUE;
	static const struct {
		const char *user, *groups, *want;
	} good[] = {
		{"joe", NULL, "uid=1000(joe) gid=1001(joe) groups=29(audio),1001(joe)\n/home/joe"},
		{"joe:video", NULL, "uid=1000(joe) gid=44(video) groups=44(video)\n/home/joe"},
		{"1000", NULL, "uid=1000(joe) gid=1001(joe) groups=29(audio),1001(joe)\n/home/joe"},
		{"4711", NULL, "uid=4711 gid=0(root) groups=0(root)\n/\n"},
		{"4711:4712", NULL, "uid=4711 gid=4712 groups=4712\n/\n"},
		{"root", NULL, "uid=0(root) gid=0(root) groups=0(root),10(wheel)\n/root"},
		{"joe:joe", "video,99",
			"uid=1000(joe) gid=1001(joe) groups=44(video),99,1001(joe)\n"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
		g_free(p->user.dhow_user);
		p->user.dhow_user = g_strdup(good[i].user);
		g_strfreev(p->user.dhow_groups);
		p->user.dhow_groups = good[i].groups ? g_strsplit(good[i].groups, ",", -1) : NULL;
		g_autofree char *out = rig_sh(r, "id; echo $HOME");
		assert_has(out, good[i].want);
	}
	g_clear_pointer(&p->user.dhow_groups, g_strfreev);
	static const struct {
		const char *user, *message;
	} bad[] = {
		{"foo", "unable to find user foo: no matching entries in passwd file"},
		{"joe:foo", "unable to find group foo: no matching entries in group file"},
		{"4294967296", "uids and gids must be in range 0-2147483647"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_free(p->user.dhow_user);
		p->user.dhow_user = g_strdup(bad[i].user);
		g_autoptr(GError) error = NULL;
		const char *const args[] = {"true", NULL};
		assert_null(rig_run(r, NULL, &error, args));
		assert_has(error->message, bad[i].message);
	}
}

static void program_errors(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	static const struct {
		const char *name, *message;
		DhError code;
	} bad[] = {
		{"foo", "exec: \"foo\": executable file not found in $PATH",
			DH_ERROR_EXEC_NOT_FOUND},
		{"/x/y", "exec: \"/x/y\": stat /x/y: no such file or directory",
			DH_ERROR_EXEC_NOT_FOUND},
		{"/etc/passwd", "exec: \"/etc/passwd\": permission denied",
			DH_ERROR_EXEC_NOT_RUNNABLE},
		{"/tmp", "exec: \"/tmp\": is a directory", DH_ERROR_EXEC_NOT_RUNNABLE},
		{"/bin/garbage", "exec /bin/garbage: exec format error",
			DH_ERROR_EXEC_NOT_RUNNABLE},
		{"/bin/badinterp", "exec /bin/badinterp: no such file or directory",
			DH_ERROR_EXEC_NOT_FOUND},
	};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		const char *const args[] = {bad[i].name, NULL};
		assert_null(rig_run(r, NULL, &error, args));
		g_autofree char *want =
			g_strconcat("unable to start container process: ", bad[i].message, NULL);
		assert_string_equal(error->message, want);
		assert_int_equal(error->code, bad[i].code);
	}
	int status;
	const char *const seven[] = {"sh", "-c", "exit 7", NULL};
	g_free(rig_run(r, &status, NULL, seven));
	assert_int_equal(status, 7);
}

static void working_directory(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	OciProcess *p = r->spec->process;
	p->cwd = (g_free(p->cwd), g_strdup("/srv/new/dir"));
	g_autofree char *out = rig_sh(r, "pwd");
	assert_string_equal(out, "/srv/new/dir\n");
	static const char *const bad[] = {"/etc/passwd", "/proc/self/fd/3", "/proc/self/root/etc"};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		p->cwd = (g_free(p->cwd), g_strdup(bad[i]));
		g_autoptr(GError) error = NULL;
		const char *const args[] = {"pwd", NULL};
		assert_null(rig_run(r, NULL, &error, args));
		if (i == 0) {
			assert_has(error->message, "Cannot mkdir: /etc/passwd is not a directory");
			continue;
		}
		assert_has(error->message, "chdir to cwd (\"");
		assert_has(error->message, "set in config.json failed: ");
	}
}

static void mounts_and_their_errors(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	g_autofree char *vol = g_build_filename(r->dir, "vol", NULL);
	g_autofree char *file = g_build_filename(vol, "file", NULL);
	assert_int_equal(mkdir(vol, 0755), 0);
	assert_true(g_file_set_contents(file, "content\n", -1, NULL));
	/* a symlink of the image leads out of it by the host's rules, into its /tmp by ours */
	g_autofree char *link = g_build_filename(r->rootfs.lower[0], "escape", NULL);
	assert_int_equal(symlink("../../../../tmp", link), 0);
	rig_add_mount(r, "/data/deep", "bind", vol, "rbind,rprivate");
	rig_add_mount(r, "/etc/one.conf", "bind", file, "rbind,rprivate,ro");
	rig_add_mount(r, "/escape/inner", "bind", vol, "bind");
	rig_add_mount(r, "/run/t", "tmpfs", "tmpfs", "size=4k,noexec,nosuid,nodev,mode=1700");
	g_autofree char *out = rig_sh(r,
		"cat /data/deep/file /etc/one.conf /tmp/inner/file; echo more >/data/deep/new;"
		"echo x >/etc/one.conf || echo one ro; stat -c %a /run/t; grep /run/t "
		"/proc/mounts");
	assert_has(out, "content\ncontent\ncontent\n");
	assert_has(out, "one ro\n1700\ntmpfs /run/t tmpfs rw,nosuid,nodev,noexec,relatime,size=4k");
	g_autofree char *new = g_build_filename(vol, "new", NULL);
	assert_int_equal(access(new, F_OK), 0);

	g_autofree char *proclink = g_build_filename(r->rootfs.lower[0], "plink", NULL);
	assert_int_equal(symlink("/proc/sys", proclink), 0);
	const struct {
		const char *destination, *type, *source, *options, *message;
	} bad[] = {
		{"/mnt", "bind", "/nonexistent/x", "rbind",
			"error mounting \"/nonexistent/x\" to rootfs at \"/mnt\": "
			"stat /nonexistent/x: no such file or directory"},
		{"/etc/passwd", "bind", vol, "rbind",
			"not a directory: Are you trying to mount a directory onto a file"},
		{"/proc/self/attr", "bind", vol, "rbind",
			"cannot be mounted because it is inside /proc"},
		{"/plink", "bind", vol, "rbind", "cannot be mounted because it is inside /proc"},
		{"/t", "tmpfs", "tmpfs", "nosuch=1", "nosuch"},
		{"/t", "nofs", "nofs", "ro", "mount nofs: no such device"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		OciMount *m = rig_add_mount(
			r, bad[i].destination, bad[i].type, bad[i].source, bad[i].options);
		g_autoptr(GError) error = NULL;
		const char *const args[] = {"true", NULL};
		assert_null(rig_run(r, NULL, &error, args));
		assert_has(error->message, "error during container init: error mounting");
		assert_has(error->message, bad[i].message);
		g_ptr_array_remove(r->spec->mounts, m);
	}
}

static void limits_and_sysctls(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	OciProcess *p = r->spec->process;
	static const char limits[] =
		"{\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":512,\"soft\":256},"
		"{\"type\":\"RLIMIT_NPROC\",\"hard\":-1,\"soft\":-1,\"dhowOptional\":true}],"
		"\"user\":{\"umask\":63}}";
	g_autoptr(json_t) json = dh_json_loads(limits, strlen(limits), NULL);
	assert_true(dh_json_parse_into(&oci_process_table, json, p, NULL));
	p->oom_score_adj = 500;
	r->spec->linux_->sysctl = g_hash_table_new(g_str_hash, g_str_equal);
	g_hash_table_insert(r->spec->linux_->sysctl, (char *)"kernel.msgmax", (char *)"4711");
	g_autofree char *out =
		rig_sh(r, "ulimit -n; ulimit -Hn; cat /proc/sys/kernel/msgmax; umask;"
			  "cat /proc/self/oom_score_adj");
	assert_string_equal(out, "256\n512\n4711\n0077\n500\n");
	g_hash_table_insert(r->spec->linux_->sysctl, (char *)"vm.swappiness", (char *)"1");
	g_autoptr(GError) error = NULL;
	const char *const args[] = {"true", NULL};
	assert_null(rig_run(r, NULL, &error, args));
	assert_has(
		error->message, "sysctl \"vm.swappiness\" is not in a separate kernel namespace");
}

static void exec_enters_everything(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	rig_start(r, "sleep 1000 & sleep 1000");
	static const char text[] =
		/* The shell may be on its way to its second program yet. */
		"{\"args\":[\"sh\",\"-c\",\"i=0; until [ $(ps | grep -v sh | grep -c 'sleep "
		"1000$') = 2 ] || "
		"[ $((i=i+1)) -gt 500 ]; do :; done; hostname; cat /layer; ps | grep -v sh | grep "
		"-c 'sleep "
		"1000$'; pwd; id; echo $X;"
		"test $(readlink /proc/self/ns/pid) = $(readlink /proc/$$/ns/pid) && echo same;"
		"cat /proc/self/cgroup | cut -d: -f3- | sort -u; grep CapEff /proc/self/status\"],"
		"\"env\":[\"PATH=/bin\",\"X=y\"],\"cwd\":\"/tmp\",\"user\":{\"dhowUser\":\"joe\"}}";
	g_autoptr(GError) error = NULL;
	OciProcess *p = dh_json_parse_text(&oci_process_table, text, strlen(text), &error);
	assert_null(error);
	int status;
	g_autofree char *out = rig_exec(r, p, &status, &error);
	assert_null(error);
	assert_int_equal(status, 0);
	assert_has(out, "boxhost\ntop\n2\n/tmp\nuid=1000(joe) gid=1001(joe)");
	assert_has(out, "\ny\n");
	assert_has(out, "CapEff:\t0000000000000000");

	g_strfreev(p->args);
	p->args = g_strsplit("nosuch", " ", -1);
	assert_null(rig_exec(r, p, &status, &error));
	assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_EXEC_NOT_FOUND));
	assert_string_equal(error->message, "unable to start container process: exec: \"nosuch\": "
					    "executable file not found in $PATH");
	g_clear_error(&error);
	p->cwd = (g_free(p->cwd), g_strdup("/nodir"));
	assert_null(rig_exec(r, p, &status, &error));
	assert_string_equal(error->message,
		"unable to start container process: chdir to cwd "
		"(\"/nodir\") set in config.json failed: no such file or directory");
	g_clear_error(&error);
	g_autoptr(GArray) pids = rt_cgroup_pids(r->spec->linux_->cgroups_path, NULL);
	assert_int_equal(pids->len, 2);
	rig_stop(r);
	dh_json_free(&oci_process_table, p);
}

static char *read_console(int fd)
{
	g_autoptr(GString) out = g_string_new(NULL);
	char buf[512];
	ssize_t n;
	while ((n = read(fd, buf, sizeof buf)) > 0)
		g_string_append_len(out, buf, n);
	return g_strdup(out->str);
}

static void terminals(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	OciProcess *p = r->spec->process;
	p->terminal = TRUE;
	p->console_size = dh_json_new(&oci_box_table);
	*p->console_size = (OciBox){.height = 40, .width = 120};
	p->user.dhow_user = g_strdup("joe");
	rig_start(r,
		"tty; stty size; stat -c '%U %a %t' $(tty); ls -l /dev/console; echo hi >/dev/tty;"
		"test -c /dev/console && echo last; exec sleep 1000");
	assert_true(r->process.console >= 0);
	char buf[1024] = "";
	size_t n = 0;
	while (!strstr(buf, "last\r\n") && n < sizeof buf - 1) {
		ssize_t k = read(r->process.console, buf + n, sizeof buf - 1 - n);
		assert_true(k > 0);
		n += (size_t)k;
		buf[n] = '\0';
	}
	assert_has(buf, "/dev/pts/0\r\n40 120\r\njoe 6");
	assert_has(buf, "hi\r\n");

	static const char text[] = "{\"terminal\":true,\"args\":[\"tty\"],\"env\":[\"PATH=/bin\"]}";
	OciProcess *x = dh_json_parse_text(&oci_process_table, text, strlen(text), NULL);
	RtExec exec = {
		.spec = r->spec,
		.init_pidfd = r->process.pidfd,
		.init_pid = r->process.pid,
		.process = x,
		.seccomp_fd = -1,
		.stdio = {-1, -1, -1},
	};
	RtProcess child;
	g_autoptr(GError) error = NULL;
	if (!rt_exec(&exec, &child, &error))
		fail_msg("%s", error->message);
	g_autofree char *out = read_console(child.console);
	assert_string_equal(out, "/dev/pts/1\r\n");
	assert_int_equal(dh_reap(child.pidfd), 0);
	close(child.pidfd);
	close(child.console);
	dh_json_free(&oci_process_table, x);
	rig_stop(r);
}

static void namespaces_are_joined(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	/* A network namespace made by somebody else: here by another thread of control's child. */
	dh_autofd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	dh_autofd int other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	struct stat a, b;
	assert_int_equal(fstat(other, &a), 0);
	r->launch.netns_fd = other;
	g_autofree char *out =
		rig_sh(r, "stat -L -c %i /proc/self/ns/net; stat -L -c %i /proc/self/ns/ipc");
	g_autofree char *want = g_strdup_printf("%lu\n", (unsigned long)a.st_ino);
	assert_has(out, want);
	assert_int_equal(fstat(home, &b), 0);
	r->launch.netns_fd = -1;

	/* A second container in the first one's pid and ipc namespaces. */
	rig_start(r, "sleep 1000");
	OciSpec *first = r->spec;
	OciSpec *second = dh_json_copy(&oci_spec_table, first);
	second->linux_->cgroups_path = (g_free(second->linux_->cgroups_path),
		g_strdup_printf("%s-2", first->linux_->cgroups_path));
	for (guint i = 0; i < second->linux_->namespaces->len; i++) {
		OciNamespace *ns = second->linux_->namespaces->pdata[i];
		if (strcmp(ns->type, "pid") == 0 || strcmp(ns->type, "ipc") == 0)
			ns->path = g_strdup_printf("/proc/%d/ns/%s", r->process.pid, ns->type);
	}
	RtProcess kept = r->process;
	r->spec = second;
	r->launch.spec = second;
	g_autofree char *in = rig_sh(
		r, "test $$ = 1 || echo not first; ps | grep -v grep | grep -c 'sleep 1000$'");
	assert_has(in, "not first\n");
	assert_has(in, "1\n");
	g_autofree char *net = rig_sh(r, "readlink /proc/self/ns/net");
	char own[64] = "";
	assert_true(readlink("/proc/self/ns/net", own, sizeof own - 1) > 0);
	assert_has(net, own); /* after all that we are where we were */
	dh_json_free(&oci_spec_table, second);
	r->spec = first;
	r->launch.spec = first;
	r->process = kept;
	rig_stop(r);
}

static void new_network_has_loopback(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	OciNamespace *ns = dh_json_new(&oci_namespace_table);
	ns->type = g_strdup("network");
	g_ptr_array_add(r->spec->linux_->namespaces, ns);
	g_autofree char *out = rig_sh(r, "ip addr; ip link | grep -c '^[0-9]'");
	assert_has(out, "127.0.0.1/8");
}

static void user_namespace(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	static const char text[] =
		"{\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}]}";
	g_autoptr(json_t) json = dh_json_loads(text, strlen(text), NULL);
	assert_true(dh_json_parse_into(&oci_linux_table, json, r->spec->linux_, NULL));
	static const char *const types[] = {"user", "network"};
	for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
		OciNamespace *ns = dh_json_new(&oci_namespace_table);
		ns->type = g_strdup(types[i]);
		g_ptr_array_add(r->spec->linux_->namespaces, ns);
	}
	assert_int_equal(chown(r->rootfs.upper, 100000, 100000), 0);
	assert_int_equal(chown(r->rootfs.work, 100000, 100000), 0);
	g_autofree char *out =
		rig_sh(r, "id -u; cat /proc/self/uid_map; echo x >/dev/null && echo wrote");
	assert_has(out, "0\n");
	assert_has(out, "100000");
	assert_has(out, "wrote\n");
}

static void running_group_is_handled(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	const char *path = r->spec->linux_->cgroups_path;
	rig_start(r, "while :; do sleep 0.01; done");
	g_autoptr(GError) error = NULL;
	assert_true(rt_cgroup_freeze(path, TRUE, &error));
	RtStats s;
	assert_true(rt_cgroup_stats(path, &s, &error));
	assert_true(s.memory_usage > 0);
	assert_true(s.cpu_total > 0);
	uint64_t before = s.cpu_total;
	rt_stats_clear(&s);
	struct pollfd none = {.fd = -1};
	(void)poll(&none, 1, 50);
	assert_true(rt_cgroup_stats(path, &s, &error));
	assert_true(s.cpu_total - before < 5000000);
	rt_stats_clear(&s);
	assert_true(rt_cgroup_freeze(path, FALSE, &error));
	OciResources *res = dh_json_new(&oci_resources_table);
	res->memory = dh_json_new(&oci_memory_table);
	res->memory->limit = 64 << 20;
	res->cpu = dh_json_new(&oci_cpu_table);
	res->cpu->cpus = g_strdup("0");
	res->cpu->quota = 50000;
	res->cpu->period = 100000;
	res->pids = dh_json_new(&oci_pids_table);
	res->pids->limit = 100;
	if (!rt_cgroup_update(path, res, &error))
		fail_msg("%s", error->message);
	assert_true(rt_cgroup_stats(path, &s, &error));
	assert_int_equal(s.memory_limit, 64 << 20);
	assert_int_equal(s.pids_limit, 100);
	rt_stats_clear(&s);
	assert_int_equal(rt_cgroup_oom_kills(path), 0);
	/* frozen ones die as well */
	assert_true(rt_cgroup_freeze(path, TRUE, &error));
	dh_json_free(&oci_resources_table, res);
	rig_stop(r);
}

static void refused_limit_leaves_nothing(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	OciResources *res = r->spec->linux_->resources;
	res->cpu = dh_json_new(&oci_cpu_table);
	res->cpu->cpus = g_strdup("4000");
	g_autoptr(GError) error = NULL;
	const char *const args[] = {"true", NULL};
	assert_null(rig_run(r, NULL, &error, args));
	assert_has(error->message, "cpuset.cpus");
	assert_has(error->message, "failed to write \"4000\"");
	g_auto(GStrv) left = rt_cgroup_children("/");
	g_autofree char *top = g_strdup_printf("dhow-test-%d", getpid());
	assert_false(g_strv_contains((const char *const *)left, top));
}

static void out_of_memory_is_counted(void **state)
{
	NEEDS_ROOT();
	Rig *r = *state;
	OciResources *res = r->spec->linux_->resources;
	res->memory = dh_json_new(&oci_memory_table);
	res->memory->limit = res->memory->swap = 8 << 20;
	rig_start(r, "sleep 0.1; dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 1000");
	int64_t kills = 0;
	for (int i = 0; i < 3000 && kills < 1; i++) {
		struct pollfd none = {.fd = -1};
		(void)poll(&none, 1, 20);
		kills = rt_cgroup_oom_kills(r->spec->linux_->cgroups_path);
	}
	assert_true(kills >= 1);
	rig_stop(r);
}

static void signals(void **state)
{
	assert_int_equal(rt_signal_parse("KILL"), 9);
	assert_int_equal(rt_signal_parse("sigterm"), 15);
	assert_int_equal(rt_signal_parse("15"), 15);
	assert_int_equal(rt_signal_parse("RTMIN+3"), 37);
	assert_int_equal(rt_signal_parse("SIGRTMAX-1"), 63);
	static const char *const bad[] = {
		"", "0", "65", "9x", "NOSUCH", "RTMIN+", "RTMIN+99", "RTMIN-1"};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_int_equal(rt_signal_parse(bad[i]), -1);
	assert_string_equal(rt_signal_name(9), "SIGKILL");
	assert_string_equal(rt_signal_name(37), "SIGRTMIN+3");
	assert_null(rt_signal_name(65));
}

static void configuration_round_trip(void **state)
{
	static const char text[] =
		"{\"process\":{\"user\":{\"uid\":0,\"gid\":0,\"umask\":0},\"args\":[\"a\"]},"
		"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}],"
		"\"memory\":{\"swappiness\":0}},"
		"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"x\"]"
		","
		"\"action\":\"SCMP_ACT_ALLOW\"}]}}}";
	g_autoptr(GError) error = NULL;
	OciSpec *s = dh_json_parse_text(&oci_spec_table, text, strlen(text), &error);
	assert_null(error);
	OciDeviceRule *rule = s->linux_->resources->devices->pdata[0];
	assert_int_equal(rule->major, -1);
	assert_int_equal(s->linux_->seccomp->default_errno_ret, -1);
	g_autofree char *out = dh_json_emit_text(&oci_spec_table, s);
	assert_string_equal(out, text);
	dh_json_free(&oci_spec_table, s);
}

#define CONTAINER_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals),
		cmocka_unit_test(configuration_round_trip),
		CONTAINER_TEST(sees_only_itself),
		CONTAINER_TEST(devices_are_dockers),
		CONTAINER_TEST(protects_paths),
		CONTAINER_TEST(rights_are_given_exactly),
		CONTAINER_TEST(users_come_from_the_image),
		CONTAINER_TEST(program_errors),
		CONTAINER_TEST(working_directory),
		CONTAINER_TEST(mounts_and_their_errors),
		CONTAINER_TEST(limits_and_sysctls),
		CONTAINER_TEST(exec_enters_everything),
		CONTAINER_TEST(terminals),
		CONTAINER_TEST(namespaces_are_joined),
		CONTAINER_TEST(new_network_has_loopback),
		CONTAINER_TEST(user_namespace),
		CONTAINER_TEST(running_group_is_handled),
		CONTAINER_TEST(refused_limit_leaves_nothing),
		CONTAINER_TEST(out_of_memory_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

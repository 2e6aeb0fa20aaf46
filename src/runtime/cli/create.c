/* SPDX-License-Identifier: MIT */
/* create, start and run. */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/timefmt.h"
#include "runtime/cgroup.h"
#include "runtime/cli/config.h"
#include "runtime/cli/console.h"
#include "runtime/cli/life.h"
#include "runtime/cli/state.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { FDS_MAX = 4096 };

typedef struct {
	char *bundle, *console_socket, *pid_file;
	gboolean no_pivot, no_new_keyring;
	int64_t preserve_fds;
	gboolean detach, keep, no_subreaper; /* run */
} Options;

#define O(member) offsetof(Options, member)
#define CREATE_OPTIONS                                                                             \
	{'b', "bundle", OPT_STRING, O(bundle), "value",                                            \
		"path to the root of the bundle directory, defaults to the current directory"},    \
		{0, "console-socket", OPT_STRING, O(console_socket), "value",                      \
			"path to an AF_UNIX socket which will receive a file descriptor "          \
			"referencing the master end of the console's pseudoterminal"},             \
		{0, "pid-file", OPT_STRING, O(pid_file), "value",                                  \
			"specify the file to write the process id to"},                            \
		{0, "no-pivot", OPT_BOOL, O(no_pivot), NULL,                                       \
			"do not use pivot root to jail process inside rootfs.  This should be "    \
			"used whenever the rootfs is on top of a ramdisk"},                        \
		{0, "no-new-keyring", OPT_BOOL, O(no_new_keyring), NULL,                           \
			"do not create a new session keyring for the container.  This will cause " \
			"the container to inherit the calling processes session key"},             \
	{                                                                                          \
		0, "preserve-fds", OPT_INT, O(preserve_fds), "value",                              \
			"Pass N additional file descriptors to the container (stdio + "            \
			"$LISTEN_FDS + N in total)",                                               \
			"0"                                                                        \
	}

static const OptionSpec create_options[] = {CREATE_OPTIONS};
static const OptionSpec run_options[] = {
	CREATE_OPTIONS,
	{'d', "detach", OPT_BOOL, O(detach), NULL, "detach from the container's process"},
	{0, "keep", OPT_BOOL, O(keep), NULL, "do not delete the container after it exits"},
	{0, "no-subreaper", OPT_BOOL, O(no_subreaper), NULL,
		"disable the use of the subreaper used to reap reparented processes"},
};

/* ---- what start-up needs ---- */

gboolean write_pid_file(const char *path, pid_t pid, GError **error)
{
	char text[16];
	if (!path || !*path)
		return TRUE;
	int n = snprintf(text, sizeof text, "%d", pid);
	return dh_write_file_atomic(AT_FDCWD, path, text, (size_t)n, 0644, error);
}

gboolean check_console(
	gboolean terminal, gboolean detach, const char *console_socket, GError **error)
{
	gboolean has_socket = console_socket && *console_socket;
	if (detach && terminal && !has_socket)
		return dh_error(error, DH_ERROR_INVALID,
			"cannot allocate tty if " PROGRAM
			" will detach without setting console socket");
	if ((!detach || !terminal) && has_socket)
		return dh_error(error, DH_ERROR_INVALID,
			"cannot use console socket if " PROGRAM " will not detach or allocate tty");
	return TRUE;
}

gboolean count_fds(int64_t wanted, OciProcess *process, guint *ret, GError **error)
{
	/* systemd's socket activation: those come first, and their count is the program's to know.
	 */
	const char *listen = getenv("LISTEN_FDS");
	int64_t n = listen ? g_ascii_strtoll(listen, NULL, 10) : 0;
	n = n < 0 || n > FDS_MAX ? 0 : n;
	if (wanted < 0 || wanted > FDS_MAX)
		return dh_error(error, DH_ERROR_INVALID, "invalid number of preserved descriptors");
	for (int fd = 3; fd < 3 + n + wanted; fd++) {
		/* The caller's have come through execve: what it would close is our own. */
		int flags = fcntl(fd, F_GETFD);
		if (flags < 0 || (flags & FD_CLOEXEC))
			return dh_error(error, DH_ERROR_INVALID,
				"unable to stat preserved-fd %d (of %d): stat /proc/self/fd/%d: no "
				"such file or directory",
				fd - 2, (int)(n + wanted), fd);
	}
	if (n) {
		g_autoptr(GStrvBuilder) env = g_strv_builder_new();
		g_autofree char *count = g_strdup_printf("LISTEN_FDS=%d", (int)n);
		for (char **e = process->env; e && *e; e++)
			g_strv_builder_add(env, *e);
		g_strv_builder_add_many(env, count, "LISTEN_PID=1", NULL);
		g_strfreev(process->env);
		process->env = g_strv_builder_end(env);
	}
	*ret = (guint)(n + wanted);
	return TRUE;
}

static gboolean compile_filter(const Rt *rt, const Container *c, int *ret, GError **error)
{
	const OciSeccomp *profile = c->spec->linux_->seccomp;
	if (!profile)
		return TRUE;
	g_autoptr(GBytes) code = filter_compiled(rt, profile, error);
	if (!code || !filter_save(c, code, error))
		return FALSE;
	*ret = filter_open(c);
	return *ret >= 0 || rt_error_errno(error, errno, "open the seccomp filter");
}

/* ---- making it ---- */

/* Another's, or left behind: a process that joins it would wait there for ever. */
static gboolean check_frozen(const OciSpec *spec, GError **error)
{
	const char *path = spec->linux_->cgroups_path;
	int i = cg_find(CG_FREEZER);
	if (!path || i < 0)
		return TRUE;
	const CgHierarchy *h = &cg_host()->h[i];
	g_autofree char *file = g_strdup_printf("./%s/freezer.state", path);
	g_autofree char *state = h->v2 ? NULL : cg_read(h->fd, file);
	gboolean frozen = h->v2 ? rt_cgroup_frozen(path) : state && strcmp(state, "THAWED") != 0;
	return !frozen ||
	       dh_error(error, DH_ERROR_CONFLICT, "container's cgroup unexpectedly frozen");
}

static Container *prepare(const Rt *rt, const Options *o, const char *id, GError **error)
{
	if (rt->systemd_cgroup) {
		dh_error(error, DH_ERROR_INVALID,
			"--systemd-cgroup is not supported by " PROGRAM
			": use the cgroupfs cgroup driver");
		return NULL;
	}
	if (o->bundle && *o->bundle && chdir(o->bundle) < 0) {
		rt_error_errno(error, errno, "chdir %s", o->bundle);
		return NULL;
	}
	g_autofree char *bundle = g_get_current_dir();
	OciSpec *spec = config_load(bundle, error);
	Container *c = NULL;
	if (spec && config_place(rt, spec, id, error) && check_frozen(spec, error) &&
		check_console(spec->process->terminal, o->detach, o->console_socket, error))
		c = container_new(rt, id, error);
	if (!c) {
		dh_json_free(&oci_spec_table, spec);
		return NULL;
	}
	c->bundle = g_steal_pointer(&bundle);
	c->created = dh_time_format(dh_time_now());
	c->spec = spec;
	return c;
}

static gboolean launch(const Rt *rt, Container *c, const Options *o, const RtGate *gate,
	RtProcess *ret, GError **error)
{
	dh_autofd int filter = -1;
	OciState state = container_state(c);
	RtLaunch l = {
		.spec = c->spec,
		.netns_fd = -1,
		.userns_fd = -1,
		.stdio = {0, 1, 2},
		.gate = gate,
		.state = &state,
		.no_pivot = o->no_pivot,
		.no_new_keyring = o->no_new_keyring,
	};
	if (!count_fds(o->preserve_fds, c->spec->process, &l.preserve_fds, error) ||
		!compile_filter(rt, c, &filter, error))
		return FALSE;
	l.seccomp_fd = filter;
	return rt_launch(&l, ret, error);
}

/* What is known of the container once it has a process. */
static gboolean settle(Container *c, const Options *o, RtProcess *p, GError **error)
{
	container_set_process(c, p->pid);
	if (o->detach && p->console >= 0) {
		if (!console_send(o->console_socket, p->console, error))
			return FALSE;
		dh_close(&p->console);
	}
	return container_save(c, error) && write_pid_file(o->pid_file, p->pid, error);
}

/* Undoes what was made; its own failures are of no interest beside the one that led here. */
static void discard(const Rt *rt, Container *c, RtProcess *p)
{
	if (p && p->pidfd >= 0) {
		rt_abandon(p->pidfd);
		if (container_cgroup(c)) {
			(void)rt_cgroup_kill(container_cgroup(c), NULL);
			(void)rt_cgroup_remove(container_cgroup(c), NULL);
		}
		dh_close(&p->pidfd);
		dh_close(&p->console);
	}
	c->pid = 0;
	container_poststop(c);
	(void)container_forget(rt, c, NULL);
}

static int create(const Rt *rt, void *options, char **args, GError **error)
{
	Options *o = options;
	o->detach = TRUE;
	g_autoptr(Container) c = prepare(rt, o, args[0], error);
	if (!c)
		return 1;
	RtGate gate = {-1, -1};
	RtProcess p = {.pidfd = -1, .console = -1};
	gboolean ok = gate_make(c, &gate, error) && launch(rt, c, o, &gate, &p, error) &&
		      settle(c, o, &p, error);
	if (!ok)
		discard(rt, c, &p);
	dh_close(&gate.wait);
	dh_close(&gate.report);
	dh_close(&p.pidfd);
	return ok ? 0 : 1;
}

const RtCommand cmd_create = {
	.name = "create",
	.summary = "create a container",
	.arguments =
		"Where \"<container-id>\" is your name for the instance of the container that you\n"
		"are starting. The name you provide for the container instance must be unique on\n"
		"your host.",
	.description =
		"The create command creates an instance of a container for a bundle. The bundle\n"
		"is a directory with a specification file named \"config.json\" and a root\n"
		"filesystem. Its program is not executed until it is started.",
	.min_args = 1,
	.max_args = 1,
	.options = create_options,
	.n_options = G_N_ELEMENTS(create_options),
	.options_size = sizeof(Options),
	.failed = PROGRAM " create failed: ",
	.run = create,
};

/* ---- start ---- */

static void run_poststart(const Container *c)
{
	g_autoptr(GError) e = NULL;
	OciState state = container_state(c);
	const OciHooks *h = c->spec->hooks;
	if (h && !rt_hooks_run(h->poststart, &state, "running", (pid_t)c->pid, &e))
		rt_log(RT_LOG_WARN, "poststart hook: %s", e->message);
}

static int start(const Rt *rt, void *options, char **args, GError **error)
{
	(void)options;
	g_autoptr(Container) c = container_load(rt, args[0], TRUE, error);
	if (!c)
		return 1;
	switch (container_status(c)) {
	case CONTAINER_CREATED:
		break;
	case CONTAINER_STOPPED:
		dh_error(error, DH_ERROR_CONFLICT, "cannot start a container that has stopped");
		return 1;
	case CONTAINER_RUNNING:
		dh_error(error, DH_ERROR_CONFLICT, "cannot start an already running container");
		return 1;
	case CONTAINER_PAUSED:
		dh_error(error, DH_ERROR_CONFLICT, "cannot start a container in the paused state");
		return 1;
	}
	if (!gate_pass(c, error))
		return 1;
	run_poststart(c);
	return 0;
}

const RtCommand cmd_start = {
	.name = "start",
	.summary = "executes the user defined process in a created container",
	.usage = "<container-id>",
	.description =
		"The start command executes the user defined process in a created container.",
	.min_args = 1,
	.max_args = 1,
	.run = start,
};

/* ---- run ---- */

static int run(const Rt *rt, void *options, char **args, GError **error)
{
	Options *o = options;
	g_autoptr(Container) c = prepare(rt, o, args[0], error);
	if (!c)
		return 1;
	RtProcess p = {.pidfd = -1, .console = -1};
	if (!o->detach) {
		console_fit(c->spec->process);
		console_hold_signals();
		if (!o->no_subreaper)
			prctl(PR_SET_CHILD_SUBREAPER, 1);
	}
	if (!launch(rt, c, o, NULL, &p, error) || !settle(c, o, &p, error)) {
		discard(rt, c, &p);
		return 1;
	}
	run_poststart(c);
	container_unlock(c);
	int status = o->detach ? 0 : console_wait(&p, p.console);
	dh_close(&p.console);
	dh_close(&p.pidfd);
	if (!o->detach && !o->keep && container_relock(rt, c) && !container_destroy(rt, c, error))
		return 1;
	return status;
}

const RtCommand cmd_run = {
	.name = "run",
	.summary = "create and run a container",
	.arguments =
		"Where \"<container-id>\" is your name for the instance of the container that you\n"
		"are starting. The name you provide for the container instance must be unique on\n"
		"your host.",
	.description =
		"The run command creates an instance of a container for a bundle. The bundle\n"
		"is a directory with a specification file named \"config.json\" and a root\n"
		"filesystem.",
	.min_args = 1,
	.max_args = 1,
	.options = run_options,
	.n_options = G_N_ELEMENTS(run_options),
	.options_size = sizeof(Options),
	.failed = PROGRAM " run failed: ",
	.run = run,
};

/* SPDX-License-Identifier: MIT */
/* kill, delete, pause, resume. */
#include "runtime/cli/life.h"

#include "base/error.h"
#include "base/fd.h"
#include "runtime/cgroup.h"
#include "runtime/priv.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { KILL_MSEC = 10000 };

void container_poststop(const Container *c)
{
	g_autoptr(GError) e = NULL;
	OciState state = container_state(c);
	const OciHooks *h = c->spec->hooks;
	if (h && !rt_hooks_run(h->poststop, &state, "stopped", 0, &e))
		rt_log(RT_LOG_WARN, "poststop hook: %s", e->message);
}

static gboolean private_pids(const Container *c)
{
	const GPtrArray *list = c->spec->linux_->namespaces;
	for (guint i = 0; list && i < list->len; i++) {
		const OciNamespace *ns = list->pdata[i];
		if (strcmp(ns->type, "pid") == 0)
			return !ns->path || !*ns->path;
	}
	return FALSE;
}

gboolean container_destroy(const Rt *rt, Container *c, GError **error)
{
	const char *cgroup = container_cgroup(c);
	/* Empty where its first process was the first of a pid namespace as well. */
	if (cgroup && !rt_cgroup_remove(cgroup, NULL) && !rt_cgroup_end(cgroup, error))
		return FALSE;
	if (!container_forget(rt, c, error))
		return FALSE;
	c->pid = 0;
	container_poststop(c);
	return TRUE;
}

const char *container_needs_cgroup(const Container *c, GError **error)
{
	if (!container_cgroup(c))
		dh_error(error, DH_ERROR_CONFLICT,
			"container %s has no cgroup: it was created without the permission to make "
			"one",
			c->id);
	return container_cgroup(c);
}

/* Those in the pid namespace of its first process, which has to be the container's own. */
static GArray *pids_by_namespace(const Container *c, GError **error)
{
	GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
	char path[48];
	struct stat ours, st;
	snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)c->pid);
	gboolean known = private_pids(c) && stat(path, &ours) == 0;
	DIR *dir = opendir("/proc");
	struct dirent *e;
	if (!dir) {
		g_array_unref(pids);
		rt_error_errno(error, errno, "open /proc");
		return NULL;
	}
	while ((e = readdir(dir))) {
		pid_t pid = (pid_t)g_ascii_strtoll(e->d_name, NULL, 10);
		if (pid <= 0 || (!known && pid != c->pid))
			continue;
		snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
		if (!known || (stat(path, &st) == 0 && st.st_ino == ours.st_ino))
			g_array_append_val(pids, pid);
	}
	closedir(dir);
	return pids;
}

GArray *container_pids(const Container *c, GError **error)
{
	const char *cgroup = container_cgroup(c);
	return cgroup ? rt_cgroup_pids(cgroup, error) : pids_by_namespace(c, error);
}

/* ---- kill ---- */

typedef struct {
	gboolean all;
} KillOptions;

static const OptionSpec kill_options[] = {
	{'a', "all", OPT_BOOL, offsetof(KillOptions, all), NULL,
		"send the specified signal to all processes inside the container"},
};

static gboolean kill_everyone(const Container *c, int sig, GError **error)
{
	const char *cgroup = container_cgroup(c);
	if (cgroup && sig == SIGKILL)
		return rt_cgroup_kill(cgroup, error);
	g_autoptr(GArray) pids = container_pids(c, error);
	for (guint i = 0; pids && i < pids->len; i++)
		(void)kill(g_array_index(pids, pid_t, i), sig);
	return pids != NULL;
}

static int do_kill(const Rt *rt, void *options, char **args, GError **error)
{
	const KillOptions *o = options;
	g_autoptr(Container) c = container_load(rt, args[0], FALSE, error);
	if (!c)
		return 1;
	const char *name = args[1] && *args[1] ? args[1] : "SIGTERM";
	/* Zero asks whether it lives. */
	int sig = strcmp(name, "0") == 0 ? 0 : rt_signal_parse(name);
	if (sig < 0) {
		dh_error(error, DH_ERROR_INVALID, "unknown signal \"%s\"", name);
		return 1;
	}
	dh_autofd int pidfd = container_pidfd(c);
	if (o->all) {
		/* Also what a stopped container without a pid namespace has left behind. */
		if (pidfd >= 0 || sig == SIGKILL)
			return kill_everyone(c, sig, error) ? 0 : 1;
	}
	if (pidfd < 0) {
		dh_error(error, DH_ERROR_CONFLICT, "container not running");
		return 1;
	}
	/* Without a pid namespace of its own the others would live on. */
	if (sig == SIGKILL && !private_pids(c))
		return kill_everyone(c, sig, error) ? 0 : 1;
	if (!rt_kill(pidfd, sig, error)) {
		if (g_error_matches(*error, DH_ERROR, DH_ERROR_NOT_FOUND)) {
			g_clear_error(error);
			dh_error(error, DH_ERROR_CONFLICT, "container not running");
		}
		return 1;
	}
	/* A frozen process dies of it only when it is thawed (v1; v2's freezer lets SIGKILL in). */
	if (sig == SIGKILL && container_status(c) == CONTAINER_PAUSED)
		(void)rt_cgroup_freeze(container_cgroup(c), FALSE, NULL);
	return 0;
}

const RtCommand cmd_kill = {
	.name = "kill",
	.summary = "kill sends the specified signal (default: SIGTERM) to the container's init "
		   "process",
	.usage = "[command options] <container-id> [signal]",
	.arguments = "Where \"<container-id>\" is the name for the instance of the container and\n"
		     "\"[signal]\" is the signal to be sent to the init process.",
	.min_args = 1,
	.max_args = 2,
	.options = kill_options,
	.n_options = G_N_ELEMENTS(kill_options),
	.options_size = sizeof(KillOptions),
	.run = do_kill,
};

/* ---- delete ---- */

typedef struct {
	gboolean force;
} DeleteOptions;

static const OptionSpec delete_options[] = {
	{'f', "force", OPT_BOOL, offsetof(DeleteOptions, force), NULL,
		"Forcibly deletes the container if it is still running (uses SIGKILL)"},
};

static gboolean kill_and_wait(const Container *c, GError **error)
{
	dh_autofd int pidfd = container_pidfd(c);
	if (pidfd < 0)
		return TRUE;
	(void)rt_kill(pidfd, SIGKILL, NULL);
	if (container_cgroup(c))
		(void)rt_cgroup_kill(container_cgroup(c), NULL);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	if (poll(&p, 1, KILL_MSEC) == 1)
		return TRUE;
	return dh_error(error, DH_ERROR_SYSTEM, "container init still running");
}

static int delete (const Rt *rt, void *options, char **args, GError **error)
{
	const DeleteOptions *o = options;
	g_autoptr(GError) e = NULL;
	g_autoptr(Container) c = container_load(rt, args[0], TRUE, &e);
	if (!c) {
		gboolean missing = g_error_matches(e, DH_ERROR, DH_ERROR_NOT_FOUND);
		if (o->force && missing) {
			state_sweep(rt, args[0]);
			return 0;
		}
		g_propagate_error(error, g_steal_pointer(&e));
		return 1;
	}
	Status status = container_status(c);
	if (status != CONTAINER_STOPPED) {
		if (status != CONTAINER_CREATED && !o->force) {
			dh_error(error, DH_ERROR_CONFLICT,
				"cannot delete container %s that is not stopped: %s", c->id,
				status_name(status));
			return 1;
		}
		if (!kill_and_wait(c, error))
			return 1;
	}
	return container_destroy(rt, c, error) ? 0 : 1;
}

const RtCommand cmd_delete = {
	.name = "delete",
	.summary = "delete any resources held by the container often used with detached container",
	.min_args = 1,
	.max_args = 1,
	.options = delete_options,
	.n_options = G_N_ELEMENTS(delete_options),
	.options_size = sizeof(DeleteOptions),
	.run = delete,
};

/* ---- pause and resume ---- */

static int pause_container(const Rt *rt, void *options, char **args, GError **error)
{
	(void)options;
	g_autoptr(Container) c = container_load(rt, args[0], TRUE, error);
	if (!c)
		return 1;
	Status s = container_status(c);
	if (s != CONTAINER_RUNNING && s != CONTAINER_CREATED) {
		dh_error(error, DH_ERROR_CONFLICT, "container not running or created: %s",
			status_name(s));
		return 1;
	}
	const char *cgroup = container_needs_cgroup(c, error);
	return cgroup && rt_cgroup_freeze(cgroup, TRUE, error) ? 0 : 1;
}

const RtCommand cmd_pause = {
	.name = "pause",
	.summary = "pause suspends all processes inside the container",
	.usage = "<container-id>",
	.description = "The pause command suspends all processes in the instance of the container.",
	.min_args = 1,
	.max_args = 1,
	.run = pause_container,
};

static int resume(const Rt *rt, void *options, char **args, GError **error)
{
	(void)options;
	g_autoptr(Container) c = container_load(rt, args[0], TRUE, error);
	if (!c)
		return 1;
	if (container_status(c) != CONTAINER_PAUSED) {
		dh_error(error, DH_ERROR_CONFLICT, "container not paused");
		return 1;
	}
	return rt_cgroup_freeze(container_cgroup(c), FALSE, error) ? 0 : 1;
}

const RtCommand cmd_resume = {
	.name = "resume",
	.summary = "resumes all processes that have been previously paused",
	.usage = "<container-id>",
	.description = "The resume command resumes all processes in the instance of the container.",
	.min_args = 1,
	.max_args = 1,
	.run = resume,
};

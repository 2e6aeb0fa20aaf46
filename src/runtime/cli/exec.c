/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "runtime/cgroup.h"
#include "runtime/cli/config.h"
#include "runtime/cli/console.h"
#include "runtime/cli/life.h"
#include "runtime/priv.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

typedef struct {
	char *console_socket, *cwd, *user, *process, *pid_file, *process_label, *apparmor;
	GPtrArray *env, *additional_gids, *caps, *cgroups;
	gboolean tty, detach, no_new_privs, ignore_paused, no_subreaper;
	int64_t preserve_fds;
} Options;

#define O(member) offsetof(Options, member)
static const OptionSpec options_table[] = {
	{0, "console-socket", OPT_STRING, O(console_socket), "value",
		"path to an AF_UNIX socket which will receive a file descriptor referencing the "
		"master end of the console's pseudoterminal"},
	{0, "cwd", OPT_STRING, O(cwd), "value", "current working directory in the container"},
	{'e', "env", OPT_LIST, O(env), "value", "set environment variables"},
	{'t', "tty", OPT_BOOL, O(tty), NULL, "allocate a pseudo-TTY"},
	{'u', "user", OPT_STRING, O(user), "value", "UID (format: <uid>[:<gid>])"},
	{'g', "additional-gids", OPT_LIST, O(additional_gids), "value", "additional gids"},
	{'p', "process", OPT_STRING, O(process), "value", "path to the process.json"},
	{'d', "detach", OPT_BOOL, O(detach), NULL, "detach from the container's process"},
	{0, "pid-file", OPT_STRING, O(pid_file), "value",
		"specify the file to write the process id to"},
	{0, "process-label", OPT_STRING, O(process_label), "value",
		"set the asm process label for the process commonly used with selinux"},
	{0, "apparmor", OPT_STRING, O(apparmor), "value",
		"set the apparmor profile for the process"},
	{0, "no-new-privs", OPT_BOOL, O(no_new_privs), NULL,
		"set the no new privileges value for the process"},
	{'c', "cap", OPT_LIST, O(caps), "value",
		"add a capability to the bounding set for the process"},
	{0, "preserve-fds", OPT_INT, O(preserve_fds), "value",
		"Pass N additional file descriptors to the container (stdio + $LISTEN_FDS + N in "
		"total)",
		"0"},
	{0, "cgroup", OPT_LIST, O(cgroups), "value",
		"run the process in an (existing) sub-cgroup(s). Format is "
		"[<controller>:]<cgroup>."},
	{0, "ignore-paused", OPT_BOOL, O(ignore_paused), NULL, "allow exec in a paused container"},
	{0, "no-subreaper", OPT_BOOL, O(no_subreaper), NULL,
		"disable the use of the subreaper used to reap reparented processes", NULL,
		OPT_HIDDEN},
};

static void add_to_list(char ***list, const GPtrArray *values)
{
	g_autoptr(GStrvBuilder) b = g_strv_builder_new();
	for (char **v = *list; v && *v; v++)
		g_strv_builder_add(b, *v);
	for (guint i = 0; values && i < values->len; i++)
		g_strv_builder_add(b, values->pdata[i]);
	g_strfreev(*list);
	*list = g_strv_builder_end(b);
}

/* As runc: into the sets that make it effective, ambient only where there is such a set. */
static void add_caps(OciProcess *p, const GPtrArray *caps)
{
	if (!caps)
		return;
	if (!p->capabilities)
		p->capabilities = dh_json_new(&oci_capabilities_table);
	OciCapabilities *c = p->capabilities;
	add_to_list(&c->bounding, caps);
	add_to_list(&c->effective, caps);
	add_to_list(&c->permitted, caps);
	if (c->ambient && *c->ambient) {
		add_to_list(&c->inheritable, caps);
		add_to_list(&c->ambient, caps);
	}
	config_warn_capabilities(p);
}

static gboolean set_user(OciProcess *p, const char *text, GError **error)
{
	unsigned uid, gid;
	int end = 0;
	if (sscanf(text, "%u%n:%u%n", &uid, &end, &gid, &end) < 1 || text[end])
		return dh_error(error, DH_ERROR_INVALID,
			"parsing user \"%s\": must be <uid>[:<gid>]", text);
	p->user.uid = uid;
	if (strchr(text, ':'))
		p->user.gid = gid;
	return TRUE;
}

static gboolean set_gids(OciProcess *p, const GPtrArray *gids, GError **error)
{
	for (guint i = 0; gids && i < gids->len; i++) {
		char *end;
		guint64 gid = g_ascii_strtoull(gids->pdata[i], &end, 10);
		if (*end || end == (char *)gids->pdata[i])
			return dh_error(error, DH_ERROR_INVALID, "parsing %s as gid failed",
				(char *)gids->pdata[i]);
		if (!p->user.additional_gids)
			p->user.additional_gids = json_array();
		json_array_append_new(p->user.additional_gids, json_integer((json_int_t)gid));
	}
	return TRUE;
}

static void replace(char **member, const char *value)
{
	if (!value)
		return;
	g_free(*member);
	*member = g_strdup(value);
}

/* The container's own process, changed by the options. */
static gboolean fill_process(OciProcess *p, const Options *o, char **args, GError **error)
{
	g_strfreev(p->args);
	p->args = g_strdupv(args);
	p->terminal = o->tty;
	replace(&p->cwd, o->cwd);
	replace(&p->apparmor_profile, o->apparmor);
	replace(&p->selinux_label, o->process_label);
	p->no_new_privileges = p->no_new_privileges || o->no_new_privs;
	add_to_list(&p->env, o->env);
	add_caps(p, o->caps);
	return (!o->user || set_user(p, o->user, error)) &&
	       set_gids(p, o->additional_gids, error) && config_check_process(p, error);
}

static OciProcess *make_process(const Container *c, const Options *o, char **args, GError **error)
{
	if (o->process)
		return config_load_process(o->process, error);
	if (!args[1]) {
		dh_error(error, DH_ERROR_INVALID, "process args cannot be empty");
		return NULL;
	}
	OciProcess *p = dh_json_copy(&oci_process_table, c->spec->process);
	if (fill_process(p, o, args + 1, error))
		return p;
	dh_json_free(&oci_process_table, p);
	return NULL;
}

/* "sub" or "cpu,memory:sub": this runtime has one place for all controllers. */
static gboolean find_cgroup(const Options *o, const char **ret, GError **error)
{
	*ret = NULL;
	for (guint i = 0; o->cgroups && i < o->cgroups->len; i++) {
		const char *text = o->cgroups->pdata[i], *colon = strchr(text, ':');
		const char *path = colon ? colon + 1 : text;
		if (*ret && strcmp(*ret, path) != 0)
			return dh_error(error, DH_ERROR_INVALID,
				"--cgroup: a different cgroup for each controller is not "
				"supported");
		*ret = path;
	}
	return TRUE;
}

static int exec(const Rt *rt, void *options, char **args, GError **error)
{
	Options *o = options;
	g_autoptr(Container) c = container_load(rt, args[0], FALSE, error);
	if (!c)
		return 1;
	dh_autofd int init = container_pidfd(c);
	Status status = init < 0 ? CONTAINER_STOPPED : container_status(c);
	if (status == CONTAINER_STOPPED) {
		dh_error(error, DH_ERROR_CONFLICT, "cannot exec in a stopped container");
		return 1;
	}
	if (status == CONTAINER_PAUSED && !o->ignore_paused) {
		dh_error(error, DH_ERROR_CONFLICT,
			"cannot exec in a paused container (use --ignore-paused to override)");
		return 1;
	}
	OciProcess *process = make_process(c, o, args, error);
	if (!process)
		return 1;
	dh_autofd int filter = filter_open(c);
	OciState state = container_state(c);
	RtExec x = {
		.state = &state,
		.spec = c->spec,
		.init_pidfd = init,
		.init_pid = (pid_t)c->pid,
		.process = process,
		.seccomp_fd = filter,
		.stdio = {0, 1, 2},
	};
	RtProcess p = {.pidfd = -1, .console = -1};
	int rc = 1;
	if (!o->detach) {
		console_fit(process);
		console_hold_signals();
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	}
	if (check_console(process->terminal, o->detach, o->console_socket, error) &&
		find_cgroup(o, &x.sub_cgroup, error) &&
		count_fds(o->preserve_fds, process, &x.preserve_fds, error) &&
		rt_exec(&x, &p, error)) {
		gboolean ok = write_pid_file(o->pid_file, p.pid, error) &&
			      (!o->detach || p.console < 0 ||
				      console_send(o->console_socket, p.console, error));
		if (!ok)
			rt_abandon(p.pidfd);
		rc = !ok ? 1 : o->detach ? 0 : console_wait(&p, p.console);
	}
	dh_close(&p.console);
	dh_close(&p.pidfd);
	dh_json_free(&oci_process_table, process);
	return rc;
}

const RtCommand cmd_exec = {
	.name = "exec",
	.summary = "execute new process inside the container",
	.usage = "[command options] <container-id> <command> [command options]  || -p process.json "
		 "<container-id>",
	.arguments = "Where \"<container-id>\" is the name for the instance of the container and\n"
		     "\"<command>\" is the command to be executed in the container.\n"
		     "\"<command>\" can't be empty unless a \"-p\" flag provided.",
	.min_args = 1,
	.max_args = -1,
	.stop_at_arg = TRUE,
	.options = options_table,
	.n_options = G_N_ELEMENTS(options_table),
	.options_size = sizeof(Options),
	.failed = "exec failed: ",
	.failed_status = 255,
	.run = exec,
};

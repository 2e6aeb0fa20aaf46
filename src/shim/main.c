/* SPDX-License-Identifier: MIT */
/*
 * dhow-shim - theory of operation: one process for one container, started by the daemon, perhaps
 * before there is a container for it; from the moment it is given one it is independent. It
 * launches the container, then sits in one epoll loop:
 * output to log and clients, input back, requests on the control socket, SIGCHLD.
 *
 * The end goes in this order, because each step is promised to somebody: the cgroup is emptied and
 * removed; streams are drained and the log is closed; the descriptors held for the container (its
 * network namespace, its port reservations) are closed; exit.json is renamed into place;
 * subscribers get the exit event; the root file system is unmounted, which may take as long as its
 * disk is slow; the socket is taken away; end of file on the control connections says that the
 * container can be started again; clients see end of file when they have read everything. So a
 * daemon that is new meanwhile either finds no socket, and then all is done and exit.json tells
 * how, or it is kept waiting on the socket until that is so.
 *
 * Execs end before: the kernel lets PID 1 go only when everybody else of its pid namespace has been
 * reaped, and where there is no such namespace emptying the cgroup does it.
 */
#include "shim/foreign.h"
#include "shim/shim.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/seal.h"
#include "base/timefmt.h"
#include "base/trace.h"
#include "runtime/cgroup.h"
#include "shim/shrink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_CONFIG = 4 << 20, EXIT_RECORD_ROOM = 4096 };

/* ---- preparing ---- */

/* Waits for the row of descriptors that says what to run. FALSE: the daemon is gone. */
static gboolean receive_row(GArray *row)
{
	for (;;) {
		int fds[DH_MSG_MAX_FDS];
		size_t n_fds = G_N_ELEMENTS(fds);
		char left[16];
		ssize_t n = dh_recv_msg(SHIM_FD_CONTROL, left, sizeof left - 1, fds, &n_fds, 0);
		if (n <= 0 || n_fds == 0)
			return FALSE;
		left[n] = '\0';
		g_array_append_vals(row, fds, (guint)n_fds);
		if (strcmp(left, "0") == 0)
			return TRUE;
	}
}

static ShimConfig *read_config(GArray *row, GError **error)
{
	size_t n;
	dh_autofd int fd = dh_steal_fd(&g_array_index(row, int, 0));
	g_autofree char *text = dh_read_to_end(fd, MAX_CONFIG, &n, error);
	return text ? dh_json_parse_text(&shim_config_table, text, n, error) : NULL;
}

/* The descriptor at a place of the row; all of them are close-on-exec. */
static int at_place(GArray *row, int64_t place)
{
	if (place < SHIM_PLACE_FIRST || place >= row->len)
		return -1;
	return dh_steal_fd(&g_array_index(row, int, (guint)place));
}

static void prepare_process(void)
{
	sigset_t all;
	umask(0);
	(void)chdir("/"); /* keep no file system busy that the daemon was started from */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)dh_set_cloexec(SHIM_FD_CONTROL, TRUE);
	/* The kernel shall look elsewhere when memory is short; more than we may ask for is
	 * refused. */
	if (dh_write_kernel_file(AT_FDCWD, "/proc/self/oom_score_adj", "-998") < 0)
		(void)dh_write_kernel_file(AT_FDCWD, "/proc/self/oom_score_adj", "0");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void hold(Shim *sh, int fd)
{
	if (fd >= 0)
		g_array_append_val(sh->held, fd);
}

/* From now on the configuration's places are descriptors. */
static void adopt_descriptors(Shim *sh, GArray *row)
{
	ShimConfig *c = sh->config;
	size_t i;
	json_t *place;
	c->netns_fd = at_place(row, c->netns_fd);
	hold(sh, (int)c->netns_fd);
	c->userns_fd = at_place(row, c->userns_fd);
	hold(sh, (int)c->userns_fd);
	json_array_foreach (c->hold_fds, i, place)
		hold(sh, at_place(row, json_integer_value(place)));
	for (guint k = 0; c->clients && k < c->clients->len; k++) {
		ShimClient *client = c->clients->pdata[k];
		client->fd = at_place(row, client->fd);
	}
	sh->seccomp_fd = at_place(row, c->seccomp_fd);
}

/* Whoever looks at the list of processes sees whose shim this is. */
static void show_id(char *argument, const char *id)
{
	prctl(PR_SET_NAME, "dhow-shim");
	size_t room = strlen(argument), n = MIN(strlen(id), room);
	memset(argument, 0, room);
	memcpy(argument, id, n);
}

static void signals_ready(void *owner, uint32_t events);

static gboolean prepare_loop(Shim *sh, GError **error)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sh->loop = loop_new(error);
	if (!sh->loop)
		return FALSE;
	sh->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sh->signal_fd < 0 ||
		!(sh->signals = loop_add(sh->loop, sh->signal_fd, EPOLLIN, signals_ready, sh)))
		return dh_error_errno(error, errno, "signalfd");
	if (mkdir(sh->config->run_dir, 0700) < 0 && errno != EEXIST)
		return dh_error_errno(error, errno, "mkdir %s", sh->config->run_dir);
	return control_listen(sh, error);
}

/* ---- the exit record ---- */

static char *exit_path(const Shim *sh, const char *suffix)
{
	return g_strconcat(sh->config->dir, "/", SHIM_EXIT_NAME, suffix, NULL);
}

/* Has a block before the container runs, so that its end can be recorded on a full disk, too. */
static gboolean prepare_exit_record(Shim *sh, GError **error)
{
	g_autofree char *path = exit_path(sh, ".new");
	sh->exit_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (sh->exit_fd < 0)
		return dh_error_errno(error, errno, "create %s", path);
	int r = posix_fallocate(sh->exit_fd, 0, EXIT_RECORD_ROOM);
	if (r == 0)
		return TRUE;
	(void)unlink(path);
	return dh_error_errno(error, r, "write %s", path);
}

static void write_exit_record(Shim *sh)
{
	g_autofree char *text = dh_json_emit_text(&shim_exit_table, &sh->main->exit);
	g_autofree char *path = exit_path(sh, "");
	g_autofree char *fresh = exit_path(sh, ".new");
	if (dh_write_all(sh->exit_fd, text, strlen(text)) < 0 ||
		ftruncate(sh->exit_fd, (off_t)strlen(text)) < 0 || rename(fresh, path) < 0)
		fprintf(stderr, "dhow-shim %s: write %s: %s\n", sh->config->id, path,
			g_strerror(errno));
	dh_close(&sh->exit_fd);
}

static void forget_exit_record(Shim *sh)
{
	g_autofree char *fresh = exit_path(sh, ".new");
	dh_close(&sh->exit_fd);
	(void)unlink(fresh);
}

/* ---- launching ---- */

/* --init: dhow-init is bound into the container and runs the program. */
static void put_init_in_front(ShimConfig *config)
{
	static const char path[] = "/sbin/docker-init";
	if (!config->init_path)
		return;
	OciMount *m = dh_json_new(&oci_mount_table);
	m->destination = g_strdup(path);
	m->type = g_strdup("bind");
	m->source = g_strdup(config->init_path);
	m->options = g_strsplit("bind,ro", ",", -1);
	m->dhow_idmap = TRUE;
	if (!config->oci->mounts)
		config->oci->mounts = dh_json_list_new();
	g_ptr_array_add(config->oci->mounts, m);
	g_autoptr(GStrvBuilder) args = g_strv_builder_new();
	g_strv_builder_add(args, path);
	g_strv_builder_add(args, "--");
	g_strv_builder_addv(args, (const char **)config->oci->process->args);
	g_strfreev(config->oci->process->args);
	config->oci->process->args = g_strv_builder_end(args);
}

static void quit_when_flushed(Shim *sh)
{
	if (sh->ended && sh->main->clients->len == 0 && exec_all_flushed(sh))
		loop_quit(sh->loop);
}

static void clients_flushed(void *arg, Session *s)
{
	(void)s;
	quit_when_flushed(arg);
}

static void detached(void *arg, Session *s)
{
	ShimEvent ev = {.event = (char *)"detach", .exec_id = s->exec_id};
	control_event(arg, &ev);
}

SessionOwner shim_session_owner(Shim *sh)
{
	return (SessionOwner){.detached = detached, .clients_flushed = clients_flushed, .arg = sh};
}

static void log_flows(void *session)
{
	session_update_flow(session);
}

static gboolean launch(Shim *sh, GError **error)
{
	ShimConfig *c = sh->config;
	RtLaunch l = {
		.spec = c->oci,
		.rootfs = c->rootfs,
		.netns_fd = (int)c->netns_fd,
		.userns_fd = (int)c->userns_fd,
		.seccomp_fd = sh->seccomp_fd,
		.keep_root = TRUE,
		.stdio = {-1, -1, -1},
	};
	RtProcess p;
	Session *s = sh->main;
	s->stdin_once = c->stdin_once;
	g_autoptr(GError) failed = NULL;
	s->log = log_open(&c->log, c->dir, sh->loop, log_flows, s, &failed);
	if (failed) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	put_init_in_front(c);
	if (!c->oci->process->terminal && !session_pipes(s, c->open_stdin, TRUE, l.stdio, error))
		return FALSE;
	s->exit.started_at = dh_time_now();
	gboolean ok =
		is_foreign(sh) ? foreign_launch(sh, l.stdio, &p, error) : rt_launch(&l, &p, error);
	for (int i = 0; i < 3; i++)
		dh_close(&l.stdio[i]);
	if (!ok)
		return FALSE;
	for (guint i = 0; c->clients && i < c->clients->len; i++) {
		ShimClient *client = c->clients->pdata[i];
		session_attach(s, client, (int)client->fd);
	}
	sh->root_fd = p.root;
	session_started(s, &p);
	oom_watch(sh, c->oci->linux_->resources);
	return TRUE;
}

static void idle(void *owner)
{
	Shim *sh = owner;
	log_idle(sh->main->log);
	shrink_process();
}

/* What only a start needs; an exec asks for no more of the configuration than it says (RtExec). */
static void forget_startup(Shim *sh)
{
	ShimConfig *c = sh->config;
	OciSpec *small = dh_json_new(&oci_spec_table);
	small->linux_ = dh_json_new(&oci_linux_table);
	small->linux_->cgroups_path = g_steal_pointer(&c->oci->linux_->cgroups_path);
	small->linux_->namespaces = g_steal_pointer(&c->oci->linux_->namespaces);
	small->linux_->uid_mappings = g_steal_pointer(&c->oci->linux_->uid_mappings);
	small->linux_->gid_mappings = g_steal_pointer(&c->oci->linux_->gid_mappings);
	dh_json_free(&oci_spec_table, c->oci);
	c->oci = small;
	g_clear_pointer(&c->clients, g_ptr_array_unref);
	dh_json_free(&rt_rootfs_table, g_steal_pointer(&c->rootfs));
	dh_close(&sh->seccomp_fd);
	loop_on_idle(sh->loop, idle, sh);
}

/* ---- ending ---- */

static void remove_cgroup(Shim *sh)
{
	const char *cgroup = sh->config->oci->linux_->cgroups_path;
	g_autoptr(GError) error = NULL;
	if (!cgroup || !*cgroup)
		return;
	/* Usually empty already: PID 1's end has killed its PID namespace. */
	if (rt_cgroup_remove(cgroup, NULL))
		return;
	if (!rt_cgroup_end(cgroup, &error))
		fprintf(stderr, "dhow-shim %s: %s\n", sh->config->id, error->message);
}

static void remove_run_dir(Shim *sh)
{
	g_autofree char *path = g_build_filename(sh->config->run_dir, SHIM_SOCKET_NAME, NULL);
	(void)unlink(path);
	(void)rmdir(sh->config->run_dir);
}

static void release_held(Shim *sh)
{
	for (guint i = 0; i < sh->held->len; i++)
		close(g_array_index(sh->held, int, i));
	g_array_set_size(sh->held, 0);
}

static int reap(Shim *sh);

static void container_ended(Shim *sh, int status)
{
	Session *s = sh->main;
	s->exit.status = status;
	s->exit.finished_at = dh_time_now();
	s->ended = TRUE;
	dh_trace("shim: PID 1 has ended");
	oom_end(sh);
	if (is_foreign(sh))
		foreign_end(sh);
	remove_cgroup(sh);
	dh_trace("shim: cgroup removed");
	(void)reap(sh); /* execs that ended with it only now */
	exec_end_all(sh);
	session_drain(s);
	s->exit.log_dropped = log_close(g_steal_pointer(&s->log));
	dh_trace("shim: streams drained, log closed");
	release_held(sh);
	write_exit_record(sh);
	dh_trace("shim: exit record written");
	sh->ended = TRUE;
	ShimEvent ev = {.event = (char *)"exit", .exit = &s->exit, .trace = dh_trace_take()};
	control_event(sh, &ev);
	json_decref(ev.trace);
	session_finish(s);
	dh_close(&sh->root_fd);
	remove_run_dir(sh);
	control_end(sh);
	quit_when_flushed(sh);
}

/* What PID 1 ended with, or -1: it lives. */
static int reap(Shim *sh)
{
	int ended = -1;
	for (;;) {
		int ws;
		pid_t pid = waitpid(-1, &ws, WNOHANG);
		if (pid <= 0)
			return ended;
		int status = WIFEXITED(ws) ? WEXITSTATUS(ws) : 128 + WTERMSIG(ws);
		if (pid == sh->main->pid)
			ended = status;
		else
			exec_reaped(sh, pid, status);
	}
}

static void signals_ready(void *owner, uint32_t events)
{
	Shim *sh = owner;
	struct signalfd_siginfo si;
	(void)events;
	while (read(sh->signal_fd, &si, sizeof si) == (ssize_t)sizeof si)
		;
	int ended = reap(sh);
	/* After the execs that ended with it, so that they are told first. */
	if (ended >= 0 && !sh->ended)
		container_ended(sh, ended);
}

/* ---- main ---- */

static void session_destroy(void *s)
{
	session_free(s);
}

static gboolean start(Shim *sh, GError **error)
{
	SessionOwner owner = shim_session_owner(sh);
	if (!prepare_loop(sh, error))
		return FALSE;
	sh->main = session_new(sh->loop, &owner, NULL);
	if (!prepare_exit_record(sh, error) || !launch(sh, error)) {
		forget_exit_record(sh);
		remove_run_dir(sh);
		return FALSE;
	}
	return TRUE;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	if (argc != 2) {
		fprintf(stderr, "dhow-shim is started by dhowd\n");
		return 2;
	}
	if (!dh_seal_self(argv, &error)) {
		fprintf(stderr, "dhow-shim: %s\n", error->message);
		return 1;
	}
	static Shim shim;
	Shim *sh = &shim;
	prepare_process();
	(void)rt_cgroup_mode(); /* looked up once: now, while there may be time */
	prctl(PR_SET_NAME, "dhow-waiting");
	g_autoptr(GArray) row = g_array_new(FALSE, FALSE, sizeof(int));
	if (!receive_row(row))
		return 0;
	sh->signal_fd = sh->listen_fd = sh->spare_fd = sh->seccomp_fd = sh->root_fd = sh->exit_fd =
		sh->oom_fd = -1;
	sh->held = g_array_new(FALSE, FALSE, sizeof(int));
	sh->controls = g_ptr_array_new_with_free_func(control_free);
	sh->execs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, session_destroy);
	sh->exec_order = g_queue_new();
	sh->config = read_config(row, &error);
	if (sh->config && sh->config->trace)
		(void)dh_trace_start();
	dh_trace("shim: configuration read");
	if (sh->config) {
		show_id(argv[1], sh->config->id);
		adopt_descriptors(sh, row);
	}
	gboolean ok = sh->config && start(sh, &error);
	dh_trace("shim: container started");
	ShimEvent ev = {.event = (char *)(ok ? "started" : "failed"), .trace = dh_trace_take()};
	if (ok) {
		ev.pid = sh->main->pid;
	} else {
		ev.code = error->domain == DH_ERROR ? error->code : DH_ERROR_SYSTEM;
		ev.error = error->message;
	}
	g_autofree char *text = dh_json_emit_text(&shim_event_table, &ev);
	json_decref(ev.trace);
	(void)dh_send_msg(SHIM_FD_CONTROL, text, strlen(text), NULL, 0, 0);
	dh_trace("shim: told that it is started");
	if (!ok)
		return 1;
	/* Who started us may be gone by now: then nobody was told, and the next daemon decides. */
	control_add(sh, SHIM_FD_CONTROL, TRUE);
	forget_startup(sh);
	loop_run(sh->loop);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * dhowd - theory of operation: the composition root. It takes the locks that make it the only
 * daemon of its data root, opens the engine (which reconciles), listens, tells whoever started it
 * that it is ready, and then waits for a signal, or for the order to make way for another program
 * (upgrade.h, handover.h). Containers do not depend on it: whatever way it ends, they go on.
 */
#include "api/server.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"
#include "daemon/handover.h"
#include "daemon/listen.h"
#include "daemon/locks.h"
#include "daemon/reload.h"
#include "daemon/systemd.h"
#include "daemon/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STOP_TIMEOUT_MS = 3000, ACCEPT_AGAIN_MS = 1000 };

/* ---- programs ---- */

/* dhow-shim and dhow-init: installed, or beside us in a build directory. */
static char *find_program(const char *name, const char *build_dir, GError **error)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0) {
		dh_error_errno(error, errno, "readlink /proc/self/exe");
		return NULL;
	}
	self[n] = '\0';
	g_autofree char *dir = g_path_get_dirname(self);
	g_autofree char *beside = g_build_filename(dir, name, NULL);
	g_autofree char *in_build = g_build_filename(dir, "..", build_dir, name, NULL);
	g_autofree char *relocated = g_build_filename(dir, "..", "libexec", "dhow", name, NULL);
	g_autofree char *installed = g_build_filename(DHOW_LIBEXECDIR, name, NULL);
	const char *const candidates[] = {beside, in_build, relocated, installed};
	for (guint i = 0; i < G_N_ELEMENTS(candidates); i++) {
		if (access(candidates[i], X_OK) == 0)
			return g_canonicalize_filename(candidates[i], NULL);
	}
	dh_error(error, DH_ERROR_SYSTEM, "cannot find the program %s (looked in %s and %s)", name,
		dir, DHOW_LIBEXECDIR);
	return NULL;
}

/* ---- being ready ---- */

/* Whoever started us may wait at the other end of a pipe (see src/cli). */
static void tell_ready(void)
{
	const char *text = g_getenv("DHOW_READY_FD");
	if (!text)
		return;
	int fd = (int)g_ascii_strtoll(text, NULL, 10);
	struct stat st;
	if (fd >= 3 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) {
		(void)!write(fd, "1", 1);
		close(fd);
	}
	g_unsetenv("DHOW_READY_FD");
}

static void tell_systemd(void)
{
	g_autofree char *text = g_strdup_printf("READY=1\nMAINPID=%d", (int)getpid());
	systemd_notify(text);
}

/* ---- running ---- */

static void prepare_process(const DaemonOptions *o, sigset_t *signals)
{
	dh_log_set_level(settings_log_level(o->settings));
	umask(0022);
	dh_spawn_raise_files();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGUSR1);
	sigaddset(signals, SIGUSR2);
	/* Before any thread exists, so that all inherit it: only the descriptor below takes these.
	 */
	pthread_sigmask(SIG_SETMASK, signals, NULL);
	/* A thread a connection would otherwise mean an arena each. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
}

/* Until a signal that means something to us (its number), or somebody wants an upgrade (0). */
static int wait_for_work(int signal_fd, int upgrade, ApiServer *server)
{
	for (;;) {
		struct pollfd p[] = {{signal_fd, POLLIN, 0}, {upgrade, POLLIN, 0}};
		struct signalfd_siginfo info;
		int again = api_server_accepts(server) ? -1 : ACCEPT_AGAIN_MS;
		if (poll(p, G_N_ELEMENTS(p), again) <= 0)
			continue;
		if (p[1].revents)
			return 0;
		if (read(signal_fd, &info, sizeof info) != sizeof info)
			continue;
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT ||
			info.ssi_signo == SIGHUP)
			return (int)info.ssi_signo;
		dh_info("ignoring signal %d", (int)info.ssi_signo);
	}
}

/* What serves at the moment. */
typedef struct {
	DaemonOptions *o;
	char *const *argv;
	json_t *handed; /* by the daemon before, or NULL */
	int lock, exec_lock, signals;
	Engine *engine;
	GArray *listeners;
	ApiServer *server;
	Upgrade *upgrade;
} Daemon;

static void daemon_clear(Daemon *d)
{
	upgrade_free(d->upgrade);
	if (d->listeners)
		g_array_unref(d->listeners);
	json_decref(d->handed);
	dh_close(&d->lock);
	dh_close(&d->exec_lock);
	dh_close(&d->signals);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Daemon, daemon_clear)

/* Or takes them over. Handed over are the descriptors, so that they are never free. */
static gboolean take_locks(Daemon *d, GError **error)
{
	const EngineConfig *config = &d->o->engine;
	const json_t *exec = json_object_get(d->handed, "ExecLock");
	if (d->handed) {
		d->lock = (int)json_integer_value(json_object_get(d->handed, "Lock"));
	} else {
		locks_await_dying(d->o->pidfile);
		if (!lock_data_root(config->data_root, &d->lock, error))
			return FALSE;
	}
	/* A daemon of a time before this lock hands none over. */
	if (!exec)
		return lock_exec_root(config->exec_root, &d->exec_lock, error);
	d->exec_lock = (int)json_integer_value(exec);
	return TRUE;
}

/* They go back to the daemon before, which has them open. */
static void give_locks_back(Daemon *d)
{
	d->lock = -1;
	if (json_object_get(d->handed, "ExecLock"))
		d->exec_lock = -1;
}

static gboolean open_engine(Daemon *d, GError **error)
{
	EngineConfig *config = &d->o->engine;
	config->shim_path = find_program("dhow-shim", "shim", error);
	if (!config->shim_path)
		return FALSE;
	config->init_path = find_program("dhow-init", "init", error);
	if (!config->init_path)
		return FALSE;
	config->handed_over = d->handed != NULL;
	if (!handover_take_roots(d->handed, config, error) || !take_locks(d, error))
		return FALSE;
	if (!pidfile_write(d->o->pidfile, error))
		return FALSE;
	d->engine = engine_open(config, d->o->settings, error);
	if (!d->engine && !d->handed)
		(void)unlink(d->o->pidfile);
	return d->engine != NULL;
}

static gboolean begin_to_serve(Daemon *d, GError **error)
{
	d->upgrade = upgrade_new(d->argv, &d->o->engine, d->handed, error);
	d->listeners = d->upgrade ? listen_all(d->o, json_object_get(d->handed, "Listeners"), error)
				  : NULL;
	if (!d->listeners)
		return FALSE;
	/* From here on what was handed over is used up: no way back. */
	if (d->handed) {
		handover_served(d->handed);
		engine_import(d->engine, json_object_get(d->handed, "Engine"));
	}
	g_autofree int *fds = g_new(int, d->listeners->len + 1);
	for (guint i = 0; i < d->listeners->len; i++)
		fds[i] = g_array_index(d->listeners, Listener, i).fd;
	d->server = api_server_start(
		d->engine, fds, d->listeners->len, upgrade_hooks(d->upgrade), error);
	if (!d->server)
		return FALSE;
	if (d->handed)
		api_server_resume(d->server, json_object_get(d->handed, "Api"));
	engine_release_removals(d->engine);
	return TRUE;
}

/* Does not return when it succeeds. FALSE: the server is gone; TRUE: all is as before. */
static gboolean replace_daemon(Daemon *d, const ApiUpgrade *order)
{
	g_autoptr(GError) error = NULL;
	gint64 since = g_get_monotonic_time();
	gboolean quiet;
	if (!api_server_drain(d->server, (guint)order->timeout * 1000, order->force, &error)) {
		dh_warn("no upgrade: %s", error->message);
		upgrade_refuse(d->upgrade, error);
		return TRUE;
	}
	dh_info("handing over to %s", order->binary);
	systemd_notify("RELOADING=1");
	engine_hold_removals(d->engine);
	json_t *api = api_server_hand_over(g_steal_pointer(&d->server), &quiet);
	json_t *engine = engine_export(d->engine);
	/* Threads that are still in it end with this program. */
	if (quiet)
		engine_close(g_steal_pointer(&d->engine), TRUE);
	g_autoptr(json_t) state = json_pack("{s:s, s:I, s:i, s:i, s:o*, s:o, s:o, s:o}", "Version",
		DHOW_VERSION, "Since", (json_int_t)since, "Lock", d->lock, "ExecLock", d->exec_lock,
		"Roots", handover_roots(&d->o->engine), "Listeners", listeners_export(d->listeners),
		"Api", api, "Engine", engine);
	handover_leave(order->binary, d->argv, state, &error);
	dh_log_error("the upgrade failed, and this is the end: %s", error->message);
	return FALSE;
}

static void work(Daemon *d)
{
	for (;;) {
		int sig = wait_for_work(d->signals, upgrade_fd(d->upgrade), d->server);
		if (sig == SIGHUP) {
			reload_configuration(d->engine, d->o, d->argv);
			continue;
		}
		if (sig) {
			dh_info("ending on signal %d", sig);
			api_server_stop(d->server, STOP_TIMEOUT_MS);
			listeners_unlink(d->listeners);
			return;
		}
		const ApiUpgrade *order = upgrade_wanted(d->upgrade);
		if (order && !replace_daemon(d, order))
			_exit(1);
	}
}

static gboolean serve(DaemonOptions *o, char *const *argv, json_t *handed, const sigset_t *signals,
	GError **error)
{
	g_auto(Daemon) d = {.o = o, .argv = argv, .handed = handed, .lock = -1, .exec_lock = -1};
	d.signals = signalfd(-1, signals, SFD_CLOEXEC);
	if (d.signals < 0)
		return dh_error_errno(error, errno, "signalfd");
	if (handed)
		handover_guard(handed);
	if (!open_engine(&d, error)) {
		if (handed)
			give_locks_back(&d);
		return FALSE;
	}
	gboolean ok = begin_to_serve(&d, error);
	if (ok) {
		const char *before = json_string_value(json_object_get(handed, "Version"));
		dh_info("Dhow %s is ready%s%s: %s, data root %s, bridge %s", DHOW_VERSION,
			before ? ", after " : "", before ? before : "", o->hosts[0],
			o->engine.data_root, o->engine.net.bridge);
		tell_ready();
		tell_systemd();
		work(&d);
	}
	engine_close(d.engine, handed && !ok);
	if (handed && !ok)
		give_locks_back(&d);
	if (ok || !handed)
		(void)unlink(o->pidfile);
	return ok;
}

/* What dockerd's --validate asks, and whether the state is of a kind that we can go on with. */
static int validate(const DaemonOptions *o)
{
	g_autoptr(GError) error = NULL;
	if (o->handover > HANDOVER_PROTOCOL) {
		fprintf(stderr, "it takes over by protocol %d at most\n", HANDOVER_PROTOCOL);
		return 1;
	}
	if (!handover_asked(&o->engine, &error) || !engine_accepts(&o->engine, &error)) {
		fprintf(stderr, "dhowd: %s\n", error->message);
		return 1;
	}
	puts("configuration OK");
	return 0;
}

int main(int argc, char **argv)
{
	(void)argc;
	/* As long as the process: threads that serve a last request may look at them. */
	static DaemonOptions o;
	g_autoptr(GError) error = NULL;
	json_t *handed = handover_arrive();
	if (!daemon_options_parse(argv, &o, &error)) {
		fprintf(stderr, "dhowd: %s\n", error->message);
		if (handed)
			handover_give_up(handed, error->message);
		return 1;
	}
	if (o.version) {
		printf("Dhow version %s\n", DHOW_VERSION);
		return 0;
	}
	if (o.validate)
		return validate(&o);
	if (geteuid() != 0) {
		fprintf(stderr, "dhowd needs to be started with root privileges\n");
		return 1;
	}
	sigset_t signals;
	prepare_process(&o, &signals);
	gboolean served = serve(&o, argv, json_incref(handed), &signals, &error);
	settings_unref(o.settings);
	if (!served) {
		fprintf(stderr, "dhowd: %s\n", error->message);
		if (handed)
			handover_give_up(handed, error->message);
		return 1;
	}
	json_decref(handed);
	return 0;
}

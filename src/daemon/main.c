/* SPDX-License-Identifier: MIT */
/*
 * dhowd - theory of operation: the composition root. It takes the locks that make it the only
 * daemon of its data root, opens the engine (which reconciles), listens, tells whoever started it
 * that it is ready, and then waits for a signal. Containers do not depend on it: whatever way it
 * ends, they go on.
 */
#include "api/server.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/options.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_HOSTS = 16, STOP_TIMEOUT_MS = 3000 };

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

/* ---- locks and files ---- */

static gboolean lock_data_root(const char *data_root, int *ret_fd, GError **error)
{
	/* Layers hold other machines' setuid programs and secrets: no user gets past the door. */
	if (!dh_mkdir_p(data_root, 0710, error))
		return FALSE;
	if (chmod(data_root, 0710) < 0)
		return dh_error_errno(error, errno, "chmod %s", data_root);
	g_autofree char *path = g_build_filename(data_root, "dhowd.lock", NULL);
	dh_autofd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return dh_error_errno(error, errno, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return dh_error(error, DH_ERROR_CONFLICT,
			"the data root %s is in use by another dhowd", data_root);
	*ret_fd = dh_steal_fd(&fd);
	return TRUE;
}

/* A zombie has no program any more, however long its parent leaves it about. */
static gboolean process_is_dhowd(pid_t pid)
{
	g_autofree char *link = g_strdup_printf("/proc/%d/exe", (int)pid);
	g_autofree char *exe = g_file_read_link(link, NULL);
	g_autofree char *name = exe ? g_path_get_basename(exe) : NULL;
	return name && g_str_has_prefix(name, "dhowd");
}

static gboolean write_pidfile(const char *path, GError **error)
{
	g_autofree char *old = dh_read_file(AT_FDCWD, path, 64, NULL, NULL);
	pid_t pid = old ? (pid_t)g_ascii_strtoll(old, NULL, 10) : 0;
	if (pid > 0 && pid != getpid() && process_is_dhowd(pid))
		return dh_error(error, DH_ERROR_CONFLICT,
			"pid file found, ensure dhowd is not running or delete %s", path);
	g_autofree char *dir = g_path_get_dirname(path);
	g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
	return dh_mkdir_p(dir, 0755, error) &&
	       dh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0644, error);
}

/* ---- listening ---- */

static int listen_on(const char *host, const char *group, GError **error)
{
	if (!g_str_has_prefix(host, "unix://")) {
		dh_error(error, DH_ERROR_NOT_BUILT,
			"listening on %s is not built yet: only unix:// is", host);
		return -1;
	}
	const char *path = host + strlen("unix://");
	g_autofree char *dir = g_path_get_dirname(path);
	if (!dh_mkdir_p(dir, 0755, error))
		return -1;
	/* Somebody who answers there is a daemon that works: not to be pushed aside. */
	dh_autofd int other = dh_unix_connect(path, SOCK_STREAM, NULL);
	if (other >= 0) {
		dh_error(error, DH_ERROR_CONFLICT, "%s is in use by another daemon", host);
		return -1;
	}
	dh_autofd int fd = dh_unix_listen(path, SOCK_STREAM, 0660, error);
	if (fd < 0)
		return -1;
	struct group *gr = group ? getgrnam(group) : NULL;
	if (group && !gr) {
		dh_error(error, DH_ERROR_INVALID, "group %s not found", group);
		return -1;
	}
	if (gr && chown(path, (uid_t)-1, gr->gr_gid) < 0) {
		dh_error_errno(error, errno, "chown %s", path);
		return -1;
	}
	return dh_steal_fd(&fd);
}

static gboolean listen_all(const DaemonOptions *o, int *fds, guint *ret_n, GError **error)
{
	guint n = 0;
	for (char **h = o->hosts; *h; h++) {
		int fd = n < MAX_HOSTS ? listen_on(*h, o->group, error) : -1;
		if (fd < 0) {
			if (n == MAX_HOSTS)
				dh_error(error, DH_ERROR_INVALID, "too many -H");
			while (n > 0)
				close(fds[--n]);
			return FALSE;
		}
		fds[n++] = fd;
	}
	*ret_n = n;
	return TRUE;
}

static void unlink_sockets(const DaemonOptions *o)
{
	for (char **h = o->hosts; *h; h++) {
		if (g_str_has_prefix(*h, "unix://"))
			(void)unlink(*h + strlen("unix://"));
	}
}

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

/* ---- running ---- */

static void prepare_process(const DaemonOptions *o, sigset_t *signals)
{
	DhLogLevel level = DH_LOG_INFO;
	if (o->debug)
		level = DH_LOG_DEBUG;
	else if (o->log_level && !dh_log_parse_level(o->log_level, &level))
		dh_warn("unknown log level %s", o->log_level);
	dh_log_set_level(level);

	umask(0022);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGUSR1);
	sigaddset(signals, SIGUSR2);
	/* Before any thread exists, so that all inherit it: only sigwait below takes these. */
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	/* A thread a connection would otherwise mean an arena each. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
}

static int wait_for_end(const sigset_t *signals)
{
	int sig;
	for (;;) {
		if (sigwait(signals, &sig) != 0)
			continue;
		if (sig == SIGTERM || sig == SIGINT)
			return sig;
		dh_info("ignoring signal %d", sig);
	}
}

static gboolean serve(DaemonOptions *o, const sigset_t *signals, GError **error)
{
	EngineConfig *config = &o->engine;
	dh_autofd int lock = -1;
	int fds[MAX_HOSTS];
	guint n = 0;

	config->shim_path = find_program("dhow-shim", "shim", error);
	if (!config->shim_path)
		return FALSE;
	config->init_path = find_program("dhow-init", "init", error);
	if (!config->init_path)
		return FALSE;
	if (!lock_data_root(config->data_root, &lock, error) || !write_pidfile(o->pidfile, error))
		return FALSE;
	Engine *engine = engine_open(config, error);
	if (!engine) {
		(void)unlink(o->pidfile);
		return FALSE;
	}
	ApiServer *server = NULL;
	if (listen_all(o, fds, &n, error) && (server = api_server_start(engine, fds, n, error))) {
		dh_info("Dhow %s is ready: %s, data root %s, bridge %s", DHOW_VERSION, o->hosts[0],
			config->data_root, config->net.bridge);
		tell_ready();
		int sig = wait_for_end(signals);
		dh_info("ending on signal %d", sig);
		api_server_stop(server, STOP_TIMEOUT_MS);
		unlink_sockets(o);
	}
	gboolean ok = server != NULL;
	engine_close(engine, FALSE);
	(void)unlink(o->pidfile);
	return ok;
}

int main(int argc, char **argv)
{
	/* As long as the process: threads that serve a last request may look at them. */
	static DaemonOptions o;
	g_autoptr(GError) error = NULL;
	if (!daemon_options_parse(argc, argv, &o, &error)) {
		fprintf(stderr, "dhowd: %s\n", error->message);
		return 1;
	}
	if (o.version) {
		printf("Dhow version %s\n", DHOW_VERSION);
		return 0;
	}
	if (geteuid() != 0) {
		fprintf(stderr, "dhowd needs to be started with root privileges\n");
		return 1;
	}
	sigset_t signals;
	prepare_process(&o, &signals);
	gboolean served = serve(&o, &signals, &error);
	registry_config_clear(&o.engine.registry);
	if (!served) {
		fprintf(stderr, "dhowd: %s\n", error->message);
		return 1;
	}
	return 0;
}

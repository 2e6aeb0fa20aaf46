/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: dhowd gets the write end of a pipe as descriptor 3 (DHOW_READY_FD=3). One
 * byte means "I listen"; end of file without it means that it died, whatever the reason, and its
 * log says why. Starters take turns by flock: whoever gets the lock tries the socket again first.
 */
#include "cli/daemon_start.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#ifndef DHOW_LIBEXECDIR
#define DHOW_LIBEXECDIR "/usr/local/libexec/dhow"
#endif

enum { READY_TIMEOUT_MS = 30 * 1000, LOG_TAIL = 4096 };

/* The daemon of the same installation, or of the same build tree: never whatever PATH offers. */
static char *find_dhowd(GError **error)
{
	static const char *const places[] = {
		"dhowd", "../sbin/dhowd", "../libexec/dhow/dhowd", "../daemon/dhowd"};
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	if (n > 0) {
		exe[n] = '\0';
		g_autofree char *dir = g_path_get_dirname(exe);
		for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
			g_autofree char *path = g_build_filename(dir, places[i], NULL);
			if (access(path, X_OK) == 0)
				return g_steal_pointer(&path);
		}
	}
	if (access(DHOW_LIBEXECDIR "/dhowd", X_OK) == 0)
		return g_strdup(DHOW_LIBEXECDIR "/dhowd");
	dh_error(error, DH_ERROR_NOT_FOUND, "dhowd is not installed beside %s",
		n > 0 ? exe : "this program");
	return NULL;
}

void daemon_exec(char *const *args, GError **error)
{
	g_autofree char *path = find_dhowd(error);
	if (!path)
		return;
	guint n = g_strv_length((char **)args);
	g_autofree char **argv = g_new0(char *, n + 2);
	argv[0] = path;
	memcpy(argv + 1, args, n * sizeof *args);
	execv(path, argv);
	dh_error_errno(error, errno, "exec %s", path);
}

static int open_log(char **ret_path)
{
	static const char *const paths[] = {"/var/log/dhowd.log", "/run/dhowd.log"};
	for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
		int fd = open(paths[i],
			O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		if (fd >= 0) {
			*ret_path = g_strdup(paths[i]);
			return fd;
		}
	}
	return -1;
}

/* Last line written behind offset `from`, or NULL. */
static char *last_line(int fd, off_t from)
{
	char buf[LOG_TAIL + 1];
	off_t end = lseek(fd, 0, SEEK_END);
	off_t start = MAX(from, end - LOG_TAIL);
	ssize_t n = pread(fd, buf, LOG_TAIL, start);
	if (n <= 0)
		return NULL;
	buf[n] = '\0';
	g_strchomp(buf);
	const char *line = strrchr(buf, '\n');
	line = line ? line + 1 : buf;
	return *line ? g_strdup(line) : NULL;
}

static gboolean wait_ready(int fd, GError **error)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int r;
	char byte;
	do
		r = poll(&p, 1, READY_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return dh_error(error, DH_ERROR_UNAVAILABLE, "it did not become ready in %d s",
			READY_TIMEOUT_MS / 1000);
	ssize_t n = dh_read_full(fd, &byte, 1);
	if (n != 1)
		return dh_error(error, DH_ERROR_UNAVAILABLE, "it ended before it listened");
	return TRUE;
}

static gboolean launch(GError **error)
{
	g_autofree char *path = find_dhowd(error);
	if (!path)
		return FALSE;
	g_autofree char *log_path = NULL;
	dh_autofd int log = open_log(&log_path);
	int pipe_fds[2];
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return dh_error_errno(error, errno, "pipe");
	dh_autofd int ready = pipe_fds[0];
	dh_autofd int ready_write = pipe_fds[1];

	g_auto(GStrv) env = g_environ_setenv(g_strdupv(environ), "DHOW_READY_FD", "3", TRUE);
	char *argv[] = {path, NULL};
	DhSpawn s = {.path = path,
		.argv = argv,
		.envp = env,
		.stdio = {-1, log, log},
		.fds = &ready_write,
		.n_fds = 1,
		.setsid = TRUE};
	off_t before = log >= 0 ? lseek(log, 0, SEEK_END) : 0;
	if (!dh_spawn(&s, NULL, NULL, error))
		return FALSE;
	dh_close(&ready_write);
	g_autoptr(GError) why = NULL;
	if (wait_ready(ready, &why))
		return TRUE;
	g_autofree char *line = log >= 0 ? last_line(log, before) : NULL;
	return dh_error(error, DH_ERROR_UNAVAILABLE, "%s%s%s%s%s", why->message, line ? ": " : "",
		line ? line : "", log_path ? "; log: " : "", log_path ? log_path : "");
}

gboolean daemon_start(gboolean (*connected)(void *arg), void *arg, GError **error)
{
	dh_autofd int lock =
		open("/run/dhow.start.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return dh_error_errno(error, errno, "open /run/dhow.start.lock");
	int r;
	do
		r = flock(lock, LOCK_EX);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return dh_error_errno(error, errno, "lock /run/dhow.start.lock");
	if (connected(arg))
		return TRUE;
	if (launch(error))
		return TRUE;
	g_prefix_error(error, "cannot start dhowd: ");
	return FALSE;
}

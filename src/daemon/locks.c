/* SPDX-License-Identifier: MIT */
#include "daemon/locks.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "container/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

static pid_t read_pidfile(const char *path)
{
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 64, NULL, NULL);
	return text ? (pid_t)g_ascii_strtoll(text, NULL, 10) : 0;
}

/* A dhowd that SIGKILL waits for, or that is exiting already. */
static gboolean is_dying(pid_t pid)
{
	enum { EXITING = 0x4 }; /* PF_EXITING: proc_pid_stat(5), flags */
	Proc p;
	if (!proc_read(pid, &p))
		return FALSE;
	g_autofree char *status = proc_status(pid);
	gboolean ours = g_str_has_prefix(p.comm, "dhowd");
	gboolean exiting = (p.flags & EXITING) != 0;
	proc_clear(&p);
	return ours && (exiting || (status && proc_status_signal(status, "ShdPnd", SIGKILL)));
}

void locks_await_dying(const char *pidfile)
{
	enum { DYING_MS = 10000 };
	pid_t pid = read_pidfile(pidfile);
	dh_autofd int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	if (pidfd >= 0 && is_dying(pid))
		(void)poll(&p, 1, DYING_MS);
}

/* Only one daemon at a time: *ret_fd is the lock, which goes with it. FALSE: there is one. */
static gboolean lock_path(
	const char *path, int flags, const char *what, int *ret_fd, GError **error)
{
	dh_autofd int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return dh_error_errno(error, errno, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return dh_error(error, DH_ERROR_CONFLICT, "%s is in use by another dhowd", what);
	*ret_fd = dh_steal_fd(&fd);
	return TRUE;
}

gboolean lock_data_root(const char *data_root, int *ret_fd, GError **error)
{
	/* Layers hold other machines' setuid programs and secrets: no user gets past the door. */
	if (!dh_mkdir_p(data_root, 0710, error))
		return FALSE;
	if (chmod(data_root, 0710) < 0)
		return dh_error_errno(error, errno, "chmod %s", data_root);
	g_autofree char *path = g_build_filename(data_root, "dhowd.lock", NULL);
	g_autofree char *what = g_strdup_printf("the data root %s", data_root);
	return lock_path(path, O_RDWR | O_CREAT, what, ret_fd, error);
}

gboolean lock_exec_root(const char *exec_root, int *ret_fd, GError **error)
{
	g_autofree char *what = g_strdup_printf("the exec root %s", exec_root);
	struct stat locked, now;
	for (;;) {
		dh_autofd int fd = -1;
		if (!dh_mkdir_p(exec_root, 0711, error) ||
			!lock_path(exec_root, O_RDONLY | O_DIRECTORY, what, &fd, error))
			return FALSE;
		if (fstat(fd, &locked) < 0)
			return dh_error_errno(error, errno, "stat %s", exec_root);
		if (stat(exec_root, &now) == 0 && locked.st_dev == now.st_dev &&
			locked.st_ino == now.st_ino) {
			*ret_fd = dh_steal_fd(&fd);
			return TRUE;
		}
	}
}

/* A zombie has no program any more, however long its parent leaves it about. */
static gboolean process_is_dhowd(pid_t pid)
{
	g_autofree char *link = g_strdup_printf("/proc/%d/exe", (int)pid);
	g_autofree char *exe = g_file_read_link(link, NULL);
	g_autofree char *name = exe ? g_path_get_basename(exe) : NULL;
	return name && g_str_has_prefix(name, "dhowd");
}

gboolean pidfile_write(const char *path, GError **error)
{
	pid_t pid = read_pidfile(path);
	if (pid > 0 && pid != getpid() && process_is_dhowd(pid))
		return dh_error(error, DH_ERROR_CONFLICT,
			"pid file found, ensure dhowd is not running or delete %s", path);
	g_autofree char *dir = g_path_get_dirname(path);
	g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
	return dh_mkdir_p(dir, 0755, error) &&
	       dh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0644, error);
}

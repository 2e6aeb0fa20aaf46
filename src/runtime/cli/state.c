/* SPDX-License-Identifier: MIT */
#include "runtime/cli/state.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "runtime/priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATE_FILE "state.json"
#define GATE_WAIT "exec.fifo"
#define GATE_REPORT "report.fifo"
#define FILTER_FILE "seccomp.bpf"

enum { STATE_MAX = 16 << 20, ID_MAX = 1024 };

static const DhJsonField container_fields[] = {
	DH_F(STRING, Container, id, "id", DH_JSON_REQUIRED),
	DH_F(INT, Container, pid, "init_process_pid", 0),
	DH_F(INT, Container, start_time, "init_process_start", 0),
	DH_F(STRING, Container, created, "created", 0),
	DH_F(STRING, Container, bundle, "bundle", 0),
	DH_F(INT, Container, owner, "owner", 0),
	DH_F(OBJECT, Container, spec, "config", DH_JSON_REQUIRED, &oci_spec_table),
};
DH_JSON_TABLE(container_table, Container, container_fields, FALSE);

const char *status_name(Status s)
{
	static const char *const names[] = {"created", "running", "paused", "stopped"};
	return names[s];
}

char *state_default_root(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	if (geteuid() != 0 && dir && *dir)
		return g_build_filename(dir, PROGRAM, NULL);
	return g_strdup(STATE_ROOT);
}

/* ---- directories ---- */

static gboolean check_id(const char *id, GError **error)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.");
	if (!*id || id[n] || n > ID_MAX || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return dh_error(error, DH_ERROR_INVALID, "invalid container ID format");
	return TRUE;
}

/* Whoever changes something of a container holds this; it ends with the process. */
static gboolean lock(Container *c, GError **error)
{
	int r;
	do
		r = flock(c->dir, LOCK_EX);
	while (r < 0 && errno == EINTR);
	return r == 0 || rt_error_errno(error, errno, "lock container %s", c->id);
}

void container_unlock(Container *c)
{
	(void)flock(c->dir, LOCK_UN);
}

gboolean container_relock(const Rt *rt, Container *c)
{
	struct stat ours, now;
	g_autofree char *path = g_build_filename(rt->root, c->id, NULL);
	/* Another of the same name may stand there by now. */
	return lock(c, NULL) && fstat(c->dir, &ours) == 0 && stat(path, &now) == 0 &&
	       ours.st_ino == now.st_ino && ours.st_dev == now.st_dev;
}

static Container *new_container(const char *id)
{
	Container *c = dh_json_new(&container_table);
	c->id = g_strdup(id);
	c->dir = -1;
	return c;
}

Container *container_new(const Rt *rt, const char *id, GError **error)
{
	if (!check_id(id, error) || !dh_mkdir_p(rt->root, 0711, error))
		return NULL;
	g_autoptr(Container) c = new_container(id);
	g_autofree char *path = g_build_filename(rt->root, id, NULL);
	if (mkdir(path, 0711) < 0) {
		if (errno == EEXIST)
			dh_error(
				error, DH_ERROR_CONFLICT, "container with given ID already exists");
		else
			rt_error_errno(error, errno, "mkdir %s", path);
		return NULL;
	}
	c->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir < 0) {
		rt_error_errno(error, errno, "open %s", path);
		return NULL;
	}
	c->owner = geteuid();
	return lock(c, error) ? g_steal_pointer(&c) : NULL;
}

/* Without it every container would seem to have ended. */
static gboolean check_pidfds(GError **error)
{
	dh_autofd int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return fd >= 0 || errno != ENOSYS || rt_error_errno(error, errno, "pidfd_open");
}

Container *container_load(const Rt *rt, const char *id, gboolean locked, GError **error)
{
	if (!check_id(id, error) || !check_pidfds(error))
		return NULL;
	g_autoptr(Container) c = new_container(id);
	g_autofree char *path = g_build_filename(rt->root, id, NULL);
	c->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir >= 0 && locked && !lock(c, error))
		return NULL;
	size_t n;
	g_autoptr(GError) e = NULL;
	g_autofree char *text =
		c->dir < 0 ? NULL : dh_read_file(c->dir, STATE_FILE, STATE_MAX, &n, &e);
	if (!text) {
		if (c->dir < 0 ? errno == ENOENT : g_error_matches(e, DH_ERROR, DH_ERROR_NOT_FOUND))
			dh_error(error, DH_ERROR_NOT_FOUND, "container does not exist");
		else if (e)
			g_propagate_error(error, g_steal_pointer(&e));
		else
			rt_error_errno(error, errno, "open %s", path);
		return NULL;
	}
	g_autoptr(json_t) json = dh_json_loads(text, n, error);
	g_clear_pointer(&c->id, g_free);
	if (!json || !dh_json_parse_into(&container_table, json, c, error)) {
		g_prefix_error(error, "unable to load container %s: ", id);
		return NULL;
	}
	return g_steal_pointer(&c);
}

void container_free(Container *c)
{
	if (!c)
		return;
	dh_close(&c->dir);
	dh_json_free(&container_table, c);
}

gboolean container_save(Container *c, GError **error)
{
	g_autofree char *text = dh_json_emit_text(&container_table, c);
	return dh_write_file_atomic(c->dir, STATE_FILE, text, strlen(text), 0600, error);
}

gboolean container_forget(const Rt *rt, Container *c, GError **error)
{
	dh_autofd int root = open(rt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return rt_error_errno(error, errno, "open %s", rt->root);
	return dh_remove_tree(root, c->id, error);
}

void state_sweep(const Rt *rt, const char *id)
{
	g_autoptr(Container) c = new_container(id);
	g_autofree char *path = g_build_filename(rt->root, id, NULL);
	c->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir >= 0 && lock(c, NULL) && faccessat(c->dir, STATE_FILE, F_OK, 0) < 0)
		(void)container_forget(rt, c, NULL);
}

static gint compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **container_names(const Rt *rt)
{
	GPtrArray *names = g_ptr_array_new();
	DIR *dir = opendir(rt->root);
	struct dirent *e;
	while (dir && (e = readdir(dir))) {
		if (check_id(e->d_name, NULL) && (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN))
			g_ptr_array_add(names, g_strdup(e->d_name));
	}
	if (dir)
		closedir(dir);
	g_ptr_array_sort(names, compare);
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

/* ---- the process ---- */

/* Start time in ticks, or -1: there is no such process, or it is a zombie. */
static int64_t start_time(pid_t pid)
{
	char path[32];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 4096, NULL, NULL);
	/* The name may hold anything; behind its last parenthesis are numbers. */
	char *p = text ? strrchr(text, ')') : NULL;
	char state;
	unsigned long long ticks;
	if (!p || sscanf(p + 1,
			  " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
			  "%*d %*d %llu",
			  &state, &ticks) != 2)
		return -1;
	return state == 'Z' || state == 'X' ? -1 : (int64_t)ticks;
}

void container_set_process(Container *c, pid_t pid)
{
	c->pid = pid;
	c->start_time = start_time(pid);
}

int container_pidfd(const Container *c)
{
	if (c->pid <= 0)
		return -1;
	dh_autofd int fd = (int)syscall(SYS_pidfd_open, (pid_t)c->pid, 0);
	/* Looked at after the descriptor was made: now it cannot be another's. */
	if (fd < 0 || start_time((pid_t)c->pid) != c->start_time)
		return -1;
	return dh_steal_fd(&fd);
}

Status container_status(const Container *c)
{
	dh_autofd int fd = container_pidfd(c);
	if (fd < 0)
		return CONTAINER_STOPPED;
	if (rt_cgroup_frozen(container_cgroup(c)))
		return CONTAINER_PAUSED;
	return faccessat(c->dir, GATE_WAIT, F_OK, 0) == 0 ? CONTAINER_CREATED : CONTAINER_RUNNING;
}

OciState container_state(const Container *c)
{
	return (OciState){
		.oci_version = (char *)(c->spec->oci_version ? c->spec->oci_version : OCI_VERSION),
		.id = c->id,
		.pid = c->pid,
		.bundle = c->bundle,
		.annotations = c->spec->annotations,
	};
}

const char *container_cgroup(const Container *c)
{
	return c->spec->linux_->cgroups_path;
}

/* ---- gate ---- */

gboolean gate_make(const Container *c, RtGate *ret, GError **error)
{
	static const char *const names[] = {GATE_WAIT, GATE_REPORT};
	int fds[2] = {-1, -1};
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		if (mkfifoat(c->dir, names[i], 0600) < 0 ||
			(fds[i] = openat(c->dir, names[i], O_RDWR | O_CLOEXEC)) < 0) {
			dh_close(&fds[0]);
			return rt_error_errno(error, errno, "create %s", names[i]);
		}
	}
	*ret = (RtGate){fds[0], fds[1]};
	return TRUE;
}

gboolean gate_pass(const Container *c, GError **error)
{
	/* Both without waiting: when the process is gone, nobody holds the other end. */
	dh_autofd int wait = openat(c->dir, GATE_WAIT, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	dh_autofd int report = openat(c->dir, GATE_REPORT, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (wait < 0 || report < 0)
		return dh_error(
			error, DH_ERROR_CONFLICT, "cannot start a container that has stopped");
	(void)dh_set_nonblock(report, FALSE);
	gboolean ok = rt_gate_open(wait, report, error);
	(void)unlinkat(c->dir, GATE_WAIT, 0);
	(void)unlinkat(c->dir, GATE_REPORT, 0);
	return ok;
}

/* ---- filter ---- */

gboolean filter_save(const Container *c, GBytes *code, GError **error)
{
	size_t n;
	const void *data = g_bytes_get_data(code, &n);
	return dh_write_file_atomic(c->dir, FILTER_FILE, data, n, 0600, error);
}

int filter_open(const Container *c)
{
	return openat(c->dir, FILTER_FILE, O_RDONLY | O_CLOEXEC);
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a runtime is asked through runc's command line: create, start, exec, kill,
 * pause, resume, update, delete. It ends after each request; the container's processes, whose
 * parent it was, become ours, because the shim is a subreaper. So everything else, streams, log,
 * exit code, is as with our own library.
 *
 * The root file system has to be mounted for the runtime to find. That is done in a mount namespace
 * of the shim's own, so that nothing shows in the host's table and all of it goes with the shim.
 * The bundle and the runtime's state lie below the container's run directory, which whoever finds a
 * dead shim removes.
 *
 * What goes wrong is the last error in the runtime's log: its standard streams are the container's.
 * A terminal comes by a socket, which is named through our descriptor of its directory, for such a
 * name always fits.
 */
#include "shim/foreign.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Below what the daemon waits for a start, and for anything else, as the shim hears nobody
 * meanwhile. */
enum { START_MSEC = 20000, ASK_MSEC = 8000 };

enum { MAX_WORDS = 24, MAX_LOG = 1 << 20 };

gboolean is_foreign(const Shim *sh)
{
	return sh->config->runtime && sh->config->runtime[0];
}

static char *at(const Shim *sh, const char *name)
{
	return g_build_filename(sh->config->run_dir, "oci", name, NULL);
}

/* ---- asking the runtime ---- */

/* Its last word at level "error", a line of JSON each; or NULL. */
static char *last_error(const char *log)
{
	g_autofree char *text = dh_read_file(AT_FDCWD, log, MAX_LOG, NULL, NULL);
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
	char *found = NULL;
	for (char **l = lines; *l; l++) {
		json_error_t e;
		g_autoptr(json_t) line = json_loads(*l, 0, &e);
		const char *level = json_string_value(json_object_get(line, "level"));
		const char *msg = json_string_value(json_object_get(line, "msg"));
		if (!msg || (level && strcmp(level, "error") != 0 && strcmp(level, "fatal") != 0))
			continue;
		g_free(found);
		found = g_strdup(msg);
	}
	return found;
}

/* Whether it runs a program of the user's. */
static gboolean runs_program(const char *word)
{
	return strcmp(word, "create") == 0 || strcmp(word, "start") == 0 ||
	       strcmp(word, "exec") == 0;
}

/* crun's words for a missing program in runc's, by which Docker's clients know it. Takes text. */
static char *known_words(char *text)
{
	static const char before[] = "executable file `", after[] = "` not found in $PATH";
	const char *name = strstr(text, before);
	const char *end = name ? strstr(name, after) : NULL;
	if (!end)
		return text;
	name += strlen(before);
	char *known = g_strdup_printf("unable to start container process: exec: \"%.*s\": "
				      "executable file not found in $PATH",
		(int)(end - name), name);
	g_free(text);
	return known;
}

/* Which failure it is, only the text tells. */
static gboolean fail(const char *word, char *message, int status, GError **error)
{
	g_autofree char *text =
		message ? known_words(message)
			: g_strdup_printf("the runtime ended with status %d", status);
	g_autofree char *lower = g_ascii_strdown(text, -1);
	gboolean program = runs_program(word);
	DhError code = DH_ERROR_SYSTEM;
	if (program && (strstr(lower, "not found in $path") || strstr(lower, "no such file or")))
		code = DH_ERROR_EXEC_NOT_FOUND;
	else if (program && strstr(lower, "permission denied"))
		code = DH_ERROR_EXEC_NOT_RUNNABLE;
	/* What the caller puts in front of it. */
	const char *shown = text;
	if (g_str_has_prefix(shown, "exec failed: "))
		shown += strlen("exec failed: ");
	return dh_error(error, code, "%s", shown);
}

static void end_now(int pidfd)
{
	(void)rt_kill(pidfd, SIGKILL, NULL);
	(void)dh_reap(pidfd);
}

/* Its exit code, or -1: it did not end in time, and was ended. */
static int await(int pidfd, int msec)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	gint64 until = g_get_monotonic_time() / 1000 + msec;
	int r, left;
	do {
		left = (int)MAX(until - g_get_monotonic_time() / 1000, 0);
		r = poll(&p, 1, left);
	} while (r < 0 && errno == EINTR);
	if (r > 0)
		return dh_reap(pidfd);
	end_now(pidfd);
	return -1;
}

/* words: the command and its arguments, NULL at the end. stdio NULL: none. */
static gboolean ask(Shim *sh, const int *stdio, GError **error, ...) G_GNUC_NULL_TERMINATED;
static gboolean ask(Shim *sh, const int *stdio, GError **error, ...)
{
	static char *const env[] = {
		(char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	g_autofree char *log = at(sh, "log.json"), *root = at(sh, "state");
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	for (char **w = sh->config->runtime; *w; w++)
		g_ptr_array_add(argv, *w);
	const char *global[] = {"--root", root, "--log", log, "--log-format", "json"};
	for (guint i = 0; i < G_N_ELEMENTS(global); i++)
		g_ptr_array_add(argv, (char *)global[i]);
	va_list ap;
	va_start(ap, error);
	const char *word = va_arg(ap, const char *), *next = word;
	for (guint i = 0; next && i < MAX_WORDS; i++, next = va_arg(ap, const char *))
		g_ptr_array_add(argv, (char *)next);
	va_end(ap);
	g_ptr_array_add(argv, NULL);
	(void)unlink(log);
	DhSpawn s = {.path = sh->config->runtime[0],
		.argv = (char *const *)argv->pdata,
		.envp = env,
		.stdio = {-1, -1, -1}};
	if (stdio)
		memcpy(s.stdio, stdio, sizeof s.stdio);
	dh_autofd int pidfd = -1;
	if (!dh_spawn(&s, NULL, &pidfd, error)) {
		g_prefix_error(error, "runtime %s: ", s.path);
		return FALSE;
	}
	int status = await(pidfd, runs_program(word) ? START_MSEC : ASK_MSEC);
	if (status < 0)
		return dh_error(error, DH_ERROR_UNAVAILABLE, "runtime %s: %s: it does not answer",
			s.path, word);
	return status == 0 || fail(word, last_error(log), status, error);
}

/* ---- terminals and pids ---- */

typedef struct {
	int dir, sock;
	char *name; /* for the runtime */
} Console;

static void console_close(Console *c)
{
	dh_close(&c->sock);
	dh_close(&c->dir);
	g_clear_pointer(&c->name, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Console, console_close)

static gboolean console_listen(Shim *sh, Console *c, GError **error)
{
	g_autofree char *dir = at(sh, ""), *path = at(sh, "console");
	c->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->dir < 0)
		return dh_error_errno(error, errno, "open %s", dir);
	c->name = g_strdup_printf("/proc/%d/fd/%d/console", (int)getpid(), c->dir);
	c->sock = dh_unix_listen(path, SOCK_STREAM, 0600, error);
	if (c->sock >= 0 && dh_set_nonblock(c->sock, TRUE) < 0)
		return dh_error_errno(error, errno, "socket for the terminal");
	return c->sock >= 0;
}

/* The master of the terminal, which has been sent by now. */
static int console_take(const Console *c, GError **error)
{
	char name[256];
	int master = -1;
	size_t n = 1;
	dh_autofd int peer = accept4(c->sock, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0 || dh_recv_msg(peer, name, sizeof name, &master, &n, MSG_DONTWAIT) < 0 ||
		n != 1) {
		dh_error(error, DH_ERROR_SYSTEM, "the runtime has sent no terminal");
		return -1;
	}
	return master;
}

static gboolean take_pid(const char *path, RtProcess *ret, GError **error)
{
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 64, NULL, error);
	(void)unlink(path);
	if (!text)
		return FALSE;
	ret->pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
	ret->pidfd = ret->pid > 0 ? pidfd_open(ret->pid, 0) : -1;
	return ret->pidfd >= 0 || dh_error_errno(error, errno, "process %s of the runtime", text);
}

static gboolean put_json(const char *path, const DhJsonTable *t, const void *what, GError **error)
{
	g_autofree char *text = dh_json_emit_text(t, what);
	return dh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600, error);
}

/* ---- the container ---- */

static gboolean private_mounts(GError **error)
{
	struct mount_attr slave = {.propagation = MS_SLAVE};
	return (unshare(CLONE_NEWNS) == 0 &&
		       mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &slave, sizeof slave) == 0) ||
	       dh_error_errno(error, errno, "create a mount namespace");
}

/* crun refuses to run beside a v2 hierarchy that has controllers while v1 has others, so it does
 * not see that one. We hold its directory. */
static gboolean hide_v2(const Shim *sh, GError **error)
{
	g_autofree char *name = g_path_get_basename(sh->config->runtime[0]);
	const char *where = rt_cgroup_beside_v1();
	return strcmp(name, "crun") != 0 || !where || umount2(where, MNT_DETACH) == 0 ||
	       dh_error_errno(error, errno, "hide %s from crun", where);
}

static void add_network(Shim *sh)
{
	OciLinux *l = sh->config->oci->linux_;
	if (sh->config->netns_fd < 0)
		return;
	OciNamespace *n = dh_json_new(&oci_namespace_table);
	n->type = g_strdup("network");
	n->path = g_strdup_printf("/proc/%d/fd/%d", (int)getpid(), (int)sh->config->netns_fd);
	g_ptr_array_add(l->namespaces, n);
}

/* What is an extension of ours, and what another runtime would do without it: mount the host's
 * directory where another container's is meant, and make root of the host root in here. */
static gboolean check_plain(const Shim *sh, GError **error)
{
	const OciSpec *spec = sh->config->oci;
	for (guint i = 0; spec->mounts && i < spec->mounts->len; i++) {
		const OciMount *m = spec->mounts->pdata[i];
		if (m->dhow_mount_ns)
			return dh_error(error, DH_ERROR_INVALID,
				"runtime %s cannot share %s of another container",
				sh->config->runtime[0], m->destination);
	}
	return sh->config->userns_fd < 0 ||
	       dh_error(error, DH_ERROR_INVALID,
		       "runtime %s cannot be given a user namespace of the engine's",
		       sh->config->runtime[0]);
}

static gboolean make_bundle(Shim *sh, int root, GError **error)
{
	OciSpec *spec = sh->config->oci;
	g_autofree char *dir = at(sh, ""), *config = at(sh, "config.json");
	if (!check_plain(sh, error) || !dh_mkdir_p(dir, 0700, error) ||
		!rt_process_plain(root, spec->process, error))
		return FALSE;
	/* crun before 1.9 takes no later one. */
	g_free(spec->oci_version);
	spec->oci_version = g_strdup("1.0.2");
	g_free(spec->root->path);
	spec->root->path = g_strdup(sh->config->rootfs->mountpoint);
	add_network(sh);
	return put_json(config, &oci_spec_table, spec, error);
}

static gboolean create(Shim *sh, const int *stdio, RtProcess *ret, GError **error)
{
	gboolean tty = sh->config->oci->process->terminal;
	g_autofree char *bundle = at(sh, ""), *pid_file = at(sh, "pid");
	g_auto(Console) console = {-1, -1, NULL};
	if (tty && !console_listen(sh, &console, error))
		return FALSE;
	if (!ask(sh, tty ? NULL : stdio, error, "create", "--bundle", bundle, "--pid-file",
		    pid_file, tty ? "--console-socket" : sh->config->id, tty ? console.name : NULL,
		    tty ? sh->config->id : NULL, NULL))
		return FALSE;
	if (!take_pid(pid_file, ret, error))
		return FALSE;
	if (tty)
		ret->console = console_take(&console, error);
	return !tty || ret->console >= 0;
}

gboolean foreign_launch(Shim *sh, const int stdio[3], RtProcess *ret, GError **error)
{
	*ret = (RtProcess){.pid = -1, .pidfd = -1, .console = -1, .root = -1};
	if (!private_mounts(error) || !hide_v2(sh, error))
		return FALSE;
	dh_autofd int root = rt_layers_mount(sh->config->rootfs, error);
	sh->foreign_root = g_strdup(sh->config->rootfs->mountpoint);
	if (root >= 0 && make_bundle(sh, root, error) && create(sh, stdio, ret, error) &&
		ask(sh, NULL, error, "start", sh->config->id, NULL)) {
		ret->root = dh_steal_fd(&root);
		return TRUE;
	}
	g_prefix_error(error, "OCI runtime create failed: ");
	dh_close(&root);
	foreign_end(sh);
	/* Whatever that has achieved. */
	if (ret->pidfd >= 0)
		end_now(ret->pidfd);
	(void)rt_cgroup_kill(sh->config->oci->linux_->cgroups_path, NULL);
	(void)rt_cgroup_remove(sh->config->oci->linux_->cgroups_path, NULL);
	dh_close(&ret->pidfd);
	dh_close(&ret->console);
	return FALSE;
}

/* The container's as its processes see it; or, where those have a kernel of their own and their
 * process has another root here, as the runtime was given it. -1 with error. */
static int root_inside(const Shim *sh, GError **error)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/root", (int)sh->main->pid);
	struct stat given, seen;
	dh_autofd int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	dh_autofd int mounted = open(sh->foreign_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || mounted < 0 || fstat(root, &seen) < 0 || fstat(mounted, &given) < 0) {
		dh_error_errno(error, errno, "open %s", root < 0 ? path : sh->foreign_root);
		return -1;
	}
	gboolean same = seen.st_dev == given.st_dev && seen.st_ino == given.st_ino;
	return dh_steal_fd(same ? &root : &mounted);
}

gboolean foreign_exec(
	Shim *sh, const OciProcess *process, const int stdio[3], RtProcess *ret, GError **error)
{
	gboolean tty = process->terminal;
	*ret = (RtProcess){.pid = -1, .pidfd = -1, .console = -1, .root = -1};
	g_autofree char *file = at(sh, "process.json"), *pid_file = at(sh, "pid");
	g_auto(Console) console = {-1, -1, NULL};
	dh_autofd int root = root_inside(sh, error);
	if (root < 0)
		return FALSE;
	OciProcess *plain = dh_json_copy(&oci_process_table, process);
	gboolean ok = rt_process_plain(root, plain, error) &&
		      put_json(file, &oci_process_table, plain, error) &&
		      (!tty || console_listen(sh, &console, error));
	dh_json_free(&oci_process_table, plain);
	const char *id = sh->config->id;
	ok = ok &&
	     ask(sh, tty ? NULL : stdio, error, "exec", "--detach", "--process", file, "--pid-file",
		     pid_file, tty ? "--console-socket" : id, tty ? console.name : NULL,
		     tty ? id : NULL, NULL) &&
	     take_pid(pid_file, ret, error);
	(void)unlink(file);
	if (ok && tty)
		ok = (ret->console = console_take(&console, error)) >= 0;
	if (!ok && ret->pidfd >= 0) {
		(void)rt_kill(ret->pidfd, SIGKILL, NULL);
		dh_close(&ret->pidfd);
	}
	return ok;
}

gboolean foreign_kill(Shim *sh, int signal, GError **error)
{
	char number[12];
	g_autoptr(GError) failed = NULL;
	snprintf(number, sizeof number, "%d", signal);
	if (ask(sh, NULL, &failed, "kill", sh->config->id, number, NULL))
		return TRUE;
	/* Has it ended meanwhile? Signal 0 asks. */
	if (pidfd_send_signal(sh->main->pidfd, 0, NULL, 0) < 0 && errno == ESRCH)
		return dh_error(error, DH_ERROR_NOT_FOUND, "the process has ended");
	/* That one needs no runtime. */
	if (signal == SIGKILL && rt_kill(sh->main->pidfd, SIGKILL, NULL))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

gboolean foreign_freeze(Shim *sh, gboolean frozen, GError **error)
{
	return ask(sh, NULL, error, frozen ? "pause" : "resume", sh->config->id, NULL);
}

gboolean foreign_update(Shim *sh, const OciResources *r, GError **error)
{
	g_autofree char *file = at(sh, "resources.json");
	gboolean ok = put_json(file, &oci_resources_table, r, error) &&
		      ask(sh, NULL, error, "update", "--resources", file, sh->config->id, NULL);
	(void)unlink(file);
	return ok;
}

void foreign_end(Shim *sh)
{
	g_autofree char *dir = at(sh, ""), *config = at(sh, "config.json");
	g_autoptr(GError) error = NULL;
	/* Without a bundle it has not been asked for anything. */
	if (access(config, F_OK) == 0)
		(void)ask(sh, NULL, NULL, "delete", "--force", sh->config->id, NULL);
	if (!dh_remove_tree(AT_FDCWD, dir, &error))
		fprintf(stderr, "dhow-shim %s: %s\n", sh->config->id, error->message);
	if (sh->foreign_root)
		(void)umount2(sh->foreign_root, MNT_DETACH);
	g_clear_pointer(&sh->foreign_root, g_free);
}

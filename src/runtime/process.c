/* SPDX-License-Identifier: MIT */
/*
 * From "a process in the container" to the program, for the first process and for every exec alike.
 *
 * Theory of operation, order: what needs the container's files or our rights comes first (users,
 * rlimits, terminal, directory), then every descriptor but 0-2 and the channel is closed, then the
 * rights go. The system call filter is loaded as late as it can be: with no_new_privs, as the last
 * thing before execve; without, loading needs CAP_SYS_ADMIN, so it comes before the capabilities
 * are dropped and has to let the few calls pass that follow.
 *
 * Why a container cannot take us over on the way (CVE-2019-5736, CVE-2024-21626): our binary is
 * static and is never executed again in here, so no loader or library of the container runs in our
 * name; until execve replaces everything the process is not dumpable, so that nothing in the
 * container may open its /proc/PID/exe, fd or mem; the working directory is opened inside the root
 * without magic links and its position checked afterwards; no descriptor of the host is open when
 * the program starts.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/trace.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { FILTER_MAX = 32768 };

static const struct {
	const char *name;
	int resource;
} limits[] = {
	{"CPU", RLIMIT_CPU},
	{"FSIZE", RLIMIT_FSIZE},
	{"DATA", RLIMIT_DATA},
	{"STACK", RLIMIT_STACK},
	{"CORE", RLIMIT_CORE},
	{"RSS", RLIMIT_RSS},
	{"NPROC", RLIMIT_NPROC},
	{"NOFILE", RLIMIT_NOFILE},
	{"MEMLOCK", RLIMIT_MEMLOCK},
	{"AS", RLIMIT_AS},
	{"LOCKS", RLIMIT_LOCKS},
	{"SIGPENDING", RLIMIT_SIGPENDING},
	{"MSGQUEUE", RLIMIT_MSGQUEUE},
	{"NICE", RLIMIT_NICE},
	{"RTPRIO", RLIMIT_RTPRIO},
	{"RTTIME", RLIMIT_RTTIME},
};

static int find_limit(const OciRlimit *l)
{
	const char *name = g_str_has_prefix(l->type, "RLIMIT_") ? l->type + 7 : l->type;
	for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
		if (g_ascii_strcasecmp(limits[i].name, name) == 0)
			return limits[i].resource;
	}
	return -1;
}

/* What is refused here is told when it is set for good. */
static void raise_rlimit(const OciRlimit *l)
{
	int resource = find_limit(l);
	rlim64_t want = l->hard < 0 ? RLIM64_INFINITY : (rlim64_t)l->hard;
	struct rlimit64 now;
	if (resource < 0 || getrlimit64((__rlimit_resource_t)resource, &now) < 0 ||
		now.rlim_max >= want)
		return;
	now.rlim_max = want;
	(void)setrlimit64((__rlimit_resource_t)resource, &now);
}

static gboolean set_rlimit(const OciRlimit *l, GError **error)
{
	int resource = find_limit(l);
	if (resource < 0)
		return dh_error(error, DH_ERROR_INVALID, "invalid rlimit type: %s", l->type);
	struct rlimit64 want = {
		.rlim_cur = l->soft < 0 ? RLIM64_INFINITY : (rlim64_t)l->soft,
		.rlim_max = l->hard < 0 ? RLIM64_INFINITY : (rlim64_t)l->hard,
	};
	if (setrlimit64((__rlimit_resource_t)resource, &want) == 0)
		return TRUE;
	int saved = errno;
	if (saved != EPERM || !l->dhow_optional)
		return rt_error_errno(error, saved,
			"error during container init: error setting rlimits for ready process: "
			"error setting rlimit type %d",
			resource);
	/* A default of ours that this machine does not allow: as much of it as there is. */
	struct rlimit64 now;
	if (getrlimit64((__rlimit_resource_t)resource, &now) == 0) {
		now.rlim_cur = MIN(want.rlim_cur, now.rlim_max);
		(void)setrlimit64((__rlimit_resource_t)resource, &now);
	}
	return TRUE;
}

gboolean rt_set_oom_score(int proc, int64_t value, GError **error)
{
	char text[24];
	if (value == OCI_OOM_SCORE_UNCHANGED)
		return TRUE;
	snprintf(text, sizeof text, "%" G_GINT64_FORMAT, value);
	if (dh_write_kernel_file(proc, "self/oom_score_adj", text) == 0)
		return TRUE;
	return rt_error_errno(error, errno, "write oom_score_adj %s", text);
}

static gboolean set_label(
	int proc, const char *file, const char *fallback, const char *value, GError **error)
{
	if (dh_write_kernel_file(proc, file, value) == 0 ||
		(fallback && errno == ENOENT && dh_write_kernel_file(proc, fallback, value) == 0))
		return TRUE;
	return rt_error_errno(error, errno, "unable to apply security label \"%s\"", value);
}

static gboolean set_labels(const RtSetup *s, GError **error)
{
	const OciProcess *p = s->process;
	if (p->apparmor_profile && *p->apparmor_profile) {
		g_autofree char *value = g_strdup_printf("exec %s", p->apparmor_profile);
		if (!set_label(s->proc, "self/attr/apparmor/exec", "self/attr/exec", value, error))
			return FALSE;
	}
	return !p->selinux_label || !*p->selinux_label ||
	       set_label(s->proc, "self/attr/exec", NULL, p->selinux_label, error);
}

gboolean rt_is_null(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/* The host's null device is a file of the host's, whose mode and owner root could change: the
 * container's own in its place, for who has one. */
static gboolean use_own_null(const RtSetup *s, int *fd, GError **error)
{
	int flags = rt_is_null(*fd) ? fcntl(*fd, F_GETFL) : -1;
	dh_autofd int null = flags < 0 ? -1 : dh_open_in_root(s->root, "/dev/null", O_PATH, 0);
	if (null < 0 || !rt_is_null(null))
		return TRUE;
	g_autofree char *name = g_strdup_printf("self/fd/%d", null);
	int own = openat(s->proc, name, (flags & O_ACCMODE) | O_CLOEXEC);
	if (own < 0)
		return rt_error_errno(error, errno, "open /dev/null");
	dh_close(fd);
	*fd = own;
	return TRUE;
}

/* A terminal of one's own, a pipe: theirs to open by name, too. What everybody may use or what is
 * somebody's file is left alone. */
static gboolean is_handed_on(int fd, struct stat *st)
{
	return fstat(fd, st) == 0 && !rt_is_null(fd) && !S_ISREG(st->st_mode) &&
	       !S_ISSOCK(st->st_mode);
}

void rt_prepare_for_userns(const OciProcess *p, const OciLinux *mappings, const int stdio[3])
{
	struct stat st;
	gint64 uid = rt_map_up(mappings->uid_mappings, 0),
	       gid = rt_map_up(mappings->gid_mappings, 0);
	for (int i = 0; i < 3 && uid >= 0 && gid >= 0; i++) {
		if (stdio[i] >= 0 && fstat(stdio[i], &st) == 0 && S_ISFIFO(st.st_mode))
			(void)fchown(stdio[i], (uid_t)uid, (gid_t)gid);
	}
	for (guint i = 0; p->rlimits && i < p->rlimits->len; i++)
		raise_rlimit(p->rlimits->pdata[i]);
}

/* Standard streams: the terminal's, or what we were given; theirs to use by the process's user. */
static gboolean set_streams(const RtSetup *s, const RtIds *ids, GError **error)
{
	if (setsid() < 0 && errno != EPERM)
		return rt_error_errno(error, errno, "setsid");
	if (s->slave >= 0 && ioctl(s->slave, TIOCSCTTY, 0) < 0)
		return rt_error_errno(error, errno, "set controlling terminal");
	int from[3];
	for (int i = 0; i < 3; i++) {
		int fd = s->slave >= 0 ? s->slave : s->stdio[i];
		from[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (from[i] < 0)
			return rt_error_errno(error, errno, "standard stream %d", i);
		if (!use_own_null(s, &from[i], error))
			return FALSE;
	}
	for (int i = 0; i < 3; i++) {
		struct stat st;
		if (dup2(from[i], i) < 0)
			return rt_error_errno(error, errno, "standard stream %d", i);
		close(from[i]);
		if (!is_handed_on(i, &st) || st.st_uid == ids->uid)
			continue;
		if (fchown(i, ids->uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM &&
			errno != EROFS)
			return rt_error_errno(error, errno, "chown standard stream %d", i);
	}
	return TRUE;
}

static gboolean chdir_error(const char *cwd, const char *reason, GError **error)
{
	return dh_error(error, DH_ERROR_SYSTEM,
		"chdir to cwd (\"%s\") set in config.json failed: %s", cwd, reason);
}

static gboolean set_cwd(const RtSetup *s, GError **error)
{
	const char *cwd = s->process->cwd && *s->process->cwd ? s->process->cwd : "/";
	if (strcmp(cwd, "/") == 0)
		return chdir("/") == 0 || chdir_error(cwd, rt_strerror(errno), error);
	if (*cwd != '/')
		return dh_error(error, DH_ERROR_INVALID, "Cwd must be an absolute path");
	dh_autofd int fd = s->make_cwd ? dh_mkdir_in_root(s->root, cwd, 0755)
				       : dh_open_in_root(s->root, cwd, O_PATH | O_DIRECTORY, 0);
	if (fd < 0 && errno == ENOTDIR && s->make_cwd)
		return dh_error(error, DH_ERROR_SYSTEM, "Cannot mkdir: %s is not a directory", cwd);
	if (fd < 0 || fchdir(fd) < 0)
		return chdir_error(cwd, rt_strerror(errno), error);
	char at[4096];
	if (!getcwd(at, sizeof at) || at[0] != '/')
		return chdir_error(cwd,
			"current working directory is outside of container mount namespace root",
			error);
	return TRUE;
}

typedef struct {
	struct sock_filter *code;
	unsigned short n;
	guint32 flags;
	gboolean listens; /* some calls are a supervisor's to answer */
} Filter;

static const struct {
	const char *name;
	guint32 flag;
} filter_flags[] = {
	{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
	{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
	{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1 << 5},
};

/* What a profile asks for besides its rules. SPEC_ALLOW unless it says something: the filter is no
 * reason to slow the whole container down with speculation barriers, which the kernel itself has
 * not asked for since 5.16. */
static gboolean read_flags(const OciSeccomp *profile, Filter *ret, GError **error)
{
	ret->flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	if (!profile)
		return TRUE;
	if (profile->flags)
		ret->flags = 0;
	for (char **f = profile->flags; f && *f; f++) {
		guint i = 0;
		while (i < G_N_ELEMENTS(filter_flags) && strcmp(filter_flags[i].name, *f) != 0)
			i++;
		if (i == G_N_ELEMENTS(filter_flags))
			return dh_error(
				error, DH_ERROR_INVALID, "seccomp flags \"%s\" not supported", *f);
		ret->flags |= filter_flags[i].flag;
	}
	const GPtrArray *rules = profile->syscalls;
	for (guint i = 0; rules && i < rules->len; i++) {
		const OciSeccompRule *rule = rules->pdata[i];
		ret->listens = ret->listens || strcmp(rule->action, "SCMP_ACT_NOTIFY") == 0;
	}
	if (ret->listens)
		ret->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	else
		ret->flags &= ~(1U << 5); /* means something for a listener only */
	return TRUE;
}

static gboolean read_filter(int fd, Filter *ret, GError **error)
{
	struct stat st;
	if (fd < 0)
		return TRUE;
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size % (off_t)sizeof *ret->code ||
		st.st_size / (off_t)sizeof *ret->code > FILTER_MAX)
		return dh_error(error, DH_ERROR_SYSTEM, "unusable seccomp filter");
	void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return rt_error_errno(error, errno, "read seccomp filter");
	ret->code = at; /* unmapped by execve */
	ret->n = (unsigned short)(st.st_size / (off_t)sizeof *ret->code);
	return TRUE;
}

static gboolean load_filter(const Filter *f, int sock, GError **error)
{
	struct sock_fprog program = {.len = f->n, .filter = f->code};
	if (!f->code)
		return TRUE;
	int r = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, &program);
	if (r < 0 || (r > 0 && !f->listens))
		return rt_error_errno(
			error, r < 0 ? errno : ESRCH, "error loading seccomp filter into kernel");
	if (!f->listens)
		return TRUE;
	/* Close-on-exec; not our own afterwards: who holds it answers for us. */
	gboolean ok = rt_channel_send(sock, RT_MSG_LISTENER, r, error);
	close(r);
	return ok;
}

/* The environment with HOME where the user's entry is wanted and none is set. Shared strings. */
static char **make_env(const OciProcess *p, const RtIds *ids)
{
	guint n = p->env ? g_strv_length(p->env) : 0, k = 0;
	char **env = g_new0(char *, n + 2);
	gboolean home = FALSE;
	for (guint i = 0; i < n; i++) {
		if (p->dhow_set_home && strcmp(p->env[i], "HOME=") == 0)
			continue;
		home = home || g_str_has_prefix(p->env[i], "HOME=");
		env[k++] = p->env[i];
	}
	if (p->dhow_set_home && !home)
		env[k] = g_strconcat("HOME=", ids->home && *ids->home ? ids->home : "/", NULL);
	return env;
}

static void exec_error(const char *path, int errnum, GError **error)
{
	DhError code = errnum == ENOENT || errnum == ENOTDIR ? DH_ERROR_EXEC_NOT_FOUND
							     : DH_ERROR_EXEC_NOT_RUNNABLE;
	dh_error(error, code, "exec %s: %s", path, rt_strerror(errnum));
}

static gboolean prepare(const RtSetup *s, RtIds *ids, Filter *filter, GError **error)
{
	const OciProcess *p = s->process;
	umask(p->user.umask >= 0 ? (mode_t)p->user.umask & 0777 : 0022);
	if (!p->args || !*p->args)
		return dh_error(error, DH_ERROR_INVALID, "args must not be empty");
	if (!rt_user_resolve(s->root, &p->user, ids, error) || !set_streams(s, ids, error))
		return FALSE;
	/* A new one without a name: with a name, others of that name would be joined. */
	if (!s->keep_keyring && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 &&
		errno != ENOSYS)
		return rt_error_errno(error, errno, "unable to join session keyring");
	for (guint i = 0; p->rlimits && i < p->rlimits->len; i++) {
		if (!set_rlimit(p->rlimits->pdata[i], error))
			return FALSE;
	}
	if (!rt_set_scheduling(p, error) || !rt_set_personality(s->personality, error) ||
		(s->affinity && !rt_set_affinity(s->affinity->initial, error)))
		return FALSE;
	if (s->seccomp_fd >= 0 && !read_flags(s->profile, filter, error))
		return FALSE;
	return set_labels(s, error) && read_filter(s->seccomp_fd, filter, error) &&
	       set_cwd(s, error);
}

/* What stays open besides 0-2 and what the program is to have: the channel and the gate, in this
 * order behind those. */
typedef struct {
	int sock, wait, report; /* the latter two -1 without a gate */
	gboolean released;      /* the parent is not listening any more, who opened the gate is */
} Line;

static gboolean close_others(const RtSetup *s, Line *line, GError **error)
{
	int first = 3 + (int)s->preserve_fds;
	int from[] = {s->sock, s->gate ? s->gate->wait : -1, s->gate ? s->gate->report : -1};
	int *to[] = {&line->sock, &line->wait, &line->report};
	guint n = s->gate ? 3 : 1;
	/* First above the places they go to, so that none is overwritten. */
	for (guint i = 0; i < n; i++) {
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, first + (int)G_N_ELEMENTS(from));
		if (from[i] < 0)
			return rt_error_errno(error, errno, "dup");
	}
	for (guint i = 0; i < n; i++) {
		*to[i] = first + (int)i;
		if (dup3(from[i], *to[i], O_CLOEXEC) < 0)
			return rt_error_errno(error, errno, "dup");
	}
	if (dh_close_from((unsigned)first + n, s->proc) < 0)
		return rt_error_errno(error, errno, "close_range");
	for (int fd = 3; fd < first; fd++)
		(void)dh_set_cloexec(fd, FALSE);
	return TRUE;
}

/* The parent sees the end of the channel and is content; from here on whoever opens the gate is
 * told. Nothing but read, write and close is needed here: the filter may be in force already. */
static gboolean pass_gate(const RtSetup *s, Line *line, GError **error)
{
	char go;
	if (s->gate) {
		close(line->sock);
		line->released = TRUE;
		if (dh_read_full(line->wait, &go, 1) != 1)
			return rt_error_errno(error, errno, "wait for start");
	}
	return rt_hooks_run(s->start_hooks, s->state, "created", getpid(), error);
}

static gboolean run(const RtSetup *s, Line *line, GError **error)
{
	const OciProcess *p = s->process;
	g_auto(RtIds) ids = {0};
	Filter filter = {0};
	if (!prepare(s, &ids, &filter, error) || !close_others(s, line, error))
		return FALSE;
	char **env = make_env(p, &ids);
	if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return rt_error_errno(error, errno, "set no_new_privs");
	if (!p->no_new_privileges && !load_filter(&filter, line->sock, error))
		return FALSE;
	dh_trace("container: user, filter read");
	if (!rt_caps_and_ids(p->capabilities, &ids, s->user_ns, error))
		return FALSE;
	char *path = rt_program_find(p->args[0], env, error);
	if (!path || (s->affinity && !rt_set_affinity(s->affinity->final, error)))
		return FALSE;
	/* A listener's descriptor can only be handed over while there is somebody to take it. */
	gboolean late = p->no_new_privileges && !filter.listens;
	if (p->no_new_privileges && !late && !load_filter(&filter, line->sock, error))
		return FALSE;
	if (!rt_channel_send(line->sock, RT_MSG_READY, -1, error) || !pass_gate(s, line, error) ||
		(late && !load_filter(&filter, line->sock, error)))
		return FALSE;
	sigset_t none;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	dh_trace("container: execve");
	execve(path, p->args, env);
	exec_error(path, errno, error);
	return FALSE;
}

void rt_process_run(const RtSetup *s, GError **error)
{
	Line line = {.sock = s->sock, .wait = -1, .report = -1};
	g_autoptr(GError) e = NULL;
	(void)run(s, &line, &e);
	/* Docker looks users up before it calls its runtime. */
	if (g_ascii_strncasecmp(e->message, "unable to find ", 15) != 0)
		g_prefix_error(&e, "unable to start container process: ");
	if (line.released)
		rt_gate_report(line.report, e);
	else
		rt_channel_send_error(line.sock, e);
	_exit(1);
}

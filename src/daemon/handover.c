/* SPDX-License-Identifier: MIT */
/*
 * handover.c - theory of operation: the state is JSON in a sealed memfd, whose number stands in
 * DHOW_HANDOVER; descriptors are passed by being left open, under their numbers. Everything else
 * that is open is O_CLOEXEC. The process, and so its ID, its parent and its children, stay what
 * they are.
 *
 * A new program that does not come to serve must not be the end: it keeps a descriptor of the
 * program before it, and executes that again, with the same state and the reason, when it gives up,
 * crashes or hangs. Nothing of the state is used up before it serves.
 */
#include "daemon/handover.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define VARIABLE "DHOW_HANDOVER"
#define ROOTS "DHOW_HANDOVER_ROOTS"
enum { START_SECONDS = 120, MAX_STATE = 256 * 1024 * 1024 };

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP, SIGALRM};

/* What the handler of fatal signals needs, made ready before one comes. */
static struct {
	int program, memfd;
	int *fds;
	guint n_fds;
	char **argv;
	char **env;
} back = {.program = -1, .memfd = -1};

/* ---- descriptors ---- */

static void collect(const json_t *node, gboolean numbers, GArray *fds)
{
	size_t i;
	const char *key;
	json_t *v;
	if (json_is_array(node)) {
		json_array_foreach (node, i, v) {
			int fd = (int)json_integer_value(v);
			if (!json_is_integer(v))
				collect(v, FALSE, fds);
			else if (numbers)
				g_array_append_val(fds, fd);
		}
		return;
	}
	json_object_foreach ((json_t *)node, key, v) {
		int fd = (int)json_integer_value(v);
		if (strcmp(key, "State") == 0)
			continue;
		if (json_is_integer(v) &&
			(strcmp(key, "Fd") == 0 || strcmp(key, "Lock") == 0 ||
				strcmp(key, "ExecLock") == 0 || strcmp(key, "Program") == 0))
			g_array_append_val(fds, fd);
		else if (json_is_object(v) || json_is_array(v))
			collect(v, strcmp(key, "Shims") == 0 || strcmp(key, "Unread") == 0, fds);
	}
}

static GArray *descriptors(const json_t *state)
{
	GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
	collect(state, FALSE, fds);
	return fds;
}

static void set_inherited(const json_t *state, gboolean inherited)
{
	g_autoptr(GArray) fds = descriptors(state);
	for (guint i = 0; i < fds->len; i++)
		(void)dh_set_cloexec(g_array_index(fds, int, i), !inherited);
}

static int write_state(const json_t *state, GError **error)
{
	g_autofree char *text = dh_json_dumps(state, 0);
	return dh_memfd("dhow-handover", text, strlen(text), error);
}

static char **environment(int memfd)
{
	g_autofree char *number = g_strdup_printf("%d", memfd);
	return g_environ_setenv(g_get_environ(), VARIABLE, number, TRUE);
}

/* Those of the program before: ours may be what it cannot be run with. Free with g_strfreev. */
static char **previous_arguments(const json_t *state)
{
	g_autoptr(GStrvBuilder) b = g_strv_builder_new();
	size_t i;
	json_t *v;
	json_array_foreach (json_object_get(state, "Arguments"), i, v)
		g_strv_builder_add(b, json_string_value(v));
	return g_strv_builder_end(b);
}

/* ---- arriving ---- */

json_t *handover_arrive(void)
{
	const char *text = g_getenv(VARIABLE);
	/* One that was set by a program that failed outlives it. */
	alarm(0);
	if (!text)
		return NULL;
	dh_autofd int fd = (int)g_ascii_strtoll(text, NULL, 10);
	g_unsetenv(VARIABLE);
	g_autoptr(GError) error = NULL;
	size_t n;
	g_autofree char *state =
		lseek(fd, 0, SEEK_SET) == 0 ? dh_read_to_end(fd, MAX_STATE, &n, &error) : NULL;
	json_t *json = state ? dh_json_loads(state, n, &error) : NULL;
	if (!json) {
		dh_log_error("cannot read what the daemon before left: %s",
			error ? error->message : "it cannot be read");
		return NULL;
	}
	set_inherited(json, FALSE);
	prctl(PR_SET_NAME, "dhowd");
	/* Children that ended while nobody could hear of it. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return json;
}

/* ---- roots ---- */

json_t *handover_roots(const EngineConfig *config)
{
	return json_pack("{s:s, s:s, s:s}", "DataRoot", config->data_root, "ExecRoot",
		config->exec_root, "CgroupParent", config->cgroup_parent);
}

char *handover_roots_variable(const EngineConfig *config)
{
	g_autoptr(json_t) roots = handover_roots(config);
	g_autofree char *text = roots ? dh_json_dumps(roots, 0) : NULL;
	return g_strconcat(ROOTS "=", text, NULL);
}

static gboolean same_root(
	const json_t *roots, const char *key, const char *what, const char *ours, GError **error)
{
	const char *theirs = json_string_value(json_object_get(roots, key));
	return !theirs || strcmp(theirs, ours) == 0 ||
	       dh_error(error, DH_ERROR_CONFLICT,
		       "the %s is now configured as %s and was %s, which takes a restart", what,
		       ours, theirs);
}

/* A daemon of a time before this tells none. */
static gboolean same_roots(const json_t *roots, const EngineConfig *config, GError **error)
{
	return same_root(roots, "DataRoot", "data root", config->data_root, error) &&
	       same_root(roots, "ExecRoot", "exec root", config->exec_root, error);
}

gboolean handover_asked(const EngineConfig *config, GError **error)
{
	const char *text = g_getenv(ROOTS);
	if (!text || !*text)
		return TRUE;
	g_autoptr(json_t) roots = dh_json_loads(text, strlen(text), error);
	return roots && same_roots(roots, config, error);
}

static void take(const json_t *roots, const char *key, char **ours)
{
	const char *theirs = json_string_value(json_object_get(roots, key));
	if (!theirs || strcmp(theirs, *ours) == 0)
		return;
	dh_warn("going on with %s, though %s is configured by now", theirs, *ours);
	g_free(*ours);
	*ours = g_strdup(theirs);
}

gboolean handover_take_roots(const json_t *state, EngineConfig *config, GError **error)
{
	const json_t *roots = json_object_get(state, "Roots");
	if (!json_object_get(state, "Failed"))
		return same_roots(roots, config, error);
	take(roots, "DataRoot", &config->data_root);
	take(roots, "ExecRoot", &config->exec_root);
	take(roots, "CgroupParent", &config->cgroup_parent);
	return TRUE;
}

/* ---- leaving ---- */

void handover_leave(const char *binary, char *const *argv, json_t *state, GError **error)
{
	dh_autofd int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (program < 0) {
		dh_error_errno(error, errno, "open /proc/self/exe");
		return;
	}
	json_t *arguments = json_array();
	for (char *const *a = argv; *a; a++)
		json_array_append_new(arguments, json_string(*a));
	json_object_set_new(state, "Arguments", arguments);
	json_object_set_new(state, "Program", json_integer(program));
	dh_autofd int memfd = write_state(state, error);
	if (memfd < 0)
		return;
	g_auto(GStrv) env = environment(memfd);
	(void)dh_set_cloexec(memfd, FALSE);
	set_inherited(state, TRUE);
	execve(binary, argv, env);
	g_autofree char *why = g_strdup_printf("exec %s: %s", binary, g_strerror(errno));
	dh_log_error("%s", why);
	handover_give_up(state, why);
	dh_error(error, DH_ERROR_SYSTEM, "%s", why);
}

/* ---- coming back ---- */

static void on_fatal(int sig)
{
	(void)sig;
	for (guint i = 0; i < back.n_fds; i++)
		(void)fcntl(back.fds[i], F_SETFD, 0);
	(void)fcntl(back.memfd, F_SETFD, 0);
	syscall(SYS_execveat, back.program, "", back.argv, back.env, AT_EMPTY_PATH);
	_exit(1);
}

void handover_guard(json_t *state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(json_t) copy = json_copy(state);
	json_object_set_new(copy, "Failed", json_string("it crashed or was not ready in time"));
	g_autoptr(GArray) fds = descriptors(state);
	back.memfd = write_state(copy, &error);
	back.program = (int)json_integer_value(json_object_get(state, "Program"));
	if (back.memfd < 0 || json_object_get(state, "Failed")) {
		/* Already the program of before. */
		dh_close(&back.memfd);
		return;
	}
	back.n_fds = fds->len;
	back.fds = (int *)g_array_free(g_steal_pointer(&fds), FALSE);
	back.argv = previous_arguments(state);
	back.env = environment(back.memfd);
	struct sigaction sa = {.sa_handler = on_fatal, .sa_flags = SA_NODEFER | SA_RESETHAND};
	for (guint i = 0; i < G_N_ELEMENTS(fatal); i++)
		(void)sigaction(fatal[i], &sa, NULL);
	alarm(START_SECONDS);
}

static void unguard(void)
{
	alarm(0);
	for (guint i = 0; i < G_N_ELEMENTS(fatal); i++)
		(void)signal(fatal[i], SIG_DFL);
	dh_close(&back.memfd);
	g_clear_pointer(&back.fds, g_free);
	g_clear_pointer(&back.env, g_strfreev);
	g_clear_pointer(&back.argv, g_strfreev);
	back.n_fds = 0;
}

void handover_give_up(json_t *state, const char *why)
{
	g_autoptr(GError) error = NULL;
	if (json_object_get(state, "Failed"))
		return;
	json_object_set_new(state, "Failed", json_string(why));
	int program = (int)json_integer_value(json_object_get(state, "Program"));
	dh_autofd int memfd = write_state(state, &error);
	if (memfd < 0) {
		dh_log_error("%s", error->message);
		return;
	}
	unguard();
	g_auto(GStrv) env = environment(memfd);
	g_auto(GStrv) argv = previous_arguments(state);
	(void)dh_set_cloexec(memfd, FALSE);
	set_inherited(state, TRUE);
	syscall(SYS_execveat, program, "", argv, env, AT_EMPTY_PATH);
	dh_log_error("cannot go back to the program before: %s", g_strerror(errno));
}

void handover_served(json_t *state)
{
	int program = (int)json_integer_value(json_object_get(state, "Program"));
	unguard();
	dh_close(&program);
}

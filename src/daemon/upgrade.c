/* SPDX-License-Identifier: MIT */
/*
 * upgrade.c - theory of operation: before anything is let go of, the new program must say which it
 * is (--version) and, given our own arguments, that it can read their configuration and the state
 * in the data root, which is still the same, and can take over from us (--validate --handover).
 * Both in children, with a limit of time. The thread of the request does that and then waits: for
 * the order to hand its request over, which means that the main thread has begun, or for a refusal.
 * From then on the upgrade is the main thread's: when the client goes away, the thread that waits
 * for it leaves, and a refusal, of which nobody hears then, still makes room for the next upgrade.
 */
#include "daemon/upgrade.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "daemon/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CHECK_MS = 20 * 1000, MAX_OUTPUT = 16 * 1024 };

struct Upgrade {
	char *const *argv;
	const EngineConfig *config;
	const json_t *handed;
	gint64 served_at; /* monotonic, us */
	ApiHooks hooks;
	int wanted, refused; /* eventfds */
	GMutex lock;
	gboolean busy;    /* from the first question to the outcome */
	gboolean awaited; /* somebody waits for it: only then there is word of a refusal */
	char *binary;
	ApiUpgrade order;
	GError *why; /* refused: of the order */
};

/* ---- asking the new program ---- */

/* Runs it with these arguments, and variable (may be NULL) in its environment; its output's last
 * line, and whether it ended with 0. NULL: it could not be run. */
static char *ask(
	const char *binary, char *const *argv, char *variable, gboolean *ret_ok, GError **error)
{
	dh_autofd int out = memfd_create("upgrade", MFD_CLOEXEC);
	dh_autofd int pidfd = -1;
	char *env[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", variable, NULL};
	DhSpawn s = {.path = binary, .argv = argv, .envp = env, .stdio = {-1, out, out}};
	if (out < 0) {
		dh_error_errno(error, errno, "memfd_create");
		return NULL;
	}
	if (!dh_spawn(&s, NULL, &pidfd, error))
		return NULL;
	struct pollfd p = {pidfd, POLLIN, 0};
	int r;
	do
		r = poll(&p, 1, CHECK_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	*ret_ok = dh_reap(pidfd) == 0 && r > 0;
	char text[MAX_OUTPUT + 1];
	ssize_t n = pread(out, text, MAX_OUTPUT, 0);
	text[MAX(n, 0)] = '\0';
	g_strchomp(text);
	const char *line = strrchr(text, '\n');
	return g_utf8_make_valid(line ? line + 1 : text, -1);
}

static gboolean check_version(const char *binary, GError **error)
{
	char *argv[] = {(char *)"dhowd", (char *)"--version", NULL};
	gboolean ok = FALSE;
	g_autofree char *said = ask(binary, argv, NULL, &ok, error);
	if (!said)
		return FALSE;
	return (ok && g_str_has_prefix(said, "Dhow version ")) ||
	       dh_error(error, DH_ERROR_INVALID, "%s is not a dhowd: %s", binary, said);
}

static gboolean check_takes_over(const Upgrade *u, const char *binary, GError **error)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(argv, g_strdup("dhowd"));
	g_ptr_array_add(argv, g_strdup("--validate"));
	g_ptr_array_add(argv, g_strdup_printf("--handover=%d", HANDOVER_PROTOCOL));
	for (char *const *a = u->argv + 1; *a; a++)
		g_ptr_array_add(argv, g_strdup(*a));
	g_ptr_array_add(argv, NULL);
	gboolean ok = FALSE;
	g_autofree char *roots = handover_roots_variable(u->config);
	g_autofree char *said = ask(binary, (char *const *)argv->pdata, roots, &ok, error);
	if (!said)
		return FALSE;
	return ok || dh_error(error, DH_ERROR_INVALID, "%s cannot take over: %s", binary,
			     *said ? said : "it ended without a word");
}

/* Our own file, which may have been replaced since we were started. */
static char *own_binary(GError **error)
{
	g_autofree char *path = g_file_read_link("/proc/self/exe", error);
	if (path && g_str_has_suffix(path, " (deleted)"))
		path[strlen(path) - strlen(" (deleted)")] = '\0';
	return g_steal_pointer(&path);
}

static char *choose_binary(const char *asked, GError **error)
{
	struct stat st;
	g_autofree char *path = asked ? g_strdup(asked) : own_binary(error);
	if (!path)
		return NULL;
	if (!g_path_is_absolute(path))
		dh_error(error, DH_ERROR_INVALID, "%s is not an absolute path", path);
	else if (stat(path, &st) < 0)
		dh_error_errno(error, errno, "%s", path);
	else if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		dh_error(error, DH_ERROR_INVALID, "%s is not a program", path);
	else
		return g_steal_pointer(&path);
	return NULL;
}

/* ---- the API's side ---- */

static gboolean begin(Upgrade *u, GError **error)
{
	g_mutex_lock(&u->lock);
	gboolean busy = u->busy;
	u->busy = TRUE;
	g_mutex_unlock(&u->lock);
	return !busy || dh_error(error, DH_ERROR_CONFLICT, "an upgrade is already under way");
}

static void end(Upgrade *u)
{
	g_mutex_lock(&u->lock);
	u->busy = FALSE;
	g_mutex_unlock(&u->lock);
}

/* FALSE: it was refused. TRUE: nobody waits any more, as the request is to be handed over, or its
 * client is gone, or the daemon ends. */
static gboolean leave(Upgrade *u, GError **error)
{
	eventfd_t n;
	g_mutex_lock(&u->lock);
	gboolean refused = u->why != NULL;
	u->awaited = FALSE;
	if (refused) {
		(void)eventfd_read(u->refused, &n);
		u->busy = FALSE;
		g_propagate_error(error, g_steal_pointer(&u->why));
	}
	g_mutex_unlock(&u->lock);
	return !refused;
}

static gboolean await_outcome(Upgrade *u, int wake_fd, GError **error)
{
	struct pollfd p[] = {{wake_fd, POLLIN, 0}, {u->refused, POLLIN, 0}};
	while (poll(p, G_N_ELEMENTS(p), -1) < 0 && errno == EINTR)
		;
	return leave(u, error);
}

static gboolean on_upgrade(void *arg, const ApiUpgrade *order, int wake_fd, GError **error)
{
	Upgrade *u = arg;
	if (!begin(u, error))
		return FALSE;
	g_autofree char *binary = choose_binary(order->binary, error);
	if (!binary || !check_version(binary, error) || !check_takes_over(u, binary, error)) {
		end(u);
		return FALSE;
	}
	g_mutex_lock(&u->lock);
	g_free(u->binary);
	u->binary = g_steal_pointer(&binary);
	u->order = *order;
	u->order.binary = u->binary;
	u->awaited = TRUE;
	g_mutex_unlock(&u->lock);
	eventfd_write(u->wanted, 1);
	return await_outcome(u, wake_fd, error);
}

static json_t *on_upgraded(void *arg, GError **error)
{
	const Upgrade *u = arg;
	const char *before = json_string_value(json_object_get(u->handed, "Version"));
	const char *failed = json_string_value(json_object_get(u->handed, "Failed"));
	if (failed) {
		dh_error(error, DH_ERROR_SYSTEM,
			"the new daemon did not come up: %s; version %s goes on", failed,
			DHOW_VERSION);
		return NULL;
	}
	gint64 since = json_integer_value(json_object_get(u->handed, "Since"));
	return json_pack("{s:s, s:s, s:I}", "Version", DHOW_VERSION, "PreviousVersion",
		before ? before : "", "Milliseconds", (json_int_t)(u->served_at - since) / 1000);
}

/* ---- the main thread's ---- */

Upgrade *upgrade_new(
	char *const *argv, const EngineConfig *config, const json_t *handed, GError **error)
{
	Upgrade *u = g_new0(Upgrade, 1);
	u->argv = argv;
	u->config = config;
	u->handed = handed;
	u->served_at = g_get_monotonic_time();
	u->hooks = (ApiHooks){on_upgrade, on_upgraded, u};
	g_mutex_init(&u->lock);
	u->wanted = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	u->refused = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->wanted >= 0 && u->refused >= 0)
		return u;
	dh_error_errno(error, errno, "eventfd");
	upgrade_free(u);
	return NULL;
}

void upgrade_free(Upgrade *u)
{
	if (!u)
		return;
	dh_close(&u->wanted);
	dh_close(&u->refused);
	g_clear_error(&u->why);
	g_free(u->binary);
	g_mutex_clear(&u->lock);
	g_free(u);
}

const ApiHooks *upgrade_hooks(Upgrade *u)
{
	return &u->hooks;
}

int upgrade_fd(Upgrade *u)
{
	return u->wanted;
}

const ApiUpgrade *upgrade_wanted(Upgrade *u)
{
	eventfd_t n;
	return eventfd_read(u->wanted, &n) == 0 ? &u->order : NULL;
}

void upgrade_refuse(Upgrade *u, const GError *why)
{
	g_mutex_lock(&u->lock);
	if (u->awaited) {
		u->why = g_error_copy(why);
		eventfd_write(u->refused, 1);
	} else {
		u->busy = FALSE;
	}
	g_mutex_unlock(&u->lock);
}

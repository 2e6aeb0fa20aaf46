/* SPDX-License-Identifier: MIT */
/*
 * Hooks: programs of the host that are told of a container's way through its life. A hook's
 * standard input is the state; what it writes is kept, up to a limit, for the error that its
 * failure becomes. A hook that leaves children behind with its descriptors is not waited for longer
 * than its own end.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_MAX = 16 * 1024 };

extern char **environ;

/* What is there to be read now; what is beyond the limit is thrown away. */
static void take_output(int *fd, GString *out)
{
	char buf[4096];
	ssize_t n;
	while (*fd >= 0 && (n = read(*fd, buf, sizeof buf)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		g_string_append_len(out, buf, MIN(n, (ssize_t)(OUTPUT_MAX - out->len)));
	}
	dh_close(fd);
}

/* FALSE: it took too long. */
static gboolean wait_for_end(int pidfd, int64_t timeout, int *fds, GString *const *out)
{
	int64_t end = g_get_monotonic_time() + timeout * G_USEC_PER_SEC;
	for (;;) {
		struct pollfd p[] = {{.fd = pidfd, .events = POLLIN},
			{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
		int64_t left = timeout > 0 ? (end - g_get_monotonic_time() + 999) / 1000 : -1;
		if (timeout > 0 && left <= 0)
			return FALSE;
		if (poll(p, G_N_ELEMENTS(p), (int)MIN(left, G_MAXINT)) < 0 && errno != EINTR)
			return TRUE;
		take_output(&fds[0], out[0]);
		take_output(&fds[1], out[1]);
		if (p[0].revents)
			return TRUE;
	}
}

static gboolean open_pipe(int *ret_read, int *ret_write, GError **error)
{
	int pair[2];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return rt_error_errno(error, errno, "pipe");
	*ret_read = pair[0];
	*ret_write = pair[1];
	(void)dh_set_nonblock(pair[0], TRUE);
	return TRUE;
}

static gboolean run_one(const OciHook *h, const char *state, GError **error)
{
	dh_autofd int in = dh_memfd("state", state, strlen(state), error);
	dh_autofd int out_w = -1;
	dh_autofd int err_w = -1;
	int fds[2] = {-1, -1};
	if (in < 0 || !open_pipe(&fds[0], &out_w, error) || !open_pipe(&fds[1], &err_w, error))
		return FALSE;
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GString) err = g_string_new(NULL);
	char *alone[] = {h->path, NULL};
	DhSpawn spawn = {
		.path = h->path,
		.argv = h->args && *h->args ? h->args : alone,
		.envp = h->env ? h->env : environ,
		.stdio = {in, out_w, err_w},
	};
	dh_autofd int pidfd = -1;
	gboolean ok = dh_spawn(&spawn, NULL, &pidfd, error);
	dh_close(&out_w);
	dh_close(&err_w);
	if (ok) {
		ok = wait_for_end(pidfd, h->timeout, fds, (GString *[]){out, err});
		if (!ok)
			rt_abandon(pidfd);
		int status = ok ? dh_reap(pidfd) : 0;
		if (!ok)
			dh_error(error, DH_ERROR_SYSTEM, "hook ran past specified timeout of %.1fs",
				(double)h->timeout);
		else if (status)
			ok = dh_error(error, DH_ERROR_SYSTEM,
				"error running hook: exit status %d, stdout: %s, stderr: %s",
				status, out->str, err->str);
	}
	dh_close(&fds[0]);
	dh_close(&fds[1]);
	return ok;
}

gboolean rt_hooks_run(const GPtrArray *hooks, const OciState *state, const char *status, pid_t pid,
	GError **error)
{
	if (!hooks || !hooks->len || !state)
		return TRUE;
	OciState now = *state;
	now.status = (char *)status;
	now.pid = pid;
	g_autofree char *text = dh_json_emit_text(&oci_state_table, &now);
	for (guint i = 0; i < hooks->len; i++) {
		if (run_one(hooks->pdata[i], text, error))
			continue;
		g_prefix_error(error, "error running hook #%u: ", i);
		return FALSE;
	}
	return TRUE;
}

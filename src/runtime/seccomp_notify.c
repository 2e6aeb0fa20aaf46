/* SPDX-License-Identifier: MIT */
/* Hands the descriptor on which a filter asks to the one who answers (runtime-spec,
 * "The Container Process State"). */
#include "base/error.h"
#include "base/fd.h"
#include "runtime/priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

gboolean rt_seccomp_notify(const OciSeccomp *profile, const OciState *state, const char *status,
	pid_t pid, pid_t init, int fd, GError **error)
{
	dh_autofd int sock = dh_unix_connect(profile->listener_path, SOCK_STREAM, error);
	if (sock < 0) {
		g_prefix_error(error, "unable to connect with seccomp agent: ");
		return FALSE;
	}
	OciState now = state ? *state : (OciState){0};
	now.status = (char *)status;
	now.pid = init;
	json_t *container = dh_json_emit(&oci_state_table, &now);
	g_autoptr(json_t) o = json_pack("{s:s, s:[s], s:i, s:s, s:o}", "ociVersion",
		now.oci_version ? now.oci_version : "", "fds", "seccompFd", "pid", (int)pid,
		"metadata", profile->listener_metadata ? profile->listener_metadata : "", "state",
		container);
	g_autofree char *text = dh_json_dumps(o, 0);
	return dh_send_msg(sock, text, strlen(text), &fd, 1, 0) == 0 ||
	       rt_error_errno(error, errno, "cannot send seccomp fd to %s", profile->listener_path);
}

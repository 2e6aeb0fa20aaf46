/* SPDX-License-Identifier: MIT */
#include "daemon/systemd.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3, MAX_SOCKETS = 64 };

GArray *systemd_sockets(void)
{
	const char *pid = g_getenv("LISTEN_PID"), *n = g_getenv("LISTEN_FDS");
	gint64 count = n ? g_ascii_strtoll(n, NULL, 10) : 0;
	gboolean ours = pid && g_ascii_strtoll(pid, NULL, 10) == getpid();
	g_unsetenv("LISTEN_PID");
	g_unsetenv("LISTEN_FDS");
	g_unsetenv("LISTEN_FDNAMES");
	if (!ours || count < 1 || count > MAX_SOCKETS)
		return NULL;
	GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
	for (int fd = FIRST_FD; fd < FIRST_FD + (int)count; fd++) {
		if (dh_set_cloexec(fd, TRUE) == 0)
			g_array_append_val(fds, fd);
	}
	return fds;
}

void systemd_notify(const char *text)
{
	const char *path = g_getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	if (n < 2 || n >= sizeof sa.sun_path || (*path != '/' && *path != '@'))
		return;
	memcpy(sa.sun_path, path, n);
	if (*path == '@') /* an abstract one */
		sa.sun_path[0] = '\0';
	dh_autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&sa, len) < 0)
		dh_warn("cannot notify %s: %s", path, g_strerror(errno));
}

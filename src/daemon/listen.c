/* SPDX-License-Identifier: MIT */
#include "daemon/listen.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "daemon/systemd.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNIX "unix://"
#define INHERITED "fd://"
enum { MAX_LISTENERS = 64 };

static void clear_listener(gpointer p)
{
	g_free(((Listener *)p)->host);
}

static int listen_on_path(const char *host, const char *group, GError **error)
{
	const char *path = host + strlen(UNIX);
	g_autofree char *dir = g_path_get_dirname(path);
	if (!dh_mkdir_p(dir, 0755, error))
		return -1;
	/* Somebody who answers there is a daemon that works: not to be pushed aside. */
	dh_autofd int other = dh_unix_connect(path, SOCK_STREAM, NULL);
	if (other >= 0) {
		dh_error(error, DH_ERROR_CONFLICT, "%s is in use by another daemon", host);
		return -1;
	}
	dh_autofd int fd = dh_unix_listen(path, SOCK_STREAM, 0660, error);
	if (fd < 0)
		return -1;
	struct group *gr = group ? getgrnam(group) : NULL;
	if (group && !gr) {
		dh_error(error, DH_ERROR_INVALID, "group %s not found", group);
		return -1;
	}
	if (gr && chown(path, (uid_t)-1, gr->gr_gid) < 0) {
		dh_error_errno(error, errno, "chown %s", path);
		return -1;
	}
	return dh_steal_fd(&fd);
}

/* A port would be open to the whole network without anybody being asked who he is. */
static gboolean check_inherited(int fd, GError **error)
{
	int domain = 0, listening = 0;
	socklen_t n = sizeof domain;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) < 0)
		return dh_error_errno(error, errno, "descriptor %d, given by systemd", fd);
	if (!listening)
		return dh_error(error, DH_ERROR_INVALID,
			"descriptor %d, given by systemd, is no listening socket", fd);
	if (domain != AF_UNIX)
		return dh_error(error, DH_ERROR_NOT_BUILT,
			"listening on a socket of systemd's that is not a unix socket is not built "
			"yet");
	return TRUE;
}

static void add(GArray *all, const char *host, int fd)
{
	Listener l = {g_strdup(host), fd};
	g_array_append_val(all, l);
}

/* "fd://", or that and a star: all of them; "fd://N": the one of this number. */
static gboolean take_inherited(GArray *all, const char *host, GArray *fds, GError **error)
{
	const char *which = host + strlen(INHERITED);
	gboolean every = !*which || strcmp(which, "*") == 0;
	guint before = all->len;
	for (guint i = 0; fds && i < fds->len; i++) {
		int fd = g_array_index(fds, int, i);
		if (!every && atoi(which) != fd)
			continue;
		if (!check_inherited(fd, error))
			return FALSE;
		add(all, host, fd);
	}
	return all->len > before ||
	       dh_error(error, DH_ERROR_INVALID,
		       "no sockets found via socket activation: make sure the service was started "
		       "by systemd");
}

/* What the daemon before us listened on for this -H. */
static gboolean take_handed(GArray *all, const char *host, const json_t *handed)
{
	guint before = all->len;
	size_t i;
	json_t *item;
	json_array_foreach (handed, i, item) {
		const char *theirs = json_string_value(json_object_get(item, "Host"));
		if (g_strcmp0(theirs, host) == 0)
			add(all, host, (int)json_integer_value(json_object_get(item, "Fd")));
	}
	return all->len > before;
}

static void close_unwanted(const GArray *all, const json_t *handed)
{
	size_t i;
	json_t *item;
	json_array_foreach (handed, i, item) {
		int fd = (int)json_integer_value(json_object_get(item, "Fd"));
		gboolean wanted = FALSE;
		for (guint k = 0; k < all->len && !wanted; k++)
			wanted = g_array_index(all, Listener, k).fd == fd;
		if (!wanted)
			close(fd);
	}
}

static gboolean listen_on(GArray *all, const DaemonOptions *o, const char *host,
	const json_t *handed, GArray *systemd, GError **error)
{
	if (all->len >= MAX_LISTENERS)
		return dh_error(error, DH_ERROR_INVALID, "too many -H");
	if (take_handed(all, host, handed))
		return TRUE;
	if (g_str_has_prefix(host, INHERITED))
		return take_inherited(all, host, systemd, error);
	if (!g_str_has_prefix(host, UNIX))
		return dh_error(error, DH_ERROR_NOT_BUILT,
			"listening on %s is not built yet: only unix:// and fd:// are", host);
	int fd = listen_on_path(host, o->group, error);
	if (fd < 0)
		return FALSE;
	add(all, host, fd);
	return TRUE;
}

GArray *listen_all(const DaemonOptions *o, const json_t *handed, GError **error)
{
	g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(Listener));
	g_autoptr(GArray) systemd = systemd_sockets();
	g_array_set_clear_func(all, clear_listener);
	for (char **h = o->hosts; *h; h++) {
		if (listen_on(all, o, *h, handed, systemd, error))
			continue;
		for (guint i = 0; i < all->len && !handed; i++)
			close(g_array_index(all, Listener, i).fd);
		return NULL;
	}
	close_unwanted(all, handed);
	return g_steal_pointer(&all);
}

json_t *listeners_export(const GArray *listeners)
{
	json_t *list = json_array();
	for (guint i = 0; i < listeners->len; i++) {
		const Listener *l = &g_array_index(listeners, Listener, i);
		json_array_append_new(list, json_pack("{s:s, s:i}", "Host", l->host, "Fd", l->fd));
	}
	return list;
}

void listeners_unlink(const GArray *listeners)
{
	for (guint i = 0; i < listeners->len; i++) {
		const char *host = g_array_index(listeners, Listener, i).host;
		if (g_str_has_prefix(host, UNIX))
			(void)unlink(host + strlen(UNIX));
	}
}

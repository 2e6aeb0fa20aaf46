/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * An upgraded connection leaves libmicrohttpd, with the bytes that had already been read behind the
 * request. Two things stand in the way of using its upgrade as it is: it says "101 Switching
 * Protocols" with headers in its own order where Docker says "101 UPGRADED" (and "200 OK" to
 * clients that send no Upgrade header), and it shuts the socket down when it lets go of it, which
 * would also end the duplicate that a shim holds by then.
 *
 * So the descriptors change places first: the real socket is duplicated, and one end of a socket
 * pair is put under the number that the library knows. The library writes its head into the pair,
 * where nobody reads it, hands over the early bytes, and shuts down and closes the pair; the real
 * socket never hears of it. The thread that does this is the only one that uses the descriptor.
 *
 * The head that the client gets is written by whoever takes the connection over, at the moment when
 * the streams are his: a client that has seen it may at once start the container it attached to.
 */
#include "api/internal.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void api_upgrade(
	ApiRequest *r, const char *content_type, ApiUpgraded fn, void *arg, GDestroyNotify free_fn)
{
	r->reply = REPLY_UPGRADE;
	r->content_type = content_type;
	r->upgraded = fn;
	r->upgrade_arg = arg;
	r->upgrade_free = free_fn;
}

void api_upgraded_tell(int fd, int stream, const char *text)
{
	g_autofree char *line = g_strdup_printf("%s\r\n", text);
	guint32 size = GUINT32_TO_BE((guint32)strlen(line));
	char frame[8] = {(char)stream};
	memcpy(frame + 4, &size, sizeof size);
	if (stream)
		dh_write_all(fd, frame, sizeof frame);
	dh_write_all(fd, line, strlen(line));
}

static char *response_head(ApiRequest *r)
{
	GString *head = g_string_new(NULL);
	gboolean upgrade = api_header(r, "Upgrade") != NULL;
	g_string_append_printf(head, "HTTP/1.1 %s\r\nContent-Type: %s\r\n",
		upgrade ? "101 UPGRADED" : "200 OK", r->content_type);
	if (upgrade)
		g_string_append(head, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
	reply_common_headers(head);
	g_string_append(head, "\r\n");
	return g_string_free(head, FALSE);
}

static void on_upgrade(void *cls, struct MHD_Connection *connection, void *req_cls,
	const char *extra_in, size_t extra_in_size, MHD_socket sock,
	struct MHD_UpgradeResponseHandle *urh)
{
	ApiRequest *r = cls;
	g_autofree char *head = response_head(r);
	r->upgraded(r->upgrade_arg, r->real_fd, head, extra_in, extra_in_size);
	dh_close(&r->real_fd);
	dh_close(&r->dummy_fd);
	MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE); /* then comes on_completed */
}

int change_places(int fd, int *ret_other)
{
	int pair[2];
	dh_autofd int real = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (real < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	dh_autofd int other = pair[0];
	dh_autofd int away = pair[1];
	if (dup3(other, fd, O_CLOEXEC) < 0)
		return -1;
	if (ret_other)
		*ret_other = dh_steal_fd(&away);
	return dh_steal_fd(&real);
}

enum MHD_Result upgrade_start(ApiRequest *r)
{
	r->real_fd = change_places(r->fd, &r->dummy_fd);
	if (r->real_fd < 0)
		return MHD_NO;
	dh_set_nonblock(r->real_fd, FALSE);
	struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, r);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Upgrade", "tcp");
	enum MHD_Result ret =
		MHD_queue_response(r->connection, MHD_HTTP_SWITCHING_PROTOCOLS, response);
	MHD_destroy_response(response);
	return ret;
}

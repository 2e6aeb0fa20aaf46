/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

void dh_close(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
		*fd = -1;
	}
}

void dh_close_element(void *fd)
{
	dh_close(fd);
}

/* struct linux_dirent64: no header of the C library has it. */
typedef struct {
	guint64 inode;
	gint64 offset;
	unsigned short length;
	unsigned char type;
	char name[];
} Entry;

/* Number of the descriptor that a directory entry names, or -1. No strtol: see dh_close_from. */
static int entry_number(const Entry *e)
{
	int n = 0;
	for (const char *p = e->name; *p; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		n = n * 10 + (*p - '0');
	}
	return n;
}

static int close_listed(unsigned first, int dir)
{
	/* guint64: the kernel writes aligned structures into it. */
	guint64 buf[512];
	long n;
	while ((n = syscall(SYS_getdents64, dir, buf, sizeof buf)) > 0) {
		for (long at = 0; at < n;) {
			const Entry *e = (const Entry *)(const void *)((const char *)buf + at);
			int fd = entry_number(e);
			at += e->length;
			if (fd >= (int)first && fd != dir)
				close(fd);
		}
	}
	return n < 0 ? -1 : 0;
}

int dh_close_from(unsigned first, int proc)
{
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return 0;
	if (errno != ENOSYS)
		return -1;
	const char *path = proc < 0 ? "/proc/self/fd" : "self/fd";
	int dir = openat(proc < 0 ? AT_FDCWD : proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	int r = close_listed(first, dir), saved = errno;
	close(dir);
	errno = saved;
	return r;
}

int dh_write_all(int fd, const void *buf, size_t n)
{
	const char *p = buf;
	gboolean is_socket = TRUE;
	while (n > 0) {
		ssize_t r = is_socket ? send(fd, p, n, MSG_NOSIGNAL) : write(fd, p, n);
		if (r < 0) {
			if (errno == ENOTSOCK && is_socket) {
				is_socket = FALSE;
				continue;
			}
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

ssize_t dh_read_full(int fd, void *buf, size_t n)
{
	size_t got = 0;
	while (got < n) {
		ssize_t r = read(fd, (char *)buf + got, n - got);
		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

char *dh_read_to_end(int fd, size_t max, size_t *ret_len, GError **error)
{
	size_t cap = 4096, len = 0;
	struct stat st;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		cap = MIN((size_t)st.st_size, max) + 2;
	g_autofree char *buf = g_malloc(cap);
	for (;;) {
		if (len + 1 >= cap) {
			cap *= 2;
			buf = g_realloc(buf, cap);
		}
		ssize_t r = dh_read_full(fd, buf + len, cap - len - 1);
		if (r < 0) {
			dh_error_errno(error, errno, "read");
			return NULL;
		}
		len += (size_t)r;
		if (len > max) {
			dh_error(error, DH_ERROR_TOO_LARGE, "more than %zu bytes", max);
			return NULL;
		}
		if (len < cap - 1)
			break;
	}
	buf[len] = '\0';
	if (ret_len)
		*ret_len = len;
	return g_steal_pointer(&buf);
}

int dh_memfd(const char *name, const void *buf, size_t n, GError **error)
{
	dh_autofd int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || (n > 0 && dh_write_all(fd, buf, n) < 0) || lseek(fd, 0, SEEK_SET) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) <
			0) {
		dh_error_errno(error, errno, "memfd %s", name);
		return -1;
	}
	return dh_steal_fd(&fd);
}

int dh_set_cloexec(int fd, gboolean on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

int dh_set_nonblock(int fd, gboolean on)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -1;
	return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

int dh_send_msg(int sock, const void *buf, size_t n, const int *fds, size_t n_fds, int flags)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * DH_MSG_MAX_FDS)];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > DH_MSG_MAX_FDS) {
		errno = EINVAL;
		return -1;
	}
	if (n_fds > 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	ssize_t r;
	do
		r = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -1 : 0;
}

ssize_t dh_recv_msg(int sock, void *buf, size_t n, int *fds, size_t *n_fds, int flags)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * DH_MSG_MAX_FDS)];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = buf, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof control.space};
	size_t room = n_fds ? *n_fds : 0;
	size_t got = 0;
	gboolean overflow = FALSE;
	ssize_t r;

	if (n_fds)
		*n_fds = 0;
	do
		r = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < k; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
			if (got < room)
				fds[got++] = fd;
			else {
				close(fd);
				overflow = TRUE;
			}
		}
	}
	if (overflow || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < got; i++)
			close(fds[i]);
		errno = EMSGSIZE;
		return -1;
	}
	if (n_fds)
		*n_fds = got;
	return r;
}

/* Fills in the address for path; a long one goes through an O_PATH descriptor of its directory,
 * which must stay open (*ret_dir) while the address is used. */
static gboolean unix_address(const char *path, struct sockaddr_un *sa, int *ret_dir, GError **error)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) < sizeof sa->sun_path) {
		memcpy(sa->sun_path, path, strlen(path) + 1);
		return TRUE;
	}
	g_autofree char *dir = g_path_get_dirname(path);
	g_autofree char *base = g_path_get_basename(path);
	*ret_dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir < 0)
		return dh_error_errno(error, errno, "open %s", dir);
	int n = snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/%s", *ret_dir, base);
	if (n < 0 || (size_t)n >= sizeof sa->sun_path)
		return dh_error(error, DH_ERROR_INVALID, "socket name too long: %s", path);
	return TRUE;
}

int dh_unix_listen(const char *path, int type, mode_t mode, GError **error)
{
	struct sockaddr_un sa;
	dh_autofd int dir = -1;
	if (!unix_address(path, &sa, &dir, error))
		return -1;
	dh_autofd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		dh_error_errno(error, errno, "socket");
		return -1;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		dh_error_errno(error, errno, "unlink %s", path);
		return -1;
	}
	/* On Linux the mode of the socket file is that of the socket inode at bind time: no moment
	 * at which others could connect. */
	if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 ||
		chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0) {
		dh_error_errno(error, errno, "listen on %s", path);
		return -1;
	}
	return dh_steal_fd(&fd);
}

int dh_unix_connect(const char *path, int type, GError **error)
{
	struct sockaddr_un sa;
	dh_autofd int dir = -1;
	if (!unix_address(path, &sa, &dir, error))
		return -1;
	dh_autofd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	int r = -1;
	if (fd >= 0) {
		do
			r = connect(fd, (struct sockaddr *)&sa, sizeof sa);
		while (r < 0 && errno == EINTR);
	}
	if (r < 0) {
		dh_error_errno(error, errno, "connect to %s", path);
		return -1;
	}
	return dh_steal_fd(&fd);
}

/* SPDX-License-Identifier: MIT */
/*
 * fd.h - descriptors: owned, read whole, written whole, passed to other processes.
 *
 * Every descriptor made here is O_CLOEXEC. -1 means none; cleaners accept it and keep errno.
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <sys/types.h>

/* close(2) unless -1; keeps errno; *fd becomes -1. */
void dh_close(int *fd);
#define dh_autofd __attribute__((cleanup(dh_close)))

/* A clear function for arrays of descriptors. */
void dh_close_element(void *fd);

static inline int dh_steal_fd(int *fd)
{
	int r = *fd;
	*fd = -1;
	return r;
}

/* write(2)/send(2) all of it, retrying EINTR (MSG_NOSIGNAL on sockets). 0, or -1 with errno. */
int dh_write_all(int fd, const void *buf, size_t n);

/* read(2) until n bytes or end of file. Bytes read, or -1 with errno. */
ssize_t dh_read_full(int fd, void *buf, size_t n);

/* All of fd, from its current offset to the end; more than max bytes is an error.
 * NUL-terminated, caller frees; *ret_len may be NULL. */
char *dh_read_to_end(int fd, size_t max, size_t *ret_len, GError **error);

/* An anonymous file with these contents, offset 0, sealed against changes (memfd_create(2)). */
int dh_memfd(const char *name, const void *buf, size_t n, GError **error);

/* Closes first and all above it: close_range(2), or without it what proc (a procfs; -1: /proc)
 * lists in self/fd. Safe between fork and execve. 0, or -1 with errno. */
int dh_close_from(unsigned first, int proc);

/* CLOEXEC off/on for a descriptor about to be inherited. 0, or -1 with errno. */
int dh_set_cloexec(int fd, gboolean on);
int dh_set_nonblock(int fd, gboolean on);

#define DH_MSG_MAX_FDS 16

/* One message on an AF_UNIX SOCK_SEQPACKET (or STREAM) socket, with descriptors (SCM_RIGHTS). The
 * descriptors stay the caller's. 0, or -1 with errno. flags: MSG_DONTWAIT or 0. */
int dh_send_msg(int sock, const void *buf, size_t n, const int *fds, size_t n_fds, int flags);

/* Receives one. Returns its length (0: the peer closed), or -1 with errno; EMSGSIZE when it was
 * longer than n or carried more than *n_fds descriptors (then none is kept). *n_fds: in: room;
 * out: received, O_CLOEXEC, the caller's. */
ssize_t dh_recv_msg(int sock, void *buf, size_t n, int *fds, size_t *n_fds, int flags);

/* AF_UNIX sockets of a type (SOCK_STREAM or SOCK_SEQPACKET) by path of any length: a path that does
 * not fit sun_path is reached through /proc/self/fd. Listening replaces a stale socket file.
 * Descriptor, or -1 with error. */
int dh_unix_listen(const char *path, int type, mode_t mode, GError **error);
int dh_unix_connect(const char *path, int type, GError **error);

/* SPDX-License-Identifier: MIT */
/* locks.h - one daemon at a time: the locks (flock(2)) on what it keeps, and its pid file. */
#pragma once

#include <glib.h>

/* A daemon that has just been killed holds its locks until the kernel has taken it apart: waits
 * (seconds at most) for the one that the pid file names, if it is on its way out. */
void locks_await_dying(const char *pidfile);

/* *ret_fd is the lock, which goes with it; the caller's. FALSE: another daemon has it. */
gboolean lock_data_root(const char *data_root, int *ret_fd, GError **error);
/* On the directory itself, as an engine that ends without containers leaves nothing of it: then the
 * lock is of no use, and is taken on its successor. */
gboolean lock_exec_root(const char *exec_root, int *ret_fd, GError **error);

/* Refused while it names a dhowd that lives. */
gboolean pidfile_write(const char *path, GError **error);

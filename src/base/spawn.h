/* SPDX-License-Identifier: MIT */
/* spawn.h - the one way to start another program: vfork semantics, chosen descriptors, nothing
 * else. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
	const char *path; /* absolute */
	char *const *argv;
	char *const *envp; /* NULL: an empty environment */
	int stdio[3];      /* -1: /dev/null */
	const int *fds;    /* become 3, 4, ... in the child */
	guint n_fds;
	gboolean setsid;
} DhSpawn;

/* Starts it with default signal dispositions, an empty signal mask, and only 0-2 and `fds` open
 * (the caller's own descriptors must be O_CLOEXEC or are closed by close_range(2)). Failure of
 * execve is reported here. *ret_pidfd (may be NULL) gets a pidfd; the caller reaps. */
gboolean dh_spawn(const DhSpawn *s, pid_t *ret_pid, int *ret_pidfd, GError **error);

/* Raises RLIMIT_NOFILE to what may be had (getrlimit(2)), for this process alone: programs are
 * started with the limit that was found. Once, before there are threads. */
void dh_spawn_raise_files(void);

/* Reaps pid through its pidfd; returns the wait status in shell form (code, or 128 + signal). */
int dh_reap(int pidfd);

/* SPDX-License-Identifier: MIT */
/* pool.h - shims that wait for a container, as shim_start (client.h) takes them. */
#pragma once

#include "shim/client.h"

typedef struct {
	int sock;  /* ours; the shim ends when it is closed */
	int pidfd; /* to reap it by */
	pid_t pid;
} ShimIdle;
#define SHIM_IDLE_NONE                                                                             \
	{                                                                                          \
		.sock = -1, .pidfd = -1                                                            \
	}

void shim_idle_close(ShimIdle *s); /* the descriptors only: who got the shim reaps it */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ShimIdle, shim_idle_close)

/* Ends one that has no container, and reaps it. */
void shim_idle_end(ShimIdle *s);

/* One that waits (*ret_waited), or one that is started now. */
gboolean shim_pool_take(ShimPool *p, ShimIdle *ret, gboolean *ret_waited, GError **error);

/* Lets the pool make up for what was taken; not done by taking, so that it does not compete with
 * the start that took it. */
void shim_pool_refill(ShimPool *p);

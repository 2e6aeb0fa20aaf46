/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a waiting shim holds nothing but its end of a socket pair. It needs no
 * supervision: when we go away, in whatever way, it reads end of file and ends; when it goes away,
 * sending to it fails and the next one is taken. The thread that refills only ever starts programs;
 * a failure to do so is left for somebody who waits for a shim to report.
 */
#include "shim/pool.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/spawn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct ShimPool {
	char *shim_path;
	guint depth;
	GThread *thread; /* NULL: depth is 0 */
	GMutex lock;
	GCond changed;
	/* below: under lock */
	gboolean stop, failed;
	gboolean wanted; /* since the first refill: until then a daemon has better things to do */
	GArray *idle;    /* ShimIdle */
};

void shim_idle_close(ShimIdle *s)
{
	dh_close(&s->sock);
	dh_close(&s->pidfd);
}

void shim_idle_end(ShimIdle *s)
{
	dh_close(&s->sock);
	(void)dh_reap(s->pidfd);
	dh_close(&s->pidfd);
}

static gboolean spawn(const char *shim_path, ShimIdle *ret, GError **error)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return dh_error_errno(error, errno, "socketpair");
	dh_autofd int ours = pair[0];
	dh_autofd int theirs = pair[1];
	char *argv[] = {(char *)"dhow-shim", (char *)SHIM_NO_ID, NULL};
	DhSpawn s = {.path = shim_path,
		.argv = argv,
		.stdio = {-1, -1, STDERR_FILENO},
		.fds = &theirs,
		.n_fds = 1,
		.setsid = TRUE};
	if (!dh_spawn(&s, &ret->pid, &ret->pidfd, error))
		return FALSE;
	ret->sock = dh_steal_fd(&ours);
	return TRUE;
}

static gpointer pool_thread(gpointer data)
{
	ShimPool *p = data;
	g_mutex_lock(&p->lock);
	while (!p->stop) {
		if (!p->wanted || p->failed || p->idle->len >= p->depth) {
			g_cond_wait(&p->changed, &p->lock);
			continue;
		}
		ShimIdle s = SHIM_IDLE_NONE;
		g_mutex_unlock(&p->lock);
		gboolean ok = spawn(p->shim_path, &s, NULL);
		g_mutex_lock(&p->lock);
		p->failed = !ok;
		if (ok)
			g_array_append_val(p->idle, s);
	}
	g_mutex_unlock(&p->lock);
	return NULL;
}

ShimPool *shim_pool_new(const char *shim_path, guint depth)
{
	ShimPool *p = g_new0(ShimPool, 1);
	p->shim_path = g_strdup(shim_path);
	p->depth = depth;
	p->idle = g_array_new(FALSE, FALSE, sizeof(ShimIdle));
	g_mutex_init(&p->lock);
	g_cond_init(&p->changed);
	if (depth)
		p->thread = g_thread_new("shim-pool", pool_thread, p);
	return p;
}

void shim_pool_free(ShimPool *p)
{
	if (!p)
		return;
	g_mutex_lock(&p->lock);
	p->stop = TRUE;
	g_cond_broadcast(&p->changed);
	g_mutex_unlock(&p->lock);
	if (p->thread)
		g_thread_join(p->thread);
	for (guint i = 0; i < p->idle->len; i++)
		shim_idle_end(&g_array_index(p->idle, ShimIdle, i));
	g_array_unref(p->idle);
	g_mutex_clear(&p->lock);
	g_cond_clear(&p->changed);
	g_free(p->shim_path);
	g_free(p);
}

gboolean shim_pool_take(ShimPool *p, ShimIdle *ret, gboolean *ret_waited, GError **error)
{
	g_mutex_lock(&p->lock);
	*ret_waited = p->idle->len > 0;
	if (*ret_waited) {
		*ret = g_array_index(p->idle, ShimIdle, 0);
		g_array_remove_index(p->idle, 0);
	}
	g_mutex_unlock(&p->lock);
	return *ret_waited || spawn(p->shim_path, ret, error);
}

void shim_pool_refill(ShimPool *p)
{
	g_mutex_lock(&p->lock);
	p->failed = FALSE;
	p->wanted = TRUE;
	g_cond_broadcast(&p->changed);
	g_mutex_unlock(&p->lock);
}

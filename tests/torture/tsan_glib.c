/* SPDX-License-Identifier: MIT */
/*
 * tsan_glib.c - theory of operation: GLib's locks are futexes of its own, which ThreadSanitizer
 * cannot see; everything that they guard would be called a race. With -Db_sanitize=thread this file
 * is linked into dhowd, and its functions are taken instead of GLib's: the same locks, and the
 * pools of threads, made of pthreads. (G_SLICE=always-malloc: memory that GLib hands on from one to
 * the next is not seen either.)
 */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#define SHOWN __attribute__((visibility("default")))

/* ---- locks: the first word is the pthread's object, made when it is first used ---- */

static void *object(gpointer *slot, void *(*make)(void), void (*unmake)(void *))
{
	void *p = __atomic_load_n(slot, __ATOMIC_ACQUIRE), *none = NULL;
	if (p)
		return p;
	p = make();
	if (__atomic_compare_exchange_n(slot, &none, p, FALSE, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return p;
	unmake(p);
	return none;
}

static void *make_mutex(void)
{
	pthread_mutex_t *m = malloc(sizeof *m);
	pthread_mutex_init(m, NULL);
	return m;
}

static void *make_rec_mutex(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t *m = malloc(sizeof *m);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(m, &attr);
	return m;
}

static void unmake_mutex(void *m)
{
	pthread_mutex_destroy(m);
	free(m);
}

static void *make_cond(void)
{
	pthread_condattr_t attr;
	pthread_cond_t *c = malloc(sizeof *c);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	return c;
}

static void unmake_cond(void *c)
{
	pthread_cond_destroy(c);
	free(c);
}

static void *make_rw(void)
{
	pthread_rwlock_t *l = malloc(sizeof *l);
	pthread_rwlock_init(l, NULL);
	return l;
}

static void unmake_rw(void *l)
{
	pthread_rwlock_destroy(l);
	free(l);
}

static pthread_mutex_t *mutex(GMutex *m)
{
	return object(&m->p, make_mutex, unmake_mutex);
}

static pthread_mutex_t *rec_mutex(GRecMutex *m)
{
	return object(&m->p, make_rec_mutex, unmake_mutex);
}

static pthread_cond_t *cond(GCond *c)
{
	return object(&c->p, make_cond, unmake_cond);
}

static pthread_rwlock_t *rw(GRWLock *l)
{
	return object(&l->p, make_rw, unmake_rw);
}

static void clear(gpointer *slot, void (*unmake)(void *))
{
	if (*slot)
		unmake(*slot);
	*slot = NULL;
}

SHOWN void g_mutex_init(GMutex *m)
{
	m->p = NULL;
}

SHOWN void g_mutex_clear(GMutex *m)
{
	clear(&m->p, unmake_mutex);
}

SHOWN void g_mutex_lock(GMutex *m)
{
	pthread_mutex_lock(mutex(m));
}

SHOWN void g_mutex_unlock(GMutex *m)
{
	pthread_mutex_unlock(mutex(m));
}

SHOWN gboolean g_mutex_trylock(GMutex *m)
{
	return pthread_mutex_trylock(mutex(m)) == 0;
}

SHOWN void g_rec_mutex_init(GRecMutex *m)
{
	m->p = NULL;
}

SHOWN void g_rec_mutex_clear(GRecMutex *m)
{
	clear(&m->p, unmake_mutex);
}

SHOWN void g_rec_mutex_lock(GRecMutex *m)
{
	pthread_mutex_lock(rec_mutex(m));
}

SHOWN void g_rec_mutex_unlock(GRecMutex *m)
{
	pthread_mutex_unlock(rec_mutex(m));
}

SHOWN void g_rw_lock_init(GRWLock *l)
{
	l->p = NULL;
}

SHOWN void g_rw_lock_clear(GRWLock *l)
{
	clear(&l->p, unmake_rw);
}

SHOWN void g_rw_lock_reader_lock(GRWLock *l)
{
	pthread_rwlock_rdlock(rw(l));
}

SHOWN void g_rw_lock_reader_unlock(GRWLock *l)
{
	pthread_rwlock_unlock(rw(l));
}

SHOWN void g_rw_lock_writer_lock(GRWLock *l)
{
	pthread_rwlock_wrlock(rw(l));
}

SHOWN void g_rw_lock_writer_unlock(GRWLock *l)
{
	pthread_rwlock_unlock(rw(l));
}

SHOWN void g_cond_init(GCond *c)
{
	c->p = NULL;
}

SHOWN void g_cond_clear(GCond *c)
{
	clear(&c->p, unmake_cond);
}

SHOWN void g_cond_wait(GCond *c, GMutex *m)
{
	pthread_cond_wait(cond(c), mutex(m));
}

SHOWN gboolean g_cond_wait_until(GCond *c, GMutex *m, gint64 end)
{
	struct timespec ts = {end / G_USEC_PER_SEC, end % G_USEC_PER_SEC * 1000};
	return pthread_cond_timedwait(cond(c), mutex(m), &ts) != ETIMEDOUT;
}

SHOWN void g_cond_signal(GCond *c)
{
	pthread_cond_signal(cond(c));
}

SHOWN void g_cond_broadcast(GCond *c)
{
	pthread_cond_broadcast(cond(c));
}

/* ---- once: one lock for all, held from enter to leave ---- */

static pthread_mutex_t *once_lock(void)
{
	static gpointer slot;
	return object(&slot, make_rec_mutex, unmake_mutex);
}

#undef g_once_init_enter
SHOWN gboolean g_once_init_enter(volatile void *location)
{
	gsize *value = (gsize *)location;
	if (__atomic_load_n(value, __ATOMIC_ACQUIRE))
		return FALSE;
	pthread_mutex_lock(once_lock());
	if (!__atomic_load_n(value, __ATOMIC_ACQUIRE))
		return TRUE;
	pthread_mutex_unlock(once_lock());
	return FALSE;
}

#undef g_once_init_leave
SHOWN void g_once_init_leave(volatile void *location, gsize result)
{
	__atomic_store_n((gsize *)location, result, __ATOMIC_RELEASE);
	pthread_mutex_unlock(once_lock());
}

SHOWN gpointer g_once_impl(GOnce *once, GThreadFunc func, gpointer arg)
{
	pthread_mutex_lock(once_lock());
	if (once->status != G_ONCE_STATUS_READY) {
		once->retval = func(arg);
		__atomic_store_n(&once->status, G_ONCE_STATUS_READY, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(once_lock());
	return once->retval;
}

/* ---- pools ---- */

typedef struct {
	GThreadPool public;
	pthread_mutex_t lock;
	pthread_cond_t more, ended;
	GQueue queue;
	gint max, threads, idle;
	gboolean closing;
} Pool;

static void *pool_thread(void *arg)
{
	Pool *p = arg;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (g_queue_is_empty(&p->queue) && !p->closing) {
			p->idle++;
			pthread_cond_wait(&p->more, &p->lock);
			p->idle--;
		}
		if (g_queue_is_empty(&p->queue))
			break;
		gpointer data = g_queue_pop_head(&p->queue);
		pthread_mutex_unlock(&p->lock);
		p->public.func(data, p->public.user_data);
		pthread_mutex_lock(&p->lock);
		if (p->max >= 0 && p->threads > p->max)
			break;
	}
	p->threads--;
	pthread_cond_broadcast(&p->ended);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

SHOWN GThreadPool *g_thread_pool_new(
	GFunc func, gpointer arg, gint max_threads, gboolean exclusive, GError **error)
{
	Pool *p = g_new0(Pool, 1);
	(void)error;
	p->public = (GThreadPool){func, arg, exclusive};
	p->max = max_threads;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	pthread_cond_init(&p->ended, NULL);
	g_queue_init(&p->queue);
	return &p->public;
}

/* With the lock held: one more, if somebody waits for it and there may be one. */
static gboolean add_thread(Pool *p, gint waiting)
{
	pthread_t t;
	if (p->idle >= waiting || (p->max >= 0 && p->threads >= p->max) ||
		pthread_create(&t, NULL, pool_thread, p) != 0)
		return FALSE;
	pthread_detach(t);
	p->threads++;
	return TRUE;
}

SHOWN gboolean g_thread_pool_set_max_threads(GThreadPool *pool, gint max_threads, GError **error)
{
	Pool *p = (Pool *)pool;
	(void)error;
	pthread_mutex_lock(&p->lock);
	p->max = max_threads;
	for (gint n = (gint)g_queue_get_length(&p->queue); n > 0 && add_thread(p, n); n--)
		;
	pthread_mutex_unlock(&p->lock);
	return TRUE;
}

SHOWN gboolean g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error)
{
	Pool *p = (Pool *)pool;
	(void)error;
	pthread_mutex_lock(&p->lock);
	g_queue_push_tail(&p->queue, data);
	(void)add_thread(p, (gint)g_queue_get_length(&p->queue));
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
	return TRUE;
}

SHOWN gint g_thread_pool_get_max_threads(GThreadPool *pool)
{
	Pool *p = (Pool *)pool;
	pthread_mutex_lock(&p->lock);
	gint max = p->max;
	pthread_mutex_unlock(&p->lock);
	return max;
}

SHOWN guint g_thread_pool_get_num_threads(GThreadPool *pool)
{
	Pool *p = (Pool *)pool;
	pthread_mutex_lock(&p->lock);
	guint n = (guint)p->threads;
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* Its memory stays: who does not wait leaves threads that use it, and there are few pools. */
SHOWN void g_thread_pool_free(GThreadPool *pool, gboolean immediate, gboolean wait)
{
	Pool *p = (Pool *)pool;
	pthread_mutex_lock(&p->lock);
	p->closing = TRUE;
	if (immediate)
		g_queue_clear(&p->queue);
	pthread_cond_broadcast(&p->more);
	while (wait && p->threads > 0)
		pthread_cond_wait(&p->ended, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

/* ---- errors ---- */

/* GLib makes the lock of its table of error domains when it first needs it, and is not seen doing
 * so: that shall not be while there are threads. */
__attribute__((constructor)) static void first_error(void)
{
	g_error_free(g_error_new_literal(G_FILE_ERROR, 0, ""));
}

/* ---- processes ---- */

void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
void AnnotateIgnoreSyncBegin(const char *file, int line);
void AnnotateIgnoreSyncEnd(const char *file, int line);
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);

/* ThreadSanitizer takes every clone for a fork and no longer watches either side. With CLONE_VM
 * (base/spawn.c) the child is the very thread that waits for it, but with descriptors of its own:
 * it is not looked at. */
SHOWN int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	va_list more;
	va_start(more, arg);
	void *parent_tid = va_arg(more, void *), *tls = va_arg(more, void *);
	void *child_tid = va_arg(more, void *);
	va_end(more);
	AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
	AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
	AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
	int pid = __clone(fn, stack, flags, arg, parent_tid, tls, child_tid);
	AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
	AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
	AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
	return pid;
}

/* SPDX-License-Identifier: MIT */
#include "base/trace.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MARKS_MAX = 2048 };

typedef struct {
	int64_t at;
	int64_t pid;
	const char *what; /* a child has our text at our addresses */
} Mark;

struct DhTrace {
	atomic_uint used; /* may count beyond the end */
	unsigned taken;
	Mark marks[MARKS_MAX];
};

struct DhTrace *dh_trace_ring;

static atomic_bool on;

static GMutex adopted_lock;
static json_t *adopted; /* under the lock */

gboolean dh_trace_on(void)
{
	return atomic_load(&on);
}

void dh_trace_adopt(json_t *marks)
{
	g_mutex_lock(&adopted_lock);
	if (marks && dh_trace_on()) {
		if (!adopted)
			adopted = json_array();
		json_array_extend(adopted, marks);
	}
	g_mutex_unlock(&adopted_lock);
	json_decref(marks);
}

gboolean dh_trace_start(void)
{
	if (!dh_trace_ring) {
		void *p = mmap(NULL, sizeof(struct DhTrace), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return FALSE;
		dh_trace_ring = p;
	}
	dh_trace_ring->taken = 0;
	for (unsigned i = 0; i < MARKS_MAX; i++)
		dh_trace_ring->marks[i].what = NULL;
	g_mutex_lock(&adopted_lock);
	g_clear_pointer(&adopted, json_decref);
	atomic_store(&on, TRUE);
	g_mutex_unlock(&adopted_lock);
	atomic_store(&dh_trace_ring->used, 0);
	return TRUE;
}

/* The memory stays: another thread may be writing. */
void dh_trace_stop(void)
{
	if (dh_trace_ring)
		atomic_store(&dh_trace_ring->used, MARKS_MAX);
	atomic_store(&on, FALSE);
}

void dh_trace_add(const char *what)
{
	struct timespec t;
	unsigned i = atomic_load(&dh_trace_ring->used);
	if (i >= MARKS_MAX || (i = atomic_fetch_add(&dh_trace_ring->used, 1)) >= MARKS_MAX)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	Mark *m = &dh_trace_ring->marks[i];
	m->at = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	m->pid = getpid();
	atomic_thread_fence(memory_order_release);
	m->what = what;
}

json_t *dh_trace_take(void)
{
	struct DhTrace *t = dh_trace_ring;
	if (!t)
		return NULL;
	g_mutex_lock(&adopted_lock);
	json_t *out = adopted ? adopted : json_array();
	adopted = NULL;
	g_mutex_unlock(&adopted_lock);
	unsigned n = MIN(atomic_load(&t->used), MARKS_MAX);
	for (; t->taken < n; t->taken++) {
		const Mark *m = &t->marks[t->taken];
		if (m->what)
			json_array_append_new(out, json_pack("[I,I,s]", (json_int_t)m->at,
							   (json_int_t)m->pid, m->what));
	}
	return out;
}

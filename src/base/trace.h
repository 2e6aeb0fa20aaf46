/* SPDX-License-Identifier: MIT */
/*
 * trace.h - marks on a timeline, for `dhow --trace`.
 *
 * Off, a mark costs one load and a branch not taken. On, marks go into a ring in shared memory, so
 * that a child made by clone3 writes into its parent's. Times are CLOCK_MONOTONIC, which all
 * processes of a machine share.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdint.h>

struct DhTrace;
extern struct DhTrace *dh_trace_ring;

/* Begins anew. FALSE: no memory; everything else then does nothing. */
gboolean dh_trace_start(void);
/* What was marked, in order: [[ns, pid, "what"], ...]; NULL when off. Tracing goes on; each mark is
 * given out once. */
json_t *dh_trace_take(void);
void dh_trace_stop(void);
gboolean dh_trace_on(void);
/* Marks that another process took: given out by the next dh_trace_take. Takes the reference; NULL
 * is allowed. */
void dh_trace_adopt(json_t *marks);

void dh_trace_add(const char *what);

/* what: a string that lives as long as the program. */
static inline void dh_trace(const char *what)
{
	if (G_UNLIKELY(dh_trace_ring))
		dh_trace_add(what);
}

/* SPDX-License-Identifier: MIT */
/* namespaces.h - which namespaces a container makes and which it joins. Private to launch.c. */
#pragma once

#include "runtime/priv.h"

#include <sched.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

enum { RT_NS_TYPES = 8 };

typedef struct {
	guint64 fresh, joined; /* CLONE_NEW* */
	int fds[RT_NS_TYPES];  /* of those joined by path, else -1 */
	int netns_fd;          /* given by the caller instead of a path, or -1; not owned */
	int userns_fd;         /* likewise */
	const OciTimeOffsets *offsets;
} RtNamespaces;

gboolean rt_ns_plan(
	RtNamespaces *n, const OciSpec *spec, int netns_fd, int userns_fd, GError **error);
/* A new user namespace is made now, and joined like one that was there. */
gboolean rt_ns_make_user(RtNamespaces *n, const OciLinux *l, GError **error);
void rt_ns_clear(RtNamespaces *n);
/* Descriptor of the namespace to be joined, or -1. */
int rt_ns_fd(const RtNamespaces *n, guint64 flag);

/* The order of things asks for a process between: see launch.c. */
gboolean rt_ns_needs_stage(const RtNamespaces *n);

/* In the container's own first process, when there is no stage: everything but user and pid. */
gboolean rt_ns_join(const RtNamespaces *n, GError **error);
/* In the stage: everything, and the clocks' offsets for the children. *ret_left gets the flags that
 * are still to be made with clone. */
gboolean rt_ns_stage(const RtNamespaces *n, int proc, guint64 *ret_left, GError **error);

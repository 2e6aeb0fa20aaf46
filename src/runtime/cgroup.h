/* SPDX-License-Identifier: MIT */
/*
 * cgroup.h - one container's cgroups, named by a path below each hierarchy's root, on cgroup v1, on
 * v2, and on both at once (v1 controllers beside a v2 hierarchy without any). Thread-safe; keeps no
 * state but the host's layout, read once.
 */
#pragma once

#include "runtime/oci.h"

#include <sys/types.h>

typedef enum { RT_CGROUP_NONE, RT_CGROUP_V1, RT_CGROUP_V2, RT_CGROUP_HYBRID } RtCgroupMode;
RtCgroupMode rt_cgroup_mode(void);
/* Where v2 is mounted beside v1; else NULL. */
const char *rt_cgroup_beside_v1(void);

/* Creates the directories (parents too) and applies the limits. On FALSE nothing new is left. A
 * limit whose controller the machine lacks is an error; so is one the kernel refuses, with the
 * file's name. */
gboolean rt_cgroup_create(const char *path, const OciResources *resources, GError **error);

/* Applies changed limits to an existing one; on FALSE all limits are as they were (a hierarchy that
 * it was not in yet it may have joined). */
gboolean rt_cgroup_update(const char *path, const OciResources *resources, GError **error);

/* Moves the calling process (pid 0) or another into it, in every hierarchy. */
gboolean rt_cgroup_enter(const char *path, pid_t pid, GError **error);

gboolean rt_cgroup_freeze(const char *path, gboolean frozen, GError **error);

gboolean rt_cgroup_frozen(const char *path);

/* SIGKILL to every process in it, also frozen ones and newly forked ones (cgroup.kill on v2). */
gboolean rt_cgroup_kill(const char *path, GError **error);

/* Removes it with its children; a missing one is success. Waits for no living process: one that is
 * just ending is given half a second, then EBUSY is an error. */
gboolean rt_cgroup_remove(const char *path, GError **error);

/* Kills what is in it and removes it. A killed process may take its time where the machine is busy
 * or a disk is slow: it is given ten seconds. */
gboolean rt_cgroup_end(const char *path, GError **error);

/* Names of the child groups of path (union over the hierarchies), e.g. to find orphans. Strv. */
char **rt_cgroup_children(const char *path);

/* Host pids of all processes in it and below. GArray of pid_t. */
GArray *rt_cgroup_pids(const char *path, GError **error);

/* How many OOM kills it has seen so far (memory.oom_control / memory.events), -1 unknown. */
int64_t rt_cgroup_oom_kills(const char *path);

/* A descriptor that becomes readable when it may have run out of memory, -1: no such thing; and
 * what to do then. TRUE: it surely has, else the number of kills tells. */
int rt_cgroup_oom_watch(const char *path);
gboolean rt_cgroup_oom_taken(int fd);

typedef struct {
	uint64_t cpu_total, cpu_user, cpu_system; /* ns */
	GArray *cpu_per;                          /* uint64_t a CPU, v1 only, or NULL */
	uint64_t throttled_periods, periods, throttled_time;
	uint64_t memory_usage, memory_max_usage, memory_limit, memory_failcnt;
	GHashTable *memory_stat;           /* char* -> (uint64_t*)g_new: memory.stat as it stands */
	uint64_t pids_current, pids_limit; /* limit 0: none */
	GArray *blkio_bytes, *blkio_ops;   /* RtBlkioStat */
} RtStats;

typedef struct {
	uint64_t major, minor, value;
	char op[16]; /* Read Write Sync Async Discard Total */
} RtBlkioStat;

gboolean rt_cgroup_stats(const char *path, RtStats *ret, GError **error);
void rt_stats_clear(RtStats *s);

/* SPDX-License-Identifier: MIT */
/* proc.h - one process as /proc tells of it, and the few facts of the host that go with it. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
	pid_t pid, ppid, pgrp, session, tpgid;
	char *comm, *args; /* valid UTF-8, unprintable characters replaced */
	char state;
	uint64_t tty, flags, min_flt, maj_flt, utime, stime, start, vsize; /* times in ticks */
	int64_t priority, nice, threads, rss;                              /* rss in pages */
	int64_t processor, rt_priority, policy;
	uid_t ruid, euid;
	gid_t rgid, egid;
	uint64_t locked_kb;
} Proc;

typedef struct {
	int64_t now;   /* ns */
	int64_t boot;  /* ns since 1970 */
	int64_t ticks; /* a second */
	uint64_t memory_kb;
	int64_t page_kb;
} ProcHost;

void proc_host_read(ProcHost *h);
/* FALSE: it is gone. */
gboolean proc_read(pid_t pid, Proc *ret);
void proc_clear(Proc *p);

/* proc_pid_status(5): the whole of it, or NULL; the value of one of its lines, or NULL; whether a
 * set of signals ("SigIgn", "ShdPnd") has one. */
char *proc_status(pid_t pid);
const char *proc_status_field(const char *status, const char *name);
gboolean proc_status_signal(const char *status, const char *set, int number);

/* SPDX-License-Identifier: MIT */
/* How the kernel treats a process among others: scheduler, disk priority, personality, processors,
 * memory nodes. */
#include "base/error.h"
#include "runtime/priv.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct sched_attr of <linux/sched/types.h>, which cannot stand beside <sched.h>: version 0 */
typedef struct {
	guint32 size, policy;
	guint64 flags;
	gint32 nice;
	guint32 priority;
	guint64 runtime, deadline, period;
} SchedAttr;

typedef struct {
	const char *name;
	guint32 value;
} Word;

static const Word policies[] = {
	{"SCHED_OTHER", 0},
	{"SCHED_FIFO", 1},
	{"SCHED_RR", 2},
	{"SCHED_BATCH", 3},
	{"SCHED_ISO", 4},
	{"SCHED_IDLE", 5},
	{"SCHED_DEADLINE", 6},
};

static const Word flags[] = {
	{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
	{"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
	{"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
	{"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
	{"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
	{"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
	{"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
};

static const Word classes[] = {
	{"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT},
	{"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
	{"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE},
};

static const Word domains[] = {
	{"LINUX", PER_LINUX},
	{"LINUX32", PER_LINUX32},
};

static gboolean find(const Word *words, guint n, const char *name, guint32 *ret)
{
	for (guint i = 0; name && i < n; i++) {
		if (strcmp(words[i].name, name) == 0) {
			*ret = words[i].value;
			return TRUE;
		}
	}
	return FALSE;
}
#define FIND(words, name, ret) find(words, G_N_ELEMENTS(words), name, ret)

static gboolean set_scheduler(const OciScheduler *s, GError **error)
{
	SchedAttr a = {
		.size = sizeof a,
		.nice = (gint32)s->nice,
		.priority = (guint32)s->priority,
		.runtime = (guint64)s->runtime,
		.deadline = (guint64)s->deadline,
		.period = (guint64)s->period,
	};
	if (!FIND(policies, s->policy, &a.policy))
		return dh_error(error, DH_ERROR_INVALID, "invalid scheduler policy: %s", s->policy);
	for (char **f = s->flags; f && *f; f++) {
		guint32 bit;
		if (!FIND(flags, *f, &bit))
			return dh_error(error, DH_ERROR_INVALID, "invalid scheduler flag: %s", *f);
		a.flags |= bit;
	}
	return syscall(SYS_sched_setattr, 0, &a, 0) == 0 ||
	       rt_error_errno(error, errno, "error setting scheduler");
}

static gboolean set_io_priority(const OciIoPriority *p, GError **error)
{
	guint32 class;
	if (!FIND(classes, p->class, &class))
		return dh_error(error, DH_ERROR_INVALID, "invalid io priority class: %s", p->class);
	if (p->priority < 0 || p->priority > 7)
		return dh_error(error, DH_ERROR_INVALID, "invalid io priority: %" G_GINT64_FORMAT,
			p->priority);
	int value = (int)(class << IOPRIO_CLASS_SHIFT) | (int)p->priority;
	return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) == 0 ||
	       rt_error_errno(error, errno, "failed to set io priority");
}

gboolean rt_set_personality(const OciPersonality *p, GError **error)
{
	guint32 domain;
	if (!p)
		return TRUE;
	if (!FIND(domains, p->domain, &domain))
		return dh_error(error, DH_ERROR_INVALID, "invalid personality domain %s",
			p->domain ? p->domain : "");
	if (p->flags && *p->flags)
		return dh_error(
			error, DH_ERROR_INVALID, "unsupported personality flag %s", *p->flags);
	return personality(domain) >= 0 || rt_error_errno(error, errno, "set personality");
}

gboolean rt_set_affinity(const char *list, GError **error)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	if (!list || !*list)
		return TRUE;
	g_auto(GStrv) parts = g_strsplit(list, ",", -1);
	for (char **p = parts; *p; p++) {
		char *end;
		guint64 first = g_ascii_strtoull(g_strstrip(*p), &end, 10), last = first;
		if (end != *p && *end == '-')
			last = g_ascii_strtoull(end + 1, &end, 10);
		if (end == *p || *end || first > last || last >= CPU_SETSIZE)
			return dh_error(
				error, DH_ERROR_INVALID, "invalid CPU affinity \"%s\"", list);
		for (guint64 cpu = first; cpu <= last; cpu++)
			CPU_SET((int)cpu, &set);
	}
	return sched_setaffinity(0, sizeof set, &set) == 0 ||
	       rt_error_errno(error, errno, "set CPU affinity %s", list);
}

gboolean rt_set_scheduling(const OciProcess *p, GError **error)
{
	return (!p->scheduler || set_scheduler(p->scheduler, error)) &&
	       (!p->io_priority || set_io_priority(p->io_priority, error));
}

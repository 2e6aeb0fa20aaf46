/* SPDX-License-Identifier: MIT */
#include "container/proc.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/timefmt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STAT_MAX 4096
#define STATUS_MAX (64 * 1024)
#define CMDLINE_MAX (64 * 1024)

void proc_host_read(ProcHost *h)
{
	struct timespec since_boot;
	clock_gettime(CLOCK_BOOTTIME, &since_boot);
	h->now = dh_time_now();
	h->boot = h->now - (since_boot.tv_sec * DH_NSEC + since_boot.tv_nsec);
	h->ticks = sysconf(_SC_CLK_TCK);
	h->page_kb = sysconf(_SC_PAGESIZE) / 1024;
	h->memory_kb = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)h->page_kb;
}

static gboolean parse_stat(char *text, Proc *p)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	if (!open || !close || close < open)
		return FALSE;
	*close = '\0';
	p->comm = g_utf8_make_valid(open + 1, -1);
	uint64_t pgrp, unused;
	int session, tpgid;
	int n = sscanf(close + 1,
		" %c %d %" G_GUINT64_FORMAT " %d %" G_GUINT64_FORMAT " %d %" G_GUINT64_FORMAT
		" %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
		" %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
		" %*d %*d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
		" %*d %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT,
		&p->state, &p->ppid, &pgrp, &session, &p->tty, &tpgid, &p->flags, &p->min_flt,
		&unused, &p->maj_flt, &unused, &p->utime, &p->stime, &p->priority, &p->nice,
		&p->threads, &p->start, &p->vsize, &p->rss);
	p->pgrp = (pid_t)pgrp;
	p->session = session;
	p->tpgid = tpgid;
	if (n != 19)
		return FALSE;
	/* fields 39-41: processor, rt_priority, policy; 24 (rss) was the last one read */
	char *f = close + 2;
	for (int i = 3; i < 39 && f; i++) {
		f = strchr(f, ' ');
		f = f ? f + 1 : NULL;
	}
	if (f && sscanf(f, "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
			 &p->processor, &p->rt_priority, &p->policy) != 3)
		p->processor = p->rt_priority = p->policy = 0;
	return TRUE;
}

static void parse_status(const char *text, Proc *p)
{
	const char *at = strstr(text, "\nUid:");
	unsigned real, effective;
	if (at && sscanf(at + 5, "%u %u", &real, &effective) == 2) {
		p->ruid = real;
		p->euid = effective;
	}
	at = strstr(text, "\nGid:");
	if (at && sscanf(at + 5, "%u %u", &real, &effective) == 2) {
		p->rgid = real;
		p->egid = effective;
	}
	at = strstr(text, "\nVmLck:");
	if (at)
		p->locked_kb = strtoull(at + 7, NULL, 10);
}

/* Arguments joined by spaces; what could upset a terminal becomes '?'. */
static char *command_line(int dir, const Proc *p)
{
	dh_autofd int fd = openat(dir, "cmdline", O_RDONLY | O_CLOEXEC);
	g_autofree char *buf = g_malloc(CMDLINE_MAX + 1);
	ssize_t n = fd >= 0 ? dh_read_full(fd, buf, CMDLINE_MAX) : 0;
	while (n > 0 && buf[n - 1] == '\0')
		n--;
	if (n <= 0)
		return g_strdup_printf("[%s]%s", p->comm, p->state == 'Z' ? " <defunct>" : "");
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\0')
			buf[i] = ' ';
		else if ((unsigned char)buf[i] < 0x20 || buf[i] == 0x7f)
			buf[i] = '?';
	}
	return g_utf8_make_valid(buf, n);
}

static char *read_text(int dir, const char *name)
{
	dh_autofd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	char *buf = g_malloc(STAT_MAX + 1);
	ssize_t n = dh_read_full(fd, buf, STAT_MAX);
	if (n <= 0) {
		g_free(buf);
		return NULL;
	}
	buf[n] = '\0';
	return buf;
}

gboolean proc_read(pid_t pid, Proc *p)
{
	char path[32];
	memset(p, 0, sizeof *p);
	p->pid = pid;
	snprintf(path, sizeof path, "/proc/%d", pid);
	dh_autofd int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return FALSE;
	g_autofree char *stat = read_text(dir, "stat");
	g_autofree char *status = read_text(dir, "status");
	if (!stat || !status || !parse_stat(stat, p)) {
		proc_clear(p);
		return FALSE;
	}
	parse_status(status, p);
	p->args = command_line(dir, p);
	return TRUE;
}

void proc_clear(Proc *p)
{
	g_clear_pointer(&p->comm, g_free);
	g_clear_pointer(&p->args, g_free);
}

char *proc_status(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
	return dh_read_file(AT_FDCWD, path, STATUS_MAX, NULL, NULL);
}

const char *proc_status_field(const char *status, const char *name)
{
	g_autofree char *start = g_strdup_printf("\n%s:", name);
	const char *p = strstr(status, start);
	return p ? p + strlen(start) : NULL;
}

gboolean proc_status_signal(const char *status, const char *set, int number)
{
	const char *mask = proc_status_field(status, set);
	guint64 bits = mask ? g_ascii_strtoull(mask, NULL, 16) : 0;
	return bits >> (number - 1) & 1;
}

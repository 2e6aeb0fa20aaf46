/* SPDX-License-Identifier: MIT */
/*
 * signals.c - whether PID 1 would take notice of a signal. The first process of a PID namespace
 * gets no signal that it has not asked for, not even from outside (only SIGKILL and SIGSTOP): what
 * would end any other process by default is lost on it, and "stop" waits in vain.
 */
#include "container/internal.h"

#include "base/fs.h"
#include "container/proc.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

/* Its number in the innermost of several namespaces is 1. */
static gboolean is_init(const char *status)
{
	const char *ids = proc_status_field(status, "NSpid");
	g_autofree char *line = ids ? g_strndup(ids, strcspn(ids, "\n")) : g_strdup("");
	g_auto(GStrv) words = g_strsplit_set(g_strstrip(line), " \t", -1);
	guint n = g_strv_length(words);
	return n > 1 && strcmp(words[n - 1], "1") == 0;
}

/* While a process waits in sigwait(3), the signals that it waits for do not count as blocked. */
static gboolean is_in_sigwait(gint64 pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/syscall", pid);
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 4096, NULL, NULL);
	return text && g_ascii_strtoll(text, NULL, 10) == SYS_rt_sigtimedwait;
}

gboolean container_ignores_signal(Container *c, int number)
{
	if (number == SIGKILL || number == SIGSTOP || number < 1 || number > 64)
		return FALSE;
	g_mutex_lock(&c->state_lock);
	gint64 pid = c->state.running ? c->state.pid : 0;
	g_mutex_unlock(&c->state_lock);
	if (pid <= 0)
		return FALSE;
	g_autofree char *status = proc_status((pid_t)pid);
	/* A blocked signal waits for somebody who reads it (signalfd, sigwait). */
	if (!status || proc_status_signal(status, "SigBlk", number))
		return FALSE;
	if (proc_status_signal(status, "SigIgn", number))
		return TRUE;
	return is_init(status) && !proc_status_signal(status, "SigCgt", number) &&
	       !is_in_sigwait(pid);
}

int container_stop_signal(const Container *c)
{
	const char *name = c->config->stop_signal;
	return rt_signal_parse(name && *name ? name : "SIGTERM");
}

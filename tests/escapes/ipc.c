/* SPDX-License-Identifier: MIT */
/*
 * ipc - the two programs of the book's ch6_ipc: a producer of messages, and a consumer that can
 * only have them from the same IPC namespace; over a System V queue and, beside it, POSIX shared
 * memory (/dev/shm).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <unistd.h>

typedef struct {
	long type;
	char text[32];
} Message;

static const char segment[] = "/dhow-ch6";

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

static int produce(key_t key)
{
	Message m = {.type = 1};
	int queue = msgget(key, IPC_CREAT | 0600);
	int fd = shm_open(segment, O_RDWR | O_CREAT, 0600);
	if (queue < 0 || fd < 0 || write(fd, "in memory", 9) != 9)
		return fail("produce");
	for (int i = 0;; i++) {
		snprintf(m.text, sizeof m.text, "message %d", i);
		/* Waits when the queue is full. */
		if (msgsnd(queue, &m, sizeof m.text, 0) < 0)
			return fail("send");
		if (i == 0)
			printf("Produced a message!\n");
	}
}

static int consume(key_t key)
{
	Message m;
	char text[16] = "";
	int queue = msgget(key, 0);
	if (queue < 0)
		return fail("no queue");
	if (msgrcv(queue, &m, sizeof m.text, 0, 0) < 0)
		return fail("receive");
	printf("Consumed a message: %s\n", m.text);
	int fd = shm_open(segment, O_RDWR, 0);
	if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
		return fail("no segment");
	printf("Shared memory: %s\n", text);
	return 0;
}

/* Takes the queue and the segment away: those of the host's namespace outlive the containers. */
static int clear(key_t key)
{
	int queue = msgget(key, 0);
	(void)shm_unlink(segment);
	return queue < 0 || msgctl(queue, IPC_RMID, NULL) == 0 ? 0 : fail("remove");
}

int main(int argc, char **argv)
{
	key_t key = 0x64686f77;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && strcmp(argv[1], "-producer") == 0)
		return produce(key);
	if (argc == 2 && strcmp(argv[1], "-consumer") == 0)
		return consume(key);
	if (argc == 2 && strcmp(argv[1], "-clear") == 0)
		return clear(key);
	printf("ipc -producer|-consumer|-clear\n");
	return 2;
}

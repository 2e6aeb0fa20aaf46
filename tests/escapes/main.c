/* SPDX-License-Identifier: MIT */
#include "escape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Attack *const all[] = {call_attacks, file_attacks, process_attacks, mount_attacks};
enum { N_ALL = sizeof all / sizeof *all };

void tell(const char *name, int ok)
{
	const char *word = ok ? "ok" : strerrorname_np(errno);
	printf("%s: %s\n", name, word ? word : "?");
}

void die(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(2);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int k = 0; argc > 1 && k < N_ALL; k++) {
		for (const Attack *a = all[k]; a->name; a++) {
			if (strcmp(a->name, argv[1]) == 0)
				return a->run(argc - 1, argv + 1);
		}
	}
	for (int k = 0; k < N_ALL; k++) {
		for (const Attack *a = all[k]; a->name; a++)
			fprintf(stderr, "escape %s %s\n", a->name, a->usage);
	}
	return 2;
}

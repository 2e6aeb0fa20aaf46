/* SPDX-License-Identifier: MIT */
/*
 * escape.h - attacks on the engine, to be run inside of a container. Each prints what it tried and
 * what came of it, a line a try: "NAME: ok" or "NAME: EPERM". It is the tests that know which of
 * them must fail, and that run each attack where it must succeed, too: an attack that cannot
 * succeed anywhere proves nothing.
 */
#pragma once

#include <stdarg.h>

typedef struct {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the name */
	const char *usage;
} Attack;

/* Ends with a NULL name. */
extern const Attack call_attacks[], file_attacks[], process_attacks[], mount_attacks[];

/* Prints "name: ok" or the errno's name. */
void tell(const char *name, int ok);
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...);

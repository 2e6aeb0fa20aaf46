/* SPDX-License-Identifier: MIT */
#include "shim/shrink.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Set by the linker (ld(1), default scripts). */
extern const char __executable_start, etext;

void shrink_process(void)
{
	malloc_trim(0);
	/* The text is clean and in the page cache: pages that are needed again come back by a minor
	 * fault, those of the start-up code do not. Only the mapping goes, never data. */
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t)&__executable_start & ~(page - 1);
	uintptr_t to = (uintptr_t)&etext & ~(page - 1);
	if (to > from)
		(void)madvise((void *)from, to - from, MADV_DONTNEED);
}

/* SPDX-License-Identifier: MIT */
#include "shim/shrink.h"

#include <glib.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

/* Text and constants are clean and in the page cache: pages that are needed again come back by a
 * minor fault, those of the start-up code do not. Only the mapping goes, never data. */
static int drop_read_only(struct dl_phdr_info *info, size_t size, void *arg)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || (p->p_flags & PF_W))
			continue;
		gsize from = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
		gsize to = info->dlpi_addr + p->p_vaddr + p->p_memsz;
		(void)madvise(GSIZE_TO_POINTER(from), to - from, MADV_DONTNEED);
	}
	return 1; /* the program itself comes first; libraries are shared anyway */
}

void shrink_process(void)
{
	malloc_trim(0);
	(void)dl_iterate_phdr(drop_read_only, NULL);
}

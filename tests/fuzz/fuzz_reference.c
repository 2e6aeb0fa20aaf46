/* SPDX-License-Identifier: MIT */
#include "registry/reference.h"
#include "tests/fuzz/fuzz.h"

/* What is accepted must mean the same when it is written out and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_autoptr(Reference) r = reference_parse(text, NULL);
	if (!r)
		return 0;
	g_autofree char *familiar = reference_familiar(r);
	g_autoptr(Reference) again = reference_parse(familiar, NULL);
	g_assert(again && strcmp(again->domain, r->domain) == 0 &&
		 strcmp(again->path, r->path) == 0);
	g_assert(!r->tag || strcmp(again->tag, r->tag) == 0);
	g_assert(g_strcmp0(again->digest, r->digest) == 0);
	return 0;
}

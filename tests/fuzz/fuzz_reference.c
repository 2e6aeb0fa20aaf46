/* SPDX-License-Identifier: MIT */
#include "registry/reference.h"
#include "tests/fuzz/fuzz.h"

/* What is accepted must mean the same when it is written out whole and read again. (The familiar
 * spelling is ambiguous for a docker.io path that begins like a host; so it is in docker.) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_autoptr(Reference) r = reference_parse(text, NULL);
	if (!r)
		return 0;
	g_autofree char *familiar = reference_familiar(r);
	g_assert(*familiar);
	g_autofree char *whole = g_strconcat(r->domain, "/", r->path, r->tag ? ":" : "",
		r->tag ? r->tag : "", r->digest ? "@" : "", r->digest ? r->digest : "", NULL);
	g_autoptr(Reference) again = reference_parse(whole, NULL);
	g_assert(again && strcmp(again->domain, r->domain) == 0);
	g_assert(strcmp(again->path, r->path) == 0);
	g_assert(g_strcmp0(again->tag, r->tag) == 0);
	g_assert(g_strcmp0(again->digest, r->digest) == 0);
	return 0;
}

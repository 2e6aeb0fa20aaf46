/* SPDX-License-Identifier: MIT */
#include "store/internal.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(ImageCore) c = image_parse((const char *)data, size, NULL);
	if (c)
		g_assert(g_strv_length(c->diff_ids) == g_strv_length(c->chain_ids));
	return 0;
}

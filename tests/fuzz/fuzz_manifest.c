/* SPDX-License-Identifier: MIT */
#include "registry/manifest.h"
#include "store/digest.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(Manifest) m = manifest_parse((const char *)data, size, "text/plain; x", NULL);
	if (!m)
		return 0;
	if (m->manifests) {
		g_auto(Platform) want = {0};
		platform_parse("linux/arm/v7", &want, NULL);
		const Descriptor *d = manifest_choose(m, &want, NULL);
		g_assert(!d || digest_valid(d->digest));
		return 0;
	}
	g_autofree char *text = manifest_build(m->config, m->layers);
	g_autoptr(Manifest) again = manifest_parse(text, strlen(text), NULL, NULL);
	g_assert(again && again->layers->len == m->layers->len);
	return 0;
}

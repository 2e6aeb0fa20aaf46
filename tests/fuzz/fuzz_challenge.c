/* SPDX-License-Identifier: MIT */
#include "registry/auth.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_autoptr(GPtrArray) all = auth_challenges_parse(text);
	for (guint i = 0; i < all->len; i++) {
		const AuthChallenge *c = all->pdata[i];
		g_autofree char *merged = auth_scope_merge(c->scope, c->service);
		g_autofree char *again = auth_scope_merge(merged, merged);
		g_assert(strcmp(merged, again) == 0);
	}
	g_autoptr(RegistryAuth) a = registry_auth_decode(text, NULL);
	g_autoptr(AuthToken) t = auth_token_parse(text, strlen(text), NULL);
	g_assert(!t || *t->token);
	g_assert(!a || strlen(text) > 0 || !a->username);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "container/names.h"
#include "container/names_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void check_words(const char *const *words, guint n)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < n; i++) {
		assert_true(g_hash_table_add(seen, (gpointer)words[i]));
		assert_int_equal(strspn(words[i], "abcdefghijklmnopqrstuvwxyz"), strlen(words[i]));
		assert_in_range(strlen(words[i]), 2, 14);
	}
}

static void words_are_plain_and_unique(void **state)
{
	assert_true(name_n_adjectives >= 90);
	assert_true(name_n_surnames >= 200);
	check_words(name_adjectives, name_n_adjectives);
	check_words(name_surnames, name_n_surnames);
}

static void generated_names_are_valid(void **state)
{
	for (int i = 0; i < 1000; i++) {
		g_autofree char *name = name_generate(i % 2);
		assert_true(name_valid(name, NULL));
		assert_non_null(strchr(name, '_'));
		gboolean digit = g_ascii_isdigit(name[strlen(name) - 1]);
		assert_int_equal(digit, i % 2);
	}
}

static void name_rules(void **state)
{
	static const char *const good[] = {"ab", "a1", "0x", "A.b-c_d", "web.1"};
	static const char *const bad[] = {
		"", "a", "/ab", "-ab", "_ab", ".ab", "a b", "a/b", "äb", "a:b"};
	for (guint i = 0; i < G_N_ELEMENTS(good); i++)
		assert_true(name_valid(good[i], NULL));
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_false(name_valid(bad[i], NULL));
	g_autoptr(GError) error = NULL;
	assert_false(name_valid("a b", &error));
	assert_string_equal(error->message,
		"Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_plain_and_unique),
		cmocka_unit_test(generated_names_are_valid),
		cmocka_unit_test(name_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

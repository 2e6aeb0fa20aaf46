/* SPDX-License-Identifier: MIT */
#include "container/observe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *const allowed[] = {"name", "label", "dangling", NULL};

static Filters *parse(const char *json)
{
	return filters_parse(json, allowed, NULL);
}

static void both_encodings(void **state)
{
	static const char *const texts[] = {
		"{\"name\":[\"a\",\"b\"]}", "{\"name\":{\"a\":true,\"b\":true,\"c\":false}}"};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(Filters) f = parse(texts[i]);
		assert_non_null(f);
		assert_true(filters_has(f, "name"));
		assert_false(filters_has(f, "label"));
		assert_int_equal(g_strv_length(filters_get(f, "name")), 2);
		assert_true(filters_match(f, "name", "b"));
		assert_false(filters_match(f, "name", "c"));
		assert_true(filters_match(f, "label", "whatever"));
	}
	static const char *const empty[] = {
		NULL, "", "{}", "null", "{\"name\":[]}", "{\"name\":{}}"};
	for (guint i = 0; i < G_N_ELEMENTS(empty); i++) {
		g_autoptr(Filters) f = parse(empty[i]);
		assert_non_null(f);
		assert_false(filters_has(f, "name"));
	}
}

static void bad_ones_are_refused(void **state)
{
	static const char *const bad[] = {"{", "[]", "\"x\"", "1", "{\"name\":1}", "{\"name\":[1]}",
		"{\"name\":\"a\"}", "{\"name\":{\"a\":1}}", "{\"name\":[\"a\"]} x"};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		assert_null(filters_parse(bad[i], allowed, &error));
		assert_string_equal(error->message, "invalid filter");
	}
	g_autoptr(GError) error = NULL;
	assert_null(filters_parse("{\"x\":[\"a\"]}", allowed, &error));
	assert_string_equal(error->message, "invalid filter 'x'");
}

static void labels(void **state)
{
	g_autoptr(GHashTable) have = g_hash_table_new(g_str_hash, g_str_equal);
	g_hash_table_insert(have, (gpointer) "a", (gpointer) "1");
	g_hash_table_insert(have, (gpointer) "b", (gpointer) "x=y");
	static const struct {
		const char *json;
		gboolean holds;
	} cases[] = {
		{"{\"label\":[\"a\"]}", TRUE},
		{"{\"label\":[\"a=1\"]}", TRUE},
		{"{\"label\":[\"a=2\"]}", FALSE},
		{"{\"label\":[\"a\",\"b=x=y\"]}", TRUE},
		{"{\"label\":[\"a\",\"c\"]}", FALSE},
		{"{\"label\":[\"a=\"]}", FALSE},
		{"{}", TRUE},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Filters) f = parse(cases[i].json);
		assert_int_equal(filters_match_labels(f, "label", have), cases[i].holds);
	}
	g_autoptr(Filters) f = parse("{\"label\":[\"c\",\"a\"]}");
	assert_false(filters_match_no_labels(f, "label", have));
	assert_false(filters_match_labels(f, "label", NULL));
}

static void patterns(void **state)
{
	g_autoptr(Filters) f = parse("{\"name\":[\"^we\",\"(\",\"x$\"]}");
	assert_true(filters_match_regex(f, "name", "web"));
	assert_true(filters_match_regex(f, "name", "box"));
	assert_true(filters_match_regex(f, "name", "("));
	assert_false(filters_match_regex(f, "name", "aweb"));
	assert_true(filters_match_prefix(f, "name", "x$y"));
	assert_false(filters_match_prefix(f, "name", NULL));
}

static void booleans(void **state)
{
	gboolean v;
	g_autoptr(GError) error = NULL;
	g_autoptr(Filters) yes = parse("{\"dangling\":[\"true\"]}");
	assert_true(filters_get_bool(yes, "dangling", FALSE, &v, NULL) && v);
	g_autoptr(Filters) no = parse("{\"dangling\":[\"0\"]}");
	assert_true(filters_get_bool(no, "dangling", TRUE, &v, NULL) && !v);
	g_autoptr(Filters) none = parse("{}");
	assert_true(filters_get_bool(none, "dangling", TRUE, &v, NULL) && v);
	g_autoptr(Filters) bad = parse("{\"dangling\":[\"maybe\"]}");
	assert_false(filters_get_bool(bad, "dangling", TRUE, &v, &error));
	assert_string_equal(error->message, "invalid filter 'dangling=[maybe]'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_encodings),
		cmocka_unit_test(bad_ones_are_refused),
		cmocka_unit_test(labels),
		cmocka_unit_test(patterns),
		cmocka_unit_test(booleans),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

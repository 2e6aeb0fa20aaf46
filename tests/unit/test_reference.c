/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "registry/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void accepts(void **state)
{
	(void)state;
	static const struct {
		const char *text, *domain, *path, *tag, *digest, *familiar;
	} cases[] = {
		{"nginx", "docker.io", "library/nginx", NULL, NULL, "nginx:latest"},
		{"nginx:1.25-alpine", "docker.io", "library/nginx", "1.25-alpine", NULL,
			"nginx:1.25-alpine"},
		{"user/app", "docker.io", "user/app", NULL, NULL, "user/app:latest"},
		{"docker.io/nginx", "docker.io", "library/nginx", NULL, NULL, "nginx:latest"},
		{"index.docker.io/library/nginx:x", "docker.io", "library/nginx", "x", NULL,
			"nginx:x"},
		{"docker.io/library/a/b", "docker.io", "library/a/b", NULL, NULL,
			"library/a/b:latest"},
		{"localhost/app", "localhost", "app", NULL, NULL, "localhost/app:latest"},
		{"localhost:5000", "docker.io", "library/localhost", "5000", NULL,
			"localhost:5000"},
		{"localhost:5000/a/b:T", "localhost:5000", "a/b", "T", NULL,
			"localhost:5000/a/b:T"},
		{"[::1]:5000/a", "[::1]:5000", "a", NULL, NULL, "[::1]:5000/a:latest"},
		{"reg.example.com/x@sha256:" HEX, "reg.example.com", "x", NULL, "sha256:" HEX,
			"reg.example.com/x@sha256:" HEX},
		{"x:t@sha256:" HEX, "docker.io", "library/x", "t", "sha256:" HEX,
			"x:t@sha256:" HEX},
		{"a--b__c/d.e_f", "docker.io", "a--b__c/d.e_f", NULL, NULL, "a--b__c/d.e_f:latest"},
		{"UPPER/app", "UPPER", "app", NULL, NULL, "UPPER/app:latest"},
		{"sha256:abc", "docker.io", "library/sha256", "abc", NULL, "sha256:abc"},
		{"x:_", "docker.io", "library/x", "_", NULL, "x:_"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(Reference) r = reference_parse(cases[i].text, &error);
		if (!r)
			fail_msg("%s: %s", cases[i].text, error->message);
		assert_string_equal(r->domain, cases[i].domain);
		assert_string_equal(r->path, cases[i].path);
		assert_int_equal(g_strcmp0(r->tag, cases[i].tag), 0);
		assert_int_equal(g_strcmp0(r->digest, cases[i].digest), 0);
		g_autofree char *familiar = reference_familiar(r);
		assert_string_equal(familiar, cases[i].familiar);
	}
}

static void refuses(void **state)
{
	(void)state;
	static const char format[] = "invalid reference format";
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", format},
		{":", format},
		{"x:", format},
		{":x", format},
		{"a b", format},
		{"-a", format},
		{"a-", format},
		{"a..b", format},
		{"a___b", format},
		{"a//b", format},
		{"/a", format},
		{"a/", format},
		{"x:.t", format},
		{"x:-t", format},
		{"x:t:t", format},
		{"x@", format},
		{"x@sha256:12", format},
		{"x@:" HEX, format},
		{"ex-.com/a", format},
		{"ex.com:/a", format},
		{"ex.com:5a/a", format},
		{"a\xc3\xa9", format},
		{"x/../y", format},
		{"Foo", "invalid reference format: repository name (library/Foo) must be "
			"lowercase"},
		{"user/App:T",
			"invalid reference format: repository name (user/App) must be lowercase"},
		{HEX, "invalid repository name (" HEX
		      "), cannot specify 64-byte hexadecimal strings"},
		{"x@sha256:" HEX "00", "invalid checksum digest length"},
		{"x@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
			"invalid checksum digest format"},
		{"x@md5:0123456789abcdef0123456789abcdef", "unsupported digest algorithm"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(Reference) r = reference_parse(cases[i].text, &error);
		if (r)
			fail_msg("\"%s\" was accepted", cases[i].text);
		assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_INVALID));
		assert_string_equal(error->message, cases[i].message);
	}
}

static void lengths(void **state)
{
	(void)state;
	char text[300];
	g_autoptr(GError) error = NULL;
	/* docker.io/library/ are 18 of 255 */
	memset(text, 'a', sizeof text);
	text[237] = '\0';
	g_autoptr(Reference) longest = reference_parse(text, &error);
	assert_non_null(longest);
	text[237] = 'a';
	text[238] = '\0';
	assert_null(reference_parse(text, &error));
	assert_string_equal(error->message, "repository name must not be more than 255 characters");

	memset(text, 't', sizeof text);
	text[128] = '\0';
	assert_true(reference_valid_tag(text));
	text[128] = 't';
	text[129] = '\0';
	assert_false(reference_valid_tag(text));
	assert_false(reference_valid_tag(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses),
		cmocka_unit_test(lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

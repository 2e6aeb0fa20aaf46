/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "registry/auth.h"
#include "registry/endpoint.h"
#include "registry/manifest.h"
#include "registry/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* ---- challenges ---- */

static void challenges(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		guint n;
		const char *scheme, *realm, *service, *scope; /* of the first */
	} cases[] = {
		{"Basic realm=\"x y\"", 1, "basic", "x y", NULL, NULL},
		{"Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:a/b:pull,push\"", 1,
			"bearer", "https://a/t", "s", "repository:a/b:pull,push"},
		{"BEARER  realm = \"q\\\"uote\" , service=token", 1, "bearer", "q\"uote", "token",
			NULL},
		{"Negotiate, Basic realm=\"r\"", 2, "negotiate", NULL, NULL, NULL},
		{"Basic realm=\"r\", Bearer realm=\"b\"", 2, "basic", "r", NULL, NULL},
		{"Bearer realm=\"open", 1, "bearer", "open", NULL, NULL},
		{"Bearer realm=\"a\",realm=\"b\"", 1, "bearer", "a", NULL, NULL},
		{"", 0, NULL, NULL, NULL, NULL},
		{"=,\"\x01", 0, NULL, NULL, NULL, NULL},
		{"Bearer", 1, "bearer", NULL, NULL, NULL},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GPtrArray) all = auth_challenges_parse(cases[i].header);
		if (all->len != cases[i].n)
			fail_msg("%s: %u", cases[i].header, all->len);
		if (all->len == 0)
			continue;
		const AuthChallenge *c = all->pdata[0];
		assert_string_equal(c->scheme, cases[i].scheme);
		assert_int_equal(g_strcmp0(c->realm, cases[i].realm), 0);
		assert_int_equal(g_strcmp0(c->service, cases[i].service), 0);
		assert_int_equal(g_strcmp0(c->scope, cases[i].scope), 0);
	}
	g_autoptr(GPtrArray) none = auth_challenges_parse(NULL);
	assert_int_equal(none->len, 0);
}

static void scopes(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b, *merged;
	} cases[] = {
		{"repository:a:pull", "repository:a:pull", "repository:a:pull"},
		{"repository:a:pull,push", "repository:b/c:pull",
			"repository:a:pull,push repository:b/c:pull"},
		{"repository:a:pull", "repository:a:push,pull", "repository:a:pull,push"},
		{"", NULL, ""},
		{"repository:h:5000/a:pull", "nonsense", "repository:h:5000/a:pull"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *is = auth_scope_merge(cases[i].a, cases[i].b);
		assert_string_equal(is, cases[i].merged);
	}
}

static void credentials(void **state)
{
	(void)state;
	static const struct {
		const char *json, *user, *password, *identity;
	} cases[] = {
		{"{\"username\":\"joe\",\"password\":\"s\"}", "joe", "s", NULL},
		{"{\"username\":\"\xc3\xbf\xc3\xbe?>\",\"password\":\"a:b\",\"email\":\"x\"}",
			"\xc3\xbf\xc3\xbe?>", "a:b", NULL},
		{"{\"identitytoken\":\"tok\"}", NULL, NULL, "tok"},
		{"{}", NULL, NULL, NULL},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *standard =
			g_base64_encode((const guchar *)cases[i].json, strlen(cases[i].json));
		g_autofree char *url = g_strdelimit(g_strdup(standard), "+", '-');
		g_strdelimit(url, "/", '_');
		url[strcspn(url, "=")] = '\0';
		const char *const both[] = {standard, url};
		for (int k = 0; k < 2; k++) {
			g_autoptr(RegistryAuth) a = registry_auth_decode(both[k], NULL);
			assert_non_null(a);
			assert_int_equal(g_strcmp0(a->username, cases[i].user), 0);
			assert_int_equal(g_strcmp0(a->password, cases[i].password), 0);
			assert_int_equal(g_strcmp0(a->identity_token, cases[i].identity), 0);
		}
	}
	g_autoptr(RegistryAuth) nobody = registry_auth_decode("", NULL);
	assert_non_null(nobody);
	static const char *const wrong[] = {"!!!", "e30g{", "W10=", "bm90IGpzb24="};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		assert_null(registry_auth_decode(wrong[i], &error));
		assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_INVALID));
	}
	RegistryAuth joe = {.username = (char *)"joe", .password = (char *)"secret"};
	g_autofree char *basic = registry_auth_basic(&joe);
	assert_string_equal(basic, "Authorization: Basic am9lOnNlY3JldA==");
}

static void tokens(void **state)
{
	(void)state;
	static const struct {
		const char *text, *token, *refresh;
		int64_t life;
	} cases[] = {
		{"{\"token\":\"t\"}", "t", NULL, 60},
		{"{\"access_token\":\"a\",\"expires_in\":300}", "a", NULL, 300},
		{"{\"token\":\"t\",\"access_token\":\"a\",\"refresh_token\":\"r\",\"expires_in\":"
		 "1}",
			"t", "r", 60},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(AuthToken) t =
			auth_token_parse(cases[i].text, strlen(cases[i].text), NULL);
		assert_non_null(t);
		assert_string_equal(t->token, cases[i].token);
		assert_int_equal(g_strcmp0(t->refresh_token, cases[i].refresh), 0);
		assert_int_equal(t->expires_in, cases[i].life);
	}
	static const char *const wrong[] = {
		"", "{}", "[]", "{\"token\":5}", "{\"token\":\"a\\r\\nX: y\"}", "{\"token\":\"\"}"};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_null(auth_token_parse(wrong[i], strlen(wrong[i]), NULL));
}

/* ---- manifests ---- */

#define CONFIG                                                                                     \
	"\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"digest\":\"sha256:" A64              \
	"\",\"size\":7}"
#define LAYER(type, size)                                                                          \
	"{\"mediaType\":\"" type "\",\"digest\":\"sha256:" B64 "\",\"size\":" #size "}"
#define LAYER_GZIP LAYER("application/vnd.oci.image.layer.v1.tar+gzip", 9)

static void manifests(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error; /* NULL: it is good */
	} cases[] = {
		{"{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER_GZIP "]}", NULL},
		{"{\"schemaVersion\":2," CONFIG ",\"layers\":[]}", NULL},
		{"{\"schemaVersion\":2," CONFIG
		 ",\"layers\":[" LAYER("application/vnd.oci.image.layer.v1.tar+zstd", 9) "]}",
			NULL},
		{"{\"schemaVersion\":2,\"manifests\":[]}", NULL},
		{"{\"schemaVersion\":1,\"name\":\"x\",\"fsLayers\":[]}", "schema 1 is not"},
		{"{\"schemaVersion\":3}", "schemaVersion"},
		{"{\"schemaVersion\":2}", "neither"},
		{"{\"schemaVersion\":2,\"manifests\":[]," CONFIG "}", "or both"},
		{"{\"schemaVersion\":2," CONFIG "}", "list is missing"},
		{"{\"schemaVersion\":2," CONFIG
		 ",\"layers\":[" LAYER("application/vnd.oci.image.layer.v1.tar+gzip", -1) "]}",
			"size of"},
		{"{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER("text/plain", 3) "]}",
			"unsupported layer media type"},
		{"{\"schemaVersion\":2," CONFIG
		 ",\"layers\":[{\"digest\":\"sha256:../../etc\",\"size\":1}]}",
			"no sha256 digest"},
		{"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/x-helm\",\"digest\":"
		 "\"sha256:" A64 "\",\"size\":7},\"layers\":[]}",
			"Encountered remote \"application/x-helm\"(unknown)"},
		{"[]", ""},
		{"nonsense", "invalid manifest"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(Manifest) m = manifest_parse(
			cases[i].text, strlen(cases[i].text), "text/x; charset=y", &error);
		if (!m != (cases[i].error != NULL))
			fail_msg("%s: %s", cases[i].text, error ? error->message : "good");
		if (!m && !strstr(error->message, cases[i].error))
			fail_msg("%s: %s", cases[i].text, error->message);
		if (m)
			assert_string_equal(m->media_type, "text/x");
	}
}

#define ENTRY(digit, os, arch, variant, more)                                                      \
	"{\"digest\":\"sha256:"                                                                    \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" digit                    \
	"\",\"size\":5,\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch                   \
	"\",\"variant\":\"" variant "\"}" more "}"

static void platforms(void **state)
{
	(void)state;
	static const char index[] =
		"{\"schemaVersion\":2,\"manifests\":[" ENTRY("0", "unknown", "unknown", "",
			",\"annotations\":{\"vnd.docker.reference.type\":\"attestation-"
			"manifest\"}") "," ENTRY("1", "linux", "arm", "v6", "") "," ENTRY("2",
			"linux", "arm", "v7", "") "," ENTRY("3", "linux", "arm64", "v8",
			"") "," ENTRY("4", "windows", "amd64", "", "") "," ENTRY("5", "linux",
			"amd64", "", "") "," ENTRY("6", "linux", "386", "", "") "]}";
	static const struct {
		const char *want, *digit; /* NULL: none */
	} cases[] = {
		{"linux/amd64", "5"},
		{"linux/x86_64", "5"},
		{"amd64", "5"},
		{"linux/arm64", "3"},
		{"aarch64", "3"},
		{"linux/arm/v7", "2"},
		{"linux/arm", "2"},
		{"linux/arm/v6", "1"},
		{"linux/arm/v5", NULL},
		{"linux/386", "6"},
		{"linux/s390x", NULL},
		{"windows/amd64", "4"},
	};
	g_autoptr(Manifest) m = manifest_parse(index, strlen(index), NULL, NULL);
	assert_non_null(m);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(Platform) p = {0};
		g_autoptr(GError) error = NULL;
		assert_true(platform_parse(cases[i].want, &p, NULL));
		const Descriptor *d = manifest_choose(m, &p, &error);
		if (!cases[i].digit) {
			assert_null(d);
			assert_non_null(strstr(error->message, "in the manifest list entries"));
			continue;
		}
		if (!d || d->digest[strlen(d->digest) - 1] != *cases[i].digit)
			fail_msg("%s: %s", cases[i].want, d ? d->digest : "none");
	}
	static const char *const wrong[] = {"linux/amd64/v1/x", "linux//x", "li nux", "a/\x01"};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_auto(Platform) p = {0};
		assert_false(platform_parse(wrong[i], &p, NULL));
	}
}

/* Docker's digest of such a manifest depends on every blank. */
static void building(void **state)
{
	(void)state;
	Descriptor config = {.digest = (char *)"sha256:" A64, .media_type = (char *)"", .size = 7};
	Descriptor layer = {.digest = (char *)"sha256:" B64, .media_type = (char *)"", .size = 9};
	g_autoptr(GPtrArray) layers = g_ptr_array_new();
	g_ptr_array_add(layers, &layer);
	g_autofree char *text = manifest_build(&config, layers);
	assert_string_equal(text,
		"{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"" MEDIA_DOCKER_MANIFEST
		"\",\n   \"config\": {\n      \"mediaType\": \"" MEDIA_DOCKER_CONFIG
		"\",\n      \"size\": 7,\n      \"digest\": \"sha256:" A64
		"\"\n   },\n   \"layers\": [\n      {\n         \"mediaType\": "
		"\"" MEDIA_DOCKER_LAYER
		"\",\n         \"size\": 9,\n         \"digest\": \"sha256:" B64
		"\"\n      }\n   ]\n}");
	g_autoptr(Manifest) back = manifest_parse(text, strlen(text), NULL, NULL);
	assert_non_null(back);
	assert_int_equal(back->layers->len, 1);
}

/* ---- addresses ---- */

static void addresses(void **state)
{
	(void)state;
	char *insecure[] = {(char *)"plain.example:5000", (char *)"10.9.0.0/16", NULL};
	char *mirrors[] = {(char *)"http://127.0.0.1:1/", (char *)"https://m.example/sub", NULL};
	const RegistryConfig c = {.insecure = insecure, .mirrors = mirrors};
	static const struct {
		const char *domain;
		gboolean mirrors;
		const char *urls; /* joined by blanks */
	} cases[] = {
		{"docker.io", TRUE,
			"http://127.0.0.1:1 https://m.example/sub https://registry-1.docker.io"},
		{"docker.io", FALSE, "https://registry-1.docker.io"},
		{"127.3.2.1:5000", TRUE, "https://127.3.2.1:5000 http://127.3.2.1:5000"},
		{"localhost:5000", TRUE, "https://localhost:5000 http://localhost:5000"},
		{"[::1]:5000", TRUE, "https://[::1]:5000 http://[::1]:5000"},
		{"10.9.8.7", TRUE, "https://10.9.8.7 http://10.9.8.7"},
		{"10.10.8.7", TRUE, "https://10.10.8.7"},
		{"plain.example:5000", TRUE,
			"https://plain.example:5000 http://plain.example:5000"},
		{"192.0.2.1:5001", TRUE, "https://192.0.2.1:5001"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GPtrArray) list =
			endpoints_of(&c, cases[i].domain, cases[i].mirrors, NULL);
		g_autoptr(GString) urls = g_string_new(NULL);
		for (guint k = 0; k < list->len; k++)
			g_string_append_printf(urls, "%s%s", k ? " " : "",
				((const Endpoint *)list->pdata[k])->url);
		assert_string_equal(urls->str, cases[i].urls);
	}
	assert_true(registry_config_check(&c, NULL));
}

static void bad_configurations(void **state)
{
	(void)state;
	static const struct {
		const char *insecure, *mirror, *error;
	} cases[] = {
		{"http://x:5000", NULL, "insecure registry http://x:5000 should not contain '://'"},
		{"a b", NULL, "insecure registry a b is not valid"},
		{NULL, "ftp://x", "invalid mirror: unsupported scheme \"ftp\" in \"ftp://x\""},
		{NULL, "https://u:p@x", "username/password not allowed"},
		{NULL, "https://x/?q", "query or fragment"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		char *insecure[] = {(char *)cases[i].insecure, NULL};
		char *mirrors[] = {(char *)cases[i].mirror, NULL};
		const RegistryConfig c = {.insecure = insecure, .mirrors = mirrors};
		g_autoptr(GError) error = NULL;
		assert_false(registry_config_check(&c, &error));
		if (!strstr(error->message, cases[i].error))
			fail_msg("%s", error->message);
	}
	const RegistryConfig c = {.max_downloads = -1};
	assert_false(registry_config_check(&c, NULL));
}

static void backoff(void **state)
{
	(void)state;
	assert_true(session_backoff_ms(1, -1) < session_backoff_ms(2, -1));
	assert_int_equal(session_backoff_ms(50, -1), session_backoff_ms(60, -1));
	assert_int_equal(session_backoff_ms(1, 7), 7000);
	assert_true(session_backoff_ms(1, 3600) <= 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenges),
		cmocka_unit_test(scopes),
		cmocka_unit_test(credentials),
		cmocka_unit_test(tokens),
		cmocka_unit_test(manifests),
		cmocka_unit_test(platforms),
		cmocka_unit_test(building),
		cmocka_unit_test(addresses),
		cmocka_unit_test(bad_configurations),
		cmocka_unit_test(backoff),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

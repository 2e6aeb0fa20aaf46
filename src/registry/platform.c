/* SPDX-License-Identifier: MIT */
#include "registry/platform.h"

#include "base/error.h"

#include <string.h>
#include <sys/utsname.h>

static const char *text_at(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

void platform_clear(Platform *p)
{
	g_free(p->os);
	g_free(p->architecture);
	g_free(p->variant);
	*p = (Platform){0};
}

/* Spellings of one thing, and the variant that each means. */
static void normalise(Platform *p)
{
	static const struct {
		const char *written, *architecture, *variant;
	} spellings[] = {
		{"x86_64", "amd64", ""},
		{"x86-64", "amd64", ""},
		{"aarch64", "arm64", ""},
		{"armhf", "arm", "v7"},
		{"armel", "arm", "v6"},
		{"armv7l", "arm", "v7"},
		{"armv6l", "arm", "v6"},
		{"i386", "386", ""},
		{"i686", "386", ""},
	};
	static const struct {
		const char *architecture, *said, *means;
	} variants[] = {
		{"arm64", "v8", ""},
		{"arm64", "8", ""},
		{"amd64", "v1", ""},
		{"arm", "", "v7"},
		{"arm", "5", "v5"},
		{"arm", "6", "v6"},
		{"arm", "7", "v7"},
		{"arm", "8", "v8"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(spellings); i++) {
		if (strcmp(p->architecture, spellings[i].written) != 0)
			continue;
		g_free(p->architecture);
		p->architecture = g_strdup(spellings[i].architecture);
		if (!*p->variant) {
			g_free(p->variant);
			p->variant = g_strdup(spellings[i].variant);
		}
		break;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(variants); i++) {
		if (strcmp(p->architecture, variants[i].architecture) == 0 &&
			strcmp(p->variant, variants[i].said) == 0) {
			g_free(p->variant);
			p->variant = g_strdup(variants[i].means);
			break;
		}
	}
}

static char *machine(void)
{
	struct utsname u;
	return g_strdup(uname(&u) == 0 ? u.machine : "x86_64");
}

static gboolean valid_component(const char *s)
{
	size_t n = strlen(s);
	for (const char *p = s; *p; p++)
		if (!g_ascii_isalnum(*p) && !strchr("_.-", *p))
			return FALSE;
	return n > 0 && n <= 64;
}

gboolean platform_parse(const char *text, Platform *ret, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text ? text : "", "/", 5);
	guint n = g_strv_length(parts);
	if (n > 3)
		return dh_error(error, DH_ERROR_INVALID,
			"\"%s\": cannot parse platform specifier: invalid argument", text);
	for (guint i = 0; i < n; i++)
		if (!valid_component(parts[i]))
			return dh_error(error, DH_ERROR_INVALID,
				"\"%s\" is an invalid component of \"%s\": platform specifier "
				"component must match \"^[A-Za-z0-9_-]+$\": invalid argument",
				parts[i], text);
	gboolean one_is_arch = n == 1 && g_ascii_strcasecmp(parts[0], "linux") != 0 &&
			       g_ascii_strcasecmp(parts[0], "windows") != 0 &&
			       g_ascii_strcasecmp(parts[0], "darwin") != 0 &&
			       g_ascii_strcasecmp(parts[0], "freebsd") != 0;
	ret->os = g_ascii_strdown(n && !one_is_arch ? parts[0] : "linux", -1);
	g_autofree char *here = machine();
	ret->architecture = g_ascii_strdown(one_is_arch ? parts[0] : n > 1 ? parts[1] : here, -1);
	ret->variant = g_ascii_strdown(n > 2 ? parts[2] : "", -1);
	normalise(ret);
	return TRUE;
}

/* A newer arm runs what older ones run. */
int platform_match(const Platform *have, const Platform *want)
{
	if (strcmp(have->os, want->os) != 0 || strcmp(have->architecture, want->architecture) != 0)
		return 0;
	if (strcmp(have->variant, want->variant) == 0)
		return 100;
	if (strcmp(want->architecture, "arm") == 0 && strcmp(have->variant, want->variant) < 0)
		return 10 + have->variant[1] - '0';
	/* Nobody asked for a variant: a plain one would have been better. */
	return *want->variant == '\0' && strcmp(want->architecture, "amd64") != 0 ? 1 : 0;
}

void platform_read(const json_t *json, Platform *ret)
{
	ret->os = g_ascii_strdown(text_at(json, "os"), -1);
	ret->architecture = g_ascii_strdown(text_at(json, "architecture"), -1);
	ret->variant = g_ascii_strdown(text_at(json, "variant"), -1);
	normalise(ret);
}

gboolean platform_decode(const char *text, Platform *ret, GError **error)
{
	g_autoptr(json_t) json = dh_json_loads(text, strlen(text), error);
	if (!json || !json_is_object(json)) {
		g_clear_error(error);
		return dh_error(error, DH_ERROR_INVALID,
			"failed to parse platform: \"%.100s\" is no JSON object", text);
	}
	g_auto(Platform) p = {0};
	platform_read(json, &p);
	if (!*p.os && !*p.architecture && *p.variant)
		return dh_error(error, DH_ERROR_INVALID,
			"optional platform fields provided, but OS and Architecture are missing");
	if (!*p.os || !*p.architecture)
		return dh_error(
			error, DH_ERROR_INVALID, "both OS and Architecture must be provided");
	*ret = p;
	p = (Platform){0};
	return TRUE;
}

gboolean platform_serves(
	const char *os, const char *architecture, const char *variant, const Platform *want)
{
	g_auto(Platform)
		have = {g_strdup(os), g_strdup(architecture), g_strdup(variant ? variant : "")};
	normalise(&have);
	return platform_match(&have, want) > 0;
}

char *platform_text(const Platform *p)
{
	return g_strconcat(p->os, "/", p->architecture, *p->variant ? "/" : "", p->variant, NULL);
}

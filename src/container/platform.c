/* SPDX-License-Identifier: MIT */
/* platform.c - "linux/arm64": whether an image is for it. */
#include "container/platform.h"

#include "base/error.h"

#include <string.h>
#include <sys/utsname.h>

/* The kernel's and others' names of architectures. */
static const struct {
	const char *alias, *name, *variant;
} aliases[] = {
	{"x86_64", "amd64", ""},
	{"x86-64", "amd64", ""},
	{"aarch64", "arm64", ""},
	{"i386", "386", ""},
	{"i686", "386", ""},
	{"armhf", "arm", "v7"},
	{"armel", "arm", "v6"},
	{"armv7l", "arm", "v7"},
};

typedef struct {
	char *os, *architecture, *variant;
} Platform;

static void platform_clear(Platform *p)
{
	g_free(p->os);
	g_free(p->architecture);
	g_free(p->variant);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Platform, platform_clear)

static void set(char **s, const char *value)
{
	g_free(*s);
	*s = g_strdup(value);
}

static void platform_set(Platform *p, const char *os, const char *architecture, const char *variant)
{
	set(&p->os, os && *os ? os : "linux");
	set(&p->architecture, architecture ? architecture : "");
	set(&p->variant, variant ? variant : "");
	for (guint i = 0; i < G_N_ELEMENTS(aliases); i++) {
		if (strcmp(p->architecture, aliases[i].alias) != 0)
			continue;
		set(&p->architecture, aliases[i].name);
		if (!*p->variant)
			set(&p->variant, aliases[i].variant);
	}
	/* The plain one of each family. */
	if ((strcmp(p->architecture, "arm64") == 0 &&
		    (strcmp(p->variant, "v8") == 0 || strcmp(p->variant, "8") == 0)) ||
		(strcmp(p->architecture, "amd64") == 0 && strcmp(p->variant, "v1") == 0))
		set(&p->variant, "");
}

static void platform_host(Platform *p)
{
	struct utsname u;
	uname(&u);
	platform_set(p, "linux", u.machine, NULL);
}

static gboolean platform_parse(Platform *p, const char *text, GError **error)
{
	static const char *const known[] = {"amd64", "386", "arm", "arm64", "ppc64le", "ppc64",
		"riscv64", "s390x", "mips", "mipsle", "mips64", "mips64le", "loong64", "wasm",
		NULL};
	static const char *const systems[] = {
		"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", NULL};
	g_autofree char *lower = g_ascii_strdown(text, -1);
	g_auto(GStrv) part = g_strsplit(lower, "/", -1);
	guint n = g_strv_length(part);
	gboolean empty = n == 0 || n > 3;
	for (guint i = 0; i < n; i++)
		empty |= !*part[i];
	if (empty)
		return dh_error(error, DH_ERROR_INVALID,
			"\"%s\": cannot parse platform specifier: invalid argument", text);
	if (n > 1) {
		platform_set(p, part[0], part[1], n > 2 ? part[2] : NULL);
		return TRUE;
	}
	platform_host(p);
	if (g_strv_contains(systems, part[0])) {
		set(&p->os, part[0]);
		return TRUE;
	}
	platform_set(p, "linux", part[0], NULL);
	return g_strv_contains(known, p->architecture) ||
	       dh_error(error, DH_ERROR_INVALID,
		       "\"%s\": unknown operating system or architecture: invalid argument", text);
}

static char *platform_text(const Platform *p)
{
	return g_strjoin("/", p->os, p->architecture, *p->variant ? p->variant : NULL, NULL);
}

/* An image that does not say which variant it is for is taken for any. */
static gboolean platform_runs(const Platform *wanted, const Platform *image)
{
	return strcmp(wanted->os, image->os) == 0 &&
	       strcmp(wanted->architecture, image->architecture) == 0 &&
	       (!*wanted->variant || !*image->variant ||
		       strcmp(wanted->variant, image->variant) == 0);
}

gboolean platform_check(
	const Image *image, const char *reference, const char *wanted, GError **error)
{
	g_auto(Platform) want = {0}, own = {0};
	if (!wanted || !*wanted)
		return TRUE;
	if (!platform_parse(&want, wanted, error))
		return FALSE;
	platform_set(&own, image->os, image->architecture, image->variant);
	if (platform_runs(&want, &own))
		return TRUE;
	g_autofree char *a = platform_text(&own), *b = platform_text(&want);
	return dh_error(error, DH_ERROR_NOT_FOUND,
		"image with reference %s was found but its platform (%s) does not match the "
		"specified platform (%s)",
		reference, a, b);
}

char *platform_warning(const Image *image)
{
	g_auto(Platform) host = {0}, own = {0};
	if (!image->architecture || !*image->architecture)
		return NULL;
	platform_host(&host);
	platform_set(&own, image->os, image->architecture, image->variant);
	if (platform_runs(&host, &own))
		return NULL;
	g_autofree char *a = platform_text(&own), *b = platform_text(&host);
	return g_strdup_printf("The requested image's platform (%s) does not match the detected "
			       "host platform (%s) and no specific platform was requested",
		a, b);
}

/* SPDX-License-Identifier: MIT */
#include "cli/platform.h"

#include "base/error.h"
#include "cli/text.h"

#include <string.h>
#include <sys/utsname.h>

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static const char *const systems[] = {"aix", "android", "darwin", "dragonfly", "freebsd", "hurd",
	"illumos", "ios", "js", "linux", "nacl", "netbsd", "openbsd", "plan9", "solaris", "windows",
	"zos", NULL};
static const char *const architectures[] = {"386", "amd64", "amd64p32", "arm", "armbe", "arm64",
	"arm64be", "ppc64", "ppc64le", "loong64", "mips", "mipsle", "mips64", "mips64le",
	"mips64p32", "mips64p32le", "ppc", "riscv", "riscv64", "s390", "s390x", "sparc", "sparc64",
	"wasm", NULL};

/* Other names of architectures and what they imply. */
static const struct {
	const char *alias, *architecture, *variant;
} aliases[] = {
	{"i386", "386", ""},
	{"x86_64", "amd64", NULL},
	{"x86-64", "amd64", NULL},
	{"aarch64", "arm64", NULL},
	{"armhf", "arm", "v7"},
	{"armel", "arm", "v6"},
};

typedef struct {
	char *system, *architecture, *variant;
} Platform;

static void replace(char **s, const char *by)
{
	g_free(*s);
	*s = g_strdup(by);
}

static void normalize_architecture(Platform *p)
{
	for (guint i = 0; i < G_N_ELEMENTS(aliases); i++) {
		if (strcmp(p->architecture, aliases[i].alias) != 0)
			continue;
		replace(&p->architecture, aliases[i].architecture);
		if (aliases[i].variant)
			replace(&p->variant, aliases[i].variant);
		break;
	}
	gboolean arm64 = strcmp(p->architecture, "arm64") == 0;
	gboolean digits = *p->variant && strspn(p->variant, "0123456789") == strlen(p->variant);
	if (strcmp(p->architecture, "amd64") == 0 && strcmp(p->variant, "v1") == 0)
		replace(&p->variant, "");
	if ((arm64 || strcmp(p->architecture, "arm") == 0) && digits) {
		g_autofree char *v = g_strconcat("v", p->variant, NULL);
		replace(&p->variant, v);
	}
}

static const char *own_architecture(void)
{
	static struct utsname u;
	uname(&u);
	for (guint i = 0; i < G_N_ELEMENTS(aliases); i++) {
		if (strcmp(u.machine, aliases[i].alias) == 0)
			return aliases[i].architecture;
	}
	return u.machine;
}

static gboolean bad(const char *text, const char *why, GError **error)
{
	g_autofree char *q = text_quote(text);
	return dh_error(error, DH_ERROR_INVALID,
		"error parsing specified platform: %s: %s: invalid argument", q, why);
}

static gboolean check_component(const char *part, gboolean system, const char *text, GError **error)
{
	size_t n = strspn(part, WORD);
	/* windows(10.0) */
	gboolean version = system && n && part[n] == '(' && g_str_has_suffix(part, ")");
	if (n && (!part[n] || version))
		return TRUE;
	g_autofree char *q = text_quote(part);
	g_autofree char *all = text_quote(text);
	if (system)
		return dh_error(error, DH_ERROR_INVALID,
			"error parsing specified platform: %s is an invalid OS component of %s: "
			"OSAndVersion specifier component must match "
			"\"^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.-]*)\\\\))?$\": invalid argument",
			q, all);
	return dh_error(error, DH_ERROR_INVALID,
		"error parsing specified platform: %s is an invalid component of %s: platform "
		"specifier component must match \"^[A-Za-z0-9_.-]+$\": invalid argument",
		q, all);
}

static gboolean fill(Platform *p, char **parts, const char *text, GError **error)
{
	guint n = g_strv_length(parts);
	p->system = g_ascii_strdown(parts[0], (gssize)strcspn(parts[0], "("));
	p->variant = g_strdup(n == 3 ? parts[2] : "");
	p->architecture = g_ascii_strdown(n > 1 ? parts[1] : parts[0], -1);
	if (strcmp(p->system, "macos") == 0)
		replace(&p->system, "darwin");
	if (n > 1) {
		normalize_architecture(p);
		if (n == 3 && strcmp(p->architecture, "arm64") == 0 && !*p->variant)
			replace(&p->variant, "v8");
	} else if (g_strv_contains(systems, p->system)) {
		replace(&p->architecture, own_architecture());
	} else {
		normalize_architecture(p);
		if (!g_strv_contains(architectures, p->architecture))
			return bad(text, "unknown operating system or architecture", error);
		replace(&p->system, "linux");
	}
	if (n < 3 && strcmp(p->architecture, "arm") == 0 && strcmp(p->variant, "v7") == 0)
		replace(&p->variant, "");
	return TRUE;
}

char *platform_normalize(const char *text, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, "/", -1);
	guint n = g_strv_length(parts);
	Platform p = {NULL, NULL, NULL};
	char *result = NULL;
	if (n == 0 || n > 3) {
		bad(text, "cannot parse platform specifier", error);
		return NULL;
	}
	for (guint i = 0; i < n; i++) {
		if (!check_component(parts[i], i == 0, text, error))
			return NULL;
	}
	if (fill(&p, parts, text, error))
		result = g_strjoin(
			"/", p.system, p.architecture, *p.variant ? p.variant : NULL, NULL);
	g_free(p.system);
	g_free(p.architecture);
	g_free(p.variant);
	return result;
}

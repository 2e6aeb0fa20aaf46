/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: the rules are those of the pflag library that docker's flags go through,
 * down to its error texts: scripts and test suites compare them. Values stay where they are, in
 * argv.
 */
#include "base/options.h"

#include "base/error.h"
#include "base/size.h"
#include "base/timefmt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LIST_VALUES = 65536 };

typedef struct {
	const OptionSet *set;
	char *options;
	gboolean help;
} Parser;

static const OptionSpec *find_long(const OptionSet *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->n; i++) {
		const OptionSpec *o = &c->options[i];
		if (o->long_name && strncmp(o->long_name, name, len) == 0 && !o->long_name[len])
			return o;
	}
	return NULL;
}

static const OptionSpec *find_short(const OptionSet *c, char name)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->options[i].short_name == name)
			return &c->options[i];
	}
	return NULL;
}

static gboolean parse_bool(const char *v, gboolean *ret)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};
	*ret = g_strv_contains(yes, v);
	return *ret || g_strv_contains(no, v);
}

/* Go's strconv with base 0: NULL, or what is wrong with it. */
static const char *parse_int(const char *v, gboolean is_unsigned, int64_t max, int64_t *ret)
{
	const char *digits = v;
	if (!is_unsigned && (*v == '-' || *v == '+'))
		digits++;
	if (!g_ascii_isdigit(*digits))
		return "invalid syntax";
	int base = 0;
	if (digits[0] == '0' && (digits[1] | 0x20) == 'b' && g_ascii_isdigit(digits[2]))
		base = 2;
	else if (digits[0] == '0' && (digits[1] | 0x20) == 'o' && g_ascii_isdigit(digits[2]))
		base = 8;
	if (base)
		digits += 2;
	char *end;
	errno = 0;
	int64_t n = g_ascii_strtoll(digits, &end, base);
	if (*end)
		return "invalid syntax";
	if (errno == ERANGE || n > max)
		return "value out of range";
	*ret = *v == '-' ? -n : n;
	return NULL;
}

static gboolean set_int(const OptionSpec *o, const char *v, int64_t *ret, char **ret_why)
{
	gboolean is_unsigned = o->value_name && g_str_has_prefix(o->value_name, "uint");
	int64_t max =
		o->value_name && strcmp(o->value_name, "uint16") == 0 ? G_MAXUINT16 : G_MAXINT64;
	const char *why = parse_int(v, is_unsigned, max, ret);
	if (why)
		*ret_why = g_strdup_printf("strconv.Parse%s: parsing \"%s\": %s",
			is_unsigned ? "Uint" : "Int", v, why);
	return !why;
}

static gboolean set_duration(const char *v, int64_t *ret, char **ret_why)
{
	size_t n = strlen(v);
	if (n && g_ascii_isdigit(v[n - 1]) && strspn(v, "0123456789.+-") == n &&
		strcmp(v, "0") != 0) {
		*ret_why = g_strdup_printf("time: missing unit in duration \"%s\"", v);
		return FALSE;
	}
	g_autoptr(GError) local = NULL;
	if (dh_duration_parse(v, ret, &local))
		return TRUE;
	*ret_why = g_strdup(local->message);
	return FALSE;
}

/* Stores one value; on failure says why in *ret_why (the caller frees). */
static gboolean set_value(Parser *p, const OptionSpec *o, const char *v, char **ret_why)
{
	void *member = p->options + o->offset;
	g_autoptr(GError) local = NULL;
	char *end;

	switch (o->type) {
	case OPT_BOOL:
		if (parse_bool(v, member))
			return TRUE;
		*ret_why = g_strdup_printf("strconv.ParseBool: parsing \"%s\": invalid syntax", v);
		return FALSE;
	case OPT_STRING:
		*(const char **)member = v;
		return TRUE;
	case OPT_LIST: {
		GPtrArray **list = member;
		if (!*list)
			*list = g_ptr_array_new();
		if (o->value_name && strcmp(o->value_name, "filter") == 0 && !strchr(v, '=')) {
			*ret_why = g_strdup("bad format of filter (expected name=value)");
			return FALSE;
		}
		if ((*list)->len >= MAX_LIST_VALUES) {
			*ret_why = g_strdup("too many values");
			return FALSE;
		}
		g_ptr_array_add(*list, (gpointer)v);
		return TRUE;
	}
	case OPT_INT:
		return set_int(o, v, member, ret_why);
	case OPT_COUNTED_INT: {
		OptInt *n = member;
		n->given = set_int(o, v, &n->value, ret_why);
		return n->given;
	}
	case OPT_DOUBLE:
		*(double *)member = g_ascii_strtod(v, &end);
		if (end != v && !*end)
			return TRUE;
		*ret_why = g_strdup_printf("failed to parse %s as a rational number", v);
		return FALSE;
	case OPT_SIZE:
		if (dh_size_parse(v, member, &local))
			return TRUE;
		*ret_why = g_strdup(local->message);
		return FALSE;
	case OPT_DURATION:
		return set_duration(v, member, ret_why);
	}
	return FALSE;
}

static gboolean set_option(Parser *p, const OptionSpec *o, const char *v, GError **error)
{
	g_autofree char *why = NULL;
	if (set_value(p, o, v, &why))
		return TRUE;
	char shorthand[] = {'-', o->short_name, ',', ' ', '\0'};
	return dh_error(error, DH_ERROR_INVALID, "invalid argument \"%s\" for \"%s--%s\" flag: %s",
		v, o->short_name ? shorthand : "", o->long_name, why);
}

/* arg is "--name", "--name=value"; *rest the arguments behind it. */
static gboolean parse_long(Parser *p, const char *arg, char *const **rest, GError **error)
{
	const char *name = arg + 2;
	if (*name == '-' || *name == '=')
		return dh_error(error, DH_ERROR_INVALID, "bad flag syntax: %s", arg);
	size_t len = strcspn(name, "=");
	const char *value = name[len] ? name + len + 1 : NULL;
	const OptionSpec *o = find_long(p->set, name, len);
	if (!o && len == 4 && strncmp(name, "help", 4) == 0) {
		p->help = TRUE;
		return TRUE;
	}
	if (!o)
		return dh_error(
			error, DH_ERROR_INVALID, "unknown flag: --%.*s", (int)MIN(len, 4096), name);
	if (!value && o->type == OPT_BOOL)
		value = "true";
	if (!value) {
		if (!**rest)
			return dh_error(error, DH_ERROR_INVALID, "flag needs an argument: --%s",
				o->long_name);
		value = *(*rest)++;
	}
	return set_option(p, o, value, error);
}

/* arg is "-abc": switches one after the other, the last of them may take the rest as its value. */
static gboolean parse_short(Parser *p, const char *arg, char *const **rest, GError **error)
{
	for (const char *s = arg + 1; *s; s++) {
		const OptionSpec *o = find_short(p->set, *s);
		if (!o && *s == 'h') {
			p->help = TRUE;
			return TRUE;
		}
		if (!o)
			return dh_error(error, DH_ERROR_INVALID,
				"unknown shorthand flag: '%c' in -%s", *s, s);
		if (s[1] == '=' && s[2])
			return set_option(p, o, s + 2, error);
		if (o->type == OPT_BOOL) {
			if (!set_option(p, o, "true", error))
				return FALSE;
			continue;
		}
		if (s[1])
			return set_option(p, o, s + 1, error);
		if (!**rest)
			return dh_error(error, DH_ERROR_INVALID,
				"flag needs an argument: '%c' in -%s", *s, s);
		return set_option(p, o, *(*rest)++, error);
	}
	return TRUE;
}

/* arg is "-name", "--name", "-name=value" ...: Go's own flag package. */
static gboolean parse_go(Parser *p, const char *arg, char *const **rest, GError **error)
{
	const char *name = arg + (arg[1] == '-' ? 2 : 1);
	if (*name == '-' || *name == '=')
		return dh_error(error, DH_ERROR_INVALID, "bad flag syntax: %s", arg);
	size_t len = strcspn(name, "=");
	const char *value = name[len] ? name + len + 1 : NULL;
	const OptionSpec *o = len == 1 ? find_short(p->set, *name) : find_long(p->set, name, len);
	if (!o && ((len == 1 && *name == 'h') || (len == 4 && strncmp(name, "help", 4) == 0))) {
		p->help = TRUE;
		return TRUE;
	}
	if (!o)
		return dh_error(error, DH_ERROR_INVALID, "flag provided but not defined: -%.*s",
			(int)MIN(len, 4096), name);
	if (!value && o->type == OPT_BOOL)
		value = "true";
	if (!value && !**rest)
		return dh_error(
			error, DH_ERROR_INVALID, "flag needs an argument: -%.*s", (int)len, name);
	if (!value)
		value = *(*rest)++;
	g_autofree char *why = NULL;
	if (set_value(p, o, value, &why))
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID, "invalid %s \"%s\" for %s-%.*s: parse error",
		o->type == OPT_BOOL ? "boolean value" : "value", value,
		o->type == OPT_BOOL ? "" : "flag ", (int)len, name);
}

gboolean options_parse(const OptionSet *set, char *const *argv, void *options, char ***ret_args,
	gboolean *ret_help, GError **error)
{
	Parser p = {.set = set, .options = options};
	g_autoptr(GPtrArray) args = g_ptr_array_new();

	while (*argv) {
		const char *arg = *argv++;
		gboolean ok;
		if (arg[0] != '-' || !arg[1]) {
			g_ptr_array_add(args, (gpointer)arg);
			if (set->stop_at_arg)
				break;
			continue;
		}
		if (strcmp(arg, "--") == 0)
			break;
		if (set->go_flags)
			ok = parse_go(&p, arg, &argv, error);
		else if (arg[1] == '-')
			ok = parse_long(&p, arg, &argv, error);
		else
			ok = parse_short(&p, arg, &argv, error);
		if (!ok)
			return FALSE;
	}
	while (*argv)
		g_ptr_array_add(args, *argv++);
	g_ptr_array_add(args, NULL);
	*ret_args = (char **)g_ptr_array_free(g_steal_pointer(&args), FALSE);
	*ret_help = p.help;
	return TRUE;
}

void options_clear(const OptionSpec *options, size_t n, void *values)
{
	for (size_t i = 0; i < n; i++) {
		if (options[i].type == OPT_LIST)
			g_clear_pointer((GPtrArray **)((char *)values + options[i].offset),
				g_ptr_array_unref);
	}
}

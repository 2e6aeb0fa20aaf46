/* SPDX-License-Identifier: MIT */
#include "store/words.h"

#include "base/error.h"

#include <string.h>

#define MAX_NESTING 16
#define MAX_EXPANDED (4 * 1024 * 1024)

static gboolean is_blank(char c)
{
	return c == ' ' || c == '\t';
}

char *word_next(const char **text)
{
	const char *p = *text;
	while (is_blank(*p))
		p++;
	if (!*p)
		return NULL;
	const char *start = p;
	char quote = 0;
	for (; *p && (quote || !is_blank(*p)); p++) {
		if (*p == '\\' && p[1] && quote != '\'')
			p++;
		else if (quote)
			quote = *p == quote ? 0 : quote;
		else if (*p == '"' || *p == '\'')
			quote = *p;
	}
	*text = p;
	return g_strndup(start, (gsize)(p - start));
}

char **words_split(const char *text)
{
	g_autoptr(GPtrArray) out = g_ptr_array_new();
	for (char *w; (w = word_next(&text));)
		g_ptr_array_add(out, w);
	g_ptr_array_add(out, NULL);
	return (char **)g_ptr_array_steal(out, NULL);
}

/* ---- expansion ---- */

typedef struct {
	const char *whole; /* for error messages */
	char *const *env;
	GString *out;
	int nesting;
} Expansion;

static gboolean fail(const Expansion *x, const char *what, GError **error)
{
	g_autofree char *quoted = g_strescape(x->whole, NULL);
	return dh_error(error, DH_ERROR_INVALID, "failed to process \"%s\": %s", quoted, what);
}

static const char *lookup(char *const *env, const char *name, size_t n)
{
	for (; env && *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static size_t name_len(const char *p)
{
	size_t n = 0;
	if (g_ascii_isdigit(*p))
		return 1;
	while (g_ascii_isalnum(p[n]) || p[n] == '_')
		n++;
	return n;
}

static gboolean expand(Expansion *x, const char **pp, char until, GError **error);

/* At "{" of "${...}". */
static gboolean braces(Expansion *x, const char **pp, GError **error)
{
	const char *name = *pp + 1;
	size_t n = name_len(name);
	if (n == 0)
		return fail(x, "bad substitution", error);
	const char *value = lookup(x->env, name, n);
	const char *p = name + n;
	gboolean wanted = value && *value;
	char op = 0;
	if (*p == ':') {
		op = p[1];
		p += 2;
		if (op != '-' && op != '+')
			return fail(x, "unsupported modifier in substitution", error);
		gboolean use_word = (op == '-') != wanted;
		gsize mark = x->out->len;
		if (!expand(x, &p, '}', error))
			return FALSE;
		if (!use_word)
			g_string_truncate(x->out, mark);
	}
	if (*p != '}')
		return fail(x, "syntax error: missing '}'", error);
	if (value && op != '+' && (!op || wanted))
		g_string_append(x->out, value);
	*pp = p + 1;
	return TRUE;
}

static gboolean dollar(Expansion *x, const char **pp, GError **error)
{
	const char *p = *pp + 1;
	if (*p == '{') {
		*pp = p;
		return braces(x, pp, error);
	}
	size_t n = name_len(p);
	const char *value = n ? lookup(x->env, p, n) : NULL;
	if (n == 0)
		g_string_append_c(x->out, '$');
	else if (value)
		g_string_append(x->out, value);
	*pp = p + n;
	return TRUE;
}

static gboolean single_quotes(Expansion *x, const char **pp, GError **error)
{
	const char *start = *pp + 1;
	const char *end = strchr(start, '\'');
	if (!end)
		return fail(x,
			"unexpected end of statement while looking for matching single-quote",
			error);
	g_string_append_len(x->out, start, (gssize)(end - start));
	*pp = end + 1;
	return TRUE;
}

static gboolean double_quotes(Expansion *x, const char **pp, GError **error)
{
	const char *p = *pp + 1;
	while (*p && *p != '"') {
		if (*p == '$') {
			if (!dollar(x, &p, error))
				return FALSE;
			continue;
		}
		if (*p == '\\' && p[1] && strchr("\"$\\", p[1]))
			p++;
		g_string_append_c(x->out, *p++);
	}
	if (*p != '"')
		return fail(x,
			"unexpected end of statement while looking for matching double-quote",
			error);
	*pp = p + 1;
	return TRUE;
}

/* Up to `until` (not included) or the end. */
static gboolean expand(Expansion *x, const char **pp, char until, GError **error)
{
	if (++x->nesting > MAX_NESTING)
		return fail(x, "substitutions are nested too deeply", error);
	while (**pp && **pp != until) {
		const char *p = *pp;
		if (x->out->len > MAX_EXPANDED)
			return fail(x, "the result is too long", error);
		if (*p == '\'' || *p == '"' || *p == '$') {
			if (!(*p == '\''        ? single_quotes
				    : *p == '"' ? double_quotes
						: dollar)(x, pp, error))
				return FALSE;
			continue;
		}
		/* A backslash at the end would continue a line that has no next one. */
		if (*p == '\\' && !*++p) {
			*pp = p;
			break;
		}
		g_string_append_c(x->out, *p);
		*pp = p + 1;
	}
	x->nesting--;
	return TRUE;
}

char *word_expand(const char *word, char *const *env, GError **error)
{
	g_autoptr(GString) out = g_string_sized_new(strlen(word));
	Expansion x = {word, env, out, 0};
	if (!expand(&x, &word, '\0', error))
		return NULL;
	return g_string_free(g_steal_pointer(&out), FALSE);
}

/* SPDX-License-Identifier: MIT */
#include "cli/template_internal.h"

#include "base/error.h"

#include <string.h>

typedef struct {
	const char *text;
	size_t at, len;
	GArray *tokens;
	guint parens;
	GError **error;
} Lexer;

gboolean template_error_at(GError **error, const char *text, size_t pos, const char *fmt, ...)
{
	guint line = 1;
	for (size_t i = 0; i < pos && text[i]; i++)
		line += text[i] == '\n';
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *what = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return dh_error(error, DH_ERROR_INVALID, "template: :%u: %s", line, what);
}

static void emit(Lexer *l, TokenKind kind, size_t pos, size_t len, gboolean space)
{
	Token t = {.kind = kind, .space_before = space, .pos = pos, .len = len};
	g_array_append_val(l->tokens, t);
}

static gboolean fail(Lexer *l, size_t pos, const char *what)
{
	return template_error_at(l->error, l->text, pos, "%s", what);
}

static gboolean starts(const Lexer *l, const char *with)
{
	return strncmp(l->text + l->at, with, strlen(with)) == 0;
}

static gboolean is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static gboolean is_word(char c)
{
	return g_ascii_isalnum(c) || c == '_' || (c & 0x80);
}

/* At "}}" or " -}}"? Returns its length, *ret_trim whether the text behind it loses its blanks. */
static size_t right_delim(const Lexer *l, gboolean *ret_trim)
{
	*ret_trim = FALSE;
	if (starts(l, "}}"))
		return 2;
	if (is_blank(l->text[l->at]) && strncmp(l->text + l->at + 1, "-}}", 3) == 0) {
		*ret_trim = TRUE;
		return 4;
	}
	return 0;
}

/* Text up to the next action; the action's own trim marker eats the blanks before it. */
static gboolean lex_text(Lexer *l)
{
	const char *open = strstr(l->text + l->at, "{{");
	size_t end = open ? (size_t)(open - l->text) : l->len;
	size_t text_end = end;
	if (open && open[2] == '-' && is_blank(open[3])) {
		while (text_end > l->at && is_blank(l->text[text_end - 1]))
			text_end--;
	}
	if (text_end > l->at)
		emit(l, TOK_TEXT, l->at, text_end - l->at, FALSE);
	l->at = end;
	return open != NULL;
}

static void skip_blanks(Lexer *l)
{
	while (is_blank(l->text[l->at]))
		l->at++;
}

static gboolean lex_comment(Lexer *l)
{
	gboolean trim;
	const char *end = strstr(l->text + l->at + 2, "*/");
	if (!end)
		return fail(l, l->at, "unclosed comment");
	l->at = (size_t)(end + 2 - l->text);
	size_t n = right_delim(l, &trim);
	if (!n)
		return fail(l, l->at, "comment ends before closing delimiter");
	l->at += n;
	if (trim)
		skip_blanks(l);
	return TRUE;
}

static gboolean lex_quoted(Lexer *l, char quote, TokenKind kind, gboolean space)
{
	size_t from = l->at++;
	const char *what = quote == '"'    ? "unterminated quoted string"
			   : quote == '\'' ? "unterminated character constant"
					   : "unterminated raw quoted string";
	for (;; l->at++) {
		char c = l->text[l->at];
		if (!c || (c == '\n' && quote != '`'))
			return fail(l, from, what);
		if (c == '\\' && quote != '`' && l->text[l->at + 1] && l->text[l->at + 1] != '\n')
			l->at++;
		else if (c == quote)
			break;
	}
	l->at++;
	emit(l, kind, from, l->at - from, space);
	return TRUE;
}

static gboolean lex_number(Lexer *l, gboolean space)
{
	size_t from = l->at;
	if (l->text[l->at] == '+' || l->text[l->at] == '-')
		l->at++;
	gboolean hex = l->text[l->at] == '0' && (l->text[l->at + 1] | 0x20) == 'x';
	for (;; l->at++) {
		char c = l->text[l->at];
		gboolean exponent_sign =
			(c == '+' || c == '-') && !hex && (l->text[l->at - 1] | 0x20) == 'e';
		if (!is_word(c) && c != '.' && !exponent_sign)
			break;
	}
	emit(l, TOK_NUMBER, from, l->at - from, space);
	return TRUE;
}

static void lex_word(Lexer *l, gboolean space)
{
	static const char *const keywords[] = {"if", "else", "end", "range", "with", "define",
		"block", "template", "break", "continue", NULL};
	size_t from = l->at;
	while (is_word(l->text[l->at]))
		l->at++;
	g_autofree char *word = g_strndup(l->text + from, l->at - from);
	TokenKind kind = TOK_IDENTIFIER;
	if (g_strv_contains(keywords, word))
		kind = TOK_KEYWORD;
	else if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
		kind = TOK_BOOL;
	else if (strcmp(word, "nil") == 0)
		kind = TOK_NIL;
	emit(l, kind, from, l->at - from, space);
}

/* A character after which a field, variable or word may end. */
static gboolean is_terminator(const Lexer *l)
{
	char c = l->text[l->at];
	return !c || is_blank(c) || strchr(".,|:=()", c) || starts(l, "}}");
}

static gboolean bad_character(Lexer *l, const char *where)
{
	gunichar c = g_utf8_get_char_validated(l->text + l->at, -1);
	if (c == (gunichar)-1 || c == (gunichar)-2)
		c = 0xfffd;
	char utf8[8] = "";
	utf8[g_unichar_to_utf8(c, utf8)] = '\0';
	return template_error_at(l->error, l->text, l->at, "%s U+%04X '%s'", where, (guint)c, utf8);
}

static gboolean lex_name(Lexer *l, TokenKind kind, gboolean space)
{
	size_t from = l->at++;
	while (is_word(l->text[l->at]))
		l->at++;
	if (kind == TOK_FIELD && l->at == from + 1)
		kind = TOK_DOT;
	emit(l, kind, from, l->at - from, space);
	if (kind != TOK_DOT && !is_terminator(l))
		return bad_character(l, "bad character");
	return TRUE;
}

static gboolean lex_symbol(Lexer *l, gboolean space)
{
	static const struct {
		char c;
		TokenKind kind;
	} symbols[] = {
		{'|', TOK_PIPE},
		{'(', TOK_LPAREN},
		{')', TOK_RPAREN},
		{'=', TOK_ASSIGN},
	};
	char c = l->text[l->at];
	if (c == '(')
		l->parens++;
	if (c == ')') {
		if (!l->parens)
			return fail(l, l->at, "unexpected right paren");
		l->parens--;
	}
	for (guint i = 0; i < G_N_ELEMENTS(symbols); i++) {
		if (symbols[i].c == c) {
			emit(l, symbols[i].kind, l->at++, 1, space);
			return TRUE;
		}
	}
	if (c == ':') {
		if (l->text[l->at + 1] != '=')
			return fail(l, l->at, "expected :=");
		emit(l, TOK_DECLARE, l->at, 2, space);
		l->at += 2;
		return TRUE;
	}
	if (g_ascii_isprint(c)) {
		emit(l, TOK_SYMBOL, l->at++, 1, space);
		return TRUE;
	}
	return bad_character(l, "unrecognized character in action:");
}

/* One token inside {{ }}; *ret_end at the closing delimiter. */
static gboolean lex_inside(Lexer *l, gboolean *ret_end)
{
	gboolean trim;
	gboolean space = FALSE;
	size_t n;
	while (!(n = right_delim(l, &trim)) && is_blank(l->text[l->at])) {
		space = TRUE;
		l->at++;
	}
	if (n) {
		if (l->parens)
			return fail(l, l->at, "unclosed left paren");
		emit(l, TOK_RIGHT, l->at, n, space || trim);
		l->at += n;
		if (trim)
			skip_blanks(l);
		*ret_end = TRUE;
		return TRUE;
	}
	char c = l->text[l->at];
	char next = c ? l->text[l->at + 1] : '\0';
	if (!c)
		return fail(l, l->at, "unclosed action");
	if (c == '"')
		return lex_quoted(l, '"', TOK_STRING, space);
	if (c == '`')
		return lex_quoted(l, '`', TOK_STRING, space);
	if (c == '\'')
		return lex_quoted(l, '\'', TOK_CHAR, space);
	if (c == '$')
		return lex_name(l, TOK_VARIABLE, space);
	if (c == '.' && !g_ascii_isdigit(next))
		return lex_name(l, TOK_FIELD, space);
	if (g_ascii_isdigit(c) || c == '.' || c == '+' || c == '-')
		return lex_number(l, space);
	if (is_word(c)) {
		lex_word(l, space);
		return is_terminator(l) ? TRUE : bad_character(l, "bad character");
	}
	return lex_symbol(l, space);
}

GArray *template_lex(const char *text, GError **error)
{
	g_autoptr(GArray) tokens = g_array_new(FALSE, FALSE, sizeof(Token));
	Lexer l = {.text = text, .len = strlen(text), .tokens = tokens, .error = error};

	while (lex_text(&l)) {
		size_t open = l.at;
		l.at += 2;
		if (l.text[l.at] == '-' && is_blank(l.text[l.at + 1]))
			l.at += 2;
		if (starts(&l, "/*")) {
			if (!lex_comment(&l))
				return NULL;
			continue;
		}
		emit(&l, TOK_LEFT, open, l.at - open, FALSE);
		gboolean end = FALSE;
		l.parens = 0;
		while (!end) {
			if (!lex_inside(&l, &end))
				return NULL;
		}
	}
	emit(&l, TOK_EOF, l.len, 0, FALSE);
	return g_steal_pointer(&tokens);
}

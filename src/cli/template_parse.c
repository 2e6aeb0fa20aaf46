/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: recursive descent over the token list. The language is Go's text/template:
 * actions, pipelines, parentheses, variables, if/with/range/else, define/template/block,
 * break/continue, comments and trim markers. Nothing of it is left out but custom delimiters and
 * complex numbers. A node keeps the place in the source that Go's errors would name.
 */
#include "cli/template_internal.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 1024 * 1024, MAX_DEPTH = 200 };

typedef struct {
	const char *text;
	const Token *tokens;
	guint at;
	guint depth, range_depth;
	GPtrArray *vars; /* names in scope */
	GHashTable *defines;
	GError **error;
} Parser;

static Node *parse_pipeline(Parser *p, const char *context, TokenKind end);
static Node *parse_list(Parser *p, const char *context, gboolean *ret_else);

void template_node_free(Node *n)
{
	if (!n)
		return;
	g_free(n->name);
	g_clear_pointer(&n->fields, g_ptr_array_unref);
	g_clear_pointer(&n->kids, g_ptr_array_unref);
	json_decref(n->literal);
	g_free(n);
}

static void free_node(gpointer n)
{
	template_node_free(n);
}

static Node *node_new(NodeKind kind, const Token *t)
{
	Node *n = g_new0(Node, 1);
	n->kind = kind;
	n->pos = n->start = t->pos;
	n->end = t->pos + t->len;
	n->fields = g_ptr_array_new_with_free_func(g_free);
	n->kids = g_ptr_array_new_with_free_func(free_node);
	return n;
}

static const Token *peek(const Parser *p)
{
	return &p->tokens[p->at];
}

static const Token *next(Parser *p)
{
	const Token *t = &p->tokens[p->at];
	if (t->kind != TOK_EOF)
		p->at++;
	return t;
}

static char *token_text(const Parser *p, const Token *t)
{
	return g_strndup(p->text + t->pos, t->len);
}

static gboolean token_is(const Parser *p, const Token *t, const char *text)
{
	return t->len == strlen(text) && strncmp(p->text + t->pos, text, t->len) == 0;
}

static void *unexpected(Parser *p, const Token *t, const char *context)
{
	g_autofree char *text = token_text(p, t);
	if (t->kind == TOK_EOF)
		template_error_at(p->error, p->text, t->pos, "unexpected EOF");
	else if (t->kind == TOK_KEYWORD || t->kind == TOK_DOT || t->kind == TOK_NIL)
		template_error_at(
			p->error, p->text, t->pos, "unexpected <%s> in %s", text, context);
	else if (t->len > 10)
		template_error_at(
			p->error, p->text, t->pos, "unexpected \"%.10s\"... in %s", text, context);
	else
		template_error_at(
			p->error, p->text, t->pos, "unexpected \"%s\" in %s", text, context);
	return NULL;
}

static gboolean expect_right(Parser *p, const char *context)
{
	const Token *t = next(p);
	return t->kind == TOK_RIGHT || unexpected(p, t, context);
}

/* literals */

static gboolean put_escape(GString *out, const char **s, char quote)
{
	static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
	char c = *(*s)++;
	const char *hit = c ? strchr(from, c) : NULL;
	int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	guint32 value = 0;
	if (hit) {
		g_string_append_c(out, to[hit - from]);
		return TRUE;
	}
	if (c == quote) {
		g_string_append_c(out, c);
		return TRUE;
	}
	if (c >= '0' && c <= '7') {
		for (int i = 0; i < 3; i++) {
			char d = i ? *(*s)++ : c;
			if (d < '0' || d > '7')
				return FALSE;
			value = value * 8 + (guint32)(d - '0');
		}
		if (value > 255)
			return FALSE;
	} else if (digits) {
		for (int i = 0; i < digits; i++) {
			int d = g_ascii_xdigit_value(**s);
			if (d < 0)
				return FALSE;
			(*s)++;
			value = value * 16 + (guint32)d;
		}
	} else {
		return FALSE;
	}
	/* bytes above 127 cannot be a JSON string by themselves: taken as code points */
	if (!value || !g_unichar_validate(value))
		return FALSE;
	g_string_append_unichar(out, value);
	return TRUE;
}

static char *unquote(const char *s, size_t len, char quote)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autofree char *body = g_strndup(s + 1, len - 2);
	for (const char *q = body; *q;) {
		if (*q != '\\') {
			g_string_append_c(out, *q++);
			continue;
		}
		q++;
		if (!put_escape(out, &q, quote))
			return NULL;
	}
	return g_utf8_validate(out->str, -1, NULL) ? g_string_free(g_steal_pointer(&out), FALSE)
						   : NULL;
}

static json_t *parse_number(const char *text)
{
	char *end;
	g_autofree char *plain = g_strdup(text);
	char *to = plain;
	for (const char *s = text; *s; s++) {
		if (*s != '_')
			*to++ = *s;
	}
	*to = '\0';
	const char *digits = plain + (*plain == '-' || *plain == '+');
	int base = 10;
	if (digits[0] == '0' && digits[1]) {
		char c = (char)(digits[1] | 0x20);
		base = c == 'x' ? 16 : c == 'b' ? 2 : c == '.' || c == 'e' ? 10 : 8;
		digits += c == 'x' || c == 'b' || c == 'o' ? 2 : 0;
	}
	errno = 0;
	gint64 n = g_ascii_strtoll(digits, &end, base);
	if (*digits && g_ascii_isxdigit(*digits) && !*end && !errno)
		return json_integer(*plain == '-' ? -n : n);
	double d = g_ascii_strtod(plain, &end);
	return *end || end == plain ? NULL : json_real(d);
}

static Node *parse_literal(Parser *p, const Token *t)
{
	g_autofree char *text = token_text(p, t);
	g_autofree char *value = NULL;
	json_t *json = NULL;
	switch ((int)t->kind) {
	case TOK_BOOL:
		json = json_boolean(text[0] == 't');
		break;
	case TOK_NUMBER:
		json = parse_number(text);
		if (!json) {
			template_error_at(
				p->error, p->text, t->pos, "bad number syntax: \"%s\"", text);
			return NULL;
		}
		break;
	case TOK_CHAR:
		value = unquote(text, t->len, '\'');
		if (value && g_utf8_strlen(value, -1) == 1)
			json = json_integer(g_utf8_get_char(value));
		break;
	case TOK_STRING:
		value = text[0] == '`' ? g_strndup(text + 1, t->len - 2)
				       : unquote(text, t->len, '"');
		json = value ? json_string(value) : NULL;
		break;
	default:
		break;
	}
	if (!json) {
		template_error_at(p->error, p->text, t->pos,
			t->kind == TOK_CHAR ? "malformed character constant: %s"
					    : "invalid syntax: %s",
			text);
		return NULL;
	}
	Node *n = node_new(NODE_LITERAL, t);
	n->literal = json;
	return n;
}

/* operands */

static gboolean var_defined(const Parser *p, const char *name)
{
	for (guint i = p->vars->len; i-- > 0;) {
		if (strcmp(p->vars->pdata[i], name) == 0)
			return TRUE;
	}
	return FALSE;
}

static Node *parse_parenthesis(Parser *p)
{
	if (++p->depth > MAX_DEPTH) {
		template_error_at(p->error, p->text, peek(p)->pos, "max expression depth exceeded");
		return NULL;
	}
	Node *n = parse_pipeline(p, "parenthesized pipeline", TOK_RPAREN);
	p->depth--;
	return n;
}

static Node *parse_variable(Parser *p, const Token *t)
{
	g_autofree char *name = token_text(p, t);
	if (!var_defined(p, name)) {
		template_error_at(p->error, p->text, t->pos, "undefined variable \"%s\"", name);
		return NULL;
	}
	Node *n = node_new(NODE_VARIABLE, t);
	n->name = g_steal_pointer(&name);
	return n;
}

static Node *parse_function(Parser *p, const Token *t)
{
	if (!template_is_function(p->text + t->pos, t->len)) {
		g_autofree char *name = token_text(p, t);
		template_error_at(p->error, p->text, t->pos, "function \"%s\" not defined", name);
		return NULL;
	}
	Node *n = node_new(NODE_FUNCTION, t);
	n->name = token_text(p, t);
	return n;
}

/* One term; NULL without an error when none starts here. */
static Node *parse_term(Parser *p)
{
	const Token *t = peek(p);
	switch ((int)t->kind) {
	case TOK_IDENTIFIER:
		p->at++;
		return parse_function(p, t);
	case TOK_DOT:
		p->at++;
		return node_new(NODE_DOT, t);
	case TOK_NIL:
		p->at++;
		return node_new(NODE_NIL, t);
	case TOK_VARIABLE:
		p->at++;
		return parse_variable(p, t);
	case TOK_FIELD: {
		p->at++;
		Node *n = node_new(NODE_FIELD, t);
		g_ptr_array_add(n->fields, g_strndup(p->text + t->pos + 1, t->len - 1));
		return n;
	}
	case TOK_BOOL:
	case TOK_CHAR:
	case TOK_NUMBER:
	case TOK_STRING:
		p->at++;
		return parse_literal(p, t);
	case TOK_LPAREN:
		p->at++;
		return parse_parenthesis(p);
	default:
		return NULL;
	}
}

static gboolean starts_operand(TokenKind kind)
{
	static const TokenKind kinds[] = {TOK_FIELD, TOK_DOT, TOK_VARIABLE, TOK_IDENTIFIER,
		TOK_STRING, TOK_NUMBER, TOK_CHAR, TOK_BOOL, TOK_NIL, TOK_LPAREN};
	for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (kinds[i] == kind)
			return TRUE;
	}
	return FALSE;
}

static Node *parse_operand(Parser *p)
{
	const Token *first = peek(p);
	g_autoptr(Node) n = parse_term(p);
	if (!n)
		return NULL;
	const Token *t = peek(p);
	if (t->kind != TOK_FIELD || t->space_before)
		return g_steal_pointer(&n);
	if (n->kind == NODE_LITERAL || n->kind == NODE_NIL || n->kind == NODE_DOT)
		return unexpected(p, t, "operand");
	if (n->kind != NODE_FIELD && n->kind != NODE_VARIABLE) {
		Node *chain = node_new(NODE_CHAIN, first);
		g_ptr_array_add(chain->kids, g_steal_pointer(&n));
		n = chain;
	}
	/* errors of a chain point at its second element */
	n->pos = t->pos;
	while ((t = peek(p))->kind == TOK_FIELD && !t->space_before) {
		g_ptr_array_add(n->fields, g_strndup(p->text + t->pos + 1, t->len - 1));
		n->end = t->pos + t->len;
		p->at++;
	}
	return g_steal_pointer(&n);
}

static Node *parse_command(Parser *p)
{
	g_autoptr(Node) c = node_new(NODE_COMMAND, peek(p));
	for (;;) {
		guint before = p->at;
		g_autoptr(Node) operand = parse_operand(p);
		if (!operand && p->at != before)
			return NULL;
		if (operand) {
			c->end = p->tokens[p->at - 1].pos + p->tokens[p->at - 1].len;
			g_ptr_array_add(c->kids, g_steal_pointer(&operand));
		}
		const Token *t = peek(p);
		if (t->kind == TOK_RIGHT || t->kind == TOK_RPAREN || t->kind == TOK_PIPE)
			break;
		if (p->at == before || !t->space_before)
			return unexpected(p, t, "operand");
	}
	if (!c->kids->len) {
		template_error_at(p->error, p->text, peek(p)->pos, "empty command");
		return NULL;
	}
	return g_steal_pointer(&c);
}

/* "$x :=", "$i, $v :=" (range), "$x =" */
static gboolean parse_declarations(Parser *p, Node *pipe, const char *context)
{
	gboolean is_range = strcmp(context, "range") == 0;
	guint from = p->at;
	while (peek(p)->kind == TOK_VARIABLE) {
		const Token *var = next(p);
		const Token *t = peek(p);
		gboolean is_comma = token_is(p, t, ",");
		gboolean comma = is_comma && is_range && pipe->fields->len == 0;
		if (is_comma && !comma)
			return template_error_at(
				p->error, p->text, t->pos, "too many declarations in %s", context);
		if (t->kind != TOK_DECLARE && t->kind != TOK_ASSIGN && !comma) {
			if (pipe->fields->len)
				return unexpected(p, t, context) != NULL;
			p->at = from;
			return TRUE;
		}
		g_ptr_array_add(pipe->fields, token_text(p, var));
		p->at++;
		if (!comma) {
			pipe->assign = t->kind == TOK_ASSIGN;
			break;
		}
	}
	for (guint i = 0; i < pipe->fields->len; i++) {
		const char *name = pipe->fields->pdata[i];
		if (pipe->assign && !var_defined(p, name))
			return template_error_at(
				p->error, p->text, pipe->pos, "undefined variable \"%s\"", name);
	}
	return TRUE;
}

static Node *parse_pipeline(Parser *p, const char *context, TokenKind end)
{
	g_autoptr(Node) pipe = node_new(NODE_PIPELINE, peek(p));
	if (!parse_declarations(p, pipe, context))
		return NULL;
	for (;;) {
		const Token *t = peek(p);
		if (t->kind == end) {
			p->at++;
			break;
		}
		if (!starts_operand(t->kind))
			return unexpected(p, t, context);
		Node *c = parse_command(p);
		if (!c)
			return NULL;
		pipe->end = c->end;
		g_ptr_array_add(pipe->kids, c);
		if (peek(p)->kind == TOK_PIPE)
			p->at++;
	}
	if (!pipe->kids->len) {
		template_error_at(p->error, p->text, pipe->pos, "missing value for %s", context);
		return NULL;
	}
	for (guint i = 1; i < pipe->kids->len; i++) {
		const Node *c = pipe->kids->pdata[i];
		const Node *word = c->kids->pdata[0];
		if (word->kind == NODE_LITERAL || word->kind == NODE_DOT ||
			word->kind == NODE_NIL) {
			template_error_at(p->error, p->text, c->pos,
				"non executable command in pipeline stage %u", i + 1);
			return NULL;
		}
	}
	for (guint i = 0; !pipe->assign && i < pipe->fields->len; i++)
		g_ptr_array_add(p->vars, g_strdup(pipe->fields->pdata[i]));
	return g_steal_pointer(&pipe);
}

/* control */

static Node *parse_control(Parser *p, const Token *word, NodeKind kind)
{
	guint scope = p->vars->len;
	gboolean has_else = FALSE;
	const char *context = kind == NODE_IF ? "if" : kind == NODE_WITH ? "with" : "range";
	g_autoptr(Node) n = node_new(kind, word);
	Node *pipe = parse_pipeline(p, context, TOK_RIGHT);
	if (!pipe)
		return NULL;
	g_ptr_array_add(n->kids, pipe);
	p->range_depth += kind == NODE_RANGE;
	Node *body = parse_list(p, context, &has_else);
	p->range_depth -= kind == NODE_RANGE;
	if (!body)
		return NULL;
	g_ptr_array_add(n->kids, body);
	if (has_else) {
		const Token *t = peek(p);
		gboolean chained = (kind == NODE_IF && token_is(p, t, "if")) ||
				   (kind == NODE_WITH && token_is(p, t, "with"));
		Node *other;
		if (chained) {
			/* {{else if}} is {{else}}{{if}} with one {{end}} for both */
			other = node_new(NODE_LIST, t);
			p->at++;
			if (++p->depth > MAX_DEPTH) {
				template_node_free(other);
				template_error_at(
					p->error, p->text, t->pos, "templates nest too deep");
				return NULL;
			}
			Node *inner = parse_control(p, t, kind);
			p->depth--;
			if (inner)
				g_ptr_array_add(other->kids, inner);
			else
				g_clear_pointer(&other, template_node_free);
		} else {
			other = expect_right(p, "else") ? parse_list(p, context, NULL) : NULL;
		}
		if (!other)
			return NULL;
		g_ptr_array_add(n->kids, other);
	}
	g_ptr_array_set_size(p->vars, (int)scope);
	return g_steal_pointer(&n);
}

/* {{define "x"}} and {{block "x" pipeline}}: the body gets a scope of its own. */
static Node *parse_define(Parser *p, const Token *word, gboolean is_block)
{
	const char *context = is_block ? "block clause" : "define clause";
	const Token *t = next(p);
	if (t->kind != TOK_STRING)
		return unexpected(p, t, context);
	g_autoptr(Node) name = parse_literal(p, t);
	if (!name)
		return NULL;
	g_autoptr(Node) n = node_new(is_block ? NODE_TEMPLATE : NODE_LIST, word);
	n->name = g_strdup(json_string_value(name->literal));
	if (is_block) {
		Node *pipe = parse_pipeline(p, context, TOK_RIGHT);
		if (!pipe)
			return NULL;
		g_ptr_array_add(n->kids, pipe);
	} else if (!expect_right(p, context)) {
		return NULL;
	}
	g_autoptr(GPtrArray) outer = p->vars;
	guint outer_range = p->range_depth;
	p->vars = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(p->vars, g_strdup("$"));
	p->range_depth = 0;
	Node *body = parse_list(p, context, NULL);
	g_ptr_array_unref(p->vars);
	p->vars = g_steal_pointer(&outer);
	p->range_depth = outer_range;
	if (!body)
		return NULL;
	g_hash_table_replace(p->defines, g_strdup(n->name), body);
	return g_steal_pointer(&n);
}

static Node *parse_template_call(Parser *p, const Token *word)
{
	const Token *t = next(p);
	if (t->kind != TOK_STRING)
		return unexpected(p, t, "template clause");
	g_autoptr(Node) name = parse_literal(p, t);
	if (!name)
		return NULL;
	g_autoptr(Node) n = node_new(NODE_TEMPLATE, word);
	n->name = g_strdup(json_string_value(name->literal));
	if (peek(p)->kind == TOK_RIGHT) {
		p->at++;
	} else {
		Node *pipe = parse_pipeline(p, "template clause", TOK_RIGHT);
		if (!pipe)
			return NULL;
		g_ptr_array_add(n->kids, pipe);
	}
	/* errors show the whole action and point at the name */
	const Token *right = &p->tokens[p->at - 1];
	n->pos = t->pos;
	n->start = word[-1].pos;
	n->end = right->pos + right->len;
	return g_steal_pointer(&n);
}

static Node *parse_loop_word(Parser *p, const Token *word, NodeKind kind)
{
	g_autofree char *text = token_text(p, word);
	if (!p->range_depth) {
		template_error_at(p->error, p->text, word->pos, "{{%s}} outside {{range}}", text);
		return NULL;
	}
	return expect_right(p, text) ? node_new(kind, word) : NULL;
}

static Node *parse_action(Parser *p)
{
	const Token *t = peek(p);
	if (t->kind != TOK_KEYWORD) {
		g_autoptr(Node) n = node_new(NODE_ACTION, t);
		Node *pipe = parse_pipeline(p, "command", TOK_RIGHT);
		if (!pipe)
			return NULL;
		g_ptr_array_add(n->kids, pipe);
		return g_steal_pointer(&n);
	}
	p->at++;
	if (token_is(p, t, "if"))
		return parse_control(p, t, NODE_IF);
	if (token_is(p, t, "with"))
		return parse_control(p, t, NODE_WITH);
	if (token_is(p, t, "range"))
		return parse_control(p, t, NODE_RANGE);
	if (token_is(p, t, "define"))
		return parse_define(p, t, FALSE);
	if (token_is(p, t, "block"))
		return parse_define(p, t, TRUE);
	if (token_is(p, t, "template"))
		return parse_template_call(p, t);
	if (token_is(p, t, "break"))
		return parse_loop_word(p, t, NODE_BREAK);
	if (token_is(p, t, "continue"))
		return parse_loop_word(p, t, NODE_CONTINUE);
	return unexpected(p, t, "command");
}

/* Up to {{end}} (or {{else}} when ret_else is given: then it stands behind that word). The
 * outermost list has no context and ends with the text. */
static Node *parse_list(Parser *p, const char *context, gboolean *ret_else)
{
	g_autoptr(Node) list = node_new(NODE_LIST, peek(p));
	if (++p->depth > MAX_DEPTH) {
		template_error_at(p->error, p->text, peek(p)->pos, "templates nest too deep");
		return NULL;
	}
	for (;;) {
		const Token *t = next(p);
		Node *n = NULL;
		if (t->kind == TOK_EOF && !context)
			break;
		if (t->kind == TOK_EOF)
			return unexpected(p, t, context);
		if (t->kind == TOK_TEXT) {
			n = node_new(NODE_TEXT, t);
		} else {
			gboolean is_end = token_is(p, peek(p), "end");
			gboolean is_else = token_is(p, peek(p), "else");
			if (is_else && !ret_else && context && !strstr(context, "clause")) {
				template_error_at(p->error, p->text, peek(p)->pos,
					"expected end; found {{else}}");
				return NULL;
			}
			if ((is_end && !context) || (is_else && !ret_else)) {
				template_error_at(p->error, p->text, peek(p)->pos,
					"unexpected {{%s}}", is_end ? "end" : "else");
				return NULL;
			}
			if (is_end || is_else) {
				p->at++;
				p->depth--;
				if (is_else)
					*ret_else = TRUE;
				else if (!expect_right(p, "end"))
					return NULL;
				return g_steal_pointer(&list);
			}
			n = parse_action(p);
			if (!n)
				return NULL;
		}
		g_ptr_array_add(list->kids, n);
	}
	p->depth--;
	return g_steal_pointer(&list);
}

Template *template_parse(const char *text, GError **error)
{
	if (strlen(text) > MAX_TEXT) {
		dh_error(error, DH_ERROR_TOO_LARGE, "template: : the template is too large");
		return NULL;
	}
	g_autoptr(GArray) tokens = template_lex(text, error);
	if (!tokens)
		return NULL;
	g_autoptr(Template) t = g_new0(Template, 1);
	t->text = g_strdup(text);
	t->defines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_node);
	g_autoptr(GPtrArray) vars = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(vars, g_strdup("$"));
	Parser p = {.text = t->text,
		.tokens = (const Token *)(void *)tokens->data,
		.vars = vars,
		.defines = t->defines,
		.error = error};
	t->root = parse_list(&p, NULL, NULL);
	return t->root ? g_steal_pointer(&t) : NULL;
}

void template_free(Template *t)
{
	if (!t)
		return;
	template_node_free(t->root);
	g_clear_pointer(&t->defines, g_hash_table_unref);
	g_free(t->text);
	g_free(t);
}

/* SPDX-License-Identifier: MIT */
/* template_internal.h - shared by the template's lexer, parser, executor and functions. */
#pragma once

#include "base/json.h"
#include "cli/format.h"

/* tokens */

typedef enum {
	TOK_EOF,
	TOK_TEXT,
	TOK_RIGHT, /* }}: the end of an action; its start needs no token of its own */
	TOK_LEFT,
	TOK_FIELD, /* .Name */
	TOK_DOT,
	TOK_VARIABLE, /* $name */
	TOK_IDENTIFIER,
	TOK_KEYWORD,
	TOK_STRING,
	TOK_NUMBER,
	TOK_CHAR,
	TOK_BOOL,
	TOK_NIL,
	TOK_PIPE,
	TOK_LPAREN,
	TOK_RPAREN,
	TOK_DECLARE, /* := */
	TOK_ASSIGN,  /* = */
	TOK_SYMBOL,  /* any other character: only "," has a meaning */
} TokenKind;

typedef struct {
	TokenKind kind;
	gboolean space_before;
	size_t pos, len; /* in the source */
} Token;

/* Tokens of the whole text, TOK_EOF last. Errors: "template: :LINE: ...". */
GArray *template_lex(const char *text, GError **error);
gboolean template_error_at(GError **error, const char *text, size_t pos, const char *fmt, ...)
	G_GNUC_PRINTF(4, 5);

/* syntax tree */

typedef enum {
	NODE_LIST,
	NODE_TEXT,
	NODE_ACTION, /* kids[0]: pipeline */
	NODE_IF,     /* kids: pipeline, list, else list or NULL */
	NODE_WITH,
	NODE_RANGE,
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_TEMPLATE, /* name, kids[0]: pipeline or none */
	NODE_PIPELINE, /* kids: commands; fields: variables declared or assigned */
	NODE_COMMAND,  /* kids: operands */
	NODE_DOT,
	NODE_NIL,
	NODE_FIELD,    /* fields */
	NODE_VARIABLE, /* name, fields */
	NODE_FUNCTION, /* name */
	NODE_LITERAL,
	NODE_CHAIN, /* kids[0], fields */
} NodeKind;

typedef struct Node Node;
struct Node {
	NodeKind kind;
	size_t pos;        /* where errors point to */
	size_t start, end; /* its source text */
	char *name;
	GPtrArray *fields; /* char* */
	GPtrArray *kids;   /* Node* */
	json_t *literal;
	gboolean assign; /* PIPELINE: "=" rather than ":=" */
};

void template_node_free(Node *n);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Node, template_node_free)

struct Template {
	char *text;
	Node *root;
	GHashTable *defines; /* name -> Node (LIST) */
};

gboolean template_is_function(const char *name, size_t len);

/* Calls a function with values (borrowed; NULL: no value). Result is a new reference or NULL for no
 * value; *ok FALSE with error on failure, and *ret_bad the argument it is about (G_MAXUINT: none).
 */
json_t *template_call(const char *name, json_t *const *args, guint n, gboolean *ok, guint *ret_bad,
	GError **error);

/* Values as Go prints them with %v; NULL is "<no value>". */
void template_print_value(GString *out, const json_t *v);
gboolean template_truth(const json_t *v);
/* A list or map that is not there: empty to everything but "json", which writes null. New
 * reference, never to be changed. */
json_t *template_nil(gboolean map);
gboolean template_is_nil(const json_t *v);
/* Go's shortest form of a float64. */
void template_print_real(GString *out, double d);
/* printf of Go; appended to out. */
void template_printf(GString *out, const char *fmt, json_t *const *args, guint n);
/* "..." with Go's escapes. */
void template_quote(GString *out, const char *s);

/* Sorted keys of an object; strv, strings borrowed. */
GPtrArray *template_sorted_keys(const json_t *object);

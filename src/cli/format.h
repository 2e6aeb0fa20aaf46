/* SPDX-License-Identifier: MIT */
/*
 * format.h - what --format does: Go templates over JSON values, tables, and "json".
 */
#pragma once

#include "base/json.h"

typedef struct Template Template;

/* Parses a Go text/template (see template_parse.c for the language). Errors are worded as Go's:
 * "template: :1: unclosed action". */
Template *template_parse(const char *text, GError **error);
void template_free(Template *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Template, template_free)

/* Executes it over a JSON value, appending to out. Fields of objects are looked up by name
 * ({{.State.Pid}}). strict: a missing field is an error ("template: :1:2: executing \"\" at <.Foo>:
 * map has no entry for key \"Foo\""); else it prints "<no value>". On failure out keeps what was
 * printed before. */
gboolean template_execute(
	const Template *t, json_t *data, gboolean strict, GString *out, GError **error);
/* A row of a table, where docker executes over a structure of its own: a missing field is "can't
 * evaluate field Foo in type TYPE_NAME", and a member that is an object can be called with a key
 * ({{.Label "x"}}). */
gboolean template_execute_row(
	const Template *t, json_t *row, const char *type_name, GString *out, GError **error);
/* The heading: functions that shape values leave it alone. */
gboolean template_execute_header(const Template *t, json_t *headers, GString *out, GError **error);

/* Can it show this member of its data, or all of it? */
gboolean template_mentions(const Template *t, const char *member);

/* A table of rows: docker's tables. */
typedef struct {
	const char *name;   /* field in templates: "ID" */
	const char *header; /* "CONTAINER ID"; NULL: not a column (a method) */
} Column;

typedef struct {
	const char *type_name; /* for errors: "*formatter.ContainerContext" */
	/* before a template's errors; NULL: "template parsing error: " */
	const char *parse_prefix, *execute_prefix;
	const char *default_table; /* "table {{.ID}}\t{{.Image}}" */
	const char *raw;           /* what the old format "raw" stands for, or NULL */
	const Column *columns;     /* what exists */
	size_t n_columns;
} TableSpec;

/* Prints rows (a JSON array of objects whose members are the fields) as format says: NULL, "" or
 * "table": the default template; "table ..." with headers; "json": one object a line; else a
 * template a row. Columns are aligned as docker does. */
gboolean format_print(const TableSpec *spec, const char *format, json_t *rows, GError **error);
/* The same into out. */
gboolean format_rows(
	const TableSpec *spec, const char *format, json_t *rows, GString *out, GError **error);

/* The same a row at a time, for long lists: made (NULL: the format does not parse), asked which
 * columns it can show, so that no others need be made, fed, and printed. */
typedef struct FormatList FormatList;
FormatList *format_list_new(const TableSpec *spec, const char *format, GError **error);
void format_list_free(FormatList *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FormatList, format_list_free)
gboolean format_list_shows(const FormatList *l, const char *column);
gboolean format_list_add(FormatList *l, json_t *row, GError **error);
gboolean format_list_end(FormatList *l, GString *out, GError **error);
gboolean format_list_print(FormatList *l, GError **error);

/* Does the format parse? Commands ask before they bother the daemon. */
gboolean format_check(const TableSpec *spec, const char *format, GError **error);

/* Fields separated by tabs, aligned: cells are at least min columns wide and 3 apart. */
void format_align(const char *text, size_t min, GString *out);

/* {{.Name}} or "json" over one value (version, info), a newline at the end. Errors begin with
 * "template parsing error: ". */
gboolean format_value(const char *format, json_t *value, GString *out, GError **error);

/* "\t" and "\n" typed in --format become the characters, "{{json .}}" stands for "json". Caller
 * frees. */
char *format_normalize(const char *format);
/* Printed with HTML characters escaped, as Go's encoder writes rows. Caller frees. */
char *format_json_line(const json_t *row);

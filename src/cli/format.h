/* SPDX-License-Identifier: MIT */
/*
 * format.h - what --format does: Go templates over JSON values, tables, and "json".
 */
#pragma once

#include "base/json.h"

typedef struct Template Template;

/* Parses a Go text/template (see template.c for the part of the language that exists). Errors are
 * worded "template parsing error: template: :1: ...". */
Template *template_parse(const char *text, GError **error);
void template_free(Template *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Template, template_free)
/* Executes it over a JSON value, appending to out. Fields of objects are looked up by name
 * ({{.State.Pid}}). strict: a missing field is an error ("template: :1:2: executing \"\" at <.Foo>:
 * map has no entry for key \"Foo\""); else it prints "<no value>". */
gboolean template_execute(
	const Template *t, json_t *data, gboolean strict, GString *out, GError **error);

/* A table of rows: docker's tables. columns: what exists, in default order. */
typedef struct {
	const char *name;   /* field in templates: "ID" */
	const char *header; /* "CONTAINER ID" */
} Column;

/* Prints rows (a JSON array of objects whose members are the fields) as format says: NULL or
 * "table": the default template ("table {{.ID}}\t{{.Image}}..."); "table ..." with headers; "json":
 * one object a line; else a template a row. Columns are aligned as docker does (tabwriter: minimum
 * width 10 (20 for `min_width`), padding 3). */
gboolean format_print(const char *format, const char *default_table, const Column *columns,
	size_t n_columns, json_t *rows, gboolean quiet_header, GError **error);

/* docker inspect: the array indented by 4, or a template for each; objects that were not found are
 * the caller's. */
gboolean format_inspect(const char *format, json_t *objects, GError **error);

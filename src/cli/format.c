/* SPDX-License-Identifier: MIT */
#include "cli/format.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

enum { MIN_CELL = 10, PADDING = 3 };

char *format_normalize(const char *format)
{
	GString *s = g_string_new(NULL);
	if (strcmp(format, "json") == 0)
		return g_string_free(g_string_assign(s, "{{json .}}"), FALSE);
	for (; *format; format++) {
		if (format[0] == '\\' && (format[1] == 't' || format[1] == 'n'))
			g_string_append_c(s, *++format == 't' ? '\t' : '\n');
		else
			g_string_append_c(s, *format);
	}
	return g_string_free(s, FALSE);
}

/* JSON */

char *format_json_line(const json_t *row)
{
	g_autofree char *text = dh_json_dumps(row, 0);
	GString *s = g_string_sized_new(strlen(text));
	for (const char *p = text; *p; p++) {
		/* outside of strings none of the three can occur */
		if (*p == '<' || *p == '>' || *p == '&')
			g_string_append_printf(s, "\\u%04x", *p);
		else
			g_string_append_c(s, *p);
	}
	return g_string_free(s, FALSE);
}

#define TEMPLATE_ERROR "template parsing error: "

/* tables */

/* Columns on a terminal of a cell's text. */
static size_t cell_width(const char *s, size_t n)
{
	return (size_t)g_utf8_strlen(s, (gssize)n);
}

typedef struct {
	const char *text;
	size_t len, width;
	size_t column; /* as wide as this in the output; the last one of a line has none */
} Cell;

typedef struct {
	guint first, n; /* of the cells */
} Line;

static void split_line(const char *text, const char *end, GArray *cells, GArray *lines)
{
	Line l = {.first = cells->len};
	for (const char *p = text;; p++) {
		if (p < end && *p != '\t')
			continue;
		Cell c = {.text = text, .len = (size_t)(p - text)};
		c.width = cell_width(c.text, c.len);
		g_array_append_val(cells, c);
		l.n++;
		if (p == end)
			break;
		text = p + 1;
	}
	g_array_append_val(lines, l);
}

/* A column is a block of consecutive lines that have a cell there with a tab behind it; only the
 * lines of one block share a width. The last cell of a line is not part of any column. */
static void align_column(Cell *cells, const Line *lines, guint n, guint column, size_t min)
{
	for (guint i = 0; i < n;) {
		if (lines[i].n <= column + 1) {
			i++;
			continue;
		}
		guint from = i;
		size_t widest = 0;
		for (; i < n && lines[i].n > column + 1; i++)
			widest = MAX(widest, cells[lines[i].first + column].width);
		widest = MAX(widest + PADDING, min);
		for (guint k = from; k < i; k++)
			cells[lines[k].first + column].column = widest;
	}
}

static void append_cell(GString *out, const Cell *c)
{
	g_string_append_len(out, c->text, (gssize)c->len);
	for (size_t n = c->width; n < c->column; n++)
		g_string_append_c(out, ' ');
}

void format_align(const char *text, size_t min, GString *out)
{
	g_autoptr(GArray) cells = g_array_new(FALSE, FALSE, sizeof(Cell));
	g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(Line));
	guint most = 0;
	while (*text) {
		const char *end = strchrnul(text, '\n');
		split_line(text, end, cells, lines);
		most = MAX(most, g_array_index(lines, Line, lines->len - 1).n);
		text = *end ? end + 1 : end;
	}
	Cell *all = (Cell *)(void *)cells->data;
	const Line *l = (const Line *)(void *)lines->data;
	for (guint c = 0; c + 1 < most; c++)
		align_column(all, l, lines->len, c, min);
	for (guint i = 0; i < lines->len; i++) {
		for (guint c = 0; c < l[i].n; c++)
			append_cell(out, &all[l[i].first + c]);
		g_string_append_c(out, '\n');
	}
}

static Template *parse_or(const char *what, const char *text, GError **error)
{
	Template *t = template_parse(text, error);
	if (!t)
		g_prefix_error(error, "%s", what);
	return t;
}

static gboolean append_header(
	const TableSpec *spec, const Template *t, GString *out, GError **error)
{
	g_autoptr(json_t) headers = json_object();
	for (size_t i = 0; i < spec->n_columns; i++) {
		const char *header = spec->columns[i].header;
		json_object_set_new(
			headers, spec->columns[i].name, json_string(header ? header : ""));
	}
	if (!template_execute_header(t, headers, out, error))
		return FALSE;
	g_string_append_c(out, '\n');
	return TRUE;
}

static void append_json_row(const TableSpec *spec, const json_t *row, GString *out)
{
	g_autoptr(json_t) shown = json_object();
	for (size_t c = 0; c < spec->n_columns; c++) {
		json_t *v = json_object_get(row, spec->columns[c].name);
		if (spec->columns[c].header && v)
			json_object_set(shown, spec->columns[c].name, v);
	}
	g_autofree char *line = format_json_line(shown);
	g_string_append(out, line);
}

/* The format in full: what the short words stand for. */
static const char *expand(const TableSpec *spec, const char *format)
{
	if (!format || !*format || strcmp(format, "table") == 0)
		return spec->default_table;
	return strcmp(format, "raw") == 0 && spec->raw ? spec->raw : format;
}

static Template *parse_rows(const TableSpec *spec, const char *format, GError **error)
{
	gboolean is_table = g_str_has_prefix(format, "table");
	g_autofree char *text = format_normalize(is_table ? format + strlen("table") : format);
	return parse_or(spec->parse_prefix ? spec->parse_prefix : TEMPLATE_ERROR,
		is_table ? g_strstrip(text) : text, error);
}

struct FormatList {
	const TableSpec *spec;
	Template *t;
	gboolean is_json, is_table;
	GString *text;
};

FormatList *format_list_new(const TableSpec *spec, const char *format, GError **error)
{
	format = expand(spec, format);
	Template *t = parse_rows(spec, format, error);
	if (!t)
		return NULL;
	FormatList *l = g_new0(FormatList, 1);
	l->spec = spec;
	l->t = t;
	l->is_json = strcmp(format, "json") == 0 || strcmp(format, "{{json .}}") == 0;
	l->is_table = g_str_has_prefix(format, "table");
	l->text = g_string_new(NULL);
	return l;
}

void format_list_free(FormatList *l)
{
	if (!l)
		return;
	template_free(l->t);
	g_string_free(l->text, TRUE);
	g_free(l);
}

gboolean format_list_shows(const FormatList *l, const char *column)
{
	return l->is_json || template_mentions(l->t, column);
}

gboolean format_list_add(FormatList *l, json_t *row, GError **error)
{
	if (l->is_json) {
		append_json_row(l->spec, row, l->text);
	} else if (!template_execute_row(l->t, row, l->spec->type_name, l->text, error)) {
		g_prefix_error(error, "%s",
			l->spec->execute_prefix ? l->spec->execute_prefix : TEMPLATE_ERROR);
		return FALSE;
	}
	g_string_append_c(l->text, '\n');
	return TRUE;
}

gboolean format_list_end(FormatList *l, GString *out, GError **error)
{
	if (!l->is_table) {
		g_string_append_len(out, l->text->str, (gssize)l->text->len);
		return TRUE;
	}
	g_autoptr(GString) header = g_string_new(NULL);
	if (!append_header(l->spec, l->t, header, error))
		return FALSE;
	g_string_prepend_len(l->text, header->str, (gssize)header->len);
	format_align(l->text->str, MIN_CELL, out);
	return TRUE;
}

gboolean format_list_print(FormatList *l, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	gboolean ok = format_list_end(l, out, error);
	fwrite(out->str, 1, out->len, stdout);
	return ok;
}

gboolean format_check(const TableSpec *spec, const char *format, GError **error)
{
	g_autoptr(Template) t = parse_rows(spec, expand(spec, format), error);
	return t != NULL;
}

gboolean format_rows(
	const TableSpec *spec, const char *format, json_t *rows, GString *out, GError **error)
{
	g_autoptr(FormatList) l = format_list_new(spec, format, error);
	size_t i;
	json_t *row;
	if (!l)
		return FALSE;
	json_array_foreach (rows, i, row) {
		if (!format_list_add(l, row, error))
			return FALSE;
	}
	return format_list_end(l, out, error);
}

gboolean format_print(const TableSpec *spec, const char *format, json_t *rows, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	gboolean ok = format_rows(spec, format, rows, out, error);
	fwrite(out->str, 1, out->len, stdout);
	return ok;
}

/* values */

gboolean format_value(const char *format, json_t *value, GString *out, GError **error)
{
	g_autofree char *text = format_normalize(format);
	g_autoptr(Template) t = parse_or(TEMPLATE_ERROR, text, error);
	if (!t)
		return FALSE;
	if (!template_execute(t, value, TRUE, out, error)) {
		g_prefix_error(error, TEMPLATE_ERROR);
		return FALSE;
	}
	g_string_append_c(out, '\n');
	return TRUE;
}

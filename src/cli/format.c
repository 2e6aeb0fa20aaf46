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
	const char *start;
	size_t len, n_cells;
} Line;

static size_t nth_cell(const Line *l, size_t n, const char **ret)
{
	const char *p = l->start, *end = l->start + l->len;
	for (;;) {
		const char *tab = memchr(p, '\t', (size_t)(end - p));
		const char *stop = tab ? tab : end;
		if (n-- == 0) {
			*ret = p;
			return (size_t)(stop - p);
		}
		if (!tab)
			return 0;
		p = tab + 1;
	}
}

/* A column is a block of consecutive lines that have a cell there with a tab behind it; only the
 * lines of one block share a width. The last cell of a line is not part of any column. */
static void align_block(GPtrArray *widths, const Line *lines, size_t n, size_t column, size_t min)
{
	for (size_t i = 0; i < n;) {
		if (lines[i].n_cells <= column + 1) {
			i++;
			continue;
		}
		size_t from = i, widest = 0;
		for (; i < n && lines[i].n_cells > column + 1; i++) {
			const char *cell = "";
			size_t len = nth_cell(&lines[i], column, &cell);
			widest = MAX(widest, cell_width(cell, len));
		}
		widest = MAX(widest + PADDING, min);
		for (size_t k = from; k < i; k++)
			g_array_append_val((GArray *)widths->pdata[k], widest);
	}
}

void format_align(const char *text, size_t min, GString *out)
{
	g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(Line));
	g_autoptr(GPtrArray) widths = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
	size_t most = 0;
	while (*text) {
		const char *end = strchrnul(text, '\n');
		Line l = {.start = text, .len = (size_t)(end - text), .n_cells = 1};
		for (const char *p = text; p < end; p++)
			l.n_cells += *p == '\t';
		most = MAX(most, l.n_cells);
		g_array_append_val(lines, l);
		g_ptr_array_add(widths, g_array_new(FALSE, FALSE, sizeof(size_t)));
		text = *end ? end + 1 : end;
	}
	const Line *first = (const Line *)(void *)lines->data;
	for (size_t c = 0; c + 1 < most; c++)
		align_block(widths, first, lines->len, c, min);
	for (guint i = 0; i < lines->len; i++) {
		const GArray *w = widths->pdata[i];
		for (size_t c = 0; c < first[i].n_cells; c++) {
			const char *cell = "";
			size_t len = nth_cell(&first[i], c, &cell);
			g_string_append_len(out, cell, (gssize)len);
			if (c + 1 < first[i].n_cells)
				g_string_append_printf(out, "%*s",
					(int)(g_array_index(w, size_t, c) - cell_width(cell, len)),
					"");
		}
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

gboolean format_check(const TableSpec *spec, const char *format, GError **error)
{
	g_autoptr(Template) t = parse_rows(spec, expand(spec, format), error);
	return t != NULL;
}

gboolean format_rows(
	const TableSpec *spec, const char *format, json_t *rows, GString *out, GError **error)
{
	format = expand(spec, format);
	gboolean is_json = strcmp(format, "json") == 0 || strcmp(format, "{{json .}}") == 0;
	gboolean is_table = g_str_has_prefix(format, "table");
	g_autoptr(Template) t = parse_rows(spec, format, error);
	if (!t)
		return FALSE;
	g_autoptr(GString) plain = g_string_new(NULL);
	size_t i;
	json_t *row;
	json_array_foreach (rows, i, row) {
		if (is_json) {
			append_json_row(spec, row, plain);
		} else if (!template_execute_row(t, row, spec->type_name, plain, error)) {
			g_prefix_error(error, "%s",
				spec->execute_prefix ? spec->execute_prefix : TEMPLATE_ERROR);
			return FALSE;
		}
		g_string_append_c(plain, '\n');
	}
	if (!is_table) {
		g_string_append(out, plain->str);
		return TRUE;
	}
	g_autoptr(GString) table = g_string_new(NULL);
	if (!append_header(spec, t, table, error))
		return FALSE;
	g_string_append(table, plain->str);
	format_align(table->str, MIN_CELL, out);
	return TRUE;
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

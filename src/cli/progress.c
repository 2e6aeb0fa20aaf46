/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: on a terminal the parts (layers) are the last lines of the screen, the
 * cursor stands at the start of the line below them. A change of one part moves up, rewrites its
 * line and moves back. Lines are cut to the terminal's width, for one that wraps would put all
 * those below out of place.
 *
 * Parts that do not fit on the screen cannot be reached with cursor movements. Then those that are
 * done are written above the others and left alone, and those beyond the last line are only
 * counted, until one above is done. The whole block is drawn again for that.
 *
 * A line that is no part's is written below the block, which from then on is history.
 */
#include "cli/progress.h"

#include "base/size.h"
#include "cli/listing.h"
#include "cli/terminal.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MAX_PARTS = 4096, /* beyond it the block becomes history: the daemon cannot grow us */
	WIDEST_BAR = 50,
	NARROWEST_BAR = 10,
	BAR_FRAME = 4, /* "[", ">", "] " */
};
#define RATE_AFTER (G_USEC_PER_SEC / 2) /* a rate over less time says nothing */

typedef struct {
	char *id, *status, *units;
	ProgressFigures figures; /* its units are the member above */
	int64_t first;           /* figure and time that the rate is counted from */
	gint64 first_time;
	gboolean done;
} Part;

struct Progress {
	FILE *out;
	gboolean terminal;
	GPtrArray *parts; /* in their order on the screen */
	GHashTable *by_id;
	guint drawn; /* lines of the block on the screen */
};

static void part_free(gpointer data)
{
	Part *p = data;
	g_free(p->id);
	g_free(p->status);
	g_free(p->units);
	g_free(p);
}

Progress *progress_new(FILE *out)
{
	const char *term = getenv("TERM");
	Progress *p = g_new0(Progress, 1);
	p->out = out;
	p->terminal = terminal_is_tty(fileno(out)) && term && *term && strcmp(term, "dumb") != 0;
	p->parts = g_ptr_array_new_with_free_func(part_free);
	p->by_id = g_hash_table_new(g_str_hash, g_str_equal);
	return p;
}

void progress_free(Progress *p)
{
	if (!p)
		return;
	g_hash_table_unref(p->by_id);
	g_ptr_array_unref(p->parts);
	g_free(p);
}

/* figures */

static gboolean has_figures(const ProgressFigures *f)
{
	return f->current > 0 || f->total > 0;
}

static char *counts(const ProgressFigures *f)
{
	gboolean bounded = f->total > 0 && f->current <= f->total;
	if (f->units && *f->units)
		return bounded ? g_strdup_printf("%" PRId64 "/%" PRId64 " %s", f->current, f->total,
					 f->units)
			       : g_strdup_printf("%" PRId64 " %s", f->current, f->units);
	g_autofree char *current = dh_size_human((double)f->current, 4);
	g_autofree char *total = dh_size_human((double)f->total, 4);
	return bounded ? g_strdup_printf("%8s/%s", current, total)
		       : g_strdup_printf("%8s", current);
}

static double share(const ProgressFigures *f)
{
	return CLAMP((double)f->current / (double)f->total, 0.0, 1.0);
}

static void append_bar(GString *s, const ProgressFigures *f, size_t room)
{
	if (f->total <= 0 || room < NARROWEST_BAR + BAR_FRAME)
		return;
	size_t width = MIN(room - BAR_FRAME, (size_t)WIDEST_BAR);
	size_t filled = (size_t)(share(f) * (double)width);
	g_string_append_c(s, '[');
	for (size_t i = 0; i < width + 1; i++)
		g_string_append_c(s, i < filled ? '=' : i == filled ? '>' : ' ');
	g_string_append(s, "] ");
}

char *progress_figures(const ProgressFigures *f, double rate, size_t columns)
{
	if (!has_figures(f))
		return g_strdup("");
	g_autofree char *numbers = f->hide_counts && f->total > 0 ? g_strdup("") : counts(f);
	g_autofree char *speed = rate > 0 ? dh_size_human(rate, 3) : NULL;
	g_autofree char *tail = speed ? g_strdup_printf("  %s/s", speed) : g_strdup("");
	if (strlen(numbers) > columns)
		g_strchug(numbers);
	if (strlen(numbers) > columns && f->total > 0) {
		g_free(numbers);
		numbers = g_strdup_printf("%.0f%%", share(f) * 100);
	}
	size_t used = strlen(numbers);
	GString *s = g_string_new(NULL);
	size_t bar = f->total > 0 ? NARROWEST_BAR + BAR_FRAME : 0;
	gboolean with_tail = used + strlen(tail) + bar <= columns;
	if (with_tail)
		used += strlen(tail);
	append_bar(s, f, columns > used ? columns - used : 0);
	g_string_append(s, numbers);
	if (with_tail)
		g_string_append(s, tail);
	return g_string_free(s, FALSE);
}

static double part_rate(const Part *part)
{
	gint64 time = g_get_monotonic_time() - part->first_time;
	if (time < RATE_AFTER || part->figures.current <= part->first ||
		(part->units && *part->units))
		return 0;
	return (double)(part->figures.current - part->first) * G_USEC_PER_SEC / (double)time;
}

/* drawing */

/* Of the block: the screen less the line that the cursor is on. */
static guint screen_lines(const Progress *p)
{
	unsigned rows, columns;
	terminal_size(fileno(p->out), &rows, &columns);
	return rows > 2 ? rows - 1 : rows ? 1 : G_MAXUINT;
}

static size_t screen_columns(const Progress *p)
{
	unsigned rows, columns;
	terminal_size(fileno(p->out), &rows, &columns);
	return columns > 1 ? columns - 1 : 79;
}

static void write_part(const Progress *p, const Part *part)
{
	size_t columns = screen_columns(p);
	g_autofree char *head = g_strdup_printf("%s: %s", part->id, part->status);
	size_t used = (size_t)g_utf8_strlen(head, -1) + 1;
	g_autofree char *figures = progress_figures(
		&part->figures, part_rate(part), columns > used ? columns - used : 0);
	g_autofree char *line = g_strdup_printf("%s %s", head, figures);
	g_autofree char *cut = list_ellipsis(g_strchomp(line), columns);
	fprintf(p->out, "\033[2K%s\n", cut);
}

static void history(Progress *p)
{
	g_hash_table_remove_all(p->by_id);
	g_ptr_array_set_size(p->parts, 0);
	p->drawn = 0;
}

static void redraw(Progress *p)
{
	guint room = screen_lines(p);
	if (p->drawn)
		fprintf(p->out, "\033[%uA", p->drawn);
	fputs("\r\033[J", p->out);
	for (guint i = 0; p->parts->len > room && i < p->parts->len;) {
		Part *part = p->parts->pdata[i];
		if (!part->done) {
			i++;
			continue;
		}
		write_part(p, part);
		g_hash_table_remove(p->by_id, part->id);
		g_ptr_array_remove_index(p->parts, i);
	}
	gboolean all = p->parts->len <= room;
	guint n = all ? p->parts->len : room - 1;
	for (guint i = 0; i < n; i++)
		write_part(p, p->parts->pdata[i]);
	p->drawn = n;
	if (!all) {
		fprintf(p->out, "... and %u more\n", p->parts->len - n);
		p->drawn++;
	}
}

static void draw_part(Progress *p, const Part *part, guint index)
{
	guint room = screen_lines(p);
	gboolean all = p->parts->len <= room;
	if (all && index == p->drawn && index + 1 == p->parts->len) {
		write_part(p, part);
		p->drawn++;
		return;
	}
	if (all && p->drawn != p->parts->len) {
		redraw(p);
		return;
	}
	if (!all && (part->done || p->drawn != room)) {
		redraw(p);
		return;
	}
	if (!all && index + 1 >= room)
		return; /* one of those that are only counted */
	guint up = p->drawn - index;
	fprintf(p->out, "\033[%uA\r", up);
	write_part(p, part);
	if (up > 1)
		fprintf(p->out, "\033[%uB", up - 1);
}

/* parts */

static gboolean is_done(const char *status)
{
	static const char *const words[] = {"Pull complete", "Already exists", "Pushed",
		"Layer already exists", "Loaded", NULL};
	return g_strv_contains(words, status) || g_str_has_prefix(status, "Mounted from ");
}

static Part *part_of(Progress *p, const char *id, guint *ret_index)
{
	gpointer found;
	if (g_hash_table_lookup_extended(p->by_id, id, NULL, &found)) {
		g_ptr_array_find(p->parts, found, ret_index);
		return found;
	}
	if (p->parts->len >= MAX_PARTS)
		history(p);
	Part *part = g_new0(Part, 1);
	part->id = g_strdup(id);
	*ret_index = p->parts->len;
	g_ptr_array_add(p->parts, part);
	g_hash_table_insert(p->by_id, part->id, part);
	return part;
}

static void part_set(Part *part, const char *status, const ProgressFigures *f)
{
	if (g_strcmp0(part->status, status) != 0 || f->current < part->first || !part->first_time) {
		part->first = f->current;
		part->first_time = g_get_monotonic_time();
	}
	g_free(part->status);
	part->status = g_strdup(status);
	g_free(part->units);
	part->units = text_printable(f->units ? f->units : "", "");
	part->figures = *f;
	part->figures.units = part->units;
	part->done = !has_figures(f) && is_done(status);
}

static void say_clean(Progress *p, const char *id, const char *status)
{
	fprintf(p->out, "%s%s%s\n", id, *id ? ": " : "", status);
}

void progress_say(Progress *p, const char *id, const char *status)
{
	g_autofree char *clean_id = text_printable(id ? id : "", "");
	g_autofree char *clean = text_printable(status, "");
	if (p->parts->len > p->drawn)
		redraw(p);
	history(p);
	say_clean(p, clean_id, clean);
}

void progress_text(Progress *p, const char *text)
{
	history(p);
	if (!p->terminal) {
		fputs(text, p->out);
		return;
	}
	g_autofree char *clean = text_printable(text, "\n\r\t");
	fputs(clean, p->out);
}

void progress_part(Progress *p, const char *id, const char *status, const ProgressFigures *f)
{
	g_autofree char *clean_id = text_printable(id, "");
	g_autofree char *clean = text_printable(status, "");
	if (!p->terminal) {
		if (!has_figures(f))
			say_clean(p, clean_id, clean);
		return;
	}
	guint index = 0;
	Part *part = part_of(p, clean_id, &index);
	part_set(part, clean, f);
	draw_part(p, part, index);
}

/* SPDX-License-Identifier: MIT */
#include "cli/trace.h"

#include "base/trace.h"
#include "cli/client.h"

#include <stdio.h>

void trace_begin(Cli *cli)
{
	g_autoptr(GError) error = NULL;
	json_decref(cli_call(cli, "POST", "/dhow/trace", NULL, NULL, &error));
	if (error)
		fprintf(stderr, "trace: of this command only: %s\n", error->message);
	(void)dh_trace_start();
	dh_trace("dhow: begins");
}

static int by_time(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_array_get(*(json_t *const *)a, 0));
	json_int_t y = json_integer_value(json_array_get(*(json_t *const *)b, 0));
	return (x > y) - (x < y);
}

void trace_end(Cli *cli)
{
	dh_trace("dhow: ends");
	g_autoptr(json_t) marks = dh_trace_take();
	g_autoptr(json_t) theirs = cli_call(cli, "GET", "/dhow/trace", NULL, NULL, NULL);
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	size_t i;
	json_t *m;
	json_array_foreach (marks, i, m)
		g_ptr_array_add(all, m);
	json_array_foreach (theirs, i, m)
		g_ptr_array_add(all, m);
	g_ptr_array_sort(all, by_time);
	json_int_t first = 0, last = 0;
	fprintf(stderr, "%9s %9s %8s  \n", "ms", "since", "pid");
	for (guint k = 0; k < all->len; k++) {
		json_int_t at = json_integer_value(json_array_get(all->pdata[k], 0));
		if (k == 0)
			first = last = at;
		fprintf(stderr, "%9.3f %+9.3f %8" JSON_INTEGER_FORMAT "  %s\n",
			(double)(at - first) / 1e6, (double)(at - last) / 1e6,
			json_integer_value(json_array_get(all->pdata[k], 1)),
			json_string_value(json_array_get(all->pdata[k], 2)));
		last = at;
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: docker's compression. Ports that are not published, or published under their
 * own number, gather in groups by address and protocol and become ranges; ports published under
 * another number are listed one by one behind them.
 */
#include "cli/ports.h"

#include "cli/listing.h"

#include <string.h>

typedef struct {
	const char *ip, *type;
	json_int_t private, public;
} Port;

typedef struct {
	char *ip, *type; /* ip "": not published */
	json_int_t first, last;
} Group;

static int compare_ports(const void *a, const void *b)
{
	const Port *x = a, *y = b;
	int r;
	if (x->private != y->private)
		return x->private < y->private ? -1 : 1;
	if ((r = strcmp(x->ip, y->ip)))
		return r;
	if (x->public != y->public)
		return x->public < y->public ? -1 : 1;
	return strcmp(x->type, y->type);
}

static void free_group(gpointer p)
{
	Group *g = p;
	g_free(g->ip);
	g_free(g->type);
	g_free(g);
}

static void append_item(GString *out, const char *text)
{
	g_string_append_printf(out, "%s%s", out->len ? ", " : "", text);
}

static void append_group(GString *out, const Group *g)
{
	g_autofree char *range =
		g->first == g->last
			? g_strdup_printf("%" JSON_INTEGER_FORMAT, g->first)
			: g_strdup_printf("%" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT,
				  g->first, g->last);
	gboolean v6 = strchr(g->ip, ':') != NULL;
	g_autofree char *text = *g->ip ? g_strdup_printf("%s%s%s:%s->%s/%s", v6 ? "[" : "", g->ip,
						 v6 ? "]" : "", range, range, g->type)
				       : g_strdup_printf("%s/%s", range, g->type);
	append_item(out, text);
}

/* Adds the port to its group; a gap prints the group and begins it anew. */
static void add_to_group(GPtrArray *groups, const Port *p, GString *out)
{
	for (guint i = 0; i < groups->len; i++) {
		Group *g = groups->pdata[i];
		if (strcmp(g->ip, p->ip) != 0 || strcmp(g->type, p->type) != 0)
			continue;
		if (p->private != g->last + 1) {
			append_group(out, g);
			g->first = p->private;
		}
		g->last = p->private;
		return;
	}
	Group *g = g_new0(Group, 1);
	g->ip = g_strdup(p->ip);
	g->type = g_strdup(p->type);
	g->first = g->last = p->private;
	g_ptr_array_add(groups, g);
}

char *ports_display(const json_t *ports)
{
	g_autoptr(GArray) sorted = g_array_new(FALSE, FALSE, sizeof(Port));
	g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(free_group);
	g_autoptr(GString) mappings = g_string_new(NULL);
	GString *out = g_string_new(NULL);
	for (size_t i = 0; i < json_array_size(ports); i++) {
		const json_t *p = json_array_get(ports, i);
		Port port = {list_string(p, "IP"), list_string(p, "Type"),
			list_int(p, "PrivatePort"), list_int(p, "PublicPort")};
		g_array_append_val(sorted, port);
	}
	g_array_sort(sorted, compare_ports);
	for (guint i = 0; i < sorted->len; i++) {
		const Port *p = &g_array_index(sorted, Port, i);
		if (!*p->ip || p->public == p->private) {
			add_to_group(groups, p, out);
			continue;
		}
		gboolean v6 = strchr(p->ip, ':') != NULL;
		g_autofree char *text = g_strdup_printf("%s%s%s:%" JSON_INTEGER_FORMAT
							"->%" JSON_INTEGER_FORMAT "/%s",
			v6 ? "[" : "", p->ip, v6 ? "]" : "", p->public, p->private, p->type);
		append_item(mappings, text);
	}
	for (guint i = 0; i < groups->len; i++)
		append_group(out, groups->pdata[i]);
	if (mappings->len)
		append_item(out, mappings->str);
	return g_string_free(out, FALSE);
}

/* SPDX-License-Identifier: MIT */
#include "container/subids.h"

#include "runtime/oci.h"

#include <string.h>

static const int64_t id_max = G_MAXUINT32;

void subids_add(GPtrArray *list, int64_t inside, int64_t host, int64_t size)
{
	OciIdMap *m = dh_json_new(&oci_id_map_table);
	m->container_id = inside;
	m->host_id = host;
	m->size = size;
	g_ptr_array_add(list, m);
}

/* "owner:start:count" */
static gboolean parse_line(char *line, char **ret_owner, int64_t *ret_start, int64_t *ret_size)
{
	char *start = strchr(line, ':'), *end;
	char *size = start ? strchr(start + 1, ':') : NULL;
	if (!size)
		return FALSE;
	*start++ = *size++ = '\0';
	*ret_owner = line;
	*ret_start = g_ascii_strtoll(start, &end, 10);
	gboolean ok = end != start && !*end;
	*ret_size = g_ascii_strtoll(size, &end, 10);
	return ok && end != size && !*end && *ret_start >= 0 && *ret_size > 0 &&
	       *ret_start < id_max && *ret_size <= id_max - *ret_start;
}

/* owner NULL: everybody's. */
static GPtrArray *ranges(const char *text, const char *owner)
{
	GPtrArray *list = dh_json_list_new();
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
	int64_t inside = 0, start, size;
	char *name;
	for (char **l = lines; *l; l++) {
		if (!parse_line(g_strstrip(*l), &name, &start, &size) ||
			(owner && strcmp(name, owner) != 0))
			continue;
		subids_add(list, inside, start, size);
		inside += size;
	}
	return list;
}

GPtrArray *subids_of(const char *text, const char *const *owners)
{
	for (; *owners; owners++) {
		g_autoptr(GPtrArray) list = ranges(text, *owners);
		if (list->len)
			return g_steal_pointer(&list);
	}
	return NULL;
}

GPtrArray *subids_all(const char *text)
{
	return ranges(text, NULL);
}

gboolean subids_overlap(int64_t a, int64_t n, int64_t b, int64_t m)
{
	return a < b + m && b < a + n;
}

gboolean subids_taken(const GPtrArray *list, int64_t at)
{
	for (guint i = 0; i < list->len; i++) {
		const OciIdMap *m = list->pdata[i];
		if (subids_overlap(at, SUBIDS_RANGE, m->host_id, m->size))
			return TRUE;
	}
	return FALSE;
}

/* The n-th whole range of the list, or -1. */
int64_t subids_nth(const GPtrArray *list, int64_t n)
{
	for (guint i = 0; i < list->len; i++) {
		const OciIdMap *m = list->pdata[i];
		if (n < m->size / SUBIDS_RANGE)
			return m->host_id + n * SUBIDS_RANGE;
		n -= m->size / SUBIDS_RANGE;
	}
	return -1;
}

/* SPDX-License-Identifier: MIT */
/* A list read object by object is the list read as a tree, and read in pieces it is the same. */
#include "base/json.h"
#include "tests/fuzz/fuzz.h"

typedef struct {
	int64_t n;
	char *text, **list;
	GHashTable *map;
	json_t *raw;
} Item;

/* Names without case, in which the tree is less strict. */
static const DhJsonField item_fields[] = {
	DH_F(INT, Item, n, "1", 0),
	DH_F(STRING, Item, text, "2", 0),
	DH_F(STRV, Item, list, "3", 0),
	DH_F(STRMAP, Item, map, "4", 0),
	DH_F(RAW, Item, raw, "5", 0),
};
static DH_JSON_TABLE(item_table, Item, item_fields, FALSE);

/* step: how much of the text comes at a time; 0: all of it. FALSE: refused. */
static gboolean scan(const char *text, size_t n, size_t step, GString *out)
{
	g_autoptr(GError) error = NULL;
	DhJsonScan s;
	size_t there = step ? MIN(step, n) : n;
	dh_json_scan(&s, text, there, there == n);
	for (;;) {
		Item item = {0};
		gboolean more = dh_json_scan_next(&s, &item_table, &item, &error);
		if (more)
			dh_json_append_text(&item_table, &item, out);
		dh_json_clear(&item_table, &item);
		if (more)
			continue;
		if (there == n || error)
			return !error;
		there = MIN(there + step, n);
		dh_json_scan_more(&s, text, there, there == n);
	}
}

static gboolean tree(const char *text, size_t n, GString *out)
{
	json_error_t why; /* of a name that comes twice the tree looks at the last alone */
	g_autoptr(json_t) list = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	size_t i;
	json_t *element;
	if (!json_is_array(list))
		return FALSE;
	json_array_foreach (list, i, element) {
		Item item = {0};
		gboolean ok = json_is_object(element) &&
			      dh_json_parse_into(&item_table, element, &item, NULL);
		if (ok)
			dh_json_append_text(&item_table, &item, out);
		dh_json_clear(&item_table, &item);
		if (!ok)
			return FALSE;
	}
	return TRUE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 4096)
		return 0;
	/* Of just that length: whoever reads behind it is seen. */
	g_autofree char *text = g_memdup2(data + 1, size - 1);
	GString *whole = g_string_new(NULL), *pieces = g_string_new(NULL),
		*of_tree = g_string_new(NULL);
	gboolean ok = scan(text ? text : "", size - 1, 0, whole);
	g_assert(scan(text ? text : "", size - 1, 1 + data[0] % 64, pieces) == ok);
	g_assert_cmpstr(whole->str, ==, pieces->str);
	if (tree(text ? text : "", size - 1, of_tree)) {
		g_assert(ok);
		g_assert_cmpstr(whole->str, ==, of_tree->str);
	}
	g_string_free(whole, TRUE);
	g_string_free(pieces, TRUE);
	g_string_free(of_tree, TRUE);
	return 0;
}

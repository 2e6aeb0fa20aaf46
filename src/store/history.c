/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/timefmt.h"
#include "store/internal.h"

void store_history_free(StoreHistory *h)
{
	if (!h)
		return;
	g_free(h->id);
	g_free(h->created_by);
	g_free(h->comment);
	g_strfreev(h->tags);
	g_free(h);
}

static char *text_member(const json_t *entry, const char *name)
{
	const char *text = json_string_value(json_object_get(entry, name));
	return g_strdup(text ? text : "");
}

static StoreHistory *entry_new(const json_t *entry)
{
	StoreHistory *h = g_new0(StoreHistory, 1);
	h->id = g_strdup("<missing>");
	h->created_by = text_member(entry, "created_by");
	h->comment = text_member(entry, "comment");
	h->tags = g_new0(char *, 1);
	const char *created = json_string_value(json_object_get(entry, "created"));
	if (!created || !dh_time_parse(created, 0, &h->created, NULL))
		h->created = DH_TIME_ZERO;
	return h;
}

/* The newest entry is the image itself, the ones below are its parents as far as they are known. */
static void fill_ids(Store *s, const Image *i, GPtrArray *list)
{
	g_autoptr(Image) image = image_ref((Image *)i);
	for (guint k = 0; image && k < list->len; k++) {
		StoreHistory *h = g_ptr_array_index(list, k);
		g_free(h->id);
		h->id = g_strdup(image->id);
		g_strfreev(h->tags);
		h->tags = g_strdupv(image->repo_tags);
		Image *parent = *image->parent ? store_image_find(s, image->parent, NULL) : NULL;
		image_unref(image);
		image = parent;
	}
}

GPtrArray *store_image_history(Store *s, const Image *i, GError **error)
{
	g_autoptr(GPtrArray) oldest_first = g_ptr_array_new();
	g_autoptr(GPtrArray) list =
		g_ptr_array_new_with_free_func((GDestroyNotify)store_history_free);
	const json_t *history = json_object_get(i->raw, "history");
	guint n_layers = g_strv_length(i->diff_ids), used = 0;
	size_t k;
	const json_t *entry;
	json_array_foreach (history, k, entry) {
		StoreHistory *h = entry_new(entry);
		g_ptr_array_add(oldest_first, h);
		if (json_is_true(json_object_get(entry, "empty_layer")))
			continue;
		if (used < n_layers) {
			Layer *l = layer_lookup(s, i->chain_ids[used]);
			h->size = l ? l->size : 0;
			if (l)
				layer_free(l);
		}
		used++;
	}
	for (guint n = oldest_first->len; n-- > 0;)
		g_ptr_array_add(list, g_ptr_array_index(oldest_first, n));
	if (used > n_layers) {
		dh_error(error, DH_ERROR_SYSTEM, "too many non-empty layers in History section");
		return NULL;
	}
	fill_ids(s, i, list);
	return g_steal_pointer(&list);
}

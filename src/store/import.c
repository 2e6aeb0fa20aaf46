/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/timefmt.h"
#include "store/internal.h"

#include <string.h>

/* os[/architecture[/variant]], the machine's where nothing is said. */
static char **parse_platform(const char *platform, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(platform ? platform : "", "/", 4);
	guint n = g_strv_length(parts);
	for (guint i = 0; i < n; i++) {
		size_t len = strlen(parts[i]);
		if (n > 3 || len == 0 || len > 64 ||
			strspn(parts[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
					 "56789_.-") != len) {
			dh_error(error, DH_ERROR_INVALID,
				"\"%s\" is an invalid component of \"%s\": platform specifier",
				parts[i], platform);
			return NULL;
		}
	}
	if (n > 0 && strcmp(parts[0], "linux") != 0) {
		dh_error(error, DH_ERROR_INVALID, "operating system is not supported");
		return NULL;
	}
	char **out = g_new0(char *, 4);
	out[0] = g_strdup("linux");
	out[1] = g_strdup(n > 1 ? parts[1] : image_host_arch());
	out[2] = g_strdup(n > 2 ? parts[2] : "");
	return out;
}

/* Members in the order of their names, as docker writes them. */
static char *config_text(
	char *const *platform, ContainerConfig *config, const char *comment, const char *diff_id)
{
	g_autofree char *created = dh_time_format(dh_time_now());
	g_autoptr(json_t) image = json_object();
	json_object_set_new(image, "architecture", json_string(platform[1]));
	json_object_set_new(image, "comment", json_string(comment));
	json_object_set_new(image, "config", dh_json_emit(&container_config_table, config));
	json_object_set_new(image, "created", json_string(created));
	json_object_set_new(image, "history",
		json_pack("[{s:s, s:s}]", "created", created, "comment", comment));
	json_object_set_new(image, "os", json_string(platform[0]));
	json_object_set_new(
		image, "rootfs", json_pack("{s:s, s:[s]}", "type", "layers", "diff_ids", diff_id));
	if (*platform[2])
		json_object_set_new(image, "variant", json_string(platform[2]));
	return dh_json_dumps(image, 0);
}

static char *adopt(Store *s, StagedLayer *layer, const char *text, const char *name, GError **error)
{
	g_autoptr(ImageCore) core = image_parse(text, strlen(text), error);
	if (!core)
		return NULL;
	g_autoptr(GPtrArray) staged = g_ptr_array_new();
	g_ptr_array_add(staged, layer);
	char *const names[] = {(char *)name, NULL};
	const NewImage n = {core, text, strlen(text), staged, NULL, name ? names : NULL};
	return store_adopt(s, &n, NULL, error) ? g_strdup(core->id) : NULL;
}

char *store_import(Store *s, StoreRead read, void *read_arg, char *const *changes,
	const char *message, const char *repo, const char *tag, const char *source,
	const char *platform, GError **error)
{
	/* All words first: a wrong one must not cost the reading of a large stream. */
	g_autofree char *name = NULL;
	if (repo && *repo && !(name = tag_new_name(repo, tag, error)))
		return NULL;
	g_auto(GStrv) where = parse_platform(platform, error);
	if (!where)
		return NULL;
	g_autofree char *comment =
		message && *message
			? g_strdup(message)
			: g_strconcat("Imported from ", source && *source ? source : "-", NULL);
	ContainerConfig *config = dh_json_new(&container_config_table);
	char *id = NULL;
	if (store_apply_changes(config, changes, error)) {
		g_autoptr(StagedLayer) layer =
			layer_stage(s, read, read_arg, UNTAR_LOWEST, NULL, error);
		if (layer) {
			g_autofree char *text =
				config_text(where, config, comment, layer->got.diff_id);
			id = adopt(s, layer, text, name, error);
		}
	}
	dh_json_free(&container_config_table, config);
	return id;
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "cli/run_parse.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { MAX_KV_FILE = 16 << 20 };

#define WHITE_SPACE " \t\n\v\f\r"

static gboolean add_line(
	const char *path, const char *line, gboolean from_env, json_t *into, GError **error)
{
	line += strspn(line, WHITE_SPACE);
	if (!*line || *line == '#')
		return TRUE;
	g_autofree char *name = NULL;
	const char *value = text_cut(line, '=', &name);
	if (!*name)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid env file (%s): no variable name on line '%s'", path, line);
	if (name[strcspn(name, WHITE_SPACE)])
		return dh_error(error, DH_ERROR_INVALID,
			"invalid env file (%s): variable '%s' contains whitespaces", path, name);
	if (value)
		return parse_plain(line, into, error);
	const char *ours = from_env ? g_getenv(name) : NULL;
	if (!ours)
		return TRUE;
	g_autofree char *full = g_strconcat(name, "=", ours, NULL);
	return parse_plain(full, into, error);
}

gboolean read_kv_file(const char *path, gboolean from_env, json_t *into, GError **error)
{
	dh_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return dh_error(error, DH_ERROR_INVALID, "open %s: %s", path,
			errno == ENOENT ? "no such file or directory" : g_strerror(errno));
	g_autoptr(GError) local = NULL;
	size_t size;
	g_autofree char *text = dh_read_to_end(fd, MAX_KV_FILE, &size, &local);
	if (!text && g_strrstr(local->message, g_strerror(EISDIR)))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid env file (%s): read %s: is a directory", path, path);
	if (!text)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid env file (%s): %s", path, local->message);

	const char *start = g_str_has_prefix(text, "\xef\xbb\xbf") ? text + 3 : text;
	g_auto(GStrv) lines = g_strsplit(start, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		size_t n = strlen(lines[i]);
		if (n && lines[i][n - 1] == '\r')
			lines[i][n - 1] = '\0';
		if (!g_utf8_validate(lines[i], -1, NULL))
			return dh_error(error, DH_ERROR_INVALID,
				"invalid env file (%s): env file %s contains invalid utf8 bytes "
				"at line %u: %s",
				path, path, i + 1, lines[i]);
		if (!add_line(path, lines[i], from_env, into, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean read_files(const GPtrArray *files, gboolean from_env, json_t *into, GError **error)
{
	for (guint i = 0; files && i < files->len; i++) {
		if (!read_kv_file(g_ptr_array_index(files, i), from_env, into, error))
			return FALSE;
	}
	return TRUE;
}

json_t *kv_object(json_t *list)
{
	json_t *object = json_object();
	json_t *item;
	size_t i;
	json_array_foreach (list, i, item)
		parse_map(json_string_value(item), object, NULL);
	return object;
}

/* The last value given for a variable counts; its place is that of the first. */
static void append_unique(json_t *list, json_t *seen, json_t *item)
{
	g_autofree char *name = NULL;
	text_cut(json_string_value(item), '=', &name);
	json_t *at = json_object_get(seen, name);
	if (at) {
		json_array_set(list, (size_t)json_integer_value(at), item);
		return;
	}
	json_object_set_new(seen, name, json_integer((json_int_t)json_array_size(list)));
	json_array_append(list, item);
}

static void append_proxy_env(RunParse *p, json_t *list, json_t *seen)
{
	GHashTableIter it;
	gpointer name, value;
	if (!p->proxy_env)
		return;
	g_hash_table_iter_init(&it, p->proxy_env);
	while (g_hash_table_iter_next(&it, &name, &value)) {
		if (json_object_get(seen, name))
			continue;
		g_autofree char *full = g_strconcat(name, "=", value, NULL);
		json_array_append_new(list, text_json(full));
	}
}

gboolean parse_environment(RunParse *p, GError **error)
{
	g_autoptr(json_t) list = json_array();
	g_autoptr(json_t) given = json_array();
	g_autoptr(json_t) seen = json_object();
	json_t *item;
	size_t i;

	if (!read_files(p->o->env_file, TRUE, list, error))
		return FALSE;
	json_array_foreach (json_object_get(p->values, "env"), i, item)
		append_unique(given, seen, item);
	append_proxy_env(p, given, seen);
	json_array_extend(list, given);
	json_object_set_new(
		p->config, "Env", json_array_size(list) ? json_incref(list) : json_null());
	return TRUE;
}

gboolean parse_labels(RunParse *p, GError **error)
{
	g_autoptr(json_t) list = json_array();
	if (!read_files(p->o->label_file, FALSE, list, error))
		return FALSE;
	json_array_extend(list, json_object_get(p->values, "label"));
	json_object_set_new(p->config, "Labels", kv_object(list));
	return TRUE;
}

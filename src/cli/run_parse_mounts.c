/* SPDX-License-Identifier: MIT */
/* -v and --mount. */
#include "base/error.h"
#include "base/log.h"
#include "cli/run_parse.h"
#include "cli/text.h"

#include <string.h>

/* A mount being read: the object that is sent, and what decides whether it may be. */
typedef struct {
	json_t *mount;
	const char *recursive; /* of bind-recursive */
	gboolean lone;         /* the key at hand came without a value */
} Mount;

typedef gboolean (*MountSetter)(Mount *m, const char *key, const char *value, GError **error);

/* The options of one mount type, made on first use. */
static json_t *options_of(Mount *m, const char *name)
{
	json_t *o = json_object_get(m->mount, name);
	if (!o) {
		o = json_object();
		json_object_set_new(m->mount, name, o);
	}
	return o;
}

static json_t *volume_options(Mount *m)
{
	json_t *o = options_of(m, "VolumeOptions");
	if (!json_object_get(o, "DriverConfig"))
		json_object_set_new(o, "DriverConfig", json_object());
	return o;
}

static gboolean invalid(const char *key, const char *value, GError **error)
{
	return dh_error(error, DH_ERROR_INVALID, "invalid value for %s: %s", key, value);
}

/* Members that are false or empty are not sent. */
static void set_string(json_t *object, const char *name, const char *value)
{
	if (*value)
		json_object_set_new(object, name, text_json(value));
	else
		json_object_del(object, name);
}

static gboolean set_flag(
	json_t *object, const char *name, const char *key, const char *value, GError **error)
{
	gboolean b;
	if (!text_bool(value, &b))
		return invalid(key, value, error);
	if (b)
		json_object_set_new(object, name, json_true());
	else
		json_object_del(object, name);
	return TRUE;
}

static gboolean set_type(Mount *m, const char *key, const char *value, GError **error)
{
	g_autofree char *lower = g_ascii_strdown(value, -1);
	set_string(m->mount, "Type", lower);
	return TRUE;
}

static gboolean set_source(Mount *m, const char *key, const char *value, GError **error)
{
	g_autofree char *absolute = NULL;
	if (g_str_has_prefix(value, "./") || strcmp(value, ".") == 0)
		value = absolute = g_canonicalize_filename(value, NULL);
	set_string(m->mount, "Source", value);
	return TRUE;
}

static gboolean set_target(Mount *m, const char *key, const char *value, GError **error)
{
	set_string(m->mount, "Target", value);
	return TRUE;
}

static gboolean set_readonly(Mount *m, const char *key, const char *value, GError **error)
{
	return set_flag(m->mount, "ReadOnly", key, value, error);
}

static gboolean set_consistency(Mount *m, const char *key, const char *value, GError **error)
{
	g_autofree char *lower = g_ascii_strdown(value, -1);
	set_string(m->mount, "Consistency", lower);
	return TRUE;
}

static gboolean set_propagation(Mount *m, const char *key, const char *value, GError **error)
{
	g_autofree char *lower = g_ascii_strdown(value, -1);
	set_string(options_of(m, "BindOptions"), "Propagation", lower);
	return TRUE;
}

static gboolean set_nonrecursive(Mount *m, const char *key, const char *value, GError **error)
{
	if (!set_flag(options_of(m, "BindOptions"), "NonRecursive", key, value, error))
		return FALSE;
	if (!m->lone)
		dh_warn("bind-nonrecursive is deprecated, use bind-recursive=disabled instead");
	return TRUE;
}

static gboolean set_recursive(Mount *m, const char *key, const char *value, GError **error)
{
	/* value -> what it turns on */
	static const char *const modes[][2] = {
		{"enabled", NULL},
		{"disabled", "NonRecursive"},
		{"writable", "ReadOnlyNonRecursive"},
		{"readonly", "ReadOnlyForceRecursive"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
		if (strcmp(value, modes[i][0]) != 0)
			continue;
		m->recursive = modes[i][0];
		if (modes[i][1])
			json_object_set_new(options_of(m, "BindOptions"), modes[i][1], json_true());
		return TRUE;
	}
	return dh_error(error, DH_ERROR_INVALID,
		"invalid value for %s: %s (must be \"enabled\", \"disabled\", \"writable\", or "
		"\"readonly\")",
		key, value);
}

static gboolean set_nocopy(Mount *m, const char *key, const char *value, GError **error)
{
	return set_flag(volume_options(m), "NoCopy", key, value, error);
}

static gboolean set_volume_subpath(Mount *m, const char *key, const char *value, GError **error)
{
	set_string(volume_options(m), "Subpath", value);
	return TRUE;
}

static void add_pair(json_t *owner, const char *name, const char *value)
{
	if (*value == '=' || !*value)
		return;
	if (!json_object_get(owner, name))
		json_object_set_new(owner, name, json_object());
	parse_map(value, json_object_get(owner, name), NULL);
}

static gboolean add_label(Mount *m, const char *key, const char *value, GError **error)
{
	add_pair(volume_options(m), "Labels", value);
	return TRUE;
}

static gboolean set_driver(Mount *m, const char *key, const char *value, GError **error)
{
	set_string(json_object_get(volume_options(m), "DriverConfig"), "Name", value);
	return TRUE;
}

static gboolean add_driver_option(Mount *m, const char *key, const char *value, GError **error)
{
	add_pair(json_object_get(volume_options(m), "DriverConfig"), "Options", value);
	return TRUE;
}

static gboolean set_image_subpath(Mount *m, const char *key, const char *value, GError **error)
{
	set_string(options_of(m, "ImageOptions"), "Subpath", value);
	return TRUE;
}

static gboolean set_tmpfs_size(Mount *m, const char *key, const char *value, GError **error)
{
	int64_t size;
	if (!text_size(value, &size, NULL))
		return invalid(key, value, error);
	json_t *options = options_of(m, "TmpfsOptions");
	if (size)
		json_object_set_new(options, "SizeBytes", json_integer(size));
	return TRUE;
}

static gboolean set_tmpfs_mode(Mount *m, const char *key, const char *value, GError **error)
{
	size_t n = strlen(value);
	if (n == 0 || n > 10 || strspn(value, "01234567") != n)
		return invalid(key, value, error);
	int64_t mode = g_ascii_strtoll(value, NULL, 8);
	json_t *options = options_of(m, "TmpfsOptions");
	if (mode)
		json_object_set_new(options, "Mode", json_integer(mode));
	return TRUE;
}

static const struct {
	const char *name;
	MountSetter set;
	gboolean alone; /* the name without a value means true */
} mount_keys[] = {
	{"type", set_type, FALSE},
	{"source", set_source, FALSE},
	{"src", set_source, FALSE},
	{"target", set_target, FALSE},
	{"dst", set_target, FALSE},
	{"destination", set_target, FALSE},
	{"readonly", set_readonly, TRUE},
	{"ro", set_readonly, TRUE},
	{"consistency", set_consistency, FALSE},
	{"bind-propagation", set_propagation, FALSE},
	{"bind-nonrecursive", set_nonrecursive, TRUE},
	{"bind-recursive", set_recursive, FALSE},
	{"volume-nocopy", set_nocopy, TRUE},
	{"volume-subpath", set_volume_subpath, FALSE},
	{"volume-label", add_label, FALSE},
	{"volume-driver", set_driver, FALSE},
	{"volume-opt", add_driver_option, FALSE},
	{"image-subpath", set_image_subpath, FALSE},
	{"tmpfs-size", set_tmpfs_size, FALSE},
	{"tmpfs-mode", set_tmpfs_mode, FALSE},
};

static gboolean set_field(Mount *m, const char *field, GError **error)
{
	g_autofree char *key = NULL;
	const char *value = text_cut(field, '=', &key);
	for (guint i = 0; i < G_N_ELEMENTS(mount_keys); i++) {
		if (strcmp(mount_keys[i].name, key) != 0)
			continue;
		if (!value && !mount_keys[i].alone)
			break;
		m->lone = !value;
		return mount_keys[i].set(m, key, value ? value : "true", error);
	}
	if (!value)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid field '%s' must be a key=value pair", field);
	return dh_error(error, DH_ERROR_INVALID, "unexpected key '%s' in '%s'", key, field);
}

static gboolean check_recursive(const Mount *m, GError **error)
{
	const char *r = m->recursive ? m->recursive : "";
	gboolean read_only = json_is_true(json_object_get(m->mount, "ReadOnly"));
	if (strcmp(r, "writable") != 0 && strcmp(r, "readonly") != 0)
		return TRUE;
	if (!read_only)
		return dh_error(error, DH_ERROR_INVALID,
			"option 'bind-recursive=%s' requires 'readonly' to be specified in "
			"conjunction",
			r);
	const char *propagation = json_string_value(
		json_object_get(json_object_get(m->mount, "BindOptions"), "Propagation"));
	if (strcmp(r, "readonly") == 0 && g_strcmp0(propagation, "rprivate") != 0)
		return dh_error(error, DH_ERROR_INVALID,
			"option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' "
			"to be specified in conjunction");
	return TRUE;
}

static gboolean check_mount(const Mount *m, GError **error)
{
	static const char *const families[][2] = {
		{"VolumeOptions", "volume"},
		{"BindOptions", "bind"},
		{"ImageOptions", "image"},
		{"TmpfsOptions", "tmpfs"},
	};
	const char *type = json_string_value(json_object_get(m->mount, "Type"));
	if (!type)
		return dh_error(error, DH_ERROR_INVALID, "type is required");
	if (!json_object_get(m->mount, "Target"))
		return dh_error(error, DH_ERROR_INVALID, "target is required");
	for (guint i = 0; i < G_N_ELEMENTS(families); i++) {
		if (json_object_get(m->mount, families[i][0]) && strcmp(type, families[i][1]) != 0)
			return dh_error(error, DH_ERROR_INVALID,
				"cannot mix '%s-*' options with mount type '%s'", families[i][1],
				type);
	}
	return check_recursive(m, error);
}

gboolean parse_mount(const char *v, json_t *into, GError **error)
{
	g_autoptr(GPtrArray) fields = text_csv(v, error);
	if (!fields)
		return FALSE;
	g_autoptr(json_t) object = json_pack("{s:s}", "Type", "volume");
	Mount m = {.mount = object};
	for (guint i = 0; i < fields->len; i++) {
		if (!set_field(&m, g_ptr_array_index(fields, i), error))
			return FALSE;
	}
	if (!check_mount(&m, error))
		return FALSE;
	json_array_append(into, object);
	return TRUE;
}

/* How many sections the colons make of a volume, and the length of the first. A letter and a colon
 * at the beginning of a section are a Windows drive and part of it. */
static gboolean split_volume(const char *v, guint *ret_n, size_t *ret_first, GError **error)
{
	guint n = 0;
	const char *start = v;
	for (const char *s = v;; s++) {
		if (*s && *s != ':')
			continue;
		if (*s == ':' && s - start == 1 && g_ascii_isalpha(*start))
			continue;
		if (s == start)
			return dh_error(error, DH_ERROR_INVALID,
				"invalid spec: %s: empty section between colons", v);
		if (n == 2 && *s == ':')
			return dh_error(
				error, DH_ERROR_INVALID, "invalid spec: %s: too many colons", v);
		if (n++ == 0)
			*ret_first = (size_t)(s - v);
		if (!*s)
			break;
		start = s + 1;
	}
	*ret_n = n;
	return TRUE;
}

/* An anonymous volume is a member of Volumes, everything else a bind. */
static gboolean add_volume(const char *v, json_t *binds, json_t *volumes, GError **error)
{
	guint n = 1;
	size_t first = 0, len = strlen(v);
	if (len == 0)
		return dh_error(error, DH_ERROR_INVALID, "invalid empty volume spec");
	if (len > 2 && !split_volume(v, &n, &first, error))
		return FALSE;
	if (n == 1) {
		json_object_set_new(volumes, v, json_object());
		return TRUE;
	}
	g_autofree char *bind = g_strdup(v);
	if (*v == '.') {
		g_autofree char *source = g_strndup(v, first);
		g_autofree char *absolute = g_canonicalize_filename(source, NULL);
		g_free(bind);
		bind = g_strconcat(absolute, v + first, NULL);
	}
	json_t *item;
	size_t i;
	json_array_foreach (binds, i, item) {
		if (strcmp(json_string_value(item), bind) == 0)
			return TRUE;
	}
	json_array_append_new(binds, text_json(bind));
	return TRUE;
}

gboolean parse_volumes(RunParse *p, GError **error)
{
	g_autoptr(json_t) binds = json_array();
	g_autoptr(json_t) volumes = json_object();
	const GPtrArray *list = p->o->volumes;
	for (guint i = 0; list && i < list->len; i++) {
		if (!add_volume(g_ptr_array_index(list, i), binds, volumes, error))
			return FALSE;
	}
	json_object_set(p->config, "Volumes", volumes);
	json_object_set_new(
		p->host, "Binds", json_array_size(binds) ? json_incref(binds) : json_null());
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
/* Limits and devices: --ulimit, --blkio-*, --device*, --cpus, --gpus. */
#include "base/error.h"
#include "cli/run_parse.h"
#include "cli/text.h"

#include <string.h>

/* "/dev/sda:VALUE" into its two halves. */
static gboolean split_device(const char *v, char **ret_path, const char **ret_value, GError **error)
{
	*ret_value = text_cut(v, ':', ret_path);
	if (!*ret_value || !**ret_path)
		return dh_error(error, DH_ERROR_INVALID, "bad format: %s", v);
	if (!g_str_has_prefix(*ret_path, "/dev/"))
		return dh_error(error, DH_ERROR_INVALID, "bad format for device path: %s", v);
	return TRUE;
}

static gboolean add_device(json_t *into, const char *path, const char *key, json_int_t value)
{
	json_array_append_new(into, json_pack("{s:o, s:I}", "Path", text_json(path), key, value));
	return TRUE;
}

gboolean parse_weight_device(const char *v, json_t *into, GError **error)
{
	g_autofree char *path = NULL;
	const char *value;
	uint64_t weight;
	if (!split_device(v, &path, &value, error))
		return FALSE;
	if (!text_uint(value, 1000, &weight, NULL) || (weight > 0 && weight < 10))
		return dh_error(error, DH_ERROR_INVALID, "invalid weight for device: %s", v);
	return add_device(into, path, "Weight", (json_int_t)weight);
}

gboolean parse_bps_device(const char *v, json_t *into, GError **error)
{
	g_autofree char *path = NULL;
	const char *value;
	int64_t rate;
	if (!split_device(v, &path, &value, error))
		return FALSE;
	if (!text_size(value, &rate, NULL))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid rate for device: %s. The correct format is "
			"<device-path>:<number>[<unit>]. Number must be a positive integer. Unit "
			"is optional and can be kb, mb, or gb",
			v);
	return add_device(into, path, "Rate", rate);
}

gboolean parse_iops_device(const char *v, json_t *into, GError **error)
{
	g_autofree char *path = NULL;
	const char *value;
	uint64_t rate;
	if (!split_device(v, &path, &value, error))
		return FALSE;
	if (!text_uint(value, G_MAXINT64, &rate, NULL))
		return dh_error(error, DH_ERROR_INVALID,
			"invalid rate for device: %s. The correct format is "
			"<device-path>:<number>. Number must be a positive integer",
			v);
	return add_device(into, path, "Rate", (json_int_t)rate);
}

/* Digits or "*", then the character end; *s is moved behind it. */
static gboolean skip_device_number(const char **s, char end)
{
	size_t n = **s == '*' ? 1 : strspn(*s, "0123456789");
	if (n == 0 || (*s)[n] != end)
		return FALSE;
	*s += n + 1;
	return TRUE;
}

/* "c 1:3 rwm", "a *:* rwm" */
gboolean parse_device_rule(const char *v, json_t *into, GError **error)
{
	gboolean ok = *v && strchr("abc", *v) && v[1] == ' ';
	const char *s = ok ? v + 2 : v;
	ok = ok && skip_device_number(&s, ':') && skip_device_number(&s, ' ');
	size_t n = strlen(s);
	if (!ok || n < 1 || n > 3 || strspn(s, "rwm") != n)
		return dh_error(error, DH_ERROR_INVALID, "invalid device cgroup format '%s'", v);
	return parse_plain(v, into, error);
}

/* soft or soft:hard; -1 stands for unlimited. */
static gboolean parse_limits(const char *text, int64_t *soft, int64_t *hard, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, ":", -1);
	if (g_strv_length(parts) > 2)
		return dh_error(error, DH_ERROR_INVALID,
			"too many limit value arguments - %s, can only have up to two, "
			"`soft[:hard]`",
			text);
	/* g_strsplit makes nothing of "", which is one empty number. */
	if (!text_int(parts[0] ? parts[0] : "", soft, error))
		return FALSE;
	*hard = *soft;
	if (parts[0] && parts[1] && !text_int(parts[1], hard, error))
		return FALSE;
	if (*hard == -1)
		return TRUE;
	if (*soft == -1)
		return dh_error(error, DH_ERROR_INVALID,
			"ulimit soft limit must be less than or equal to hard limit: soft: -1 "
			"(unlimited), hard: %" G_GINT64_FORMAT,
			*hard);
	if (*soft > *hard)
		return dh_error(error, DH_ERROR_INVALID,
			"ulimit soft limit must be less than or equal to hard limit: "
			"%" G_GINT64_FORMAT " > %" G_GINT64_FORMAT,
			*soft, *hard);
	return TRUE;
}

gboolean parse_ulimit(const char *v, json_t *into, GError **error)
{
	static const char *const names[] = {"core", "cpu", "data", "fsize", "locks", "memlock",
		"msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending",
		"stack", NULL};
	g_autofree char *name = NULL;
	const char *limits = text_cut(v, '=', &name);
	int64_t soft, hard;
	if (!limits)
		return dh_error(error, DH_ERROR_INVALID, "invalid ulimit argument: %s", v);
	if (!g_strv_contains(names, name))
		return dh_error(error, DH_ERROR_INVALID, "invalid ulimit type: %s", name);
	if (!parse_limits(limits, &soft, &hard, error))
		return FALSE;
	json_t *u = json_pack("{s:s, s:I, s:I}", "Name", name, "Hard", (json_int_t)hard, "Soft",
		(json_int_t)soft);
	json_t *other;
	size_t i;
	json_array_foreach (into, i, other) {
		if (strcmp(json_string_value(json_object_get(other, "Name")), name) == 0) {
			json_array_set_new(into, i, u);
			return TRUE;
		}
	}
	json_array_append_new(into, u);
	return TRUE;
}

/* Mantissa digits and their decimal exponent of "1.5", ".25", "1e3". */
static gboolean parse_decimal(const char *s, __int128 *ret, int *ret_exponent)
{
	gboolean negative = *s == '-';
	gboolean point = FALSE;
	int digits = 0;
	__int128 n = 0;
	int exponent = 0;
	s += *s == '-' || *s == '+';
	for (; g_ascii_isdigit(*s) || (*s == '.' && !point); s++) {
		if (*s == '.') {
			point = TRUE;
			continue;
		}
		if (++digits > 27)
			return FALSE;
		n = n * 10 + (*s - '0');
		exponent -= point;
	}
	if (digits == 0)
		return FALSE;
	if (*s == 'e' || *s == 'E') {
		int64_t e;
		if (!text_int(s + 1, &e, NULL) || e < -18 || e > 18)
			return FALSE;
		exponent += (int)e;
		s = "";
	}
	*ret = negative ? -n : n;
	*ret_exponent = exponent;
	return *s == '\0';
}

gboolean parse_cpus(const char *v, int64_t *ret_nano, GError **error)
{
	g_autofree char *numerator = NULL;
	const char *denominator = text_cut(v, '/', &numerator);
	__int128 n, d = 1;
	int exponent, d_exponent = 0;
	gboolean ok = parse_decimal(numerator, &n, &exponent);
	if (denominator)
		ok = ok && exponent == 0 && parse_decimal(denominator, &d, &d_exponent) &&
		     d_exponent == 0 && d > 0;
	if (!ok)
		return dh_error(
			error, DH_ERROR_INVALID, "failed to parse %s as a rational number", v);
	for (exponent += 9; exponent > 0; exponent--) {
		if (n > G_MAXINT64 || n < G_MININT64)
			return dh_error(error, DH_ERROR_INVALID, "value is too large");
		n *= 10;
	}
	for (; exponent < 0; exponent++)
		d *= 10;
	if (n % d != 0)
		return dh_error(error, DH_ERROR_INVALID, "value is too precise");
	n /= d;
	if (n > G_MAXINT64 || n < G_MININT64)
		return dh_error(error, DH_ERROR_INVALID, "value is too large");
	*ret_nano = (int64_t)n;
	return TRUE;
}

static gboolean set_gpu_count(json_t *req, const char *v, GError **error)
{
	int64_t count = -1;
	g_autoptr(GError) local = NULL;
	if (strcmp(v, "all") != 0 && !text_int(v, &count, &local)) {
		const char *why = strrchr(local->message, ':');
		return dh_error(error, DH_ERROR_INVALID,
			"invalid count (%s): value must be either \"all\" or an integer%s", v,
			why ? why : "");
	}
	json_object_set_new(req, "Count", json_integer(count));
	return TRUE;
}

static gboolean set_gpu_options(json_t *req, const char *v, GError **error)
{
	g_autoptr(GPtrArray) fields = text_csv(v, error);
	if (!fields)
		return FALSE;
	for (guint i = 0; i < fields->len; i++)
		parse_map(g_ptr_array_index(fields, i), json_object_get(req, "Options"), NULL);
	return TRUE;
}

static json_t *comma_list(const char *v)
{
	g_auto(GStrv) parts = g_strsplit(v, ",", -1);
	json_t *list = json_array();
	for (char **s = parts; *s; s++)
		json_array_append_new(list, text_json(*s));
	return list;
}

static gboolean set_gpu_key(
	json_t *req, const char *key, const char *value, const char *field, GError **error)
{
	if (strcmp(key, "count") == 0)
		return set_gpu_count(req, value, error);
	if (strcmp(key, "options") == 0)
		return set_gpu_options(req, value, error);
	if (strcmp(key, "driver") == 0) {
		json_object_set_new(req, "Driver", text_json(value));
	} else if (strcmp(key, "device") == 0) {
		json_object_set_new(req, "DeviceIDs", comma_list(value));
	} else if (strcmp(key, "capabilities") == 0) {
		json_t *set = comma_list(value);
		json_array_append_new(set, json_string("gpu"));
		json_object_set_new(req, "Capabilities", json_pack("[o]", set));
	} else {
		return dh_error(error, DH_ERROR_INVALID, "unexpected key '%s' in '%s'", key, field);
	}
	return TRUE;
}

gboolean parse_gpus(const char *v, json_t *into, GError **error)
{
	g_autoptr(GPtrArray) fields = text_csv(v, error);
	if (!fields)
		return FALSE;
	g_autoptr(json_t) seen = json_object();
	g_autoptr(json_t) req = json_pack("{s:s, s:i, s:n, s:[[s]], s:{}}", "Driver", "", "Count",
		0, "DeviceIDs", "Capabilities", "gpu", "Options");
	for (guint i = 0; i < fields->len; i++) {
		const char *field = g_ptr_array_index(fields, i);
		g_autofree char *key = NULL;
		const char *value = text_cut(field, '=', &key);
		if (!value) {
			value = field;
			g_free(key);
			key = g_strdup("count");
		}
		if (json_object_get(seen, key))
			return dh_error(error, DH_ERROR_INVALID,
				"gpu request key '%s' can be specified only once", key);
		json_object_set_new(seen, key, json_true());
		if (!set_gpu_key(req, key, value, field, error))
			return FALSE;
	}
	if (!json_object_get(seen, "count") && !json_object_get(seen, "device"))
		json_object_set_new(req, "Count", json_integer(1));
	json_array_append(into, req);
	return TRUE;
}

static gboolean is_device_mode(const char *s)
{
	size_t n = strlen(s);
	if (n == 0 || strspn(s, "rwm") != n)
		return FALSE;
	for (size_t i = 0; i < n; i++) {
		if (strchr(s + i + 1, s[i]))
			return FALSE;
	}
	return TRUE;
}

/* n characters that begin with a letter (or digit), end with a letter or digit, and otherwise are
 * those or one of extra. */
static gboolean is_word(const char *s, size_t n, gboolean digit_first, const char *extra)
{
	if (n == 0 || !g_ascii_isalnum(s[0]) || !g_ascii_isalnum(s[n - 1]) ||
		(!digit_first && !g_ascii_isalpha(s[0])))
		return FALSE;
	for (size_t i = 0; i < n; i++) {
		if (!g_ascii_isalnum(s[i]) && !strchr(extra, s[i]))
			return FALSE;
	}
	return TRUE;
}

/* vendor.com/class=name: a device of the Container Device Interface. */
static gboolean is_cdi_name(const char *s)
{
	const char *slash = strchr(s, '/');
	const char *equals = slash ? strchr(slash, '=') : NULL;
	return equals && is_word(s, (size_t)(slash - s), FALSE, "_-.") &&
	       is_word(slash + 1, (size_t)(equals - slash - 1), FALSE, "_-") &&
	       is_word(equals + 1, strlen(equals + 1), TRUE, "_-.:");
}

static char *clean_path(const char *s)
{
	return *s == '/' ? g_canonicalize_filename(s, "/") : g_strdup(s);
}

/* SRC, SRC:MODE, SRC:DST or SRC:DST:MODE */
static gboolean add_device_mapping(const char *v, json_t *into, GError **error)
{
	g_auto(GStrv) f = g_strsplit(v, ":", -1);
	guint n = g_strv_length(f);
	if (n == 0 || n > 3 || !*f[0])
		return dh_error(error, DH_ERROR_INVALID, "bad format for path: %s", v);
	gboolean short_mode = n == 2 && is_device_mode(f[1]);
	const char *inside = n == 1 || short_mode ? f[0] : f[1];
	if (n == 3 && !is_device_mode(f[2]))
		return dh_error(error, DH_ERROR_INVALID, "bad mode specified: %s", f[2]);
	if (*inside != '/')
		return dh_error(error, DH_ERROR_INVALID, "%s is not an absolute path", inside);
	g_autofree char *source = inside == f[0] ? clean_path(f[0]) : g_strdup(f[0]);
	g_autofree char *target = n == 3 ? g_strdup(inside) : clean_path(inside);
	const char *mode = n == 3 ? f[2] : short_mode ? f[1] : "rwm";
	json_array_append_new(
		into, json_pack("{s:o, s:o, s:s}", "PathOnHost", text_json(source),
			      "PathInContainer", text_json(target), "CgroupPermissions", mode));
	return TRUE;
}

gboolean parse_devices(RunParse *p, GError **error)
{
	g_autoptr(json_t) devices = json_array();
	g_autoptr(json_t) cdi = json_array();
	const GPtrArray *list = p->o->device;
	for (guint i = 0; list && i < list->len; i++) {
		const char *v = g_ptr_array_index(list, i);
		if (is_cdi_name(v))
			parse_plain(v, cdi, NULL);
		else if (!add_device_mapping(v, devices, error))
			return FALSE;
	}
	json_object_set(p->host, "Devices", devices);
	if (json_array_size(cdi) == 0)
		return TRUE;
	json_t *requests = json_object_get(p->host, "DeviceRequests");
	if (!json_is_array(requests)) {
		requests = json_array();
		json_object_set_new(p->host, "DeviceRequests", requests);
	}
	json_array_append_new(
		requests, json_pack("{s:s, s:i, s:O, s:n, s:n}", "Driver", "cdi", "Count", 0,
				  "DeviceIDs", cdi, "Capabilities", "Options"));
	return TRUE;
}

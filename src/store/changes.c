/* SPDX-License-Identifier: MIT */
/*
 * Dockerfile lines applied to a configuration: `import --change`, `commit --change`. Each
 * instruction has a row in the table; words are split as in a Dockerfile: blanks separate, quotes
 * and backslashes keep together.
 */
#include "base/error.h"
#include "base/timefmt.h"
#include "store/store.h"
#include "store/words.h"

#include <string.h>

#define LINE_MAX_LEN (1024 * 1024)

typedef gboolean (*Apply)(ContainerConfig *c, const char *args, GError **error);

static gboolean is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* All words expanded; NULL with error. */
static char **expanded_words(const ContainerConfig *c, const char *args, GError **error)
{
	g_auto(GStrv) words = words_split(args);
	for (char **w = words; *w; w++) {
		char *plain = word_expand(*w, c->env, error);
		if (!plain)
			return NULL;
		g_free(*w);
		*w = plain;
	}
	return g_steal_pointer(&words);
}

/* ["a", "b"] as strv; NULL if the text is no such array. */
static char **json_form(const char *text)
{
	if (*text != '[')
		return NULL;
	g_autoptr(json_t) json = json_loads(text, 0, NULL);
	if (!json_is_array(json))
		return NULL;
	g_auto(GStrv) out = g_new0(char *, json_array_size(json) + 1);
	for (size_t i = 0; i < json_array_size(json); i++) {
		const char *s = json_string_value(json_array_get(json, i));
		if (!s)
			return NULL;
		out[i] = g_strdup(s);
	}
	return g_steal_pointer(&out);
}

static char **strv_of(const char *a, const char *b, const char *c)
{
	const char *const all[] = {a, b, c, NULL};
	return g_strdupv((char **)all);
}

/* CMD and friends: a JSON array, or a line for the shell (of the image, if it names one). */
static char **command_of(const ContainerConfig *c, const char *args)
{
	char **json = json_form(args);
	if (json)
		return json;
	if (!*args)
		return g_new0(char *, 1);
	if (!c->shell || !*c->shell)
		return strv_of("/bin/sh", "-c", args);
	guint n = g_strv_length(c->shell);
	char **out = g_new0(char *, n + 2);
	for (guint i = 0; i < n; i++)
		out[i] = g_strdup(c->shell[i]);
	out[n] = g_strdup(args);
	return out;
}

static void append(char ***strv, const char *text)
{
	guint n = *strv ? g_strv_length(*strv) : 0;
	*strv = g_renew(char *, *strv, n + 2);
	(*strv)[n] = g_strdup(text);
	(*strv)[n + 1] = NULL;
}

static void replace_text(char **member, const char *text)
{
	g_free(*member);
	*member = g_strdup(text);
}

static gboolean needs_argument(const char *what, GError **error)
{
	return dh_error(error, DH_ERROR_INVALID, "%s requires exactly one argument", what);
}

/* ---- NAME=value ... or NAME value ---- */

typedef void (*SetPair)(ContainerConfig *c, const char *name, const char *value);

static gboolean single_pair(
	ContainerConfig *c, const char *what, const char *args, SetPair set, GError **error)
{
	g_autofree char *name = word_next(&args);
	while (is_blank(*args))
		args++;
	if (!*args)
		return dh_error(error, DH_ERROR_INVALID, "%s must have two arguments", what);
	g_autofree char *plain_name = word_expand(name, c->env, error);
	g_autofree char *value = plain_name ? word_expand(args, c->env, error) : NULL;
	if (!value)
		return FALSE;
	set(c, plain_name, value);
	return TRUE;
}

/* Every value sees the environment as it was before the line. */
static gboolean pairs(
	ContainerConfig *c, const char *what, const char *args, SetPair set, GError **error)
{
	g_auto(GStrv) words = words_split(args);
	g_autoptr(GPtrArray) plain = g_ptr_array_new_with_free_func(g_free);
	if (!words[0])
		return dh_error(error, DH_ERROR_INVALID, "%s requires at least one argument", what);
	if (!strchr(words[0], '='))
		return single_pair(c, what, args, set, error);
	for (char **w = words; *w; w++) {
		char *eq = strchr(*w, '=');
		if (!eq)
			return dh_error(error, DH_ERROR_INVALID,
				"Syntax error - can't find = in \"%s\". Must be of the form: "
				"name=value",
				*w);
		*eq = '\0';
		g_ptr_array_add(plain, word_expand(*w, c->env, error));
		const char *name = g_ptr_array_index(plain, plain->len - 1);
		if (!name)
			return FALSE;
		if (!*name)
			return dh_error(error, DH_ERROR_INVALID, "%s names can not be blank", what);
		char *value = word_expand(eq + 1, c->env, error);
		if (!value)
			return FALSE;
		g_ptr_array_add(plain, value);
	}
	for (guint i = 0; i + 1 < plain->len; i += 2)
		set(c, g_ptr_array_index(plain, i), g_ptr_array_index(plain, i + 1));
	return TRUE;
}

static void set_env(ContainerConfig *c, const char *name, const char *value)
{
	g_autofree char *text = g_strconcat(name, "=", value, NULL);
	size_t n = strlen(name) + 1;
	for (char **e = c->env; e && *e; e++) {
		if (strncmp(*e, text, n) == 0) {
			replace_text(e, text);
			return;
		}
	}
	append(&c->env, text);
}

static void set_label(ContainerConfig *c, const char *name, const char *value)
{
	if (!c->labels)
		c->labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_hash_table_replace(c->labels, g_strdup(name), g_strdup(value));
}

static gboolean apply_env(ContainerConfig *c, const char *args, GError **error)
{
	return pairs(c, "ENV", args, set_env, error);
}

static gboolean apply_label(ContainerConfig *c, const char *args, GError **error)
{
	return pairs(c, "LABEL", args, set_label, error);
}

/* ---- the others ---- */

static gboolean apply_cmd(ContainerConfig *c, const char *args, GError **error)
{
	(void)error;
	char **cmd = command_of(c, args);
	g_strfreev(c->cmd);
	c->cmd = cmd;
	return TRUE;
}

static gboolean apply_entrypoint(ContainerConfig *c, const char *args, GError **error)
{
	(void)error;
	char **entrypoint = command_of(c, args);
	g_strfreev(c->entrypoint);
	c->entrypoint = *entrypoint ? entrypoint : NULL;
	if (!c->entrypoint)
		g_strfreev(entrypoint);
	return TRUE;
}

static void add_to_set(GHashTable **set, char *key)
{
	if (!*set)
		*set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_hash_table_add(*set, key);
}

static gboolean parse_port(const char *text, size_t n, guint *ret)
{
	if (n == 0 || n > 5 || strspn(text, "0123456789") < n)
		return FALSE;
	*ret = (guint)g_ascii_strtoull(text, NULL, 10);
	return *ret <= 65535;
}

/* [[ip:]hostport:]port[-port][/proto]: what EXPOSE keeps is the container's side. */
static gboolean expose_one(ContainerConfig *c, const char *word, GError **error)
{
	g_autofree char *text = g_strdup(word);
	char *slash = strchr(text, '/');
	g_autofree char *proto = g_ascii_strdown(slash && slash[1] ? slash + 1 : "tcp", -1);
	if (slash)
		*slash = '\0';
	const char *colon = strrchr(text, ':');
	const char *ports = colon ? colon + 1 : text;
	size_t n = strcspn(ports, "-");
	const char *last = ports[n] ? ports + n + 1 : ports;
	guint from, to;
	if (!parse_port(ports, n, &from) || !parse_port(last, strlen(last), &to) || to < from)
		return dh_error(error, DH_ERROR_INVALID, "Invalid containerPort: %s", ports);
	if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0 && strcmp(proto, "sctp") != 0)
		return dh_error(error, DH_ERROR_INVALID, "Invalid proto: %s", proto);
	for (guint port = from; port <= to; port++)
		add_to_set(&c->exposed_ports, g_strdup_printf("%u/%s", port, proto));
	return TRUE;
}

static gboolean apply_expose(ContainerConfig *c, const char *args, GError **error)
{
	g_auto(GStrv) words = expanded_words(c, args, error);
	if (!words)
		return FALSE;
	if (!words[0])
		return dh_error(error, DH_ERROR_INVALID, "EXPOSE requires at least one argument");
	for (char **w = words; *w; w++)
		if (!expose_one(c, *w, error))
			return FALSE;
	return TRUE;
}

static gboolean apply_onbuild(ContainerConfig *c, const char *args, GError **error)
{
	const char *rest = args;
	g_autofree char *word = word_next(&rest);
	if (!word)
		return dh_error(error, DH_ERROR_INVALID, "ONBUILD requires at least one argument");
	if (g_ascii_strcasecmp(word, "ONBUILD") == 0)
		return dh_error(error, DH_ERROR_INVALID,
			"Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	if (g_ascii_strcasecmp(word, "FROM") == 0 || g_ascii_strcasecmp(word, "MAINTAINER") == 0) {
		g_autofree char *upper = g_ascii_strup(word, -1);
		return dh_error(
			error, DH_ERROR_INVALID, "%s isn't allowed as an ONBUILD trigger", upper);
	}
	append(&c->on_build, args);
	return TRUE;
}

/* The whole line, expanded, as one value. */
static gboolean one_value(
	ContainerConfig *c, const char *what, const char *args, char **ret, GError **error)
{
	if (!*args)
		return needs_argument(what, error);
	char *value = word_expand(args, c->env, error);
	if (!value)
		return FALSE;
	g_free(*ret);
	*ret = value;
	return TRUE;
}

static gboolean apply_stopsignal(ContainerConfig *c, const char *args, GError **error)
{
	return one_value(c, "STOPSIGNAL", args, &c->stop_signal, error);
}

static gboolean apply_user(ContainerConfig *c, const char *args, GError **error)
{
	return one_value(c, "USER", args, &c->user, error);
}

static gboolean apply_volume(ContainerConfig *c, const char *args, GError **error)
{
	g_auto(GStrv) list = json_form(args);
	if (!list)
		list = expanded_words(c, args, error);
	if (!list)
		return FALSE;
	if (!*list)
		return dh_error(error, DH_ERROR_INVALID, "VOLUME requires at least one argument");
	for (char **w = list; *w; w++) {
		g_autofree char *path = g_strstrip(g_strdup(*w));
		if (!*path)
			return dh_error(error, DH_ERROR_INVALID,
				"VOLUME specified can not be an empty string");
		add_to_set(&c->volumes, g_steal_pointer(&path));
	}
	return TRUE;
}

static gboolean apply_workdir(ContainerConfig *c, const char *args, GError **error)
{
	g_autofree char *dir = NULL;
	if (!one_value(c, "WORKDIR", args, &dir, error))
		return FALSE;
	const char *base = c->working_dir && *c->working_dir ? c->working_dir : "/";
	char *full = g_canonicalize_filename(dir, base);
	g_free(c->working_dir);
	c->working_dir = full;
	return TRUE;
}

/* ---- HEALTHCHECK [--option=value ...] CMD command | NONE ---- */

static gboolean health_option(HealthConfig *h, const char *word, GError **error)
{
	const struct {
		const char *name;
		int64_t *member;
	} durations[] = {
		{"--interval=", h->interval ? NULL : &h->interval},
		{"--timeout=", h->timeout ? NULL : &h->timeout},
		{"--start-period=", h->start_period ? NULL : &h->start_period},
		{"--start-interval=", h->start_interval ? NULL : &h->start_interval},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(durations); i++) {
		if (!g_str_has_prefix(word, durations[i].name))
			continue;
		const char *value = word + strlen(durations[i].name);
		int64_t ns;
		if (!durations[i].member)
			return dh_error(
				error, DH_ERROR_INVALID, "Duplicate flag specified: %s", word);
		if (!dh_duration_parse(value, &ns, error))
			return FALSE;
		if (ns != 0 && ns < DH_NSEC / 1000)
			return dh_error(error, DH_ERROR_INVALID,
				"Interval \"%.*s\" cannot be less than 1ms",
				(int)strlen(durations[i].name) - 3, durations[i].name + 2);
		*durations[i].member = ns;
		return TRUE;
	}
	if (g_str_has_prefix(word, "--retries=")) {
		char *end;
		h->retries = g_ascii_strtoll(word + 10, &end, 10);
		if (!word[10] || *end || h->retries < 0)
			return dh_error(error, DH_ERROR_INVALID,
				"--retries must be at least 0 (not %s)", word + 10);
		return TRUE;
	}
	return dh_error(error, DH_ERROR_INVALID, "Unknown flag: %.*s",
		(int)strcspn(word, "=") - 2 < 0 ? 0 : (int)strcspn(word, "=") - 2, word + 2);
}

static gboolean health_command(
	ContainerConfig *c, HealthConfig *h, const char *type, const char *rest, GError **error)
{
	if (g_ascii_strcasecmp(type, "NONE") == 0) {
		if (*rest)
			return dh_error(
				error, DH_ERROR_INVALID, "HEALTHCHECK NONE takes no arguments");
		h->test = strv_of("NONE", NULL, NULL);
		return TRUE;
	}
	if (g_ascii_strcasecmp(type, "CMD") != 0)
		return dh_error(error, DH_ERROR_INVALID,
			"Unknown type \"%s\" in HEALTHCHECK (try CMD)", type);
	if (!*rest)
		return dh_error(error, DH_ERROR_INVALID, "Missing command after HEALTHCHECK CMD");
	g_auto(GStrv) json = json_form(rest);
	if (!json) {
		h->test = strv_of("CMD-SHELL", rest, NULL);
		return TRUE;
	}
	append(&h->test, "CMD");
	for (char **w = json; *w; w++)
		append(&h->test, *w);
	return TRUE;
}

static gboolean apply_healthcheck(ContainerConfig *c, const char *args, GError **error)
{
	HealthConfig *h = dh_json_new(&health_config_table);
	gboolean ok = TRUE;
	g_autofree char *word = word_next(&args);
	while (ok && word && g_str_has_prefix(word, "--")) {
		ok = health_option(h, word, error);
		g_free(word);
		word = word_next(&args);
	}
	while (is_blank(*args))
		args++;
	if (ok && !word)
		ok = dh_error(
			error, DH_ERROR_INVALID, "HEALTHCHECK requires at least one argument");
	if (!ok || !health_command(c, h, word, args, error)) {
		dh_json_free(&health_config_table, h);
		return FALSE;
	}
	dh_json_free(&health_config_table, c->healthcheck);
	c->healthcheck = h;
	return TRUE;
}

static const struct {
	const char *name;
	Apply apply;
} instructions[] = {
	{"CMD", apply_cmd},
	{"ENTRYPOINT", apply_entrypoint},
	{"ENV", apply_env},
	{"EXPOSE", apply_expose},
	{"HEALTHCHECK", apply_healthcheck},
	{"LABEL", apply_label},
	{"ONBUILD", apply_onbuild},
	{"STOPSIGNAL", apply_stopsignal},
	{"USER", apply_user},
	{"VOLUME", apply_volume},
	{"WORKDIR", apply_workdir},
};

static gboolean apply_line(ContainerConfig *c, const char *line, guint *n, GError **error)
{
	const char *rest = line;
	g_autofree char *word = word_next(&rest);
	if (!word || *word == '#')
		return TRUE;
	(*n)++;
	g_autofree char *args = g_strstrip(g_strdup(rest));
	for (size_t i = 0; i < G_N_ELEMENTS(instructions); i++)
		if (g_ascii_strcasecmp(word, instructions[i].name) == 0)
			return instructions[i].apply(c, args, error);
	return dh_error(error, DH_ERROR_INVALID, "%s is not a valid change command", word);
}

gboolean store_apply_changes(ContainerConfig *config, char *const *changes, GError **error)
{
	if (!changes || !*changes)
		return TRUE;
	guint n = 0;
	for (; *changes; changes++) {
		if (strlen(*changes) > LINE_MAX_LEN)
			return dh_error(error, DH_ERROR_INVALID, "change is too long");
		/* A change may be several lines; a backslash joins two. */
		g_autoptr(GString) text = g_string_new(*changes);
		g_string_replace(text, "\\\n", "", 0);
		g_auto(GStrv) lines = g_strsplit(text->str, "\n", -1);
		for (char **line = lines; *line; line++)
			if (!apply_line(config, g_strstrip(*line), &n, error))
				return FALSE;
	}
	return n > 0 || dh_error(error, DH_ERROR_INVALID, "file with no instructions");
}

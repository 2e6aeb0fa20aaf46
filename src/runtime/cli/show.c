/* SPDX-License-Identifier: MIT */
/* state and list: what is there. */
#include "base/error.h"
#include "runtime/cli/life.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

/* Without passwd lookups through shared libraries: a static program has only the file. */
char *user_name(uid_t uid)
{
	char *found = NULL;
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd pw, *entry;
	char buf[4096];
	while (f && !found && fgetpwent_r(f, &pw, buf, sizeof buf, &entry) == 0) {
		if (pw.pw_uid == uid)
			found = g_strdup(pw.pw_name);
	}
	if (f)
		fclose(f);
	return found ? found : g_strdup_printf("#%u", uid);
}

/* For list an owner by name; for state, as runc's, the same under the same key. */
static json_t *describe(const Container *c)
{
	Status s = container_status(c);
	OciState state = container_state(c);
	g_autofree char *owner = user_name((uid_t)c->owner);
	json_t *o = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "ociVersion",
		state.oci_version, "id", c->id, "pid",
		(json_int_t)(s == CONTAINER_STOPPED ? 0 : c->pid), "status", status_name(s),
		"bundle", c->bundle, "rootfs", c->spec->root->path, "created", c->created);
	if (state.annotations && g_hash_table_size(state.annotations)) {
		GHashTableIter it;
		gpointer key, value;
		json_t *map = json_object();
		g_hash_table_iter_init(&it, state.annotations);
		while (g_hash_table_iter_next(&it, &key, &value))
			json_object_set_new(map, key, json_string(value));
		json_object_set_new(o, "annotations", map);
	}
	json_object_set_new(o, "owner", json_string(owner));
	return o;
}

static int state(const Rt *rt, void *options, char **args, GError **error)
{
	(void)options;
	g_autoptr(Container) c = container_load(rt, args[0], FALSE, error);
	if (!c)
		return 1;
	g_autoptr(json_t) o = describe(c);
	g_autofree char *text = dh_json_dumps(o, 2);
	puts(text);
	return 0;
}

const RtCommand cmd_state = {
	.name = "state",
	.summary = "output the state of a container",
	.usage = "<container-id>",
	.description = "The state command outputs current state information for the\n"
		       "instance of a container.",
	.min_args = 1,
	.max_args = 1,
	.run = state,
};

/* ---- list ---- */

typedef struct {
	char *format;
	gboolean quiet;
} ListOptions;

static const OptionSpec list_options[] = {
	{'f', "format", OPT_STRING, offsetof(ListOptions, format), "value",
		"select one of: table or json", "\"table\""},
	{'q', "quiet", OPT_BOOL, offsetof(ListOptions, quiet), NULL, "display only container IDs"},
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

/* As Go's tabwriter: columns at least 12 wide, 3 blanks between them. */
static void print_table(const json_t *list)
{
	static const char *const heads[] = {"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"};
	static const char *const keys[] = {"id", "pid", "status", "bundle", "created", "owner"};
	enum { COLUMNS = G_N_ELEMENTS(heads) };
	size_t width[COLUMNS], i;
	json_t *o;
	for (guint k = 0; k < COLUMNS; k++) {
		width[k] = strlen(heads[k]);
		json_array_foreach (list, i, o)
			width[k] = MAX(width[k], strlen(text_of(o, keys[k])));
		width[k] = MAX(width[k] + 3, 12);
	}
	for (guint k = 0; k < COLUMNS; k++)
		printf("%-*s", k + 1 < COLUMNS ? (int)width[k] : 0, heads[k]);
	putchar('\n');
	json_array_foreach (list, i, o) {
		for (guint k = 0; k < COLUMNS; k++) {
			json_t *v = json_object_get(o, keys[k]);
			int w = k + 1 < COLUMNS ? (int)width[k] : 0;
			if (json_is_integer(v))
				printf("%-*d", w, (int)json_integer_value(v));
			else
				printf("%-*s", w, json_string_value(v));
		}
		putchar('\n');
	}
}

static int list(const Rt *rt, void *options, char **args, GError **error)
{
	(void)args;
	const ListOptions *o = options;
	const char *format = o->format ? o->format : "table";
	g_auto(GStrv) names = container_names(rt);
	g_autoptr(json_t) all = json_array();
	for (char **n = names; *n; n++) {
		g_autoptr(GError) e = NULL;
		g_autoptr(Container) c = container_load(rt, *n, FALSE, &e);
		if (c)
			json_array_append_new(all, describe(c));
		else if (!g_error_matches(e, DH_ERROR, DH_ERROR_NOT_FOUND))
			rt_log(RT_LOG_WARN, "load container %s: %s", *n, e->message);
	}
	if (o->quiet) {
		size_t i;
		json_t *c;
		json_array_foreach (all, i, c)
			puts(text_of(c, "id"));
	} else if (strcmp(format, "json") == 0) {
		g_autofree char *text = json_array_size(all) ? dh_json_dumps(all, 0) : NULL;
		puts(text ? text : "null");
	} else if (strcmp(format, "table") == 0) {
		print_table(all);
	} else {
		dh_error(error, DH_ERROR_INVALID, "invalid format option");
		return 1;
	}
	return 0;
}

const RtCommand cmd_list = {
	.name = "list",
	.summary = "lists containers started by " PROGRAM " with the given root",
	.usage = "[command options]",
	.arguments = "Where the given root is specified via the global option \"--root\"\n"
		     "(default: \"" STATE_ROOT "\").",
	.min_args = 0,
	.max_args = 0,
	.options = list_options,
	.n_options = G_N_ELEMENTS(list_options),
	.options_size = sizeof(ListOptions),
	.run = list,
};

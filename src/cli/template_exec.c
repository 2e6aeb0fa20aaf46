/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a tree walk with json_t references for values; NULL is Go's "no value".
 * Variables live on a stack that each control structure cuts back. Steps, depth and output are
 * bounded: a template may come from a configuration file that somebody else wrote.
 *
 * docker first runs inspect templates over Go structures, where an optional member that the JSON
 * leaves out is a zero value, and only then over the raw map, where it is an error. The optional
 * members are listed here with their zero values, so that {{if .State.Health}} works.
 */
#include "cli/template_internal.h"

#include "base/error.h"

#include <string.h>

enum { MAX_EXEC_DEPTH = 400, MAX_STEPS = 5 * 1000 * 1000 };
#define MAX_OUTPUT ((size_t)64 * 1024 * 1024)

typedef struct {
	char *name;
	json_t *value;
} Variable;

typedef enum { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE } Flow;

typedef struct {
	const Template *t;
	const char *type_name; /* of the top value, for rows; NULL: a map */
	gboolean strict, header;
	GArray *vars;
	GString *out;
	size_t out_start;
	guint depth, steps;
	Flow flow;
	GError **error;
} Exec;

/* Values: TRUE with a new reference (or NULL) in *ret. */
static gboolean eval_pipeline(Exec *x, const Node *pipe, json_t *dot, json_t **ret);
static gboolean walk(Exec *x, const Node *n, json_t *dot);

typedef enum { ZERO_NIL, ZERO_LIST, ZERO_MAP, ZERO_STRING, ZERO_FALSE, ZERO_INT } ZeroKind;

static const struct {
	const char *name;
	ZeroKind kind;
} optional_members[] = {
	{"Annotations", ZERO_MAP},
	{"ArgsEscaped", ZERO_FALSE},
	{"BlkioWeightDevice", ZERO_LIST},
	{"Binds", ZERO_LIST},
	{"CapAdd", ZERO_LIST},
	{"CapDrop", ZERO_LIST},
	{"Cmd", ZERO_LIST},
	{"DeviceCgroupRules", ZERO_LIST},
	{"DeviceRequests", ZERO_LIST},
	{"Devices", ZERO_LIST},
	{"Dns", ZERO_LIST},
	{"DnsOptions", ZERO_LIST},
	{"DnsSearch", ZERO_LIST},
	{"Entrypoint", ZERO_LIST},
	{"Env", ZERO_LIST},
	{"ExecIDs", ZERO_LIST},
	{"ExposedPorts", ZERO_MAP},
	{"ExtraHosts", ZERO_LIST},
	{"GroupAdd", ZERO_LIST},
	{"Health", ZERO_NIL},
	{"Healthcheck", ZERO_NIL},
	{"ImageManifestDescriptor", ZERO_NIL},
	{"Init", ZERO_NIL},
	{"Labels", ZERO_MAP},
	{"Links", ZERO_LIST},
	{"MacAddress", ZERO_STRING},
	{"MemorySwappiness", ZERO_NIL},
	{"Mounts", ZERO_LIST},
	{"Name", ZERO_STRING},
	{"NetworkDisabled", ZERO_FALSE},
	{"Networks", ZERO_MAP},
	{"OnBuild", ZERO_LIST},
	{"OomKillDisable", ZERO_NIL},
	{"PidsLimit", ZERO_NIL},
	{"PortBindings", ZERO_MAP},
	{"Ports", ZERO_MAP},
	{"SecurityOpt", ZERO_LIST},
	{"Shell", ZERO_LIST},
	{"SizeRootFs", ZERO_NIL},
	{"SizeRw", ZERO_NIL},
	{"StopSignal", ZERO_STRING},
	{"StopTimeout", ZERO_NIL},
	{"StorageOpt", ZERO_MAP},
	{"Sysctls", ZERO_MAP},
	{"Tmpfs", ZERO_MAP},
	{"Ulimits", ZERO_LIST},
	{"Variant", ZERO_STRING},
	{"Volumes", ZERO_MAP},
	{"VolumesFrom", ZERO_LIST},
};

/* A member that is a map in Go, so that a key it lacks is no error. */
static gboolean is_map_member(const char *name)
{
	for (guint i = 0; name && i < G_N_ELEMENTS(optional_members); i++) {
		if (strcmp(optional_members[i].name, name) == 0)
			return optional_members[i].kind == ZERO_MAP;
	}
	return FALSE;
}

static gboolean zero_of_optional(const char *name, json_t **ret)
{
	for (guint i = 0; i < G_N_ELEMENTS(optional_members); i++) {
		if (strcmp(optional_members[i].name, name) != 0)
			continue;
		switch (optional_members[i].kind) {
		case ZERO_NIL:
			*ret = json_null();
			break;
		case ZERO_LIST:
			*ret = template_nil(FALSE);
			break;
		case ZERO_MAP:
			*ret = template_nil(TRUE);
			break;
		case ZERO_STRING:
			*ret = json_string("");
			break;
		case ZERO_FALSE:
			*ret = json_false();
			break;
		case ZERO_INT:
			*ret = json_integer(0);
			break;
		}
		return TRUE;
	}
	return FALSE;
}

static gboolean fail(Exec *x, const Node *n, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
static gboolean fail(Exec *x, const Node *n, const char *fmt, ...)
{
	guint line = 1;
	size_t line_start = 0;
	for (size_t i = 0; i < n->pos; i++) {
		if (x->t->text[i] == '\n') {
			line++;
			line_start = i + 1;
		}
	}
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *what = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return dh_error(x->error, DH_ERROR_INVALID,
		"template: :%u:%zu: executing \"\" at <%.*s>: %s", line, n->pos - line_start,
		(int)(n->end - n->start), x->t->text + n->start, what);
}

static gboolean count_step(Exec *x, const Node *n)
{
	if (++x->steps > MAX_STEPS)
		return fail(x, n, "the template runs too long");
	if (x->out->len - x->out_start > MAX_OUTPUT)
		return fail(x, n, "the template's output is too large");
	return TRUE;
}

/* variables */

static void push_var(Exec *x, const char *name, json_t *value)
{
	Variable v = {.name = g_strdup(name), .value = json_incref(value)};
	g_array_append_val(x->vars, v);
}

static void pop_vars(Exec *x, guint to)
{
	while (x->vars->len > to) {
		Variable *v = &g_array_index(x->vars, Variable, x->vars->len - 1);
		g_free(v->name);
		json_decref(v->value);
		g_array_set_size(x->vars, x->vars->len - 1);
	}
}

static Variable *find_var(Exec *x, const char *name)
{
	for (guint i = x->vars->len; i-- > 0;) {
		Variable *v = &g_array_index(x->vars, Variable, i);
		if (strcmp(v->name, name) == 0)
			return v;
	}
	return NULL;
}

static void set_var(Exec *x, const char *name, json_t *value)
{
	Variable *v = find_var(x, name);
	if (!v)
		return;
	json_decref(v->value);
	v->value = json_incref(value);
}

/* fields */

/* Go's members and their JSON names differ in case: ID and Id, APIVersion and ApiVersion. */
static json_t *get_any_case(const json_t *object, const char *name)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)object, key, value) {
		if (g_ascii_strcasecmp(key, name) == 0)
			return value;
	}
	return NULL;
}

static gboolean eval_field(
	Exec *x, const Node *n, json_t *receiver, const char *name, gboolean top, json_t **ret)
{
	if (!receiver || json_is_null(receiver))
		return fail(x, n, "nil pointer evaluating interface {}.%s", name);
	if (!json_is_object(receiver))
		return fail(x, n, "can't evaluate field %s in type %s", name,
			top && json_is_string(receiver) ? "string" : "interface {}");
	json_t *v = json_object_get(receiver, name);
	if (!v && g_ascii_isupper(*name))
		v = get_any_case(receiver, name);
	if (v && !json_is_null(v)) {
		*ret = json_incref(v);
		return TRUE;
	}
	/* Go's attributes and labels are maps: what is not in one is no error. */
	if (x->type_name && !v && !top && g_ascii_islower(*name)) {
		*ret = NULL;
		return TRUE;
	}
	if (x->type_name && !v)
		return fail(x, n, "can't evaluate field %s in type %s", name, x->type_name);
	if (x->type_name && v) {
		*ret = json_null();
		return TRUE;
	}
	if (zero_of_optional(name, ret))
		return TRUE;
	if (!v && x->strict)
		return fail(x, n, "map has no entry for key \"%s\"", name);
	*ret = NULL;
	return TRUE;
}

/* .A.B.C of receiver (taken over). With arguments the last one must be a lookup that docker offers
 * as a method, such as {{.Label "name"}}: a member that is a map, called with the key. */
static gboolean eval_fields(Exec *x, const Node *n, json_t *receiver, const GPtrArray *fields,
	json_t *const *args, guint n_args, json_t **ret)
{
	g_autoptr(json_t) v = receiver;
	const char *was_optional = NULL; /* why v is missing, if it is */
	for (guint i = 0; i < fields->len; i++) {
		const char *name = fields->pdata[i];
		json_t *member = NULL;
		/* the second try, over the raw map, would have failed at the optional member */
		if (was_optional)
			return fail(x, n, "map has no entry for key \"%s\"", was_optional);
		if (i && json_is_object(v) && is_map_member(fields->pdata[i - 1]) &&
			!json_object_get(v, name))
			was_optional = name;
		else if (!eval_field(x, n, v, name, i == 0, &member))
			return FALSE;
		else if (member && json_is_null(member))
			was_optional = name;
		json_decref(v);
		v = member;
	}
	if (!n_args) {
		*ret = g_steal_pointer(&v);
		return TRUE;
	}
	const char *last = fields->pdata[fields->len - 1];
	if (x->header && n_args == 1 && json_is_string(args[0])) {
		/* docker's heading for {{.Label "com.example.some-name"}}: "some name" */
		const char *key = json_string_value(args[0]);
		const char *dot = strrchr(key, '.');
		g_autofree char *heading = g_strdup(dot ? dot + 1 : key);
		g_strdelimit(heading, "-_", ' ');
		*ret = json_string(heading);
		return TRUE;
	}
	if (x->type_name && json_is_object(v) && n_args == 1 && json_is_string(args[0])) {
		json_t *hit = json_object_get(v, json_string_value(args[0]));
		*ret = hit ? json_incref(hit) : json_string("");
		return TRUE;
	}
	return fail(x, n, "%s is not a method but has arguments", last);
}

/* operands and commands */

static gboolean eval_operand(
	Exec *x, const Node *n, json_t *dot, json_t *const *args, guint n_args, json_t **ret)
{
	*ret = NULL;
	switch ((int)n->kind) {
	case NODE_DOT:
		*ret = json_incref(dot);
		return TRUE;
	case NODE_NIL:
		return TRUE;
	case NODE_LITERAL:
		*ret = json_incref(n->literal);
		return TRUE;
	case NODE_FIELD:
		return eval_fields(x, n, json_incref(dot), n->fields, args, n_args, ret);
	case NODE_VARIABLE: {
		const Variable *v = find_var(x, n->name);
		if (!v)
			return fail(x, n, "undefined variable: %s", n->name);
		if (n->fields->len)
			return eval_fields(
				x, n, json_incref(v->value), n->fields, args, n_args, ret);
		*ret = json_incref(v->value);
		return TRUE;
	}
	case NODE_PIPELINE:
		return eval_pipeline(x, n, dot, ret);
	case NODE_CHAIN: {
		json_t *head = NULL;
		if (!eval_operand(x, n->kids->pdata[0], dot, NULL, 0, &head))
			return FALSE;
		return eval_fields(x, n, head, n->fields, args, n_args, ret);
	}
	case NODE_FUNCTION: {
		gboolean ok;
		guint bad;
		GError *local = NULL;
		*ret = template_call(n->name, args, n_args, &ok, &bad, &local);
		if (ok)
			return TRUE;
		fail(x, n, "%s", local->message);
		g_error_free(local);
		return FALSE;
	}
	default:
		return fail(x, n, "cannot be evaluated");
	}
}

/* and, or: the first argument that decides, or the last. */
static gboolean eval_logic(Exec *x, const Node *c, json_t *dot, json_t *final, gboolean has_final,
	gboolean is_or, json_t **ret)
{
	const Node *word = c->kids->pdata[0];
	guint n = c->kids->len - 1 + (guint)has_final;
	*ret = NULL;
	if (!n)
		return fail(
			x, word, "wrong number of args for %s: want at least 1 got 0", word->name);
	for (guint i = 0; i < n; i++) {
		json_decref(*ret);
		*ret = NULL;
		if (i + 1 < c->kids->len) {
			if (!eval_operand(x, c->kids->pdata[i + 1], dot, NULL, 0, ret))
				return FALSE;
		} else {
			*ret = json_incref(final);
		}
		if (template_truth(*ret) == is_or)
			break;
	}
	return TRUE;
}

static gboolean eval_args(Exec *x, const Node *c, json_t *dot, json_t *final, gboolean has_final,
	json_t **args, guint *ret_n)
{
	*ret_n = 0;
	for (guint i = 1; i < c->kids->len; i++) {
		if (!eval_operand(x, c->kids->pdata[i], dot, NULL, 0, &args[*ret_n]))
			return FALSE;
		(*ret_n)++;
	}
	if (has_final)
		args[(*ret_n)++] = json_incref(final);
	return TRUE;
}

static gboolean eval_command(
	Exec *x, const Node *c, json_t *dot, json_t *final, gboolean has_final, json_t **ret)
{
	const Node *word = c->kids->pdata[0];
	guint n_args = 0;
	*ret = NULL;
	if (word->kind == NODE_NIL)
		return fail(x, c, "nil is not a command");
	if (word->kind == NODE_FUNCTION &&
		(strcmp(word->name, "and") == 0 || strcmp(word->name, "or") == 0))
		return eval_logic(x, c, dot, final, has_final, strcmp(word->name, "or") == 0, ret);
	gboolean callable = word->kind == NODE_FUNCTION || word->kind == NODE_FIELD ||
			    word->kind == NODE_CHAIN ||
			    (word->kind == NODE_VARIABLE && word->fields->len);
	if (!callable && (c->kids->len > 1 || has_final))
		return fail(x, word, "can't give argument to non-function %.*s",
			(int)(word->end - word->start), x->t->text + word->start);
	g_autofree json_t **args = g_new0(json_t *, c->kids->len + 1);
	gboolean ok = eval_args(x, c, dot, final, has_final, args, &n_args);
	static const char *const not_for_headings[] = {
		"json", "join", "lower", "split", "title", "truncate", "upper", NULL};
	if (ok && x->header && n_args && word->kind == NODE_FUNCTION &&
		g_strv_contains(not_for_headings, word->name)) {
		*ret = json_incref(args[0]);
	} else if (ok && word->kind == NODE_FUNCTION) {
		gboolean called;
		guint bad;
		GError *local = NULL;
		*ret = template_call(word->name, args, n_args, &called, &bad, &local);
		if (!called) {
			/* what the function says belongs to the whole command */
			gboolean own = g_str_has_prefix(local->message, "error calling");
			const Node *at = own ? c : word;
			if (bad < c->kids->len - 1)
				at = c->kids->pdata[bad + 1];
			ok = fail(x, at, "%s", local->message);
			g_error_free(local);
		}
	} else if (ok) {
		ok = eval_operand(x, word, dot, args, n_args, ret);
	}
	for (guint i = 0; i < n_args; i++)
		json_decref(args[i]);
	return ok;
}

static gboolean eval_pipeline(Exec *x, const Node *pipe, json_t *dot, json_t **ret)
{
	g_autoptr(json_t) value = NULL;
	*ret = NULL;
	if (!count_step(x, pipe))
		return FALSE;
	if (++x->depth > MAX_EXEC_DEPTH)
		return fail(x, pipe, "exceeded maximum template depth (%d)", MAX_EXEC_DEPTH);
	for (guint i = 0; i < pipe->kids->len; i++) {
		json_t *next = NULL;
		if (!eval_command(x, pipe->kids->pdata[i], dot, value, i > 0, &next))
			return FALSE;
		json_decref(value);
		value = next;
	}
	x->depth--;
	for (guint i = 0; i < pipe->fields->len; i++) {
		if (pipe->assign)
			set_var(x, pipe->fields->pdata[i], value);
		else
			push_var(x, pipe->fields->pdata[i], value);
	}
	*ret = g_steal_pointer(&value);
	return TRUE;
}

/* control */

static gboolean walk_if_with(Exec *x, const Node *n, json_t *dot)
{
	guint scope = x->vars->len;
	g_autoptr(json_t) v = NULL;
	if (!eval_pipeline(x, n->kids->pdata[0], dot, &v))
		return FALSE;
	gboolean ok = TRUE;
	if (template_truth(v))
		ok = walk(x, n->kids->pdata[1], n->kind == NODE_WITH ? v : dot);
	else if (n->kids->len > 2)
		ok = walk(x, n->kids->pdata[2], dot);
	pop_vars(x, scope);
	return ok;
}

/* One turn of a range; *ret_more says whether there is to be another. */
static gboolean range_turn(
	Exec *x, const Node *n, json_t *key, json_t *value, guint scope, gboolean *ret_more)
{
	const Node *pipe = n->kids->pdata[0];
	guint names = pipe->fields->len;
	json_t *const values[2] = {names == 2 ? key : value, value};
	for (guint i = 0; i < names; i++) {
		if (pipe->assign)
			set_var(x, pipe->fields->pdata[i], values[i]);
		else
			push_var(x, pipe->fields->pdata[i], values[i]);
	}
	gboolean ok = count_step(x, n) && walk(x, n->kids->pdata[1], value);
	*ret_more = ok && x->flow != FLOW_BREAK;
	x->flow = FLOW_NEXT;
	pop_vars(x, scope);
	return ok;
}

static gboolean walk_range(Exec *x, const Node *n, json_t *dot)
{
	const Node *pipe = n->kids->pdata[0];
	guint scope = x->vars->len;
	g_autoptr(json_t) v = NULL;
	if (!eval_pipeline(x, pipe, dot, &v))
		return FALSE;
	pop_vars(x, scope);
	gboolean ok = TRUE, more = TRUE, any = FALSE;
	if (json_is_array(v)) {
		for (size_t i = 0; ok && more && i < json_array_size(v); i++) {
			g_autoptr(json_t) key = json_integer((json_int_t)i);
			any = TRUE;
			ok = range_turn(x, n, key, json_array_get(v, i), scope, &more);
		}
	} else if (json_is_object(v)) {
		g_autoptr(GPtrArray) keys = template_sorted_keys(v);
		for (guint i = 0; ok && more && i < keys->len; i++) {
			g_autoptr(json_t) key = json_string(keys->pdata[i]);
			any = TRUE;
			ok = range_turn(
				x, n, key, json_object_get(v, keys->pdata[i]), scope, &more);
		}
	} else if (json_is_integer(v)) {
		for (json_int_t i = 0; ok && more && i < json_integer_value(v); i++) {
			g_autoptr(json_t) key = json_integer(i);
			any = TRUE;
			ok = range_turn(x, n, key, key, scope, &more);
		}
	} else if (v && !json_is_null(v)) {
		GString *what = g_string_new(NULL);
		template_print_value(what, v);
		fail(x, pipe, "range can't iterate over %s", what->str);
		g_string_free(what, TRUE);
		return FALSE;
	}
	if (ok && !any && n->kids->len > 2)
		ok = walk(x, n->kids->pdata[2], dot);
	pop_vars(x, scope);
	return ok;
}

static gboolean walk_template(Exec *x, const Node *n, json_t *dot)
{
	const Node *body = g_hash_table_lookup(x->t->defines, n->name);
	g_autoptr(json_t) v = NULL;
	if (!body)
		return fail(x, n, "template \"%s\" not defined", n->name);
	if (n->kids->len && !eval_pipeline(x, n->kids->pdata[0], dot, &v))
		return FALSE;
	/* the body sees none of our variables */
	GArray *outer = x->vars;
	x->vars = g_array_new(FALSE, FALSE, sizeof(Variable));
	push_var(x, "$", v);
	gboolean ok = walk(x, body, v);
	pop_vars(x, 0);
	g_array_unref(x->vars);
	x->vars = outer;
	return ok;
}

static gboolean walk_action(Exec *x, const Node *n, json_t *dot)
{
	const Node *pipe = n->kids->pdata[0];
	g_autoptr(json_t) v = NULL;
	if (!eval_pipeline(x, pipe, dot, &v))
		return FALSE;
	if (!pipe->fields->len)
		template_print_value(x->out, v);
	return TRUE;
}

static gboolean walk_list(Exec *x, const Node *n, json_t *dot)
{
	for (guint i = 0; i < n->kids->len && x->flow == FLOW_NEXT; i++) {
		if (!walk(x, n->kids->pdata[i], dot))
			return FALSE;
	}
	return TRUE;
}

static gboolean walk(Exec *x, const Node *n, json_t *dot)
{
	gboolean ok = TRUE;
	if (!count_step(x, n))
		return FALSE;
	if (++x->depth > MAX_EXEC_DEPTH)
		return fail(x, n, "exceeded maximum template depth (%d)", MAX_EXEC_DEPTH);
	switch ((int)n->kind) {
	case NODE_LIST:
		/* a {{define}} in the text stands for nothing where it is */
		ok = n->name || walk_list(x, n, dot);
		break;
	case NODE_TEXT:
		g_string_append_len(x->out, x->t->text + n->start, (gssize)(n->end - n->start));
		break;
	case NODE_ACTION:
		ok = walk_action(x, n, dot);
		break;
	case NODE_IF:
	case NODE_WITH:
		ok = walk_if_with(x, n, dot);
		break;
	case NODE_RANGE:
		ok = walk_range(x, n, dot);
		break;
	case NODE_TEMPLATE:
		ok = walk_template(x, n, dot);
		break;
	case NODE_BREAK:
		x->flow = FLOW_BREAK;
		break;
	case NODE_CONTINUE:
		x->flow = FLOW_CONTINUE;
		break;
	default:
		break;
	}
	x->depth--;
	return ok;
}

static gboolean execute(const Template *t, json_t *data, Exec *x)
{
	x->t = t;
	x->out_start = x->out->len;
	x->vars = g_array_new(FALSE, FALSE, sizeof(Variable));
	push_var(x, "$", data);
	gboolean ok = walk(x, t->root, data);
	pop_vars(x, 0);
	g_array_unref(x->vars);
	return ok;
}

gboolean template_execute(
	const Template *t, json_t *data, gboolean strict, GString *out, GError **error)
{
	Exec x = {.strict = strict, .out = out, .error = error};
	return execute(t, data, &x);
}

gboolean template_execute_row(
	const Template *t, json_t *row, const char *type_name, GString *out, GError **error)
{
	Exec x = {.type_name = type_name, .out = out, .error = error};
	return execute(t, row, &x);
}

gboolean template_execute_header(const Template *t, json_t *headers, GString *out, GError **error)
{
	Exec x = {.header = TRUE, .out = out, .error = error};
	return execute(t, headers, &x);
}

/* ---- what a template can show ---- */

static gboolean mentions(const Node *n, const char *member)
{
	gboolean has_fields = n && (n->kind == NODE_FIELD || n->kind == NODE_VARIABLE) &&
			      n->fields && n->fields->len;
	if (!n)
		return FALSE;
	if (has_fields && g_ascii_strcasecmp(n->fields->pdata[0], member) == 0)
		return TRUE;
	/* As a whole. */
	if (n->kind == NODE_DOT || (n->kind == NODE_VARIABLE && !has_fields))
		return TRUE;
	for (guint i = 0; n->kids && i < n->kids->len; i++) {
		if (mentions(n->kids->pdata[i], member))
			return TRUE;
	}
	return FALSE;
}

gboolean template_mentions(const Template *t, const char *member)
{
	GHashTableIter it;
	gpointer body;
	if (mentions(t->root, member))
		return TRUE;
	g_hash_table_iter_init(&it, t->defines);
	while (g_hash_table_iter_next(&it, NULL, &body)) {
		if (mentions(body, member))
			return TRUE;
	}
	return FALSE;
}

/* SPDX-License-Identifier: MIT */
/*
 * exec.c - more programs in a running container. The shim runs them and knows how they ended; the
 * daemon keeps what a client asked for, by exec ID, until the container is removed.
 */
#include "container/internal.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/id.h"
#include "shim/client.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum {
	MAX_EXECS = 1024, /* remembered for a container */
	SETTLE_TIMEOUT_US = 10000000,
	ENDING_WAIT_MS = 1000
};

struct Exec {
	gint refs;
	char *id;
	Container *c;
	ExecConfig *config;
	GMutex lock;
	GCond settled; /* starting or running has become FALSE */
	gboolean started, starting, running;
	gboolean has_exit_code;
	int64_t exit_code, pid;
};

static const DhJsonField exec_config_fields[] = {
	DH_F(BOOL, ExecConfig, attach_stdin, "AttachStdin", 0),
	DH_F(BOOL, ExecConfig, attach_stdout, "AttachStdout", 0),
	DH_F(BOOL, ExecConfig, attach_stderr, "AttachStderr", 0),
	DH_F(BOOL, ExecConfig, tty, "Tty", 0),
	DH_F(BOOL, ExecConfig, privileged, "Privileged", 0),
	DH_F(STRING, ExecConfig, detach_keys, "DetachKeys", 0),
	DH_F(STRING, ExecConfig, user, "User", 0),
	DH_F(STRING, ExecConfig, working_dir, "WorkingDir", 0),
	DH_F(STRV, ExecConfig, env, "Env", 0),
	DH_F(STRSLICE, ExecConfig, cmd, "Cmd", 0),
	DH_F(RAW, ExecConfig, console_size, "ConsoleSize", 0),
};
DH_JSON_TABLE(exec_config_table, ExecConfig, exec_config_fields, FALSE);

Exec *exec_ref(Exec *x)
{
	g_atomic_int_inc(&x->refs);
	return x;
}

void exec_unref(Exec *x)
{
	if (!x || !g_atomic_int_dec_and_test(&x->refs))
		return;
	container_unref(x->c);
	dh_json_free(&exec_config_table, x->config);
	g_mutex_clear(&x->lock);
	g_cond_clear(&x->settled);
	g_free(x->id);
	g_free(x);
}

static gboolean check_running(Container *c, GError **error)
{
	g_mutex_lock(&c->state_lock);
	gboolean ok = container_op_allowed(OP_EXEC, c->state.status, c->id, c->name, error);
	g_mutex_unlock(&c->state_lock);
	return ok;
}

/* Takes id over. */
static Exec *exec_new(Container *c, char *id, const ExecConfig *config)
{
	Exec *x = g_new0(Exec, 1);
	x->refs = 1;
	x->id = id;
	x->c = container_ref(c);
	x->config = dh_json_copy(&exec_config_table, config);
	g_mutex_init(&x->lock);
	g_cond_init(&x->settled);
	return x;
}

/* Takes the reference over. FALSE: the container was removed meanwhile, and nobody would forget x.
 */
static gboolean exec_register(Exec *x)
{
	Container *c = x->c;
	Engine *e = c->engine;
	g_mutex_lock(&e->exec_lock);
	g_mutex_lock(&c->state_lock);
	gboolean known = !c->removed;
	if (known) {
		g_hash_table_replace(e->execs, x->id, x);
		g_ptr_array_add(c->exec_ids, g_strdup(x->id));
	}
	if (c->exec_ids->len > MAX_EXECS) {
		g_hash_table_remove(e->execs, c->exec_ids->pdata[0]);
		g_ptr_array_remove_index(c->exec_ids, 0);
	}
	g_mutex_unlock(&c->state_lock);
	g_mutex_unlock(&e->exec_lock);
	if (!known)
		exec_unref(x);
	return known;
}

char *exec_create(Container *c, const ExecConfig *config, GError **error)
{
	if (!config->cmd || !*config->cmd) {
		dh_error(error, DH_ERROR_INVALID, "No exec command specified");
		return NULL;
	}
	g_autofree char *keys = detach_keys_parse(config->detach_keys, error);
	if (!keys || !check_running(c, error))
		return NULL;
	Exec *x = exec_new(c, dh_id_new(), config);
	char *id = g_strdup(x->id);
	if (!exec_register(x)) {
		g_free(id);
		dh_error(error, DH_ERROR_NOT_FOUND, "No such container: %s", c->id);
		return NULL;
	}
	g_autofree char *command = g_strjoinv(" ", config->cmd);
	g_autofree char *action = g_strdup_printf("exec_create: %s", command);
	container_event(c, action, "execID", id, NULL);
	return id;
}

static void note_end(Exec *x, int64_t code)
{
	g_mutex_lock(&x->lock);
	x->running = FALSE;
	x->has_exit_code = TRUE;
	x->exit_code = code;
	g_cond_broadcast(&x->settled);
	g_mutex_unlock(&x->lock);
}

static Exec *lookup(Engine *e, const char *id)
{
	g_mutex_lock(&e->exec_lock);
	Exec *x = g_hash_table_lookup(e->execs, id);
	if (x)
		exec_ref(x);
	g_mutex_unlock(&e->exec_lock);
	return x;
}

/* One that was begun under an earlier daemon: its client, whose stream went on, wants to know how
 * it ended. The shim knows; what it was asked to do nobody remembers. */
static Exec *recover(Container *c, const char *id)
{
	g_mutex_lock(&c->state_lock);
	gboolean running = c->state.running;
	g_mutex_unlock(&c->state_lock);
	if (!running)
		return NULL;
	ShimRequest req = {.op = (char *)"exec-status", .exec_id = (char *)id};
	ShimReply *reply = shim_request(c->run_dir, &req, NULL, 0, NULL);
	if (!reply)
		return NULL;
	ExecConfig config = {.cmd = (char *[]){(char *)"", NULL}};
	Exec *x = exec_new(c, g_strdup(id), &config);
	x->started = x->running = TRUE;
	x->pid = reply->pid;
	if (reply->exited && reply->exit)
		note_end(x, reply->exit->status);
	dh_json_free(&shim_reply_table, reply);
	(void)exec_register(exec_ref(x));
	return x;
}

Exec *exec_find(Engine *e, const char *id, GError **error)
{
	Exec *x = lookup(e, id);
	if (!x && strlen(id) == DH_ID_LEN && dh_is_hex(id)) {
		g_autoptr(GPtrArray) all = container_all(e);
		for (guint i = 0; i < all->len && !x; i++)
			x = recover(all->pdata[i], id);
	}
	if (!x)
		dh_error(error, DH_ERROR_NOT_FOUND, "No such exec instance: %s", id);
	return x;
}

gboolean exec_is_tty(const Exec *x)
{
	return x->config->tty;
}

gboolean exec_check_start(Exec *x, GError **error)
{
	g_mutex_lock(&x->lock);
	gboolean started = x->started;
	g_mutex_unlock(&x->lock);
	if (started)
		return dh_error(error, DH_ERROR_CONFLICT, "exec command %s has already run", x->id);
	return check_running(x->c, error);
}

void exec_note_end(Engine *e, const char *id, int64_t code)
{
	g_autoptr(Exec) x = lookup(e, id);
	if (x)
		note_end(x, code);
}

static void unref_exec(void *x)
{
	exec_unref(x);
}

void exec_note_all_ended(Container *c)
{
	g_autoptr(GPtrArray) running = g_ptr_array_new_with_free_func(unref_exec);
	g_mutex_lock(&c->engine->exec_lock);
	g_mutex_lock(&c->state_lock);
	for (guint i = 0; i < c->exec_ids->len; i++) {
		Exec *x = g_hash_table_lookup(c->engine->execs, c->exec_ids->pdata[i]);
		if (x)
			g_ptr_array_add(running, exec_ref(x));
	}
	g_mutex_unlock(&c->state_lock);
	g_mutex_unlock(&c->engine->exec_lock);
	for (guint i = 0; i < running->len; i++) {
		Exec *x = running->pdata[i];
		g_mutex_lock(&x->lock);
		gboolean ends = x->running && !x->starting;
		g_mutex_unlock(&x->lock);
		if (ends)
			note_end(x, 137);
	}
}

/* A container that ends just now takes with it who was about to run in it: then that is told. */
static gboolean lost_to_the_end(Container *c, const GError *failed, GError **error)
{
	gboolean perhaps = g_error_matches(failed, DH_ERROR, DH_ERROR_SYSTEM) ||
			   g_error_matches(failed, DH_ERROR, DH_ERROR_NOT_FOUND);
	return perhaps && container_wait_stopped(c, ENDING_WAIT_MS) && !check_running(c, error);
}

static gboolean request_exec(
	Exec *x, int fd, ShimClient *client, OciProcess *process, int seccomp_fd, GError **error)
{
	int fds[2];
	guint n = 0;
	if (client)
		fds[n++] = fd;
	if (seccomp_fd >= 0)
		fds[n++] = seccomp_fd;
	ShimRequest req = {.op = (char *)"exec",
		.exec_id = x->id,
		.process = process,
		.client = client,
		.open_stdin = x->config->attach_stdin,
		.has_seccomp = seccomp_fd >= 0};
	if (!container_launch_begin(x->c, error))
		return FALSE;
	g_autoptr(GError) failed = NULL;
	ShimReply *reply = shim_request(x->c->run_dir, &req, fds, n, &failed);
	container_launch_end(x->c);
	if (!reply) {
		if (!lost_to_the_end(x->c, failed, error))
			g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	g_mutex_lock(&x->lock);
	x->pid = reply->pid;
	g_mutex_unlock(&x->lock);
	dh_json_free(&shim_reply_table, reply);
	return TRUE;
}

static ShimClient *exec_client(Exec *x, const void *preface, size_t preface_len)
{
	ShimClient *client = dh_json_new(&shim_client_table);
	client->fd = -1;
	client->use_stdin = x->config->attach_stdin;
	client->use_stdout = x->config->attach_stdout;
	client->use_stderr = x->config->attach_stderr;
	client->raw = x->config->tty;
	client->detach_keys = detach_keys_parse(x->config->detach_keys, NULL);
	if (preface_len > 0)
		client->preface = g_base64_encode(preface, preface_len);
	return client;
}

static void set_console(OciProcess *p, json_t *asked, int64_t height, int64_t width)
{
	if (height <= 0 && json_is_array(asked) && json_array_size(asked) == 2) {
		height = json_integer_value(json_array_get(asked, 0));
		width = json_integer_value(json_array_get(asked, 1));
	}
	if (!p->terminal || height <= 0 || width <= 0)
		return;
	p->console_size = dh_json_new(&oci_box_table);
	p->console_size->height = height;
	p->console_size->width = width;
}

gboolean exec_start(Exec *x, int fd, int64_t height, int64_t width, const void *preface,
	size_t preface_len, GError **error)
{
	g_mutex_lock(&x->lock);
	gboolean again = x->started;
	if (!again)
		x->started = x->starting = x->running = TRUE;
	g_mutex_unlock(&x->lock);
	if (again)
		return dh_error(error, DH_ERROR_CONFLICT, "exec command %s has already run", x->id);

	g_autofree char *command = g_strjoinv(" ", x->config->cmd);
	g_autofree char *action = g_strdup_printf("exec_start: %s", command);
	container_event(x->c, action, "execID", x->id, NULL);

	gboolean privileged = x->config->privileged || x->c->host_config->privileged;
	g_autoptr(GError) failed = NULL;
	OciProcess *process = container_exec_process(x->c, x->config, &failed);
	gboolean ok = process != NULL;
	if (ok) {
		set_console(process, x->config->console_size, height, width);
		dh_autofd int seccomp = container_seccomp_fd(x->c, process, privileged, &failed);
		ShimClient *client = fd >= 0 ? exec_client(x, preface, preface_len) : NULL;
		ok = !failed && request_exec(x, fd, client, process, seccomp, &failed);
		dh_json_free(&shim_client_table, client);
		dh_json_free(&oci_process_table, process);
	}
	if (!ok) {
		int64_t code = 126;
		if (g_error_matches(failed, DH_ERROR, DH_ERROR_EXEC_NOT_FOUND))
			code = 127;
		note_end(x, code);
		g_propagate_error(error, g_steal_pointer(&failed));
	}
	g_mutex_lock(&x->lock);
	x->starting = FALSE;
	g_cond_broadcast(&x->settled);
	g_mutex_unlock(&x->lock);
	return ok;
}

gboolean exec_resize(Exec *x, int64_t height, int64_t width, GError **error)
{
	ShimRequest req = {
		.op = (char *)"resize", .exec_id = x->id, .height = height, .width = width};
	ShimReply *reply = shim_request(x->c->run_dir, &req, NULL, 0, error);
	if (!reply)
		return FALSE;
	dh_json_free(&shim_reply_table, reply);
	return TRUE;
}

/* The shim is the one who knows; without it the program is gone, too. A client sees its stream end
 * before the shim has answered who asked for the start: that answer is waited for. */
static void refresh(Exec *x)
{
	gint64 until = g_get_monotonic_time() + SETTLE_TIMEOUT_US;
	g_mutex_lock(&x->lock);
	while (x->starting && g_cond_wait_until(&x->settled, &x->lock, until))
		;
	gboolean running = x->running && !x->starting;
	g_mutex_unlock(&x->lock);
	if (!running)
		return;
	ShimRequest req = {.op = (char *)"exec-status", .exec_id = x->id};
	g_autoptr(GError) error = NULL;
	ShimReply *reply = shim_request(x->c->run_dir, &req, NULL, 0, &error);
	if (reply && reply->exited && reply->exit)
		note_end(x, reply->exit->status);
	else if (!reply)
		note_end(x, 137);
	dh_json_free(&shim_reply_table, reply);
}

json_t *exec_inspect(Exec *x, GError **error)
{
	(void)error;
	refresh(x);
	const ExecConfig *config = x->config;
	json_t *args = json_array();
	for (char **a = config->cmd + 1; *a; a++)
		json_array_append_new(args, json_string(*a));
	g_mutex_lock(&x->lock);
	json_t *code = x->has_exit_code ? json_integer(x->exit_code) : json_null();
	json_t *out = json_pack(
		"{s:s, s:b, s:o, s:{s:b, s:s, s:o, s:b, s:s}, s:b, s:b, s:b, s:b, s:s, s:s, s:I}",
		"ID", x->id, "Running", x->running, "ExitCode", code, "ProcessConfig", "tty",
		config->tty, "entrypoint", config->cmd[0], "arguments", args, "privileged",
		config->privileged, "user", config->user ? config->user : "", "OpenStdin",
		config->attach_stdin, "OpenStderr", config->attach_stderr, "OpenStdout",
		config->attach_stdout, "CanRemove", FALSE, "ContainerID", x->c->id, "DetachKeys",
		config->detach_keys ? config->detach_keys : "", "Pid", (json_int_t)x->pid);
	g_mutex_unlock(&x->lock);
	return out;
}

gboolean exec_unfinished(Engine *e, const char *id)
{
	g_autoptr(Exec) x = lookup(e, id);
	if (!x)
		return FALSE;
	g_mutex_lock(&x->lock);
	gboolean unfinished = !x->has_exit_code;
	g_mutex_unlock(&x->lock);
	return unfinished;
}

gboolean exec_wait(Exec *x, gint64 until, int64_t *ret_code)
{
	g_mutex_lock(&x->lock);
	while (x->running && g_cond_wait_until(&x->settled, &x->lock, until))
		;
	gboolean ended = !x->running;
	*ret_code = x->exit_code;
	g_mutex_unlock(&x->lock);
	return ended;
}

void exec_kill(Exec *x)
{
	ShimRequest req = {.op = (char *)"exec-kill", .exec_id = x->id, .signal = SIGKILL};
	dh_json_free(&shim_reply_table, shim_request(x->c->run_dir, &req, NULL, 0, NULL));
}

void exec_forget(Exec *x)
{
	Engine *e = x->c->engine;
	g_mutex_lock(&e->exec_lock);
	g_mutex_lock(&x->c->state_lock);
	for (guint i = 0; i < x->c->exec_ids->len; i++) {
		if (strcmp(x->c->exec_ids->pdata[i], x->id) == 0) {
			g_ptr_array_remove_index(x->c->exec_ids, i);
			break;
		}
	}
	g_hash_table_remove(e->execs, x->id);
	g_mutex_unlock(&x->c->state_lock);
	g_mutex_unlock(&e->exec_lock);
}

/* ---- from one engine to the next ---- */

json_t *exec_export(Engine *e)
{
	json_t *list = json_array();
	GHashTableIter it;
	gpointer value;
	g_mutex_lock(&e->exec_lock);
	g_hash_table_iter_init(&it, e->execs);
	while (g_hash_table_iter_next(&it, NULL, &value)) {
		Exec *x = value;
		g_mutex_lock(&x->lock);
		json_t *item = json_pack("{s:s, s:s, s:b, s:b, s:I, s:o}", "Id", x->id, "Container",
			x->c->id, "Started", x->started, "Running", x->running, "Pid",
			(json_int_t)x->pid, "Config", dh_json_emit(&exec_config_table, x->config));
		if (x->has_exit_code)
			json_object_set_new(item, "ExitCode", json_integer(x->exit_code));
		g_mutex_unlock(&x->lock);
		json_array_append_new(list, item);
	}
	g_mutex_unlock(&e->exec_lock);
	return list;
}

void exec_import(Engine *e, const json_t *item)
{
	const char *id = json_string_value(json_object_get(item, "Id"));
	const char *of = json_string_value(json_object_get(item, "Container"));
	const json_t *code = json_object_get(item, "ExitCode");
	g_autoptr(Container) c = of ? container_find(e, of, NULL) : NULL;
	g_autoptr(Exec) known = id ? lookup(e, id) : NULL;
	ExecConfig *config = c && id && !known ? dh_json_parse(&exec_config_table,
							 json_object_get(item, "Config"), NULL)
					       : NULL;
	if (!config)
		return;
	Exec *x = exec_new(c, g_strdup(id), config);
	dh_json_free(&exec_config_table, config);
	x->started = json_is_true(json_object_get(item, "Started"));
	x->running = json_is_true(json_object_get(item, "Running"));
	x->pid = json_integer_value(json_object_get(item, "Pid"));
	g_mutex_lock(&c->state_lock);
	gboolean running = c->state.running;
	g_mutex_unlock(&c->state_lock);
	if (code)
		note_end(x, json_integer_value(code));
	else if (x->running && !running)
		note_end(x, 137);
	(void)exec_register(x);
}

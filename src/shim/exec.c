/* SPDX-License-Identifier: MIT */
/* exec.c - the other processes that are started in the container. */
#include "shim/foreign.h"
#include "shim/shim.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/timefmt.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { MAX_REMEMBERED = 256 };

Session *exec_lookup(Shim *sh, const char *id, GError **error)
{
	Session *s = id ? g_hash_table_lookup(sh->execs, id) : NULL;
	if (!s)
		dh_error(error, DH_ERROR_NOT_FOUND, "No such exec instance: %s", id ? id : "");
	return s;
}

static void forget_old(Shim *sh)
{
	for (GList *l = sh->exec_order->head;
		l && g_queue_get_length(sh->exec_order) > MAX_REMEMBERED;) {
		GList *next = l->next;
		Session *s = l->data;
		if (session_is_over(s)) {
			g_queue_delete_link(sh->exec_order, l);
			g_hash_table_remove(sh->execs, s->exec_id);
		}
		l = next;
	}
}

static gboolean launch(Shim *sh, Session *s, const ShimRequest *req, int seccomp_fd, GError **error)
{
	RtExec x = {
		.spec = sh->config->oci,
		.init_pidfd = sh->main->pidfd,
		.init_pid = sh->main->pid,
		.process = req->process,
		.seccomp_fd = seccomp_fd,
		.stdio = {-1, -1, -1},
	};
	RtProcess p;
	if (!req->process->terminal && !session_pipes(s, req->open_stdin && req->client != NULL,
					       req->client != NULL, x.stdio, error))
		return FALSE;
	s->exit.started_at = dh_time_now();
	gboolean ok = is_foreign(sh) ? foreign_exec(sh, req->process, x.stdio, &p, error)
				     : rt_exec(&x, &p, error);
	for (int i = 0; i < 3; i++)
		dh_close(&x.stdio[i]);
	if (ok)
		session_started(s, &p);
	return ok;
}

/* Remembered like one that ran, with the code that a shell would give. */
static void refuse(Session *s, const GError *failed, GError **error)
{
	DhError code = failed->domain == DH_ERROR ? (DhError)failed->code : DH_ERROR_SYSTEM;
	s->exit.status = code == DH_ERROR_EXEC_NOT_FOUND ? 127 : 126;
	s->exit.finished_at = dh_time_now();
	session_finish(s);
	dh_error(error, code, "OCI runtime exec failed: exec failed: %s", failed->message);
}

gboolean exec_run(Shim *sh, const ShimRequest *req, int client_fd, int seccomp_fd, int64_t *ret_pid,
	GError **error)
{
	dh_autofd int client = client_fd;
	if (!req->exec_id || !req->process || !req->process->args || !req->process->args[0])
		return dh_error(error, DH_ERROR_INVALID, "an exec needs an ID and a process");
	if (g_hash_table_contains(sh->execs, req->exec_id))
		return dh_error(error, DH_ERROR_CONFLICT, "exec %s already runs", req->exec_id);
	if (sh->ended)
		return dh_error(error, DH_ERROR_NOT_FOUND, "the container has ended");

	SessionOwner owner = shim_session_owner(sh);
	Session *s = session_new(sh->loop, &owner, req->exec_id);
	g_autoptr(GError) failed = NULL;
	gboolean ok = launch(sh, s, req, seccomp_fd, &failed);
	g_hash_table_insert(sh->execs, s->exec_id, s);
	g_queue_push_tail(sh->exec_order, s);
	if (ok && client >= 0)
		session_attach(s, req->client, dh_steal_fd(&client));
	else if (!ok)
		refuse(s, failed, error);
	forget_old(sh);
	*ret_pid = s->pid;
	return ok;
}

void exec_reaped(Shim *sh, pid_t pid, int status)
{
	for (GList *l = sh->exec_order->head; l; l = l->next) {
		Session *s = l->data;
		if (s->pid != pid || s->ended)
			continue;
		s->exit.status = status;
		s->exit.finished_at = dh_time_now();
		s->ended = TRUE;
		dh_close(&s->pidfd); /* remembered is how it ended, nothing else */
		ShimEvent ev = {
			.event = (char *)"exec-exit", .exec_id = s->exec_id, .exit = &s->exit};
		control_event(sh, &ev);
		session_linger(s);
		return;
	}
}

void exec_end_all(Shim *sh)
{
	for (GList *l = sh->exec_order->head; l; l = l->next) {
		Session *s = l->data;
		if (!s->ended)
			(void)rt_kill(s->pidfd, SIGKILL, NULL);
		session_drain(s);
		session_finish(s);
	}
}

gboolean exec_all_flushed(Shim *sh)
{
	for (GList *l = sh->exec_order->head; l; l = l->next) {
		if (((Session *)l->data)->clients->len > 0)
			return FALSE;
	}
	return TRUE;
}

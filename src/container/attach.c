/* SPDX-License-Identifier: MIT */
/*
 * attach.c - theory of operation: a client's connection is handed to the shim as a descriptor; no
 * byte of it passes through the daemon. Clients that come before the start wait in c->pending and
 * are handed over with the shim's configuration, so that they miss nothing.
 */
#include "container/internal.h"
#include "container/logs.h"

#include "base/error.h"
#include "base/fd.h"
#include "container/start.h"
#include "shim/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_DETACH_KEYS "\x10\x11" /* ctrl-p, ctrl-q */

void pending_client_free(void *p)
{
	PendingClient *pc = p;
	dh_close(&pc->fd);
	dh_json_free(&shim_client_table, pc->client);
	g_free(pc);
}

char *detach_keys_parse(const char *keys, GError **error)
{
	if (!keys || !*keys)
		return g_strdup(DEFAULT_DETACH_KEYS);
	g_auto(GStrv) part = g_strsplit(keys, ",", -1);
	g_autoptr(GString) raw = g_string_new(NULL);
	for (char **p = part; *p; p++) {
		g_autofree char *key = g_ascii_strdown(*p, -1);
		if (strlen(*p) == 1) {
			g_string_append_c(raw, **p);
		} else if (strlen(key) == 6 && g_str_has_prefix(key, "ctrl-") &&
			   (g_ascii_isalpha(key[5]) || strchr("@[\\]^_", key[5]))) {
			/* ctrl-@ is NUL, which no C string carries. */
			if (key[5] == '@') {
				dh_error(error, DH_ERROR_INVALID,
					"Invalid detach keys (%s) provided", keys);
				return NULL;
			}
			g_string_append_c(raw, (char)(g_ascii_toupper(key[5]) & 0x1f));
		} else {
			dh_error(
				error, DH_ERROR_INVALID, "Invalid detach keys (%s) provided", keys);
			return NULL;
		}
	}
	return g_string_free(g_steal_pointer(&raw), FALSE);
}

gboolean container_attach_check(Container *c, const AttachRequest *a, GError **error)
{
	g_autofree char *keys = detach_keys_parse(a->detach_keys, error);
	if (!keys)
		return FALSE;
	g_mutex_lock(&c->state_lock);
	gboolean ok = container_op_allowed(OP_ATTACH, c->state.status, c->id, c->name, error);
	g_mutex_unlock(&c->state_lock);
	return ok;
}

static int write_to_client(void *arg, const void *buf, size_t n)
{
	return dh_write_all(*(int *)arg, buf, n);
}

static ShimClient *new_client(Container *c, const AttachRequest *a, GError **error)
{
	g_autofree char *keys = detach_keys_parse(a->detach_keys, error);
	if (!keys)
		return NULL;
	ShimClient *client = dh_json_new(&shim_client_table);
	client->fd = -1;
	client->use_stdin = a->use_stdin && c->config->open_stdin;
	client->use_stdout = a->use_stdout;
	client->use_stderr = a->use_stderr;
	client->raw = c->config->tty;
	client->detach_keys = g_steal_pointer(&keys);
	if (a->preface_len > 0)
		client->preface = g_base64_encode(a->preface, a->preface_len);
	return client;
}

static gboolean hand_over(Container *c, ShimClient *client, int fd, GError **error)
{
	ShimRequest req = {.op = (char *)"attach", .client = client};
	ShimReply *reply = shim_request(c->run_dir, &req, &fd, 1, error);
	if (!reply)
		return FALSE;
	dh_json_free(&shim_reply_table, reply);
	return TRUE;
}

/* Under the state lock, so that a client that has read the head and starts the container at once
 * finds itself among the pending. (The head is short and the socket fresh: the write does not
 * block.) */
static gboolean wait_for_start(Container *c, PendingClient *p, const char *head)
{
	g_mutex_lock(&c->state_lock);
	gboolean waits = !c->state.running;
	if (waits) {
		if (head)
			(void)dh_write_all(p->fd, head, strlen(head));
		g_ptr_array_add(c->pending, p);
	}
	g_mutex_unlock(&c->state_lock);
	return waits;
}

gboolean container_attach(Container *c, const AttachRequest *a, int fd, GError **error)
{
	const char *head = a->head;
	if (head && (a->logs || !a->stream)) {
		(void)dh_write_all(fd, head, strlen(head));
		head = NULL;
	}
	if (a->logs) {
		LogsRequest r = {
			.use_stdout = a->use_stdout, .use_stderr = a->use_stderr, .tail = -1};
		if (!container_logs(c, &r, write_to_client, &fd, fd, error))
			return FALSE;
	}
	if (!a->stream)
		return TRUE;
	PendingClient *p = g_new0(PendingClient, 1);
	p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	p->client = new_client(c, a, error);
	if (p->fd < 0 || !p->client) {
		if (p->client)
			dh_error_errno(error, errno, "dup");
		pending_client_free(p);
		return FALSE;
	}
	container_event(c, "attach", NULL);
	if (wait_for_start(c, p, head))
		return TRUE;
	if (head)
		(void)dh_write_all(fd, head, strlen(head));
	gboolean ok = hand_over(c, p->client, p->fd, error);
	pending_client_free(p);
	return ok;
}

void container_flush_pending(Container *c)
{
	g_mutex_lock(&c->state_lock);
	g_autoptr(GPtrArray) late = c->pending;
	c->pending = g_ptr_array_new_with_free_func(pending_client_free);
	g_mutex_unlock(&c->state_lock);
	for (guint i = 0; i < late->len; i++) {
		PendingClient *p = late->pdata[i];
		(void)hand_over(
			c, p->client, p->fd, NULL); /* it has ended: the client sees end of file */
	}
}

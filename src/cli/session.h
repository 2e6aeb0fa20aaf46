/* SPDX-License-Identifier: MIT */
/*
 * session.h - the user's terminal joined to a container or an exec: what run, start -a, attach and
 * exec have in common.
 */
#pragma once

#include "cli/client.h"
#include "cli/stream.h"

typedef struct {
	Cli *cli;
	char *id; /* container or exec; owned */
	gboolean is_exec;
	gboolean tty;          /* the container has a terminal */
	gboolean in, out, err; /* streams that are attached */
	gboolean proxy;        /* signals are passed on to the container */
	gboolean follow_size;  /* the terminal's size is passed on */
	char *keys;            /* detach keys as the user wrote them, or NULL; owned */
	DetachKeys detach;

	int conn;
	GBytes *early;
	Response *wait;
	const char *wait_condition; /* static */
	int fatal_signal;           /* ended the session, to be died of */
} Session;

void session_init(Session *s, Cli *cli);
void session_clear(Session *s);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Session, session_clear)

/* "the input device is not a TTY" when a terminal is to be attached to something that is none. */
gboolean session_check_tty(gboolean in, gboolean tty, GError **error);

/* POST path with the upgrade: fills conn and early. query as in Request. */
gboolean session_connect(
	Session *s, const char *path, char *const *query, json_t *body, GError **error);
/* The attach endpoint of the container s->id with the session's streams. */
gboolean session_attach(Session *s, GError **error);

/* Once connected: from here on signals are the session's (when it passes them on or has a
 * terminal), and the terminal is raw when it is attached. session_clear and session_stream undo
 * that. */
gboolean session_begin(Session *s, GError **error);

/* Sends the terminal's size; bigger by so many rows and columns. Failure is of no interest. */
void session_resize(const Session *s, unsigned extra);

/* Copies until the session ends; the terminal is as before afterwards. Does not return when a
 * signal ended it or nobody reads our output any more. */
StreamResult session_stream(Session *s, GError **error);

/* Asks for the exit status (condition, static, NULL: when it does not run); returns before the
 * engine has answered. */
void session_ask_wait(Session *s, const char *condition);
/* From now on the engine watches for it. One that refuses is reported at once and gives 125 later.
 */
void session_begin_wait(Session *s);
/* The exit status, or 125 after reporting why it is not known. */
int session_end_wait(Session *s);

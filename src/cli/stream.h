/* SPDX-License-Identifier: MIT */
/* stream.h - the copy between the user's descriptors and a hijacked connection, both ways at once.
 */
#pragma once

#include "cli/terminal.h"

typedef struct {
	int conn;               /* the connection: a stream socket */
	GBytes *early;          /* what came with the response's head, or NULL */
	int in, out, err;       /* the user's side; -1: not attached */
	gboolean raw;           /* a terminal's bytes; else frames of stdout and stderr */
	const DetachKeys *keys; /* watched for in the input, or NULL */
	int wake;               /* polled besides, or -1 */
	/* Called when wake is readable; FALSE ends the copy (STREAM_STOPPED). */
	gboolean (*on_wake)(void *arg);
	void *arg;
} Stream;

typedef enum {
	STREAM_ENDED,       /* the connection, or the input when no output is attached */
	STREAM_DETACHED,    /* the detach keys */
	STREAM_BROKEN_PIPE, /* nobody reads our output any more */
	STREAM_STOPPED,     /* by on_wake */
	STREAM_FAILED,      /* error is set */
} StreamResult;

/* Copies until one of these. The end of the input closes the connection's sending half. Descriptors
 * stay the caller's and keep their flags. */
StreamResult stream_copy(const Stream *s, GError **error);

/* SPDX-License-Identifier: MIT */
/*
 * terminal.h - the user's terminal: raw mode that is always undone, its size, and the keys that
 * leave a container running.
 */
#pragma once

#include <glib.h>

gboolean terminal_is_tty(int fd);

/* Rows and columns of the terminal that fd is; 0 and 0 when it is none. */
void terminal_size(int fd, unsigned *ret_rows, unsigned *ret_columns);

/* Puts the terminal into raw mode and remembers how it was. One terminal at a time. FALSE with
 * error; TRUE without effect when fd is no terminal. */
gboolean terminal_raw(int fd, GError **error);
/* Switches its echo off instead; undone in the same way. */
gboolean terminal_no_echo(int fd, GError **error);
/* Undoes it; async-signal-safe, may be called at any time and more than once. */
void terminal_restore(void);

enum { DETACH_KEYS_MAX = 32 };

typedef struct {
	guint8 keys[DETACH_KEYS_MAX];
	guint n;
	guint matched; /* keys seen so far and held back */
} DetachKeys;

/* "ctrl-p,ctrl-q", "a,b", "ctrl-@": single characters and ctrl- with a letter or one of @ [ \ ] ^
 * _; NULL or "" is the default, ctrl-p,ctrl-q. Error: "Unknown character: '...'" (docker's words).
 */
gboolean detach_keys_parse(const char *text, DetachKeys *ret, GError **error);

/* Passes n bytes of input through: what is not (yet) part of the sequence goes to out, which needs
 * room for n + DETACH_KEYS_MAX bytes. Returns the number of bytes in out; *ret_detached is set when
 * the sequence is complete (input behind it is dropped). */
size_t detach_keys_filter(
	DetachKeys *k, const guint8 *in, size_t n, guint8 *out, gboolean *ret_detached);

/* SPDX-License-Identifier: MIT */
/* detach.h - finds the detach keys in what a user types. */
#pragma once

#include <glib.h>

typedef struct {
	const char *keys; /* raw bytes, NUL-terminated; NULL or "": never matches */
	size_t matched;
} Detach;

/* Appends to out what is to be passed on; bytes that may begin the sequence are held back until it
 * is complete or broken. TRUE: the sequence was typed; the rest of the input is dropped. */
gboolean detach_filter(Detach *d, const char *data, size_t n, GString *out);

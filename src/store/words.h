/* SPDX-License-Identifier: MIT */
/* words.h - a Dockerfile line's words: blanks separate, quotes and backslashes keep together. */
#pragma once

#include <glib.h>

/* The next word of *text, quotes and escapes kept; NULL at the end. Caller frees. */
char *word_next(const char **text);
char **words_split(const char *text);

/* The word without quotes and escapes, and with $name, ${name}, ${name:-else}, ${name:+then}
 * replaced from env ("NAME=value" strings, may be NULL). NULL with docker's error. Caller frees. */
char *word_expand(const char *word, char *const *env, GError **error);

/* SPDX-License-Identifier: MIT */
/* names.h - container names: generated ones (adjective_surname) and what is a valid one. */
#pragma once

#include <glib.h>

/* A random "adjective_surname"; retry > 0 appends a digit. Caller frees. */
char *name_generate(guint retry);
/* [a-zA-Z0-9][a-zA-Z0-9_.-]+; docker's error text otherwise. */
gboolean name_valid(const char *name, GError **error);

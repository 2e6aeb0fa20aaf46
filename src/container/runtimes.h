/* SPDX-License-Identifier: MIT */
/* runtimes.h - which OCI runtime runs a container: our own library, or a program (--add-runtime).
 */
#pragma once

#include "container/container.h"

typedef struct {
	char *path;  /* absolute, or looked for in PATH */
	char **args; /* more arguments in front of the command; may be NULL */
} RuntimeProgram;
void runtime_program_free(void *p);

/* Names that mean our own: they cannot be given to another. */
gboolean runtime_is_own(const char *name);
/* Refused with docker's text unless name is our own or was added. */
gboolean runtime_check(Engine *e, const char *name, GError **error);
/* Program and arguments, strv; NULL without error: our own. */
char **runtime_command(Engine *e, const char *name, GError **error);

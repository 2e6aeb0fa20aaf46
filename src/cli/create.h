/* SPDX-License-Identifier: MIT */
/* create.h - creating a container: what run and create have in common. */
#pragma once

#include "base/json.h"
#include "cli/run_options.h"

enum { EXIT_DAEMON = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* The body of the create request. NULL with *ret_code when it could not be made; it has been said
 * why. */
json_t *create_body(
	Cli *cli, const Command *c, const RunOptions *o, char *const *args, int *ret_code);

/* Creates it (pulling the image as --pull says) and writes the --cidfile. The ID (caller frees), or
 * NULL with error. Warnings go to stderr. */
char *create_container(Cli *cli, const RunOptions *o, json_t *body, GError **error);

/* "dhow: MESSAGE" and how to get help, on stderr. */
void report_error(const Cli *cli, const char *command, const GError *error);

/* 127, 126 or 125, from what the engine said about a program that did not start. */
int start_error_code(const GError *error);

/* The name or ID without surrounding slashes; error for an empty one. */
gboolean check_container_name(const char *name, GError **error);

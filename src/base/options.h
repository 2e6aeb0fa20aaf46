/* SPDX-License-Identifier: MIT */
/*
 * options.h - command line options as tables.
 *
 * Each OptionSpec names the member of a structure to fill. Parsing is docker's (GNU style): -d, -it
 * combined, -n value, -nvalue, --flag, --flag=value, --flag value, --bool=false, "--" ends options,
 * and with stop_at_arg the first plain argument ends them.
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
	OPT_BOOL,        /* gboolean */
	OPT_STRING,      /* char*, borrowed from argv (the last one wins) */
	OPT_LIST,        /* GPtrArray* of char* borrowed from argv (made on first use) */
	OPT_INT,         /* int64_t */
	OPT_COUNTED_INT, /* int64_t with gboolean right behind it: was it given? (see OptInt) */
	OPT_DOUBLE,      /* double */
	OPT_SIZE,        /* int64_t, "64m" */
	OPT_DURATION,    /* int64_t ns, "1m30s" */
} OptionType;

typedef struct {
	int64_t value;
	gboolean given;
} OptInt;

typedef struct {
	char short_name;       /* 'd' or 0 */
	const char *long_name; /* "detach" */
	OptionType type;
	size_t offset;
	const char *value_name; /* "string", "list", "int", "bytes" ... as docker's help shows;
				   NULL: bool */
	const char *help;
	const char *default_text; /* what follows "default " in help: "-1", "\"no\"", "map[]"; or
				     NULL */
	unsigned flags;
} OptionSpec;

enum {
	OPT_HIDDEN = 1, /* parsed, not in help (deprecated or alias) */
};

typedef struct {
	const OptionSpec *options;
	size_t n;
	gboolean stop_at_arg;
	/* As Go's flag package reads them, and so runc: one dash or two are the same, short options
	 * are not combined; and its error texts. */
	gboolean go_flags;
} OptionSet;

/* Fills the structure from argv, whose strings stay referenced. ret_args: the plain arguments,
 * NULL-terminated; free with g_free. *ret_help: --help was among them. Errors are DH_ERROR_INVALID
 * and worded as docker's (pflag). */
gboolean options_parse(const OptionSet *set, char *const *argv, void *options, char ***ret_args,
	gboolean *ret_help, GError **error);
/* Frees the lists that options_parse made. */
void options_clear(const OptionSpec *options, size_t n, void *values);

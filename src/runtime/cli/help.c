/* SPDX-License-Identifier: MIT */
/* Help pages laid out as runc's. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>

static const char id_text[] =
	"Where \"<container-id>\" is the name for the instance of the container.";

static char *label(const OptionSpec *o)
{
	const char *value = o->type == OPT_BOOL ? "" : " value";
	if (o->short_name)
		return g_strdup_printf("--%s%s, -%c%s", o->long_name, value, o->short_name, value);
	return g_strdup_printf("--%s%s", o->long_name, value);
}

static void print_options(const OptionSpec *options, size_t n)
{
	size_t width = 0;
	for (size_t i = 0; i < n; i++) {
		g_autofree char *text = label(&options[i]);
		width = MAX(width, strlen(text));
	}
	for (size_t i = 0; i < n; i++) {
		const OptionSpec *o = &options[i];
		g_autofree char *text = label(o);
		printf("   %-*s  %s%s%s%s\n", (int)width, text, o->help,
			o->default_text ? " (default: " : "",
			o->default_text ? o->default_text : "", o->default_text ? ")" : "");
	}
}

void help_program(const RtCommand *const *commands, const OptionSpec *globals, size_t n_globals)
{
	printf("NAME:\n   " PROGRAM " - Open Container Initiative runtime of Dhow\n\n"
	       "Runs containers from bundles: directories with a specification file "
	       "\"config.json\" "
	       "and a root\nfile system. The command line is runc's, so that it can take runc's "
	       "place "
	       "below Docker,\ncontainerd and Podman.\n\n"
	       "To start a new instance of a container:\n\n"
	       "    # " PROGRAM " run [ -b bundle ] <container-id>\n\n"
	       "USAGE:\n   " PROGRAM
	       " [global options] command [command options] [arguments...]\n\n"
	       "VERSION:\n   " DHOW_VERSION "\nspec: " OCI_VERSION "\n\nCOMMANDS:\n");
	for (; *commands; commands++)
		printf("   %-8s  %s\n", (*commands)->name, (*commands)->summary);
	printf("   %-8s  %s\n\nGLOBAL OPTIONS:\n", "help, h",
		"Shows a list of commands or help for one command");
	print_options(globals, n_globals);
	printf("   --help, -h          show help\n   --version, -v       print the version\n");
}

void help_command(const RtCommand *c)
{
	printf("NAME:\n   " PROGRAM " %s - %s\n\nUSAGE:\n   " PROGRAM " %s %s\n\n", c->name,
		c->summary, c->name, c->usage ? c->usage : "[command options] <container-id>");
	const char *arguments = c->arguments ? c->arguments : id_text;
	if (*arguments)
		printf("%s\n\n", arguments);
	if (c->description)
		printf("DESCRIPTION:\n   %s\n\n", c->description);
	if (c->n_options) {
		printf("OPTIONS:\n");
		print_options(c->options, c->n_options);
	}
}

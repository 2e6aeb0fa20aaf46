/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/messages.h"
#include "registry/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	GPtrArray *changes;
	char *message, *platform;
} ImportOptions;

/* clang-format off */
static const OptionSpec import_specs[] = {
	{'c', "change", OPT_LIST, offsetof(ImportOptions, changes), "list",
		"Apply Dockerfile instruction to the created image"},
	{'m', "message", OPT_STRING, offsetof(ImportOptions, message), "string",
		"Set commit message for imported image"},
	{0, "platform", OPT_STRING, offsetof(ImportOptions, platform), "string",
		"Set platform if server is multi-platform capable"},
};
/* clang-format on */

static gboolean is_url(const char *s)
{
	return g_str_has_prefix(s, "http://") || g_str_has_prefix(s, "https://");
}

static int open_source(const char *source, GError **error)
{
	if (is_url(source)) {
		dh_error(error, DH_ERROR_NOT_BUILT,
			"importing from a URL is not built yet: fetch the archive and import the "
			"file");
		return -1;
	}
	int fd = strcmp(source, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					  : open(source, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		g_autofree char *why = g_ascii_strdown(g_strerror(errno), -1);
		dh_error(error, DH_ERROR_NOT_FOUND, "open %s: %s", source, why);
	}
	return fd;
}

static int import_run(Cli *cli, void *options, char **args, GError **error)
{
	const ImportOptions *o = options;
	g_autoptr(GPtrArray) query = g_ptr_array_new();
	const char *const fixed[][2] = {
		{"fromSrc", "-"},
		{"message", o->message},
		{"platform", o->platform},
		{"repo", args[1]},
	};

	if (args[1]) {
		g_autoptr(Reference) ref = reference_parse(args[1], error);
		if (!ref)
			return 1;
	}
	dh_autofd int fd = open_source(args[0], error);
	if (fd < 0)
		return 1;
	for (guint i = 0; o->changes && i < o->changes->len; i++) {
		g_ptr_array_add(query, (gpointer) "changes");
		g_ptr_array_add(query, o->changes->pdata[i]);
	}
	for (guint i = 0; i < G_N_ELEMENTS(fixed); i++) {
		if (!fixed[i][1] || !*fixed[i][1])
			continue;
		g_ptr_array_add(query, (gpointer)fixed[i][0]);
		g_ptr_array_add(query, (gpointer)fixed[i][1]);
	}
	g_ptr_array_add(query, NULL);
	Request req = {.method = "POST",
		.path = "/images/create",
		.query = (char *const *)query->pdata,
		.body_fd = fd};
	g_autoptr(Response) r = cli_request(cli, &req, error);
	return r && messages_show(r, stdout, 0, error) ? 0 : 1;
}

const Command cmd_import = {
	.name = "import",
	.usage = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
	.summary = "Import the contents from a tarball to create a filesystem image",
	.aliases = "docker image import, docker import",
	.min_args = 1,
	.max_args = 2,
	.options = import_specs,
	.n_options = G_N_ELEMENTS(import_specs),
	.options_size = sizeof(ImportOptions),
	.run = import_run,
};

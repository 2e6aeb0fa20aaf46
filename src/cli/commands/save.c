/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 128 * 1024 };

typedef struct {
	char *output, *platform;
} SaveOptions;

/* clang-format off */
static const OptionSpec save_specs[] = {
	{'o', "output", OPT_STRING, offsetof(SaveOptions, output), "string",
		"Write to a file, instead of STDOUT"},
	{0, "platform", OPT_STRING, offsetof(SaveOptions, platform), "string",
		"Save only the given platform variant. "
		"Formatted as \"os[/arch[/variant]]\" (e.g., \"linux/amd64\")"},
};
/* clang-format on */

static gboolean check_output(const char *path, GError **error)
{
	struct stat st;
	g_autofree char *dir = g_path_get_dirname(path);
	if (stat(dir, &st) < 0) {
		g_autofree char *why = g_ascii_strdown(g_strerror(errno), -1);
		return dh_error(error, DH_ERROR_INVALID,
			"failed to save image: invalid output path: stat %s: %s", dir, why);
	}
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return dh_error(error, DH_ERROR_INVALID,
			"failed to save image: cannot write to a directory");
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) &&
		!S_ISFIFO(st.st_mode))
		return dh_error(
			error, DH_ERROR_INVALID, "failed to save image: cannot write to %s", path);
	return TRUE;
}

static gboolean copy(Response *r, int fd, GError **error)
{
	g_autofree char *buf = g_malloc(BUFFER);
	for (;;) {
		ssize_t n = response_read(r, buf, BUFFER, error);
		if (n <= 0)
			return n == 0;
		if (dh_write_all(fd, buf, (size_t)n) < 0)
			return dh_error_errno(error, errno, "write");
	}
}

/* The archive appears under its name only when it is whole; devices and pipes are written to. */
static gboolean save_to_file(Response *r, const char *path, GError **error)
{
	struct stat st;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		dh_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
		return fd >= 0 ? copy(r, fd, error) : dh_error_errno(error, errno, "open %s", path);
	}
	g_autofree char *temporary = g_strdup_printf("%s.dhow-XXXXXX", path);
	dh_autofd int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return dh_error_errno(error, errno, "create %s", temporary);
	if (!copy(r, fd, error)) {
		unlink(temporary);
		return FALSE;
	}
	if (rename(temporary, path) < 0) {
		dh_error_errno(error, errno, "rename to %s", path);
		unlink(temporary);
		return FALSE;
	}
	return TRUE;
}

static int save_run(Cli *cli, void *options, char **args, GError **error)
{
	const SaveOptions *o = options;
	gboolean to_file = o->output && *o->output;
	g_autoptr(GPtrArray) query = g_ptr_array_new();

	if (!list_check_platform(o->platform, error))
		return 1;
	if (!to_file && isatty(STDOUT_FILENO)) {
		dh_error(error, DH_ERROR_INVALID,
			"cowardly refusing to save to a terminal. Use the -o flag or redirect");
		return 1;
	}
	if (to_file && !check_output(o->output, error))
		return 1;
	for (; *args; args++) {
		g_ptr_array_add(query, (gpointer) "names");
		g_ptr_array_add(query, *args);
	}
	g_ptr_array_add(query, NULL);
	Request req = {
		.method = "GET", .path = "/images/get", .query = (char *const *)query->pdata};
	g_autoptr(Response) r = cli_request(cli, &req, error);
	if (!r)
		return 1;
	if (to_file)
		return save_to_file(r, o->output, error) ? 0 : 1;
	return copy(r, STDOUT_FILENO, error) ? 0 : 1;
}

const Command cmd_save = {
	.name = "save",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Save one or more images to a tar archive (streamed to STDOUT by default)",
	.aliases = "docker image save, docker save",
	.min_args = 1,
	.max_args = -1,
	.options = save_specs,
	.n_options = G_N_ELEMENTS(save_specs),
	.options_size = sizeof(SaveOptions),
	.run = save_run,
};

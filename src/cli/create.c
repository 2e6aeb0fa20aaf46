/* SPDX-License-Identifier: MIT */
#include "cli/create.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/id.h"
#include "cli/client.h"
#include "cli/config_file.h"
#include "cli/platform.h"
#include "cli/pull.h"
#include "cli/run_parse.h"
#include "cli/terminal.h"
#include "registry/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void report_error(const Cli *cli, const char *command, const GError *error)
{
	fflush(stdout);
	fprintf(stderr, "%s: %s\n\nRun '%s %s --help' for more information\n", cli->program,
		error->message, cli->program, command);
}

int start_error_code(const GError *error)
{
	static const struct {
		const char *text;
		int code;
	} causes[] = {
		{"executable file not found", EXIT_NOT_FOUND},
		{"no such file or directory", EXIT_NOT_FOUND},
		{"system cannot find the file specified", EXIT_NOT_FOUND},
		{"permission denied", EXIT_CANNOT_RUN},
		{"is a directory", EXIT_CANNOT_RUN},
	};
	for (guint i = 0; i < G_N_ELEMENTS(causes); i++) {
		if (strstr(error->message, causes[i].text))
			return causes[i].code;
	}
	return EXIT_DAEMON;
}

gboolean check_container_name(const char *name, GError **error)
{
	if (*name)
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID, "invalid container name or ID: value is empty");
}

/* Options that docker only has for Windows; FALSE after naming those given. */
static gboolean check_windows_options(const RunOptions *o)
{
	const struct {
		const char *name, *value;
	} options[] = {
		{"cpu-count", o->cpu_count},
		{"cpu-percent", o->cpu_percent},
		{"io-maxbandwidth", o->io_maxbandwidth},
		{"io-maxiops", o->io_maxiops},
	};
	gboolean ok = TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(options); i++) {
		if (!options[i].value)
			continue;
		ok = FALSE;
		fprintf(stderr,
			"\"--%s\" is only supported on a Docker daemon running on windows, but the "
			"Docker daemon is running on linux\n",
			options[i].name);
	}
	return ok;
}

static gboolean check_pull(const char *pull, GError **error)
{
	static const char *const words[] = {"", "always", "missing", "never", NULL};
	if (g_strv_contains(words, pull))
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID,
		"invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"",
		pull);
}

json_t *create_body(
	Cli *cli, const Command *c, const RunOptions *o, char *const *args, int *ret_code)
{
	g_autoptr(GError) error = NULL;
	gboolean usage_error = FALSE;
	json_t *body = NULL;
	*ret_code = 1;
	if (!check_windows_options(o))
		return NULL;
	*ret_code = EXIT_DAEMON;
	if (check_pull(o->pull, &error)) {
		GHashTable *proxy_env = config_proxy_env(cli);
		const char *socket = g_str_has_prefix(cli->host, "unix://") ? cli->host + 7 : NULL;
		body = run_parse(o, args, socket, proxy_env, &usage_error, &error);
		g_clear_pointer(&proxy_env, g_hash_table_unref);
	}
	if (body)
		return body;
	if (usage_error)
		fprintf(stderr,
			"%s\n\nUsage:  %s %s %s\n\nRun '%s %s --help' for more information\n",
			error->message, cli->program, c->name, c->usage, cli->program, c->name);
	else
		report_error(cli, c->name, error);
	return NULL;
}

/* An open file for the ID; it goes away again unless the ID was written. */
typedef struct {
	const char *path;
	int fd;
} CidFile;

static gboolean cidfile_open(CidFile *f, const char *path, GError **error)
{
	*f = (CidFile){.path = path, .fd = -1};
	if (!path || !*path)
		return TRUE;
	f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (f->fd >= 0)
		return TRUE;
	if (errno == EEXIST)
		return dh_error(error, DH_ERROR_CONFLICT,
			"container ID file found, make sure the other container isn't running or "
			"delete %s",
			path);
	return dh_error(error, DH_ERROR_SYSTEM,
		"failed to create the container ID file: open %s: %s", path,
		errno == ENOENT ? "no such file or directory" : g_strerror(errno));
}

static gboolean cidfile_close(CidFile *f, const char *id, GError **error)
{
	if (f->fd < 0)
		return TRUE;
	gboolean ok = id && dh_write_all(f->fd, id, strlen(id)) == 0;
	int keep = errno;
	dh_close(&f->fd);
	if (!ok)
		unlink(f->path);
	if (id && !ok)
		return dh_error_errno(error, keep, "failed to write the container ID to the file");
	return TRUE;
}

static void warn_local_dns(json_t *body)
{
	json_t *list = json_object_get(json_object_get(body, "HostConfig"), "Dns");
	json_t *item;
	size_t i;
	json_array_foreach (list, i, item) {
		const char *ip = json_string_value(item);
		if (!g_str_has_prefix(ip, "127.") && strcmp(ip, "::1") != 0)
			continue;
		fprintf(stderr, "WARNING: Localhost DNS (%s) may fail in containers.\n", ip);
		return;
	}
}

static void set_console_size(json_t *body)
{
	unsigned rows, columns;
	terminal_size(STDOUT_FILENO, &rows, &columns);
	json_object_set_new(json_object_get(body, "HostConfig"), "ConsoleSize",
		json_pack("[i, i]", (int)rows, (int)columns));
}

/* An image's ID in full, or a reference (to be freed). */
static gboolean parse_image(const char *image, Reference **ret, GError **error)
{
	*ret = NULL;
	if (strlen(image) == DH_ID_LEN && dh_is_hex(image))
		return TRUE;
	*ret = reference_parse(image, error);
	return *ret != NULL;
}

static json_t *request_create(Cli *cli, const Reference *ref, const RunOptions *o,
	const char *platform, json_t *body, GError **error)
{
	g_auto(GStrv) query =
		cli_query("name", o->name && *o->name ? o->name : NULL, "platform", platform, NULL);
	g_autoptr(GError) local = NULL;
	unsigned flags = o->quiet ? PULL_QUIET : 0;
	if (strcmp(o->pull, "always") == 0 && ref &&
		!pull_image(cli, ref, platform, stderr, flags, error))
		return NULL;
	json_t *answer = cli_call(cli, "POST", "/containers/create", query, body, &local);
	if (answer)
		return answer;
	if (!ref || !g_error_matches(local, DH_ERROR, DH_ERROR_NOT_FOUND) ||
		strcmp(o->pull, "missing") != 0) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	if (!o->quiet) {
		g_autofree char *name = reference_familiar(ref);
		fprintf(stderr, "Unable to find image '%s' locally\n", name);
	}
	if (!pull_image(cli, ref, platform, stderr, flags, error))
		return NULL;
	return cli_call(cli, "POST", "/containers/create", query, body, error);
}

static char *create_checked(Cli *cli, const RunOptions *o, json_t *body, GError **error)
{
	const char *image = json_string_value(json_object_get(body, "Image"));
	g_autoptr(Reference) ref = NULL;
	g_autofree char *platform = NULL;
	json_t *item;
	size_t i;
	if (!parse_image(image, &ref, error))
		return NULL;
	if (!o->disable_content_trust) {
		dh_error(error, DH_ERROR_NOT_BUILT, "content trust is not supported");
		return NULL;
	}
	if (o->platform && *o->platform) {
		platform = platform_normalize(o->platform, error);
		if (!platform)
			return NULL;
	}
	set_console_size(body);
	g_autoptr(json_t) answer = request_create(cli, ref, o, platform, body, error);
	if (!answer)
		return NULL;
	json_array_foreach (json_object_get(answer, "Warnings"), i, item)
		fprintf(stderr, "WARNING: %s\n", json_string_value(item));
	const char *id = json_string_value(json_object_get(answer, "Id"));
	if (!id)
		dh_error(error, DH_ERROR_SYSTEM, "the daemon named no container");
	return g_strdup(id);
}

char *create_container(Cli *cli, const RunOptions *o, json_t *body, GError **error)
{
	CidFile file;
	warn_local_dns(body);
	if (!cidfile_open(&file, o->cidfile, error))
		return NULL;
	char *id = create_checked(cli, o, body, error);
	if (cidfile_close(&file, id, error))
		return id;
	g_free(id);
	return NULL;
}

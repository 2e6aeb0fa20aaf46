/* SPDX-License-Identifier: MIT */
#include "cli/credential_helper.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/spawn.h"
#include "cli/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ANSWER = 1 << 20 };
#define TOKEN_USER "<token>" /* what helpers call the user of an identity token */
#define NOT_FOUND "credentials not found in native keychain"

static char *program_name(const char *name)
{
	return g_strdup_printf("docker-credential-%s", name);
}

gboolean credential_helper_exists(const char *name)
{
	g_autofree char *program = program_name(name);
	g_autofree char *path = g_find_program_in_path(program);
	return path != NULL;
}

static gboolean spawn_helper(
	const char *name, const char *action, int in, int out, int *ret_pidfd, GError **error)
{
	g_autofree char *program = program_name(name);
	g_autofree char *path = strchr(name, '/') ? NULL : g_find_program_in_path(program);
	char *const argv[] = {program, (char *)action, NULL};
	if (!path)
		return dh_error(error, DH_ERROR_NOT_FOUND,
			"exec: \"%s\": executable file not found in $PATH", program);
	DhSpawn s = {
		.path = path, .argv = argv, .envp = environ, .stdio = {in, out, STDERR_FILENO}};
	pid_t pid;
	return dh_spawn(&s, &pid, ret_pidfd, error);
}

/* Runs it with input; *ret_output is what it wrote, stripped, also when it failed. */
static gboolean run(
	const char *name, const char *action, const char *input, char **ret_output, GError **error)
{
	dh_autofd int in = dh_memfd("credential", input, strlen(input), error);
	dh_autofd int pidfd = -1;
	int pipe_fds[2] = {-1, -1};
	if (in < 0)
		return FALSE;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return dh_error_errno(error, errno, "pipe");
	dh_autofd int from = pipe_fds[0], to = pipe_fds[1];
	if (!spawn_helper(name, action, in, to, &pidfd, error))
		return FALSE;
	dh_close(&to);
	g_autofree char *output = dh_read_to_end(from, MAX_ANSWER, NULL, error);
	dh_close(&from);
	int status = dh_reap(pidfd);
	if (!output)
		return FALSE;
	*ret_output = g_strstrip(g_steal_pointer(&output));
	if (status > 128)
		return dh_error(error, DH_ERROR_SYSTEM, "signal: %s", strsignal(status - 128));
	return status == 0 || dh_error(error, DH_ERROR_SYSTEM, "exit status %d", status);
}

static gboolean explain(const char *what, const char *output, GError **error, GError *why)
{
	dh_error(error, DH_ERROR_SYSTEM, "error %s credentials - err: %s, out: `%s`", what,
		why->message, output ? output : "");
	g_error_free(why);
	return FALSE;
}

gboolean credential_helper_get(
	const char *name, const char *server, Credentials *ret, GError **error)
{
	g_autofree char *output = NULL;
	GError *why = NULL;
	if (!run(name, "get", server, &output, &why)) {
		if (output && strcmp(output, NOT_FOUND) == 0) {
			g_error_free(why);
			return TRUE;
		}
		return explain("getting", output, error, why);
	}
	g_autoptr(json_t) json = dh_json_loads(output, strlen(output), &why);
	if (!json)
		return explain("getting", "", error, why);
	const char *user = list_string(json, "Username");
	char **secret = &ret->identity_token;
	if (strcmp(user, TOKEN_USER) != 0) {
		secret = &ret->password;
		ret->username = g_strdup(user);
	}
	*secret = g_strdup(list_string(json, "Secret"));
	return TRUE;
}

gboolean credential_helper_store(const char *name, const Credentials *c, GError **error)
{
	gboolean token = c->identity_token && *c->identity_token;
	g_autoptr(json_t) json = json_pack("{s:s, s:s, s:s}", "ServerURL", c->server, "Username",
		token ? TOKEN_USER : c->username, "Secret",
		token ? c->identity_token : c->password);
	g_autofree char *input = json ? dh_json_dumps(json, 0) : NULL;
	g_autofree char *output = NULL;
	GError *why = NULL;
	if (!input)
		return dh_error(error, DH_ERROR_INVALID, "the credentials are not UTF-8");
	return run(name, "store", input, &output, &why) || explain("storing", output, error, why);
}

gboolean credential_helper_erase(const char *name, const char *server, GError **error)
{
	g_autofree char *output = NULL;
	GError *why = NULL;
	if (run(name, "erase", server, &output, &why))
		return TRUE;
	if (output && strcmp(output, NOT_FOUND) == 0) {
		g_error_free(why);
		return TRUE;
	}
	return explain("erasing", output, error, why);
}

/* SPDX-License-Identifier: MIT */
/* Any bytes as the user's ~/.docker/config.json: what is read from it, and an edit of it. */
#include "cli/config_file.h"
#include "cli/credentials.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static Cli cli = {.program = "dhow"};

/* A directory of its own, where no credential helper is found either. */
static void prepare(void)
{
	static char dir[] = "/tmp/dhow-fuzz-XXXXXX";
	if (cli.config_dir)
		return;
	if (!mkdtemp(dir))
		abort();
	cli.config_dir = dir;
	setenv("PATH", dir, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const servers[] = {CREDENTIALS_HUB, "host:5000", "127.0.0.1:5000"};
	prepare();
	/* What is said of bad files is not for the log; what the fuzzer says is. */
	fflush(stderr);
	int said = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (said < 0 || dup2(null, STDERR_FILENO) < 0)
		abort();
	close(null);
	g_autofree char *path = config_file_path(&cli);
	if (!g_file_set_contents(path, (const char *)data, (gssize)size, NULL))
		abort();
	g_free(config_detach_keys(&cli, NULL));
	GHashTable *env = config_proxy_env(&cli);
	if (env)
		g_hash_table_unref(env);
	for (guint i = 0; i < G_N_ELEMENTS(servers); i++) {
		g_auto(Credentials) c = {0};
		(void)credentials_get(&cli, servers[i], &c, NULL);
		g_free(credentials_header(&c));
	}
	(void)credentials_erase(&cli, "host:5000", NULL);
	(void)unlink(path);
	fflush(stderr);
	dup2(said, STDERR_FILENO);
	close(said);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* What the options of run and create become. (tests/system/cli_compare.py compares the whole with
 * docker.) */
#include "cli/commands.h"
#include "cli/platform.h"
#include "cli/run_parse.h"
#include "cli/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* cmocka wants the four above first */
#include <cmocka.h>

/* Parses a command line of run and returns the request, or NULL with the error's text in
 * *ret_error. */
static json_t *parse(const char *line, char **ret_error)
{
	g_auto(GStrv) argv = g_strsplit(line, "|", -1);
	g_autofree char **args = NULL;
	g_autoptr(GError) error = NULL;
	RunOptions o = {0};
	gboolean help, usage_error;
	json_t *body = NULL;
	if (command_parse(&cmd_run, argv, &o, &args, &help, &error))
		body = run_parse(&o, args, NULL, NULL, &usage_error, &error);
	command_clear_options(&cmd_run, &o);
	*ret_error = body ? NULL : g_strdup(error->message);
	return body;
}

/* The member at "HostConfig.Binds" as compact JSON. */
static char *member(json_t *body, const char *path)
{
	g_auto(GStrv) names = g_strsplit(path, ".", -1);
	for (char **n = names; body && *n; n++)
		body = json_object_get(body, *n);
	char *text =
		body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
	char *copy = g_strdup(text ? text : "absent");
	free(text);
	return copy;
}

static void test_members(void **state)
{
	static const struct {
		const char *line, *path, *want;
	} cases[] = {
		{"img|a|b", "Cmd", "[\"a\",\"b\"]"},
		{"img", "Cmd", "null"},
		{"-it|img", "StdinOnce", "true"},
		{"-i|-a|stdout|img", "AttachStderr", "false"},
		{"-p|80|img", "HostConfig.PortBindings",
			"{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"\"}]}"},
		{"-p|127.0.0.1::53/udp|img", "HostConfig.PortBindings",
			"{\"53/udp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"\"}]}"},
		{"-p|[::1]:8000-8001:80-81|img", "HostConfig.PortBindings",
			"{\"80/tcp\":[{\"HostIp\":\"::1\",\"HostPort\":\"8000\"}],"
			"\"81/tcp\":[{\"HostIp\":\"::1\",\"HostPort\":\"8001\"}]}"},
		{"--expose|90-91|img", "ExposedPorts", "{\"90/tcp\":{},\"91/tcp\":{}}"},
		{"--expose|65535|img", "ExposedPorts", "{\"65535/tcp\":{}}"},
		{"img", "ExposedPorts", "absent"},
		{"-v|/a:/b|-v|/c|-v|v:/d:ro|img", "HostConfig.Binds", "[\"/a:/b\",\"v:/d:ro\"]"},
		{"-v|/a:/b|-v|/c|img", "Volumes", "{\"/c\":{}}"},
		{"--tmpfs|/t:size=1m|img", "HostConfig.Tmpfs", "{\"/t\":\"size=1m\"}"},
		{"--mount|type=tmpfs,dst=/t,tmpfs-mode=0755|img", "HostConfig.Mounts",
			"[{\"Target\":\"/t\",\"TmpfsOptions\":{\"Mode\":493},\"Type\":\"tmpfs\"}]"},
		{"-e|A=1|-e|B=2|-e|A=3|img", "Env", "[\"A=3\",\"B=2\"]"},
		{"-l|a=b=c|img", "Labels", "{\"a\":\"b=c\"}"},
		{"--cpus|0.5|img", "HostConfig.NanoCpus", "500000000"},
		{"--cpus|1/4|img", "HostConfig.NanoCpus", "250000000"},
		{"-m|1g|img", "HostConfig.Memory", "1073741824"},
		{"--memory-swap|-1|img", "HostConfig.MemorySwap", "-1"},
		{"--restart|on-failure:3|img", "HostConfig.RestartPolicy",
			"{\"MaximumRetryCount\":3,\"Name\":\"on-failure\"}"},
		{"--net|container:web|img", "HostConfig.NetworkMode", "\"container:web\""},
		{"--net|n|--ip|10.0.0.9|img", "NetworkingConfig.EndpointsConfig.n.IPAMConfig",
			"{\"IPv4Address\":\"10.0.0.9\"}"},
		{"--cap-add|net_admin|--cap-add|ALL|img", "HostConfig.CapAdd",
			"[\"ALL\",\"CAP_NET_ADMIN\"]"},
		{"--read-only|--read-only|img", "HostConfig.ReadonlyRootfs", "true"},
		{"--entrypoint||img", "Entrypoint", "[\"\"]"},
		{"--init=false|img", "HostConfig.Init", "false"},
		{"img", "HostConfig.Init", "absent"},
		{"--stop-timeout|0|img", "StopTimeout", "0"},
		{"--health-cmd|x|--health-interval|1m|img", "Healthcheck",
			"{\"Interval\":60000000000,\"Test\":[\"CMD-SHELL\",\"x\"]}"},
		{"--security-opt|systempaths=unconfined|img", "HostConfig.MaskedPaths", "[]"},
		{"--gpus|all|img", "HostConfig.DeviceRequests",
			"[{\"Capabilities\":[[\"gpu\"]],\"Count\":-1,\"DeviceIDs\":null,"
			"\"Driver\":\"\",\"Options\":{}}]"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *error = NULL;
		g_autoptr(json_t) body = parse(cases[i].line, &error);
		if (!body)
			fail_msg("%s: %s", cases[i].line, error);
		g_autofree char *got = member(body, cases[i].path);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s: %s is %s", cases[i].line, cases[i].path, got);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{"-p|abc|img", "invalid containerPort: abc"},
		{"-p|8000-8002:80-81|img", "invalid ranges specified for container and host Ports: "
					   "80-81 and 8000-8002"},
		{"-p|1:2:3:4|img", "invalid IP address: 1:2"},
		{"-v|/a:/b:ro:rw|img", "invalid spec: /a:/b:ro:rw: too many colons"},
		{"--rm|--restart|always|img",
			"conflicting options: cannot specify both --restart and --rm"},
		{"-a|x|img", "invalid argument \"x\" for \"-a, --attach\" flag: valid streams are "
			     "STDIN, "
			     "STDOUT and STDERR"},
		{"--mount|a\"b|img",
			"invalid argument \"a\\\"b\" for \"--mount\" flag: parse error on line 1, "
			"column 2: bare \" in non-quoted-field"},
		{"--ulimit|nofile=2:1|img",
			"invalid argument \"nofile=2:1\" for \"--ulimit\" flag: ulimit soft limit "
			"must be less than or equal to hard limit: 2 > 1"},
		{"--cpus|0.0000000001|img",
			"invalid argument \"0.0000000001\" for \"--cpus\" flag: value is too "
			"precise"},
		{"--cpus|1e30|img",
			"invalid argument \"1e30\" for \"--cpus\" flag: failed to parse 1e30 as a "
			"rational number"},
		{"--pid|x|img", "--pid: invalid PID mode"},
		{"--security-opt|seccomp=/nonexistent/x|img",
			"opening seccomp profile (/nonexistent/x) failed: open /nonexistent/x: no "
			"such file or directory"},
		{"--env-file|/nonexistent/x|img", "open /nonexistent/x: no such file or directory"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *error = NULL;
		g_autoptr(json_t) body = parse(cases[i].line, &error);
		if (body)
			fail_msg("%s was accepted", cases[i].line);
		assert_string_equal(error, cases[i].want);
	}
}

/* Every option of the tables is parsed; none is without help or twice there. */
static void test_tables(void **state)
{
	static const Command *const commands[] = {&cmd_run, &cmd_create, &cmd_start, &cmd_attach,
		&cmd_exec, &cmd_stop, &cmd_restart, &cmd_kill, &cmd_rm};
	for (guint c = 0; c < G_N_ELEMENTS(commands); c++) {
		const Command *cmd = commands[c];
		for (size_t i = 0; i < cmd->n_options; i++) {
			const OptionSpec *o = &cmd->options[i];
			assert_true(o->help && *o->help);
			assert_true(o->offset < cmd->options_size);
			assert_true((o->type == OPT_BOOL) == (o->value_name == NULL));
			for (size_t k = 0; k < i; k++) {
				assert_string_not_equal(o->long_name, cmd->options[k].long_name);
				assert_true(!o->short_name ||
					    o->short_name != cmd->options[k].short_name);
			}
		}
	}
}

static void test_text(void **state)
{
	static const char *const quoted[][2] = {
		{"", "\"\""},
		{"a\"b\\", "\"a\\\"b\\\\\""},
		{"\a\t\n\x01\x7f", "\"\\a\\t\\n\\x01\\x7f\""},
		{"\xc3\xa4", "\"\xc3\xa4\""},
		{"\xff", "\"\\xff\""},
	};
	for (guint i = 0; i < G_N_ELEMENTS(quoted); i++) {
		g_autofree char *q = text_quote(quoted[i][0]);
		assert_string_equal(q, quoted[i][1]);
	}
	g_autoptr(GPtrArray) f = text_csv("a,\"b,\"\"c\",,d", NULL);
	assert_int_equal(f->len, 4);
	assert_string_equal(g_ptr_array_index(f, 1), "b,\"c");
	assert_string_equal(g_ptr_array_index(f, 2), "");
	static const char *const bad[] = {"", "a\"", "\"a", "\"a\"b", NULL};
	for (guint i = 0; bad[i]; i++)
		assert_null(text_csv(bad[i], NULL));
	g_autofree char *ip = text_ip("2001:DB8:0::1");
	assert_string_equal(ip, "2001:db8::1");
	assert_null(text_ip("1.2.3"));
	g_autoptr(json_t) j = text_json("a\xff");
	assert_non_null(j);
}

static void test_platform(void **state)
{
	static const char *const good[][2] = {
		{"linux/amd64", "linux/amd64"},
		{"Linux/x86_64", "linux/amd64"},
		{"linux/arm64/8", "linux/arm64/v8"},
		{"arm64", "linux/arm64"},
		{"linux/arm/v7", "linux/arm/v7"},
		{"armel", "linux/arm/v6"},
	};
	static const char *const bad[] = {"", "foo", "a b", "a/b/c/d", "linux//x", NULL};
	for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autofree char *p = platform_normalize(good[i][0], NULL);
		assert_non_null(p);
		assert_string_equal(p, good[i][1]);
	}
	for (guint i = 0; bad[i]; i++)
		assert_null(platform_normalize(bad[i], NULL));
}

static void test_mac(void **state)
{
	assert_true(parse_mac("92:d0:c6:0a:29:33"));
	assert_true(parse_mac(" 92-D0-c6-0a-29-33"));
	assert_true(parse_mac("92d0.c60a.2933"));
	static const char *const bad[] = {"", ":", "92", "92:d0:c6:0a:29", "92:d0:c6:0a:29:3",
		"92:d0:c6:0a:29:33:", "92:d0-c6:0a:29:33", "9g:d0:c6:0a:29:33", "92d0.c60a.29",
		NULL};
	for (guint i = 0; bad[i]; i++) {
		if (parse_mac(bad[i]))
			fail_msg("%s", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_platform),
		cmocka_unit_test(test_mac),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

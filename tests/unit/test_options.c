/* SPDX-License-Identifier: MIT */
/* The parser and the help of commands, in the words of docker 28.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka wants the four above first */
#include <cmocka.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/ports.h"

#include <string.h>

typedef struct {
	gboolean all, quiet;
	char *name;
	GPtrArray *list;
	int64_t count;
	OptInt last;
	double cpus;
	int64_t memory, interval, weight;
} Options;

#define O(m) offsetof(Options, m)

/* clang-format off */
static const OptionSpec specs[] = {
	{'a', "all", OPT_BOOL, O(all), NULL, "All"},
	{'q', "quiet", OPT_BOOL, O(quiet), NULL, "Quiet"},
	{0, "name", OPT_STRING, O(name), "string", "Name"},
	{0, "nom", OPT_STRING, O(name), "string", "Name", NULL, OPT_HIDDEN},
	{'f', "filter", OPT_LIST, O(list), "filter", "Filter"},
	{'c', "count", OPT_INT, O(count), "int", "Count", "3"},
	{'n', "last", OPT_COUNTED_INT, O(last), "int", "Last"},
	{0, "cpus", OPT_DOUBLE, O(cpus), "decimal", "CPUs"},
	{'m', "memory", OPT_SIZE, O(memory), "bytes", "Memory"},
	{0, "interval", OPT_DURATION, O(interval), "duration", "Interval"},
	{0, "weight", OPT_INT, O(weight), "uint16", "Weight"},
};
/* clang-format on */

static const Command command = {
	.name = "x",
	.usage = "[OPTIONS] ARG...",
	.summary = "Does x",
	.aliases = "docker a x, docker x",
	.min_args = 1,
	.max_args = 2,
	.options = specs,
	.n_options = G_N_ELEMENTS(specs),
	.options_size = sizeof(Options),
};

/* Parses a line of words; what came of it as one text. */
static char *parse(const Command *c, const char *line)
{
	g_auto(GStrv) argv = *line ? g_strsplit(line, " ", -1) : g_new0(char *, 1);
	Options o = {0};
	g_autofree char **args = NULL;
	g_autoptr(GError) error = NULL;
	gboolean help = FALSE;
	GString *out = g_string_new(NULL);
	if (!command_parse(c, argv, &o, &args, &help, &error)) {
		g_string_append(out, error->message);
	} else {
		g_autofree char *rest = g_strjoinv(",", args);
		g_string_append_printf(
			out, "%s%s%s", o.all ? "a " : "", o.quiet ? "q " : "", help ? "help " : "");
		if (o.name)
			g_string_append_printf(out, "name=%s ", o.name);
		for (guint i = 0; o.list && i < o.list->len; i++)
			g_string_append_printf(out, "f=%s ", (char *)o.list->pdata[i]);
		if (o.count)
			g_string_append_printf(out, "c=%" G_GINT64_FORMAT " ", (gint64)o.count);
		if (o.last.given)
			g_string_append_printf(
				out, "n=%" G_GINT64_FORMAT " ", (gint64)o.last.value);
		if (o.memory)
			g_string_append_printf(out, "m=%" G_GINT64_FORMAT " ", (gint64)o.memory);
		if (o.interval)
			g_string_append_printf(out, "i=%" G_GINT64_FORMAT " ", (gint64)o.interval);
		g_string_append_printf(out, "[%s]", rest);
	}
	command_clear_options(c, &o);
	return g_string_free(out, FALSE);
}

static void test_parse(void **state)
{
	static const struct {
		const char *line, *expected;
	} cases[] = {
		{"", "[]"},
		{"-aq x y", "a q [x,y]"},
		{"-qa=false x", "q [x]"},
		{"--all=false -q=true x", "q [x]"},
		{"x -a", "a [x]"},
		{"-a -- -q", "a [-q]"},
		{"- x", "[-,x]"},
		{"--name foo x", "name=foo [x]"},
		{"--name=foo --nom=bar", "name=bar []"},
		{"--name=", "name= []"},
		{"-aqn5", "a q n=5 []"},
		{"-n=5", "n=5 []"},
		{"-n 0x10", "n=16 []"},
		{"-n -1", "n=-1 []"},
		{"-fa=b -f c=d --filter=e=f", "f=a=b f=c=d f=e=f []"},
		{"-m 64m", "m=67108864 []"},
		{"--interval 1m30s", "i=90000000000 []"},
		{"--help --name", "flag needs an argument: --name"},
		{"--help x", "help [x]"},
		{"-h", "help []"},
		{"--foo", "unknown flag: --foo"},
		{"--foo=3", "unknown flag: --foo"},
		{"--al", "unknown flag: --al"},
		{"-z", "unknown shorthand flag: 'z' in -z"},
		{"-azq", "unknown shorthand flag: 'z' in -zq"},
		{"-a=", "unknown shorthand flag: '=' in -="},
		{"--=x", "bad flag syntax: --=x"},
		{"---x", "bad flag syntax: ---x"},
		{"--name", "flag needs an argument: --name"},
		{"-an", "flag needs an argument: 'n' in -n"},
		{"-a=maybe",
			"invalid argument \"maybe\" for \"-a, --all\" flag: strconv.ParseBool: "
			"parsing \"maybe\": invalid syntax"},
		{"--all=", "invalid argument \"\" for \"-a, --all\" flag: strconv.ParseBool: "
			   "parsing \"\": invalid syntax"},
		{"-n x",
			"invalid argument \"x\" for \"-n, --last\" flag: strconv.ParseInt: parsing "
			"\"x\": invalid syntax"},
		{"-n 99999999999999999999",
			"invalid argument \"99999999999999999999\" for \"-n, --last\" flag: "
			"strconv.ParseInt: parsing \"99999999999999999999\": value out of range"},
		{"--weight 99999999",
			"invalid argument \"99999999\" for \"--weight\" flag: strconv.ParseUint: "
			"parsing \"99999999\": value out of range"},
		{"-m x", "invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'"},
		{"-m 5x", "invalid argument \"5x\" for \"-m, --memory\" flag: invalid suffix: 'x'"},
		{"--cpus x", "invalid argument \"x\" for \"--cpus\" flag: failed to parse x as a "
			     "rational number"},
		{"--interval 5",
			"invalid argument \"5\" for \"--interval\" flag: time: missing unit "
			"in duration \"5\""},
		{"--interval abc",
			"invalid argument \"abc\" for \"--interval\" flag: time: invalid "
			"duration \"abc\""},
		{"-f foo",
			"invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter "
			"(expected name=value)"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *got = parse(&command, cases[i].line);
		assert_string_equal(got, cases[i].expected);
	}
}

/* Options end at the image: what follows belongs to the container. */
static void test_stop_at_argument(void **state)
{
	Command c = command;
	c.stop_at_arg = TRUE;
	g_autofree char *got = parse(&c, "-a nmap -sS -p 3333 --all=x --");
	assert_string_equal(got, "a [nmap,-sS,-p,3333,--all=x,--]");
	g_autofree char *dashes = parse(&c, "-a -- nmap -q");
	assert_string_equal(dashes, "a [nmap,-q]");
}

static void test_counts(void **state)
{
	static const struct {
		int min, max;
		guint n;
		const char *expected;
	} cases[] = {
		{0, 0, 0, NULL},
		{0, 0, 1, "accepts no arguments"},
		{1, 1, 0, "requires 1 argument"},
		{1, 1, 2, "requires 1 argument"},
		{2, 2, 1, "requires 2 arguments"},
		{1, -1, 0, "requires at least 1 argument"},
		{2, -1, 1, "requires at least 2 arguments"},
		{1, -1, 9, NULL},
		{0, 1, 2, "requires at most 1 argument"},
		{1, 2, 3, "requires at least 1 and at most 2 arguments"},
		{0, -1, 0, NULL},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Command c = command;
		c.min_args = cases[i].min;
		c.max_args = cases[i].max;
		g_autofree char *got = command_check_args(&c, cases[i].n);
		if (cases[i].expected)
			assert_string_equal(got, cases[i].expected);
		else
			assert_null(got);
	}
}

static void test_help(void **state)
{
	g_autofree char *text = command_help(&command, "dhow a x", 80);
	assert_string_equal(text, "Usage:  dhow a x [OPTIONS] ARG...\n"
				  "\n"
				  "Does x\n"
				  "\n"
				  "Aliases:\n"
				  "  dhow a x, dhow x\n"
				  "\n"
				  "Options:\n"
				  "  -a, --all                 All\n"
				  "  -c, --count int           Count (default 3)\n"
				  "      --cpus decimal        CPUs\n"
				  "  -f, --filter filter       Filter\n"
				  "      --interval duration   Interval\n"
				  "  -n, --last int            Last\n"
				  "  -m, --memory bytes        Memory\n"
				  "      --name string         Name\n"
				  "  -q, --quiet               Quiet\n"
				  "      --weight uint16       Weight\n");
	/* broken where docker breaks it */
	g_autofree char *ps = command_help(&cmd_ps, "dhow ps", 80);
	assert_non_null(
		strstr(ps, "  -n, --last int        Show n last created containers (includes all\n"
			   "                        states) (default -1)\n"));
	assert_non_null(strstr(ps,
		"                        'TEMPLATE':         Print output using the given\n"
		"                        Go template.\n"));
	/* very narrow: as a block below */
	g_autofree char *narrow = command_help(&cmd_ps, "dhow ps", 30);
	assert_non_null(narrow);
}

/* Every command of the registry: complete, its options' defaults and letters without clashes, and
 * its help starts with its usage. */
static void test_registry(void **state)
{
	for (size_t i = 0; commands_nth(i); i++) {
		const CommandEntry *e = commands_nth(i);
		assert_ptr_equal(commands_find(e->family, e->name), e);
		assert_true(!*e->family || commands_find_family(e->family)->built);
		if (!e->command) {
			assert_non_null(e->summary);
			continue;
		}
		const Command *c = e->command;
		assert_non_null(c->run);
		assert_non_null(c->usage);
		assert_non_null(c->summary);
		for (size_t k = 0; k < c->n_options; k++) {
			const OptionSpec *o = &c->options[k];
			assert_true(o->offset < c->options_size);
			assert_non_null(o->long_name);
			assert_non_null(o->help);
			assert_true(o->type == OPT_BOOL || o->value_name);
			for (size_t m = 0; m < k; m++) {
				assert_string_not_equal(o->long_name, c->options[m].long_name);
				assert_true(!o->short_name ||
					    o->short_name != c->options[m].short_name);
			}
		}
		g_autofree char *path = g_strdup_printf("dhow %s", e->name);
		g_autofree char *help = command_help(c, path, 80);
		assert_true(g_str_has_prefix(help, "Usage:  dhow "));
	}
	for (size_t i = 0; commands_nth_common(i); i++)
		assert_non_null(commands_find("", commands_nth_common(i)));
	assert_null(commands_find("", "nonsense"));
	assert_null(commands_find_family("nonsense"));
}

static void test_cells(void **state)
{
	static const struct {
		const char *text, *expected;
	} cuts[] = {
		{"short", "short"},
		{"exactly-twenty-chars", "exactly-twenty-chars"},
		{"one more than twenty!", "one more than twent…"},
		{"ééééééééééééééééééééé", "ééééééééééééééééééé…"},
		{"日本語日本語日本語日本", "日本語日本語日本語…"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cuts); i++) {
		g_autofree char *got = list_ellipsis(cuts[i].text, 20);
		assert_string_equal(got, cuts[i].expected);
	}
	g_autoptr(GPtrArray) filters = g_ptr_array_new();
	g_ptr_array_add(filters, (gpointer) "Status=exited");
	g_ptr_array_add(filters, (gpointer) "status = created ");
	g_ptr_array_add(filters, (gpointer) "label=a=b");
	g_autofree char *json = list_filters(filters);
	assert_string_equal(
		json, "{\"status\":{\"exited\":true,\"created\":true},\"label\":{\"a=b\":true}}");
	g_autofree char *id = list_short_id("sha256:0123456789abcdef");
	assert_string_equal(id, "0123456789ab");
}

static void test_ports(void **state)
{
	static const struct {
		const char *json, *expected;
	} cases[] = {
		{"[]", ""},
		{"[{\"PrivatePort\":80,\"Type\":\"tcp\"}]", "80/tcp"},
		{"[{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"}]",
			"0.0.0.0:8080->80/tcp"},
		{"[{\"IP\":\"::\",\"PrivatePort\":80,\"PublicPort\":80,\"Type\":\"tcp\"}]",
			"[::]:80->80/tcp"},
		{"[{\"PrivatePort\":82,\"Type\":\"tcp\"},{\"PrivatePort\":80,\"Type\":\"tcp\"},"
		 "{\"PrivatePort\":81,\"Type\":\"tcp\"},{\"PrivatePort\":90,\"Type\":\"tcp\"}]",
			"80-82/tcp, 90/tcp"},
		{"[{\"IP\":\"127.0.0.1\",\"PrivatePort\":2,\"PublicPort\":2,\"Type\":\"tcp\"},"
		 "{\"IP\":\"127.0.0.1\",\"PrivatePort\":3,\"PublicPort\":3,\"Type\":\"tcp\"},"
		 "{\"PrivatePort\":53,\"Type\":\"udp\"}]",
			"127.0.0.1:2-3->2-3/tcp, 53/udp"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(json_t) json = dh_json_loads(cases[i].json, strlen(cases[i].json), NULL);
		g_autofree char *got = ports_display(json);
		assert_string_equal(got, cases[i].expected);
	}
}

static void test_host(void **state)
{
	static const struct {
		const char *host, *expected;
		gboolean is_default;
	} good[] = {
		{"unix://", "unix:///var/run/dhow.sock", TRUE},
		{"unix:///var/run/dhow.sock", "unix:///var/run/dhow.sock", TRUE},
		{"unix:///tmp/x", "unix:///tmp/x", FALSE},
	};
	static const char *const bad[] = {
		"tcp://1.2.3.4", "ssh://a", "fd://", "foo", "", "unix://relative"};
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		Cli cli = {0};
		assert_true(cli_set_host(&cli, good[i].host, NULL));
		assert_string_equal(cli.host, good[i].expected);
		assert_int_equal(cli.host_is_default, good[i].is_default);
		g_free(cli.host);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		Cli cli = {0};
		g_autoptr(GError) error = NULL;
		assert_false(cli_set_host(&cli, bad[i], &error));
		assert_non_null(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_stop_at_argument),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_registry),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_host),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What docker 28.2 prints for these templates, its errors included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* */
#include <cmocka.h>

#include "cli/format.h"
#include "cli/template_internal.h"

#include <string.h>

/* clang-format off */
static const char container[] =
	"{\"Id\":\"aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa1"
	"1\",\"Created\":\"2026-11-22T03:00:00.123456789Z\",\"Path\":\"nginx\",\"Args\":[\""
	"-g\",\"daemon off;\"],\"State\":{\"Status\":\"running\",\"Running\":true,\"Paused\""
	":false,\"Restarting\":false,\"OOMKilled\":false,\"Dead\":false,\"Pid\":4242,\"E"
	"xitCode\":0,\"Error\":\"\",\"StartedAt\":\"2026-11-22T03:00:01Z\",\"FinishedAt\":"
	"\"0001-01-01T00:00:00Z\"},\"Image\":\"sha256:cccccccccccccccccccccccccccccc"
	"cccccccccccccccccccccccccccccccccc\",\"ResolvConfPath\":\"/r\",\"HostnamePat"
	"h\":\"/h\",\"HostsPath\":\"/ho\",\"LogPath\":\"/l\",\"Name\":\"/web\",\"RestartCount\":"
	"0,\"Driver\":\"overlay2\",\"Platform\":\"linux\",\"MountLabel\":\"\",\"ProcessLabel"
	"\":\"\",\"AppArmorProfile\":\"\",\"ExecIDs\":null,\"HostConfig\":{\"Binds\":null,\"C"
	"ontainerIDFile\":\"\",\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{}},\"Netwo"
	"rkMode\":\"default\",\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8"
	"080\"}]},\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},\"AutoRemov"
	"e\":false,\"Links\":[\"/a:/b/c\"],\"Memory\":67108864,\"NanoCpus\":0,\"MaskedPat"
	"hs\":[\"/proc/x\"]},\"GraphDriver\":{\"Data\":{\"LowerDir\":\"/a\",\"MergedDir\":\"/"
	"m\"},\"Name\":\"overlay2\"},\"SizeRw\":5,\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"v"
	"v\",\"Source\":\"/var/x\",\"Destination\":\"/d\",\"Driver\":\"local\",\"Mode\":\"\",\"RW"
	"\":true,\"Propagation\":\"\"},{\"Type\":\"bind\",\"Source\":\"/hs\",\"Destination\":\""
	"/e\",\"Mode\":\"\",\"RW\":false,\"Propagation\":\"rprivate\"}],\"Config\":{\"Hostnam"
	"e\":\"aa\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,\"ExposedPorts\":{"
	"\"80/tcp\":{},\"443/tcp\":{}},\"Tty\":false,\"Env\":[\"A=1\",\"PATH=/bin\"],\"Cmd\":"
	"[\"nginx\",\"-g\",\"daemon off;\"],\"Image\":\"nginx:latest\",\"Volumes\":{\"/d\":{}"
	"},\"WorkingDir\":\"/\",\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{\"a\":\"b\","
	"\"com.x/y\":\"z <&>\"}},\"NetworkSettings\":{\"Bridge\":\"\",\"SandboxID\":\"s\",\"Po"
	"rts\":{\"443/tcp\":null,\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8080\"},"
	"{\"HostIp\":\"::\",\"HostPort\":\"8080\"}]},\"IPAddress\":\"172.17.0.2\",\"IPPrefix"
	"Len\":16,\"Networks\":{\"bridge\":{\"IPAddress\":\"172.17.0.2\",\"Aliases\":null,"
	"\"Gateway\":\"172.17.0.1\"}}},\"X\":{\"list\":[\"a\",\"b\",\"c\"],\"nums\":[3,1,2],\"m\""
	":{\"k2\":\"v2\",\"k1\":\"v1\"},\"nul\":null,\"t\":true,\"f\":1.5,\"big\":1e+30,\"i\":42,"
	"\"s\":\"héllo <w> & 'x' \\\"q\\\"\",\"empty\":[],\"em\":{},\"nest\":[{\"n\":1,\"l\":[\"x\""
	"]},{\"n\":2,\"l\":[]}],\"z\":0,\"es\":\"\"}}";

#define ERR "ERR "

static const struct {
	const char *text, *expected;
} cases[] = {
	{"{{.NetworkSettings.Ports}}", "map[443/tcp:[] 80/tcp:[{0.0.0.0 8080} {:: 8080}]]"},
	{"{{.Mounts}}", "[{volume vv /var/x /d local  true } {bind  /hs /e   false rprivate}]"},
	{"{{.Config.Volumes}}", "map[/d:{}]"},
	{"{{.HostConfig.LogConfig}}", "{json-file map[]}"},
	{"{{.State.Health}}", "<nil>"},
	{"{{.State.Health.Status}}",
		"ERR template: :1:8: executing \"\" at <.State.Health.Status>: map has no entry for"
		" key \"Health\""},
	{"{{if .State.Health}}y{{else}}n{{end}}", "n"},
	{"{{.GraphDriver}}", "{map[LowerDir:/a MergedDir:/m] overlay2}"},
	{"{{.HostConfig.RestartPolicy}}", "{no 0}"},
	{"{{.Config.Entrypoint}}", "[]"},
	{"{{.Config.Cmd}} {{.Config.Env}}", "[nginx -g daemon off;] [A=1 PATH=/bin]"},
	{"{{range .Config.Env}}[{{.}}]{{end}}", "[A=1][PATH=/bin]"},
	{"{{range $i, $e := .Config.Env}}{{$i}}={{$e}};{{end}}", "0=A=1;1=PATH=/bin;"},
	{"{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "a:b com.x/y:z <&> "},
	{"{{range $p, $conf := .NetworkSettings.Ports}}{{$p}} -> {{(index $conf 0).HostPor"
		"t}} {{end}}",
		"ERR template: :1:58: executing \"\" at <index $conf 0>: error calling index: index"
		" of untyped nil"},
	{"{{range $p, $conf := .NetworkSettings.Ports}}{{if $conf}}{{$p}} -> {{(index $con"
		"f 0).HostPort}} {{end}}{{end}}",
		"80/tcp -> 8080 "},
	{"{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", "8080"},
	{"{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "172.17.0.2"},
	{"{{.NetworkSettings.Networks.bridge.IPAddress}}", "172.17.0.2"},
	{"{{index .X.list 5}}",
		"ERR template: :1:2: executing \"\" at <index .X.list 5>: error calling index: inde"
		"x out of range: 5"},
	{"{{index .X.list 1}}", "b"},
	{"{{.X.f}} {{.X.nul}} {{.X.t}}", "1.5 <no value> true"},
	{"{{index .Config.Labels \"q\"}}", ""},
	{"{{index .Config.Labels \"com.x/y\"}}", "z <&>"},
	{"{{.Config.Labels.q}}", "<no value>"},
	{"{{.HostConfig.PortBindings}}", "map[80/tcp:[{ 8080}]]"},
	{"{{.Config.ExposedPorts}}", "map[443/tcp:{} 80/tcp:{}]"},
	{"{{json .X.s}}", "\"héllo <w> & 'x' \\\"q\\\"\""},
	{"{{eq .Name \"/web\"}} {{ne .Name \"/web\"}} {{eq .Name \"a\" \"/web\"}}", "true false true"},
	{"{{if and .State.Running (eq .Name \"/web\")}}both{{end}}", "both"},
	{"{{if or .State.Dead .State.Paused}}x{{else if .State.Running}}run{{else}}z{{end}"
		"}",
		"run"},
	{"{{not .State.Running}}", "false"},
	{"{{printf \"%s-%d %q %v %5s|%-5s|\" .Name .State.Pid .Name .State.Running \"ab\" \"cd\""
		"}}",
		"/web-4242 \"/web\" true    ab|cd   |"},
	{"{{printf \"%d\" \"x\"}} {{printf \"%s\"}} {{printf \"a\" 1}} {{printf \"%05d|%x|%X|%o|%b|"
		"%c|%t\" 42 255 255 8 5 65 true}}",
		"%!d(string=x) %!s(MISSING) a%!(EXTRA int=1) 00042|ff|FF|10|101|A|true"},
	{"{{printf \"%.2f %e %g\" 3.14159 1234.5 0.5}} {{printf \"%6.2f|%-8v|%+d\" 1.5 \"x\" 3}}",
		"3.14 1.234500e+03 0.5   1.50|x       |+3"},
	{"{{.X.nul.foo}}",
		"ERR template: :1:4: executing \"\" at <.X.nul.foo>: nil pointer evaluating interfa"
		"ce {}.foo"},
	{"{{.SizeRootFs}}", "<nil>"},
	{"{{.HostConfig.PidsLimit}}", "<nil>"},
	{"{{split 1}}",
		"ERR template: :1:2: executing \"\" at <split>: wrong number of args for split: wan"
		"t 2 got 1"},
	{"{{.X.s.y.z}}",
		"ERR template: :1:4: executing \"\" at <.X.s.y.z>: can't evaluate field y in type i"
		"nterface {}"},
	{"{{truncate 5 6}}",
		"ERR template: :1:11: executing \"\" at <5>: expected string; found 5"},
	{"{{nope}}", "ERR template: :1: function \"nope\" not defined"},
	{"{{$x}}", "ERR template: :1: undefined variable \"$x\""},
	{"{{if}}", "ERR template: :1: missing value for if"},
	{"{{end}}", "ERR template: :1: unexpected {{end}}"},
	{"{{.X}} {{", "ERR template: :1: unclosed action"},
	{"{{\"a}}", "ERR template: :1: unterminated quoted string"},
	{"{{1a}}", "ERR template: :1: bad number syntax: \"1a\""},
	{"{{.A B}}", "ERR template: :1: function \"B\" not defined"},
	{"{{(1}}", "ERR template: :1: unclosed left paren"},
	{"{{1 | 2}}", "ERR template: :1: non executable command in pipeline stage 2"},
	{"{{break}}", "ERR template: :1: {{break}} outside {{range}}"},
	{"{{/* x }}", "ERR template: :1: unclosed comment"},
	{"{{@}}", "ERR template: :1: unexpected \"@\" in command"},
	{"{{range .X.list}}", "ERR template: :1: unexpected EOF"},
	{"a{{- \"b\" -}}  c   {{- /* comment */ -}}   d", "abcd"},
	{"{{.X.list.a}}",
		"ERR template: :1:4: executing \"\" at <.X.list.a>: can't evaluate field a in type "
		"interface {}"},
	{"{{with .X.m}}{{.k1}}{{end}}{{with .X.em}}no{{else}}empty{{end}}", "v1empty"},
	{"{{with $y := .X.m}}{{$y.k2}}{{end}}", "v2"},
	{"{{$v := \"1\"}}{{$v}}{{$v = \"2\"}}{{$v}}", "12"},
	{"{{define \"T\"}}<{{.}}>{{end}}{{template \"T\" .Name}}{{template \"T\"}}",
		"</web><<no value>>"},
	{"{{block \"B\" .Name}}({{.}}){{end}}", "(/web)"},
	{"{{template \"none\"}}",
		"ERR template: :1:11: executing \"\" at <{{template \"none\"}}>: template \"none\" not "
		"defined"},
	{"{{range .X.empty}}a{{else}}none{{end}}", "none"},
	{"{{range .X.list}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{if eq . \"c\"}}{{break}}"
		"{{end}}{{end}}",
		"ac"},
	{"{{len .X.list}} {{len .X.m}} {{len .Name}} {{len .X.empty}}", "3 2 4 0"},
	{"{{slice .Name 1 3}} {{slice .X.list 1}}", "we [b c]"},
	{"{{html .X.s}} | {{js .X.s}} | {{urlquery .X.s}}",
		"héllo &lt;w&gt; &amp; &#39;x&#39; &#34;q&#34; | héllo \\u003Cw\\u003E \\u0026 \\'x\\'"
		" \\\"q\\\" | h%C3%A9llo+%3Cw%3E+%26+%27x%27+%22q%22"},
	{"{{print 1 2 \"a\" \"b\" 3}}{{println \"x\" 1}}", "1 2ab3x 1\n"},
	{"{{upper .Name}} {{title \"hello world\"}} {{lower \"ABC\"}} {{pad \"x\" 2 3}}| {{trunc"
		"ate .Name 2}} {{join .Config.Env \",\"}} {{split \"a,b,c\" \",\"}}",
		"/WEB Hello World abc   x   | /w A=1,PATH=/bin [a b c]"},
	{"{{.Name | printf \"%s!\" | upper}}", "/WEB!"},
	{"{{(printf \"%s\" .Name) | len}}", "4"},
	{"{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 2.5}} {{eq 1 1.0}}",
		"ERR template: :1:54: executing \"\" at <eq 1 1.0>: error calling eq: incompatible "
		"types for comparison"},
	{"{{lt \"a\" 1}}",
		"ERR template: :1:2: executing \"\" at <lt \"a\" 1>: error calling lt: incompatible t"
		"ypes for comparison"},
	{"{{eq .X.list 1}}",
		"ERR template: :1:2: executing \"\" at <eq .X.list 1>: error calling eq: incompatib"
		"le types for comparison"},
	{"{{1}} {{1.5}} {{1e3}} {{0x10}} {{'a'}} {{`raw\\n`}} {{\"esc\\t\\\"\\u00e9\"}} {{true}} "
		"{{-3}} {{1_000}} {{1e100}} {{0.00001}}",
		"1 1.5 1000 16 97 raw\\n esc\t\"é true -3 1000 1e+100 1e-05"},
	{"{{nil}}", "ERR template: :1:2: executing \"\" at <nil>: nil is not a command"},
	{"{{print nil}}", "<nil>"},
	{"{{$.Name}}{{range .X.list}}{{$.State.Pid}}{{end}}", "/web424242424242"},
	{"{{and 1 0 2}} {{or 0 \"\" \"x\"}} {{and}} ",
		"ERR template: :1:32: executing \"\" at <and>: wrong number of args for and: want a"
		"t least 1 got 0"},
	{"{{.Name.Foo}}",
		"ERR template: :1:7: executing \"\" at <.Name.Foo>: can't evaluate field Foo in typ"
		"e interface {}"},
	{"{{index .X.m \"k1\"}} {{index .X.nest 0 \"n\"}}", "v1 1"},
	{"{{.Config.Image}}{{\"\\n\"}}x", "nginx:latest\nx"},
	{"{{.State.Status}}{{- /* c */}} z", "running z"},
	{"{{ .Name }}", "/web"},
	{"{{.Name -}}   tail", "/webtail"},
	{"{{else}}", "ERR template: :1: unexpected {{else}}"},
	{"{{if true}}a{{else}}b{{else}}c{{end}}",
		"ERR template: :1: expected end; found {{else}}"},
	{"{{range $a, $b, $c := .X}}{{end}}",
		"ERR template: :1: too many declarations in range"},
	{"{{$a, $b := 1}}", "ERR template: :1: too many declarations in command"},
	{"{{template}}", "ERR template: :1: unexpected \"}}\" in template clause"},
	{"{{define}}", "ERR template: :1: unexpected \"}}\" in define clause"},
	{"{{.Name | }}", "/web"},
	{"{{| .Name}}", "ERR template: :1: unexpected \"|\" in command"},
	{"{{()}}", "ERR template: :1: missing value for parenthesized pipeline"},
	{"{{\"x\" \"y\"}}",
		"ERR template: :1:2: executing \"\" at <\"x\">: can't give argument to non-function \""
		"x\""},
	{"{{.Name \"y\"}}",
		"ERR template: :1:2: executing \"\" at <.Name>: Name is not a method but has argume"
		"nts"},
	{"{{5 6}}",
		"ERR template: :1:2: executing \"\" at <5>: can't give argument to non-function 5"},
	{"{{.X..y}}", "ERR template: :1: unexpected <.> in operand"},
	{"{{..}}", "ERR template: :1: unexpected <.> in operand"},
	{"{{.X.m.}}", "ERR template: :1: unexpected <.> in operand"},
	{"{{.HostConfig.Links}} {{.HostConfig.Memory}} {{.RestartCount}}",
		"[/a:/b/c] 67108864 0"},
	{"{{json .Config.Labels}} {{json .Mounts}}",
		"{\"a\":\"b\",\"com.x/y\":\"z <&>\"} [{\"Type\":\"volume\",\"Name\":\"vv\",\"Source\":\"/var/x\",\"Des"
		"tination\":\"/d\",\"Driver\":\"local\",\"Mode\":\"\",\"RW\":true,\"Propagation\":\"\"},{\"Type\":\"b"
		"ind\",\"Source\":\"/hs\",\"Destination\":\"/e\",\"Mode\":\"\",\"RW\":false,\"Propagation\":\"rpriv"
		"ate\"}]"},
	{"{{range .Mounts}}{{.Type}}:{{.Source}}->{{.Destination}} {{end}}",
		"volume:/var/x->/d bind:/hs->/e "},
	{"{{if not .X.nul}}null{{end}}", "null"},
	{"{{range $i := .X.list}}{{$i}}{{end}}", "abc"},
	{"{{range 3}}{{.}}{{end}}", "012"},
};
/* clang-format on */

/* The output, or ERR and the error; with what was printed before it. Caller frees. */
static char *run(const char *text, json_t *data)
{
	GError *error = NULL;
	Template *t = template_parse(text, &error);
	GString *out = g_string_new(NULL);
	if (!t || !template_execute(t, data, TRUE, out, &error)) {
		g_string_printf(out, ERR "%s", error->message);
		g_error_free(error);
	}
	template_free(t);
	return g_string_free(out, FALSE);
}

static void test_like_docker(void **state)
{
	json_t *data = dh_json_loads(container, strlen(container), NULL);
	assert_non_null(data);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *got = run(cases[i].text, data);
		assert_string_equal(got, cases[i].expected);
	}
	json_decref(data);
}

/* Ints of JSON are numbers here; docker's second try, over the raw answer, has texts. */
static void test_numbers(void **state)
{
	json_t *data = json_pack("{s:i,s:f,s:i}", "i", 42, "f", 1.5, "z", 0);
	static const struct {
		const char *text, *expected;
	} list[] = {
		{"{{.i}} {{.f}} {{.z}}", "42 1.5 0"},
		{"{{eq .i 42}} {{lt .i 43}} {{if .z}}y{{else}}n{{end}}", "true true n"},
		{"{{printf \"%04d\" .i}}", "0042"},
		{"{{range .i}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}", "01"},
		{"{{eq .i .f}}",
			"ERR template: :1:2: executing \"\" at <eq .i .f>: error calling eq: "
			"incompatible types for comparison"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(list); i++) {
		g_autofree char *got = run(list[i].text, data);
		assert_string_equal(got, list[i].expected);
	}
	json_decref(data);
}

/* Hostile templates end with an error, not with the program. */
static void test_limits(void **state)
{
	json_t *data = json_object();
	g_autoptr(GString) deep = g_string_new("{{");
	for (int i = 0; i < 100000; i++)
		g_string_append_c(deep, '(');
	static const char *const list[] = {
		"{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}",
		"{{range 100000}}{{range 100000}}{{end}}{{end}}",
		"{{range 100000}}{{printf \"%10000d\" 1}}{{end}}",
		"{{printf \"%999999999d\" 1 | len | printf \"%999999999s\" | slice 5}}",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(list); i++) {
		g_autofree char *got = run(list[i], data);
		assert_true(g_str_has_prefix(got, ERR));
	}
	g_autofree char *got = run(deep->str, data);
	assert_true(g_str_has_prefix(got, ERR));
	g_string_assign(deep, "");
	for (int i = 0; i < 100000; i++)
		g_string_append(deep, "{{if true}}");
	g_autofree char *nested = run(deep->str, data);
	assert_true(g_str_has_prefix(nested, ERR));
	json_decref(data);
}

static void test_cut_short(void **state)
{
	json_t *data = dh_json_loads(container, strlen(container), NULL);
	/* every beginning of every template is either fine or an error */
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		for (size_t n = 0; n < strlen(cases[i].text); n++) {
			g_autofree char *text = g_strndup(cases[i].text, n);
			g_autofree char *got = run(text, data);
			assert_non_null(got);
		}
	}
	json_decref(data);
}

static void test_reals(void **state)
{
	static const struct {
		double d;
		const char *text;
	} list[] = {
		{0, "0"},
		{1, "1"},
		{-1.5, "-1.5"},
		{100, "100"},
		{0.1, "0.1"},
		{1e20, "100000000000000000000"},
		{1e21, "1e+21"},
		{0.0001, "0.0001"},
		{0.00001, "1e-05"},
		{123456.789, "123456.789"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(list); i++) {
		g_autoptr(GString) out = g_string_new(NULL);
		template_print_real(out, list[i].d);
		assert_string_equal(out->str, list[i].text);
	}
}

static const Column columns[] = {
	{"ID", "CONTAINER ID"},
	{"Label", NULL},
	{"Names", "NAMES"},
};
static const TableSpec spec = {.type_name = "*formatter.ContainerContext",
	.default_table = "table {{.ID}}\t{{.Names}}",
	.columns = columns,
	.n_columns = G_N_ELEMENTS(columns)};

static void test_tables(void **state)
{
	json_t *rows = json_pack("[{s:s,s:s,s:{s:s}},{s:s,s:s,s:{}}]", "ID", "aa11aa11aa11",
		"Names", "w\xc3\xa9\x62<", "Label", "com.x.some-key", "v", "ID", "b", "Names", "",
		"Label");
	static const struct {
		const char *format, *expected;
	} list[] = {
		{NULL, "CONTAINER ID   NAMES\naa11aa11aa11   w\xc3\xa9\x62<\nb              \n"},
		{"table {{.Names}}\\t{{.ID}}",
			"NAMES     CONTAINER ID\nw\xc3\xa9\x62<      aa11aa11aa11\n          b\n"},
		{"{{.ID}}", "aa11aa11aa11\nb\n"},
		{"json", "{\"ID\":\"aa11aa11aa11\",\"Names\":\"w\xc3\xa9\x62\\u003c\"}\n"
			 "{\"ID\":\"b\",\"Names\":\"\"}\n"},
		{"table {{.Label \"com.x.some-key\"}}|{{upper .ID}}",
			"some key|CONTAINER ID\nv|AA11AA11AA11\n|B\n"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(list); i++) {
		g_autoptr(GString) out = g_string_new(NULL);
		assert_true(format_rows(&spec, list[i].format, rows, out, NULL));
		assert_string_equal(out->str, list[i].expected);
	}
	GError *error = NULL;
	g_autoptr(GString) out = g_string_new(NULL);
	assert_false(format_rows(&spec, "{{.Foo}}", rows, out, &error));
	assert_string_equal(error->message, "template parsing error: template: :1:2: executing "
					    "\"\" at <.Foo>: can't evaluate field "
					    "Foo in type *formatter.ContainerContext");
	g_error_free(error);
	json_decref(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_docker),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_reals),
		cmocka_unit_test(test_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
